"""The people that statistics are measured on, drawn from seeds: both sides draw the same ones, each in its own environment.

Needs numpy and pandas alone, so that the peers can import it.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

SITES = ("ada", "bob", "cyd")
SCORES, FLAGS, KINDS = 12, 10, 8  # columns of Table 1
KIND_NAMES = ("p", "q", "r", "s")


def study(seed: int, count: int) -> pd.DataFrame:
    """One site's rows of Table 1: two arms and 30 columns."""
    generator = np.random.default_rng(seed)
    found: dict[str, object] = {"arm": generator.choice(["a", "b"], count)}
    for place in range(SCORES):
        found[f"x{place}"] = np.clip(np.rint(generator.normal(50, 12, count)), 0, 100).astype(np.int64)
    for place in range(FLAGS):
        found[f"f{place}"] = generator.random(count) < 0.2 + 0.05 * place
    for place in range(KINDS):
        found[f"c{place}"] = generator.choice(KIND_NAMES, count)
    return pd.DataFrame(found)


def scores(seed: int, count: int, columns: int) -> pd.DataFrame:
    """One site's numbers for ``describe``."""
    generator = np.random.default_rng(seed)
    drawn = np.clip(np.rint(generator.normal(50, 12, (count, columns))), 0, 100).astype(np.int64)
    return pd.DataFrame(drawn, columns=[f"x{place}" for place in range(columns)])


def patients(seed: int, count: int) -> pd.DataFrame:
    """People of two arms with times up to 59 and events."""
    generator = np.random.default_rng(seed)
    arm = generator.random(count) < 0.5
    times = generator.exponential(np.where(arm, 60, 45))
    ends = generator.uniform(20, 59.9, count)
    return pd.DataFrame(
        {"months": np.minimum(times, ends).astype(np.int64), "died": times <= ends, "arm": arm}
    )

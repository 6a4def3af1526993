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


def followed(seed: int, count: int) -> pd.DataFrame:
    """People with ten covariates, times up to 120 and events, for Cox regression."""
    generator = np.random.default_rng(seed)
    found = {f"x{place}": generator.integers(0, 41, count) for place in range(5)}
    found |= {f"f{place}": generator.random(count) < 0.3 + 0.05 * place for place in range(5)}
    frame = pd.DataFrame(found)
    risk = 0.02 * frame.x0 - 0.03 * frame.x1 + 0.5 * frame.f0 - 0.3 * frame.f1
    times = generator.exponential(80 * np.exp(-risk.to_numpy()))
    ends = generator.uniform(30, 119.9, count)
    return frame.assign(days=np.minimum(times, ends).astype(np.int64), died=times <= ends)


def cases(seed: int, count: int) -> pd.DataFrame:
    """People with twenty covariates and an outcome, for logistic regression."""
    generator = np.random.default_rng(seed)
    found = {f"x{place}": generator.integers(0, 41, count) for place in range(16)}
    found |= {f"f{place}": generator.random(count) < 0.2 + 0.1 * place for place in range(4)}
    frame = pd.DataFrame(found)
    line = -1 + 0.03 * frame.x0 - 0.02 * frame.x1 + 0.4 * frame.f0 - 0.6 * frame.f1
    return frame.assign(ill=generator.random(count) < 1 / (1 + np.exp(-line)))

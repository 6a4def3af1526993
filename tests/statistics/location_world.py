"""The rows of location.json at three sites; releases of private plans."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from statistic_world import StatisticWorld

from analytics.statistics.aggregate import shift_of
from smpc.sharing import Shared

REFERENCE = json.loads(
    (Path(__file__).parents[1] / "oracles" / "statistics" / "location.json").read_text("utf-8")
)
PRESSURE = {
    "type": "numeric",
    "lower": 60,
    "upper": 220,
    "resolution": 1,
    "bins": [60, 110, 120, 130, 140, 150, 220],
    "nullable": True,
}
COLUMNS = {
    "sex": {"type": "categorical", "domain": ["f", "m"], "nullable": True},
    "arm": {"type": "categorical", "domain": ["new", "old", "none"], "nullable": True},
    "before": PRESSURE,
    "after": PRESSURE | {"resolution": 0.5},
    "later": PRESSURE,
    "years": {"type": "numeric", "lower": 0, "upper": 25, "resolution": 0.1, "nullable": True},
    "fell": {"type": "boolean", "nullable": True},
}


@cache
def _rows():
    return pd.DataFrame(REFERENCE["rows"]).astype({"fell": object})


def rows():
    """The reference's rows."""
    return _rows().copy()


@cache
def _world():
    return StatisticWorld(rows(), COLUMNS)


def world(frame=None, columns=None, **fields):
    if frame is None and columns is None and not fields:
        return _world()
    return StatisticWorld(rows() if frame is None else frame, columns or COLUMNS, **fields)


NEVER_MISSING = {name: {**column, "nullable": False} for name, column in COLUMNS.items()}


def never_missing(frame=None, **fields):
    """The same, in columns that the schema declares as always known."""
    return world(frame, NEVER_MISSING, **fields)


def with_missing(frame, *names):
    """Rows without one of some values beside the others: they are in no figure."""
    lost = [frame.head(8).assign(**{name: None}) for name in names]
    return pd.concat([frame, *lost], ignore_index=True)


def released(plan, figures, generator=None):
    """The answer of one release of true figures; without a generator one without noise.

    Args:
        plan: of a private answer whose step opens every figure.
        figures: shape ``(n_blocks, n_groups)``.
        generator: of the noise.
    """
    rows = []
    for row, law in zip(np.asarray(figures, dtype=float), plan.noise, strict=True):
        noise = 0 if generator is None else law.normal(row.shape, generator)
        rows.append(np.rint((row + noise) * law.weight).astype(np.int64))
    (step,) = plan.statistic.every_step()
    opened = step.joint(None, Shared(share=np.concatenate(rows))).share
    return plan.statistic.estimate((opened,), plan.noise)


def moments(plan, samples):
    """Number, sum and squares of groups of values in their own unit, as a release of moments adds them up."""
    statistic = plan.statistic
    shift = shift_of(statistic._value)
    steps = [np.rint(each / float(statistic.unit)) - shift.center for each in samples]
    return [
        [each.size for each in steps],
        [each.sum() for each in steps],
        [(each**2 - shift.offset).sum() for each in steps],
    ]

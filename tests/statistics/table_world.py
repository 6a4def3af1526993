"""Tables of counts as rows of three sites, for statistics that are made from one whole table."""

from itertools import product

import numpy as np
import pandas as pd
from statistic_world import StatisticWorld

NAMES = ("a", "b", "c")


def frame_of(table, missing=5, seed=3):
    """One row for each count, in random order; some rows lack a value."""
    table = np.array(table)
    places = np.repeat(np.array(list(product(*map(range, table.shape)))), table.ravel(), axis=0)
    names = NAMES[: table.ndim]
    frame = pd.DataFrame(dict(zip(names, places.T, strict=True)))
    for name in names:
        frame[name] = [f"{name}{place}" for place in frame[name]]
    lost = frame.head(missing).assign(a=None)
    return pd.concat([frame, lost]).sample(frac=1, random_state=seed).reset_index(drop=True)


def columns_of(shape):
    """Of the columns; all of them may be missing."""
    return {
        name: {"type": "categorical", "domain": [f"{name}{place}" for place in range(size)], "nullable": True}
        for name, size in zip(NAMES, shape, strict=False)
    }


def same_groups(frame, columns, names=("a", "b")):
    """Give two columns the same groups."""
    first, second = names
    turned = frame[second].astype(object).map(lambda each: each.replace(second, first), na_action="ignore")
    renamed = frame.assign(**{second: turned})
    return renamed, columns | {second: columns[first]}


EDGES = [0, 0.2, 0.45, 0.7, 1]


def as_chances(frame, columns, *, both):
    """Make the first column, or the first two, a predicted chance with declared bins."""
    n_bins = len(columns["a"]["domain"])
    edges = [*EDGES[:n_bins], 1]
    score = {f"a{place}": round(edges[place] + 0.03, 2) for place in range(n_bins)}
    chance = {"type": "numeric", "lower": 0, "upper": 1, "resolution": 0.01, "bins": edges, "nullable": True}
    names = ("a", "b") if both else ("a",)
    return frame.assign(**{name: frame[name].map(score) for name in names}), columns | dict.fromkeys(
        names, chance
    )


def table_world(table, *, paired=False, seed=3, missing=5, chances=False, **fields):
    frame, columns = frame_of(table, missing, seed), columns_of(np.shape(table))
    if paired:
        frame, columns = same_groups(frame, columns)
    if chances:
        frame, columns = as_chances(frame, columns, both=paired)
    fields = {"rows_max": 4000} | fields
    return StatisticWorld(frame, columns, **fields)


def released(plan, cells, generator):
    """What a release of true cells opens, with the plan's noise."""
    (law,) = plan.noise
    noisy = (np.asarray(cells, dtype=float).ravel() + law.normal((np.size(cells),), generator)) * law.weight
    return (np.rint(noisy).astype(np.int64),)

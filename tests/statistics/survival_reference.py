"""Tables whose survival statistics lifelines and statsmodels computed (tests/oracles/statistics/survival.py)."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from analytics.statistics.life_tables.group_table import GroupTable

PATH = Path(__file__).resolve().parents[1] / "oracles" / "statistics" / "survival.json"
TABLES = json.loads(PATH.read_text("utf-8"))["tables"]


def rows_of(name):
    """One row a person: time from 1, event (0 or the cause), group, stratum."""
    columns = TABLES[name]["columns"]
    return pd.DataFrame({key: [ord(each) - 48 for each in text] for key, text in columns.items()})


def cells_of(rows, count):
    """Censorings and events of each interval, shape (count, 2)."""
    cells = np.zeros((count, 2))
    np.add.at(cells, (rows.time.to_numpy() - 1, (rows.event > 0).to_numpy(int)), 1)
    return cells


def table_of(cells, edges, noise_sd=0.0):
    at_risk = np.cumsum(cells.sum(axis=1)[::-1])[::-1]
    return GroupTable(
        name="",
        edges=tuple(map(float, edges)),
        events=cells[:, 1],
        censored=cells[:, 0],
        at_risk=at_risk,
        noise_sd=noise_sd,
    )


def columns_of(name):
    """The schema's columns for ``frame_of``."""
    edges = TABLES[name]["edges"]
    return {
        "days": {"type": "numeric", "lower": 0, "upper": edges[-1], "resolution": 1, "bins": edges},
        "died": {"type": "boolean"},
        "cause": {"type": "categorical", "domain": ["none", "first", "second"]},
        "arm": {"type": "categorical", "domain": ["0", "1", "2"]},
        "clinic": {"type": "categorical", "domain": ["0", "1"]},
    }


def frame_of(name):
    """People with times inside their intervals."""
    rows, edges = rows_of(name), np.array(TABLES[name]["edges"])
    start, end = edges[rows.time - 1], edges[rows.time]
    return pd.DataFrame(
        {
            "days": start + np.arange(len(rows)) % (end - start),
            "died": rows.event > 0,
            "cause": np.array(["none", "first", "second"])[rows.event],
            "arm": rows.group.astype(str),
            "clinic": rows.stratum.astype(str),
        }
    )

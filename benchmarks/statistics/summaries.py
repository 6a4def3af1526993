"""describe(), Table 1 and a private survival table, each beside its target and what a package of one machine takes.

Sites of ``federation.local`` on this machine, numpy as engine; seconds are those of the run as the analyst sees it, after the
charge, median of the runs. Both sides are measured in one run.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import time
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np

import federation
from benchmarks.statistics.people import FLAGS, KIND_NAMES, KINDS, SCORES, SITES, patients, scores, study

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

PEERS = Path(__file__).parents[1] / "peers"
PEER = PEERS / "statistics_peer.py"
EDGES = [0, 30, 40, 50, 60, 70, 100]
SCORE = {"type": "numeric", "lower": 0, "upper": 100, "resolution": 1, "bins": EDGES}


def session_of(frames: dict[str, pd.DataFrame], columns: dict[str, Any], rows_max: int) -> Any:
    """All sites on this machine, with one table."""
    table = {
        "privacy_unit": "row",
        "rows_max": rows_max,
        "max_sites_per_unit": 1,
        "exact_dimensions": list(columns),
        "columns": columns,
    }
    return federation.local(frames, schema={"tables": {"people": table}}, engine="numpy")


def seconds_of(ask: Callable[[], Any], runs: int) -> tuple[float, Any]:
    """Median seconds after the charge, and the last answer."""
    answers = [ask() for _ in range(runs)]
    return statistics.median(each.receipt["seconds"]["run"] for each in answers), answers[-1]


def _duckdb_summaries(frame: pd.DataFrame) -> float:
    """Seconds of the same figures of one site, in one statement over a table of the same types."""
    with duckdb.connect() as database:
        database.execute("CREATE TABLE people AS SELECT * FROM frame")
        parts = []
        for name in frame.columns:
            cells = [f"{name} >= {low} AND {name} < {high}" for low, high in pairwise(EDGES)]
            parts += [f"count({name})", f"avg({name})", f"stddev_samp({name})"]
            parts += [f"count(*) FILTER (WHERE {cell})" for cell in cells]
        started = time.perf_counter()
        database.execute(f"SELECT {', '.join(parts)} FROM people").fetchall()  # noqa: S608  the texts above
        return time.perf_counter() - started


def describe(count: int, runs: int) -> list[dict[str, object]]:
    """20 columns of so many rows a site, exact and private; DuckDB's is the slowest of the sites."""
    frames = {name: scores(place, count, 20) for place, name in enumerate(SITES)}
    names = list(frames[SITES[0]].columns)
    slowest = max(
        statistics.median(_duckdb_summaries(frame) for _ in range(runs)) for frame in frames.values()
    )
    found: list[dict[str, object]] = []
    with session_of(frames, dict.fromkeys(names, SCORE), count + count // 10) as session:
        table = session.table("people")
        for how in ({"exact": True}, {"epsilon": 1}):
            seconds, answer = seconds_of(lambda how=how: table.describe(names, **how), runs)
            found.append(
                {
                    "work": f"describe, {'exact' if 'exact' in how else 'private'}",
                    "rows_a_site": count,
                    "columns": len(names),
                    "seconds": round(seconds, 3),
                    "duckdb_slowest_site": round(slowest, 3),
                    "ratio": round(seconds / slowest, 2),
                    "closed": answer.closed,
                }
            )
    return found


def table_one(count: int, runs: int, python: str | None) -> list[dict[str, object]]:
    """30 columns in two arms; tableone over all rows together where its environment is given."""
    frames = {name: study(place, count) for place, name in enumerate(SITES)}
    columns: dict[str, Any] = {"arm": {"type": "categorical", "domain": ["a", "b"]}}
    columns |= {f"x{place}": SCORE for place in range(SCORES)}
    columns |= {f"f{place}": {"type": "boolean"} for place in range(FLAGS)}
    kind = {"type": "categorical", "domain": list(KIND_NAMES)}
    columns |= {f"c{place}": kind for place in range(KINDS)}
    names = [name for name in columns if name != "arm"]
    peer = None
    if python is not None:
        done = subprocess.run([python, str(PEER), str(count)], check=True, capture_output=True, text=True)
        peer = float(json.loads(done.stdout)["table_one"])
    found: list[dict[str, object]] = []
    with session_of(frames, columns, count + count // 10) as session:
        table = session.table("people")
        for how in ({"exact": True, "pval": True, "smd": True}, {"epsilon": 1}):
            seconds, answer = seconds_of(lambda how=how: table.table_one(names, "arm", **how), runs)
            found.append(
                {
                    "work": f"table_one, {'exact' if 'exact' in how else 'private'}",
                    "rows_a_site": count,
                    "columns": len(names),
                    "seconds": round(seconds, 3),
                    "tableone_pooled": None if peer is None else round(peer, 3),
                    "ratio": None if peer is None else round(seconds / peer, 2),
                    "closed": answer.closed,
                }
            )
    return found


def survival(count: int, runs: int) -> dict[str, object]:
    """A private survival table of 60 intervals, the most that it takes, in two groups; its distance from the rows' curves."""
    frame = patients(1, count)
    months = {"type": "numeric", "lower": 0, "upper": 60, "resolution": 1, "bins": list(range(61))}
    columns = {"months": months, "died": {"type": "boolean"}, "arm": {"type": "boolean"}}
    frames = {name: frame.iloc[place :: len(SITES)] for place, name in enumerate(SITES)}
    with session_of(frames, columns, count) as session:
        table = session.table("people")
        seconds, answer = seconds_of(
            lambda: table.survival_table("months", "died", by="arm", epsilon=1), runs
        )
        plan = table.explain("survival_table", "months", "died", by="arm", epsilon=1).to_dict()
    return {
        "work": "survival_table, private",
        "people": count,
        "rounds": plan["rounds"],
        "seconds": round(seconds, 3),
        "largest_error": round(_largest_error(answer, frame), 4),
    }


def _largest_error(answer: Any, frame: pd.DataFrame) -> float:
    """The largest distance of both noisy curves from those of the rows, over all intervals."""
    noisy = answer.kaplan_meier().frame
    found = 0.0
    for arm in (False, True):
        own = frame[frame.arm == arm]
        months = np.arange(int(frame.months.max()) + 1)
        at_risk = np.array([(own.months >= month).sum() for month in months])
        events = np.array([((own.months == month) & own.died).sum() for month in months])
        curve = np.cumprod(1 - events / np.maximum(at_risk, 1))
        rows = noisy[noisy.group == str(arm)]
        given = rows.survival.to_numpy(dtype=float)[: len(curve)]
        found = max(found, float(np.nanmax(np.abs(given - curve[: len(given)]))))
    return found

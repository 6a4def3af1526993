"""Exact Cox and logistic regression, each beside a package of one machine over all rows together, in one run.

Seconds are those of the run as the analyst sees it, after the charge, median of the runs; the peer's are those of its fit.
"""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

from benchmarks.statistics.people import SITES, cases, followed
from benchmarks.statistics.summaries import PEERS, seconds_of, session_of

if TYPE_CHECKING:
    import pandas as pd

PEER = PEERS / "fits_peer.py"
_SCORE = {"type": "numeric", "lower": 0, "upper": 40, "resolution": 1}
_FLAG = {"type": "boolean"}
_DAYS = {"type": "numeric", "lower": 0, "upper": 120, "resolution": 1, "bins": list(range(121))}


def _peer(python: str | None, work: str, count: int) -> dict[str, Any]:
    if python is None:
        return {}
    # with as many threads as it likes; the sites have one each
    free = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    command = [python, str(PEER), work, str(count)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=free)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _row(
    work: str, frame: pd.DataFrame, seconds: float, answer: Any, peer: dict[str, Any]
) -> dict[str, object]:
    """The row; ``off`` is the largest distance of a parameter from the peer's, in its standard errors."""
    own = {
        name: (value, error)
        for name, value, error in zip(
            answer.terms, answer.params, answer.standard_errors, strict=not answer.closed
        )
    }
    pairs = [(own[name], value) for name, value in peer.get("params", {}).items() if name in own]
    return {
        "work": work,
        "rows": len(frame),
        "steps": answer.n_steps,
        "closed": answer.closed,
        "seconds": round(seconds, 3),
        "pooled": round(peer["seconds"], 3) if peer else None,
        "ratio": round(seconds / peer["seconds"], 2) if peer else None,
        "off": max((abs(value - other) / error for (value, error), other in pairs), default=None),
    }


def cox(count: int, runs: int, python: str | None) -> dict[str, object]:
    """So many people of all sites, ten covariates, 120 intervals; lifelines with Efron's ties, the only ones that it has."""
    frame = followed(1, count)
    names = [name for name in frame.columns if name not in {"days", "died"}]
    columns: dict[str, Any] = {"days": _DAYS, "died": _FLAG}
    columns |= {name: _SCORE if name.startswith("x") else _FLAG for name in names}
    frames = {name: frame.iloc[place :: len(SITES)] for place, name in enumerate(SITES)}
    with session_of(frames, columns, count) as session:
        table = session.table("people")
        seconds, answer = seconds_of(lambda: table.cox("days", "died", names, exact=True), runs)
    return _row("cox, exact", frame, seconds, answer, _peer(python, "cox", count))


def logistic(count: int, runs: int, python: str | None) -> dict[str, object]:
    """So many people of all sites, twenty covariates; statsmodels' Logit by Newton's method."""
    frame = cases(1, count)
    names = [name for name in frame.columns if name != "ill"]
    columns: dict[str, Any] = {"ill": _FLAG} | {
        name: _SCORE if name.startswith("x") else _FLAG for name in names
    }
    frames = {name: frame.iloc[place :: len(SITES)] for place, name in enumerate(SITES)}
    with session_of(frames, columns, count) as session:
        table = session.table("people")
        seconds, answer = seconds_of(lambda: table.glm("ill ~ " + " + ".join(names), exact=True), runs)
    return _row("logistic, exact", frame, seconds, answer, _peer(python, "logistic", count))

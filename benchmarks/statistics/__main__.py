"""Statistics over three sites beside their targets: log-rank, describe, Table 1, a private survival table, Cox and logistic fits.

The log-rank test is over 8,192 times of a million people; the others are in ``summaries`` and ``fits``.

Sites of ``federation.local`` on this machine, numpy as engine; seconds are those of the run as the analyst sees it, after the
charge, median of the runs. Rounds and bytes are those that --explain states, keys and answer included. Writes
build/bench/statistics.json; prints a table (with --json the rows). U and V are opened by ``simulate`` alone, as in the tests: no
session can.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path

import numpy as np
import pandas as pd

import federation
from analytics.statistics.life_tables.hidden_log_rank import score_and_variance
from benchmarks.statistics.fits import cox, logistic
from benchmarks.statistics.summaries import describe, survival, table_one
from smpc.operations.inputs import contribute
from smpc.operations.reveal import reveal_to_all
from smpc.simulator import simulate

TARGET = Path("build/bench/statistics.json")
TIMES, ROWS_MAX, SITES = 8_192, 349_525, ("ada", "bob", "cyd")
TARGETS: dict[str, dict[str, float]] = {
    "describe, exact": {"ratio": 1.5},
    "describe, private": {"ratio": 1.5},
    "table_one, exact": {"seconds": 1.0},
    "table_one, private": {"seconds": 1.0},
    "cox, exact": {"ratio": 2.0},
    "logistic, exact": {"ratio": 2.0},
    "survival_table, private": {"rounds": 1, "seconds": 0.5, "largest_error": 0.03},
}
TARGETS["log-rank, exact"] = {
    "rounds": 64,
    "bytes_a_party": 10_000_000,
    "seconds": 2.0,
    "off_before_rounding": 1e-6,
}


def people(count: int) -> pd.DataFrame:
    """Random people of two arms, their hazards 2 % apart, with ties at every time."""
    generator = np.random.default_rng(1)
    arm = generator.random(count) < 0.4
    days = generator.exponential(TIMES / 3 * np.where(arm, 1.01, 1.0)).astype(np.int64)
    return pd.DataFrame(
        {"days": np.minimum(days, TIMES - 1), "died": generator.random(count) < 0.6, "arm": arm}
    )


def table_of(frame: pd.DataFrame) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """Censorings and events of both arms at each time."""
    found = np.zeros((2, 1, TIMES, 2), dtype=np.int64)
    np.add.at(found, (frame.arm.astype(int), 0, frame.days, frame.died.astype(int)), 1)
    return found


def pooled(table: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> float:
    """The statistic of all people together, in floats."""
    events = table[:, 0, :, 1].astype(np.float64)
    at_risk = table[:, 0].sum(axis=-1)[:, ::-1].cumsum(axis=-1)[:, ::-1].astype(np.float64)
    d, n = events.sum(axis=0), np.maximum(at_risk.sum(axis=0), 1)
    p = at_risk[0] / n
    variance = (d * p * (1 - p) * (n - d) / np.maximum(n - 1, 1)).sum()
    return float((events[0] - d * p).sum() ** 2 / variance)


def off_before_rounding(frame: pd.DataFrame) -> float:
    """Relative distance of the statistic on shares from the pooled one."""
    tables = [table_of(frame.iloc[place :: len(SITES)]) for place in range(len(SITES))]

    def joint(session):  # type: ignore[no-untyped-def]
        flat = contribute(session, tables[session.rank].ravel())
        shared = type(flat)(share=flat.share.reshape(tables[0].shape))
        return reveal_to_all(session, score_and_variance(session, shared, 20))

    score, variance = (int(each) / 2**38 for each in simulate(joint, len(SITES)).values()[0])
    exact = pooled(table_of(frame))
    return abs(score**2 / variance - exact) / exact


def log_rank(count: int, runs: int) -> dict[str, object]:
    """The row of the table."""
    frame = people(count)
    days = {"type": "numeric", "lower": 0, "upper": TIMES - 1, "resolution": 1}
    table = {
        "privacy_unit": "row",
        "max_sites_per_unit": 1,
        "rows_max": ROWS_MAX,
        "exact_dimensions": list(frame.columns),
        "columns": {"days": days, "died": {"type": "boolean"}, "arm": {"type": "boolean"}},
    }
    frames = {name: frame.iloc[place :: len(SITES)] for place, name in enumerate(SITES)}
    session = federation.local(frames, schema={"tables": {"people": table}}, engine="numpy")
    try:
        asked = session.table("people")
        answers = [asked.log_rank("days", "died", "arm", exact=True) for _ in range(runs)]
        plan = asked.explain("log_rank", "days", "died", "arm", exact=True).to_dict()
    finally:
        session.close()
    receipts = [answer.receipt for answer in answers]
    return {
        "work": "log-rank, exact",
        "times": TIMES,
        "people": count,
        "rounds": plan["rounds"],
        "bytes_a_party": plan["bytes_per_party"],
        "seconds": round(statistics.median(receipt["seconds"]["run"] for receipt in receipts), 3),
        "off_before_rounding": float(f"{off_before_rounding(frame):.2g}"),
        "opened": answers[0].statistic,
        "pooled": float(f"{pooled(table_of(frame)):.7g}"),
    }


def main() -> None:
    """Measure, write, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--people", type=int, default=1_000_000)
    parser.add_argument("--rows", type=int, default=1_000_000, help="of a site, for describe")
    parser.add_argument("--study", type=int, default=100_000, help="rows of a site, for Table 1")
    parser.add_argument("--followed", type=int, default=10_000, help="of all sites, for Cox regression")
    parser.add_argument("--cases", type=int, default=300_000, help="of all sites, for logistic regression")
    parser.add_argument(
        "--peers", help="the Python of an environment with tableone, lifelines and statsmodels"
    )
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows = [
        *describe(arguments.rows, arguments.runs),
        *table_one(arguments.study, arguments.runs, arguments.peers),
        survival(10_000, arguments.runs),
        log_rank(arguments.people, arguments.runs),
        cox(arguments.followed, arguments.runs, arguments.peers),
        logistic(arguments.cases, arguments.runs, arguments.peers),
    ]
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(json.dumps({"targets": TARGETS, "rows": rows}, indent=1) + "\n")
    if arguments.json:
        print(json.dumps(rows))
        return
    for row in rows:
        for name, value in row.items():
            own = TARGETS[str(row["work"])]
            target = f"   target: at most {own[name]}" if name in own else ""
            print(f"{name:22} {value}{target}")
        print()


if __name__ == "__main__":
    main()

"""Three queries of the HealthLNK set (SMCQL) at the sizes of the Secrecy paper, beside its published seconds.

Rows are generated from the queries' description, with missing values, and lie at three sites by rows: each person at one. Three
queries: comorbidity (the codes that people of a C. difficile cohort have most), recurrent C. difficile (15 to 56 days from one
episode to the next), aspirin count (a heart disease diagnosis not after a prescription of aspirin). Every count is compared with
pandas over the pooled rows. Seconds are those of the whole call, with charge, scans and answer, the three sites being
threads of one process; rounds and bytes are exact.

Trust: the published system holds all rows in shares between three parties, so that no party sees any row and people of several
sites are joined, and opens the result. Here a site sees its own rows, adds up on shares, and opens counts of at least 10 people;
a person of several sites would count at each. So ratios of seconds say what that trust costs, not that one system is faster.

Published: Secrecy (USENIX NSDI 2023), mean of 3, three parties in one region; other machines than ours. Writes
build/bench/published.json.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

import federation

if TYPE_CHECKING:
    from federation.client.table import TableView

TARGET = Path("build/bench/published.json")
SITES = ("ada", "bob", "cyd")
OTHERS = [f"{code:03}" for code in range(100, 160)]
CODES = ["008", "414", *OTHERS]
DRUGS = ["aspirin", "other"]
DAYS = 2_000
ROWS_A_PERSON = 8
PUBLISHED = {
    "comorbidity": {32_768: 32.6, 131_072: 137.7, 524_288: 589.0, 2_097_152: 2519.0},
    "recurrent c.diff": {32_768: 35.3, 131_072: 176.8, 524_288: 780.0, 2_097_152: 4259.0},
    "aspirin count": {1_024: 5.9, 4_096: 80.7, 8_192: 315.0, 16_384: 1243.0, 32_768: 4936.0},
}
ARGUMENTS: dict[str, tuple[str, dict[str, object]]] = {
    "comorbidity": ("signals", {"drug": "code=008", "event": [f"code={code}" for code in OTHERS]}),
    "recurrent c.diff": (
        "sequential_patterns",
        {"items": "code=008", "day": "day", "after": 14, "within": 56, "next_only": True},
    ),
    "aspirin count": (
        "sequential_patterns",
        {"items": ["code=414", "drug=aspirin"], "day": "day", "same_day": True},
    ),
}


def rows_of(n_rows: int) -> pd.DataFrame:
    """Diagnoses and prescriptions of people, one or the other in a row."""
    generator = np.random.default_rng(8)
    patient = np.sort(generator.integers(0, max(1, n_rows // ROWS_A_PERSON), n_rows))
    chances = np.array([0.15, 0.1, *(0.75 / (2 + np.arange(60)) / (1 / (2 + np.arange(60))).sum())])
    code = np.array(CODES, dtype=object)[generator.choice(len(CODES), n_rows, p=chances)]
    drug = np.array(DRUGS, dtype=object)[(generator.random(n_rows) < 0.6).astype(int)]
    is_drug = generator.random(n_rows) < 0.25
    code[is_drug | (generator.random(n_rows) < 0.01)] = None
    drug[~is_drug] = None
    day = generator.integers(0, DAYS // 4, n_rows).astype(object)
    day[generator.random(n_rows) < 0.01] = None
    return pd.DataFrame({"patient": patient, "code": code, "drug": drug, "day": day})


def schema(rows_max: int) -> dict[str, object]:
    """One table of both."""
    table = {
        "privacy_unit": "patient",
        "max_sites_per_unit": 1,
        "max_rows_per_unit": 40,
        "rows_max": rows_max,
        "exact_dimensions": ["code", "drug", "day"],
        "columns": {
            "patient": {"type": "identifier"},
            "code": {"type": "categorical", "domain": CODES, "nullable": True},
            "drug": {"type": "categorical", "domain": DRUGS, "nullable": True},
            "day": {"type": "numeric", "lower": 0, "upper": DAYS, "resolution": 1, "nullable": True},
        },
    }
    return {"tables": {"records": table}}


def pooled(query: str, rows: pd.DataFrame) -> dict[str, int]:
    """The counts by pandas."""
    if query == "comorbidity":
        cohort = rows.patient[rows.code == "008"].unique()
        held = rows[rows.patient.isin(cohort) & rows.code.isin(OTHERS)].drop_duplicates(["patient", "code"])
        return {f"code={code}": int(count) for code, count in held.code.value_counts().items()}
    known = rows.dropna(subset="day")
    known = known.assign(day=known.day.astype(int))
    if query == "recurrent c.diff":
        episodes = (
            known[known.code == "008"].drop_duplicates(["patient", "day"]).sort_values(["patient", "day"])
        )
        gaps = episodes.groupby("patient").day.diff()
        return {"count": int(episodes.patient[gaps.between(15, 56)].nunique())}
    diagnosed = known[known.code == "414"].groupby("patient").day.min()
    prescribed = known[known.drug == "aspirin"].groupby("patient").day.max()
    both = pd.concat([diagnosed, prescribed], axis=1, keys=["first", "last"]).dropna()
    return {"count": int((both["first"] <= both["last"]).sum())}


def asked(table: TableView, query: str) -> tuple[dict[str, int], float]:
    """The counts as the analyst gets them, and the seconds of the call."""
    name, arguments = ARGUMENTS[query]
    start = time.perf_counter()
    answer = getattr(table, name)(**arguments, exact=True)
    seconds = time.perf_counter() - start
    if query == "comorbidity":
        return {row["event"]: int(row["count"]) for row in answer.rows}, seconds
    wanted = "code=008 then code=008" if query == "recurrent c.diff" else "code=414 then drug=aspirin"
    counts = [int(row["count"]) for row in answer.rows if row["pattern"] == wanted]
    return ({"count": counts[0]} if counts else {}), seconds


def measure(query: str, n_rows: int, runs: int) -> dict[str, object]:
    """One query at one size.

    Raises:
        SystemExit: a count is not that of pandas.
    """
    rows, published = rows_of(n_rows), PUBLISHED[query][n_rows]
    frames = {name: rows[rows.patient % len(SITES) == place] for place, name in enumerate(SITES)}
    policy = {"minimum_cell": 10, "exact_numbers_per_population": 1_000_000}
    with federation.local(frames, schema=schema(n_rows), policy=policy, engine="numpy") as session:
        table = session.table("records")
        name, arguments = ARGUMENTS[query]
        cost = table.explain(name, **arguments, exact=True).to_dict()
        found = [asked(table, query) for _ in range(runs)]
    expected = pooled(query, rows)
    wrong = {key: value for key, value in found[0][0].items() if expected.get(key) != value}
    if wrong or not found[0][0]:
        raise SystemExit(f"{query} at {n_rows}: {len(wrong)} counts are not those of the pooled rows")
    seconds = statistics.median(seconds for _, seconds in found)
    return {
        "query": query,
        "rows": n_rows,
        "opened": len(found[0][0]),
        "seconds": round(seconds, 3),
        "published": published,
        "published / ours": round(published / seconds),
        "rounds": cost.get("rounds"),
        "bytes a party": cost.get("bytes_per_party"),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--largest", type=int, default=2_097_152, help="rows")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    found = [
        measure(query, size, given.runs)
        for query, sizes in PUBLISHED.items()
        for size in sizes
        if size <= given.largest
    ]
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    print(json.dumps(found, indent=1) if given.json else pd.DataFrame(found).to_string(index=False))


if __name__ == "__main__":
    main()

"""Association mining over three sites beside its targets and mlxtend's fpgrowth on the pooled rows.

Rows: 200,000 transactions a site of 200 items at 1 %, whole; a level of 10,000 candidates of two and of three items. Seconds of
ours are those of the run as the analyst sees it, after the charge; rounds and bytes are exact. mlxtend runs in an environment of
its own (--peers PYTHON) over the same generated rows, handed over as a file. Writes build/bench/mining.json; prints a table (with
--json the rows).
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd

import federation
from analytics.mining.plan import make_mining_plan
from analytics.mining.request import MiningRequest
from analytics.mining.site_run import block_cost
from analytics.mining.threshold_test import Part, block_bits, conditions_of
from analytics.plans.context import PlanContext
from analytics.schema import Schema
from smpc.operations.inputs import contribute
from smpc.simulator import simulate

TARGET = Path("build/bench/mining.json")
SITES, N_ITEMS, SUPPORT, CELL = ("ada", "bob", "cyd"), 200, "0.01", 10
NAMES = [f"item{number:03}" for number in range(N_ITEMS)]
LEVEL = 10_000
PEER = """
import json, sys, time
import numpy as np, pandas as pd
from mlxtend.frequent_patterns import fpgrowth
held = pd.DataFrame(np.load(sys.argv[1]))
seconds = []
for _ in range(int(sys.argv[3])):
    start = time.perf_counter()
    found = fpgrowth(held, min_support=float(sys.argv[2]))
    seconds.append(time.perf_counter() - start)
print(json.dumps({"seconds": sorted(seconds)[len(seconds) // 2], "itemsets": len(found)}))
"""


def transactions(count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Rows of 200 items, from rare to common, in ten groups whose items come together."""
    generator = np.random.default_rng(17)
    rate = 0.3 / np.arange(2, N_ITEMS + 2) ** 0.62
    group = generator.random((count, 10)) < 0.08
    held = generator.random((count, N_ITEMS)) < rate
    held |= np.repeat(group, N_ITEMS // 10, axis=1) & (generator.random((count, N_ITEMS)) < 0.25)
    return held


def schema(rows_max: int) -> dict[str, object]:
    """One boolean column an item; a row is a person."""
    table = {
        "privacy_unit": "row",
        "max_sites_per_unit": 1,
        "rows_max": rows_max,
        "exact_dimensions": NAMES,
        "columns": {name: {"type": "boolean"} for name in NAMES},
    }
    return {"tables": {"baskets": table}}


def whole(count: int, runs: int, peers: str) -> dict[str, object]:
    """Mine all of it, here and with mlxtend."""
    held = transactions(count * len(SITES))
    frames = {
        name: pd.DataFrame(held[place :: len(SITES)], columns=NAMES) for place, name in enumerate(SITES)
    }
    policy = {
        "minimum_cell": CELL,
        "nested_supports": "allow",
        "exact_numbers_per_population": 1_000_000,
    }
    session = federation.local(frames, schema=schema(count), policy=policy, engine="numpy")
    row: dict[str, object] = {"work": f"3 x {count} transactions, {N_ITEMS} items, {SUPPORT}"}
    try:
        for nested in ("allow", "guard"):
            answers = [
                session.table("baskets").frequent_itemsets(
                    NAMES, min_support=SUPPORT, max_candidates=50_000, nested_supports=nested, exact=True
                )
                for _ in range(runs)
            ]
            seconds = [answer.receipt["seconds"]["run"] for answer in answers]
            row |= {
                f"seconds, {nested}": round(statistics.median(seconds), 3),
                f"itemsets, {nested}": len(answers[0].found),
            }
            row["is_complete"] = answers[0].is_complete
    finally:
        session.close()
    if peers:
        path = TARGET.with_suffix(".npy")
        np.save(path, held)
        asked = [peers, "-c", PEER, str(path), SUPPORT, str(runs)]
        told = json.loads(subprocess.run(asked, check=True, capture_output=True, text=True).stdout)
        path.unlink()
        row |= {"mlxtend": round(told["seconds"], 3), "mlxtend itemsets": told["itemsets"]}
        row["times mlxtend"] = round(float(str(row["seconds, allow"])) / told["seconds"], 2)
    return row


def level(n_items: int, runs: int) -> dict[str, object]:
    """Test 10,000 candidates of so many items on shares, three parties in this process."""
    plan = make_mining_plan(
        MiningRequest(
            table="baskets", items=tuple(NAMES), min_support=Fraction(SUPPORT), min_confidence=Fraction(1)
        ),
        Schema.from_dict(schema(200_000)),
        PlanContext(
            n_sites=3, colluding=1, relation="add_or_remove_one", delta=Fraction(1, 10**6), minimum_cell=CELL
        ),
    )
    pattern = tuple(1 << place for place in range(n_items))
    n_conditions = conditions_of(pattern)
    part = Part(size=LEVEL, pattern=pattern, n_factors=n_conditions)
    factors = [np.arange(n_conditions * LEVEL, dtype=np.int64).reshape(n_conditions, LEVEL)]
    cost = block_cost(plan, [part])
    margins = np.zeros(LEVEL * part.n_conditions, dtype=np.int64)

    def joint(session):  # type: ignore[no-untyped-def]
        session.prefetch(cost.requests)
        return block_bits(session, plan, contribute(session, margins), factors)

    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        simulate(joint, len(SITES), prefetch=False).values()
        seconds.append(time.perf_counter() - start)
    opened = 8 * LEVEL
    return {
        "work": f"{LEVEL} candidates of {n_items} items",
        "conditions": LEVEL * part.n_conditions,
        "rounds": cost.rounds + 1,
        "bytes a condition and peer": round((cost.bytes_per_peer + opened) / (LEVEL * part.n_conditions), 2),
        "seconds, three parties in one process": round(statistics.median(seconds), 3),
    }


def main() -> None:
    """Measure, write, print."""
    parser = argparse.ArgumentParser(description="association mining beside its targets")
    parser.add_argument("--rows", type=int, default=200_000, help="transactions of a site")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--peers", default="", help="python of an environment with mlxtend")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    rows = [level(2, asked.runs), level(3, asked.runs), whole(asked.rows, asked.runs, asked.peers)]
    TARGET.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    if asked.json:
        print(json.dumps(rows))
        return
    for row in rows:
        print(row["work"])
        for name, value in row.items():
            if name != "work":
                print(f"    {name}: {value}")


if __name__ == "__main__":
    main()

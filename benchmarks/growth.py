"""Growth of rounds and bytes of a guarded question: with rows, with the size of its answer, with the sites.

Counts by a dry run of the plan that the sites would run: exact, the same on every machine. Writes
build/bench/growth.json; prints a table (with --json the rows).
"""

from __future__ import annotations

import argparse
import json
from fractions import Fraction
from pathlib import Path

from analytics.disclosure.release import joint_cost
from analytics.plans.plan import PlanContext, make_plan
from analytics.plans.question import bind
from analytics.schema import Schema

SQL = "SELECT k, COUNT(*) AS n, AVG(x) AS m FROM t GROUP BY k"
TARGET = Path("build/bench/growth.json")


def cost_of(*, rows: int, groups: int, sites: int) -> dict[str, int]:
    """Rounds and bytes per party and peer of the joint stage."""
    table = {
        "privacy_unit": "row",
        "max_sites_per_unit": 1,
        "rows_max": rows,
        "exact_dimensions": ["k"],
        "columns": {
            "x": {"type": "numeric", "lower": 0, "upper": 1000, "resolution": 1},
            "k": {"type": "categorical", "domain": list(range(groups))},
        },
    }
    context = PlanContext(
        n_sites=sites,
        colluding=1,
        relation="add_or_remove_one",
        delta=Fraction(1, 10**6),
        minimum_cell=10,
    )
    query = bind(SQL, Schema.from_dict({"tables": {"t": table}}))
    cost = joint_cost(make_plan(query, mode="exact", epsilon=None, context=context))
    return {
        "rows": rows,
        "groups": groups,
        "sites": sites,
        "rounds": cost.rounds,
        "bytes": cost.bytes_per_peer,
    }


def main() -> None:
    """Vary one thing at a time."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows = [{"vary": "rows", **cost_of(rows=10**power, groups=8, sites=3)} for power in range(3, 10)]
    rows += [{"vary": "groups", **cost_of(rows=10**6, groups=2**power, sites=3)} for power in range(8)]
    rows += [{"vary": "sites", **cost_of(rows=10**6, groups=8, sites=sites)} for sites in range(3, 9)]
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(json.dumps(rows, indent=1) + "\n")
    if arguments.json:
        print(json.dumps(rows, indent=1))
        return
    for row in rows:
        print(
            f"{row['vary']:7} {row['rows']:>13,} rows a site  {row['groups']:4} groups  {row['sites']} sites: "
            f"{row['rounds']} rounds, {row['bytes']:,} B a peer"
        )


if __name__ == "__main__":
    main()

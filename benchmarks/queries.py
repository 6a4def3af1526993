"""A private question over three sites of one million rows each, and a guarded exact one, over real TLS processes.

Beside it, in the same run: the same three local statements at once without us, and DuckDB's plain aggregates over
the same tables. Counts (rounds, bytes) are asserted, seconds are reported. Prints a table (with --json the rows) and
writes build/bench/queries.json.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

import federation
from federation.processes.launcher import Launcher
from federation.setup.create import create_consortium
from federation.setup.settings import ConsortiumSettings, SiteSetup, TableSetup

SITES = ("a", "b", "c")
SQL = "SELECT COUNT(*) AS n, AVG(x) AS m, VAR_SAMP(x) AS v FROM t"
EXACT = "SELECT k, COUNT(*) AS n, AVG(x) AS m FROM t GROUP BY k"
SCHEMA = """
[tables.t]
privacy_unit = "row"
max_sites_per_unit = 1
rows_max = 2000000
exact_dimensions = ["k"]
[tables.t.columns]
x = { type = "numeric", lower = 0, upper = 1000, resolution = 1 }
k = { type = "categorical", domain = [0, 1, 2, 3] }
"""
LOCAL = """
import sys, time, duckdb
connection = duckdb.connect()
connection.execute("SET threads = 1")
connection.execute(f"CREATE TABLE t AS SELECT * FROM read_parquet('{sys.argv[1]}')")
print("ready", flush=True)
for line in sys.stdin:
    began = time.perf_counter()
    connection.execute(line.strip()).fetchall()
    print(time.perf_counter() - began, flush=True)
"""
PLAIN = "SELECT count(*), avg(x), var_samp(x) FROM t"
OURS = "SELECT count(*), sum(x - 500), sum((x - 500) * (x - 500) - 125000) FROM t"


def at_once(processes: list[subprocess.Popen], statement: str, runs: int) -> list[float]:
    """Wall seconds of one statement at all processes at once."""
    seconds = []
    for _ in range(runs):
        began = time.perf_counter()
        for process in processes:
            process.stdin.write(statement + "\n")
            process.stdin.flush()
        for process in processes:
            process.stdout.readline()
        seconds.append(time.perf_counter() - began)
    return seconds


def rows_of(folder: Path, n_rows: int, runs: int) -> list[dict]:
    generator = np.random.default_rng(7)
    files = {}
    for name in SITES:
        frame = pd.DataFrame(
            {"x": generator.integers(0, 1000, n_rows), "k": generator.integers(0, 4, n_rows)}
        )
        files[name] = folder / f"{name}.parquet"
        with duckdb.connect() as connection:
            connection.register("frame", frame)
            connection.execute(f"COPY frame TO '{files[name]}' (FORMAT parquet)")
    sites = {
        name: SiteSetup(
            tables={"t": TableSetup(source=path)},
            policy={"exact": True, "exact_requests_per_analyst": 1000},
        )
        for name, path in files.items()
    }
    budgets = {"t": {"epsilon": "1000", "query": {"share": "1"}}}
    folders = create_consortium(
        folder / "consortium",
        terms=ConsortiumSettings(name="bench", budgets=budgets, schema=SCHEMA),
        sites=sites,
    )
    alone = [
        subprocess.Popen(
            [sys.executable, "-c", LOCAL, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for path in files.values()
    ]
    for process in alone:
        process.stdout.readline()
    rows = []
    try:
        with (
            Launcher(folders),
            federation.connect(folders.consortium, identity=folders.analyst("analyst")) as session,
        ):
            for work, sql, kind in (
                ("private_count_mean_variance", SQL, {"epsilon": 0.5, "fresh": True}),
                ("exact_guarded_by_group", EXACT, {"exact": True}),
            ):
                session.sql(sql, **kind)
                ours, runs_alone, peers, plain = [], [], [], []
                for _ in range(runs):
                    began = time.perf_counter()
                    answer = session.sql(sql, **kind)
                    ours.append(time.perf_counter() - began)
                    runs_alone.append(answer.receipt["seconds"]["run"])
                    peers += at_once(alone, OURS, 1)
                    plain += at_once(alone, PLAIN, 1)
                terms = {name: value for name, value in kind.items() if name != "fresh"}
                explained = session.explain(sql, **terms).to_dict()
                rounds = answer.receipt["rounds"] - 1  # the exchange of keys opens nothing
                if "epsilon" in kind:
                    # no exchange among the sites: the one opening goes to the analyst
                    assert rounds == 0, rounds
                    assert explained["bytes_per_party"] <= 256, explained["bytes_per_party"]
                assert rounds <= 12, rounds
                for peer, seconds in (
                    ("the same local statements at once", peers),
                    ("duckdb avg and var_samp", plain),
                ):
                    rows.append(
                        {
                            "work": work,
                            "parties": len(SITES),
                            "rounds": explained["rounds"],
                            "bytes_per_party": explained["bytes_per_party"],
                            "dealer_bytes": explained["dealer"]["bytes"],
                            "seconds": statistics.median(ours),
                            "seconds_after_charge": statistics.median(runs_alone),
                            "peer": peer,
                            "peer_seconds": statistics.median(seconds),
                        }
                    )
    finally:
        for process in alone:
            process.stdin.close()
            process.wait()
    return rows


def main() -> None:
    """Run, print, write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=15)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = rows_of(Path(folder), arguments.rows, arguments.runs)
    target = Path("build/bench/queries.json")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(rows, indent=1) + "\n")
    if arguments.json:
        print(json.dumps(rows, indent=1))
        return
    for row in rows:
        print(
            f"{row['work']:30} {row['rounds']:3} rounds {row['bytes_per_party']:6} B  {1000 * row['seconds']:7.1f} ms "
            f"({1000 * row['seconds_after_charge']:.1f} after its charge)  "
            f"{row['peer']}: {1000 * row['peer_seconds']:.1f} ms   ratio {row['seconds'] / row['peer_seconds']:.2f}"
        )


if __name__ == "__main__":
    main()

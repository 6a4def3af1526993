"""The local stage beside the engine's own query, over Parquet in the node and over a table in a PostgreSQL server; starts.

    make bench-sources                         10,000,000 rows
    make bench-sources ROWS=1000000

"own" is the aggregate as a person writes it for that engine over the same rows, "stage" what a site runs for the question.
Both run alternately, one session or thread each; the best of five counts, and the target is 1.2 times. The last lines are
starts of a node whose sources did not change: five tables of Parquet with a fifth of the rows each (target 5 s), and the
table in the server, whose rows are checked at every start.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import duckdb

from analytics.plans.plan import PlanContext, make_plan
from analytics.plans.question import bind
from analytics.schema import Schema
from analytics.sources import SourceSpec, open_table
from tests.sources.servers import running

KEY = bytes(32)
TRIES = 5
STATES = ("I", "II", "III", "IV")
SCHEMA = Schema.from_dict(
    {
        "tables": {
            "visits": {
                "privacy_unit": "pid",
                "unit_form": "integer",
                "max_rows_per_unit": 1,
                "rows_max": 1 << 28,
                "columns": {
                    "age": {"type": "numeric", "lower": 0, "upper": 120, "resolution": 1},
                    "lab": {"type": "numeric", "lower": 0, "upper": 300, "resolution": "0.1"},
                    "stage": {"type": "categorical", "domain": list(STATES)},
                    "ill": {"type": "boolean"},
                },
            }
        }
    }
)
CONTEXT = PlanContext(
    n_sites=3, colluding=1, relation="add_or_remove_one", delta=Fraction(1, 10**9), minimum_cell=0
)
ROWS = (
    "SELECT CAST(i AS BIGINT) AS pid, CAST((i * 7919) % 90 + 10 AS INTEGER) AS age, "
    "CAST((i * 104729) % 2000 AS DOUBLE PRECISION) / 10 AS lab, "
    "CASE (i * 31) % 4 WHEN 0 THEN 'I' WHEN 1 THEN 'II' WHEN 2 THEN 'III' ELSE 'IV' END AS stage, i % 3 = 0 AS ill "
)
QUESTIONS = {
    "count and mean": (
        "SELECT COUNT(*), AVG(age) FROM visits",
        "SELECT count(*), sum(age) FROM {}",
    ),
    "four groups, a mean": (
        "SELECT stage, COUNT(*), AVG(age) FROM visits GROUP BY stage",
        "SELECT stage, count(*), sum(age) FROM {} GROUP BY stage",
    ),
    "a filter, a fraction's mean": (
        "SELECT COUNT(*), AVG(lab) FROM visits WHERE age >= 65 AND ill",
        "SELECT count(*), sum(lab) FROM {} WHERE age >= 65 AND ill",
    ),
    "eight groups, a variance": (
        "SELECT stage, ill, COUNT(*), VAR_SAMP(age) FROM visits GROUP BY stage, ill",
        "SELECT stage, ill, count(*), sum(age), sum(age * age) FROM {} GROUP BY stage, ill",
    ),
}


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def compare(name: str, stage: Callable[[], object], own: Callable[[], object]) -> None:
    pairs = [(seconds(stage), seconds(own)) for _ in range(TRIES)]
    ours, theirs = (min(each) for each in zip(*pairs, strict=True))
    print(f"{name:44s} stage {ours:8.3f} s   own {theirs:8.3f} s   ratio {ours / theirs:5.2f}", flush=True)


def in_the_node(folder: Path, n_rows: int) -> None:
    connection = duckdb.connect(config={"threads": "1"})
    path = folder / "visits.parquet"
    connection.execute(f"COPY ({ROWS} FROM range({n_rows}) AS s(i)) TO '{path}' (FORMAT parquet)")
    spec = SourceSpec(kind="parquet", path=path)
    with open_table(spec, SCHEMA.tables["visits"], site_key=KEY, threads=1) as table:
        for name, (question, own) in QUESTIONS.items():
            plan = make_plan(bind(question, SCHEMA), mode="private", epsilon=Fraction(1), context=CONTEXT)
            compare(
                f"Parquet: {name}",
                lambda plan=plan: table.local_figures(plan, 600),
                lambda own=own: connection.execute(own.format(f"read_parquet('{path}')")).fetchall(),
            )


def in_the_server(n_rows: int) -> None:
    with running("shared_buffers=512MB", "max_wal_size=8GB", "jit=off") as server:
        server.run(
            f"CREATE UNLOGGED TABLE research.visits AS {ROWS} FROM generate_series(0::bigint, {n_rows - 1}) AS s(i)",
            "GRANT SELECT ON research.visits TO reader",
            "ANALYZE research.visits",
        )
        spec = server.spec("research.visits")
        started = time.perf_counter()
        opened = open_table(spec, SCHEMA.tables["visits"], site_key=KEY)
        print(f"a start with the table in the server: {time.perf_counter() - started:.1f} s", flush=True)
        with opened as table, server.session() as session:
            for name, (question, own) in QUESTIONS.items():
                plan = make_plan(bind(question, SCHEMA), mode="private", epsilon=Fraction(1), context=CONTEXT)
                compare(
                    f"PostgreSQL: {name}",
                    lambda plan=plan: table.local_figures(plan, 600),
                    lambda own=own: session.execute(own.format("research.visits")).fetchall(),
                )


def starts(folder: Path, n_rows: int) -> None:
    connection = duckdb.connect(config={"threads": "1"})
    specs = []
    for number in range(5):
        path = folder / f"part{number}.parquet"
        connection.execute(f"COPY ({ROWS} FROM range({n_rows // 5}) AS s(i)) TO '{path}' (FORMAT parquet)")
        specs.append(SourceSpec(kind="parquet", path=path))

    def start() -> None:
        for number, spec in enumerate(specs):
            copies = folder / f"copies{number}"
            open_table(spec, SCHEMA.tables["visits"], site_key=KEY, threads=1, copies=copies).close()

    print(
        f"a first start with five tables: {seconds(start):.1f} s; a start when nothing changed: {seconds(start):.1f} s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    n_rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as folder:
        in_the_node(Path(folder), n_rows)
        starts(Path(folder), n_rows)
    in_the_server(n_rows)


if __name__ == "__main__":
    main()

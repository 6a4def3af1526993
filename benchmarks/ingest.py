"""Ingest of one CSV file beside DuckDB's own typed read of it, in one run: seconds, ratio, peak memory.

    make bench-ingest                          1,000,000 rows of 14 columns
    make bench-ingest ROWS=10000000

Each row is a process of its own, with one thread for the database as at a site. "DuckDB, typed" is the yardstick: it is
told all types, cleans nothing and knows no schema. Each rule that a site can declare has a row of its own.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

CHUNK = 500_000
KEY = bytes(32)
TYPES = {
    "pid": "BIGINT",
    **{f"lab{n}": "DOUBLE" for n in range(5)},
    **{f"count{n}": "INTEGER" for n in range(3)},
    "sex": "VARCHAR",
    "stage": "VARCHAR",
    "icd": "VARCHAR",
    "smoker": "VARCHAR",
    "ill": "INTEGER",
}
NUMBERS = [name for name in TYPES if name.startswith(("lab", "count"))]
MIB = 1 << 20


def write(path: Path, n_rows: int) -> None:
    draw = np.random.default_rng(1)
    codes = [f"{250 + n}-{n % 10}0" for n in range(50)]
    with path.open("w", encoding="utf-8") as stream:
        for start in range(0, n_rows, CHUNK):
            n = min(CHUNK, n_rows - start)
            frame = pd.DataFrame({"pid": np.arange(start, start + n)})
            for name in NUMBERS:
                whole = name.startswith("count")
                frame[name] = draw.integers(0, 100, n) if whole else np.round(draw.normal(100, 20, n), 1)
            frame["sex"] = draw.choice(["F", "M"], n)
            frame["stage"] = draw.choice(["I", "II", "III", "IV"], n)
            frame["icd"] = draw.choice(codes, n)
            frame["smoker"] = draw.choice(["yes", "no"], n)
            frame["ill"] = draw.integers(0, 2, n)
            frame.to_csv(stream, index=False, header=start == 0)


def schema(unit: str) -> dict:
    lab = {"type": "numeric", "lower": 0, "upper": 300, "resolution": "0.1"}
    count = {"type": "numeric", "lower": 0, "upper": 100, "resolution": 1}
    columns = {name: lab if name.startswith("lab") else count for name in NUMBERS}
    columns |= {
        "sex": {"type": "categorical", "domain": ["F", "M"]},
        "stage": {"type": "categorical", "domain": ["I", "II", "III", "IV"]},
        "icd": {"type": "categorical", "domain": [f"{250 + n}-{n % 10}0" for n in range(50)]},
        "smoker": {"type": "boolean"},
        "ill": {"type": "boolean"},
    }
    if unit == "row":  # the fourteenth column is read as a number too, so that both readers type all of them
        columns = {"pid": {"type": "numeric", "lower": 0, "upper": 100_000_000, "resolution": 1}} | columns
    body = {"privacy_unit": unit, "rows_max": 1 << 30, "columns": columns}
    if unit != "row":
        body["unit_form"] = "integer"
    return {"tables": {"t": body}}


def duckdb_typed(path: Path, types: dict[str, str]) -> None:
    import duckdb

    columns = ", ".join(f"'{name}': '{kind}'" for name, kind in types.items())
    connection = duckdb.connect(config={"threads": "1"})
    connection.execute(
        f"CREATE TABLE t AS SELECT * FROM read_csv('{path}', delim = ',', quote = '\"', escape = '\"', header = true, "  # noqa: S608
        f"auto_detect = false, columns = {{{columns}}})"
    )


def ingest(
    path: Path,
    unit: str = "row",
    copies: Path | None = None,
    view: str = "",
    delimiter: str = ",",
    **rules: object,
) -> None:
    from analytics.schema import Schema
    from analytics.sources import CellRules, SourceSpec, open_table

    table = Schema.from_dict(schema(unit)).tables["t"]
    more = {"view": view} if view else {}
    spec = SourceSpec(kind="csv", path=path, delimiter=delimiter, cells=CellRules(**rules), **more)
    open_table(spec, table, site_key=KEY, threads=1, copies=copies)


ROWS = {
    "DuckDB, typed": lambda path, _: duckdb_typed(path, TYPES),
    "DuckDB, texts": lambda path, _: duckdb_typed(path, dict.fromkeys(TYPES, "VARCHAR")),
    "ingest, types from the schema": lambda path, _: ingest(path),
    "+ words for missing": lambda path, _: ingest(path, missing=("NA", ".", "?")),
    "+ a decimal comma": lambda path, _: ingest(path.with_suffix(".comma"), decimal=",", delimiter=";"),
    "+ words for yes and no": lambda path, _: ingest(path, yes=("yes", "1"), no=("no", "0")),
    "+ a view over one column": lambda path, _: ingest(
        path, view="SELECT * REPLACE (as_number(lab0) * 2 AS lab0) FROM source"
    ),
    "+ one row a person": lambda path, _: ingest(path, unit="pid"),
    "+ writing the typed copy": lambda path, folder: ingest(path, copies=folder),
    "start from the typed copy": lambda path, folder: ingest(path, copies=folder),
}


def measured(name: str, path: Path, folder: Path) -> dict[str, float]:
    """Run one row in this process."""
    import duckdb  # noqa: F401  loaded before the clock starts

    Path("/proc/self/clear_refs").write_text("5", "ascii")  # the peak counts from here
    before = _peak_kib()
    started, cpu = time.perf_counter(), time.process_time()
    ROWS[name](path, folder)
    return {
        "s": time.perf_counter() - started,
        "cpu": time.process_time() - cpu,
        "mib": (_peak_kib() - before) / 1024,
    }


def _peak_kib() -> int:
    """The largest resident memory of this process so far (KiB)."""
    status = Path("/proc/self/status").read_text("ascii")
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--one", nargs=3, metavar=("ROW", "FILE", "FOLDER"))
    given = parser.parse_args()
    if given.one:
        name, path, folder = given.one
        print(json.dumps(measured(name, Path(path), Path(folder))))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        write(path, given.rows)
        table = str.maketrans(",.", ";,")
        with (
            path.open(encoding="utf-8") as rows,
            path.with_suffix(".comma").open("w", encoding="utf-8") as same,
        ):
            same.writelines(line.translate(table) for line in rows)
        table_mib = given.rows * (8 * 12 + 2) / MIB
        print(
            f"{given.rows:,} rows x {len(TYPES)}, {path.stat().st_size / MIB:,.0f} MiB; clean table {table_mib:,.0f} MiB"
        )
        print(f"{'':32}{'s':>8}{'CPU s':>8}{'ratio (CPU)':>13}{'peak MiB':>10}")
        yardstick = 0.0
        for name in ROWS:
            command = [
                sys.executable,
                "-m",
                "benchmarks.ingest",
                "--one",
                name,
                str(path),
                f"{folder}/copies",
            ]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found = json.loads(done.stdout)
            yardstick = yardstick or found["cpu"]
            ratio = found["cpu"] / yardstick
            print(
                f"{name:32}{found['s']:8.2f}{found['cpu']:8.2f}{ratio:13.2f}{found['mib']:10.0f}", flush=True
            )


if __name__ == "__main__":
    main()

"""One table written as each kind of file; a new kind is one function and one line of ``WRITERS``."""

import csv
import datetime as dt
import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import duckdb
import pandas as pd

from analytics.sources import SourceSpec
from analytics.sources.formats.fhir import ViewDefinition
from tests.sources.workbook import workbook

NAMES = ("pid", "n", "price", "code", "day", "flag", "word")
TYPES = ("VARCHAR", "INTEGER", "DECIMAL(8,2)", "BIGINT", "DATE", "BOOLEAN", "VARCHAR")
BIG = 2**53 + 1
ROWS = (
    ("007", 40, Decimal("1.25"), BIG, dt.date(2020, 2, 29), True, "Zoë 张"),
    ("7", -3, Decimal("99.99"), BIG - 1, dt.date(1999, 12, 31), False, 'it\'s; "x", |'),
    ("7 ", 999, None, None, None, None, ""),
    (None, 41, Decimal("0.01"), BIG, dt.date(2020, 2, 29), True, "Zoë 张"),
    ("8", None, Decimal("-0.01"), 5, dt.date(2020, 3, 1), None, None),
)


def csv_file(folder: Path, names: tuple, types: tuple, rows: tuple) -> SourceSpec:
    path = folder / "rows.csv"
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([names, *rows])
    return SourceSpec(kind="csv", path=path)


def _filled(connection: duckdb.DuckDBPyConnection, names: tuple, types: tuple, rows: tuple) -> None:
    columns = ", ".join(f'"{name}" {kind}' for name, kind in zip(names, types, strict=True))
    connection.execute(f"CREATE TABLE v ({columns})")
    if rows:
        connection.executemany(f"INSERT INTO v VALUES ({', '.join('?' * len(names))})", rows)


def parquet_file(folder: Path, names: tuple, types: tuple, rows: tuple) -> SourceSpec:
    path = folder / "rows.parquet"
    with duckdb.connect() as connection:
        _filled(connection, names, types, rows)
        connection.execute(f"COPY v TO '{path}' (FORMAT parquet)")
    return SourceSpec(kind="parquet", path=path)


def parquet_folder(folder: Path, names: tuple, types: tuple, rows: tuple) -> SourceSpec:
    path = folder / "rows"
    (path / "later").mkdir(parents=True)
    with duckdb.connect() as connection:
        for name, part in (("a.parquet", rows[:2]), ("later/b.parquet", rows[2:])):
            _filled(connection, names, types, part)
            connection.execute(f"COPY v TO '{path / name}' (FORMAT parquet); DROP TABLE v")
    return SourceSpec(kind="parquet", path=path)


def duckdb_file(folder: Path, names: tuple, types: tuple, rows: tuple) -> SourceSpec:
    path = folder / "rows.duckdb"
    with duckdb.connect(str(path)) as connection:
        _filled(connection, names, types, rows)
    return SourceSpec(kind="duckdb", path=path, relation="v")


def sqlite_file(folder: Path, names: tuple, types: tuple, rows: tuple) -> SourceSpec:
    path = folder / "rows.sqlite"
    with closing(sqlite3.connect(path)) as database:
        columns = ", ".join(f'"{name}"' for name in names)
        database.execute(f"CREATE TABLE v ({columns})")
        cells = [tuple(map(_for_sqlite, row)) for row in rows]
        database.executemany(f"INSERT INTO v VALUES ({', '.join('?' * len(names))})", cells)
        database.commit()
    return SourceSpec(kind="sqlite", path=path, relation="v")


def _for_sqlite(value: object) -> object:
    if isinstance(value, Decimal):
        return float(value)
    return value.isoformat() if isinstance(value, dt.date) else value


def excel_file(folder: Path, names: tuple, types: tuple, rows: tuple) -> SourceSpec:
    cells = [[_for_excel(value) for value in row] for row in rows]
    path = workbook(folder / "rows.xlsx", First=[["other"], [1]], Rows=[list(names), *cells])
    return SourceSpec(kind="excel", path=path, relation="Rows")


def statistics_file(kind: str, ending: str, write: str):
    def written(folder: Path, names: tuple, types: tuple, rows: tuple) -> SourceSpec:
        import pyreadstat

        cells = [[_for_statistics(value) for value in row] for row in rows]
        columns = (
            dict(zip(names, zip(*cells, strict=True), strict=True)) if cells else dict.fromkeys(names, ())
        )
        frame = pd.DataFrame(
            {name: pd.Series(values, dtype=_dtype(values)) for name, values in columns.items()}
        )
        path = folder / f"rows{ending}"
        getattr(pyreadstat, write)(frame, str(path))
        return SourceSpec(kind=kind, path=path)

    return written


def _for_statistics(value: object) -> object:
    if isinstance(value, bool | Decimal):
        return float(value)
    return str(value) if isinstance(value, int) and abs(value) >= 2**53 else value


def _dtype(values: tuple) -> str:
    known = [value for value in values if value is not None]
    return "float64" if known and all(isinstance(value, int | float) for value in known) else "object"


def fhir_file(folder: Path, names: tuple, types: tuple, rows: tuple) -> SourceSpec:
    path = folder / "rows.ndjson"
    path.write_text("".join(map(_resource, rows)), encoding="utf-8")
    return SourceSpec(kind="fhir", path=path, view_definition=_view(names, types))


def fhir_folder(folder: Path, names: tuple, types: tuple, rows: tuple) -> SourceSpec:
    path = folder / "export"
    path.mkdir()
    for name, part in (("Basic.000.ndjson", rows[:2]), ("Basic.001.ndjson", rows[2:])):
        (path / name).write_text("".join(map(_resource, part)), encoding="utf-8")
    (path / "Patient.ndjson").write_text('{"resourceType": "Patient", "e0": ["not", "read"]}\n')
    return SourceSpec(kind="fhir", path=path, view_definition=_view(names, types))


def _view(names: tuple, types: tuple) -> ViewDefinition:
    known = {
        "INTEGER": "integer",
        "BIGINT": "integer64",
        "DECIMAL(8,2)": "decimal",
        "DATE": "date",
        "BOOLEAN": "boolean",
    }
    columns = [
        {"name": name, "path": f"e{place}", "type": known.get(kind, "string")}
        for place, (name, kind) in enumerate(zip(names, types, strict=True))
    ]
    view = {"resource": "Basic", "select": [{"column": columns}]}
    return ViewDefinition.of(json.dumps(view).encode(), "view.json")


def _resource(row: tuple) -> str:
    cells = {f"e{place}": _for_sqlite(value) for place, value in enumerate(row) if value is not None}
    return json.dumps({"resourceType": "Basic", **cells}, ensure_ascii=False) + "\n"


SERVERS = {"postgresql", "spark", "sqlalchemy"}  # their contracts are in test files of their own


def _for_excel(value: object) -> object:
    if isinstance(value, Decimal):
        return float(value)
    is_long = isinstance(value, int) and abs(value) >= 2**53
    return str(value) if is_long else value


@dataclass(frozen=True)
class Writer:
    kind: str
    write: object

    def __call__(
        self, folder: Path, names: tuple = NAMES, types: tuple = TYPES, rows: tuple = ROWS
    ) -> SourceSpec:
        return self.write(folder, names, types, rows)


WRITERS = {
    "csv": Writer("csv", csv_file),
    "parquet": Writer("parquet", parquet_file),
    "parquet folder": Writer("parquet", parquet_folder),
    "duckdb": Writer("duckdb", duckdb_file),
    "sqlite": Writer("sqlite", sqlite_file),
    "excel": Writer("excel", excel_file),
    "spss": Writer("spss", statistics_file("spss", ".sav", "write_sav")),
    "stata": Writer("stata", statistics_file("stata", ".dta", "write_dta")),
    "sas": Writer("sas", statistics_file("sas", ".xpt", "write_xport")),
    "fhir": Writer("fhir", fhir_file),
    "fhir folder": Writer("fhir", fhir_folder),
}

"""What Excel and SQLite store otherwise than a person expects: errors, formulas, dates, digits, types of single cells."""

import datetime as dt
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from analytics.errors import SchemaMismatchError
from analytics.schema import Schema
from analytics.sources import CellRules, SourceSpec, open_table
from analytics.sources.formats.excel_cells import cell_name
from analytics.sources.formats.parquet_file import ParquetFormat
from tests.sources.workbook import CLOCK, Raw, workbook

KEY = bytes(range(32))
NUMBER = {"type": "numeric", "lower": 0, "upper": 100, "resolution": "0.5"}


def word(*domain: str) -> dict:
    return {"type": "categorical", "domain": list(domain)}


def read(path: Path, columns: dict, kind: str = "excel", relation: str = "", **rules: object) -> list[tuple]:
    body = {"privacy_unit": "row", "rows_max": 100, "columns": columns}
    table = Schema.from_dict({"tables": {"t": body}}).tables["t"]
    spec = SourceSpec(kind=kind, path=path, relation=relation, cells=CellRules(**rules))
    with open_table(spec, table, site_key=KEY, threads=1) as source:
        return source.engine._connection.execute(
            "SELECT COLUMNS(lambda name: NOT contains(name, '#invalid')) FROM t"
        ).fetchall()


def test_a_sheet_is_named_where_there_are_several(tmp_path: Path) -> None:
    one, two = tmp_path / "one.xlsx", tmp_path / "two.xlsx"
    workbook(one, Only=[["n"], [1]])
    workbook(two, First=[["n"], [1]], Second=[["n"], [2]])
    assert read(one, {"n": NUMBER}) == [(2,)]
    assert read(two, {"n": NUMBER}, relation="Second") == [(4,)]
    for relation, reason in (("", "several sheets: name one"), ("Third", "there is no sheet Third")):
        with pytest.raises(SchemaMismatchError, match=rf"{reason} .*: First, Second"):
            read(two, {"n": NUMBER}, relation=relation)


def test_texts_numbers_dates_and_empty_lines_are_what_the_sheet_shows(tmp_path: Path) -> None:
    path = workbook(
        tmp_path / "a.xlsx",
        S=[
            [],
            ["code", "n", "day", None, "n "],
            ["007", 1.5, dt.date(2020, 2, 29)],
            [7, 2.0, dt.datetime(2020, 2, 29, 12, 30)],
            [],
            [7.5, "3", dt.date(1900, 3, 1)],
            [None, None, None, None, 5],
        ],
    )
    columns = {
        "code": word("007", "7", "7.5"),
        "n": NUMBER,
        "day": word("2020-02-29", "2020-02-29 12:30:00", "1900-03-01"),
        "column_4": word("x"),
    }
    with pytest.raises(SchemaMismatchError, match="two columns have this name"):
        read(path, columns)
    workbook(
        path,
        S=[
            ["code", "n", "day", None, "m"],
            ["007", 1.5, dt.date(2020, 2, 29)],
            [7, 2.0, dt.datetime(2020, 2, 29, 12, 30)],
            [],
            [7.5, "3", dt.date(1900, 3, 1)],
        ],
    )
    assert read(path, columns) == [(0, 3, 0, None), (1, 4, 1, None), (2, 6, 2, None)]


def test_an_error_is_the_text_that_the_sheet_shows(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.xlsx", S=[["n"], [1], [Raw("t='e'><f>1/0</f><v>#DIV/0!</v>")], [2]])
    with pytest.raises(SchemaMismatchError, match="holds text, the schema declares numbers") as caught:
        read(path, {"n": NUMBER})
    assert "DIV" not in str(caught.value)
    assert read(path, {"n": NUMBER}, missing=("#DIV/0!",)) == [(2,), (None,), (4,)]


@pytest.mark.parametrize("cell", ["><f>1+1</f>", "t='n'><f>1+1</f><v></v>", "t='b'><f>1+1</f>"])
def test_a_formula_without_its_value_is_named_and_not_missing(tmp_path: Path, cell: str) -> None:
    path = workbook(tmp_path / "a.xlsx", S=[["k", "n"], [1, 1], [2, Raw(cell)]])
    with pytest.raises(SchemaMismatchError, match="cell B3 holds a formula without its value"):
        read(path, {"n": NUMBER})
    workbook(path, S=[["n"], [Raw("><f>1+1</f><v>2</v>")], [Raw("t='str'><f>A1</f><v></v>")]])
    assert read(path, {"n": NUMBER}) == [(4,)]


def test_what_a_sheet_cannot_hold_is_refused_by_the_cells_name(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    for cell, reason in (
        (9007199254740993, "cell A3 holds a number of more digits"),
        (Raw(f"s='{CLOCK}'><v>0.5</v>"), "its type time cannot be read"),
    ):
        workbook(path, S=[["n"], [1], [cell]])
        with pytest.raises(SchemaMismatchError, match=reason):
            read(path, {"n": NUMBER})
    workbook(path, S=[["n"], [1], [2, 3]])
    with pytest.raises(SchemaMismatchError, match="cell B3 stands in a column without a name"):
        read(path, {"n": NUMBER})
    workbook(path, S=[])
    with pytest.raises(SchemaMismatchError, match="the sheet S is empty"):
        read(path, {"n": NUMBER})


def test_names_of_cells() -> None:
    assert [cell_name(0, column) for column in (0, 25, 26, 701, 702)] == ["A1", "Z1", "AA1", "ZZ1", "AAA1"]


def sqlite(path: Path, *statements: str) -> Path:
    with closing(sqlite3.connect(path)) as database:
        for statement in statements:
            database.execute(statement)
        database.commit()
    return path


def test_a_cell_of_sqlite_has_its_own_type_whatever_the_column_declares(tmp_path: Path) -> None:
    path = sqlite(
        tmp_path / "a.sqlite",
        "CREATE TABLE t (n, k TEXT)",
        "INSERT INTO t VALUES (1, '01'), (1.5, '1'), ('2', 1), (NULL, NULL), (' 3 ', '1.0')",
        "CREATE VIEW few AS SELECT n FROM t WHERE n = 1",
    )
    columns = {"n": NUMBER, "k": word("01", "1")}
    assert read(path, columns, "sqlite", "t") == [(2, 0), (3, 1), (4, 1), (None, None), (6, None)]
    assert read(path, {"n": NUMBER}, "sqlite", "few") == [(2,)]


def test_bytes_in_sqlite_are_refused_by_the_columns_name(tmp_path: Path) -> None:
    path = sqlite(tmp_path / "a.sqlite", "CREATE TABLE t (n)", "INSERT INTO t VALUES (x'00ff')")
    with pytest.raises(SchemaMismatchError, match="column n: its type bytes cannot be read"):
        read(path, {"n": NUMBER}, "sqlite", "t")


def test_rows_in_a_log_beside_the_file_are_read_and_belong_to_its_digest(tmp_path: Path) -> None:
    path = sqlite(tmp_path / "a.sqlite", "PRAGMA journal_mode = WAL", "CREATE TABLE t (n)")
    with closing(sqlite3.connect(path)) as writer:
        writer.execute("INSERT INTO t VALUES (1)")
        writer.commit()
        assert read(path, {"n": NUMBER}, "sqlite", "t") == [(2,)]
        from analytics.sources.formats import FORMATS

        assert [file.name for file in FORMATS["sqlite"].files(path)] == ["a.sqlite", "a.sqlite-wal"]


@pytest.mark.parametrize(
    "broken", ["CREATE VIEW v AS SELECT n FROM gone", "CREATE TABLE v (n TEXT, b AS (abs('x')))"]
)
def test_a_view_that_cannot_be_read_is_a_fault_without_its_text(tmp_path: Path, broken: str) -> None:
    path = sqlite(tmp_path / "a.sqlite", broken)
    if "VIEW" not in broken:
        sqlite(path, "INSERT INTO v (n) VALUES (CAST(x'ff' AS TEXT))")
    with pytest.raises(SchemaMismatchError, match=r"cannot be read as sqlite \(OperationalError\)"):
        read(path, {"n": NUMBER}, "sqlite", "v")


# -- folders of Parquet --------------------------------------------------------------------------------------------


def parts(folder: Path, **files: str) -> Path:
    import duckdb

    with duckdb.connect() as connection:
        for name, query in files.items():
            path = folder / name.replace("__", "/").replace("_is_", "=")
            path.parent.mkdir(parents=True, exist_ok=True)
            connection.execute(f"COPY ({query}) TO '{path}.parquet' (FORMAT parquet)")
    return folder


def test_files_of_other_types_are_refused_and_not_rounded(tmp_path: Path) -> None:
    parts(tmp_path, a="SELECT 2 AS n", b="SELECT 2.5::DOUBLE AS n")
    with pytest.raises(
        SchemaMismatchError, match="file 2 of the folder, in order of names, has other columns"
    ):
        read(tmp_path, {"n": NUMBER}, "parquet")


def test_a_partitioned_folder_is_refused_with_what_to_do(tmp_path: Path) -> None:
    parts(tmp_path, year_is_2020__a="SELECT 2 AS n")
    with pytest.raises(SchemaMismatchError, match="subfolders named key=value"):
        read(tmp_path, {"n": NUMBER}, "parquet")


def test_an_empty_folder_and_hidden_files(tmp_path: Path) -> None:
    with pytest.raises(SchemaMismatchError, match=r"holds no \.parquet file"):
        read(tmp_path, {"n": NUMBER}, "parquet")
    parts(tmp_path, b="SELECT 1 AS n", a="SELECT 3 AS n", _temporary__c="SELECT 5 AS n")
    (tmp_path / "_SUCCESS").touch()
    assert read(tmp_path, {"n": NUMBER}, "parquet") == [(6,), (2,)]


def test_a_file_that_comes_or_goes_changes_the_folder(tmp_path: Path) -> None:
    from analytics.sources.formats.contents import digest_of

    parts(tmp_path, a="SELECT 1 AS n", b="SELECT 1 AS n")
    first = digest_of(ParquetFormat().files(tmp_path))
    (tmp_path / "b.parquet").rename(tmp_path / "c.parquet")
    assert digest_of(ParquetFormat().files(tmp_path)) != first

"""What every kind of file must do: equal cells become equal rows, changes are seen, and nothing of a file is told."""

import shutil
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from analytics.errors import SchemaMismatchError
from analytics.schema import Schema, Table
from analytics.sources import CellRules, LocalTable, SourceSpec, open_table
from analytics.sources import opening as module
from analytics.sources.formats import ENDINGS, FORMATS, kind_of, named_source
from analytics.sources.formats.base import Relation
from analytics.sources.inspection import inspected
from analytics.sources.preparation import mapped
from analytics.sources.spec import DEFAULT_VIEW
from tests.sources.writers import BIG, ROWS, SERVERS, WRITERS, Writer

KEY = bytes(range(32))
CANARY = "CANARY73519"
COLUMNS = {
    "n": {"type": "numeric", "lower": 0, "upper": 100, "resolution": 1},
    "price": {"type": "numeric", "lower": 0, "upper": 100, "resolution": "0.01"},
    "code": {"type": "categorical", "domain": [str(BIG - 1), str(BIG)]},
    "day": {"type": "categorical", "domain": ["1999-12-31", "2020-02-29"]},
    "flag": {"type": "boolean"},
    "word": {"type": "categorical", "domain": ["Zoë 张", 'it\'s; "x", |']},
}
WRONG_RELATIONS = {
    "csv": "t",
    "parquet": "t",
    "duckdb": "",
    "sqlite": "",
    "excel": " blank",
    "postgresql": "a..b",
    "spark": "a.b.c.d",
    "sqlalchemy": "a.b.c",
    "spss": "t",
    "stata": "t",
    "sas": "t",
    "fhir": "t",
}


def table_of(columns: dict | None = None, **changes: object) -> Table:
    columns = {name: body for name, body in (columns or COLUMNS).items() if name != "pid"}
    body = {"privacy_unit": "pid", "rows_max": 100, "max_rows_per_unit": 5, "columns": columns} | changes
    return Schema.from_dict({"tables": {"t": body}}).tables["t"]


def opened(spec: SourceSpec, table: Table | None = None, copies: Path | None = None) -> LocalTable:
    return open_table(spec, table or table_of(), site_key=KEY, threads=1, copies=copies)


def rows(source: LocalTable) -> list[tuple]:
    with source:
        clean = "SELECT COLUMNS(lambda name: NOT contains(name, '#invalid')) FROM t"
        return source.engine._connection.execute(f'{clean} ORDER BY "#unit", n').fetchall()


@pytest.fixture(params=WRITERS)
def writer(request) -> Writer:
    return WRITERS[request.param]


def test_every_kind_has_a_writer_here():
    servers = {kind for kind, each in FORMATS.items() if each.schemes}
    assert servers == SERVERS
    assert {each.kind for each in WRITERS.values()} | servers == set(FORMATS)
    assert set(WRONG_RELATIONS) == set(FORMATS)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_kind_says_its_name_its_endings_and_one_sentence_on_a_wrong_relation(kind: str) -> None:
    found = FORMATS[kind]
    assert found.kind == kind
    assert all(
        ending == ending.lower() and kind_of(Path(f"A{ending.upper()}")) == kind for ending in found.endings
    )
    assert isinstance(found.takes_folder, bool)
    assert found.mistake(WRONG_RELATIONS[kind])
    assert bool(found.endings) != bool(found.schemes)
    assert set(ENDINGS.values()) | SERVERS == set(FORMATS)


def test_equal_cells_become_equal_rows_in_every_kind(tmp_path: Path, writer: Writer) -> None:
    """NULL, bounds, integers beyond 2^53, decimals, dates, booleans, Unicode: one meaning, whatever holds the cell."""
    source = opened(writer(tmp_path))
    assert [
        (each.name, each.missing, each.clipped, each.outside_domain) for each in source.report.columns
    ] == [
        ("n", 1, 2, 0),
        ("price", 1, 1, 0),
        ("code", 1, 0, 1),
        ("day", 1, 0, 1),
        ("flag", 2, 0, 0),
        ("word", 2, 0, 0),
    ]
    assert source.report.rows_without_unit == 1
    assert rows(source) == [
        (40, 125, 1, 1, True, 0, 1),  # 007 is not 7, and 7 with a blank is
        (0, 9999, 0, 0, False, 1, 2),
        (100, None, None, None, None, None, 2),
        (None, 0, None, None, None, None, 3),
    ]


def test_a_view_and_words_for_missing_are_the_same_over_every_kind(tmp_path: Path, writer: Writer) -> None:
    spec = writer(tmp_path)
    view = "SELECT pid, as_number(n) + 1 AS n, CASE WHEN as_boolean(flag) THEN 'y' END AS word FROM source"
    columns = {"n": COLUMNS["n"], "word": {"type": "categorical", "domain": ["y"]}}
    changed = replace(spec, view=view, cells=CellRules(missing=("40", "999")))
    assert rows(opened(changed, table_of(columns))) == [
        (None, 0, 1),
        (0, None, 2),
        (None, None, 2),
        (None, None, 3),
    ]


def test_it_is_inspected_before_there_is_a_schema(tmp_path: Path, writer: Writer) -> None:
    with inspected(writer(tmp_path), name="a", view=DEFAULT_VIEW, cells=CellRules()) as connection:
        found = connection.execute(
            "SELECT count(*), count(DISTINCT trim(pid)) FROM source WHERE pid <> ''"
        ).fetchall()
        assert found == [(4, 3)]


def test_one_relation_with_its_own_names(tmp_path: Path, writer: Writer) -> None:
    other = "An_other" if writer.kind in {"spss", "stata", "sas", "fhir"} else "An other"
    spec = writer(tmp_path, ("k", other), ("VARCHAR", "VARCHAR"), (("x", "y"), ("z", "w")))
    with duckdb.connect() as connection:
        workplace = tmp_path / "work"
        workplace.mkdir()
        with FORMATS[writer.kind].open(connection, spec, workplace) as found:
            assert isinstance(found, Relation)
            assert (found.names, found.types) == (("k", other), ("VARCHAR", "VARCHAR"))
            cells = connection.execute(f"SELECT c1, c0 FROM {found.sql} ORDER BY 2").fetchall()
            assert cells == [("y", "x"), ("w", "z")]
            assert connection.execute(f"DESCRIBE SELECT * FROM {found.empty}").fetchall()[1][0] == "c1"
            assert found.fault(None) == ""


def test_a_file_of_another_kind_is_refused_without_its_bytes(tmp_path: Path, writer: Writer) -> None:
    spec = writer(tmp_path)
    broken = tmp_path / "b"
    broken.write_bytes(b"\x00\xff" + CANARY.encode())
    with pytest.raises(SchemaMismatchError) as caught:
        opened(replace(spec, path=broken))
    assert CANARY not in str(caught.value)


def test_a_missing_file_or_table_is_named(tmp_path: Path, writer: Writer) -> None:
    spec = writer(tmp_path)
    with pytest.raises(SchemaMismatchError, match="no such file"):
        opened(replace(spec, path=tmp_path / "none"))
    if spec.relation:
        with pytest.raises(
            SchemaMismatchError,
            match=r"there is no sheet nothing|no table or view nothing|cannot be read as duckdb",
        ):
            opened(replace(spec, relation="nothing"))


def test_an_unchanged_source_starts_from_its_copy_and_a_changed_one_is_read_anew(
    tmp_path: Path, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = []
    read = module._read
    monkeypatch.setattr(module, "_read", lambda *args: reads.append(1) or read(*args))
    spec = writer(tmp_path)
    first = rows(opened(spec, copies=tmp_path / "state"))
    assert rows(opened(spec, copies=tmp_path / "state")) == first
    assert len(reads) == 1
    changed = tmp_path / "changed"
    changed.mkdir()
    other = writer(changed, rows=(("9", 1, None, None, None, None, None), *ROWS[1:]))
    replace_with(spec.path, other.path)
    assert rows(opened(spec, copies=tmp_path / "state")) != first
    assert len(reads) == 2


def replace_with(path: Path, other: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
        shutil.copytree(other, path)
    else:
        shutil.copy(other, path)


def test_a_source_that_changes_while_it_is_read_is_refused(
    tmp_path: Path, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = writer(tmp_path)
    ingest = mapped.ingest

    def changing(*args, **kwargs):
        found = ingest(*args, **kwargs)
        file = FORMATS[spec.kind].files(spec.path)[-1]
        file.write_bytes(file.read_bytes())  # the same bytes: the reader may have seen the half of them
        return found

    monkeypatch.setattr(mapped, "ingest", changing)
    with pytest.raises(SchemaMismatchError, match="changed while it was read"):
        opened(spec)


def test_a_time_with_a_zone_is_refused_where_the_kind_has_such_a_type(tmp_path: Path) -> None:
    for kind in ("parquet", "duckdb"):
        (tmp_path / kind).mkdir()
        spec = WRITERS[kind](
            tmp_path / kind, ("pid", "n"), ("VARCHAR", "TIMESTAMPTZ"), (("a", "2020-01-01 00:00:00+02"),)
        )
        with pytest.raises(SchemaMismatchError, match="date or time: write CAST"):
            opened(spec, table_of({"n": COLUMNS["n"]}))


def test_people_name_a_table_or_a_sheet_after_the_path(tmp_path: Path) -> None:
    assert named_source("a/b.csv") == (Path("a/b.csv"), "")
    assert named_source("a/b.xlsx#Sheet 1") == (Path("a/b.xlsx"), "Sheet 1")
    assert named_source("a/b.sqlite#t") == (Path("a/b.sqlite"), "t")
    assert named_source("a/b#1.csv") == (Path("a/b#1.csv"), "")
    assert kind_of(tmp_path) == "parquet"


def test_a_db_file_is_of_the_database_that_wrote_it(tmp_path: Path) -> None:
    for kind in ("duckdb", "sqlite"):
        path = WRITERS[kind](tmp_path).path
        shutil.copy(path, tmp_path / f"{kind}.db")
        assert kind_of(tmp_path / f"{kind}.db") == kind

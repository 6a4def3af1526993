"""The clean table of an unchanged file: used where nothing changed, and nowhere else; private to the site."""

import hashlib
import os
import shutil
import stat
from pathlib import Path

import pytest

from analytics.errors import SchemaMismatchError
from analytics.schema import Schema, Table
from analytics.sources import CellRules, LocalTable, SourceSpec, open_table
from analytics.sources import opening as module
from analytics.sources.formats.csv_pipe import CsvPipe

KEY = bytes(range(32))
NUMBER = {"type": "numeric", "lower": 0, "upper": 200, "resolution": 1}
CONTENT = "pid,age,ill,sex\na,40,yes,F\na,50,no,M\nb,60,,X\nc,999,no,F\n"


def table_of(**changes: object) -> Table:
    columns = {
        "age": NUMBER,
        "ill": {"type": "boolean"},
        "sex": {"type": "categorical", "domain": ["F", "M"]},
    }
    body = {"privacy_unit": "pid", "rows_max": 100, "columns": columns} | changes
    return Schema.from_dict({"tables": {"t": body}}).tables["t"]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "site.csv").write_text(CONTENT)
    return tmp_path


def opened(site: Path, table: Table | None = None, key: bytes = KEY, **changes: object) -> LocalTable:
    spec = SourceSpec(**{"kind": "csv", "path": site / "site.csv"} | changes)
    return open_table(spec, table or table_of(), site_key=key, threads=1, copies=site / "state" / "tables")


def rows(source: LocalTable) -> list[tuple]:
    with source:
        return sorted(source.engine._connection.execute("SELECT * FROM t").fetchall(), key=str)


@pytest.fixture(scope="module")
def opened_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site whose table was open once; tests change copies of it."""
    folder = tmp_path_factory.mktemp("opened")
    (folder / "site.csv").write_text(CONTENT)
    opened(folder).close()
    return folder


@pytest.fixture
def kept(opened_once: Path, tmp_path: Path) -> Path:
    """The same site, to change."""
    return shutil.copytree(opened_once, tmp_path / "kept")


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows by a name each time a source is read."""
    found: list[str] = []
    read = module._read

    def counted(spec, table, key, threads, kept, numbers=frozenset()):
        found.append(spec.name)
        return read(spec, table, key, threads, kept, numbers)

    monkeypatch.setattr(module, "_read", counted)
    return found


def test_an_unchanged_file_starts_from_its_copy_with_the_same_rows_and_report(site: Path, reads) -> None:
    first = opened(site)
    second = opened(site)
    assert len(reads) == 1
    assert second.report == first.report
    assert list(second.report.lines()) == list(first.report.lines())
    assert rows(first) == rows(second)


CHANGES = {
    "a byte": lambda site: (site / "site.csv").write_text(CONTENT.replace("50", "51")),
    "a line more": lambda site: (site / "site.csv").write_text(CONTENT + "d,1,,F\n"),
    "the copy": lambda site: flip(site / "state/tables/t.parquet"),
    "no copy": lambda site: (site / "state/tables/t.parquet").unlink(),
    "what is said of it": lambda site: (site / "state/tables/t.json").write_text("{}"),
    "no JSON": lambda site: (site / "state/tables/t.json").write_text("["),
}


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_file_or_copy_reads_the_source_anew(kept: Path, reads, change: str) -> None:
    CHANGES[change](kept)
    opened(kept).close()
    assert len(reads) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"key": bytes(range(1, 33))}, {"view": "SELECT * FROM source WHERE pid <> 'a'"}, {"cells": CellRules(missing=("60",))},
        {"table": table_of(max_rows_per_unit=2)}, {"table": table_of(columns={"age": NUMBER})}, {"encoding": "cp1252"},
        {"cells": CellRules(yes=("no",), no=("yes",))},
    ],
)  # fmt: skip
def test_a_change_of_settings_schema_or_key_reads_the_source_anew(kept: Path, reads, change: dict) -> None:
    fresh = opened(kept, **change)
    assert len(reads) == 1
    again = opened(kept, **change)
    assert len(reads) == 1
    assert rows(again) == rows(fresh)


def test_a_copy_of_the_folder_is_used_where_it_is(kept: Path, reads) -> None:
    opened(kept).close()
    assert reads == []


def test_the_copy_is_the_sites_alone(site: Path) -> None:
    before = os.umask(0)
    try:
        opened(site).close()
    finally:
        os.umask(before)
    folder = site / "state" / "tables"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert sorted(path.name for path in folder.iterdir()) == ["t.json", "t.parquet"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_a_copy_holds_no_identifier_and_no_column_that_the_schema_lacks(site: Path) -> None:
    (site / "site.csv").write_text("pid,age,ill,sex,note\nPATIENT-4711,40,yes,F,SECRET-4711\n")
    opened(site).close()
    content = b"".join(path.read_bytes() for path in (site / "state/tables").iterdir())
    assert b"4711" not in content


@pytest.mark.parametrize(
    "view",
    [
        "SELECT *, year(current_date) AS y FROM source", "SELECT * FROM source WHERE random() >= 0",
        "SELECT * FROM source WHERE now() IS NOT NULL", "SELECT * FROM source WHERE current_timestamp IS NOT NULL",
        "SELECT * FROM source WHERE age(TIMESTAMP '2000-01-01') IS NOT NULL",
    ],
)  # fmt: skip
def test_a_view_that_changes_with_time_or_chance_has_no_copy(site: Path, reads, view: str) -> None:
    opened(site, view=view).close()
    assert len(reads) == 1
    assert not list((site / "state/tables").iterdir())


def test_a_view_over_columns_called_as_a_function_has_a_copy(site: Path, reads) -> None:
    for _ in range(2):
        opened(site, view="SELECT * FROM source WHERE as_number(age) > 0").close()
    assert len(reads) == 1


def test_a_file_that_was_not_read_to_its_end_has_no_digest(tmp_path: Path) -> None:
    path, pipe = tmp_path / "rows.csv", tmp_path / "pipe"
    path.write_text("a,40,yes,F\n" * 300_000)
    for how_much in (10, -1):
        passage = CsvPipe(path, pipe=pipe, encoding="utf-8", delimiter=",", quote='"', is_hashed=True)
        with pipe.open("rb") as reader:
            reader.read(how_much)
        passage.join()
        pipe.unlink()
        wanted = hashlib.sha256(path.read_bytes()).hexdigest() if how_much < 0 else ""
        assert passage.digest == wanted
    unread = CsvPipe(path, pipe=pipe, encoding="utf-8", delimiter=",", quote='"', is_hashed=True)
    unread.join()
    assert (unread.digest, unread.is_complete) == ("", False)


def test_a_refused_source_leaves_nothing_behind(kept: Path) -> None:
    (kept / "site.csv").write_text(CONTENT.replace("40", "forty"))
    with pytest.raises(SchemaMismatchError):
        opened(kept)
    assert not [path for path in (kept / "state/tables").iterdir() if path.name.startswith(".work")]


def test_a_folder_that_cannot_be_written_costs_the_copy_only(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    assert opened(site).report.rows_kept == 3
    assert not list((site / "state/tables").iterdir())

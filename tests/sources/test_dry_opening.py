"""A source opened without its rows: its faults are the same whatever the rows are, and name columns of the schema."""

import codecs
from dataclasses import replace

import pytest

from analytics.errors import SchemaMismatchError
from analytics.schema.data_faults import CODES
from analytics.sources import SourceSpec, open_table
from analytics.sources.dry_opening import OpeningFault, opening_faults, public_faults
from analytics.sources.formats import FORMATS
from analytics.sources.formats.base import HasHeading
from tests.harmonise.harmonise_world import numeric, site, table
from tests.sources.test_format_contract import COLUMNS, table_of
from tests.sources.writers import NAMES, ROWS, TYPES, WRITERS

KEY = b"k" * 16
OWN = table(numeric("age", "0", "120"), numeric("kind", "0", "9"))
MAPPING = """
[codes.m]
file = "m.csv"
[table.columns.age]
from = "Alter"
type = "number"
range = {low = 0, high = 120, outside = "refuse"}
[table.columns.kind]
type = "number"
codes = "m"
"""
CODES_FILE = [("m.csv", "source,target\nA,1\nB,2\n")]


def plain(folder, text, name="site.csv", **how):
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return SourceSpec(kind="csv", path=folder / name, **how)


def found(spec, own=OWN):
    return [(fault.code, fault.column) for fault in opening_faults(spec, own)]


@pytest.mark.parametrize("kind", WRITERS)
def test_every_kind_tells_its_columns_as_its_opening_does(kind, tmp_path):
    spec = WRITERS[kind](tmp_path, NAMES, TYPES, ROWS)
    assert isinstance(FORMATS[spec.kind], HasHeading)
    assert opening_faults(spec, table_of()) == ()
    more = table_of({**COLUMNS, "later": {"type": "boolean"}, "last": {"type": "boolean"}})
    assert found(spec, more) == [("column-missing", "later"), ("column-missing", "last")]


@pytest.mark.parametrize("kind", WRITERS)
def test_the_answer_is_the_same_for_every_content_of_a_source(kind, tmp_path):
    """Rows that refuse the source, none at all, or one more: the answer does not show it."""
    bad = ("x" * 9, 7, None, None, None, None, "no word of the domain")
    contents = {
        "all": ROWS,
        "one less": ROWS[:-1],
        "one": ROWS[:1],
        "with a stranger": (*ROWS, bad),
        "strangers": (bad, bad),
    }
    answers, opened = {}, {}
    for name, rows in contents.items():
        folder = tmp_path / name
        folder.mkdir()
        spec = WRITERS[kind](folder, NAMES, TYPES, rows)
        strict = table_of(max_rows_per_unit=1)
        answers[name] = opening_faults(spec, strict)
        try:
            open_table(spec, strict, site_key=KEY).close()
            opened[name] = True
        except SchemaMismatchError:
            opened[name] = False
    assert len(set(answers.values())) == 1
    if kind == "csv":
        assert set(opened.values()) == {True, False}  # so the rows do decide whether the site starts


ROWS_THAT_REFUSE = {
    "plain": b"age,kind\n40,1\n50,2\n",
    "one text for a number": b"age,kind\n40,1\nold,2\n",
    "a row too wide": b"age,kind\n40,1\n50,2,3\n",
    "a row too narrow": b"age,kind\n40,1\n50\n",
    "not in the encoding": b"age,kind\n40,1\n\xff\xfe,2\n",
    "a quote that does not end": b'age,kind\n40,1\n"50,2\n',
    "no row": b"age,kind\n",
    "no line end": b"age,kind",
    "an age out of bounds": b"age,kind\n40,1\n999,2\n",
}


@pytest.mark.parametrize("rows", ROWS_THAT_REFUSE.values(), ids=ROWS_THAT_REFUSE)
def test_no_row_of_a_file_changes_the_answer(rows, tmp_path):
    """The attack: put a row that refuses the file beside its neighbour without it, and compare the answers."""
    assert opening_faults(plain(tmp_path, rows), OWN) == ()
    view = "SELECT as_number(age) AS age, 10 / (as_number(kind) - 1) AS kind FROM source"
    assert opening_faults(plain(tmp_path, rows, view=view), OWN) == ()
    missing = opening_faults(plain(tmp_path, rows, view="SELECT age FROM source"), OWN)
    assert missing == (OpeningFault(code="column-missing", column="kind", reason=missing[0].reason),)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1252", "utf-8-sig"])
def test_a_header_is_read_in_any_encoding_and_nothing_behind_it_is_decoded(encoding, tmp_path):
    head = codecs.encode("Größe,kind\n", encoding)
    spec = plain(tmp_path, head + b"\xff\xd8", encoding=encoding.removesuffix("-sig"))
    own = table(numeric("größe", "0", "9"), numeric("kind", "0", "9"))
    assert opening_faults(spec, own) == ()


def test_a_mapping_that_a_row_would_refuse_is_in_order_here_and_one_that_does_not_fit_is_not(tmp_path):
    good = "Alter;kind\n40;A\n60;B\n"
    for rows in (good, good + "999;A\n", good + "x;A\n", good + "50;C\n", "Alter;kind\n"):
        assert found(site(tmp_path / "a", MAPPING, rows, CODES_FILE, delimiter=";")) == []
    faults = opening_faults(site(tmp_path / "b", MAPPING, "x;y\n1;2\n", CODES_FILE, delimiter=";"), OWN)
    assert [(fault.code, fault.column) for fault in faults] == [("mapping", "")]
    assert all(name in faults[0].reason for name in ("Alter", "kind"))  # every column that the file lacks
    left_out = MAPPING.replace("[table.columns.kind]", "[table.columns.sort]")
    left_out = left_out.replace('codes = "m"', 'codes = "m"\nfrom = "kind"')
    assert found(site(tmp_path / "c", left_out, good, CODES_FILE, delimiter=";")) == [
        ("column-missing", "kind")
    ]


def test_each_fault_has_its_code_and_a_column_of_the_schema_alone(tmp_path):
    rows = "age,kind,secret_name\n1,2,3\n"
    cases = {
        "missing": (SourceSpec(kind="csv", path=tmp_path / "gone.csv"), [("source", "")]),
        "other delimiter": (plain(tmp_path, rows, delimiter=";"), [("source", "")]),
        "view with a typo": (plain(tmp_path, rows, view="SELECT agee FROM source"), [("view", "")]),
        "no SQL": (plain(tmp_path, rows, view="CHOOSE 1"), [("view", "")]),
        "a date": (
            plain(tmp_path, rows, view="SELECT DATE '2020-01-01' AS age, secret_name FROM source"),
            [("column-type", "age"), ("column-missing", "kind")],
        ),
        "not text": (plain(tmp_path, b"\x00\x01\x02", name="x.parquet"), [("source", "")]),
    }
    for name, (spec, expected) in cases.items():
        kind = "parquet" if spec.path.suffix == ".parquet" else "csv"
        faults = opening_faults(replace(spec, kind=kind), OWN)
        assert [(each.code, each.column) for each in faults] == expected, name
        assert all(fault.code in CODES and fault.reason for fault in faults)


def test_a_header_over_two_lines_is_said_to_be_unchecked(tmp_path):
    spec = plain(tmp_path, 'age,"ki\nnd"\n1,2\n')
    assert found(spec) == [("unchecked", "")]


def test_the_coming_scan_runs_on_no_row(tmp_path):
    seen = []
    spec = plain(tmp_path, "age,kind\n1,2\n3,4\n")
    assert opening_faults(spec, OWN, scan=lambda empty: seen.append(empty.every_row(["age"]).shape)) == ()
    assert seen == [(0, 2)]

    def fails(_):
        raise SchemaMismatchError(source="s", reason="no")

    assert [each.code for each in opening_faults(spec, OWN, scan=fails)] == ["statement"]


def test_the_refusal_at_a_start_names_every_column_too(tmp_path):
    spec = plain(tmp_path, "other\n1\n")
    with pytest.raises(SchemaMismatchError, match=r"column age: is missing.*; column kind: is missing"):
        open_table(spec, OWN, site_key=KEY)
    with pytest.raises(SchemaMismatchError, match=r"Alter.*kind"):
        open_table(site(tmp_path / "m", MAPPING, "x\n1\n", CODES_FILE), OWN, site_key=KEY)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_server_tells_its_columns_by_its_catalogue(server):
    server.run("CREATE TABLE research.dry (age int, kind text, when_seen date)")
    for engine in ("", "postgresql"):
        for rows in ("", "INSERT INTO research.dry VALUES (1, 'x', '2020-01-01')"):
            server.run(*filter(None, [rows]))
            good = "SELECT age, 1 AS kind FROM source"
            assert found(server.spec("research.dry", engine=engine, view=good)) == []
            typed = [("column-type", "kind")] if engine else []  # the node reads numbers out of texts
            assert found(server.spec("research.dry", engine=engine)) == typed
            assert found(server.spec("research.gone", engine=engine)) == [("source", "")]
            assert found(server.spec("research.dry", engine=engine, view="SELECT aeg FROM source")) == [
                ("view", "")
            ]
            lacks = server.spec("research.dry", engine=engine, view="SELECT when_seen FROM source")
            assert found(lacks) == [("column-missing", "age"), ("column-missing", "kind")]
            down = server.spec("research.dry", engine=engine, access={"url": "postgresql://r@127.0.0.1:1/x"})
            assert found(down) == [("source", "")]


# -- types that a program may have taken from rows ------------------------------------------------------------------


def typed(folder, kind, columns):
    """A file whose writer chose the types."""
    import duckdb

    folder.mkdir(exist_ok=True)
    path = folder / f"rows.{kind}"
    with duckdb.connect(str(path) if kind == "duckdb" else ":memory:") as connection:
        connection.execute(f"CREATE TABLE v AS SELECT {columns}")
        if kind == "parquet":
            connection.execute(f"COPY v TO '{path}' (FORMAT parquet)")
    return SourceSpec(kind=kind, path=path, relation="v" if kind == "duckdb" else "")


VIEWS = (
    "SELECT * FROM source",
    "SELECT age + 1 AS age, kind FROM source",
    "SELECT age, upper(kind) AS kind FROM source",
    "SELECT age FROM source",
    "SELECT aeg AS age, knd AS kind FROM source",
    "SELECT age, kind FROM sauce",
    "CHOOSE",
)


@pytest.mark.parametrize("kind", ["parquet", "duckdb"])
@pytest.mark.parametrize("view", VIEWS)
def test_what_leaves_the_site_does_not_depend_on_types_that_its_rows_may_have_made(kind, view, tmp_path):
    """The attack: one cell with a text, or one missing value, makes a program write a column with another type."""
    answers = set()
    for place, columns in enumerate(
        (
            "1 AS age, 2 AS kind",
            "'old' AS age, 2 AS kind",
            "1.5 AS age, 2.0 AS kind",
            "DATE '2020-01-01' AS age, TRUE AS kind",
        )
    ):
        spec = replace(typed(tmp_path / str(place), kind, columns), view=view)
        answers.add(tuple((fault.code, fault.column) for fault in public_faults(spec, OWN)))
    assert len(answers) == 1, answers
    own = opening_faults(spec, OWN)  # the administrator is told the types too
    assert any(fault.code in {"column-type", "column-missing", "view"} for fault in own)


def test_names_alone_still_leave_the_site(tmp_path):
    spec = typed(tmp_path, "parquet", "1 AS age")
    assert [(each.code, each.column) for each in public_faults(spec, OWN)] == [("column-missing", "kind")]
    gone = replace(spec, view="SELECT aeg AS age FROM source")
    assert [each.code for each in public_faults(gone, OWN)] == ["view"]


def test_every_column_that_a_view_asks_for_in_vain_is_named(tmp_path):
    view = "SELECT as_number(aeg) AS age, knd + 0 AS kind, sex FROM source"
    faults = opening_faults(plain(tmp_path, "age,kind\n1,2\n", view=view), OWN)
    assert [fault.code for fault in faults][:3] == ["view", "view", "view"]
    assert [name in str(faults) for name in ("column aeg", "column knd", "column sex")] == [True] * 3

"""A cell means what the schema, the source's rules and the cell say: never what other rows, or the kind of source, say."""

import csv as python_csv
import datetime
import io
import os
from decimal import Decimal
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.errors import SchemaMismatchError
from analytics.schema import Schema, Table
from analytics.sources import CellRules, LocalTable, SourceSpec, open_frame, open_table
from analytics.sources import opening as module
from analytics.sources.inspection import inspected
from analytics.sources.spec import DEFAULT_VIEW
from tests.examples import costly_law

KEY = bytes(range(32))
CANARY = "CANARY73519"
NUMBER = {"type": "numeric", "lower": 0, "upper": 200, "resolution": "0.5"}
BOOLEAN = {"type": "boolean"}


def category(*domain: object) -> dict:
    return {"type": "categorical", "domain": list(domain)}


def table_of(columns: dict, **changes: object) -> Table:
    body = {"privacy_unit": "row", "rows_max": 100, "columns": columns} | changes
    return Schema.from_dict({"tables": {"t": body}}).tables["t"]


def rows(source: LocalTable) -> list[tuple]:
    with source:
        return source.engine._connection.execute(
            "SELECT COLUMNS(lambda name: NOT contains(name, '#invalid')) FROM t"
        ).fetchall()


def write(folder: Path, content: str | bytes, name: str = "site.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def opened(folder: Path, content: str | bytes, columns: dict, **changes: object) -> LocalTable:
    table = table_of(columns, **changes.pop("table", {}))
    spec = SourceSpec(kind="csv", path=write(folder, content), **changes)
    return open_table(spec, table, site_key=KEY, threads=1)


def side_by_side(folder: Path, cases: list[tuple[list[str], dict]], delimiter: str = ",") -> list[list]:
    """What the texts of each case become; all cases are columns of one file, the shorter ones end with empty cells."""
    longest = max(len(texts) for texts, _ in cases)
    padded = [[*texts, *[""] * (longest - len(texts))] for texts, _ in cases]
    names = [f"c{place}" for place in range(len(cases))]
    lines = [delimiter.join(line) for line in [names, *zip(*padded, strict=True)]]
    columns = dict(zip(names, (column for _, column in cases), strict=True))
    source = opened(folder, "\n".join(lines) + "\n", columns, delimiter=delimiter)
    found = zip(*rows(source), strict=True)
    assert len(lines) == longest + 1
    return [list(values)[: len(texts)] for values, (texts, _) in zip(found, cases, strict=True)]


def refusal(*arguments: object, **changes: object) -> SchemaMismatchError:
    with pytest.raises(SchemaMismatchError) as caught:
        opened(*arguments, **changes)
    assert CANARY not in f"{caught.value!r} {caught.value}"
    assert caught.value.__cause__ is None
    return caught.value


# -- the schema decides ------------------------------------------------------------------------------------------


WRITTEN = [
    (["yes", "no"], category("yes", "no"), [0, 1]),
    (["Y", "N"], BOOLEAN, [True, False]),
    (["yes", "NO"], BOOLEAN, [True, False]),
    (["250.00", "401.90"], category("250.00", "401.90"), [0, 1]),
    (["250.00", "250.0", "250.00"], category("250.00"), [0, None, 0]),
    (["2020-01-01", "2021-01-01"], category("2020-01-01", "2021-01-01"), [0, 1]),
    (["1", "2", "1", "1", "2", "2", "x"], category("1", "2"), [0, 1, 0, 0, 1, 1, None]),
    (["007", "7"], category("007", "7"), [0, 1]),
    (["1.2.10", "10/12/80"], category("1.2.10", "10/12/80"), [0, 1]),
    (["true", "false"], category("true", "false"), [0, 1]),
    (["1", *["2"] * 40, "2.5"], NUMBER, [2] + [4] * 40 + [5]),
    (["1.0", "2"], category(1, 2), [0, 1]),
    (["NaN", "1"], NUMBER, [None, 2]),
]  # fmt: skip


def test_a_text_is_what_the_schema_says(tmp_path: Path) -> None:
    found = side_by_side(tmp_path, [(texts, column) for texts, column, _ in WRITTEN])
    assert found == [wanted for _, _, wanted in WRITTEN]


def test_other_rows_never_change_what_a_cell_means(tmp_path: Path) -> None:
    """The reader of a file once decided the type from all rows: one more word changed what the others meant."""
    cells = ["1", "1.0", "yes", "true", "2020-01-01", "01"]
    column = category(*cells)
    pairs = [[cell, cells[place - back]] for place, cell in enumerate(cells) for back in (1, 3)]
    found = side_by_side(tmp_path, [(pair, column) for pair in pairs])
    assert found == [[cells.index(cell) for cell in pair] for pair in pairs]
    assert rows(opened(tmp_path, "c\n01\n1\n", {"c": column})) == [(5,), (0,)]


@pytest.mark.parametrize("ids", ["1.1\n1.10\n", "007\n7\n", "1e3\n1000\n", "2020-01-01\n01.01.2020\n"])
def test_identifiers_keep_their_texts(tmp_path: Path, ids: str) -> None:
    table = {"privacy_unit": "pid"}
    source = opened(tmp_path, "pid,c\n" + ids.replace("\n", ",1\n"), {"c": NUMBER}, table=table)
    assert source.report.rows_kept == 2


def test_long_identifiers_stay_apart(tmp_path: Path) -> None:
    ids = [12345678901234567800 + n for n in range(24)]
    for form in ("text", "integer"):
        table = {"privacy_unit": "pid", "unit_form": form}
        content = "pid,c\n" + "".join(f"{one},1\n" for one in ids)
        assert opened(tmp_path, content, {"c": NUMBER}, table=table).report.rows_kept == 24


def test_the_exact_name_comes_before_one_in_other_case(tmp_path: Path) -> None:
    assert rows(opened(tmp_path, "AGE,age\n90,40\n", {"age": NUMBER})) == [(80,)]
    assert rows(opened(tmp_path, "AGE\n90\n", {"age": NUMBER})) == [(180,)]
    assert rows(opened(tmp_path, "b,B,age\n1,2,40\n", {"age": NUMBER})) == [(80,)]
    view = "SELECT as_number(age) + 1 AS age FROM source"
    assert rows(opened(tmp_path, "AGE,age\n90,40\n", {"age": NUMBER}, view=view)) == [(82,)]
    for names in ("AGE,Age", "age,age"):
        assert "two columns have this name" in refusal(tmp_path, f"{names}\n90,40\n", {"age": NUMBER}).reason
    frame = pd.DataFrame([[90, 40]], columns=["AGE", "age"])
    assert rows(open_frame(frame, table_of({"age": NUMBER}), site_key=KEY)) == [(80,)]


def test_columns_without_a_name_can_be_asked_for_by_their_place(tmp_path: Path) -> None:
    view = "SELECT column_2 AS age FROM source"
    assert rows(opened(tmp_path, "a,,\n1,40,\n", {"age": NUMBER}, view=view)) == [(80,)]


# -- one rule for texts, frames, Parquet and databases -----------------------------------------------------------

SAME = [
    (category("1", "2"), ["1", "2", ""], [1, 2, None]),
    (category("1", "2"), ["1", "2", ""], [1.0, 2.0, np.nan]),
    (category("1", "2"), ["1", "2", ""], pd.array([1, 2, None], dtype="Int64")),
    (category("1", "2"), ["1", "2", ""], np.array(["1", 2, None], dtype=object)),
    (category("1", "2"), ["1", "2", ""], np.array([1, 2.0, None], dtype=object)),
    (category("250.00", "401.90"), ["250.00", "401.90", ""], [250.0, 401.9, None]),
    (category("2.5", "x"), ["2.5", "x", ""], np.array([2.5, "x", None], dtype=object)),
    (category("a", "b"), ["a", "b", ""], pd.Categorical(["a", "b", None])),
    (category("2020-01-01", "x"), ["2020-01-01", "x", ""], np.array([datetime.date(2020, 1, 1), "x", None], dtype=object)),
    (category("2020-01-01"), ["2020-01-01", "", ""], pd.to_datetime(["2020-01-01", None, None])),
    (category(1, 2), ["1", "2.0", ""], [1.0, 2.0, np.nan]),
    (BOOLEAN, ["yes", "no", ""], np.array([True, False, None], dtype=object)),
    (BOOLEAN, ["1", "0", ""], np.array(["yes", 0, None], dtype=object)),
    (BOOLEAN, ["1.0", "0", ""], [1.0, 0.0, np.nan]),
    (NUMBER, ["1.5", "2", ""], np.array([Decimal("1.5"), 2, None], dtype=object)),
    (NUMBER, ["1.5", "2", ""], np.array(["1.5", "2", None], dtype=object)),
]  # fmt: skip


def test_a_file_and_a_frame_of_one_record_agree(tmp_path: Path) -> None:
    of_file = side_by_side(tmp_path, [(texts, column) for column, texts, _ in SAME])
    frame = pd.DataFrame({f"c{place}": values for place, (_, _, values) in enumerate(SAME)})
    table = table_of({f"c{place}": column for place, (column, _, _) in enumerate(SAME)})
    of_frame = rows(open_frame(frame, table, site_key=KEY))
    assert of_file == [list(values) for values in zip(*of_frame, strict=True)]
    assert [[value is None for value in values] for values in of_file] == [
        [not text for text in texts] for _, texts, _ in SAME
    ]


def test_a_late_object_changes_no_earlier_one() -> None:
    frame = pd.DataFrame({"c": np.array([1] * 5_000 + [2.5], dtype=object)})
    assert rows(open_frame(frame, table_of({"c": NUMBER}), site_key=KEY))[-1] == (5,)


def test_parquet_and_database_follow_the_same_rules(tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "d.duckdb")) as connection:
        connection.execute("CREATE TABLE v AS SELECT * FROM (VALUES (1.0::DOUBLE, 250.00::DECIMAL(6,2), DATE '2020-01-01', 'NA'),"
                           " (NULL, 401.90, DATE '2021-01-01', '5')) AS t(c, icd, day, x)")  # fmt: skip
        connection.execute(f"COPY v TO '{tmp_path}/d.parquet'")
    columns = {
        "c": category("1", "2"),
        "icd": category("401.90", "250.00"),
        "day": category("2021-01-01", "2020-01-01"),
        "x": NUMBER,
    }
    for kind, relation in (("parquet", ""), ("duckdb", "v")):
        spec = SourceSpec(
            kind=kind, path=tmp_path / f"d.{kind}", relation=relation, cells=CellRules(missing=("NA",))
        )
        found = rows(open_table(spec, table_of(columns), site_key=KEY, threads=1))
        assert found == [(0, 1, 1, None), (None, 0, 0, 10)]


# -- what a source declares --------------------------------------------------------------------------------------


@pytest.mark.parametrize("delimiter", [";", "\t", "|", "^"])
def test_delimiters(tmp_path: Path, delimiter: str) -> None:
    content = "id;bmi\n1;22\n2;23\n".replace(";", delimiter)
    assert rows(opened(tmp_path, content, {"bmi": NUMBER}, delimiter=delimiter)) == [(44,), (46,)]


@pytest.mark.parametrize(("sign", "name"), [(";", "semicolon"), ("\t", "tab"), ("|", "vertical bar")])
def test_another_delimiter_is_named(tmp_path: Path, sign: str, name: str) -> None:
    reason = refusal(tmp_path, f"id;bmi\n{CANARY};22\n".replace(";", sign), {"bmi": NUMBER}).reason
    assert f"seems to be the {name}" in reason
    assert "bmi" not in reason


def test_decimal_sign(tmp_path: Path) -> None:
    comma = {"delimiter": ";", "cells": CellRules(decimal=",")}
    assert rows(opened(tmp_path, "c;d\n1,5;a\n2;b\n", {"c": NUMBER}, **comma)) == [(3,), (4,)]
    for cell in ("1.5", "1.000,5", "1,5,0"):
        assert "decimal" in refusal(tmp_path, f"c;d\n{cell};a\n2;b\n", {"c": NUMBER}, **comma).reason
    assert refusal(tmp_path, "c;d\n1,5;a\n", {"c": NUMBER}, delimiter=";").column == "c"


def test_words_for_missing(tmp_path: Path) -> None:
    words = ("NA", ".", "?", "\\N", "NULL", "n/a", "-9", "it's")
    columns = {f"c{place}": NUMBER for place in range(8)} | {f"k{place}": category("x") for place in range(8)}
    lines = [[*columns], [*words, *words], [" 40 "] * 8 + ["x"] * 8, [f" {word} " for word in words] * 2]
    content = "".join(",".join(line) + "\n" for line in lines)
    rules = CellRules(missing=words)
    source = opened(tmp_path, content, columns, cells=rules)
    assert [column.missing for column in source.report.columns] == [2] * 16
    assert rows(source) == [(None,) * 16, (80,) * 8 + (0,) * 8, (None,) * 16]
    cells = [*zip(words, ["40"] * 8, [None] * 8, strict=True), *zip(words, "x" * 8, "x" * 8, strict=True)]
    frame = pd.DataFrame(dict(zip(columns, cells, strict=True)))
    found = rows(open_frame(frame, table_of(columns), site_key=KEY, cells=rules))
    assert found == [(None,) * 16, (80,) * 8 + (0,) * 8, (None,) * 8 + (0,) * 8]


def test_one_declared_word_leaves_the_others_as_they_are(tmp_path: Path) -> None:
    source = opened(tmp_path, "k,j\nNA,.\n.,NA\n", {"k": category(".")}, cells=CellRules(missing=("NA",)))
    assert rows(source) == [(None,), (0,)]


def test_an_undeclared_word_among_numbers_is_refused_with_the_way_out(tmp_path: Path) -> None:
    assert "(missing)" in refusal(tmp_path, f"c\n40\n{CANARY}\n", {"c": NUMBER}).reason
    numbers = pd.DataFrame({"c": [-9.0, 40.0]})
    found = rows(open_frame(numbers, table_of({"c": NUMBER}), site_key=KEY, cells=CellRules(missing=("-9",))))
    assert found == [(None,), (80,)]


NO_NUMBERS = [
    "1_2", "0x1F", "1 2", "1,5", "--1", "1-2", "1.2.3", "5\u00a0000", "\u0661", "1d", "1/2", "<5", "5+",
]  # fmt: skip


def test_a_text_that_is_no_number_is_never_read_as_one(tmp_path: Path) -> None:
    names = [f"c{place}" for place in range(len(NO_NUMBERS))]
    lines = [["good", *names], ["1", *NO_NUMBERS], ['"40"'] * (1 + len(names))]
    content = "".join(";".join(line) + "\n" for line in lines)
    refused = refusal(tmp_path, content, dict.fromkeys(lines[0], NUMBER), delimiter=";")
    assert "holds text" in refused.reason
    assert refused.column == "c0"
    assert refused.reason.endswith(f"; so also for {', '.join(names[1:])}")


def test_a_text_that_is_no_number_is_no_code_and_no_number_of_a_view(tmp_path: Path) -> None:
    cases = [([cell, '"40"'], category(1, 40)) for cell in NO_NUMBERS]
    assert side_by_side(tmp_path, cases, delimiter=";") == [[None, 1]] * len(cases)
    view = "SELECT as_number(c) AS c FROM source"
    for cell in ("1_2", "1,5", "5\u00a0000"):
        content = f'c;d\n{cell};1\n"40";1\n'
        assert "as_number met" in refusal(tmp_path, content, {"c": NUMBER}, delimiter=";", view=view).reason


def test_spellings_of_a_number_are_that_number(tmp_path: Path) -> None:
    cells = ["40", " 40 ", "40\u00a0", "\t40", "+40", "40.", "4e1", "4.0E+1", "040", "40.0000"]
    assert side_by_side(tmp_path, [([cell], NUMBER) for cell in cells]) == [[80]] * len(cells)


def test_words_for_yes_and_no(tmp_path: Path) -> None:
    rules = CellRules(yes=("Ja", "J"), no=("Nein",))
    assert rows(opened(tmp_path, "c\nja\nNEIN\n J \n\n", {"c": BOOLEAN}, cells=rules)) == [
        (True,), (False,), (True,), (None,),
    ]  # fmt: skip
    assert refusal(tmp_path, "c\n1\n0\n", {"c": BOOLEAN}, cells=rules).column == "c"
    assert "none of its values" in refusal(tmp_path, "c\nJa\nNein\n", {"c": BOOLEAN}).reason


def test_date_formats(tmp_path: Path) -> None:
    rules = CellRules(dates=("%d.%m.%Y", "%Y-%m-%d"))
    domain = category("2020-02-01", "2021-01-01")
    assert rows(opened(tmp_path, "c\n01.02.2020\n2021-01-01\n31.02.2020\n", {"c": domain}, cells=rules)) == [
        (0,),
        (1,),
        (None,),
    ]
    view = "SELECT year(as_date(c)) - 1900 AS c FROM source"
    assert rows(opened(tmp_path, "c\n01.02.2020\n\n", {"c": NUMBER}, cells=rules, view=view)) == [
        (240,),
        (None,),
    ]
    reason = refusal(tmp_path, f"c\n{CANARY}\n", {"c": NUMBER}, cells=rules, view=view).reason
    assert "as_date met a text that is no date" in reason


@pytest.mark.parametrize("name", ["as_number", "as_boolean", "as_date"])
def test_functions_of_views_stop_at_what_they_do_not_understand(tmp_path: Path, name: str) -> None:
    cells = {"as_number": "1,5", "as_boolean": "ja", "as_date": "01.02.2020"}
    rules = CellRules(decimal=",", yes=("ja",), no=("nein",), dates=("%d.%m.%Y",), missing=("NA",))
    view = f"SELECT CASE WHEN {name}(c) IS NULL THEN 1 ELSE 2 END AS n FROM source"
    content = f"c;d\n{cells[name]};1\nNA;1\n;1\n"
    assert rows(opened(tmp_path, content, {"n": NUMBER}, view=view, delimiter=";", cells=rules)) == [
        (4,), (2,), (2,),
    ]  # fmt: skip
    bad = refusal(tmp_path, f"c;d\n{CANARY};1\n", {"n": NUMBER}, view=view, delimiter=";", cells=rules)
    assert f"{name} met" in bad.reason


def test_quotes(tmp_path: Path) -> None:
    assert rows(opened(tmp_path, "c,d\n'a,b',1\n", {"c": category("a,b")}, quote="'")) == [(0,)]
    assert rows(opened(tmp_path, 'c,d\n"a,1\n', {"c": category('"a')}, quote="")) == [(0,)]
    assert rows(opened(tmp_path, 'c,d\n"a""b",1\n', {"c": category('a"b')})) == [(0,)]


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16", "utf-16-le", "shift_jis", "utf-8-sig"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    words = ["日本", "x"] if encoding == "shift_jis" else ["für", "naïve"]
    content = f"note,age\n{words[0]},40\n{words[1]},50\n".encode(encoding)
    source = opened(tmp_path, content, {"note": category(*words), "age": NUMBER}, encoding=encoding)
    assert rows(source) == [(0, 80), (1, 100)]


def test_a_wrong_encoding_is_named_with_the_line(tmp_path: Path) -> None:
    columns = {"age": NUMBER}
    latin = f"note,age\nx,1\n{CANARY}für,40\n".encode("latin-1")
    assert "not UTF-8: line 3" in refusal(tmp_path, latin, columns).reason
    assert (
        "not CP1252: line 2" in refusal(tmp_path, b"note,age\n\x81,40\n", columns, encoding="cp1252").reason
    )
    assert "UTF-16" in refusal(tmp_path, "note,age\nx,1\n".encode("utf-16"), columns).reason
    odd = "note,age\nx,1\n".encode("utf-16-le") + b"\x00"
    assert "not UTF-16-LE" in refusal(tmp_path, odd, columns, encoding="utf-16-le").reason


@pytest.mark.parametrize(
    "bad",
    [
        {"delimiter": "ü"}, {"delimiter": "\n"}, {"quote": ","}, {"quote": "''"}, {"encoding": "klingon"}, {"encoding": "base64"},
        {"cells": CellRules(decimal=";")}, {"cells": CellRules(missing=(" ",))}, {"cells": CellRules(yes=())},
        {"cells": CellRules(yes=("j",), no=("J",))}, {"cells": CellRules(dates=("d.m.y",))}, {"relation": "t"}, {"kind": "word"},
    ],
)  # fmt: skip
def test_settings_that_cannot_be_are_refused(tmp_path: Path, bad: dict) -> None:
    with pytest.raises(SchemaMismatchError):
        SourceSpec(**{"kind": "csv", "path": tmp_path / "a.csv"} | bad)


# -- no row is skipped, and no row of another width is read ------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("code,age\nx,40\ncode,age,site\nx,60,1\n", "line 3 has 3 fields, the header has 2"),
        ("code,age,z\nx,40,1\nx,40\n", "line 3 has 2 fields, the header has 3"),
        ("code,age\nx,40,\nx,50\n", "line 2 has 3 fields, the header has 2"),
        ("code,age\nx,40\nx,,\n", "line 3 has 3 fields, the header has 2"),
        ("code,age\nx,40\nx,,", "line 3 has 3 fields, the header has 2"),
        ('code,age\n"x,y",40\nx,40,\n', "line 3 has 3 fields, the header has 2"),
        ('code,age\n"x\ny",\n"x",40,\n', "line 4 has 3 fields, the header has 2"),
        ("code,age\nx,40\n" + "x,50\n" * 300_000 + "x,50,\n", "line 300003 has 3 fields"),
        ("code,age\nx,40\nTotal: 1\n", "line 3 has 1 fields"),
    ],
)
def test_a_file_that_changes_its_width_is_refused_with_the_line(
    tmp_path: Path, content: str, line: str
) -> None:
    assert line in refusal(tmp_path, content, {"age": NUMBER}).reason


def test_an_empty_last_cell_is_no_change_of_width(tmp_path: Path) -> None:
    for content in (
        "age,z\n1,\n2,x\n",
        'age,z\n1,\n2,"x,y"\n\n',
        'age,z\n1,\n2,""',
        "age,z\r\n1,\r\n2,x",
        "age,z\n1,\n2,\n\n\n",
    ):
        assert rows(opened(tmp_path, content, {"age": NUMBER})) == [(2,), (4,)]


CELL = st.text(st.sampled_from('ab1 "\n,;é.'), max_size=4)


@costly_law(8, deadline=None)
@given(
    table=st.integers(1, 4).flatmap(
        lambda n: st.lists(st.lists(CELL, min_size=n, max_size=n), min_size=1, max_size=6)
    ),
    delimiter=st.sampled_from(",;"),
    end=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([python_csv.QUOTE_MINIMAL, python_csv.QUOTE_ALL]),
)
def test_law_every_cell_of_a_written_file_arrives_as_it_was(
    tmp_path_factory, table, delimiter, end, quoting
) -> None:
    """Against the standard library's writer; blanks around a cell, and an empty cell, mean the same as before."""
    text = io.StringIO(newline="")
    header = [f"c{place}" for place in range(len(table[0]))]
    python_csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=quoting).writerows(
        [header, *table]
    )
    path = write(tmp_path_factory.mktemp("law"), text.getvalue())
    spec = SourceSpec(kind="csv", path=path, delimiter=delimiter)
    with inspected(spec, name="law", view=DEFAULT_VIEW, cells=CellRules()) as connection:
        found = connection.execute("SELECT * FROM source").fetchall()
    assert [[cell or "" for cell in row] for row in found] == table


def test_a_view_may_read_its_source_more_than_once(tmp_path: Path) -> None:
    view = "SELECT s.c FROM source s JOIN (SELECT max(c) AS m FROM source) ON s.c = m"
    assert rows(opened(tmp_path, "c,d\n1,1\n3,1\n2,1\n", {"c": NUMBER}, view=view)) == [(6,)]
    limited = "SELECT c FROM source LIMIT 1"
    content = "c,d\n" + "1,1\n" * 300_000
    assert rows(opened(tmp_path, content, {"c": NUMBER}, view=limited)) == [(2,)]


def test_no_file_can_be_read_once_the_table_is_open(tmp_path: Path) -> None:
    source = opened(tmp_path, "c\n1\n", {"c": NUMBER})
    connection = source.engine._connection
    [(allowed,)] = connection.execute("SELECT current_setting('allowed_paths')").fetchall()
    assert allowed
    assert str(tmp_path) not in str(allowed)
    assert not any(os.path.lexists(path) for path in allowed)
    for path in allowed:
        for statement in (f"COPY t TO '{path}'", f"SELECT * FROM read_csv('{path}')"):
            with pytest.raises(duckdb.Error):
                connection.execute(statement)


# -- the shortcut of large files ---------------------------------------------------------------------------------

NUMBERS = st.one_of(
    st.sampled_from(
        ["40", " 40", "40 ", '"40"', '"4,0"', "", "  ", '""', "1_2", "nan", "-inf", "1e3", "1e999", "-0", "0x1F", "NA", "4.", ".5",
         "5\u00a0", "999", "-1", "0.25", "12345678901234567890"]
    ),
    st.text(st.sampled_from("0123456789.eE+-_ n"), max_size=4),
    st.floats().map(repr),
)  # fmt: skip


@costly_law(6, deadline=None)
@given(cells=st.lists(NUMBERS, min_size=1, max_size=5))
def test_law_numbers_that_the_reader_makes_are_those_of_the_texts(tmp_path_factory, cells: list[str]) -> None:
    """In a large file the reader makes numbers at once; the meaning of a cell is that of its text all the same."""
    folder = tmp_path_factory.mktemp("large")
    content = "n_1,k\n" + "".join(f"{cell},x\n" for cell in cells)
    outcomes = []
    for least in (0, 1 << 40):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "LARGE_BYTES", least)
            try:
                source = opened(folder, content, {"n_1": NUMBER, "k": category("x")})
                outcomes.append((source.report, rows(source)))
            except SchemaMismatchError as error:
                outcomes.append((str(error), None))
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize(("cell", "is_number"), [("40", True), ("1_2", False), ("NA", False)])
def test_a_large_file_is_read_as_numbers_at_once_or_again_as_texts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cell: str, is_number: bool
) -> None:
    taken = []
    read = module._read

    def noted(spec, table, key, threads, kept, numbers=frozenset()):
        taken.append("numbers" if numbers else "texts")
        return read(spec, table, key, threads, kept, numbers)

    monkeypatch.setattr(module, "_read", noted)
    content = "n_1,k\n" + "1,x\n" * 300_000 + f"{cell},x\n" + "1,x\n" * 10
    monkeypatch.setattr(module, "LARGE_BYTES", len(content))
    if is_number:
        assert opened(tmp_path, content, {"n_1": NUMBER}).report.rows_kept == 300_011
        assert taken == ["numbers"]
    else:
        assert "holds text" in refusal(tmp_path, content, {"n_1": NUMBER}).reason
        assert taken == ["numbers", "texts"]


@pytest.mark.parametrize(
    ("view", "numbers"),
    [
        ('SELECT\n  "Patient Nr" AS pid,\n  "N 1" AS n_1,\n  k\nFROM source', {"N 1"}),
        ("SELECT n_1, k FROM source", {"n_1"}),
        ("select N_1, K from SOURCE", {"N_1"}),
        ("SELECT n_1, n_1 AS k FROM source", set()),  # its text is looked at too
        ("SELECT n_1 + 1 AS n_1, k FROM source", set()),
        ("SELECT n_1, k FROM source WHERE n_1 <> '007'", set()),
        ("SELECT DISTINCT n_1, k FROM source", set()),
        ("SELECT n_1, k FROM source LIMIT 3", set()),
        ("SELECT n_1, k FROM source UNION ALL SELECT n_1, k FROM source", set()),
        ("SELECT s.n_1, s.k FROM source AS s", set()),
        ("SELECT n_1, k FROM source, source", set()),
        ("WITH t AS (SELECT 1) SELECT n_1, k FROM source", set()),
        ("SELECT * FROM source WHERE k = 'x'", set()),
        ("no SQL", set()),
    ],
)
def test_a_view_that_only_chooses_and_renames_lets_numbers_be_read_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, view: str, numbers: set
) -> None:
    monkeypatch.setattr(module, "LARGE_BYTES", 0)
    path = tmp_path / "rows.csv"
    path.write_text("Patient Nr,N 1,n_1,k\n1,2,3,x\n")
    table = table_of({"n_1": NUMBER, "k": category("x")})
    assert module._plain_numbers(SourceSpec(kind="csv", path=path, view=view), table) == numbers

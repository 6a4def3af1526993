"""Values at the edges of a column, columns unlike their schema, and faulty frames, files and views."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analytics.errors import SchemaMismatchError
from analytics.schema import Schema, Table
from analytics.sources import CellRules, LocalTable, SourceSpec, open_frame, open_table

KEY = bytes(range(32))
CANARY = "CANARY73519"
NUMBER = {"type": "numeric", "lower": -1, "upper": 2, "resolution": "0.1"}
ABOVE = {"type": "numeric", "lower": 10, "upper": 20, "resolution": 1}
BELOW = {"type": "numeric", "lower": -20, "upper": -10, "resolution": 1}
CATEGORY = {"type": "categorical", "domain": ["a", "b"]}
CODES = {"type": "categorical", "domain": [1, 2]}
BOOLEAN = {"type": "boolean"}


def table_of(columns: dict) -> Table:
    return Schema.from_dict(
        {"tables": {"t": {"privacy_unit": "row", "rows_max": 100, "columns": columns}}}
    ).tables["t"]


def framed(values: object, column: dict) -> LocalTable:
    return open_frame(pd.DataFrame({"x": values}), table_of({"x": column}), site_key=KEY, name="lakeside")


def values(source: LocalTable) -> list:
    with source:
        return [row[0] for row in source.engine._connection.execute("SELECT x FROM t").fetchall()]


def opened(path: Path, column: dict = CATEGORY, **changes: object) -> LocalTable:
    return open_table(
        SourceSpec(kind="csv", path=path, **changes), table_of({"x": column}), site_key=KEY, threads=1
    )


def csv(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "site.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refusal(action, *arguments, **changes) -> SchemaMismatchError:
    with pytest.raises(SchemaMismatchError) as caught:
        action(*arguments, **changes)
    assert CANARY not in str(caught.value) + repr(caught.value)
    assert caught.value.__cause__ is None
    return caught.value


# -- numbers far outside -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("column", "low", "high"), [(NUMBER, -10, 20), (ABOVE, 10, 20), (BELOW, -20, -10)])
def test_numbers_beyond_every_integer_are_clipped_to_the_nearer_bound(column, low, high) -> None:
    far = [
        1e300,
        -1e300,
        1.7976931348623157e308,
        -1.7976931348623157e308,
        2.0**63,
        -(2.0**63),
        1e19,
        -1e19,
        99.0,
        -99.0,
    ]
    wanted = [high, low] * 5
    assert values(framed(far, column)) == wanted
    assert values(framed([repr(value) for value in far], column)) == wanted
    assert values(framed([2**63, -(2**63), 2**100, -(2**100)], column)) == [high, low] * 2
    source = framed(far, column)
    assert source.report.columns[0].clipped == len(far)


@pytest.mark.parametrize("column", [NUMBER, ABOVE, BELOW])
def test_non_finite_numbers_are_missing_and_never_a_bound(column) -> None:
    assert values(framed([np.inf, -np.inf, np.nan, None], column)) == [None] * 4
    assert values(framed(["inf", "-inf", "nan", "1e999", "-1e999", " ", "11"], column))[:6] == [None] * 6


def test_denormal_numbers_go_to_the_nearest_step() -> None:
    tiny = [5e-324, -5e-324, 2.2250738585072014e-308, -0.0, 0.0]
    assert values(framed(tiny, NUMBER)) == [0] * 5
    assert values(framed(tiny, ABOVE)) == [10] * 5
    assert values(framed(tiny, BELOW)) == [-10] * 5


# -- columns that are not understood -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "given"),
    [
        (BOOLEAN, ["ja", "nein", None]), (BOOLEAN, [CANARY]), (BOOLEAN, [2, 3]), (CATEGORY, ["A", "B", " "]), (CATEGORY, [1, 2]),
        (CODES, ["one", "two"]), (CODES, [1.5, 7.0]),
    ],
)  # fmt: skip
def test_a_column_without_a_readable_value_is_refused(column, given) -> None:
    error = refusal(framed, given, column)
    assert (error.source, error.column) == ("lakeside", "x")
    assert "none of its values is in the domain" in error.reason


def test_columns_without_any_value_and_empty_tables_are_no_fault() -> None:
    assert values(framed([None, " "], BOOLEAN)) == [None, None]
    assert values(framed([np.nan, np.nan], NUMBER)) == [None, None]
    assert values(framed([], BOOLEAN)) == []


@pytest.mark.parametrize(
    ("column", "given", "is_fault"),
    [
        (BOOLEAN, ["t", "f", "ja", "nein"], False), (CATEGORY, ["a", "x", None, None], False),
        (NUMBER, [-9.0, -9.0, 0.5], True), (NUMBER, [-9.0, np.inf, 0.5], True), (NUMBER, [-9.0, 0.5], False),
    ],
)  # fmt: skip
def test_a_column_of_mostly_invalid_values_is_a_fault_without_a_count(column, given, is_fault) -> None:
    with framed(given, column) as source:
        found = list(source.report.faults())
    assert [fault.startswith("column x: more than half of its values") for fault in found] == [
        True
    ] * is_fault
    assert not any(sign.isdigit() for fault in found for sign in fault)


def test_the_share_that_makes_a_fault_can_be_declared() -> None:
    with framed(["t", "f", "f", "nein"], BOOLEAN) as source:
        assert not list(source.report.faults())
        assert "more than 0.2 of its values" in next(source.report.faults(Fraction(1, 5)))
        assert not list(source.report.faults(Fraction(1, 4)))


@pytest.mark.parametrize(
    ("column", "given"),
    [(BOOLEAN, ["t", "f", "ja", "nein", "ja"]), (CATEGORY, ["a", "x", CANARY, None, None])],
)
def test_a_column_of_which_most_values_are_not_understood_is_refused(column, given) -> None:
    error = refusal(framed, given, column)
    assert error.column == "x"
    assert error.reason.startswith("more than half of its values are not in the domain")


@pytest.mark.parametrize("given", [["J", "N", "N", "N"], ["yes", "yes", "yes", CANARY]])
def test_a_boolean_of_which_one_side_is_not_understood_is_refused(given) -> None:
    """In J and N the English N is understood: without the rule every J would be missing."""
    assert "one of yes and no" in refusal(framed, given, BOOLEAN).reason


def test_the_share_that_refuses_a_column_is_declared(tmp_path: Path) -> None:
    path = csv(tmp_path, f"x\na\na\nb\n{CANARY}\n")
    cells = CellRules(most_misfits=Fraction(1, 5))
    assert "more than 0.2 of its values" in refusal(opened, path, cells=cells).reason
    assert values(opened(path, cells=CellRules(most_misfits=Fraction(1, 4)))) == [0, 0, 1, None]


# -- frames ------------------------------------------------------------------------------------------------------


class Unprintable:
    def __str__(self) -> str:
        raise ValueError(CANARY)


@pytest.mark.parametrize(
    "given",
    [
        pd.cut([40, 60], [0, 50, 100]), pd.period_range("2020", "2021", freq="Y"), [1j, 2j], pd.arrays.SparseArray([1, 2]),
        [Unprintable(), CANARY], ["\ud800", CANARY], pd.Categorical([pd.Interval(0, 73519)]),
    ],
    ids=["intervals", "periods", "complex", "sparse", "objects", "surrogates", "category"],
)  # fmt: skip
def test_a_frames_column_of_a_type_that_no_schema_has_is_named(given) -> None:
    error = refusal(framed, given, CATEGORY)
    assert (error.source, error.column) == ("lakeside", "x")
    assert "make it text" in error.reason
    assert "73519" not in error.reason


@pytest.mark.parametrize("rows", [None, [1], {"x": ["a"]}, pd.Series(["a"]), "site.csv", np.array([1])])
def test_what_is_no_frame_is_refused(rows) -> None:
    assert "pandas frame" in refusal(open_frame, rows, table_of({"x": CATEGORY}), site_key=KEY).reason


def test_frames_without_columns_and_with_two_of_one_name_are_refused() -> None:
    assert "no column" in refusal(open_frame, pd.DataFrame(), table_of({"x": CATEGORY}), site_key=KEY).reason
    for names in (["x", "x"], ["X", "X"]):
        twice = pd.DataFrame([["a", "b"]], columns=names)
        assert refusal(open_frame, twice, table_of({"x": CATEGORY}), site_key=KEY).column == names[0]


@pytest.mark.parametrize("column", [CATEGORY, BOOLEAN, NUMBER])
def test_times_are_named_with_what_to_write(column) -> None:
    error = refusal(framed, pd.to_datetime(["2020-01-01"]).tz_localize("UTC"), column)
    assert error.column == "x"
    assert "CAST(x AS VARCHAR) AS x" in error.reason
    assert "date" in refusal(framed, pd.to_timedelta([1]), column).reason


def test_a_date_is_no_number_and_no_boolean(tmp_path: Path) -> None:
    day = pd.to_datetime(["2020-01-01"])
    for column in (NUMBER, BOOLEAN):
        assert "was read as a date" in refusal(framed, day, column).reason
        assert refusal(opened, csv(tmp_path, "x\n2020-01-01\n"), column).column == "x"


# -- files -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"\n", b" \r\n\t\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\r\n"])
def test_an_empty_file_is_called_empty(tmp_path: Path, content: bytes) -> None:
    assert refusal(opened, csv(tmp_path, content)).reason == "the file is empty"


def test_a_file_that_may_not_be_read_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(*_: object) -> None:
        raise PermissionError(13, "Permission denied", CANARY)

    path = csv(tmp_path, "x\na\n")
    monkeypatch.setattr(Path, "open", closed)
    assert refusal(opened, path).reason == "the file cannot be read: Permission denied"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (f"x,y,z\na,1,2\n{CANARY},1\n", "line 3 has 2 fields, the header has 3"),
        (f"x,y,z\na,1,2\n{CANARY},1\nb,1,2\n", "line 3 has 2 fields, the header has 3"),
        (f'x,y\n"a\nb",1\n{CANARY},1,2\n', "line 4 has 3 fields, the header has 2"),
        (f'x,y\na,1\n"{CANARY}\nb,1\n', "line 3 has a quotation mark"),
        (f'x\n"{CANARY}"b\n', "line 2 has a quotation mark"),
        (b"x,y\na,1\n" + CANARY.encode() + b"\xfc,1\n", "not UTF-8: line 3"),
        ("x,y\na,1\n".encode("utf-16"), "UTF-16"),
        (f"\n\nx,y\n{CANARY},1\n", "line 1 is blank"),
        (f"x,y\na,1\nx,y,z\n{CANARY},1,2\n", "line 3 has 3 fields, the header has 2"),
    ],
)
def test_a_file_that_cannot_be_read_names_the_line_and_not_its_text(
    tmp_path: Path, content, said: str
) -> None:
    reason = refusal(opened, csv(tmp_path, content)).reason
    assert reason.startswith("this cannot be read as csv: ")
    assert said in reason


def test_no_row_is_skipped_as_a_comment(tmp_path: Path) -> None:
    domain = {"type": "categorical", "domain": ["#a", "b"]}
    assert values(opened(csv(tmp_path, "x,y\n#a,1\n#a,2\nb,3\n#a,4\n"), domain)) == [0, 0, 1, 0]


@pytest.mark.parametrize(
    "content", ["x,y\r\na,1\nb,2\r\na,3\n", 'x,y\r\n"a",1\nb,"2\n3"\r\na,3\n', "x,y\na,1\r\nb,2\r\na,3"]
)
def test_mixed_line_ends_are_read(tmp_path: Path, content: str) -> None:
    assert values(opened(csv(tmp_path, content))) == [0, 1, 0]


def test_mixed_line_ends_hide_no_other_fault(tmp_path: Path) -> None:
    assert "line 3 has 1 fields" in refusal(opened, csv(tmp_path, f"x,y\r\na,1\n{CANARY}\r\na,3\n")).reason
    assert "quotation mark" in refusal(opened, csv(tmp_path, f'x,y\r\na,1\n"{CANARY}"b,1\r\na,3\n')).reason


# -- views -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("view", "said"),
    [
        ("SELECT agee AS x FROM source", "there is no column agee (first at 1:8)"),
        ("SELECT y,\n  s.agee AS x FROM source s", "there is no column agee (first at 2:5)"),
        ('SELECT "my age" AS x FROM source', "there is no column my age (first at 1:9)"),
        ("SELECT * EXCLUDE (agee) FROM source", "there is no column agee (first at 1:19)"),
        ("SELECT y AS x FROM patient", "there is no table patient, only source (first at 1:20)"),
        ("SELECT t.y AS x FROM source", "there is no table t, only source (first at 1:8)"),
        ("SELECT foo(y) AS x FROM source", "there is no function foo (first at 1:8)"),
        ("SELECT y::foo AS x FROM source", "there is no type foo (first at 1:11)"),
        ("SELECT y AS x FORM source", "it is not valid SQL near FORM (first at 1:15)"),
    ],
)
def test_a_views_fault_is_named_with_its_place(tmp_path: Path, view: str, said: str) -> None:
    """The file has no header row: its first row's values are the names of its columns."""
    path = csv(tmp_path, f"y,{CANARY}\na,b\n")
    assert refusal(opened, path, view=view).reason == f"the site's view cannot be computed: {said}"


@pytest.mark.parametrize(
    "view",
    [
        "SELECT CAST(y AS INTEGER) AS x FROM source", "SELECT error(y) AS x FROM source",
        "SELECT CAST(y AS INTEGER) + 1 AS x FROM source",
    ],
)  # fmt: skip
def test_a_view_that_fails_over_rows_says_nothing_of_them(tmp_path: Path, view: str) -> None:
    reason = refusal(opened, csv(tmp_path, f"y\n{CANARY}\n"), view=view).reason
    assert reason.startswith("the site's view cannot be computed over this source (")


@pytest.mark.parametrize(
    "expression",
    ["y + 1", "y > 1", "y BETWEEN 0 AND 1", "year(y)", "round(y, 1)", "coalesce(y, 0)", "greatest(y, 0)"],
)
def test_a_view_that_takes_a_cell_for_a_number_is_refused_with_what_to_write(
    tmp_path: Path, expression: str
) -> None:
    reason = refusal(
        opened, csv(tmp_path, f"y\n{CANARY}\n"), view=f"SELECT {expression} AS x FROM source"
    ).reason
    assert "cells of a file are texts: write as_number(column), as_date(column)" in reason


@pytest.mark.parametrize(
    "expression",
    [
        "CASE y WHEN 1 THEN 'a' END",
        "NULLIF(y, 0)",
        "y = 1",
        "1 <> y",
        "y IN (1, 2)",
        "CASE WHEN s.y = -1.5 THEN 'a' END",
    ],
)
def test_a_view_that_compares_a_text_with_a_number_is_refused(tmp_path: Path, expression: str) -> None:
    """As texts 1 and 1.0 differ: the comparison would turn cells into missing values unseen."""
    view = f"SELECT {expression} AS x FROM source AS s"
    reason = refusal(opened, csv(tmp_path, "y\n1.0\n"), view=view).reason
    assert "compares the text y with a number: write as_number(y)" in reason
    asked = view.replace("s.y", "y").replace("y", "as_number(y)").replace("'a'", "'1'")
    text = {"type": "categorical", "domain": ["1", "true", "false"]}
    with opened(csv(tmp_path, "y\n1.0\n"), text, view=asked):
        pass

"""All spellings of one person are one unit; rows without an identifier are none."""

import re
import unicodedata
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.errors import SchemaMismatchError
from analytics.schema import Schema, Table
from analytics.sources import LocalTable, SourceSpec, open_frame, open_table
from analytics.sources.cleaning import ViewColumn
from analytics.sources.units import MISSING_WORDS, normal_text, unit_column

KEY = bytes(range(32))
BLANKS = (
    " \t\r\n\v\f\x1c\x1f\x85\xa0\u1680\u2003\u2009\u2028\u202f\u3000\u200b\u200e\u2060\ufeff\xad\u2800\u3164"
)


def table_of(form: str = "text", cap: int = 1) -> Table:
    body = {
        "privacy_unit": "pid",
        "unit_form": form,
        "max_rows_per_unit": cap,
        "rows_max": 1000,
        "columns": {"b": {"type": "boolean"}},
    }
    return Schema.from_dict({"tables": {"t": body}}).tables["t"]


def opened(ids: object, form: str = "text", cap: int = 1) -> LocalTable:
    frame = pd.DataFrame({"pid": ids})
    return open_frame(frame.assign(b=True), table_of(form, cap), site_key=KEY)


def n_units(ids: object, form: str = "text") -> int:
    with opened(ids, form, cap=100) as source:
        [(found,)] = source.engine._connection.execute('SELECT count(DISTINCT "#unit") FROM t').fetchall()
        return found


def refusal(ids: object, form: str = "text") -> str:
    with pytest.raises(SchemaMismatchError) as caught:
        opened(ids, form)
    assert caught.value.column == "pid"
    return str(caught.value)


@pytest.mark.parametrize(
    "spellings",
    [
        ["p1", " p1", "p1\t", "\u00a0p1\u2003", "p1\r\n", "\ufeffp1", "p1\u200b"],
        ["Ren\u00e9", "Rene\u0301", "Rene\u0301\u3000"],
        ["\u212b1", "\u00c51", "A\u030a1"],
    ],
    ids=["blanks", "accents", "signs"],
)
def test_spellings_of_one_text_are_one_unit(spellings: list[str]) -> None:
    assert n_units(spellings) == 1
    with opened(spellings) as source:
        assert source.report.rows_kept == 1
        assert source.report.near_duplicates == 0


PIECES = (
    "0",
    "7",
    "10",
    "-",
    "+",
    ".",
    ".0",
    " ",
    "e",
    "_",
    "x",
    "9223372036854775807",
    "9223372036854775808",
)


@given(st.lists(st.sampled_from(PIECES), max_size=4).map("".join), st.sampled_from(["text", "integer"]))
def test_law_an_identifier_has_the_same_normal_form_whichever_way_it_is_found(text: str, form: str) -> None:
    """Most integers take a short cut past the regular expressions; the oracle is Python's own."""
    bare = text.strip(" ")
    is_missing = bare in {"", ".", "-", "--"}
    integer = re.fullmatch(r"([+-]?[0-9]+)(\.0*)?", bare)
    is_refused = form == "integer" and not is_missing and not integer
    wanted = None if is_missing else bare if form == "text" else str(int(integer[1])) if integer else ""
    unit = unit_column(table_of(form), [ViewColumn(name="pid", sql="v", kind="VARCHAR")], "t.csv")
    found = duckdb.execute(f"SELECT {unit.normal}, {unit.refused} FROM (SELECT ?::VARCHAR AS v)", [text])
    normal, refused = found.fetchall()[0]
    assert refused == is_refused
    assert refused or normal == wanted


def test_spellings_of_one_integer_are_one_unit() -> None:
    assert n_units(["7", "007", "+7", "7.0", " 7 ", "7.", "\u00a07"], "integer") == 1
    assert n_units(["0", "-0", "000", "0.0"], "integer") == 1
    assert n_units(["-7", "7", "70", "700"], "integer") == 4
    assert (
        n_units(
            ["12345678901234567890123456789012345678901", "12345678901234567890123456789012345678902"],
            "integer",
        )
        == 2
    )


def test_the_declared_form_decides_not_the_type_of_the_column() -> None:
    for ids in ([7, 8], [7.0, 8.0], ["7", "8"], np.array([7, 8], np.uint64)):
        assert n_units(ids, "text") == n_units(ids, "integer") == 2
    assert n_units(["007", "7"], "text") == 2
    assert n_units([1, 1.0, "1", "01"], "integer") == 1


@pytest.mark.parametrize("form", ["text", "integer"])
def test_rows_without_an_identifier_belong_to_no_unit(form: str) -> None:
    """As one unit, one person's row would decide which of many others' rows count."""
    missing = [word.upper() for word in MISSING_WORDS] + [None, np.nan, pd.NA, " ", "\u00a0NaN\u2003", "\x00"]
    with opened(["1", "2", *missing], form) as source:
        assert (source.report.rows_kept, source.report.rows_without_unit) == (2, len(missing))
    with opened([1.0, np.nan, 2.0], form) as source:
        assert (source.report.rows_kept, source.report.rows_without_unit) == (2, 1)


def test_identifiers_that_a_file_reads_as_nan_belong_to_no_unit(tmp_path: Path) -> None:
    path = tmp_path / "ids.csv"
    path.write_text("pid,b\n1,1\nNaN,1\nnan,1\n2,1\n", encoding="utf-8")
    with open_table(SourceSpec(kind="csv", path=path), table_of(), site_key=KEY, threads=1) as source:
        assert (source.report.rows_kept, source.report.rows_without_unit) == (2, 2)


@pytest.mark.parametrize("form", ["text", "integer"])
@pytest.mark.parametrize(
    "ids",
    [
        [2.0**53, 1.0], [-(2.0**53), 1.0], [12345678901234567800.0], [1.1, 2.0], [np.inf, 1.0], np.array([1, 2], np.float32),
        [b"a", b"b"], pd.to_datetime(["2020-01-01"]), [True, False],
    ],
)  # fmt: skip
def test_identifiers_that_can_have_become_one_are_refused(ids: object, form: str) -> None:
    text = refusal(ids, form)
    assert "1234" not in text


def test_the_largest_float_that_is_one_integer_alone_is_an_identifier() -> None:
    assert n_units([2.0**53 - 1, -(2.0**53 - 1), -0.0, 0.0]) == 3


def test_single_precision_is_named() -> None:
    assert "single-precision" in refusal(np.array([1, 2], np.float32))


@pytest.mark.parametrize("bad", ["CANARY73519", "1e5", "7.5", "\uff17", "0x1F", "1 2", "--7", "7-"])
def test_the_integer_form_refuses_other_texts_without_quoting_them(bad: str) -> None:
    text = refusal(["7", bad], "integer")
    assert "unit_form" in text
    assert bad not in text


def test_a_column_in_which_no_row_says_whose_it_is_is_refused() -> None:
    assert "no row has a privacy unit" in refusal([None, "nan", " "])
    with opened(pd.Series([], dtype=str)) as source:
        assert source.report.rows_read == 0


SIGNS = [*"ab01.-", "\u00e9", "e", "\u0301", "\u00c5", "\u212b", "\u0416", "\u5b57", *BLANKS]


def normal(text: str) -> str:
    """The promised form, by another library."""
    composed = unicodedata.normalize("NFC", text)
    shown = [place for place, sign in enumerate(composed) if not is_blank(sign)]
    return composed[shown[0] : shown[-1] + 1] if shown else ""


def is_blank(sign: str) -> bool:
    return (
        unicodedata.category(sign)[0] == "Z"
        or unicodedata.category(sign) in {"Cc", "Cf"}
        or sign in "\u2800\u3164"
    )


@pytest.fixture(scope="module")
def database():
    with duckdb.connect() as connection:
        yield connection


@settings(max_examples=100, deadline=None)
@given(texts=st.lists(st.text(st.sampled_from(SIGNS), max_size=6), min_size=1, max_size=30))
def test_law_units_are_the_normal_forms_of_their_texts(database, texts: list[str]) -> None:
    def forms(given: list[str | None]) -> list[str | None]:
        statement = f"SELECT {normal_text('u')} FROM (SELECT unnest(?::VARCHAR[]) AS u)"
        return [form for (form,) in database.execute(statement, [given]).fetchall()]

    wanted = [None if normal(text) in MISSING_WORDS else normal(text) for text in texts]
    assert forms(list(texts)) == wanted
    assert forms(wanted) == wanted


def test_spellings_of_one_person_share_one_cap() -> None:
    frames = [["p1"] * 6, ["p1", " p1", "p1\u00a0", "\tp1", "p1\r", "\ufeffp1"]]
    kept = []
    for ids in frames:
        frame = pd.DataFrame({"pid": ids, "b": [True, False, True, False, True, False]})
        with open_frame(frame, table_of(cap=2), site_key=KEY) as source:
            kept.append(sorted(source.engine._connection.execute("SELECT b FROM t").fetchall()))
            assert source.report.rows_over_cap == 4
    assert kept[0] == kept[1]


@pytest.mark.parametrize(
    "pair",
    [
        ("ab1", "AB1"), ("007", "7"), ("a b1", "ab1"), ("xq\u00a0y", "xqy"), ("\uff11\uff12", "12"), ("\ufb01x", "fix"),
        ("xq\u200by", "xqy"), ("7.0", "7"), ("stra\u00dfe", "STRASSE"),
    ],
)  # fmt: skip
def test_near_identifiers_are_counted_for_the_administrator_and_stay_two_units(pair: tuple[str, str]) -> None:
    with opened([*pair, "other", "third"]) as source:
        assert (source.report.rows_kept, source.report.near_duplicates) == (4, 2)
        assert "2 identifiers differ from another one by spelling only" in " ".join(source.report.lines())
        [fault] = source.report.faults()
        assert "2" not in fault
        assert not any(part in fault + repr(source.report) for part in pair)


def test_identifiers_that_only_look_alike_are_not_near() -> None:
    with opened(["ab1", "ab2", "a-b1", "10", "100", "\u00e9", "e"]) as source:
        assert source.report.near_duplicates == 0
        assert not list(source.report.faults())


def test_many_identifiers_beyond_ascii_are_compared_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analytics.sources.units._CHUNK", 3)
    with opened([f"\u0416{n}" for n in range(10)] + [f"\u0436{n}" for n in range(0, 10, 2)]) as source:
        assert source.report.near_duplicates == 10


def test_most_rows_without_a_unit_are_a_fault() -> None:
    with opened(["1", None, None]) as source:
        assert "no privacy unit" in next(source.report.faults())
    with opened(["1", "2", None]) as source:
        assert not list(source.report.faults())

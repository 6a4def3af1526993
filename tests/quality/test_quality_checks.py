"""A site's own checks: real faults of real hospitals show, each with the step that mends it; what cannot be checked says why."""

import datetime as dt
import tomllib
from decimal import Decimal
from fractions import Fraction
from functools import cache
from pathlib import Path

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.harmonise.reading import read_mapping
from analytics.quality.check import CHECK_TYPES, Check, Dimension, State, judged
from analytics.quality.running import check_table
from analytics.quality.thresholds import Thresholds
from analytics.schema import Schema
from analytics.sources import CellRules, SourceSpec

HEART = Path(__file__).resolve().parents[2] / "federation" / "demo" / "data" / "heart_disease"
THYROID = Path(__file__).resolve().parents[1] / "data" / "thyroid"
TODAY = dt.date(2026, 11, 30)


def table(columns, **fields):
    own = {"privacy_unit": "row", "rows_max": 10_000, "exact_dimensions": [], "columns": columns} | fields
    return Schema.from_dict({"tables": {"patients": own}}).tables["patients"]


def number(lower, upper, resolution=1, **fields):
    return {"type": "numeric", "lower": lower, "upper": upper, "resolution": resolution} | fields


def thresholds(text):
    return Thresholds.model_validate({"version": 1} | tomllib.loads(text, parse_float=Decimal))


def checked(rows, columns, rules="", **fields):
    cells = fields.pop("cells", None)
    return check_table(rows, table(columns, **fields), thresholds(rules), today=TODAY, cells=cells)


def found(card, state=State.FAILED):
    return {
        (each.check.type.name, each.check.column): (each.violating, each.rows)
        for each in card.results
        if each.state is state
    }


HEART_COLUMNS = {
    "age": number(0, 120),
    "chol": number(0, 620, nullable=True),
    "trestbps": number(60, 240, nullable=True),
    "oldpeak": number(-4, 8, "0.1", nullable=True),
    "ca": number(0, 3, nullable=True),
    "slope": {"type": "categorical", "domain": [1, 2, 3], "nullable": True},
    "fbs": {"type": "boolean", "nullable": True},
}


@cache
def hospital(name):
    return checked(SourceSpec(kind="csv", path=HEART / f"{name}.csv"), HEART_COLUMNS)


def test_the_hospitals_known_faults_show_and_no_others():
    """By pandas: cholesterol 0 stands for not measured, columns are missing wholesale, one blood pressure is 0."""
    for name in ("cleveland", "hungary", "switzerland", "va_long_beach"):
        raw = pd.read_csv(HEART / f"{name}.csv")
        expected = {}
        for column in ("chol", "trestbps", "oldpeak", "ca", "slope", "fbs"):
            if raw[column].isna().mean() > 0.4:
                expected["measureValueCompleteness", column] = (raw[column].isna().sum(), len(raw))
        if (raw.chol == 0).sum() >= 3:
            expected["placeholderValue", "chol"] = ((raw.chol == 0).sum(), raw.chol.notna().sum())
        if (raw.trestbps < 60).any():
            expected["plausibleValueLow", "trestbps"] = (
                (raw.trestbps < 60).sum(),
                raw.trestbps.notna().sum(),
            )
        assert found(hospital(name)) == expected, name
    assert found(hospital("switzerland"))["placeholderValue", "chol"] == (123, 123)
    assert found(hospital("cleveland")) == {}
    assert hospital("cleveland").is_good


def test_ages_of_455_show_at_the_sites_that_have_them():
    ages = {}
    for path in sorted(THYROID.glob("*.csv")):
        columns = {
            "age": number(0, 120, nullable=True),
            "sex": {"type": "categorical", "domain": ["F", "M"], "nullable": True},
        }
        card = checked(SourceSpec(kind="csv", path=path), columns)
        ages[path.stem] = found(card).get(("plausibleValueHigh", "age"), (0, 0))[0]
        assert ages[path.stem] == (pd.read_csv(path).age > 120).sum()
        (cells,) = [each for each in card.columns if each.name == "age"]
        assert cells.invalid == ages[path.stem]
    assert sum(ages.values()) == 4


def test_every_fault_has_its_kind_its_counts_and_its_repair():
    rows = pd.DataFrame(
        {
            "id": ["a", "b", "b", None, "c ", "C"],
            "age": ["7", "x", "", "455", "-3", "9"],
            "sex": ["F", "M", "woman", "F", None, "M"],
            "weight": ["60,5", "70,1", "80", "", "55,0", "61,2"],
            "born": pd.to_datetime(["1950-01-01"] * 3 + ["2030-01-01", "1960-01-01", None]),
            "seen": ["2020-01-02", "1949-01-01", "2020-02-30", "2031-01-01", "", "2020-01-01"],
        }
    )
    columns = {
        "id": {"type": "identifier"},
        "age": number(0, 120),
        "sex": {"type": "categorical", "domain": ["F", "M"]},
        "weight": number(0, 300, "0.1", nullable=True),
        "gone": {"type": "boolean"},
    }
    rules = """
        [tables.patients.dates.seen]
        after = "born"
        newest_within_days = 30
        [tables.patients.rules.adults_are_heavy]
        expression = "age < 18 OR weight > 30"
    """
    card = checked(rows, columns, rules, privacy_unit="id", max_rows_per_unit=1)
    assert found(card) == {
        ("isRequired", "id"): (1, 6),
        ("isPrimaryKey", "id"): (1, 5),
        ("identifierSpelling", "id"): (2, 4),
        ("isRequired", "age"): (1, 6),
        ("cdmDatatype", "age"): (1, 5),
        ("plausibleValueLow", "age"): (1, 4),
        ("plausibleValueHigh", "age"): (1, 4),
        ("isRequired", "sex"): (1, 6),
        ("fkDomain", "sex"): (1, 5),
        ("cdmDatatype", "weight"): (4, 5),
        ("cdmField", "gone"): (1, 1),
        ("cdmDatatype", "seen"): (1, 5),
        ("plausibleTemporalAfter", "born"): (1, 5),
        ("plausibleTemporalAfter", "seen"): (1, 4),
        ("plausibleStartBeforeEnd", "seen"): (1, 3),
    }
    assert not found(card, State.ERROR)
    by_name = {(each.check.type.name, each.check.column): each for each in card.results}
    assert by_name["cdmDatatype", "weight"].repair.endswith('decimal = ","')
    assert by_name["newestRecord", "seen"].state is State.PASSED
    assert (
        by_name["crossColumnRule", "adults_are_heavy"].rows == 4
    )  # two ages and two weights decide; elsewhere it is unknown
    assert all(each.repair for each in card.results if each.state is State.FAILED)
    assert not any(each.repair for each in card.results if each.state is not State.FAILED)


def test_identifiers_that_cannot_be_used_and_names_in_other_letters():
    columns = {"id": {"type": "identifier"}, "age": number(0, 120)}
    fields = {"privacy_unit": "id", "max_rows_per_unit": 1, "unit_form": "integer"}
    card = checked(pd.DataFrame({"ID": ["1", "x", "3"], "Age": [1, 2, 300]}), columns, **fields)
    assert found(card) == {("cdmDatatype", "id"): (1, 3), ("plausibleValueHigh", "age"): (1, 3)}
    assert not found(card, State.ERROR)
    assert found(checked(pd.DataFrame({"id": [1.5, 2.0], "age": [1, 2]}), columns, **fields)) == {
        ("cdmDatatype", "id"): (1, 2),
        ("isPrimaryKey", "id"): (1, 2),  # one half more became the next whole number
    }


def test_not_applicable_is_a_state_with_a_reason_and_error_another():
    rules = """
        [tables.patients.columns.x]
        not_applicable = {plausibleValueHigh = "the device saturates"}
        [tables.patients.dates.nowhere]
        [tables.patients.rules.wrong]
        expression = "x + 1"
        [tables.patients.rules.unknown]
        expression = "y > 1"
    """
    card = checked(pd.DataFrame({"x": [1.0, 500.0]}), {"x": number(0, 100)}, rules)
    states = {(each.check.type.name, each.check.column): each for each in card.results}
    assert states["plausibleValueHigh", "x"].state is State.NOT_APPLICABLE
    assert states["plausibleValueHigh", "x"].reason == "the device saturates"
    assert states["isPrimaryKey", ""].reason == "every row is a privacy unit of its own"
    errors = found(card, State.ERROR)
    assert set(errors) == {
        ("cdmDatatype", "nowhere"),
        ("plausibleTemporalAfter", "nowhere"),
        ("crossColumnRule", "wrong"),
        ("crossColumnRule", "unknown"),
    }
    assert "there is no column y" in states["crossColumnRule", "unknown"].reason
    assert not card.is_good
    assert card.score(Dimension.CONSISTENCY).errors == 2


def test_a_source_that_cannot_be_read_is_one_error_and_one_without_rows_fails(tmp_path):
    columns = {"x": number(0, 100)}
    card = checked(SourceSpec(kind="csv", path=tmp_path / "none.csv"), columns)
    assert [(each.state, each.reason) for each in card.results] == [(State.ERROR, "there is no such file")]
    (tmp_path / "empty.csv").write_text("x\n")
    card = checked(SourceSpec(kind="csv", path=tmp_path / "empty.csv"), columns)
    assert found(card) == {("cdmTable", ""): (1, 1)}
    assert card.score(Dimension.VALIDITY).applicable == 0
    wrong = checked(pd.DataFrame({"x": pd.to_datetime(["2020-01-01"])}), columns)
    assert set(found(wrong)) == {("cdmDatatype", "x")}


def test_the_repairs_mend_what_they_stand_for(tmp_path):
    """Each repair is pasted into a mapping as it is; afterwards its check passes."""
    text = "id;age;chol;weight;admitted;left\n"
    text += "".join(
        f"{n};{455 if n == 3 else 40 + n};{0 if n % 4 == 0 else 200 + n};{60 + n},5;0{1 + n % 9}.01.2020;0{1 + (n + 8) % 9}.01.2020\n"
        for n in range(20)
    )
    text += "5;45;205;65,5;06.01.2020;05.01.2020\n"
    (tmp_path / "site.csv").write_text(text)
    columns = {
        "id": {"type": "identifier"},
        "age": number(0, 120, nullable=True),
        "chol": number(0, 600, nullable=True),
        "weight": number(0, 300, "0.1", nullable=True),
    }
    rules = '[tables.patients.dates.left]\nafter = "admitted"\nmost = 0\n[tables.patients.dates.admitted]\n'

    def card(**spec):
        source = SourceSpec(kind="csv", path=tmp_path / "site.csv", delimiter=";", **spec)
        return checked(source, columns, rules, privacy_unit="id", max_rows_per_unit=1)

    first = card(cells=CellRules(dates=("%d.%m.%Y",)))
    failed = {
        ("plausibleValueHigh", "age"),
        ("placeholderValue", "chol"),
        ("cdmDatatype", "weight"),
        ("isPrimaryKey", "id"),
        ("plausibleStartBeforeEnd", "left"),
    }
    assert set(found(first)) == failed
    repairs = [each.repair for each in first.results if each.state is State.FAILED]
    dates = [
        f'[table.columns.{name}]\ntype = "date"\nformats = ["%d.%m.%Y"]' for name in ("admitted", "left")
    ]
    mapping = "\n".join(["version = 1", "[table.columns.id]", *repairs, *dates])
    (tmp_path / "mapping.toml").write_text(mapping)
    second = card(mapping=read_mapping(tmp_path / "mapping.toml"))
    assert set(found(second)) == {
        ("plausibleStartBeforeEnd", "left")
    }  # the raw column stays beside the repaired one
    third = checked(
        SourceSpec(
            kind="csv",
            path=tmp_path / "site.csv",
            delimiter=";",
            mapping=read_mapping(tmp_path / "mapping.toml"),
        ),
        columns,
        '[tables.patients.dates.left_plausible]\nafter = "admitted"',
        privacy_unit="id",
        max_rows_per_unit=1,
    )
    assert third.is_good


@settings(max_examples=100, deadline=None)
@given(rows=st.integers(0, 1000), share=st.fractions(0, 1), data=st.data())
def test_law_a_check_fails_just_above_its_share(rows, share, data):
    violating = data.draw(st.integers(0, rows))
    check = Check(type=CHECK_TYPES["fkDomain"], column="x", what="", violated="TRUE", most=share)
    result = judged(check, rows, violating)
    if rows == 0:
        assert result.state is State.NOT_APPLICABLE
    else:
        assert (result.state is State.FAILED) == (Fraction(violating, rows) > share)


def test_names_follow_the_published_lists():
    assert {each.category for each in CHECK_TYPES.values()} == {"conformance", "completeness", "plausibility"}
    assert {each.context for each in CHECK_TYPES.values()} == {"verification"}
    assert all((each.category == "completeness") == (not each.subcategory) for each in CHECK_TYPES.values())
    assert {each.dimension for each in CHECK_TYPES.values()} == set(Dimension)


def test_no_repr_holds_a_count():
    card = hospital("va_long_beach")
    texts = [repr(card), *map(repr, card.results), *map(repr, card.columns)]
    assert not any(digit in text for text in texts for digit in ("193", "200", "49"))

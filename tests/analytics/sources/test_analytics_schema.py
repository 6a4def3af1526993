"""Schemas: exact numbers, every mistake at once, canonical form."""

import copy
import dataclasses
import tomllib
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.errors import SchemaError
from analytics.schema import CategoricalColumn, IdentifierColumn, NumericColumn, Schema

WHOLE = """
[tables.patients]
population = "cardiology"
privacy_unit = "patient_id"
max_rows_per_unit = 1
max_sites_per_unit = 4
rows_max = 100_000
exact_dimensions = ["sex", "age", "disease"]
[tables.patients.columns]
age = { type = "numeric", lower = 0, upper = 120, resolution = 1, unit = "a", bins = [0, 40, 60, 120] }
temp = { type = "numeric", lower = 30.0, upper = 45.0, resolution = 0.1 }
sex = { type = "categorical", domain = ["F", "M"] }
disease = { type = "boolean", nullable = true }
"""


def base() -> dict:
    return tomllib.loads(WHOLE)


def mistakes(mapping: object) -> dict[str, str]:
    with pytest.raises(SchemaError) as caught:
        Schema.from_dict(mapping)
    return {found.path: found.problem for found in caught.value.mistakes}


def test_reads_the_documented_example() -> None:
    table = Schema.from_dict(base()).tables["patients"]
    assert table.population == "cardiology"
    assert table.sites_per_unit(9) == 4
    assert isinstance(table.columns["patient_id"], IdentifierColumn)
    assert table.column("AGE").bins == (0, 40, 60, 120)


def test_floats_are_the_decimals_that_were_written() -> None:
    temp = Schema.from_dict(base()).tables["patients"].columns["temp"]
    assert temp.resolution == Fraction(1, 10)
    assert (temp.grid_lower, temp.grid_upper) == (300, 450)


def test_canonical_form_reads_back_equal_and_holds_decimal_strings() -> None:
    schema = Schema.from_dict(base())
    shape = schema.to_dict()
    assert Schema.from_dict(shape) == schema
    assert shape["tables"]["patients"]["columns"]["temp"]["resolution"] == "0.1"


def test_defaults() -> None:
    table = Schema.from_dict(
        {"tables": {"t": {"privacy_unit": "row", "rows_max": 5, "columns": {"b": {"type": "boolean"}}}}}
    ).tables["t"]
    assert (table.population, table.max_rows_per_unit, table.sites_per_unit(5)) == ("t", 1, 5)
    assert table.exact_dimensions == ()


def test_all_mistakes_at_once() -> None:
    mapping = base()
    table = mapping["tables"]["patients"]
    table["rows_max"] = 0
    table["colour"] = 1
    table["exact_dimensions"] = ["sex", "weight"]
    table["columns"]["age"]["resolution"] = 7
    table["columns"]["sex"]["domaine"] = []
    table["columns"]["disease"]["nullable"] = "yes"
    table["columns"]["bmi"] = {"type": "numeric", "lower": 0, "upper": 1}
    found = mistakes(mapping)
    assert set(found) == {
        "tables.patients.rows_max",
        "tables.patients.colour",
        "tables.patients.exact_dimensions",
        "tables.patients.columns.age.upper",
        "tables.patients.columns.age.bins[1]",
        "tables.patients.columns.age.bins[2]",
        "tables.patients.columns.age.bins[3]",
        "tables.patients.columns.sex.domaine",
        "tables.patients.columns.disease.nullable",
        "tables.patients.columns.bmi.resolution",
    }
    assert "did you mean domain" in found["tables.patients.columns.sex.domaine"]


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        (("privacy_unit",), 3, "privacy_unit"),
        (("privacy_unit",), "sex", "privacy_unit"),
        (("max_rows_per_unit",), True, "max_rows_per_unit"),
        (("max_rows_per_unit",), 1.0, "max_rows_per_unit"),
        (("rows_max",), "0.5", "rows_max"),
        (("columns",), {}, "columns"),
        (("columns",), [], "columns"),
        (("columns", "row"), {"type": "boolean"}, "columns.row"),
        (("columns", "bad name"), {"type": "boolean"}, "columns.bad name"),
        (("columns", "SEX"), {"type": "boolean"}, "columns"),
        (("columns", "other"), {"type": "identifier"}, "columns.other.type"),
        (("columns", "age", "type"), "integer", "columns.age.type"),
        (("columns", "age", "lower"), float("nan"), "columns.age.lower"),
        (("columns", "age", "lower"), float("inf"), "columns.age.lower"),
        (("columns", "age", "lower"), True, "columns.age.lower"),
        (("columns", "age", "lower"), "0.5 ", "columns.age.lower"),
        (("columns", "age", "lower"), "1e3", "columns.age.lower"),
        (("columns", "age", "lower"), 120, "columns.age.lower"),
        (("columns", "age", "lower"), 0.5, "columns.age.lower"),
        (("columns", "age", "resolution"), 0, "columns.age.resolution"),
        (("columns", "age", "upper"), 2**41, "columns.age.upper"),
        (("columns", "age", "upper"), "9" * 70, "columns.age.upper"),
        (("columns", "age", "bins"), [0, 60, 40, 120], "columns.age.bins"),
        (("columns", "age", "bins"), [10, 120], "columns.age.bins"),
        (("columns", "age", "bins"), [0], "columns.age.bins"),
        (("columns", "age", "unit"), "a\n", "columns.age.unit"),
        (("columns", "sex", "domain"), ["F", "F"], "columns.sex.domain"),
        (("columns", "sex", "domain"), [], "columns.sex.domain"),
        (("columns", "sex", "domain"), ["F", 1], "columns.sex.domain"),
        (("columns", "sex", "domain"), [True, False], "columns.sex.domain"),
        (("columns", "sex", "domain"), ["F", " M"], "columns.sex.domain"),
        (("columns", "sex", "domain"), ["x" * 201], "columns.sex.domain"),
    ],
)
def test_each_mistake_is_named(path: tuple[str, ...], value: object, where: str) -> None:
    mapping = base()
    inner = mapping["tables"]["patients"]
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    assert f"tables.patients.{where}" in mistakes(mapping)


@pytest.mark.parametrize(
    "mapping", [{}, {"tables": {}}, {"tables": 3}, {"tables": {"a b": {}}}, {"table": {}}]
)
def test_shapes_that_are_no_schema(mapping: dict) -> None:
    assert mistakes(mapping)


def test_row_units_have_one_row() -> None:
    mapping = base()
    mapping["tables"]["patients"] |= {"privacy_unit": "row", "max_rows_per_unit": 2}
    assert "tables.patients.max_rows_per_unit" in mistakes(mapping)


def test_frozen() -> None:
    schema = Schema.from_dict(base())
    with pytest.raises(dataclasses.FrozenInstanceError):
        schema.tables["patients"].rows_max = 1
    with pytest.raises(TypeError):
        schema.tables["patients"].columns["x"] = None


@given(
    st.integers(-(10**6), 10**6),
    st.integers(1, 10**6),
    st.fractions(min_value=Fraction(1, 1000), max_value=1000).map(lambda f: Fraction(round(f * 1000), 1000)),
)
def test_grid_indices_are_exact(start: int, steps: int, resolution: Fraction) -> None:
    if resolution == 0:
        resolution = Fraction(1, 1000)
    column = NumericColumn(
        name="x", lower=start * resolution, upper=(start + steps) * resolution, resolution=resolution
    )
    assert (column.grid_lower, column.grid_upper) == (start, start + steps)


def test_equal_content_equal_schema_whatever_the_writing() -> None:
    other = copy.deepcopy(base())
    other["tables"]["patients"]["columns"]["temp"] |= {"lower": "30", "resolution": "0.10"}
    assert Schema.from_dict(other) == Schema.from_dict(base())


def test_domain_of_integers() -> None:
    column = CategoricalColumn(name="c", domain=(3, 6, 7))
    assert column.to_dict()["domain"] == [3, 6, 7]

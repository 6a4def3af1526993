"""A table with a guessed privacy unit, form, row count or size answers nothing until a person deletes the mark."""

from fractions import Fraction

import pytest

from analytics.errors import PlanRejectedError, SchemaError
from analytics.mining.plan import make_mining_plan
from analytics.mining.request import MiningRequest
from analytics.plans.plan import PlanContext, make_plan
from analytics.plans.question import bind
from analytics.schema import Schema

MARKS = ["privacy_unit", "unit_form", "max_rows_per_unit", "rows_max"]
CONTEXT = PlanContext(
    n_sites=4, colluding=1, minimum_cell=0, relation="add_or_remove_one", delta=Fraction(1, 10**6)
)


def schema_of(**changes: object) -> Schema:
    body = {
        "privacy_unit": "pid",
        "rows_max": 100,
        "exact_dimensions": ["b"],
        "columns": {"b": {"type": "boolean"}},
    }
    return Schema.from_dict({"tables": {"t": body | changes}})


def asked(schema: Schema, mode: str):
    query = bind("SELECT COUNT(*) FROM t", schema)
    return make_plan(query, mode=mode, epsilon=Fraction(1) if mode == "private" else None, context=CONTEXT)


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("mode", ["private", "exact"])
def test_a_guessed_key_closes_every_question_and_names_the_line_to_delete(mark: str, mode: str) -> None:
    with pytest.raises(PlanRejectedError) as caught:
        asked(schema_of(guessed=[mark]), mode)
    assert f'delete the line guessed = ["{mark}"] under [tables.t]' in str(caught.value)
    assert asked(schema_of(), mode)
    assert asked(schema_of(guessed=[]), mode)


def test_a_guessed_key_closes_mining() -> None:
    request = MiningRequest.from_dict(
        {"table": "t", "items": ["b"], "min_support": "0.1", "min_confidence": "0.5"}
    )
    assert make_mining_plan(request, schema_of(), CONTEXT)
    with pytest.raises(PlanRejectedError, match="privacy_unit of t: guessed"):
        make_mining_plan(request, schema_of(guessed=["privacy_unit"]), CONTEXT)


def test_all_guessed_keys_are_named_in_one_order() -> None:
    table = schema_of(guessed=[*reversed(MARKS), "rows_max"]).tables["t"]
    assert list(table.guessed) == MARKS
    assert table.open_guess.startswith("privacy_unit, unit_form, max_rows_per_unit, rows_max of t: guessed")


def test_the_digest_covers_marks_and_unit_form_that_are_not_default() -> None:
    schema = schema_of(guessed=["rows_max"], unit_form="integer")
    shape = schema.to_dict()
    assert shape["tables"]["t"]["guessed"] == ["rows_max"]
    assert shape["tables"]["t"]["unit_form"] == "integer"
    assert Schema.from_dict(shape) == schema
    assert set(schema.to_dict()["tables"]["t"]) - set(
        schema_of(unit_form="text").to_dict()["tables"]["t"]
    ) == {
        "guessed",
        "unit_form",
    }


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"guessed": True}, "guessed"),
        ({"guessed": "rows_max"}, "guessed"),
        ({"guessed": ["columns"]}, "guessed"),
        ({"guessed": [["rows_max"]]}, "guessed"),
        ({"unit_form": "number"}, "unit_form"),
        ({"unit_form": 1}, "unit_form"),
        ({"unit_form": []}, "unit_form"),
        ({"unit_form": "integer", "privacy_unit": "row"}, "unit_form"),
    ],
)
def test_marks_and_forms_that_do_not_exist_are_mistakes(changes: dict, where: str) -> None:
    with pytest.raises(SchemaError) as caught:
        schema_of(**changes)
    assert [mistake.path for mistake in caught.value.mistakes] == [f"tables.t.{where}"]

"""A closed answer says why in words, wherever a person reads it."""

import re
from pathlib import Path

import pytest

import analytics.statistics
from analytics.errors import InvalidRequestError
from analytics.statistics.base import MINIMUM_CELL
from analytics.statistics.closed import closed_text
from analytics.statistics.hazards.cox_answer import FIT_CLOSED, TOO_FEW, CoxAnswer
from analytics.statistics.location.anova import UNDEFINED

CODES = (MINIMUM_CELL, FIT_CLOSED, UNDEFINED, TOO_FEW)


@pytest.mark.parametrize("code", CODES)
def test_every_code_has_a_text(code):
    assert closed_text(code).startswith(f"closed ({code}): ")


def test_these_are_all_codes():
    sources = [each.read_text("utf-8") for each in Path(analytics.statistics.__file__).parent.rglob("*.py")]
    named = {match for text in sources for match in re.findall(r"closed(?:=|_answer\()([A-Z_]+)", text)}
    assert named == {"MINIMUM_CELL", "FIT_CLOSED", "UNDEFINED", "TOO_FEW"}


def test_a_closed_answer_shows_its_reason_and_no_empty_figure():
    answer = CoxAnswer(terms=("age",), n_steps=0, closed=FIT_CLOSED)
    assert answer.lines() == [closed_text(FIT_CLOSED)]
    assert "no event" in answer._repr_html_()
    with pytest.raises(InvalidRequestError, match="there is no fit"):
        answer.plot()
    assert answer.to_dict()["closed"] == FIT_CLOSED


def test_a_code_of_an_added_statistic_is_shown_as_it_is():
    assert closed_text("all_ties") == "closed: all_ties"

"""Multinomial logistic regression: equal to statsmodels; guarded by each category of the outcome; refusals."""

import json
from pathlib import Path

import numpy as np
import pytest
from generalised_patients import COLUMNS, patients
from statistic_world import StatisticWorld

from analytics.disclosure.recombine import recombine_statistic
from analytics.errors import InvalidRequestError, PlanRejectedError

KNOWN = json.loads(
    (Path(__file__).resolve().parents[2] / "oracles" / "statistics" / "generalised.json").read_text("utf-8")
)["mnlogit"]
FORMULA = "ward ~ age + smoker"


@pytest.fixture(scope="module")
def world():
    return StatisticWorld(patients(), COLUMNS)


def test_a_fit_equals_statsmodels(world):
    plan = world.plan("mnlogit", formula=FORMULA)
    answers = world.answers(plan)
    assert len(set(answers)) == 1
    opened = np.frombuffer(answers[0], dtype="<i8")
    fit = plan.statistic.fit([opened[:1], *opened[1:].reshape(-1, plan.statistic.n_sums)])
    assert fit.params == pytest.approx(KNOWN["params"], rel=1e-9)
    assert fit.bse == pytest.approx(KNOWN["bse"], rel=1e-6)
    answer = recombine_statistic(plan, answers, cost={}, receipt={})
    for name in ("llf", "llnull", "aic", "bic", "df_model", "df_resid", "nobs"):
        assert getattr(answer, name) == pytest.approx(KNOWN[name], rel=1e-8), name
    # statsmodels finds the intercepts' own fit by steps that end early
    assert (answer.llr, answer.prsquared) == pytest.approx((KNOWN["llr"], KNOWN["prsquared"]), rel=1e-6)
    assert answer.llr_pvalue == pytest.approx(KNOWN["llr_pvalue"], rel=1e-5)
    assert answer.params == pytest.approx(KNOWN["params"], rel=1e-5)
    assert answer.pvalues == pytest.approx(KNOWN["pvalues"], rel=2e-3)
    assert answer.terms[:3] == ("b:intercept", "b:age", "b:smoker")
    chances = answer.chances({"age": 60, "smoker": 1})
    assert list(chances) == ["a", "b", "c"]
    assert list(chances.values()) == pytest.approx(KNOWN["chances"], rel=1e-5)
    assert answer.picture().labels == ["b:age", "b:smoker", "c:age", "c:smoker"]
    with pytest.raises(InvalidRequestError, match="chances"):
        answer.predict({"age": 60})
    assert "c:age" in answer.summary()


def test_how_rows_are_dealt_changes_nothing(world):
    frame = patients()
    parts = [frame[:100], frame[100:1300], frame[1300:]]
    other = StatisticWorld(frame, COLUMNS, parts=parts, rows_max=1200).ask("mnlogit", formula=FORMULA)
    assert other.params == world.ask("mnlogit", formula=FORMULA).params


# attacks


def one_in_a_category(frame):
    frame.loc[frame.ward == "b", "ward"] = "a"
    frame.loc[8, "ward"] = "b"


def one_smoker_in_a_category(frame):
    frame.loc[frame.ward == "b", "smoker"] = False
    frame.loc[frame[frame.ward == "b"].index[0], "smoker"] = True


def an_empty_category(frame):
    frame.loc[frame.ward == "b", "ward"] = "a"


def a_category_that_follows(frame):
    """Ages that tell the category of all but one person: a relation of the outcome's categories and a covariate."""
    frame["age"] = 30.0 + 10 * (frame.ward == "b") + 30 * (frame.ward == "c") + 5 * frame.smoker
    frame.loc[8, "age"] = 95


@pytest.mark.parametrize(
    "attack", [one_in_a_category, one_smoker_in_a_category, an_empty_category, a_category_that_follows]
)
def test_a_fit_that_singles_out_a_person_opens_one_bit(attack):
    """The attack: the gradient of a category of one person is this person's row of the design."""
    frame = patients()
    attack(frame)
    world = StatisticWorld(frame, COLUMNS)
    plan = world.plan("mnlogit", formula=FORMULA)
    answers = world.answers(plan)
    assert len(set(answers)) == 1
    assert np.frombuffer(answers[0], dtype="<i8").tolist() == [0]
    assert recombine_statistic(plan, answers, cost={}, receipt={}).closed == "fit_closed"


def test_a_fit_that_does_not_end_and_too_few_rows_are_closed_by_one_code(world):
    frame = patients().dropna()
    frame["ward"] = np.where(frame.age > 75, "c", np.where(frame.age > 50, "b", "a"))
    separated = StatisticWorld(frame, COLUMNS, minimum_cell=0)
    assert separated.ask("mnlogit", formula="ward ~ age").closed == "fit_closed"
    assert world.ask("mnlogit", formula=FORMULA, max_steps=2).closed == "fit_closed"
    plan = StatisticWorld(patients()[:500], COLUMNS).plan("mnlogit", formula=FORMULA)
    assert plan.statistic.guard.fewest_rows == 3 * (1 + 8 * 28) > 500
    assert StatisticWorld(patients()[:500], COLUMNS).ask("mnlogit", formula=FORMULA).closed == "fit_closed"


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"formula": "ill ~ age"}, PlanRejectedError, "must be declared with categories"),
        ({"formula": "age ~ ward"}, PlanRejectedError, "must be declared with categories"),
        ({"formula": "ward ~ ward"}, InvalidRequestError, "each column once"),
        ({"formula": FORMULA, "max_steps": 1}, InvalidRequestError, "from 2 to 15"),
        ({"formula": FORMULA, "epsilon": "1"}, InvalidRequestError, "must be exact"),
    ],
)
def test_arguments_are_refused_before_a_charge(world, arguments, error, text):
    with pytest.raises(error, match=text):
        world.plan("mnlogit", **arguments)

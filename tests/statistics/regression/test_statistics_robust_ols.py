"""Robust standard errors, weights and inflation factors of least squares: equal to statsmodels; attacks; refusals."""

import json
from pathlib import Path

import numpy as np
import pytest
from generalised_patients import COLUMNS, patients
from statistic_world import StatisticWorld

from analytics.errors import InvalidRequestError, PlanRejectedError

KNOWN = json.loads(
    (Path(__file__).resolve().parents[2] / "oracles" / "statistics" / "generalised.json").read_text("utf-8")
)["ols"]
FORMULA = "cost ~ ward + age + smoker"


@pytest.fixture(scope="module")
def world():
    return StatisticWorld(patients(), COLUMNS, minimum_cell=2)


def opened(plan, answers):
    assert len(set(answers)) == 1
    data = np.frombuffer(answers[0], dtype="<i8")
    cut = plan.statistic.every_step()[0].n_opened
    return [data[:cut], data[cut:]] if len(data) > cut else [data]


@pytest.mark.parametrize("kind", ["HC0", "HC1"])
def test_robust_errors_equal_statsmodels(world, kind):
    known, plan = KNOWN[kind], world.plan("ols", formula=FORMULA, cov_type=kind)
    steps = opened(plan, world.answers(plan))
    statistic = plan.statistic
    gram = tuple(map(int, steps[0][: statistic.n_sums]))
    spread = np.sqrt(np.diag(statistic.sandwich(gram, steps[1])))
    assert spread == pytest.approx(known["bse"], rel=1e-9)
    answer = statistic.estimate(steps, ())
    assert answer.params == pytest.approx(known["params"], rel=1e-5)
    assert answer.bse == pytest.approx(known["bse"], rel=1e-5)
    assert answer.pvalues == pytest.approx(known["pvalues"], rel=1e-3)
    assert (answer.fvalue, answer.f_pvalue) == pytest.approx((known["fvalue"], known["f_pvalue"]), rel=1e-3)
    assert answer.cov_type == kind
    assert [step["opened_to"] for step in plan.to_dict()["steps"]] == ["sites", "sites"]


def test_weights_equal_statsmodels(world):
    known, plan = KNOWN["weights"], world.plan("ols", formula=FORMULA, weights="years")
    data = sum(np.frombuffer(part, dtype="<i8").astype(np.int64) for part in world.answers(plan))
    fit = plan.statistic.weighted(tuple(map(int, data[: plan.statistic.n_sums])))
    assert fit.params == pytest.approx(known["params"], rel=1e-9)
    assert fit.bse == pytest.approx(known["bse"], rel=1e-9)
    answer = world.ask("ols", formula=FORMULA, weights="years")
    for name in ("rsquared", "rsquared_adj", "scale", "fvalue", "f_pvalue", "nobs", "df_resid"):
        assert getattr(answer, name) == pytest.approx(known[name], rel=1e-8), name
    assert answer.pvalues == pytest.approx(known["pvalues"], rel=1e-3)
    assert (answer.weights, answer.llf, answer.aic) == ("years", None, None)


def test_inflation_factors_equal_statsmodels(world):
    answer = world.ask("ols", formula=FORMULA)
    assert answer.vif == pytest.approx(KNOWN["vif"], rel=1e-5)
    exact = answer.t_test({"ward=b": 1, "ward=c": -1})
    place = [answer.terms.index(term) for term in ("ward=b", "ward=c")]
    assert exact.estimate == answer.params[place[0]] - answer.params[place[1]]
    assert exact.df == answer.df_resid
    assert answer.predict({"age": 60}).low < answer.predict({"age": 60}).mean


# attacks


def weight_of_one(frame):
    """The attack: a weight that is small for all but one person is a WHERE for this person."""
    frame["years"] = 0.1
    frame.loc[7, "years"] = 10


def weight_without_one(frame):
    frame["years"] = 10.0
    frame.loc[7, "years"] = 0.1


def weight_of_one_in_a_ward(frame):
    """Thirty people are in ward b, of whom one has most of the weight; weights of other wards vary."""
    frame.loc[frame.ward == "b", "ward"] = "a"
    frame.loc[:29, "ward"] = "b"
    frame.loc[:29, "years"] = 0.2
    frame.loc[7, "years"] = 10


def weight_by_two_values(frame):
    frame["years"] = 5.0
    frame.loc[frame.index % 2 == 0, "years"] = 5.1
    frame.loc[7, "years"] = 9


@pytest.mark.parametrize(
    "attack", [weight_of_one, weight_without_one, weight_of_one_in_a_ward, weight_by_two_values]
)
def test_a_weight_that_singles_out_a_person_closes_the_fit(attack):
    frame = patients().dropna().reset_index(drop=True)
    attack(frame)
    world = StatisticWorld(frame, COLUMNS)
    plan = world.plan("ols", formula=FORMULA, weights="years")
    assert not sum(np.frombuffer(part, dtype="<i8").astype(np.int64) for part in world.answers(plan)).any()


def one_in_a_ward(frame):
    frame.loc[frame.ward == "b", "ward"] = "a"
    frame.loc[8, "ward"] = "b"


def a_cost_that_follows(frame):
    """No residual: a meat of nothing, and one of a person alone where one person differs."""
    frame["cost"] = 10.0 + frame.smoker * 100 + (frame.ward == "c") * 50
    frame.loc[8, "cost"] = 2000


@pytest.mark.parametrize("attack", [one_in_a_ward, a_cost_that_follows])
def test_a_closed_fit_opens_no_meat(attack):
    """The attack: the meat of a dummy of one person is this person's squared residual."""
    frame = patients()
    attack(frame)
    world = StatisticWorld(frame, COLUMNS)
    plan = world.plan("ols", formula=FORMULA, cov_type="HC1")
    steps = opened(plan, world.answers(plan))
    assert len(steps) == 1
    assert not steps[0].any()
    assert plan.statistic.estimate(steps, ()).closed == "fit_closed"


def test_the_meat_counts_among_the_numbers_that_rows_must_hold(world):
    plain, robust = (world.plan("ols", formula=FORMULA, cov_type=kind) for kind in ("nonrobust", "HC0"))
    assert plain.statistic.fewest_rows == 3 * 21
    assert robust.statistic.fewest_rows == 3 * (21 + 15)
    assert robust.most_opened == 22 + 15


def test_without_a_minimum_cell_there_is_no_guard():
    frame = patients().dropna()
    world = StatisticWorld(frame, COLUMNS, minimum_cell=0)
    guarded = StatisticWorld(frame, COLUMNS, minimum_cell=2)
    for asked in ({"cov_type": "HC1"}, {"weights": "years"}):
        assert (
            world.ask("ols", formula=FORMULA, **asked).bse == guarded.ask("ols", formula=FORMULA, **asked).bse
        )


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"cov_type": "HC3"}, InvalidRequestError, "HC3 needs the leverage of every row"),
        ({"cov_type": "cluster"}, InvalidRequestError, "no guard yet"),
        ({"cov_type": "HAC"}, InvalidRequestError, "nonrobust, HC0 or HC1"),
        ({"cov_type": "HC1", "weights": "years"}, InvalidRequestError, "nonrobust beside weights"),
        ({"weights": "visits"}, InvalidRequestError, "lower bound above 0"),
        ({"weights": "age"}, InvalidRequestError, "another column"),
        ({"weights": "ward"}, PlanRejectedError, "must be numeric"),
        ({"weights": "years > 3"}, PlanRejectedError, "unknown column"),
        ({"cov_type": "HC1", "epsilon": "1"}, InvalidRequestError, "needs an exact answer"),
        ({"weights": "years", "epsilon": "1"}, InvalidRequestError, "needs an exact answer"),
    ],
)
def test_what_has_no_form_is_refused_with_its_reason(world, arguments, error, text):
    with pytest.raises(error, match=text):
        world.plan("ols", formula=FORMULA, **arguments)


def test_weights_outside_the_exact_dimensions_are_refused():
    world = StatisticWorld(patients(), COLUMNS, exact_dimensions=["cost", "age", "ward", "smoker"])
    with pytest.raises(PlanRejectedError, match="years may not stand in a model"):
        world.plan("ols", formula=FORMULA, weights="years")

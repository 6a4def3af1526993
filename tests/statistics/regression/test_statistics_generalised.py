"""Families of glm: equal to statsmodels over a random table; outcomes, exposures and sizes that a fit refuses or closes."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from generalised_patients import COLUMNS, patients
from statistic_world import StatisticWorld

from analytics.disclosure.recombine import recombine_statistic
from analytics.errors import InvalidRequestError, PlanRejectedError
from federation.cli.questions.stats import read_arguments

ORACLE = json.loads(
    (Path(__file__).resolve().parents[2] / "oracles" / "statistics" / "generalised.json").read_text("utf-8")
)
KNOWN, ROBUST = ORACLE["glm"], ORACLE["robust"]
ASKED = {
    "binomial logit": {},
    "binomial probit": {"link": "probit"},
    "binomial cloglog": {"link": "cloglog"},
    "poisson log": {"family": "poisson"},
    "poisson exposure": {"family": "poisson", "exposure": "years"},
    "poisson offset": {"family": "poisson", "offset": "log_years"},
    "gamma log": {"family": "gamma"},
    "gaussian identity": {"family": "gaussian"},
}
FISHER = {"binomial probit", "binomial cloglog", "gamma log"}  # steps that converge by a constant factor
POISSON = {"formula": "visits ~ ward + age + smoker", "family": "poisson", "exposure": "years"}


@pytest.fixture(scope="module")
def frame():
    return patients()


@pytest.fixture(scope="module")
def world(frame):
    """Every third row to a site, so that ward c is at the first site alone."""
    # a small cell: the guard of relations needs many people where an outcome nearly follows from its covariates
    return StatisticWorld(frame, COLUMNS, minimum_cell=2)


def steps_of(plan, answers):
    opened = np.frombuffer(answers[0], dtype="<i8")
    return [opened[:1], *opened[1:].reshape(-1, plan.statistic.n_sums)]


@pytest.mark.parametrize("name", ASKED)
def test_a_fit_equals_statsmodels(world, name):
    known = KNOWN[name]
    plan = world.plan("glm", formula=known["formula"], **ASKED[name])
    answers = world.answers(plan)
    answer = recombine_statistic(plan, answers, cost={}, receipt={})
    assert (answer.closed, answer.family) == ("", name.split()[0])
    if name != "gaussian identity":
        fit = plan.statistic.fit(steps_of(plan, answers))
        assert fit.params == pytest.approx(known["params"], rel=1e-6 if name in FISHER else 1e-9)
        assert np.sqrt(answer.scale) * fit.bse == pytest.approx(known["bse"], rel=1e-6)
    for figure in ("llf", "llnull", "deviance", "null_deviance", "aic", "scale", "bic"):
        if (name, figure) == ("gaussian identity", "llnull"):
            continue  # statsmodels keeps the scale of the whole fit, here it is that of the intercept's, as in OLS
        assert getattr(answer, figure) == pytest.approx(known[figure], rel=1e-8), figure
    if answer.pearson_chi2 is not None:
        assert answer.pearson_chi2 == pytest.approx(known["pearson_chi2"], rel=1e-8)
    assert (answer.nobs, answer.df_model, answer.df_resid) == tuple(
        known[each] for each in ("nobs", "df_model", "df_resid")
    )
    assert answer.params == pytest.approx(known["params"], rel=1e-5)
    assert answer.bse == pytest.approx(known["bse"], rel=1e-5)
    assert answer.pvalues == pytest.approx(known["pvalues"], rel=2e-3)
    assert np.array(answer.conf_int(0.1)) == pytest.approx(np.array(known["conf_int"]), rel=1e-4)
    test = answer.t_test({"ward=b": 1, "ward=c": -1})
    assert [test.estimate, test.standard_error, test.pvalue] == pytest.approx(known["contrast"], rel=1e-3)
    at = {"ward=c": 1, "age": 60} | ({"smoker": 1} if "smoker" in answer.terms else {})
    assert answer.predict(at).mean == pytest.approx(known["mean"], rel=1e-4)
    assert "deviance" in answer.summary()


@pytest.mark.parametrize(
    ("name", "kind", "asked"),
    [
        ("binomial", "HC0", {}),
        ("poisson", "HC1", {"family": "poisson", "exposure": "years"}),
        ("risk", "HC1", {"family": "poisson"}),
        ("gamma", "HC0", {"family": "gamma"}),
    ],
)
def test_robust_errors_equal_statsmodels(world, name, kind, asked):
    known = ROBUST[name]
    plan = world.plan("glm", formula=known["formula"], cov_type=kind, **asked)
    answer = recombine_statistic(plan, world.answers(plan), cost={}, receipt={})
    assert (answer.closed, answer.cov_type) == ("", kind)
    assert answer.params == pytest.approx(known["params"], rel=1e-5)
    assert answer.bse == pytest.approx(known[kind], rel=1e-5)
    plain = world.plan("glm", formula=known["formula"], **asked)
    count = plain.statistic.n_parameters
    assert plan.most_opened == plain.most_opened + count * (count + 1) // 2
    assert plan.statistic.fewest_rows > plain.statistic.fewest_rows


def test_how_rows_are_dealt_changes_nothing(frame, world):
    parts = [frame[:300], frame[300:1400], frame[1400:]]
    other = StatisticWorld(frame, COLUMNS, parts=parts, rows_max=1200).ask("glm", **POISSON)
    mine = world.ask("glm", **POISSON)
    assert other.params == mine.params
    assert other.deviance == pytest.approx(mine.deviance, rel=1e-10)


# attacks


def exposure_of_one(frame):
    """The attack: an exposure that is small for all but one person is a WHERE for this person."""
    frame["years"] = 0.1
    frame.loc[7, "years"] = 10


def exposure_without_one(frame):
    frame["years"] = 10.0
    frame.loc[7, "years"] = 0.1


def exposure_of_one_in_a_ward(frame):
    """Thirty people are in ward b, of whom one has most of the exposure; exposures of other wards vary."""
    frame.loc[frame.ward == "b", "ward"] = "a"
    frame.loc[:29, "ward"] = "b"
    frame.loc[:29, ["years", "visits"]] = [0.2, 1]
    frame.loc[9, "years"] = 10


def exposure_by_two_values(frame):
    frame["years"] = np.where(np.arange(len(frame)) % 2, 1.0, 5.0)
    frame.loc[7, "years"] = 9


def one_of_many_visits(frame):
    frame["visits"] = frame.visits % 2
    frame.loc[7, "visits"] = 40


def one_off_two_pairs_of_counts(frame):
    """The attack: a sum of the five opened functions of a count is 0 at 0, 1 and at 20, 21, and positive at 40."""
    frame["visits"] = frame.visits % 2 + 20 * frame.smoker
    frame.loc[7, "visits"] = 40


def no_events(frame):
    frame["visits"] = 0


def one_event_in_a_ward(frame):
    frame.loc[frame.ward == "b", "visits"] = 0
    frame.loc[frame[frame.ward == "b"].index[0], "visits"] = 3


def one_in_a_ward(frame):
    frame.loc[frame.ward == "b", "ward"] = "a"
    frame.loc[8, "ward"] = "b"


def a_sum_but_for_one(frame):
    frame["years"] = 1.0 + (frame.ward == "b") + 2 * frame.smoker
    frame.loc[8, "years"] = 9


@pytest.mark.parametrize(
    "attack",
    [
        exposure_of_one, exposure_without_one, exposure_of_one_in_a_ward, exposure_by_two_values, one_of_many_visits,
        one_off_two_pairs_of_counts, no_events, one_event_in_a_ward, one_in_a_ward, a_sum_but_for_one,
    ],
)  # fmt: skip
def test_a_fit_of_counts_that_singles_out_a_person_opens_one_bit(attack):
    frame = patients()
    attack(frame)
    world = StatisticWorld(frame, COLUMNS)
    plan = world.plan("glm", **POISSON)
    answers = world.answers(plan)
    assert len(set(answers)) == 1
    assert np.frombuffer(answers[0], dtype="<i8").tolist() == [0]
    assert recombine_statistic(plan, answers, cost={}, receipt={}).closed == "fit_closed"


def test_without_the_guard_the_sums_give_a_person_whose_exposure_is_far_above_the_others():
    """The attack: the first gradient is events less exposure, which is all but this person's where the others have little."""
    frame = patients()
    exposure_of_one(frame)
    frame.loc[frame.index != 7, "visits"] = 0
    frame.loc[7, ["visits", "age"]] = [40, 60]
    world = StatisticWorld(frame, COLUMNS, minimum_cell=0)
    plan = world.plan("glm", **POISSON)
    first = (
        np.frombuffer(world.answers(plan)[0], dtype="<i8")[: plan.statistic.n_sums]
        * 2.0**-plan.statistic.bits
    )
    assert first[0] + first[plan.statistic.n_parameters] == pytest.approx(40)


def test_a_gamma_fit_guards_its_outcome_too():
    frame = patients()
    frame["cost"] = np.where(np.arange(len(frame)) % 2, 50, 900)
    frame.loc[7, "cost"] = 2000
    asked = {"formula": "cost ~ age", "family": "gamma"}
    assert StatisticWorld(frame, COLUMNS).ask("glm", **asked).closed == "fit_closed"
    assert StatisticWorld(patients(), COLUMNS).ask("glm", **asked).closed == ""


def test_a_fit_that_does_not_end_is_closed_by_the_same_code(world):
    frame = patients().assign(ill=lambda rows: rows.age > 60)
    separated = StatisticWorld(frame.dropna(), COLUMNS)
    for link in ("probit", "cloglog"):
        assert separated.ask("glm", formula="ill ~ age", link=link).closed == "fit_closed"
    assert world.ask("glm", **POISSON, max_steps=2).closed == "fit_closed"
    empty = StatisticWorld(patients()[:0], COLUMNS, minimum_cell=0)
    for asked in (POISSON, {"formula": "cost ~ age", "family": "gamma"}, {"formula": "ill ~ age"}):
        assert empty.ask("glm", **asked).closed == "fit_closed"


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"formula": "ward ~ age", "family": "poisson"}, PlanRejectedError, "whole numbers of at least 0"),
        ({"formula": "age ~ ward", "family": "poisson"}, PlanRejectedError, "whole numbers of at least 0"),
        ({"formula": "log_years ~ ward", "family": "gamma"}, PlanRejectedError, "lower bound above 0"),
        ({"formula": "visits ~ ward", "family": "gamma"}, PlanRejectedError, "lower bound above 0"),
        ({"formula": "ward ~ age", "family": "gaussian"}, InvalidRequestError, "must be numeric"),
        ({"formula": "visits ~ age"}, PlanRejectedError, "true or false"),
        ({"formula": "visits ~ age", "family": "poisson", "link": "logit"}, InvalidRequestError, "log for poisson"),
        ({"formula": "cost ~ age", "family": "gaussian", "link": "log"}, InvalidRequestError, "identity"),
        ({"formula": "cost ~ age", "family": "gaussian", "max_steps": 3}, InvalidRequestError, "no meaning"),
        ({"formula": "ill ~ age", "exposure": "years"}, InvalidRequestError, "no meaning for binomial"),
        ({**POISSON, "offset": "log_years"}, InvalidRequestError, "must stand alone"),
        ({**POISSON, "exposure": "age"}, InvalidRequestError, "another column"),
        ({**POISSON, "exposure": "visits", "formula": "cost ~ age"}, InvalidRequestError, "bounds above 0"),
        ({**POISSON, "exposure": 2}, InvalidRequestError, "must be a text"),
        ({**POISSON, "exposure": "years * 2"}, PlanRejectedError, "unknown column"),
        ({"formula": "ill ~ age", "covariates": ["age"]}, InvalidRequestError, "give a formula, or outcome"),
        ({"formula": "ill ~ age", "cov_type": "HC3"}, InvalidRequestError, "nonrobust, HC0 or HC1"),
        (
            {"formula": "cost ~ age", "family": "gaussian", "cov_type": "HC1"},
            InvalidRequestError,
            "nonrobust for gaussian",
        ),
        ({}, InvalidRequestError, "give a formula, or outcome"),
        ({"formula": "ill ~ age + 1"}, InvalidRequestError, "declared columns alone"),
    ],
)  # fmt: skip
def test_arguments_are_refused_before_a_charge(world, arguments, error, text):
    with pytest.raises(error, match=text):
        world.plan("glm", **arguments)


def test_an_exposure_outside_the_exact_dimensions_is_refused():
    world = StatisticWorld(patients(), COLUMNS, exact_dimensions=["visits", "age", "ward", "smoker"])
    with pytest.raises(PlanRejectedError, match="years may not stand in a model"):
        world.plan("glm", **POISSON)


def test_contrasts_of_a_closed_fit_and_of_unknown_terms_are_refused(world):
    answer = world.ask("glm", formula="cost ~ age", family="gaussian")
    for wrong in ({"agee": 1}, {"age": 0}, {}):
        with pytest.raises(InvalidRequestError, match="not all 0"):
            answer.t_test(wrong)
    with pytest.raises(InvalidRequestError, match="below 1"):
        answer.t_test({"age": 1}).conf_int(1)
    closed = StatisticWorld(patients()[:60], COLUMNS).ask("glm", **POISSON)
    with pytest.raises(InvalidRequestError, match="this one is closed"):
        closed.predict({"age": 60})


def test_an_outlying_count_at_the_last_value_is_clipped_by_the_schema(frame):
    frame = frame.assign(visits=frame.visits.where(frame.index != 7, 10**6))
    answer = StatisticWorld(frame, COLUMNS).ask("glm", **POISSON)
    pooled = frame.dropna().visits.clip(upper=40).sum()
    assert answer.n_events == pooled


def test_the_answer_is_a_frame_and_a_picture(world):
    answer = world.ask("glm", **POISSON)
    assert isinstance(answer.frame, pd.DataFrame)
    assert answer.picture().x_name == "rate ratio, 95 % interval"
    assert answer.dispersion == pytest.approx(answer.pearson_chi2 / answer.df_resid)
    assert answer.to_dict()["family"] == "poisson"


def test_a_command_line_names_formula_family_and_exposure(world):
    asked = read_arguments(["formula=visits ~ ward + age", "family=poisson", "exposure=years"], "glm")
    assert asked == {"formula": "visits ~ ward + age", "family": "poisson", "exposure": "years"}
    assert world.plan("glm", **asked).statistic.terms == ("intercept", "ward=b", "ward=c", "age")

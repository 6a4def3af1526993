"""Meta-analysis over sites: equal to statsmodels to three digits; no figure of one site opens; each site's cells are guarded."""

import json
from pathlib import Path

import numpy as np
import pytest
from generalised_patients import COLUMNS, patients_by_site
from statistic_world import StatisticWorld

from analytics.disclosure.recombine import recombine_statistic
from analytics.errors import InvalidRequestError, OverflowRiskError, PlanRejectedError

KNOWN = json.loads(
    (Path(__file__).resolve().parents[1] / "oracles" / "statistics" / "generalised.json").read_text("utf-8")
)["meta_analysis"]
ASKED = {"outcome": "ill", "exposure": "smoker"}
ROUNDED = 5.1e-3  # of three significant digits


@pytest.fixture(scope="module")
def world():
    return StatisticWorld(patients_by_site(), COLUMNS)


def asked(measure):
    return ASKED | {"measure": measure} | ({"outcome": "cost"} if measure == "mean_difference" else {})


@pytest.mark.parametrize("measure", KNOWN)
def test_pooled_effects_equal_statsmodels(world, measure):
    known = KNOWN[measure]
    answer = world.ask("meta_analysis", **asked(measure))
    assert (answer.closed, answer.n_sites) == ("", 3)
    for effect, name in zip(answer.effects, ("fixed", "random"), strict=True):
        assert effect.name == name
        assert [effect.estimate, effect.standard_error] == pytest.approx(known[name], rel=ROUNDED)
    assert answer.q == pytest.approx(known["q"], rel=ROUNDED)
    assert answer.tau2 == pytest.approx(
        known["tau2"], rel=2e-2
    )  # what is left of Q beyond its degrees of freedom
    assert answer.i2 == pytest.approx(max(0, 1 - 2 / known["q"]), abs=5e-3)
    fixed = world.ask("meta_analysis", **asked(measure), method="fixed")
    assert fixed.effects == answer.effects[:1]
    low, high = answer.interval()
    assert low < answer.estimate < high
    assert answer.picture().labels == ["fixed", "random"]
    assert list(answer.frame.index) == ["fixed", "random"]


def test_equal_sites_have_no_variance_between_them():
    frame = patients_by_site()[:600].dropna()
    world = StatisticWorld(frame, COLUMNS, parts=[frame, frame, frame])
    answer = world.ask("meta_analysis", **ASKED)
    assert (answer.tau2, answer.i2) == (0.0, 0.0)
    assert answer.q < 1e-3
    assert answer.q_pvalue == pytest.approx(1, abs=1e-3)
    assert answer.effects[0].estimate == answer.effects[1].estimate


def test_the_rounded_figures_alone_open(world):
    """The attack: a site that pools with the analyst would solve the sums for the two others' effects."""
    plan = world.plan("meta_analysis", **ASKED)
    answers = world.answers(plan)
    assert [step["opened_to"] for step in plan.to_dict()["steps"]] == ["sites", "analyst"]
    assert plan.most_opened == 5 + 2
    first = np.frombuffer(answers[0], dtype="<i8")[:5]
    assert first[-1] == 1
    for value in first[:-1]:  # no more than three digits of any of them
        assert int(value) == int(float(f"{int(value):.3g}"))
    fixed = world.plan("meta_analysis", **ASKED, method="fixed")
    assert [step["opened_to"] for step in fixed.to_dict()["steps"]] == ["analyst"]


# attacks


def a_small_cell_at_one_site(frame):
    """One site has one ill smoker: with the others' sums its effect would be this person's."""
    mine = (frame.index % 3 == 0) & frame.smoker
    frame.loc[mine, "ill"] = False
    frame.loc[frame[mine].index[0], "ill"] = True


def no_exposed_at_one_site(frame):
    frame.loc[frame.index % 3 == 1, "smoker"] = False


def nine_in_a_cell(frame):
    mine = (frame.index % 3 == 2) & frame.smoker
    frame.loc[mine, "ill"] = True
    frame.loc[frame[mine].index[:9], "ill"] = False


@pytest.mark.parametrize("attack", [a_small_cell_at_one_site, no_exposed_at_one_site, nine_in_a_cell])
@pytest.mark.parametrize("measure", ["odds_ratio", "risk_difference"])
def test_a_site_with_a_small_cell_closes_all_and_none_learns_which(attack, measure):
    frame = patients_by_site()
    attack(frame)
    world = StatisticWorld(frame, COLUMNS)
    plan = world.plan("meta_analysis", **asked(measure))
    answers = world.answers(plan)
    opened = sum(np.frombuffer(part, dtype="<i8").astype(np.int64) for part in answers)
    assert not opened.any()
    assert recombine_statistic(plan, answers, cost={}, receipt={}).closed == "minimum_cell"


def test_a_difference_of_means_guards_the_values_of_each_site():
    frame = patients_by_site()
    frame.loc[frame.index % 3 == 0, "cost"] = 1
    frame.loc[0, "cost"] = 2000
    world = StatisticWorld(frame, COLUMNS)
    assert world.ask("meta_analysis", **asked("mean_difference")).closed == "minimum_cell"


def test_a_site_without_rows_and_an_effect_without_variance_close_it():
    frame = patients_by_site()[:900]
    for parts in ([frame[:400], frame[400:], frame[:0]], [frame[:0]] * 3):
        world = StatisticWorld(frame, COLUMNS, parts=parts, minimum_cell=0)
        assert world.ask("meta_analysis", **ASKED).closed == "minimum_cell"
    same = StatisticWorld(frame.assign(cost=50), COLUMNS, minimum_cell=0)
    assert same.ask("meta_analysis", **asked("mean_difference")).closed == "minimum_cell"


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({**ASKED, "measure": "hazard_ratio"}, InvalidRequestError, "must be one of odds_ratio"),
        ({**ASKED, "method": "reml"}, InvalidRequestError, "random or fixed"),
        ({**ASKED, "outcome": "cost"}, InvalidRequestError, "must be true or false"),
        ({**ASKED, "measure": "mean_difference"}, InvalidRequestError, "must be numeric"),
        ({**ASKED, "exposure": "ward"}, PlanRejectedError, "true or false"),
        ({**ASKED, "exposure": "ill"}, InvalidRequestError, "another column"),
        ({**ASKED, "site": 1}, InvalidRequestError, "not an argument"),
        ({**ASKED, "epsilon": "1"}, InvalidRequestError, "must be exact"),
    ],
)
def test_arguments_are_refused_before_a_charge(world, arguments, error, text):
    with pytest.raises(error, match=text):
        world.plan("meta_analysis", **arguments)


def test_tables_too_large_for_the_sums_are_refused():
    world = StatisticWorld(patients_by_site()[:30], COLUMNS, rows_max=2**26)
    with pytest.raises(OverflowRiskError):
        world.plan("meta_analysis", **asked("mean_difference"))

"""Meta-analysis over sites: equal to statsmodels to three digits; each site's cells are guarded; its own figures open by site alone."""

import json
from pathlib import Path

import numpy as np
import pytest
from generalised_patients import COLUMNS, patients_by_site
from hypothesis import given
from hypothesis import strategies as st
from statistic_world import StatisticWorld

from analytics.disclosure.recombine import recombine_statistic
from analytics.errors import InvalidRequestError, OverflowRiskError, PlanRejectedError
from analytics.statistics.epidemiology.meta_analysis import _rounded

KNOWN = json.loads(
    (Path(__file__).resolve().parents[2] / "oracles" / "statistics" / "generalised.json").read_text("utf-8")
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


# by site


@pytest.mark.parametrize("method", ["fixed", "random"])
@pytest.mark.parametrize("measure", KNOWN)
def test_effects_by_site_equal_statsmodels(world, measure, method):
    known = KNOWN[measure]
    answer = world.ask("meta_analysis", **asked(measure), method=method, by_site=True)
    found = [[each.estimate, each.standard_error] for each in answer.sites]
    assert found == [pytest.approx(each, rel=ROUNDED) for each in known["sites"]]
    assert answer.weights == pytest.approx(known[f"weights_{method}"], rel=3e-2)
    pooled = world.ask("meta_analysis", **asked(measure), method=method)
    assert (answer.effects, answer.q, answer.tau2) == (pooled.effects, pooled.q, pooled.tau2)
    assert pooled.sites == ()


def test_an_answer_by_site_names_the_sites_in_frame_picture_and_text(world):
    answer = world.ask("meta_analysis", **ASKED, by_site=True).named(["north", "lake", "west"])
    names = ["north", "lake", "west", "fixed", "random"]
    frame = answer.frame
    assert list(frame.index) == names
    assert list(frame.columns) == ["odds_ratio", "low", "high", "standard_error", "pvalue", "weight"]
    assert frame.weight[:3].sum() == pytest.approx(1)
    assert frame.weight[3:].isna().all()
    picture = answer.picture()
    assert (picture.labels, picture.n_pooled) == (names, 2)
    assert picture.values == [pytest.approx(value) for value in frame.odds_ratio]
    assert answer.lines()[-1] == "consented to figures about themselves: north, lake, west"
    assert [each["name"] for each in json.loads(answer.to_json())["sites"]] == names[:3]
    pooled = world.ask("meta_analysis", **ASKED)
    assert pooled.named(["north", "lake", "west"]) == pooled
    assert pooled.picture().n_pooled == 0
    assert "weight" not in pooled.frame


def test_figures_by_site_open_to_the_analyst_alone_and_count(world):
    for method, receivers, most in (
        ("random", ["sites", "analyst"], 5 + 2 + 6),
        ("fixed", ["analyst"], 4 + 6),
    ):
        plan = world.plan("meta_analysis", **ASKED, method=method, by_site=True)
        assert [step["opened_to"] for step in plan.to_dict()["steps"]] == receivers
        assert plan.most_opened == most
        assert plan.statistic.opens_site_results
        assert plan.digest() != world.plan("meta_analysis", **ASKED, method=method).digest()
        last = plan.statistic.every_step()[-1]
        assert (last.name.count("of each site too"), last.to, last.n_own) == (1, "analyst", 2)
        assert not any(step.n_own for step in plan.statistic.every_step()[:-1])
    assert not world.plan("meta_analysis", **ASKED).statistic.opens_site_results


def test_three_digits_of_each_site_open_and_a_site_fills_no_place_but_its_own(world):
    plan = world.plan("meta_analysis", **ASKED, method="fixed", by_site=True)
    (step,) = plan.statistic.every_step()
    rows = world.scanned(plan)
    placed = [step.placed(step.local(each), rank) for rank, each in enumerate(rows)]
    for rank, own in enumerate(placed):
        others = np.delete(own[5:].reshape(3, 2), rank, axis=0)
        assert not others.any()
    total = np.sum(placed, axis=0)
    opened = sum(np.frombuffer(part, dtype="<i8").astype(np.int64) for part in world.answers(plan))
    assert opened[4:10].tolist() == total[5:].tolist()
    for value in opened[4:10]:
        assert int(value) == int(float(f"{int(value):.3g}"))


@given(st.floats(-1.5, 1.5))
def test_a_sites_own_figure_has_three_digits_and_is_the_nearest(value):
    found, exact = _rounded(value), min(max(value, -1.0), 1.0) * 10**7
    assert found == int(float(f"{found:.3g}"))
    assert abs(found - exact) <= max(0.5, abs(exact) * 0.00501)
    assert _rounded(-value) == -found


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
@pytest.mark.parametrize(
    ("measure", "more"),
    [
        ("odds_ratio", {}),
        ("risk_difference", {}),
        ("odds_ratio", {"by_site": True}),
        ("risk_difference", {"by_site": True, "method": "fixed"}),
    ],
)
def test_a_site_with_a_small_cell_closes_all_and_none_learns_which(attack, measure, more):
    """By site too: had the others' rows opened, the pooled figure would give the closed one by subtraction."""
    frame = patients_by_site()
    attack(frame)
    world = StatisticWorld(frame, COLUMNS)
    plan = world.plan("meta_analysis", **asked(measure), **more)
    answers = world.answers(plan)
    opened = sum(np.frombuffer(part, dtype="<i8").astype(np.int64) for part in answers)
    assert not opened.any()
    answer = recombine_statistic(plan, answers, cost={}, receipt={})
    assert (answer.closed, answer.sites) == ("minimum_cell", ())


@pytest.mark.parametrize("by_site", [False, True])
def test_a_difference_of_means_guards_the_values_of_each_site(by_site):
    frame = patients_by_site()
    frame.loc[frame.index % 3 == 0, "cost"] = 1
    frame.loc[0, "cost"] = 2000
    world = StatisticWorld(frame, COLUMNS)
    assert world.ask("meta_analysis", **asked("mean_difference"), by_site=by_site).closed == "minimum_cell"


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
        ({**ASKED, "by_site": 1}, InvalidRequestError, "must be true or false"),
        ({**ASKED, "by_site": ["lake"]}, InvalidRequestError, "must be true or false"),
        ({**ASKED, "by_site": True, "where": "age > 90"}, InvalidRequestError, "not an argument"),
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

"""Strata, the test of proportional hazards, the baseline hazard and the tests of the whole fit of an exact Cox regression."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statistic_world import StatisticWorld
from survival_reference import TABLES, columns_of, frame_of

from analytics.disclosure.recombine import recombine_statistic
from analytics.errors import InvalidRequestError, OverflowRiskError
from analytics.statistics.base import Limits
from analytics.statistics.hazards.cox_checks import HAZARD_BITS, LastOpening
from analytics.statistics.hazards.partial_likelihood import RiskSums
from smpc.operations.arithmetic import take
from smpc.operations.inputs import contribute
from smpc.operations.reveal import reveal_to_all
from smpc.simulator import simulate
from tests.statistics.survival.test_statistics_cox import COLUMNS, EDGES, patients

ASKED = {"duration": "days", "event": "died", "covariates": ["age", "smoker"]}
QUARTERS = [0, 32, 80, 140, 240]


def likelihood(frame, params, later=(0.0, 0.0), edges=EDGES, strata=True):
    """Breslow's log partial likelihood from single people, with parameters that may change with time."""
    design = np.column_stack([frame.age, frame.smoker]).astype(float) - [60, 0]
    place, count = np.digitize(frame.days, edges[1:-1]), len(edges) - 1
    total = 0.0
    for ward in sorted(set(frame.ward)) if strata else [None]:
        mine = np.ones(len(frame), bool) if ward is None else (frame.ward == ward).to_numpy()
        for time in range(count):
            died = mine & (place == time) & frame.died.to_numpy()
            odds = design @ (np.array(params) + (2 * time - (count - 1)) * np.array(later))
            if died.any():
                total += odds[died].sum() - died.sum() * np.log(np.exp(odds[mine & (place >= time)]).sum())
    return total


def slopes(function, at, steps):
    """Gradient and Hessian by differences."""
    count = len(at)
    assert len(steps) == count
    eye = np.diag(np.asarray(steps, float))
    gradient = [(function(at + eye[i]) - function(at - eye[i])) / (2 * steps[i]) for i in range(count)]
    hessian = [
        [
            (
                function(at + eye[i] + eye[j])
                - function(at + eye[i] - eye[j])
                - function(at - eye[i] + eye[j])
                + function(at - eye[i] - eye[j])
            )
            / (4 * steps[i] * steps[j])
            for j in range(count)
        ]
        for i in range(count)
    ]
    return np.array(gradient), np.array(hessian)


@pytest.fixture(scope="module")
def world():
    return StatisticWorld(patients(n=4000), COLUMNS, rows_max=2000)


@pytest.fixture(scope="module")
def whole(world):
    """With strata, the test and the baseline."""
    asked = ASKED | {"strata": "ward", "proportional": True, "baseline": True, "grid": QUARTERS[1:-1]}
    plan = world.plan("cox", **asked)
    return plan, recombine_statistic(plan, world.answers(plan), cost={}, receipt={})


def test_strata_have_risk_sets_of_their_own(world, whole):
    """The gradient of the likelihood of single people is 0 at the answer, and its curvature gives the errors."""
    _, answer = whole
    at = np.array(answer.params)
    gradient, hessian = slopes(
        lambda b: likelihood(world.frame, b, edges=QUARTERS), at, np.array([1e-3, 2e-2])
    )
    errors = np.sqrt(np.diag(np.linalg.inv(-hessian)))
    assert np.abs(np.linalg.solve(-hessian, gradient)) == pytest.approx(0, abs=1e-5)
    assert answer.standard_errors == pytest.approx(errors, rel=1e-3)
    assert np.array(answer.covariance) == pytest.approx(np.linalg.inv(-hessian), rel=2e-3, abs=1e-7)
    plain = world.ask("cox", **ASKED, grid=QUARTERS[1:-1])
    assert plain.params != answer.params


@pytest.mark.parametrize("name", ["heart_failure", "random 1"])
def test_strata_equal_those_of_statsmodels(name):
    world = StatisticWorld(frame_of(name), columns_of(name), minimum_cell=0)
    answer = world.ask("cox", duration="days", event="died", covariates=["arm"], strata="clinic")
    oracle = TABLES[name]["models"]["stratified"]
    assert answer.params == pytest.approx(oracle["params"], abs=3e-6)
    assert answer.standard_errors == pytest.approx(oracle["bse"], rel=1e-5)


def test_the_test_of_proportional_hazards_is_the_score_test_over_single_people(world, whole):
    _, answer = whole

    def of(values):
        return likelihood(world.frame, values[:2], values[2:], edges=QUARTERS)

    steps = np.array([2e-4, 4e-3, 2e-4, 4e-3])
    gradient, hessian = slopes(of, np.array([*answer.params, 0.0, 0.0]), steps)
    hessian = -hessian
    left = hessian[2:, 2:] - hessian[2:, :2] @ np.linalg.inv(hessian[:2, :2]) @ hessian[:2, 2:]
    test = answer.proportional
    assert test.statistics == pytest.approx(gradient[2:] ** 2 / np.diag(left), rel=5e-3, abs=1e-3)
    assert test.statistic == pytest.approx(gradient[2:] @ np.linalg.inv(left) @ gradient[2:], rel=5e-3)
    assert test.pvalue == pytest.approx(stats.chi2.sf(test.statistic, 2), rel=1e-9)
    assert test.pvalues == pytest.approx(stats.chi2.sf(test.statistics, 1), rel=1e-9)


def test_an_effect_that_turns_is_found():
    """Smokers die three times as fast before day 60, and a third as fast after it."""
    generator = np.random.default_rng(5)
    turned = patients()
    early, late = 100 / np.where(turned.smoker, 3, 1), 100 * np.where(turned.smoker, 3, 1)
    times = generator.exponential(early)
    times = np.where(times < 60, times, 60 + generator.exponential(late))
    turned["died"] = times < 240
    turned["days"] = np.floor(np.minimum(times, 240) * 2) / 2
    answer = StatisticWorld(turned, COLUMNS, rows_max=2000, minimum_cell=0).ask(
        "cox", **ASKED, proportional=True
    )
    assert answer.proportional.pvalues[1] < 1e-6
    assert answer.proportional.pvalues[0] > 1e-3
    assert answer.to_dict()["proportional"]["pvalue"] < 1e-6


def hazards(frame, params, ward, edges):
    """Events over weights at risk, weights 1 at age 60 and for who does not smoke."""
    mine = frame[frame.ward == ward]
    weights = np.exp((mine.age - 60) * params[0] + mine.smoker * params[1])
    place = np.digitize(mine.days, edges[1:-1])
    counts = [(mine.died & (place == k)).sum() for k in range(len(edges) - 1)]
    return np.array([d / weights[place >= k].sum() for k, d in enumerate(counts)])


def test_the_baseline_is_events_over_weights_at_risk(world, whole):
    _, answer = whole
    assert [each.name for each in answer.baselines] == ["a", "b", "c"]
    for each in answer.baselines:
        known = hazards(world.frame, answer.params, each.name, QUARTERS)
        assert each.hazard == pytest.approx(known, abs=2.0**-13)
        assert each.survival[-1] == pytest.approx(np.exp(-known.sum()), abs=4 * 2.0**-13)
    frame = answer.baseline
    assert frame.columns.tolist() == [
        "stratum",
        "start",
        "end",
        "hazard",
        "cumulative_hazard",
        "survival",
        "low",
        "high",
    ]
    assert len(frame) == 12
    assert frame.survival.is_monotonic_decreasing or frame.stratum.nunique() == 3


@pytest.mark.parametrize(
    ("died", "censored", "is_open"),
    [
        ([30, 30, 30], [30, 30, 30], [1, 1, 1]),
        ([30, 1, 30], [30, 30, 30], [1, 0, 0]),
        ([30, 0, 30], [30, 30, 30], [1, 0, 0]),
        ([30, 30, 30], [30, 9, 30], [1, 0, 0]),
        ([30, 30, 5], [30, 30, 1], [1, 0, 0]),  # 6 are left after the second
        ([30, 30, 9], [30, 30, 30], [1, 1, 0]),
        ([9, 30, 30], [30, 30, 30], [0, 0, 0]),
    ],
)
def test_a_baseline_is_closed_from_the_first_small_interval_of_its_stratum_on(died, censored, is_open):
    """The attack: an interval with one event, one censoring or one person left, whose hazard would tell of them."""
    limits = Limits(n_sites=3, sites_per_unit=1, minimum_cell=10, rows_max=200)
    last = LastOpening(
        layout=RiskSums(n_points=6, n_parameters=1, sum_bits=30),
        n_strata=2,
        limits=limits,
        has_test=False,
        has_baseline=True,
    )
    other = [40, 50, 60]  # of the second stratum, which stays open
    counts = np.array([[*died, *other], [*censored, *other]])
    parts = [counts // 3, counts // 4, counts - counts // 3 - counts // 4]

    def run(session):
        own = contribute(session, np.concatenate([np.arange(1, 7), *parts[session.rank]]).astype(np.int64))
        hazard, events, leaving = (take(own, range(6 * place, 6 * place + 6)) for place in range(3))
        return reveal_to_all(session, last.closed(session, hazard, events, leaving))

    opened = simulate(run, 3, prefetch=False, timeout_s=60).values()[0]
    assert opened[6:].tolist() == [*is_open, 1, 1, 1]
    assert opened[:6].tolist() == (3 * np.arange(1, 7) * [*is_open, 1, 1, 1]).tolist()


def test_a_hazard_does_not_tell_how_many_of_each_group_are_at_risk():
    """The attack: of two groups with known weights, a ratio with many digits has one solution in whole numbers."""
    weights, (events, first, second) = (1.0, 0.5731), (41, 523, 388)
    d, a, b = np.meshgrid(np.arange(10, 101), np.arange(300, 801), np.arange(200, 601), indexing="ij")
    hazards = d / (a * weights[0] + b * weights[1])
    true = events / (first * weights[0] + second * weights[1])

    def solutions(bits):
        return int((np.rint(hazards * 2.0**bits) == np.rint(true * 2.0**bits)).sum())

    assert solutions(30) <= 2
    assert solutions(HAZARD_BITS) > 10_000


def test_one_person_in_a_stratum_closes_the_fit():
    frame = patients()
    frame.loc[frame.ward == "c", "ward"] = "a"
    frame.loc[7, "ward"] = "c"
    assert (
        StatisticWorld(frame, COLUMNS, rows_max=2000).ask("cox", **ASKED, strata="ward").closed
        == "fit_closed"
    )


def test_what_is_opened_besides_goes_to_the_analyst_and_counts_for_the_guard(world, whole):
    plan, _ = whole
    last = plan.statistic.every_step()[-1]
    assert (last.to, last.n_values, last.n_flags) == ("analyst", 2 + 2 * 3 + 12, 12)
    assert plan.statistic.guard.most_opened == 1 + 6 * 5 + 20


def test_tests_of_the_whole_fit(world):
    answer = world.ask("cox", duration="days", event="died", covariates=["ward", "smoker"])
    at = np.array(answer.params)
    assert answer.wald_statistic == pytest.approx(at @ np.linalg.inv(answer.covariance) @ at)
    assert answer.wald_pvalue == pytest.approx(stats.chi2.sf(answer.wald_statistic, 3))
    assert answer.score_statistic == pytest.approx(answer.wald_statistic, rel=0.1)
    assert answer.score_pvalue == pytest.approx(stats.chi2.sf(answer.score_statistic, 3))
    assert answer.zvalues[2] == pytest.approx(at[2] / answer.standard_errors[2])
    assert "exp(coef)" in answer.summary()
    assert "score_statistic" in answer.summary()


def test_the_score_test_of_two_groups_is_the_log_rank_test(world):
    """Without ties: the variance of ties is the only difference."""
    frame = world.frame.drop_duplicates("days").iloc[:400]
    columns = COLUMNS | {"days": COLUMNS["days"] | {"bins": [each / 2 for each in range(481)]}}
    alone = StatisticWorld(frame, columns, rows_max=2000, minimum_cell=0)
    score = alone.ask("cox", duration="days", event="died", covariates=["smoker"])
    log_rank = alone.ask("log_rank", duration="days", event="died", by="smoker")
    assert score.score_statistic == pytest.approx(log_rank.statistic, rel=2e-3)


@pytest.mark.parametrize(
    ("changed", "error", "text"),
    [
        ({"strata": "days"}, InvalidRequestError, "must be a category or a true-or-false column"),
        ({"strata": "smoker"}, InvalidRequestError, "none of the others"),
        ({"strata": 3}, InvalidRequestError, "must be a text"),
        ({"ties": "efron"}, InvalidRequestError, "as many terms at a time as it has events"),
        ({"proportional": "yes"}, InvalidRequestError, "must be true or false"),
        ({"baseline": 1}, InvalidRequestError, "must be true or false"),
    ],
)
def test_arguments_are_refused_before_anything_runs(world, changed, error, text):
    with pytest.raises(error, match=text):
        world.plan("cox", **ASKED | changed)


def test_grids_and_tables_that_are_too_large_are_refused():
    bins = [each / 2 for each in range(0, 481, 2)]
    columns = COLUMNS | {"days": COLUMNS["days"] | {"bins": bins}}
    world = StatisticWorld(patients().iloc[:30], columns, rows_max=2000)
    with pytest.raises(InvalidRequestError, match="at most 60 intervals for a baseline"):
        world.plan("cox", **ASKED, baseline=True)
    bins = [each / 2 for each in range(481)]
    fine = StatisticWorld(
        patients().iloc[:30], COLUMNS | {"days": COLUMNS["days"] | {"bins": bins}}, rows_max=2000
    )
    with pytest.raises(InvalidRequestError, match="at most 512 intervals of all strata"):
        fine.plan("cox", **ASKED, strata="ward")
    large = StatisticWorld(
        patients().iloc[:30], COLUMNS | {"days": COLUMNS["days"] | {"bins": bins}}, rows_max=2**22
    )
    with pytest.raises(OverflowRiskError, match="a sum over time"):
        large.plan("cox", **ASKED, proportional=True)


def test_however_rows_are_dealt_the_checks_are_the_same(world, whole):
    _, one = whole
    order = np.random.default_rng(4).permutation(4000)
    parts = [world.frame.iloc[part] for part in np.split(order, [1100, 2500])]
    asked = ASKED | {"strata": "ward", "proportional": True, "baseline": True, "grid": QUARTERS[1:-1]}
    other = StatisticWorld(world.frame, COLUMNS, parts=parts, rows_max=2000).ask("cox", **asked)
    assert other.proportional.statistics == pytest.approx(one.proportional.statistics, rel=1e-4)
    for first, second in zip(one.baselines, other.baselines, strict=True):
        assert first.hazard == pytest.approx(second.hazard, abs=2.0**-12)


def test_a_closed_fit_has_no_checks():
    empty = StatisticWorld(patients().iloc[:0], COLUMNS, rows_max=2000, minimum_cell=0)
    answer = empty.ask("cox", **ASKED, proportional=True, baseline=True, strata="ward")
    assert (answer.closed, answer.proportional, answer.baselines) == ("fit_closed", None, ())
    assert isinstance(answer.baseline, pd.DataFrame)

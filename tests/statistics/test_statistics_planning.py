"""Power and sample size: statsmodels' numbers without noise, simulated private tests with it; multiplicity."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statistic_world import StatisticWorld
from table_world import released, table_world

from analytics.errors import InvalidRequestError
from analytics.statistics.tables import independence
from crossward import planning

KNOWN = json.loads(
    (Path(__file__).parents[1] / "oracles" / "statistics" / "planning_numbers.json").read_text("utf-8")
)
BOUNDS = (60, 240)


@pytest.mark.parametrize("known", KNOWN["proportions"])
def test_power_of_proportions_equals_statsmodels(known):
    p1, p2, n1, n2, alpha, power = known
    assert planning.proportions_power(p1, p2, n1, n2, alpha=alpha) == pytest.approx(power, rel=1e-9)


@pytest.mark.parametrize("known", KNOWN["means"])
def test_power_of_means_equals_statsmodels(known):
    difference, sd, n1, n2, alpha, power = known
    found = planning.means_power(150 + difference, 150, sd, n1, n2, bounds=BOUNDS, alpha=alpha)
    assert found == pytest.approx(power, rel=1e-7)


def test_the_noise_is_that_of_the_tests_own_plans():
    world = table_world([[40, 22], [18, 55]], max_sites_per_unit=3)
    (law,) = world.plan("two_proportions", by="a", outcome="b", epsilon="0.7").noise
    from analytics.plans import power

    (found,) = power._noise(power._COUNTS, "0.7", planning.Design())
    assert found.sd == law.sd
    columns = {
        "arm": {"type": "boolean"},
        "x": {"type": "numeric", "lower": 60, "upper": 240, "resolution": 0.5},
    }
    frame = pd.DataFrame({"arm": [True, False] * 20, "x": 100.0})
    laws = (
        StatisticWorld(frame, columns, max_sites_per_unit=2)
        .plan("t_test", column="x", by="arm", epsilon="0.7")
        .noise
    )
    found = power._noise(
        power._MOMENTS, "0.7", planning.Design(sites_per_unit=2), lower=60, upper=240, resolution=0.5
    )
    assert [each.sd for each in found] == [each.sd for each in laws]


@pytest.mark.parametrize("epsilon", [pytest.param("0.3", marks=pytest.mark.slow), "1"])
def test_simulated_private_tests_have_the_planned_power(epsilon, monkeypatch):
    monkeypatch.setattr(independence, "REPLICATES", 99)
    need = planning.proportions_sample_size(
        0.25, 0.4, epsilon=epsilon, design=planning.Design(sites_per_unit=1)
    )
    assert need.n1 > need.without_noise
    plan = table_world([[40, 22], [18, 55]]).plan("two_proportions", by="a", outcome="b", epsilon=epsilon)
    generator, trials, found = np.random.default_rng(3), 200, 0
    for _ in range(trials):
        cases = generator.binomial([need.n1, need.n2], [0.25, 0.4])
        cells = np.stack([[need.n1, need.n2] - cases, cases], axis=1)
        found += plan.statistic.estimate(released(plan, cells, generator), plan.noise).pvalue <= 0.05
    assert found / trials == pytest.approx(
        0.8, abs=0.07
    )  # 199 replicates cost a test about one part in a hundred


@pytest.mark.parametrize("epsilon", [None, "0.5", "4"])
def test_a_sample_size_is_the_least_that_reaches_the_power(epsilon):
    found = planning.proportions_sample_size(0.3, 0.2, epsilon=epsilon, power=0.9, ratio=2)
    assert found.n2 == 2 * found.n1
    assert (
        found.power
        >= 0.9
        > planning.proportions_power(0.3, 0.2, found.n1 - 1, 2 * found.n1 - 2, epsilon=epsilon)
    )
    means = planning.means_sample_size(140, 145, 22, bounds=BOUNDS, epsilon=epsilon)
    less = planning.means_power(140, 145, 22, means.n1 - 1, means.n2 - 1, bounds=BOUNDS, epsilon=epsilon)
    assert means.power >= 0.8 > less
    assert (means.n1 == means.without_noise) == (epsilon is None)


def test_more_epsilon_more_power_and_groups_below_the_noise_have_none():
    powers = [
        planning.proportions_power(0.2, 0.3, 400, 400, epsilon=each) for each in ("0.2", "1", "8", None)
    ]
    assert powers == sorted(powers)
    assert planning.proportions_power(0.2, 0.9, 10, 10, epsilon="0.1") == 0.0
    far = planning.means_power(70, 75, 22, 300, 300, bounds=BOUNDS, epsilon="1")
    assert far < planning.means_power(
        150, 155, 22, 300, 300, bounds=BOUNDS, epsilon="1"
    )  # noise on the count counts


@pytest.mark.parametrize(
    ("function", "arguments", "text"),
    [
        ("proportions_power", (0, 0.3, 20, 20), "p1 must lie between 0 and 1"),
        ("proportions_power", (0.2, 0.3, 0, 20), "n1 must lie"),
        ("proportions_sample_size", (0.2, 0.2), "p2 must differ"),
        ("proportions_sample_size", (0.2, 0.20000001), "cannot be reached"),
    ],
)
def test_bad_plans_are_refused(function, arguments, text):
    with pytest.raises(InvalidRequestError, match=text):
        getattr(planning, function)(*arguments)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"bounds": (240, 60)}, "must rise"),
        ({"bounds": (60, 100)}, "hold both means"),
        ({"epsilon": "much"}, "epsilon must be a number"),
        ({"power": 1.0}, "power must lie"),
        ({"sd": 0}, "sd must lie"),
    ],
)
def test_bad_plans_of_means_are_refused(change, text):
    arguments = {"mean1": 140, "mean2": 145, "sd": 22, "bounds": BOUNDS} | change
    with pytest.raises(InvalidRequestError, match=text):
        planning.means_sample_size(**arguments)


@pytest.mark.parametrize("known", KNOWN["multiplicity"])
@pytest.mark.parametrize("method", ["bonferroni", "holm", "fdr_bh", "fdr_by"])
def test_adjusted_pvalues_equal_statsmodels(known, method):
    reject, pvalues = planning.multipletests(known["pvalues"], 0.05, method)
    assert reject == known[method][0]
    assert pvalues == pytest.approx(known[method][1], rel=1e-12)


@given(st.lists(st.floats(0, 1), max_size=20), st.randoms())
def test_law_adjusted_pvalues_are_no_smaller_keep_their_order_and_follow_their_tests(pvalues, random):
    for method in ("bonferroni", "holm", "fdr_bh", "fdr_by"):
        _, found = planning.multipletests(pvalues, method=method)
        assert all(
            given <= after <= 1 or given > after - 1e-12 for given, after in zip(pvalues, found, strict=True)
        )
        order = list(range(len(pvalues)))
        random.shuffle(order)
        _, again = planning.multipletests([pvalues[place] for place in order], method=method)
        assert again == pytest.approx([found[place] for place in order])


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (([0.1], 0.05, "sidak"), "method must be one of"),
        (([0.1], 1.0, "holm"), "alpha must be"),
        (([0.1, 1.2], 0.05, "holm"), "pvals must be numbers"),
        (([float("nan")], 0.05, "holm"), "pvals must be numbers"),
        (([None], 0.05, "holm"), "pvals must be numbers"),
    ],
)
def test_what_is_no_pvalue_is_refused(arguments, text):
    with pytest.raises(InvalidRequestError, match=text):
        planning.multipletests(*arguments)

"""Questions by accuracy: tails against exact convolution, promises against simulation, the cheapest release."""

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analytics.accuracy.goal import Goal, rounded_up
from analytics.accuracy.search import _miss, accuracy, cheapest_plan, figures_of, reaches
from analytics.errors import InvalidRequestError
from analytics.plans.noise.mechanisms import worst_units
from analytics.plans.question import bind
from analytics.results.assemble import finish
from analytics.statistics.uncertainty.noise_law import NoiseLaw
from analytics.statistics.uncertainty.noise_tails import beyond, combined_beyond, normal_beyond
from privacy_accounting.events import Relation
from privacy_accounting.rdp import cost_units

MOST = Fraction(1000)
COUNT = "SELECT COUNT(*) AS n FROM visits"
RELATION = Relation.ADD_OR_REMOVE_ONE


def goal(within, confidence="0.95", n_rows=None):
    return Goal(within=Fraction(within), confidence=Fraction(confidence), n_rows=n_rows)


def found(world, sql, aim, most=MOST, **changes):
    return cheapest_plan(bind(sql, world.schema), world.context(**changes), aim, most=most)


# tails: the oracle adds up the sites' own discrete Gaussians by convolution


def mass(law):
    """Mass of all sites' noise and its steps, by convolution."""
    reach = math.ceil(14 * math.sqrt(law.sigma2_local))
    steps = np.arange(-reach, reach + 1)
    one = np.exp(-(steps.astype(float) ** 2) / (2 * law.sigma2_local))
    one, total = one / one.sum(), np.ones(1)
    for _ in range(law.n_sites):
        total = np.convolve(total, one)
    return np.arange(-(len(total) // 2), len(total) // 2 + 1), total


@pytest.mark.parametrize(
    "law",
    [NoiseLaw(n_sites=n, sigma2_local=s, weight=w) for n, s, w in ((3, 64, 1), (4, 81, 7), (2, 2500, 3))],
)
@pytest.mark.parametrize("times", ["0", "0.3", "1", "1.9599", "2", "3.3", "4.9"])
def test_the_tail_of_one_block_is_that_of_the_convolution(law, times):
    steps, masses = mass(law)
    limit = Fraction(times) * Fraction(law.sd)
    exact = float(masses[np.abs(steps) > float(limit * law.weight) + 1e-12].sum())
    assert beyond(law, limit) == pytest.approx(exact, rel=1e-7)


def test_the_tail_counts_noise_that_is_larger_and_none_that_is_equal():
    law = NoiseLaw(n_sites=3, sigma2_local=64, weight=2)
    assert beyond(law, Fraction(10)) == beyond(law, Fraction(10) + Fraction(49, 100))
    assert beyond(law, Fraction(10)) < beyond(law, Fraction(10) - Fraction(1, 10**9))


def test_the_tail_of_wide_noise_is_the_gaussian_one():
    law = NoiseLaw(n_sites=3, sigma2_local=10**10, weight=1)
    assert beyond(law, Fraction(2) * Fraction(law.sd)) == pytest.approx(2 * stats.norm.sf(2), rel=1e-4)
    assert beyond(law, Fraction(2) * Fraction(law.sd)) >= 2 * stats.norm.sf(2) * (1 - 1e-9)
    at = 4096**2  # where summing ends
    close = [NoiseLaw(n_sites=1, sigma2_local=at + more, weight=1) for more in (0, 20_000)]
    first, second = (beyond(each, Fraction(8192)) for each in close)
    assert first == pytest.approx(second, rel=1e-2)


@pytest.mark.parametrize("factor", [0.5, 3.0, 60.0])
@pytest.mark.parametrize("times", [0.5, 1.96, 3.0, 4.5])
def test_the_tail_of_two_blocks_is_a_bound_and_a_near_one(factor, times):
    one, two = NoiseLaw(n_sites=3, sigma2_local=64, weight=1), NoiseLaw(n_sites=3, sigma2_local=100, weight=5)
    limit = times * math.hypot(one.sd, factor * two.sd)
    (x, p), (y, q) = mass(one), mass(two)
    exact = sum(
        float(p[k] * q[np.abs(step + factor * y / two.weight) > limit].sum()) for k, step in enumerate(x)
    )
    assert exact <= combined_beyond([(1.0, one), (factor, two)], limit) <= exact * 1.35


# Laplace noise: the oracle adds up the sites' own shares, each the difference of two negative binomial variables

LAPLACE = [
    NoiseLaw(n_sites=n, sigma2_local=0, weight=1, scale=Fraction(b), shares=h)
    for n, h, b in ((3, 3, "4"), (4, 3, "9.5"), (4, 1, "2.25"), (5, 3, "0.3"))
]


def laplace_mass(law):
    reach = math.ceil(60 * float(law.scale)) + 60
    shape, stop = 1 / law.shares, -math.expm1(-1 / float(law.scale))
    one = stats.nbinom.pmf(np.arange(reach), shape, stop)
    share = np.convolve(one, one[::-1])
    total = np.ones(1)
    for _ in range(law.n_sites):
        total = np.convolve(total, share)
    return np.arange(-(len(total) // 2), len(total) // 2 + 1), total


@pytest.mark.parametrize("law", LAPLACE)
@pytest.mark.parametrize("times", ["0", "0.3", "1", "1.9599", "3.3", "9"])
def test_the_tail_of_laplace_noise_is_that_of_the_convolution(law, times):
    steps, masses = laplace_mass(law)
    limit = Fraction(times) * Fraction(law.sd)
    exact = float(masses[np.abs(steps) > float(limit) + 1e-12].sum())
    assert beyond(law, limit) == pytest.approx(exact, rel=1e-6, abs=1e-14)


def test_the_tail_of_laplace_noise_is_no_gaussian_one():
    law = LAPLACE[0]
    assert beyond(law, 3 * Fraction(law.sd)) > 4 * normal_beyond(3)
    assert beyond(law, Fraction(10**12)) < 1e-12


@pytest.mark.parametrize(("first", "second"), [(0, 1), (1, 2), (2, 3), (3, 0)])
@pytest.mark.parametrize("factor", [0.5, 7.0])
@pytest.mark.parametrize("times", [0.0, 0.5, 1.96, 3.0, 6.0])
def test_the_tail_of_two_blocks_of_laplace_noise_is_that_of_the_convolution(first, second, factor, times):
    one, two = LAPLACE[first], LAPLACE[second]
    limit = times * math.hypot(one.sd, factor * two.sd) + 0.25  # no value of the sum is exactly there
    (x, p), (y, q) = laplace_mass(one), laplace_mass(two)
    exact = sum(float(p[k] * q[np.abs(step + factor * y) > limit].sum()) for k, step in enumerate(x))
    bound = combined_beyond([(1.0, one), (factor, two)], limit)
    assert exact * (1 - 1e-6) <= bound <= exact * (1 + 1e-6) + 1e-12


def test_normal_tail():
    for width in (0.0, 1.0, 3.7):
        assert normal_beyond(width) == pytest.approx(2 * stats.norm.sf(width), rel=1e-12)


# promises, by simulation of the noise through the finishing code


def errors_of(world, sql, plan, truth, runs, seed=5):
    """Errors of every figure column over runs, shape (runs, groups, figures)."""
    generator = np.random.Generator(np.random.PCG64(seed))
    exact = finish(
        plan, [value * plan.blocks[place // plan.n_groups].weight for place, value in enumerate(truth)]
    )
    size = runs * plan.n_groups
    noise = [
        np.rint(plan.noise_law(number).draw(size, generator) * block.weight).astype(int).reshape(runs, -1)
        for number, block in enumerate(plan.blocks)
    ]
    rows = []
    for run in range(runs):
        opened = [
            value * block.weight + int(noise[number][run, group])
            for number, block in enumerate(plan.blocks)
            for group, value in enumerate(truth[number * plan.n_groups : (number + 1) * plan.n_groups])
        ]
        rows.append(finish(plan, opened).rows)
    figures = list(figures_of(plan))
    answers = np.array([[[row[place] for place in figures] for row in each] for each in rows], dtype=float)
    return answers - np.array([[row[place] for place in figures] for row in exact.rows], dtype=float)


def misses(errors, within):
    return int(np.sum(np.abs(errors) > float(within) * (1 + 1e-12))), errors.size


@pytest.mark.parametrize("confidence", ["0.5", "0.95", "0.99"])
@pytest.mark.parametrize(
    ("sql", "within", "n_rows", "truth"),
    [
        (COUNT, "7", None, [500]),
        (COUNT, "0.4", None, [500]),
        ("SELECT SUM(x) AS s FROM visits WHERE b", "40", None, [-100]),
        ("SELECT SUM(y) AS s, AVG(y) AS m FROM visits", "30", 300, [400, 500]),
        ("SELECT AVG(y) AS m FROM visits", "0.25", 400, [400, 2000]),  # the mean at its bound: 9 = 4 + 5
        ("SELECT AVG(y) AS m FROM visits", "1", 60, [60, -240]),
        ("SELECT AVG(b) AS share FROM visits", "0.05", 200, [200, 60]),
    ],
)
def test_a_promise_is_kept_with_at_least_the_confidence(world, sql, within, n_rows, truth, confidence):
    plan = found(world, sql, goal(within, confidence, n_rows))
    missed, runs = misses(errors_of(world, sql, plan, truth, 1500), within)
    doubt = float(1 - Fraction(confidence))
    assert stats.binomtest(missed, runs, doubt, alternative="greater").pvalue > 1e-6


@pytest.mark.parametrize(
    ("sql", "within", "n_rows", "truth", "confidence"),
    [
        (COUNT, "7", None, [500], "0.5"),
        (COUNT, "2.7", None, [501], "0.95"),
        ("SELECT SUM(x) AS s FROM visits WHERE b", "40", None, [-100], "0.99"),
        ("SELECT AVG(y) AS m FROM visits", "0.25", 400, [400, 2000], "0.95"),
    ],
)
def test_a_promise_is_kept_under_laplace_noise(world, sql, within, n_rows, truth, confidence):
    aim = goal(within, confidence, n_rows)
    plan = cheapest_plan(bind(sql, world.schema), world.context(), aim, most=MOST, mechanism="laplace")
    assert plan.noise_name == "laplace"
    missed, runs = misses(errors_of(world, sql, plan, truth, 1500), within)
    doubt = float(1 - Fraction(confidence))
    assert stats.binomtest(missed, runs, doubt, alternative="greater").pvalue > 1e-6


def test_laplace_noise_reaches_a_count_at_a_smaller_epsilon(world):
    bound, context = bind(COUNT, world.schema), world.context()
    ours = cheapest_plan(bound, context, goal("7"), most=MOST, mechanism="laplace")
    assert ours.epsilon < cheapest_plan(bound, context, goal("7"), most=MOST).epsilon / 2


@pytest.mark.parametrize(("within", "expected"), [("40", "gaussian"), ("2", "laplace")])
def test_auto_takes_the_noise_of_the_smaller_charge_and_keeps_the_promise(world, within, expected):
    bound, context, aim = bind(COUNT, world.schema), world.context(order=Fraction(13)), goal(within)
    both = {
        name: cheapest_plan(bound, context, aim, most=MOST, mechanism=name)
        for name in ("gaussian", "laplace")
    }
    chosen = cheapest_plan(bound, context, aim, most=MOST, mechanism="auto")
    charges = {name: cost_units(plan.cost, context.order, RELATION) for name, plan in both.items()}
    assert (chosen.mechanism, chosen.noise_name) == (expected, expected)
    assert chosen.epsilon == both[expected].epsilon
    assert reaches(chosen, aim)
    assert cost_units(chosen.cost, context.order, RELATION) <= charges["gaussian"]
    if expected == "laplace":
        assert worst_units(chosen.cost, context.order, RELATION) <= 3 * charges["laplace"]


def test_auto_needs_the_order_at_which_charges_are_compared(world):
    bound = bind(COUNT, world.schema)
    with pytest.raises(InvalidRequestError, match="order of a sub-budget"):
        cheapest_plan(bound, world.context(order=None), goal("7"), most=MOST, mechanism="auto")


def test_a_figure_halfway_between_two_whole_numbers_counts_as_a_miss(world):
    """Halves are rounded to either side, so noise of half a step more than the distance is not within it."""
    plan = found(world, COUNT, goal("3"))
    weight = plan.blocks[0].weight
    laws = [replace(plan.blocks[0], weight=2 * weight), plan.blocks[0]]
    for block in laws:
        law = block.law(n_sites=plan.context.n_sites, honest=plan.context.honest)
        just = replace(plan, blocks=(block,))
        limit = (7 * block.weight - 1) // 2  # the last step below three and a half
        assert _miss(just, 0, goal("3").aim) == beyond(law, Fraction(limit, block.weight))
        assert _miss(just, 0, goal("3.9").aim) == _miss(just, 0, goal("3").aim)


def test_the_check_of_promises_has_power_and_the_promise_is_not_much_too_careful(world):
    plan = found(world, COUNT, goal("7"))
    worse = world.plan(COUNT, "private", plan.epsilon * Fraction(3, 4))
    missed, runs = misses(errors_of(world, COUNT, worse, [500], 1500), "7")
    assert stats.binomtest(missed, runs, 0.05, alternative="greater").pvalue < 1e-6
    missed, runs = misses(errors_of(world, COUNT, plan, [500], 4000), "7")
    assert stats.binomtest(missed, runs, 0.05).pvalue > 1e-6


def test_a_mean_over_fewer_rows_than_stated_may_miss(world):
    sql = "SELECT AVG(y) AS m FROM visits"
    plan = found(world, sql, goal("0.5", n_rows=400))
    missed, runs = misses(errors_of(world, sql, plan, [20, 0], 1500), "0.5")
    assert missed > runs * 0.2


# the search


@pytest.mark.parametrize("sql", [COUNT, "SELECT k, COUNT(*) AS n, SUM(x) AS s FROM visits GROUP BY k"])
@pytest.mark.parametrize("within", ["0.6", "3", "20", "777", "123456"])
def test_the_cheapest_release_reaches_it_and_the_next_smaller_epsilon_does_not(world, sql, within):
    aim = goal(within)
    plan = found(world, sql, aim)
    assert reaches(plan, aim)
    digits = Fraction(10) ** (math.floor(math.log10(plan.epsilon)) - 3)
    assert not reaches(world.plan(sql, "private", plan.epsilon - digits), aim)


@settings(max_examples=12)
@given(st.integers(3, 10**6), st.sampled_from(["0.5", "0.9", "0.999"]))
def test_law_accuracy_is_the_inverse_of_the_search(world, tenths, confidence):
    within = Fraction(tenths, 10)
    plan = found(world, COUNT, goal(within, confidence))
    reached = accuracy(plan, 0, confidence=Fraction(confidence))
    if reached == 0:
        assert within < 1
        return
    assert reached <= rounded_up(float(within)) * (1 + Fraction(1, 10**9))
    assert reaches(plan, goal(reached, confidence))


def test_more_confidence_or_less_distance_costs_more(world):
    cheap, near, sure = (
        found(world, COUNT, each).epsilon for each in (goal("20"), goal("10"), goal("20", "0.999"))
    )
    assert cheap < near
    assert cheap < sure


def test_one_question_promises_each_of_its_figures(world):
    both = "SELECT COUNT(*) AS n, SUM(y) AS s FROM visits"
    plan = found(world, both, goal("50"))
    assert (
        accuracy(plan, 0, confidence=Fraction("0.95")) < accuracy(plan, 1, confidence=Fraction("0.95")) <= 50
    )


@pytest.mark.parametrize(
    ("sql", "parameter", "words"),
    [
        ("SELECT AVG(x) AS m FROM visits", "expected_units", "how many rows"),
        ("SELECT VAR_SAMP(x) AS v FROM visits", "within", "counts, sums and means"),
        ("SELECT STDDEV_POP(x) AS v FROM visits", "within", "counts, sums and means"),
        ("SELECT COUNT(*) AS n, STDDEV_POP(x) AS v FROM visits", "within", "counts, sums and means"),
    ],
)
def test_what_cannot_be_promised_is_refused_with_the_reason(world, sql, parameter, words):
    with pytest.raises(InvalidRequestError, match=words) as caught:
        found(world, sql, goal("20"))
    assert caught.value.parameter == parameter


def test_what_is_out_of_reach_is_refused_with_what_is_reached(world):
    sql = "SELECT AVG(y) AS m FROM visits"
    with pytest.raises(
        InvalidRequestError,
        match=r"0\.000001 is not reached.*1000, the largest that is tried, gives m ± ([\d.]+)",
    ) as caught:
        found(world, sql, goal("0.000001", n_rows=20))
    reached = str(caught.value).rsplit("± ", 1)[1]
    assert found(world, sql, goal(reached, n_rows=20)).epsilon <= MOST
    with pytest.raises(InvalidRequestError, match="is not reached"):
        found(world, sql, goal(Fraction(reached) * Fraction(9, 10), n_rows=20))


def test_a_count_is_reached_as_it_is_where_rounding_takes_its_noise_away(world):
    plan = found(world, COUNT, goal("0.001"))
    assert accuracy(plan, 0, confidence=Fraction("0.95")) == 0
    missed, runs = misses(errors_of(world, COUNT, plan, [500], 3000), "0.001")
    assert stats.binomtest(missed, runs, 0.05, alternative="greater").pvalue > 1e-6
    assert missed > 0


@pytest.mark.parametrize(
    ("terms", "parameter"),
    [
        ({"within": 0}, "within"),
        ({"within": -1}, "within"),
        ({"confidence": 0}, "confidence"),
        ({"confidence": 1}, "confidence"),
        ({"confidence": 95}, "confidence"),
        ({"n_rows": 0}, "expected_units"),
    ],
)
def test_a_goal_out_of_range_is_refused(terms, parameter):
    with pytest.raises(InvalidRequestError) as caught:
        Goal(**({"within": Fraction(1), "confidence": Fraction("0.95")} | terms))
    assert caught.value.parameter == parameter


def test_the_promise_holds_for_counts_that_are_shown_rounded(world):
    """A count that is rounded to the next whole number misses no more often."""
    for within in ("0.4", "0.7", "1.4", "7"):
        plan = found(world, COUNT, goal(within))
        errors = np.rint(errors_of(world, COUNT, plan, [500], 1500))
        missed, runs = misses(errors, within)
        assert stats.binomtest(missed, runs, 0.05, alternative="greater").pvalue > 1e-6


@given(st.floats(1e-9, 1e12))
def test_law_rounding_up_keeps_three_digits_and_is_not_below(value):
    up = rounded_up(value)
    assert Fraction(value) <= up <= Fraction(value) * Fraction(1011, 1000)
    assert len(str(int(up / Fraction(10) ** (math.floor(math.log10(value)) - 2)))) in {3, 4}


def test_a_plan_without_a_figure_is_refused(world):
    plan = world.plan(COUNT, "private")
    with pytest.raises(InvalidRequestError, match="needs a figure"):
        figures_of(replace(plan, columns=()))

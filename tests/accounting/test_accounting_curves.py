"""Rényi curves equal independent oracles: 30-digit sums and integrals, and exact enumeration."""

import itertools
import json
import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from privacy_accounting import events as ev
from privacy_accounting.errors import InvalidCostError
from privacy_accounting.events import Relation, event_from_dict
from privacy_accounting.rdp import (
    INFINITE_UNITS,
    ORDERS,
    at_order,
    cost_units,
    curve,
    own_delta,
    pure_epsilon,
    pure_units,
)
from privacy_accounting.rdp import epsilon as epsilon_of

ORACLES = Path(__file__).parent.parent / "oracles" / "accounting"
RENYI = json.loads((ORACLES / "renyi_numbers.json").read_text())["rows"]
DP = json.loads((ORACLES / "dp_accounting_numbers.json").read_text())["rows"]
ADD = Relation.ADD_OR_REMOVE_ONE


def label(row):
    event = row["event"]
    return f"{event['mechanism']}-{'-'.join(str(v) for k, v in event.items() if k != 'mechanism')}-{row['relation']}"


def grouped():
    groups = {}
    for row in RENYI:
        groups.setdefault(label(row), []).append(row)
    return groups


GROUPS = grouped()


@pytest.mark.parametrize("name", GROUPS)
def test_never_below_the_truth_and_within_1e_9_of_it_where_the_curve_is_exact(name):
    for row in GROUPS[name]:
        event, relation = event_from_dict(row["event"]), Relation(row["relation"])
        found, true = at_order(event, Fraction(row["order"]), relation), Fraction(row["value"])
        slack = Fraction(1, 10**25)  # the oracle itself has 30 digits
        assert Fraction(found) >= true * (1 - slack), (row["order"], found, float(true))
        if row["kind"] != "below":
            assert Fraction(found) <= true * (1 + Fraction(1, 10**9)), (row["order"], found, float(true))
            units = cost_units([event], Fraction(row["order"]), relation)
            quantum = Fraction(found) * 2**40
            assert quantum <= units < quantum + 1 if quantum < INFINITE_UNITS else units == INFINITE_UNITS


@pytest.mark.parametrize("place", range(len(DP)))
def test_epsilon_lies_between_loss_distributions_and_dp_accounting_plus_1_percent(place):
    row = DP[place]
    events = [event_from_dict(event) for event in row["events"]]
    found = epsilon_of(events, Fraction(row["delta"]), Relation(row["relation"])).epsilon
    if row["pld"] is not None:
        assert found >= row["pld"] * (1 - 1e-4) - 1e-9  # a loss distribution is itself discretised upward
    if row["rdp"] is not None:
        assert found <= row["rdp"] * 1.01 + 1e-12


def exact_gaussian_epsilon(sigma, delta):
    """Balle and Wang 2018, Theorem 8, by bisection on epsilon: shares nothing with the accountant."""

    def of(epsilon):
        def normal(x):
            return math.erfc(-x / math.sqrt(2)) / 2

        a, b = 1 / (2 * sigma) - epsilon * sigma, -1 / (2 * sigma) - epsilon * sigma
        # for large arguments exp(epsilon) * normal(b) through its logarithm
        tail = math.exp(epsilon + math.log(normal(b))) if normal(b) > 0 else 0.0
        return normal(a) - tail

    low, high = 0.0, 200.0
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if of(middle) > delta else (low, middle)
    return high


@pytest.mark.parametrize(
    ("sigma", "above"),
    [(0.8, 1.10), (1, 1.10), (3, 1.10), (10, 1.10), (30, 1.2), (100, 1.2), (1000, 1.2), (5000, 1.2)],
)
def test_one_gaussian_release_costs_little_more_than_the_exact_epsilon(sigma, above):
    event = ev.Gaussian(noise_multiplier=Fraction(str(sigma)))
    found = epsilon_of([event], Fraction(1, 10**6), ADD).epsilon
    exact = exact_gaussian_epsilon(sigma, 1e-6)
    assert exact <= found <= exact * above, (found, exact, found / exact)


# -- exact enumeration of what has a bound only -------------------------------------------------------------------------


def renyi(p, q, order):
    terms = [
        order * math.log(x) + (1 - order) * math.log(y) for x, y in zip(p, q, strict=True) if x > 0 and y > 0
    ]
    top = max(terms)
    return (top + math.log(math.fsum(math.exp(term - top) for term in terms))) / (order - 1)


@pytest.mark.parametrize("scale", ["0.3", "1", "4"])
def test_exponential_mechanism_is_within_its_bound_on_small_score_vectors(scale):
    epsilon = Fraction(scale)
    event = ev.Exponential(epsilon=epsilon)
    for scores in itertools.product((0, 1, 2), repeat=3):
        for moves in itertools.product((-1, 0, 1), repeat=3):
            p = np.exp(float(epsilon) * np.array(scores) / 2)
            q = np.exp(float(epsilon) * (np.array(scores) + np.array(moves)) / 2)
            p, q = p / p.sum(), q / q.sum()
            for order in (Fraction("1.1"), Fraction(2), Fraction(8), Fraction(64)):
                assert renyi(p, q, float(order)) <= at_order(event, order, ADD) * (1 + 1e-12) + 1e-15


def top_two(scores, epsilon):
    """Distribution of the ordered pair that two exponential mechanisms choose, each on what is left."""
    weights = np.exp(epsilon * np.array(scores) / 2)
    result = []
    for first, second in itertools.permutations(range(len(scores)), 2):
        result.append(weights[first] / weights.sum() * weights[second] / (weights.sum() - weights[first]))
    return result


def test_top_k_is_within_its_bound():
    event = ev.TopK(epsilon=Fraction(1), k=2)
    for moves in itertools.product((-1, 0, 1), repeat=4):
        p, q = top_two((3, 2, 2, 0), 1.0), top_two(np.array((3, 2, 2, 0)) + moves, 1.0)
        for order in (Fraction("1.5"), Fraction(4), Fraction(32)):
            assert renyi(p, q, float(order)) <= at_order(event, order, ADD) * (1 + 1e-12)


@pytest.mark.parametrize("rate", ["0.01", "0.3", "0.9"])
@pytest.mark.parametrize(
    "inner", [ev.DiscreteLaplace(a=Fraction(1), sensitivity=1), ev.Pure(epsilon=Fraction(1))]
)
def test_a_poisson_sample_of_a_mechanism_is_within_its_bound(rate, inner):
    q = float(Fraction(rate))
    reach = np.arange(-60, 61)
    without = np.tanh(0.5) * np.exp(-np.abs(reach))
    with_unit = np.tanh(0.5) * np.exp(-np.abs(reach - 1))
    if isinstance(inner, ev.Pure):
        without, with_unit = (
            np.array([0.731058578630, 0.26894142137]),
            np.array([0.26894142137, 0.731058578630]),
        )
    mixed = (1 - q) * without + q * with_unit
    event = ev.Poisson(sampling_rate=Fraction(rate), inner=inner)
    for order in (2, 3, 8, 30):
        bound = at_order(event, Fraction(order), ADD)
        true = max(renyi(mixed, without, order), renyi(without, mixed, order))
        assert true <= bound * (1 + 1e-9) + 1e-12
        assert bound <= at_order(inner, Fraction(order), ADD)


def test_both_forms_of_a_poisson_sampled_gaussian_have_the_exact_curve():
    plain = ev.PoissonGaussian(sampling_rate=Fraction(1, 100), noise_multiplier=Fraction(2))
    nested = ev.Poisson(sampling_rate=Fraction(1, 100), inner=ev.Gaussian(noise_multiplier=Fraction(2)))
    assert np.array_equal(curve(plain, ADD), curve(nested, ADD))


def selected(p, numbers):
    """Distribution of the best of a random number of runs of one mechanism with outcomes ranked by their index."""
    below = np.cumsum(p)
    return sum(weight * (below**n - (below - p) ** n) for n, weight in numbers.items())


@pytest.mark.parametrize("mean", [2, 5])
def test_repeat_and_select_with_a_geometric_number_of_runs_is_within_its_bound(mean):
    inner = ev.DiscreteLaplace(a=Fraction(1, 2), sensitivity=1)
    reach = np.arange(-40, 41)
    p, q = (np.tanh(0.25) * np.exp(-np.abs(reach - shift) / 2) for shift in (0, 1))
    numbers = {n: (1 - 1 / mean) ** (n - 1) / mean for n in range(1, 400)}
    event = ev.RepeatAndSelect(inner=inner, mean=Fraction(mean), shape=Fraction(1))
    a, b = selected(p, numbers), selected(q, numbers)
    for order in (Fraction("1.5"), Fraction(2), Fraction(8)):
        bound = at_order(event, order, ADD)
        assert renyi(a, b, float(order)) <= bound
        assert renyi(b, a, float(order)) <= bound


@pytest.mark.parametrize("shape", ["0", "infinity"])
@pytest.mark.parametrize("gamma", [0.5, 0.1])
def test_repeat_and_select_with_other_numbers_of_runs_is_within_its_bound(shape, gamma):
    inner = ev.DiscreteLaplace(a=Fraction(1, 2), sensitivity=1)
    reach = np.arange(-40, 41)
    p, q = (np.tanh(0.25) * np.exp(-np.abs(reach - shift) / 2) for shift in (0, 1))
    if shape == "0":  # logarithmic distribution
        numbers = {n: (1 - gamma) ** n / n / -math.log(gamma) for n in range(1, 600)}
        mean = Fraction((1 / gamma - 1) / -math.log(gamma))
        event = ev.RepeatAndSelect(inner=inner, mean=mean, shape=Fraction(0))
        a, b = selected(p, numbers), selected(q, numbers)
    else:  # Poisson; nothing is released when there is no run
        mean = round(1 / gamma)
        numbers = {n: math.exp(-mean + n * math.log(mean) - math.lgamma(n + 1)) for n in range(1, 200)}
        event = ev.RepeatAndSelect(inner=inner, mean=Fraction(mean), shape=None)
        a, b = (np.append(selected(each, numbers), math.exp(-mean)) for each in (p, q))
    for order in (Fraction("1.5"), Fraction(2), Fraction(8)):
        bound = at_order(event, order, ADD)
        assert renyi(a, b, float(order)) <= bound
        assert renyi(b, a, float(order)) <= bound


# -- a tree, by what one unit touches -----------------------------------------------------------------------------------


@pytest.mark.parametrize("leaves", [1, 2, 3, 7, 8, 100])
def test_a_tree_costs_one_gaussian_for_each_complete_block_over_a_leaf(leaves):
    touched = [0] * leaves
    size = 1
    while size <= leaves:
        for block in range(leaves // size):
            for leaf in range(block * size, (block + 1) * size):
                touched[leaf] += 1
        size *= 2
    event = ev.Tree(noise_multiplier=Fraction(3), step_counts=(leaves,))
    whole = ev.Gaussian(noise_multiplier=Fraction(3), count=max(touched))
    special = Relation.REPLACE_SPECIAL
    assert at_order(event, Fraction(4), special) == pytest.approx(
        at_order(whole, Fraction(4), special), rel=1e-11
    )


# -- thresholds ----------------------------------------------------------------------------------------------------------


def test_a_threshold_release_is_private_at_its_epsilon_and_whole_delta():
    """Exact enumeration: one known key, one that only the unit has; noise is a discrete Gaussian."""
    sigma2, threshold = 4, 12
    reach = np.arange(-60, 61)
    mass = np.exp(-(reach**2) / (2 * sigma2))
    mass /= mass.sum()

    def shown(count):  # what is seen of a key: nothing below the threshold
        p = np.zeros(len(reach) + 1)
        for noise, weight in zip(reach, mass, strict=True):
            value = count + noise
            p[0 if value < threshold else 1 + (value - threshold)] += weight
        return p

    passing = shown(1)[1:].sum()
    without, with_unit = shown(15), shown(16)
    # the second key: absent, or present with one unit
    p = np.outer(without, [1.0, 0.0]).ravel()
    q = np.outer(with_unit, [1 - passing, passing]).ravel()
    delta = Fraction(passing) * (1 + Fraction(1, 10**9))
    event = ev.Threshold(
        inner=ev.DiscreteGaussian(sigma2=Fraction(sigma2), l2_sensitivity=Fraction(1)), delta=delta
    )
    target = Fraction(1, 1000) + own_delta(event)
    epsilon = epsilon_of([event], target, ADD).epsilon
    for one, other in ((p, q), (q, p)):
        assert np.maximum(one - math.exp(epsilon) * other, 0).sum() <= float(target)
    # the event is worth more than its inner one: the own delta is really taken off
    assert epsilon > epsilon_of([event.inner], target, ADD).epsilon


def test_a_threshold_that_needs_more_than_delta_has_no_epsilon():
    event = ev.Threshold(inner=ev.Gaussian(noise_multiplier=Fraction(1)), delta=Fraction(1, 10**7), count=10)
    assert own_delta(event) == Fraction(1, 10**6)
    assert epsilon_of([event], Fraction(1, 10**6), ADD).epsilon == math.inf
    assert epsilon_of([event], Fraction(2, 10**6), ADD).epsilon < math.inf


@pytest.mark.parametrize(
    "outer",
    [
        lambda inner: ev.Poisson(sampling_rate=Fraction(1, 2), inner=inner),
        lambda inner: ev.RepeatAndSelect(inner=inner, mean=Fraction(2), shape=Fraction(1)),
    ],
    ids=["sampling", "selecting"],
)
def test_nothing_is_claimed_about_sampling_or_selecting_a_threshold(outer):
    event = outer(ev.Threshold(inner=ev.Gaussian(noise_multiplier=Fraction(1)), delta=Fraction(1, 10**7)))
    with pytest.raises(InvalidCostError):
        curve(event, ADD)


# -- relations -----------------------------------------------------------------------------------------------------------


def test_replacing_a_unit_doubles_every_sensitivity():
    half = {
        ev.Gaussian: (ev.Gaussian(noise_multiplier=Fraction(2)), ev.Gaussian(noise_multiplier=Fraction(1))),
        ev.Laplace: (
            ev.Laplace(scale_over_l1_sensitivity=Fraction(2)),
            ev.Laplace(scale_over_l1_sensitivity=Fraction(1)),
        ),
        ev.DiscreteLaplace: (
            ev.DiscreteLaplace(a=Fraction(1, 3), sensitivity=1),
            ev.DiscreteLaplace(a=Fraction(1, 3), sensitivity=2),
        ),
        ev.Skellam: (
            ev.Skellam(variance=Fraction(50), l1=Fraction(2), l2=Fraction(1)),
            ev.Skellam(variance=Fraction(50), l1=Fraction(4), l2=Fraction(2)),
        ),
    }
    for plain, doubled in half.values():
        assert np.allclose(curve(plain, Relation.REPLACE_ONE), curve(doubled, ADD), rtol=1e-12)


@pytest.mark.parametrize(
    ("event", "relation"),
    [
        (ev.Tree(noise_multiplier=Fraction(1), step_counts=(4,)), ADD),
        (ev.WithoutReplacementGaussian(population=10, sample=2, noise_multiplier=Fraction(1)), ADD),
        (ev.RandomizedResponse(p=Fraction(1, 2), k=2), ADD),
        (
            ev.PoissonGaussian(sampling_rate=Fraction(1, 2), noise_multiplier=Fraction(1)),
            Relation.REPLACE_ONE,
        ),
    ],
)
def test_no_price_under_a_relation_that_the_proof_does_not_cover(event, relation):
    for call in (curve, pure_epsilon):
        with pytest.raises(InvalidCostError, match="only"):
            call(event, relation)


# -- laws ----------------------------------------------------------------------------------------------------------------

SAMPLE = [event_from_dict(rows[0]["event"]) for rows in GROUPS.values() if rows[0]["relation"] == ADD]


@pytest.mark.parametrize("event", SAMPLE, ids=[f"{n}-{event.mechanism}" for n, event in enumerate(SAMPLE)])
def test_law_a_curve_rises_with_the_order_and_reaches_2_to_the_20(event):
    values = curve(event, ADD)
    assert ORDERS[-1] == 2**20
    assert np.all(np.diff(values) >= -1e-9 * np.abs(values[:-1]))
    assert np.all(values >= 0)
    assert not values.flags.writeable


def test_law_composition_commutes_and_never_costs_less():
    order = Fraction(8)
    for first, second in itertools.pairwise(SAMPLE):
        assert cost_units([first, second], order, ADD) == cost_units([second, first], order, ADD)
        assert cost_units([first, second], order, ADD) >= cost_units([first], order, ADD)
        assert pure_units([first, second], ADD) == pure_units([second, first], ADD)


def test_small_pure_releases_never_cost_more_than_their_pure_epsilon():
    event = ev.Laplace(scale_over_l1_sensitivity=Fraction(2))
    found = epsilon_of([event], Fraction(1, 10**6), ADD).epsilon
    exact = 0.5 + 2 * math.log1p(-1e-6)  # delta of two Laplace distributions: 1 - exp((epsilon - 1/b) / 2)
    assert exact <= found <= 0.5
    sure = epsilon_of([event], Fraction(0), ADD)
    assert (sure.epsilon, sure.order) == (0.5, None)

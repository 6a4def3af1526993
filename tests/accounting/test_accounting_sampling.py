"""The price of a sampled mechanism depends on its output for units outside the sample; checked by exact enumeration."""

import math
import time
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from privacy_accounting import events as ev
from privacy_accounting.events import Relation
from privacy_accounting.rdp import at_order, curve, epsilon, pure_epsilon

ADD, SPECIAL = Relation.ADD_OR_REMOVE_ONE, Relation.REPLACE_SPECIAL
ORDERS = ("1.1", "2", "3", "8", "30", "300")


def renyi(p, q, order):
    kept = p > 0
    terms = order * np.log(p[kept]) + (1 - order) * np.log(q[kept])
    return float(np.logaddexp.reduce(terms)) / (order - 1)


def mixed(rate, absent, present):
    """Distribution of a mechanism on a Poisson sample: outcomes without the unit, then outcomes with it."""
    return np.concatenate([(1 - rate) * absent, rate * present])


@pytest.mark.parametrize("rate", ["0.001", "0.3", "0.9"])
@pytest.mark.parametrize(("p", "k"), [("0.5", 2), ("0.1", 4)])
def test_a_sampled_randomized_response_shows_whether_a_report_was_made(rate, p, k):
    """Attack: price it as if the special unit's uniform report were no report at all (by q squared, not q)."""
    q, away = float(Fraction(rate)), float(Fraction(p))
    own = np.full(k, away / k)
    own[0] += 1 - away
    truth, special = mixed(q, np.ones(1), own), mixed(q, np.ones(1), np.full(k, 1 / k))
    inner = ev.RandomizedResponse(p=Fraction(p), k=k)
    event = ev.Poisson(sampling_rate=Fraction(rate), inner=inner)
    for order in ORDERS:
        bound = at_order(event, Fraction(order), SPECIAL)
        true = max(renyi(truth, special, float(order)), renyi(special, truth, float(order)))
        assert true <= bound * (1 + 1e-12)
        assert bound <= true * (1 + 1e-9)
    assert max(np.log(truth / special)) <= pure_epsilon(event, SPECIAL)


@pytest.mark.parametrize(
    "inner",
    [
        ev.Pure(epsilon=Fraction(1)),
        ev.Exponential(epsilon=Fraction(1)),
        ev.TopK(epsilon=Fraction(1), k=1),
        ev.RepeatAndSelect(inner=ev.Pure(epsilon=Fraction(1)), mean=Fraction(1), shape=Fraction(1)),
        ev.Poisson(sampling_rate=Fraction(1), inner=ev.Pure(epsilon=Fraction(1))),
    ],
    ids=lambda inner: inner.mechanism,
)
def test_a_stated_guarantee_says_nothing_about_a_unit_outside_the_sample(inner):
    """Attack: a mechanism that answers in other words when the unit was not sampled; one choice of two else."""
    range_of_loss = 1.0 if isinstance(inner, ev.Pure | ev.RepeatAndSelect | ev.Poisson) else 0.5
    top = math.exp(range_of_loss) / (1 + math.exp(range_of_loss))
    present, special = np.array([top, 1 - top]), np.array([1 - top, top])
    event = ev.Poisson(sampling_rate=Fraction(1, 10), inner=inner)
    one, other = mixed(0.1, np.ones(1), present), mixed(0.1, np.ones(1), special)
    for order in ORDERS:
        assert renyi(one, other, float(order)) <= at_order(event, Fraction(order), SPECIAL) * (1 + 1e-12)
        assert at_order(event, Fraction(order), SPECIAL) <= at_order(inner, Fraction(order), SPECIAL)
    assert pure_epsilon(event, SPECIAL) == pure_epsilon(inner, SPECIAL)


def test_a_sampled_sum_costs_the_same_under_both_relations():
    for inner in (ev.Laplace(scale_over_l1_sensitivity=Fraction(2)), ev.DiscreteLaplace(a=1, sensitivity=1)):
        event = ev.Poisson(sampling_rate=Fraction(1, 100), inner=inner)
        assert np.array_equal(curve(event, ADD), curve(event, SPECIAL))
        assert pure_epsilon(event, ADD) == pure_epsilon(event, SPECIAL) < pure_epsilon(inner, ADD)


@pytest.mark.parametrize("scale", ["0.0001", "0.01", "0.2"])
@pytest.mark.parametrize("rate", ["0.000001", "0.5", "0.999999"])
def test_sampling_a_very_costly_mechanism_neither_overflows_nor_costs_more(scale, rate):
    inner = ev.Laplace(scale_over_l1_sensitivity=Fraction(scale))
    values = curve(ev.Poisson(sampling_rate=Fraction(rate), inner=inner), ADD)
    whole = curve(inner, ADD)
    assert np.all(np.isfinite(values))
    assert np.all(values <= whole)
    assert np.all(np.diff(values) >= -1e-9 * values[:-1])


def test_a_sample_of_a_free_event_is_free():
    for inner in (ev.Pure(epsilon=0), ev.ZCDP(rho=0, xi=0), ev.Exponential(epsilon=0)):
        for relation in (ADD, SPECIAL):
            event = ev.Poisson(sampling_rate=Fraction(1, 2), inner=inner)
            assert not curve(event, relation).any()
            assert epsilon([event], Fraction(1, 10**6), relation).epsilon == 0


def test_a_sample_of_a_sample_is_a_smaller_sample():
    gaussian, laplace = ev.Gaussian(noise_multiplier=2, count=3), ev.Laplace(scale_over_l1_sensitivity=1)
    half, third = Fraction(1, 2), Fraction(1, 10)
    for inner in (gaussian, laplace):
        nested = ev.Poisson(sampling_rate=half, inner=ev.Poisson(sampling_rate=third, inner=inner))
        flat = ev.Poisson(sampling_rate=half * third, inner=inner)
        assert np.allclose(curve(nested, ADD), curve(flat, ADD), rtol=1e-12, atol=0)
    sampled = ev.PoissonGaussian(sampling_rate=third, noise_multiplier=2)
    nested = ev.Poisson(sampling_rate=half, inner=sampled)
    flat = ev.PoissonGaussian(sampling_rate=half * third, noise_multiplier=2)
    assert np.array_equal(curve(nested, ADD), curve(flat, ADD))


def test_two_samples_of_one_sample_are_not_merged():
    """A unit outside the outer sample is in neither of the inner ones: they are not independent."""
    twice = ev.PoissonGaussian(sampling_rate=Fraction(1, 10), noise_multiplier=2, count=2)
    nested = ev.Poisson(sampling_rate=Fraction(1, 2), inner=twice)
    merged = ev.PoissonGaussian(sampling_rate=Fraction(1, 20), noise_multiplier=2, count=2)
    for order in (Fraction("1.5"), Fraction(2), Fraction(8)):
        found = at_order(nested, order, ADD)
        assert at_order(merged, order, ADD) < found < at_order(twice, order, ADD)


@pytest.mark.parametrize("shape", [None, Fraction(0), Fraction(1)])
def test_selection_draws_on_all_orders_wherever_it_stands(shape):
    """Inside a sample or a threshold, and at an order that is not of the grid, it costs as much as alone."""
    select = ev.RepeatAndSelect(inner=ev.Gaussian(noise_multiplier=3), mean=Fraction(10), shape=shape)
    inside = ev.Poisson(sampling_rate=Fraction(1), inner=select)
    wrapped = ev.Threshold(inner=select, delta=Fraction(1, 10**9))
    for order in (Fraction(8), Fraction(797, 100)):
        own = at_order(select, order, ADD)
        assert at_order(inside, order, ADD) == pytest.approx(own, rel=1e-11)
        assert at_order(wrapped, order, ADD) == pytest.approx(own + 1e-9, rel=1e-9)


def test_poisson_selection_of_a_pure_mechanism_needs_no_delta_at_low_orders():
    """At epsilon 0.2, one run never exceeds log(1 + 1/(a-1)) for a <= 5: at most log(mean) / (a - 1) is added."""
    inner = ev.Laplace(scale_over_l1_sensitivity=5)
    event = ev.RepeatAndSelect(inner=inner, mean=Fraction(100), shape=None)
    without_delta = at_order(inner, Fraction(5), ADD) + math.log(100) / 4
    assert at_order(inner, Fraction(5), ADD) < at_order(event, Fraction(5), ADD) <= without_delta * (1 + 1e-9)


@pytest.mark.parametrize("rate", ["0.01", "0.5", "0.99"])
@pytest.mark.parametrize(
    "inner",
    [
        ev.Skellam(variance=133_799, l1=Fraction("19.5"), l2=Fraction("19.5")),
        ev.Exponential(epsilon=5674),
        ev.DiscreteLaplace(a=Fraction("10.3"), sensitivity=100),
        ev.RepeatAndSelect(inner=ev.TopK(epsilon=Fraction("0.0001"), k=1000), mean=Fraction(10**6), shape=0),
    ],
    ids=lambda inner: inner.mechanism,
)
def test_law_cost_never_falls_with_the_order_on_or_off_the_grid(rate, inner):
    """A bound between integers may be loose; what holds at a higher order holds at every lower one."""
    event = ev.Poisson(sampling_rate=Fraction(rate), inner=inner)
    assert np.all(np.diff(curve(event, ADD)) >= 0)
    for low, order, high in (("8.5", "8.5726", "8.6"), ("15", "15.18", "16"), ("184", "186.784", "192")):
        costs = [at_order(event, Fraction(each), ADD) for each in (low, order, high)]
        assert costs == sorted(costs)


@pytest.mark.parametrize("multiplier", ["0.001", "0.015", "0.033", "0.07", "0.2", "1", "100000"])
def test_no_noise_makes_the_first_curve_slow(multiplier):
    """Measured: at most 33 ms of processor time at any multiplier; a grid of 40,000 nodes for each order took 420 ms."""
    event = ev.PoissonGaussian(sampling_rate=Fraction("0.4321"), noise_multiplier=Fraction(multiplier))
    began = time.process_time()
    curve(event, ADD)
    assert time.process_time() - began < 0.2


# -- laws of domination: any mechanism that keeps a guarantee costs no more than the guarantee --------------------------


@st.composite
def pairs_within(draw, most):
    """Two distributions over a few outcomes whose losses stay in [-most, most]."""
    size = draw(st.integers(2, 5))
    weights = draw(st.lists(st.floats(0.01, 1), min_size=size, max_size=size))
    tilts = draw(st.lists(st.floats(-most / 2, most / 2), min_size=size, max_size=size))
    p = np.array(weights) / sum(weights)
    q = p * np.exp(tilts)
    return p, q / q.sum()  # normalizing moves every loss by at most most / 2


@given(pairs_within(1.5), st.sampled_from(ORDERS))
def test_law_no_mechanism_of_pure_epsilon_costs_more_than_the_event(pair, order):
    losses = np.log(pair[0] / pair[1])
    worst = Fraction(float(np.abs(losses).max()))
    bound = at_order(ev.Pure(epsilon=max(worst, Fraction(1, 2**40))), Fraction(order), ADD)
    assert renyi(*pair, float(order)) <= bound * (1 + 1e-9) + 1e-12


@given(pairs_within(1.5), st.sampled_from(ORDERS))
def test_law_exponential_event_bounds_every_bounded_range_mechanism(pair, order):
    losses = np.log(pair[0] / pair[1])
    span = Fraction(float(losses.max() - losses.min()))
    bound = at_order(ev.Exponential(epsilon=max(span, Fraction(1, 2**40))), Fraction(order), ADD)
    assert renyi(*pair, float(order)) <= bound * (1 + 1e-9) + 1e-12


@given(pairs_within(2), st.sampled_from(["0.01", "0.4", "0.95"]), st.sampled_from(ORDERS))
def test_law_sampling_any_mechanism_costs_no_more_than_the_sampled_event(pair, rate, order):
    """Add-or-remove: without the unit p, with it q, mixed by the sample; both directions."""
    p, q = pair
    share = float(Fraction(rate))
    mix = (1 - share) * p + share * q
    worst = max(Fraction(float(np.abs(np.log(p / q)).max())), Fraction(1, 2**40))
    event = ev.Poisson(sampling_rate=Fraction(rate), inner=ev.Pure(epsilon=worst))
    bound = at_order(event, Fraction(order), ADD)
    assert max(renyi(mix, p, float(order)), renyi(p, mix, float(order))) <= bound * (1 + 1e-9) + 1e-12
    assert np.abs(np.log(mix / p)).max() <= pure_epsilon(event, ADD) * (1 + 1e-9) + 1e-12

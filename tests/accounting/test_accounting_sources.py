"""What the accountant takes from the literature, held against distributions and strategies that share nothing with it.

Each test is about one cited statement whose proof cannot be run: the worse direction of a sampled Gaussian, sampling
without replacement, sampling and selecting around any mechanism at its *own* curve, the filter at a fixed order.
"""

import itertools
import math
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from privacy_accounting import events as ev
from privacy_accounting.events import Relation
from privacy_accounting.rdp import at_order, order_floats
from privacy_accounting.rdp.selection import repeat_and_select
from privacy_accounting.rdp.subsampled import poisson

ADD, ONE = Relation.ADD_OR_REMOVE_ONE, Relation.REPLACE_ONE


def renyi(p, q, order):
    terms = order * np.log(p) + (1 - order) * np.log(q)
    return float(np.logaddexp.reduce(terms)) / (order - 1)


def own_curve(p, q):
    """The mechanism's true curve, the worse of both directions."""
    return lambda orders: np.array(
        [max(renyi(p, q, order), renyi(q, p, order), 0.0) for order in orders.tolist()]
    )


# -- any mechanism on a Poisson sample: the theorem as it is written, in decimals ---------------------------------------


def as_written(q, rho, order):
    """Zhu and Wang's bound for an inner cost of rho times the order, 40 digits: no mechanism of a few outcomes needs its 3."""
    with localcontext(prec=40):
        q, total = Decimal(q), Decimal(0)
        for taken in range(order + 1):
            weight = math.comb(order, taken) * q**taken * (1 - q) ** (order - taken)
            factor = 3 if taken > 2 else 1
            total += weight * factor * (Decimal(rho) * taken * (taken - 1)).exp()
        return float(total.ln() / (order - 1))


@pytest.mark.parametrize("order", [2, 3, 5, 32, 200])
@pytest.mark.parametrize(("q", "rho"), [("0.001", "0.01"), ("0.01", "0.0002"), ("0.03", "0.00001")])
def test_a_poisson_sample_costs_the_theorems_amount(q, rho, order):
    (cost,) = poisson(Fraction(q), lambda orders: float(rho) * orders, np.array([float(order)]))
    whole = float(rho) * order
    mixed = math.log1p(float(q) * math.expm1((order - 1) * whole)) / (
        order - 1
    )  # of two bounds the lower one counts
    expected = min(as_written(q, rho, order), mixed, whole)
    assert expected <= cost <= expected * (1 + 1e-9)


def test_the_theorem_is_the_lower_bound_in_most_of_these_cases():
    assert as_written("0.001", "0.01", 5) < math.log1p(0.001 * math.expm1(4 * 0.05)) / 4


# -- Gaussian noise on samples, by the trapezoid rule --------------------------------------------------------------------


def reversed_moment(q, s, order):
    """``E[(1 + x)**(1-a)]`` for the likelihood ratio 1 + x at plain noise; E[x] = 0, so that 1 + (1-a) x is left out."""
    step = min(s, 1.0) / 40
    z = np.arange(-14, 14 + 4 / s, step)
    x = q * np.expm1(z / s - 1 / (2 * s * s))
    excess = np.expm1((1 - order) * np.log1p(x)) - (1 - order) * x
    return float((excess * np.exp(-z * z / 2)).sum()) * step / math.sqrt(2 * math.pi)


@pytest.mark.parametrize("rate", ["0.001", "0.1", "0.5", "0.99"])
@pytest.mark.parametrize("multiplier", ["0.5", "1.1", "8"])
def test_plain_noise_against_the_sampled_one_is_never_the_worse_direction(rate, multiplier):
    event = ev.PoissonGaussian(sampling_rate=Fraction(rate), noise_multiplier=Fraction(multiplier))
    for order in (1.1, 1.5, 2.0, 3.3, 8.0, 33.0):
        cost = math.log1p(reversed_moment(float(rate), float(multiplier), order)) / (order - 1)
        assert 0 < cost <= at_order(event, Fraction(order), ADD) * (1 + 1e-9)


def log_mixture(x, q, mean, s):
    plain, moved = -(x**2) / (2 * s * s), -((x - mean) ** 2) / (2 * s * s)
    return np.logaddexp(math.log1p(-q) + plain, math.log(q) + moved) - math.log(s * math.sqrt(2 * math.pi))


@pytest.mark.parametrize(("population", "sample"), [(2, 1), (10, 3), (10, 9), (1000, 1)])
@pytest.mark.parametrize("multiplier", ["0.3", "1", "8"])
def test_fixed_size_sample_is_within_its_bound_at_every_replaced_position(population, sample, multiplier):
    """The others contribute 0; the unit is replaced by one at distance 1, on either side of 0 or both."""
    s, q = float(multiplier), sample / population
    event = ev.WithoutReplacementGaussian(
        population=population, sample=sample, noise_multiplier=Fraction(multiplier)
    )
    for order in (1.5, 2.0, 3.0, 8.0, 40.0):
        bound = at_order(event, Fraction(order), ONE)
        step = min(s, 1.0) / 20
        x = np.arange(-(order + 14) * s - 2 * order - 2, (order + 14) * s + 2 * order + 2, step)
        for mean in (0.0, 0.25, 0.5, 1.0):
            pair = log_mixture(x, q, mean, s), log_mixture(x, q, mean - 1, s)
            for first, second in (pair, pair[::-1]):
                terms = order * first + (1 - order) * second
                cost = (float(np.logaddexp.reduce(terms)) + math.log(step)) / (order - 1)
                assert cost <= bound * (1 + 1e-9) + 1e-12


# -- around any mechanism, at its own curve ------------------------------------------------------------------------------


@st.composite
def pairs(draw):
    """Two distributions over a few outcomes, from nearly equal to nearly disjoint."""
    size = draw(st.integers(2, 5))
    weights = draw(st.lists(st.floats(0.001, 1), min_size=size, max_size=size))
    spread = draw(st.sampled_from([0.05, 0.5, 3.0, 6.0]))
    tilts = draw(st.lists(st.floats(-1, 1), min_size=size, max_size=size))
    p = np.array(weights) / sum(weights)
    q = p * np.exp(spread * np.array(tilts))
    return p, q / q.sum()


@given(pairs(), st.sampled_from(["0.001", "0.1", "0.5", "0.97"]))
def test_law_poisson_sample_of_any_mechanism_is_within_its_bound(pair, rate):
    p, q = pair
    share = float(Fraction(rate))
    mixed = (1 - share) * p + share * q
    orders = np.array([1.1, 1.5, 2.0, 2.5, 3.0, 4.0, 5.5, 8.0, 16.0])
    bound = poisson(Fraction(rate), own_curve(p, q), orders)
    assert np.all(own_curve(mixed, p)(orders) <= bound * (1 + 1e-9) + 1e-12)


def numbers_of_runs(shape, gamma):
    """Masses of 1, 2, ... runs and their mean; the truncated negative binomial distribution, logarithmic at 0."""
    k = np.arange(1, 1500)
    if shape == 0:
        return (1 - gamma) ** k / k / -math.log(gamma), (1 / gamma - 1) / -math.log(gamma)
    rising = np.cumsum(np.log((k - 1 + shape) / k))
    mean = shape * (1 - gamma) / (gamma * (1 - gamma**shape))
    return np.exp(k * math.log1p(-gamma) + rising) / (gamma**-shape - 1), mean


def best_of(p, masses):
    """Distribution of the best of a random number of runs, outcomes ranked by their index."""
    below = np.cumsum(p)
    k = np.arange(1, len(masses) + 1)[:, None]
    return (masses[:, None] * (below**k - np.maximum(below - p, 0.0) ** k)).sum(axis=0)


@pytest.mark.parametrize("shape", [0, 0.5, 1, 2])
@pytest.mark.parametrize("gamma", [0.5, 0.05])
@given(pair=pairs())
def test_law_the_best_of_many_runs_is_within_the_bound_on_the_curve_of_one(shape, gamma, pair):
    p, q = pair
    masses, mean = numbers_of_runs(shape, gamma)
    assert masses.sum() == pytest.approx(1, abs=1e-9)
    grid = order_floats()
    grid = grid[grid <= 128]
    pure = float(np.abs(np.log(p / q)).max())
    bound = repeat_and_select(own_curve(p, q)(grid), grid, mean=mean, shape=float(shape), pure_epsilon=pure)
    first, second = best_of(p, masses), best_of(q, masses)
    kept = grid <= 32
    assert np.all(own_curve(first, second)(grid[kept]) <= bound[kept] * (1 + 1e-7) + 1e-7)
    assert np.abs(np.log(first / second)).max() <= (2 + shape) * pure * (1 + 1e-7) + 1e-7


# -- the filter at a fixed order -----------------------------------------------------------------------------------------

USES = 3
NODES = list(itertools.chain.from_iterable(itertools.product((0, 1), repeat=n) for n in range(USES)))
CHOICES = (None, Fraction(1, 10), Fraction(1, 2))  # nothing, or a randomized response of two values at this p


def transcripts(strategy, order, budget):
    """Probabilities of all transcripts for a patient with value 0 and with value 1; what does not fit is refused."""
    masses = []
    for path in itertools.product((0, 1), repeat=USES):
        left, first, second = budget, 1.0, 1.0
        for use, answer in enumerate(path):
            p = strategy[path[:use]]
            event = None if p is None else ev.RandomizedResponse(p=p, k=2)
            cost = 0.0 if event is None else at_order(event, order, ONE)
            if p is None or cost > left:
                first, second = first / 2, second / 2  # a coin without any data
                continue
            left -= cost
            own, other = float(1 - p / 2), float(p / 2)
            first, second = first * (own, other)[answer], second * (other, own)[answer]
        masses.append((first, second))
    return np.array(masses).T


@pytest.mark.parametrize("order", [Fraction("1.5"), Fraction(4)])
def test_no_adaptive_strategy_learns_more_than_a_filter_at_one_order_allows(order):
    """All 3**7 ways to choose each use by the answers so far; the budget holds one costly use and a cheap one, no more."""
    costly, cheap = (at_order(ev.RandomizedResponse(p=p, k=2), order, ONE) for p in CHOICES[1:])
    budget = costly + 1.5 * cheap
    most = 0.0
    for choice in itertools.product(CHOICES, repeat=len(NODES)):
        first, second = transcripts(dict(zip(NODES, choice, strict=True)), order, budget)
        most = max(most, renyi(first, second, float(order)), renyi(second, first, float(order)))
    assert costly < most <= budget * (1 + 1e-12)
    assert most == pytest.approx(costly + cheap, rel=1e-9)  # and the best strategy spends all that fits

"""Bounds of the literature, written down again in decimals of 40 digits: neither below them nor needlessly above.

That a bound holds is tested by enumeration elsewhere; small cases leave most of its constants unused, so that a smaller
one would pass there. Here each constant counts.
"""

import math
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest

from privacy_accounting import events as ev
from privacy_accounting.events import Relation
from privacy_accounting.rdp import at_order, epsilons, log_deltas
from privacy_accounting.rdp.conversion import rdp_allowance
from privacy_accounting.rdp.selection import repeat_and_select

ADD = Relation.ADD_OR_REMOVE_ONE
PI = Decimal("3.14159265358979323846264338327950288419716939937510582097")
TIGHT = 1e-9


@pytest.fixture(autouse=True)
def _digits():
    with localcontext(prec=40):
        yield


def agrees(found, expected):
    assert float(expected) <= found <= float(expected) * (1 + TIGHT)


def distributed(honest, sigma2, l1, l2, dim, order):
    """Kairouz, Liu and Steinke: three corrections of the Gaussian cost, of which the least counts."""
    tau = 10 * sum((-2 * PI**2 * sigma2 * k / Decimal(k + 1)).exp() for k in range(1, honest))
    whole = (honest * sigma2).sqrt()
    return (
        order / 2 * (l2 / whole) ** 2 + tau * dim,
        order / 2 * ((l2 / whole) ** 2 + 2 * tau * l1 / whole + tau**2 * dim),
        order / 2 * (l2 / whole + Decimal(dim).sqrt() * tau) ** 2,
    )


@pytest.mark.parametrize("order", ["1.1", "8", "64"])
@pytest.mark.parametrize(
    ("honest", "sigma2", "l1", "l2", "dim"),
    [
        (2, "1", "1", "1", 1),
        (3, "1", "9", "3", 9),
        (5, "1.25", "1", "1", 1000),
        (2, "1", "50", "1", 1),
        (4, "1.5", "3", "2", 3),
    ],
)
def test_a_sum_of_discrete_gaussians_costs_the_least_of_three_bounds(honest, sigma2, l1, l2, dim, order):
    event = ev.DistributedDiscreteGaussian(
        parties=honest + 1,
        colluding=1,
        sigma2_local=Fraction(sigma2),
        l1=Fraction(l1),
        l2=Fraction(l2),
        dim=dim,
    )
    expected = distributed(honest, Decimal(sigma2), Decimal(l1), Decimal(l2), dim, Decimal(order))
    agrees(at_order(event, Fraction(order), ADD), min(expected))


def test_each_of_the_three_bounds_is_the_least_somewhere():
    cases = [(3, 1, 9, 3, 9, 64), (5, Decimal("1.25"), 1, 1, 1000, 8), (2, 1, 50, 1, 1, Decimal("1.1"))]
    found = []
    for honest, sigma2, l1, l2, dim, order in cases:
        bounds = distributed(honest, Decimal(sigma2), Decimal(l1), Decimal(l2), dim, Decimal(order))
        found.append(bounds.index(min(bounds)))
    assert set(found) == {0, 1, 2}


@pytest.mark.parametrize("order", [2, 3, 16, 200])
@pytest.mark.parametrize(
    ("variance", "l1", "l2"),
    [("4", "1", "1"), ("4", "9", "3"), ("100", "5", "2"), ("0.5", "1", "1"), ("1000", "40", "4")],
)
def test_skellam_noise_costs_the_lesser_of_two_bounds(variance, l1, l2, order):
    v, one, two, a = Decimal(variance), Decimal(l1), Decimal(l2), Decimal(order)
    first = ((2 * a - 1) * two**2 + 6 * one) / (4 * v**2)
    expected = a * two**2 / (2 * v) + min(first, 3 * one / (2 * v))
    event = ev.Skellam(variance=Fraction(variance), l1=Fraction(l1), l2=Fraction(l2))
    agrees(at_order(event, Fraction(order), ADD), expected)


ORDERS = [Decimal(text) for text in ("1.1", "1.5", "2", "3", "5", "8", "16", "32", "64", "256")]


def selected(rho, mean, shape):
    """Papernot and Steinke, Theorem 2, for one run that costs rho times the order; at shape 0 the logarithmic distribution."""
    low, high = Decimal("1e-12"), 1 - Decimal("1e-12")
    for _ in range(150):
        gamma = (low + high) / 2
        divisor = -gamma.ln() if shape == 0 else (1 - gamma**shape) / shape
        runs = (1 / gamma - 1) / divisor
        low, high = (gamma, high) if runs > mean else (low, gamma)
    others = min((1 - 1 / a) * rho * a - low.ln() / a for a in ORDERS)
    return [rho * a + (1 + shape) * others + mean.ln() / (a - 1) for a in ORDERS]


@pytest.mark.parametrize(
    ("mean", "shape"), [("2", "1"), ("10", "1"), ("10", "0"), ("3", "0.5"), ("100", "2.5")]
)
@pytest.mark.parametrize("rho", ["0.001", "0.1"])
def test_the_best_of_several_runs_costs_the_theorems_amount(rho, mean, shape):
    orders = np.array([float(a) for a in ORDERS])
    found = repeat_and_select(
        float(rho) * orders, orders, mean=float(mean), shape=float(shape), pure_epsilon=math.inf
    )
    for cost, expected in zip(found, selected(Decimal(rho), Decimal(mean), Decimal(shape)), strict=True):
        agrees(cost, expected)


@pytest.mark.parametrize("rho", ["0.0005", "0.01", "0.3"])
@pytest.mark.parametrize("mean", ["1", "4", "50"])
def test_the_best_of_poisson_many_runs_costs_the_theorems_amount(rho, mean):
    orders, rate, m = np.array([float(a) for a in ORDERS]), Decimal(rho), Decimal(mean)
    found = repeat_and_select(
        float(rho) * orders, orders, mean=float(mean), shape=None, pure_epsilon=math.inf
    )
    for cost, a in zip(found, ORDERS, strict=True):
        hat = (1 + 1 / (a - 1)).ln()
        delta = min(least_delta(rate * b, b, hat) for b in ORDERS)
        agrees(cost, rate * a + m * delta + m.ln() / (a - 1))


def least_delta(cost, a, epsilon):
    """Canonne, Kamath and Steinke, Proposition 12; or the total variation, by Bretagnolle and Huber."""
    tail = ((a - 1) * (cost - epsilon + (1 - 1 / a).ln())).exp() / a
    return min(tail, (1 - (-cost).exp()).sqrt(), Decimal(1))


COSTS = ["1e-9", "0.001", "0.2", "3"]


@pytest.mark.parametrize("cost", COSTS)
def test_a_cost_becomes_the_delta_that_the_proposition_says(cost):
    orders = np.array([float(a) for a in ORDERS])
    for epsilon in ("0", "0.01", "1", "6"):
        found = log_deltas(np.full_like(orders, float(cost)), orders, float(epsilon))
        for value, a in zip(found, ORDERS, strict=True):
            expected = least_delta(Decimal(cost), a, Decimal(epsilon)).ln()
            assert float(expected) - 1e-14 <= value <= float(expected) + TIGHT * (1 + abs(float(expected)))


@pytest.mark.parametrize("delta", ["0.000001", "0.001", "0.3"])
@pytest.mark.parametrize("cost", COSTS)
def test_a_cost_becomes_the_epsilon_that_the_proposition_says_and_back(cost, delta):
    orders, d, r = np.array([float(a) for a in ORDERS]), Decimal(delta), Decimal(cost)
    found = epsilons(np.full_like(orders, float(cost)), orders, Fraction(delta))
    for value, a in zip(found, ORDERS, strict=True):
        implied = r + (1 - 1 / a).ln() - (d.ln() + a.ln()) / (a - 1)
        expected = max(implied, Decimal(0)) if 1 - (-r).exp() > d**2 else Decimal(0)
        assert float(expected) <= value + 1e-15
        assert value <= float(expected) + TIGHT * (1 + float(r) + abs(float(implied)))
        if implied > 0:
            back = rdp_allowance(Fraction(str(implied)), Fraction(delta), Fraction(str(a)))
            assert float(r) - TIGHT * (1 + abs(float(implied))) <= back <= float(r) + 1e-14


def central_moment(power, variance):
    """``E[(exp(z/s - 1/(2 s**2)) - 1)**power]`` by its binomial expansion."""
    return sum(
        math.comb(power, k) * (-1) ** (power - k) * (k * (k - 1) / (2 * variance)).exp()
        for k in range(power + 1)
    )


def of_fixed_size(q, variance, order):
    """Wang, Balle and Kasiviswanathan, Theorem 27, for Gaussian noise."""
    total = Decimal(1)
    for j in range(2, order + 1):
        moment = (
            central_moment(2 * (j // 2), variance) * central_moment(2 * ((j + 1) // 2), variance)
        ).sqrt()
        if j == 2:
            moment = (1 / variance).exp() - 1
        other = 2 * (j * (j - 1) / (2 * variance)).exp()
        total += q**j * math.comb(order, j) * min(4 * moment, other)
    return min(total.ln() / (order - 1), order / (2 * variance))


@pytest.mark.parametrize("order", [2, 3, 4, 9, 20])
@pytest.mark.parametrize("multiplier", ["0.5", "1", "2", "10"])
@pytest.mark.parametrize("sample", [1, 30, 200])
def test_a_fixed_size_sample_costs_the_theorems_amount(sample, multiplier, order):
    event = ev.WithoutReplacementGaussian(
        population=1000, sample=sample, noise_multiplier=Fraction(multiplier)
    )
    expected = of_fixed_size(Decimal(sample) / 1000, Decimal(multiplier) ** 2, order)
    agrees(at_order(event, Fraction(order), Relation.REPLACE_ONE), expected)


def test_undeclared_keys_cost_the_probability_that_one_passes():
    inner = ev.Gaussian(noise_multiplier=Fraction(100))
    event = ev.Threshold(inner=inner, delta=Fraction(1, 1000))
    agrees(at_order(event, Fraction(3), ADD), Decimal(3) / 20000 - (1 - Decimal(1) / 1000).ln())

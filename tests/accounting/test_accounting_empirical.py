"""The empirical audit passes correct mechanisms and fails deliberately broken ones."""

import math
from fractions import Fraction

import numpy as np
import pytest

from privacy_accounting import events as ev
from privacy_accounting.audit.empirical import (
    attack,
    chi_square_excess,
    clopper_pearson_high,
    clopper_pearson_low,
    discrete_gaussian_mass,
    hockey_stick,
    power,
    renyi_divergence,
    repeats,
    shifted,
    sum_of_shares_mass,
)
from privacy_accounting.calibration import smallest_scale
from privacy_accounting.errors import InvalidCostError
from privacy_accounting.events import Relation
from privacy_accounting.noise import noise_share
from privacy_accounting.rdp import at_order, epsilon

ADD, DELTA = Relation.ADD_OR_REMOVE_ONE, Fraction(1, 10**6)
PARTIES, COLLUDING, CLAIMED, RUNS = 3, 1, 1.0, 40_000
WEIGHT = 8  # a count is scaled up so that each party's noise is coarse enough


def the_event(sigma2_local):
    return ev.DistributedDiscreteGaussian(
        parties=PARTIES, colluding=COLLUDING, sigma2_local=sigma2_local, l1=WEIGHT, l2=WEIGHT, dim=1
    )


def calibrated():
    """Total honest variance that pays for one count at the claim."""
    scale = smallest_scale(
        lambda s: [the_event(max(Fraction(1), Fraction(math.floor(s**2))))], Fraction(CLAIMED), DELTA, ADD
    )
    return int(scale**2) * (PARTIES - COLLUDING)


SIGMA2 = calibrated()


def shares_of(n, sigma2=SIGMA2, parties=PARTIES):
    return [noise_share([sigma2] * n, parties=PARTIES, colluding=COLLUDING) for _ in range(parties)]


def mechanism(noise, *, told=0):
    """A count of 100 or 101 under noise; ``told`` shares are known to the attacker and subtracted."""

    def run(second, n):
        drawn = noise(n)
        return WEIGHT * (100 + int(second)) + sum(drawn[told:], np.zeros(n, dtype=np.int64))

    return run


_kept = {}


def reused(n):
    """The second run is answered with the noise of the first; whoever asks twice subtracts."""
    if n not in _kept:
        _kept[n] = shares_of(n)
    return _kept[n]


BROKEN = {
    "no noise": lambda n: [np.zeros(n, dtype=np.int64)],
    "a quarter": lambda n: [share // 4 for share in shares_of(n)],
    "half": lambda n: [share // 2 for share in shares_of(n)],
    "one share missing": lambda n: shares_of(n, parties=PARTIES - 1),
    "reused": reused,
}
QUICK = {"half", "reused"}  # the least that is wrong; the others are slow


def whole_mass(n_shares):
    reach = int(9 * math.sqrt(SIGMA2)) + 1
    mass = sum_of_shares_mass(SIGMA2 / (PARTIES - COLLUDING), n_shares, reach)
    middle = len(mass) // 2
    return {x - middle: p for x, p in enumerate(mass.tolist())}


def red_tests(noise):
    """Every test of the audit, by name, that a mechanism fails."""
    red = set()
    if attack(mechanism(noise), delta=float(DELTA), runs=RUNS).breaks(CLAIMED):
        red.add("two neighbours")
    if attack(mechanism(noise, told=COLLUDING), delta=float(DELTA), runs=RUNS).breaks(CLAIMED):
        red.add("two neighbours, colluders' shares subtracted")
    total = sum(noise(RUNS), np.zeros(RUNS, dtype=np.int64))
    if chi_square_excess(total, whole_mass(PARTIES)) > 6:
        red.add("chi-square")
    again = sum(noise(RUNS), np.zeros(RUNS, dtype=np.int64))
    if repeats(total, again, max(whole_mass(PARTIES).values())):
        red.add("freshness")
    return red


def test_the_right_mechanism_is_green():
    assert red_tests(shares_of) == set()


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in BROKEN]
)
def test_every_broken_mechanism_turns_at_least_one_test_red(name):
    _kept.clear()
    assert red_tests(BROKEN[name]), name


@pytest.mark.slow
def test_power_of_the_threshold_test_alone_is_what_it_is_known_to_be():
    """Gross faults only: that halved noise passes at epsilon 1 is the reason for the other tests."""
    _kept.clear()
    caught = power(
        {name: mechanism(noise) for name, noise in BROKEN.items()},
        claimed=CLAIMED,
        delta=float(DELTA),
        runs=RUNS,
    )
    assert caught["no noise"]
    assert caught["a quarter"]
    assert not caught["half"]


# -- exact enumeration: no statistics ------------------------------------------------------------------------------------


@pytest.mark.parametrize("sigma2_local", [1, 2, 4])
def test_the_charge_for_honest_shares_covers_the_exact_divergence(sigma2_local):
    honest = PARTIES - COLLUDING
    p, q = shifted(sum_of_shares_mass(sigma2_local, honest, 25), 1)
    inside = (p > 0) & (q > 0)
    p, q = p[inside], q[inside]
    event = ev.DistributedDiscreteGaussian(
        parties=PARTIES, colluding=COLLUDING, sigma2_local=sigma2_local, l1=1, l2=1, dim=1
    )
    for order in (Fraction("1.5"), Fraction(2), Fraction(4)):
        assert renyi_divergence(p, q, float(order)) <= at_order(event, order, ADD)
    for delta in (Fraction(1, 100), Fraction(1, 10**4)):
        claimed = epsilon([event], delta, ADD).epsilon
        assert hockey_stick(p, q, claimed) <= float(delta)


@pytest.mark.parametrize("factor", [0, 1 / 4, 1 / 2, 2 / 3])
def test_enumeration_catches_every_scale_that_is_too_small(factor):
    """With two thirds of the variance (one share of three missing) or less, delta at the claim is exceeded."""
    sigma2 = 9
    event = ev.DiscreteGaussian(sigma2=sigma2, l2_sensitivity=1)
    claimed = epsilon([event], DELTA, ADD).epsilon
    right = shifted(discrete_gaussian_mass(sigma2, 60), 1)
    assert hockey_stick(*right, claimed) <= float(DELTA)
    thin = discrete_gaussian_mass(sigma2 * factor, 60) if factor else np.eye(1, 121, 60)[0]
    wrong = shifted(thin, 1)
    assert hockey_stick(*wrong, claimed) > float(DELTA)


def test_divergence_is_infinite_where_the_neighbour_never_goes():
    assert renyi_divergence(np.array([0.5, 0.5]), np.array([1.0, 0.0]), 2) == math.inf


# -- bounds --------------------------------------------------------------------------------------------------------------


def test_clopper_pearson_is_the_binomial_tail():
    def tail(k, n, p):
        return math.fsum(math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k + 1))

    for successes, trials in ((0, 10), (3, 10), (9, 10), (40, 100)):
        high = clopper_pearson_high(successes, trials, 0.01)
        assert tail(successes, trials, high) == pytest.approx(0.01, rel=1e-9)
        low = clopper_pearson_low(trials - successes, trials, 0.01)
        assert low == pytest.approx(1 - high, abs=1e-12)
    assert clopper_pearson_high(5, 5, 0.01) == 1
    assert clopper_pearson_low(0, 5, 0.01) == 0
    assert clopper_pearson_high(0, 10**6, 1e-6) == pytest.approx(-math.log(1e-6) / 10**6, rel=1e-4)


@pytest.mark.parametrize(
    "wrong",
    [{"runs": 7}, {"delta": 1.0}, {"delta": -0.1}, {"alpha": 0.0}, {"alpha": 1.0}, {"delta": math.nan}],
)
def test_numbers_out_of_range_are_refused(wrong):
    with pytest.raises(InvalidCostError):
        attack(mechanism(shares_of), **{"delta": 1e-6, "runs": 100, **wrong})


@pytest.mark.slow
def test_the_threshold_test_keeps_its_false_alarms():
    """At alpha 0.2, a mechanism that is exactly as private as claimed is reported in at most a fifth of the audits."""
    pure = 0.5
    draws = np.random.default_rng(7)

    def run(second, n):  # randomized response, exactly epsilon 0.5
        truth = np.full(n, int(second))
        return np.where(draws.random(n) < 1 / (1 + math.exp(pure)), 1 - truth, truth)

    alarms = sum(attack(run, delta=0.0, runs=4_000, alpha=0.2).breaks(pure) for _ in range(200))
    assert alarms <= 40 + 4 * math.sqrt(200 * 0.2 * 0.8)

"""Stand-alone epsilon of Gaussian releases: the exact profile, and the bound for discrete noise in shares."""

import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from privacy_accounting.calibration import smallest_scale
from privacy_accounting.events import (
    DiscreteGaussian,
    DistributedDiscreteGaussian,
    Gaussian,
    Laplace,
    Relation,
)
from privacy_accounting.rdp import cost_units, epsilon, gaussian_delta, standalone_delta, standalone_epsilon
from privacy_accounting.rdp.profile import gaussian_noise

ADD, REPLACE = Relation.ADD_OR_REMOVE_ONE, Relation.REPLACE_ONE


def exact_gaussian(mu, eps):
    """Balle and Wang, Theorem 8, with 50 digits."""
    with mpmath.workdps(50):
        mu, eps = mpmath.mpf(mu), mpmath.mpf(eps)
        return mpmath.ncdf(mu / 2 - eps / mu) - mpmath.exp(eps) * mpmath.ncdf(-mu / 2 - eps / mu)


@pytest.mark.parametrize("mu", [1e-6, 0.001, 0.1, 1.0, 5.0, 20.0])
@pytest.mark.parametrize("ratio", [0.0, 0.5, 3.0, 6.0, 12.0])
def test_the_gaussian_profile_is_exact_and_rounded_up(mu, ratio):
    eps = ratio * mu
    if eps > 500:
        return
    exact, ours = exact_gaussian(mu, eps), gaussian_delta(mu, eps)
    assert exact <= ours <= exact * (1 + 1e-11 + 1e-11 / mu)


def share_mass(sigma2_local, honest, reach):
    """Mass of the honest sites' noise, by convolution."""
    x = np.arange(-reach, reach + 1)
    one = np.exp(-(x.astype(float) ** 2) / (2 * sigma2_local))
    one /= one.sum()
    mass = one
    for _ in range(honest - 1):
        mass = np.convolve(mass, one, mode="same")
    return mass


def hockey_stick(mass, shift, eps):
    return math.fsum(np.maximum(0.0, mass[:-shift] - math.exp(eps) * mass[shift:]))


@pytest.mark.parametrize("sigma2_local", [10, 32, 64, 200])
@pytest.mark.parametrize(("honest", "shift"), [(1, 1), (3, 1), (3, 2), (3, 6), (2, 15)])
def test_the_bound_covers_the_enumerated_profile_and_is_close_to_it(sigma2_local, honest, shift):
    event = DistributedDiscreteGaussian(
        parties=4, colluding=4 - honest, sigma2_local=sigma2_local, l1=shift, l2=shift, dim=1
    )
    if honest * sigma2_local < 24:
        assert standalone_delta([event], 0.1, ADD) is None
        return
    mass = share_mass(sigma2_local, honest, int(16 * math.sqrt(sigma2_local)))
    mu = shift / math.sqrt(honest * sigma2_local)
    for deviations in (0.5, 2.0, 4.0):
        eps = deviations * mu
        exact, bound = hockey_stick(mass, shift, eps), standalone_delta([event], eps, ADD)
        assert exact <= bound
        # variance is lost to the rounding, which counts the more the farther out in the tail
        assert bound <= exact * math.exp((deviations + 1) ** 2 * 1.6 / (honest * sigma2_local)) * 1.02


def test_the_bound_needs_the_variance_of_the_rounding():
    """Power: the continuous profile of the same variance is not a bound."""
    mass, sigma2 = share_mass(32, 1, 90), 32
    found = [
        hockey_stick(mass, 1, eps) / gaussian_delta(1 / math.sqrt(sigma2), eps)
        for eps in np.linspace(0.3, 1.0, 60)
    ]
    assert max(found) > 1 + 1e-4


def test_several_blocks_are_bounded_by_one_gaussian_of_their_squares():
    """Two coordinates that one unit moves, enumerated together."""
    events = [
        DistributedDiscreteGaussian(parties=3, colluding=1, sigma2_local=20, l1=2, l2=2, dim=1),
        DistributedDiscreteGaussian(parties=3, colluding=1, sigma2_local=45, l1=3, l2=3, dim=1),
    ]
    first, second = share_mass(20, 2, 70), share_mass(45, 2, 100)
    p = np.outer(first[:-2], second[:-3])
    q = np.outer(first[2:], second[3:])
    for eps in (0.3, 1.0, 2.0):
        exact = float(np.maximum(0.0, p - math.exp(eps) * q).sum())
        assert exact <= standalone_delta(events, eps, ADD) <= 1.5 * exact


@given(
    sigma2=st.integers(64, 2**40),
    l2=st.integers(1, 50),
    blocks=st.integers(1, 5),
    log_delta=st.integers(2, 12),
    relation=st.sampled_from([ADD, REPLACE]),
)
def test_law_standalone_epsilon_is_below_the_renyi_one_and_pays_for_its_delta(
    sigma2, l2, blocks, log_delta, relation
):
    event = DistributedDiscreteGaussian(
        parties=4, colluding=1, sigma2_local=sigma2, l1=l2, l2=l2, dim=3, count=blocks
    )
    delta = Fraction(1, 10**log_delta)
    by_orders = epsilon([event], delta, relation).epsilon
    alone = standalone_epsilon([event], delta, relation).epsilon
    assert 0 <= alone <= by_orders
    if by_orders < 50:
        assert standalone_delta([event], alone, relation) <= float(delta)
        if alone > 1e-6:
            assert standalone_delta([event], alone * 0.999, relation) > float(delta)


def test_other_noise_in_the_list_leaves_the_renyi_conversion():
    listed = [Gaussian(noise_multiplier=3), Laplace(scale_over_l1_sensitivity=5)]
    delta = Fraction(1, 10**6)
    assert standalone_epsilon(listed, delta, ADD) == epsilon(listed, delta, ADD)
    assert standalone_delta(listed, 1.0, ADD) is None
    assert gaussian_noise([DiscreteGaussian(sigma2=20, l2_sensitivity=1)], ADD) is None
    assert standalone_epsilon([], delta, ADD).epsilon == 0


@pytest.mark.parametrize("delta", [0, Fraction(1, 10**400)])
def test_a_delta_that_no_float_holds_leaves_the_renyi_conversion(delta):
    listed = [Gaussian(noise_multiplier=3)]
    assert standalone_epsilon(listed, Fraction(delta), ADD) == epsilon(listed, Fraction(delta), ADD)


def test_replacing_a_unit_moves_a_sum_twice_as_far():
    once = standalone_epsilon([Gaussian(noise_multiplier=2)], Fraction(1, 10**6), REPLACE)
    assert once == standalone_epsilon([Gaussian(noise_multiplier=1)], Fraction(1, 10**6), ADD)


@pytest.mark.parametrize(("target", "sigma"), [("0.1", 38.3), ("0.5", 8.44), ("1", 4.41), ("2", 2.32)])
def test_a_calibrated_release_is_within_a_hundredth_of_the_best_central_gaussian(target, sigma):
    """The analytic Gaussian at delta 4e-7, by halving with 50 digits; ours in shares, at its own variance."""
    delta = Fraction(4, 10**7)
    low, high = 0.1, 1000.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if exact_gaussian(1 / middle, target) > float(delta) else (low, middle)
    assert high == pytest.approx(sigma, rel=0.01)

    def events_at(scale):
        weight = math.ceil(8 * math.sqrt(3) / scale)
        local = Fraction(math.ceil(scale**2 * weight**2 / 3))
        return [
            DistributedDiscreteGaussian(
                parties=4, colluding=1, sigma2_local=local, l1=weight, l2=weight, dim=1
            )
        ]

    scale = smallest_scale(events_at, Fraction(target), delta, ADD, price=standalone_epsilon)
    assert high * 0.999 <= float(scale) <= high * 1.01
    before = smallest_scale(events_at, Fraction(target), delta, ADD)
    assert float(before) > high * 1.05
    # less noise at the same epsilon is charged for: the Rényi cost at a filter's order follows the noise
    for order in (Fraction(2), Fraction(13), Fraction(64)):
        charged, was = (cost_units(events_at(each), order, ADD) for each in (scale, before))
        assert charged > was
        assert charged / 2**40 >= float(order) / (2 * float(scale) ** 2) * 0.97

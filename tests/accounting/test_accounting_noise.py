"""Noise samplers match their exact mass functions, and noise shares match the priced variance."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest

from privacy_accounting.calibration import key_threshold, smallest_scale
from privacy_accounting.errors import InvalidCostError
from privacy_accounting.events import Gaussian, Laplace, PoissonGaussian, Relation
from privacy_accounting.noise import (
    SystemSource,
    discrete_gaussian,
    discrete_laplace,
    integer_noise,
    local_sigma2,
    noise_share,
)
from privacy_accounting.noise.bernoulli import (
    bernoulli,
    bernoulli_exp,
    bernoulli_exps,
    geometrics,
    integer_part,
)
from privacy_accounting.noise.gaussian import one_discrete_gaussian
from privacy_accounting.rdp import epsilon

SOURCE = SystemSource()
FALSE_ALARM_SIGMAS = 6.0
ADD = Relation.ADD_OR_REMOVE_ONE


def chi_square_excess(values, mass, total):
    """How many standard deviations a chi-square statistic is above its mean (Wilson and Hilferty)."""
    expected = {x: p * total for x, p in mass.items() if p * total >= 10}
    rest = total - sum(expected.values())
    observed = dict.fromkeys(expected, 0)
    found, counts = np.unique(values, return_counts=True)
    for x, n in zip(found.tolist(), counts.tolist(), strict=True):
        if x in observed:
            observed[x] = n
    outside = total - sum(observed.values())
    statistic = sum((observed[x] - e) ** 2 / e for x, e in expected.items())
    degrees = len(expected) - 1
    if rest >= 10:
        statistic, degrees = statistic + (outside - rest) ** 2 / rest, degrees + 1
    if degrees == 0:
        return 0.0
    spread = 2 / (9 * degrees)
    return ((statistic / degrees) ** (1 / 3) - (1 - spread)) / math.sqrt(spread)


def gaussian_mass(sigma2, scale=1.0):
    reach = int(12 * math.sqrt(sigma2)) + 12
    mass = {x: math.exp(-(x**2) / (2 * sigma2 * scale)) for x in range(-reach, reach + 1)}
    total = math.fsum(mass.values())
    return {x: p / total for x, p in mass.items()}


def laplace_mass(scale):
    reach = int(40 * scale) + 5
    return {x: math.tanh(1 / (2 * scale)) * math.exp(-abs(x) / scale) for x in range(-reach, reach + 1)}


@pytest.mark.parametrize("sigma2", ["0.04", "0.25", "1", "1.7", "9", "1000"])
def test_discrete_gaussian_has_its_mass_function_and_no_other(sigma2):
    n = 200_000
    values = discrete_gaussian(Fraction(sigma2), n, SOURCE)
    assert values.dtype == np.int64
    assert chi_square_excess(values, gaussian_mass(float(Fraction(sigma2))), n) < FALSE_ALARM_SIGMAS
    if Fraction(sigma2) >= 1:  # the test itself has power: 10 % off in the variance is seen
        assert (
            chi_square_excess(values, gaussian_mass(float(Fraction(sigma2)), scale=1.1), n)
            > FALSE_ALARM_SIGMAS
        )


@pytest.mark.parametrize("scale", ["0.25", "1", "3.5", "40"])
def test_discrete_laplace_has_its_mass_function_and_no_other(scale):
    n = 200_000
    values = discrete_laplace(Fraction(scale), n, SOURCE)
    assert chi_square_excess(values, laplace_mass(float(Fraction(scale))), n) < FALSE_ALARM_SIGMAS
    if Fraction(scale) >= 1:
        assert chi_square_excess(values, laplace_mass(float(Fraction(scale)) * 1.1), n) > FALSE_ALARM_SIGMAS


@pytest.mark.parametrize("sigma", [10**4, 10**6, 2**31, 2**38])
def test_large_scales_by_their_moments(sigma):
    n = 100_000 if sigma <= 2**30 else 3_000
    values = discrete_gaussian(sigma**2, n, SOURCE).astype(float) / sigma
    for power, moment, spread in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs((values**power).mean() - moment) < FALSE_ALARM_SIGMAS * math.sqrt(spread / n)


def test_the_fast_path_agrees_with_the_algorithm_as_printed():
    values = [one_discrete_gaussian(Fraction(5, 2), SOURCE) for _ in range(8_000)]
    assert chi_square_excess(np.array(values), gaussian_mass(2.5), 8_000) < FALSE_ALARM_SIGMAS


def test_coins():
    n = 20_000
    for p, toss in (
        (0.3, lambda: bernoulli(Fraction(3, 10), SOURCE)),
        (math.exp(-1.5), lambda: bernoulli_exp(Fraction(3, 2), SOURCE)),
    ):
        hits = sum(toss() for _ in range(n))
        assert abs(hits - n * p) < FALSE_ALARM_SIGMAS * math.sqrt(n * p * (1 - p))
    mass = {v: math.exp(-v) * (1 - math.exp(-1)) for v in range(40)}
    assert chi_square_excess(geometrics(200_000, SOURCE), mass, 200_000) < FALSE_ALARM_SIGMAS
    assert integer_part(1, 40) == math.floor(math.exp(-1) * 2**40)


class CountingSource:
    """Passes system bytes on and counts them."""

    def __init__(self):
        self.taken = 0

    def bytes(self, n, /):
        self.taken += n
        return SystemSource().bytes(n)


def test_noise_is_drawn_from_the_source_and_fresh_every_time():
    source = CountingSource()
    first = integer_noise([10**6] * 50, source)
    taken = source.taken
    second = integer_noise([10**6] * 50, source)
    assert taken >= 50 * 4
    assert source.taken >= 2 * taken * 0.5
    assert not np.array_equal(first, second)


def test_a_vector_of_variances_gets_each_its_own():
    sigma2 = [1, 10_000, 1, 400_000_000] * 5_000
    values = integer_noise(np.array(sigma2)).reshape(-1, 4).astype(float)
    for column, variance in enumerate((1, 10_000, 1, 400_000_000)):
        assert abs(values[:, column].var() / variance - 1) < FALSE_ALARM_SIGMAS * math.sqrt(2 / 5_000)
    assert abs(np.corrcoef(values.T)[0, 2]) < FALSE_ALARM_SIGMAS / math.sqrt(5_000)
    assert integer_noise([]).shape == (0,)


@pytest.mark.parametrize("bad", [0, -1, True, 1.5, "4", None, 2**81, Fraction(1, 2)])
def test_bad_variances_are_refused(bad):
    with pytest.raises(InvalidCostError):
        integer_noise([4, bad])


@pytest.mark.parametrize(("parties", "colluding"), [(3, 1), (5, 2), (4, 3), (2, 0)])
def test_p7_honest_sites_keep_the_variance_when_others_collude(parties, colluding):
    sigma2, n = 100, 20_000
    shares = [noise_share([sigma2] * n, parties=parties, colluding=colluding) for _ in range(parties)]
    for told in itertools.combinations(range(parties), colluding):
        left = sum(shares[i].astype(float) for i in range(parties) if i not in told)
        assert left.var() > sigma2 * (1 - FALSE_ALARM_SIGMAS * math.sqrt(2 / n))


@pytest.mark.parametrize(
    "arguments",
    [
        {"sigma2": 1, "parties": 3, "colluding": 1},  # local variance 1/2
        {"sigma2": 10, "parties": 3, "colluding": 3},
        {"sigma2": 10, "parties": 3, "colluding": -1},
        {"sigma2": True, "parties": 3, "colluding": 1},
        {"sigma2": 10.0, "parties": 3, "colluding": 1},
    ],
)
def test_p7_shares_that_would_be_too_small_are_refused(arguments):
    with pytest.raises(InvalidCostError):
        local_sigma2(**arguments)


@pytest.mark.parametrize("size", [-1, True, 1.0, "3"])
def test_bad_sizes_are_refused(size):
    with pytest.raises(InvalidCostError):
        discrete_gaussian(4, size, SOURCE)
    with pytest.raises(InvalidCostError):
        discrete_laplace(4, size, SOURCE)


# -- calibration ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["0.01", "0.5", "4", "20"])
@pytest.mark.parametrize(
    "events_at",
    [
        lambda scale: [Gaussian(noise_multiplier=scale)],
        lambda scale: [Gaussian(noise_multiplier=scale, count=100), Laplace(scale_over_l1_sensitivity=scale)],
        lambda scale: [PoissonGaussian(sampling_rate=Fraction(1, 100), noise_multiplier=scale, count=10)],
    ],
    ids=["gaussian", "several", "sampled"],
)
def test_the_scale_found_meets_the_target_and_the_next_smaller_does_not(events_at, target):
    delta, wanted = Fraction(1, 10**6), Fraction(target)
    scale = smallest_scale(events_at, wanted, delta, ADD)
    assert Fraction(epsilon(events_at(scale), delta, ADD).epsilon) <= wanted
    smaller = scale * (1 - Fraction(1, 2**18))
    assert Fraction(epsilon(events_at(smaller), delta, ADD).epsilon) > wanted


@pytest.mark.parametrize(("target", "delta"), [(0, "0.1"), (-1, "0.1"), (1, "1"), (1, "-0.1")])
def test_targets_out_of_range_are_refused(target, delta):
    with pytest.raises(InvalidCostError):
        smallest_scale(
            lambda scale: [Gaussian(noise_multiplier=scale)], Fraction(target), Fraction(delta), ADD
        )


def test_a_target_that_no_noise_meets_is_refused():
    with pytest.raises(InvalidCostError, match="no noise"):
        smallest_scale(lambda _: [Gaussian(noise_multiplier=1)], Fraction(1, 10), Fraction(1, 10**6), ADD)


@pytest.mark.parametrize(("contribution", "keys", "sigma2"), [(1, 1, 4), (3, 5, 100), (1, 100, 10**6)])
def test_the_threshold_for_unknown_keys_keeps_its_delta(contribution, keys, sigma2):
    delta = Fraction(1, 10**7)
    threshold = key_threshold(
        contribution=contribution, keys=keys, total_sigma2=Fraction(sigma2), delta=delta
    )
    mass = gaussian_mass(sigma2)
    passing = math.fsum(p for x, p in mass.items() if contribution + x >= threshold)
    assert 1 - (1 - passing) ** keys <= float(delta)
    lower = key_threshold(
        contribution=contribution, keys=keys, total_sigma2=Fraction(sigma2), delta=delta * 100
    )
    assert contribution < lower < threshold


# -- where the first bits do not decide ----------------------------------------------------------------------------------


class Scripted:
    """Bytes as written down, then the system's."""

    def __init__(self, *parts):
        self.parts = list(parts)

    def bytes(self, n, /):
        return self.parts.pop(0) if self.parts else SystemSource().bytes(n)


def eight(value):
    return value.to_bytes(8, "little")


LEAST, MOST = eight(0), b"\xff" * 8


def test_a_coin_that_equals_its_threshold_gets_more_bits():
    third = eight(2**64 // 3)
    assert bernoulli(Fraction(1, 3), Scripted(third, LEAST)) is True
    assert bernoulli(Fraction(1, 3), Scripted(third, MOST)) is False
    assert bernoulli(Fraction(1, 3), Scripted(third, third, third, LEAST)) is True
    assert bernoulli(Fraction(1, 2), Scripted(eight(2**63))) is False  # U = p exactly: not below it


def test_a_geometric_draw_on_a_boundary_gets_more_bits():
    boundary = eight(integer_part(1, 62) << 2)
    assert geometrics(1, Scripted(boundary, LEAST)).tolist() == [1]
    assert geometrics(1, Scripted(boundary, MOST)).tolist() == [0]
    second = eight(integer_part(2, 62) << 2)
    assert geometrics(1, Scripted(second, LEAST)).tolist() == [2]
    assert geometrics(1, Scripted(second, MOST)).tolist() == [1]


def test_coins_whose_bounds_say_nothing_are_still_exact():
    n, f = 3_000, Fraction(1, 2)
    low, high = np.zeros(n, dtype=np.int64), np.full(n, 2**32, dtype=np.int64)
    hits = bernoulli_exps(low, high, lambda _: f, SOURCE).sum()
    p = math.exp(-0.5)
    assert abs(hits - n * p) < FALSE_ALARM_SIGMAS * math.sqrt(n * p * (1 - p))


def test_far_tails_are_reached_through_unbounded_integers():
    values = discrete_gaussian(Fraction(1, 10**12), 1_000, SOURCE)  # next to no noise: zeros
    assert not values.any()
    with pytest.raises(InvalidCostError):
        discrete_gaussian(0, 1, SOURCE)
    with pytest.raises(InvalidCostError):
        discrete_laplace(Fraction(0), 1, SOURCE)

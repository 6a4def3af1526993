"""Discrete Laplace noise in shares: sampler, prices and profile against enumerations that share no code with them."""

import itertools
import math
from dataclasses import replace
from fractions import Fraction

import mpmath
import numpy as np
import pytest

from privacy_accounting.errors import InvalidCostError
from privacy_accounting.events import (
    DiscreteLaplace,
    DistributedDiscreteLaplace,
    Relation,
    event_from_dict,
    event_to_dict,
)
from privacy_accounting.ledger.pricing import all_but_one
from privacy_accounting.noise import SystemSource, laplace_share
from privacy_accounting.noise import polya as polya_module
from privacy_accounting.rdp import (
    ORDERS,
    at_order,
    curve,
    epsilon,
    pure_epsilon,
    standalone_delta,
    standalone_epsilon,
    with_colluding,
)

ADD, REPLACE = Relation.ADD_OR_REMOVE_ONE, Relation.REPLACE_ONE
SOURCE = SystemSource()
DEVIATIONS = 6.0
PARTIES = 4
CHECKED_ORDERS = tuple(Fraction(text) for text in ("1.005", "1.1", "1.5", "2", "5", "10.9", "13", "32"))


def event_of(t, b, *, l1=1, dim=1, parties=PARTIES, colluding=None):
    return DistributedDiscreteLaplace(
        parties=parties,
        colluding=t if colluding is None else colluding,
        shares=parties - t,
        b=Fraction(b),
        l1=l1,
        dim=dim,
    )


# -- the oracle: masses by convolution of the parties' own, each from gamma functions -----------------------------------------


def one_share(shares, b, reach):
    """Mass of one party's difference at -reach .. reach, from the definition."""
    r, p = 1.0 / shares, math.exp(-1 / float(b))
    one = [
        math.exp(
            math.lgamma(k + r) - math.lgamma(k + 1) - math.lgamma(r) + r * math.log1p(-p) + k * math.log(p)
        )
        for k in range(reach + 1)
    ]
    mass = np.convolve(one, one[::-1])
    return mass[len(mass) // 2 - reach : len(mass) // 2 + reach + 1]


def honest_mass(event, reach):
    mass = one = one_share(event.shares, event.b, reach)
    for _ in range(event.honest - 1):
        mass = np.convolve(mass, one)
        middle = len(mass) // 2
        mass = mass[middle - reach : middle + reach + 1]
    return mass


def renyi_by_sum(mass, shift, order):
    p, q = mass[:-shift], mass[shift:]
    return math.log(math.fsum(p * (p / q) ** (order - 1))) / (order - 1)


def hockey_stick_by_sum(mass, shift, eps):
    p, q = mass[:-shift], mass[shift:]
    return math.fsum(np.maximum(0.0, p - math.exp(eps) * q))


@pytest.mark.parametrize("b", ["0.5", "1.25", "3"])
@pytest.mark.parametrize("t", [0, 1, 2])
@pytest.mark.parametrize("rest", ["as planned", "one honest"])
def test_price_and_profile_are_those_of_the_convolution(t, b, rest):
    event = event_of(t, b)
    event = event if rest == "as planned" else all_but_one(event)
    assert event.honest == (PARTIES - t if rest == "as planned" else 1)
    mass = honest_mass(event, 160)
    for shift in (1, 3):
        moved = replace(event, l1=shift)
        for order in CHECKED_ORDERS:
            if float(order) * pure_epsilon(moved, ADD) > 100:
                continue  # the sum of floats has no digits left
            exact, ours = renyi_by_sum(mass, shift, float(order)), at_order(moved, order, ADD)
            assert exact * (1 - 1e-9) - 1e-11 <= ours <= exact * (1 + 1e-6) + 1e-9
        for share in (0.0, 0.3, 0.8, 0.99):
            eps = share * pure_epsilon(moved, ADD)
            exact, ours = hockey_stick_by_sum(mass, shift, eps), standalone_delta([moved], eps, ADD)
            assert exact * (1 - 1e-9) - 1e-13 <= ours <= exact * (1 + 1e-6) + 1e-11


def test_the_largest_loss_is_that_of_the_convolution_at_its_worst_point():
    event = all_but_one(event_of(1, 2))
    mass = honest_mass(event, 120)
    for shift in (1, 2, 7):
        found = np.log(mass[:-shift] / mass[shift:])[20:-20].max()
        assert pure_epsilon(replace(event, l1=shift), ADD) == pytest.approx(found, rel=1e-9)


def test_as_planned_it_is_one_discrete_laplace_variable_and_more_honest_sites_are_never_dearer():
    event = event_of(1, "2.5", l1=3)
    whole = DiscreteLaplace(a=Fraction(2, 5), sensitivity=3)
    assert np.array_equal(curve(event, ADD), curve(whole, ADD))
    assert pure_epsilon(event, REPLACE) == pytest.approx(2 * 3 / 2.5)
    costs = [at_order(with_colluding(event, each), Fraction(13), ADD) for each in range(PARTIES)]
    assert costs[0] == costs[1] < costs[2] < costs[3]


@pytest.mark.parametrize("order", ["1.1", "2", "13"])
def test_no_way_to_spread_the_distance_over_coordinates_is_dearer_than_the_price(order):
    event = all_but_one(event_of(1, "1.5", l1=6, dim=3))
    mass, a = honest_mass(event, 160), float(order)
    one = {d: renyi_by_sum(mass, d, a) for d in range(1, 7)} | {0: 0.0}
    worst = max(sum(one[d] for d in cut) for cut in itertools.product(range(7), repeat=3) if sum(cut) <= 6)
    assert worst * (1 - 1e-9) <= at_order(event, Fraction(order), ADD) <= 1.8 * worst
    losses = {d: math.log(mass[160] / mass[160 + d]) for d in range(1, 7)} | {0: 0.0}
    largest = max(
        sum(losses[d] for d in cut) for cut in itertools.product(range(7), repeat=3) if sum(cut) <= 6
    )
    assert pure_epsilon(event, ADD) == pytest.approx(largest, rel=1e-9)
    assert at_order(replace(event, l1=1, dim=3), Fraction(order), ADD) == pytest.approx(one[1], rel=1e-6)


def test_masses_far_out_are_those_of_the_hypergeometric_series():
    event = all_but_one(event_of(1, 40))
    with mpmath.workdps(30):
        r, p = mpmath.mpf(1) / 3, mpmath.exp(mpmath.mpf(-1) / 40)

        def mass(k):
            head = (1 - p) ** (2 * r) * p**k * mpmath.gamma(k + r) / mpmath.factorial(k) / mpmath.gamma(r)
            return head * mpmath.hyp2f1(r, k + r, k + 1, p**2)

        for shift in (1, 100, 1000):
            exact = float(mpmath.log(mass(0) / mass(shift)))
            assert pure_epsilon(replace(event, l1=shift), ADD) == pytest.approx(exact, rel=1e-9)
            assert pure_epsilon(replace(event, l1=shift), ADD) >= exact


def test_distances_beyond_the_enumeration_are_bounded_not_refused():
    event = all_but_one(event_of(1, 4096, l1=2**17))
    assert 2**17 / 4096 < pure_epsilon(event, ADD) < 2**17 / 4096 * 1.6
    assert at_order(event, Fraction(13), ADD) <= pure_epsilon(event, ADD) * (1 + 1e-9)


@pytest.mark.parametrize(
    "event", [event_of(1, 2), all_but_one(event_of(1, 2))], ids=["planned", "one honest"]
)
def test_law_a_curve_rises_and_the_profile_is_never_above_the_renyi_conversion(event):
    values = curve(event, ADD)
    assert np.all(np.diff(values) >= -1e-7 * values[:-1])
    assert values[-1] <= pure_epsilon(event, ADD) * (1 + 1e-9)
    assert len(values) == len(ORDERS)
    for delta in (Fraction(1, 10**2), Fraction(1, 10**6)):
        alone = standalone_epsilon([event], delta, ADD).epsilon
        assert alone <= epsilon([event], delta, ADD).epsilon
        assert standalone_delta([event], alone, ADD) <= float(delta)


def test_its_dictionary_reads_back_and_bad_parameters_are_refused():
    event = event_of(1, "2.5", l1=3, dim=2)
    assert event_from_dict(event_to_dict(event)) == event
    good = {key: value for key, value in event_to_dict(event).items() if key != "mechanism"}
    bad = [
        ("colluding", 4),
        ("shares", 5),
        ("shares", 0),
        ("b", "0"),
        ("b", "4097"),
        ("b", "nan"),
        ("l1", 0),
        ("dim", 0),
    ]
    for name, value in bad:
        with pytest.raises(InvalidCostError):
            event_from_dict({"mechanism": event.mechanism, **good, name: value})


# -- the sampler ---------------------------------------------------------------------------------------------------------


def chi_square_excess(values, mass, reach):
    """Standard deviations above the mean of chi-square (Wilson and Hilferty); values beyond the reach in one cell."""
    n = len(values)
    expected = np.append(mass, max(0.0, 1 - mass.sum())) * n
    inside = np.abs(values) <= reach
    observed = np.append(
        np.bincount(values[inside] + reach, minlength=2 * reach + 1), np.count_nonzero(~inside)
    )
    large = expected >= 10
    rest = max(expected[~large].sum(), 1e-9)
    statistic = ((observed - expected)[large] ** 2 / expected[large]).sum()
    degrees = int(large.sum()) - 1
    if rest >= 10:
        statistic, degrees = statistic + (observed[~large].sum() - rest) ** 2 / rest, degrees + 1
    spread = 2 / (9 * degrees)
    return ((statistic / degrees) ** (1 / 3) - (1 - spread)) / math.sqrt(spread)


@pytest.mark.parametrize(("b", "shares"), [("0.25", 2), ("1", 3), ("3.5", 3), ("12", 9), ("2", 1)])
def test_a_share_has_its_mass_function_and_no_other(b, shares):
    reach, n = int(40 * float(Fraction(b))) + 10, 40_000
    values = laplace_share(Fraction(b), shares, n, SOURCE)
    assert values.dtype == np.int64
    assert chi_square_excess(values, one_share(shares, Fraction(b), reach), reach) < DEVIATIONS
    # the test has power: another shape, another scale
    assert chi_square_excess(values, one_share(shares + 1, Fraction(b), reach), reach) > DEVIATIONS
    assert (
        chi_square_excess(values, one_share(shares, Fraction(b) * Fraction(6, 5), reach), reach) > DEVIATIONS
    )


@pytest.mark.parametrize("t", [0, 1, 2])
def test_p7_the_shares_of_honest_sites_are_one_discrete_laplace_variable(t):
    b, n, honest = Fraction(5, 2), 20_000, PARTIES - t
    shares = [laplace_share(b, honest, n, SOURCE) for _ in range(PARTIES)]
    x = np.arange(-120, 121)
    whole = math.tanh(1 / (2 * float(b))) * np.exp(-np.abs(x) / float(b))
    for told in itertools.combinations(range(PARTIES), t):
        left = sum(shares[place] for place in range(PARTIES) if place not in told)
        assert chi_square_excess(left, whole, 120) < DEVIATIONS
    # power: a missing share, and one site that draws half of its share, are seen
    assert chi_square_excess(sum(shares[t + 1 :], np.zeros(n, dtype=np.int64)), whole, 120) > DEVIATIONS
    half = laplace_share(b, 2 * honest, n, SOURCE)
    assert chi_square_excess(sum(shares[t + 1 :], half), whole, 120) > DEVIATIONS


def test_large_scales_by_their_moments():
    b, shares, n = 200, 3, 1_500
    values = laplace_share(b, shares, n, SOURCE).astype(float)
    p = math.exp(-1 / b)
    variance = 2 / shares * p / (1 - p) ** 2
    # fourth moment of the difference: 3 variance^2 and its fourth cumulant, shares^-1 of the whole variable's
    kurtosis = 3 + 3 * shares
    assert abs(values.mean()) < DEVIATIONS * math.sqrt(variance / n)
    assert abs(values.var() / variance - 1) < DEVIATIONS * math.sqrt((kurtosis - 1) / n)


def test_values_beyond_the_vectorised_range_are_thinned_alone_by_the_same_law(monkeypatch):
    monkeypatch.setattr(polya_module, "_LARGEST_TOGETHER", 2)
    reach = 60
    values = laplace_share(3, 3, 20_000, SOURCE)
    assert chi_square_excess(values, one_share(3, 3, reach), reach) < DEVIATIONS


class Counting:
    """Passes system bytes on and counts them."""

    def __init__(self):
        self.taken = 0

    def bytes(self, n, /):
        self.taken += n
        return SystemSource().bytes(n)


def test_what_an_urn_takes_does_not_follow_its_value():
    steps, taken = polya_module._steps(Fraction(5, 2), 40), []
    for size in (40, 4):  # together, and one by one
        for values in (np.zeros(size), np.full(size, steps), np.arange(size) % 7):
            source = Counting()
            polya_module._thinned(values.astype(np.int64), 3, steps, source)
            taken.append(source.taken / size)
    assert max(taken) - min(taken) <= 16  # a coin on the edge takes more
    assert min(taken) >= 4 * steps


def test_a_few_values_have_the_same_law_as_many():
    values = np.concatenate([laplace_share(2, 3, 20, SOURCE) for _ in range(300)])
    assert chi_square_excess(values, one_share(3, 2, 60), 60) < DEVIATIONS


def test_values_beyond_the_common_steps_keep_their_law(monkeypatch):
    monkeypatch.setattr(polya_module, "_steps", lambda b, size: 1)
    values = laplace_share(3, 3, 20_000, SOURCE)
    assert chi_square_excess(values, one_share(3, 3, 60), 60) < DEVIATIONS


class Bytes:
    """Known bytes: every word is the same at first, and another one later."""

    def __init__(self, word, later=0):
        self.word, self.later = word, later

    def bytes(self, n, /):
        word, self.word = self.word, self.later
        return (word.to_bytes(4, "little") * (n // 4 + 1))[:n]


def test_noise_is_drawn_from_the_source_and_a_coin_on_the_edge_gets_more_bits():
    assert not polya_module._coins(np.array([1, 1]), 2, Bytes(2**31)).any()
    assert polya_module._coins(np.array([1, 1]), 2, Bytes(2**31 - 1)).all()
    # a third is 0.010101 ... in binary: these 32 bits do not decide, the next ones do
    third = 0x55555555
    assert polya_module._coins(np.array([1] * 3), 3, Bytes(third, later=0)).all()
    assert not polya_module._coins(np.array([1] * 3), 3, Bytes(third, later=2**32 - 1)).any()
    first, second = (laplace_share(50, 3, 200, SOURCE) for _ in range(2))
    assert not np.array_equal(first, second)


@pytest.mark.parametrize(
    ("scale", "shares", "size"),
    [
        (0, 3, 1),
        (4097, 3, 1),
        (Fraction(1, 3), 3, 1),
        (float("nan"), 3, 1),
        (True, 3, 1),
        (1, 0, 1),
        (1, 1025, 1),
        (1, True, 1),
        (1, 3, -1),
        (1, 3, 1.0),
    ],
)
def test_bad_parameters_are_refused(scale, shares, size):
    with pytest.raises(InvalidCostError):
        laplace_share(scale, shares, size, SOURCE)

"""Significant digits of shared ratios and integers, against exact rational arithmetic; what is sent says nothing of the data."""

import bisect
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from smpc.cost import dry_run
from smpc.errors import RingRangeError
from smpc.operations.numeric import normalized
from smpc.operations.numeric.normalized import normalize
from smpc.operations.numeric.significant import Rounding, round_ratio
from smpc.operations.numeric.significant_integers import round_integers
from smpc.operations.reveal import reveal_to_all
from smpc.ring import unpack
from smpc.simulator import simulate
from smpc.transport.mesh import Step
from tests.smpc.joint import compute, parties, split_input

WIDE = 2**61 - 1
RULE = Rounding(digits=3, places=6, decades=9)
ROOT = Rounding(digits=3, places=6, decades=3, is_root=True)
BAND = Fraction(1, 2**24)
NUMBERS = st.one_of(
    st.integers(1, 2000),
    st.integers(1, WIDE),
    st.builds(lambda k, d: 2**k + d, st.integers(2, 60), st.integers(-2, 2)),
)


def digits_of(value, digits, places, decades=None):
    """The oracle: a rational, halves away from zero, in units of ``10**-places``; text and fractions alone."""
    scaled = abs(value) * 10**places
    whole = int(scaled)
    unit = 10 ** max(0, len(str(whole)) - digits)
    found = unit * int(scaled / unit + Fraction(1, 2))
    if decades is not None:
        found = min(found, 10 ** (places + decades))
    return found if value >= 0 else -found


def ratio(rule, bits=61):
    def joint(session, above, below):
        numerator, _ = normalize(session, above, bits)
        denominator, _ = normalize(session, below, bits)
        return round_ratio(session, numerator, denominator, rule)

    return joint


def is_rounded(got, value, rule):
    """Whether it is the oracle's, or that of a value above by less than the band."""
    lowest, highest = (
        digits_of(each, rule.digits, rule.places, rule.decades) for each in (value, value * (1 + BAND))
    )
    return got in {lowest, highest}


@settings(max_examples=10)
@given(
    pairs=st.lists(st.tuples(st.one_of(st.just(0), NUMBERS), NUMBERS), min_size=1, max_size=8), n=parties(4)
)
def test_law_a_ratio_is_rounded_as_the_rational_is(pairs, n):
    above, below = (np.array(each, np.int64) for each in zip(*pairs, strict=True))
    for got, (one, other) in zip(compute(ratio(RULE), above, below, n=n), pairs, strict=True):
        assert is_rounded(int(got), Fraction(one, other), RULE), (one, other)


@settings(max_examples=15)
@given(tie=st.integers(100, 999), decade=st.integers(-3, 5), factor=st.integers(1, 10**6))
def test_law_a_half_goes_away_from_zero_and_just_below_it_down(tie, decade, factor):
    """Halves at the third digit, as quotients of products; below them by more than the band."""
    value = Fraction(2 * tie + 1, 2) * Fraction(10) ** decade
    below = value * (1 - 2 * BAND)
    pairs = [(value.numerator * factor, value.denominator * factor), (below.numerator, below.denominator)]
    pairs = [pair for pair in pairs if max(pair) <= WIDE]
    got = compute(ratio(RULE), *(np.array(each, np.int64) for each in zip(*pairs, strict=True)))
    unit = Fraction(10) ** (decade + 6)
    assert [int(each) for each in got] == [(tie + 1) * unit, tie * unit][: len(pairs)]


def test_zero_the_largest_and_what_is_above_the_largest():
    above = np.array([0, WIDE, 1, 10**9, 10**9 - 1, 1, 1, 999_499, 999_500])
    below = np.array([1, 1, WIDE, 1, 1, 2_000_000, 2_000_001, 10**6, 10**6])
    got = compute(ratio(RULE), above, below)
    assert got.tolist() == [0, 10**15, 0, 10**15, 10**15, 1, 0, 999_000, 1_000_000]


def test_of_a_denominator_of_zero_one_bit_says_so():
    def joint(session, x):
        return normalized.is_positive(session, normalize(session, x, 61)[0])

    assert compute(joint, np.array([0, 1, -1, WIDE, -WIDE, 0])).tolist() == [0, 1, 1, 1, 1, 0]


@settings(max_examples=15)
@given(pairs=st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=8))
def test_law_the_root_of_a_ratio_is_rounded_without_a_root(pairs):
    """Oracle: a value is a half or more where its square is."""
    above, below = (np.array(each, np.int64) for each in zip(*pairs, strict=True))
    for got, (one, other) in zip(compute(ratio(ROOT), above, below), pairs, strict=True):
        square = Fraction(one, other)
        fitting = [got_at(square * grown) for grown in (1, 1 + 4 * BAND)]
        assert int(got) in fitting, (one, other)


SQUARES = [
    Fraction(low + high, 2 * 10**6) ** 2 for low, high in zip((0, *ROOT.values), ROOT.values, strict=False)
]


def got_at(square):
    """The root to three digits, from rational squares: the value above the last half that is not above the root."""
    return (0, *ROOT.values)[bisect.bisect_right(SQUARES, square)]


@settings(max_examples=10)
@given(factors=st.lists(st.tuples(*[st.integers(1, WIDE)] * 4), min_size=1, max_size=4))
def test_law_products_of_normalized_numbers_are_near_the_product(factors):
    """Three factors, up to 183 bits: relative error below 2^-26, and the mantissa where ``low`` says."""

    def joint(session, *inputs):
        a, b, c, _ = (normalize(session, each, 61)[0] for each in inputs)
        found = normalized.multiply(session, normalized.multiply(session, a, b), c)
        assert found.low == 28
        return [found.mantissa, found.exponent]

    mantissas, exponents = compute(joint, *(np.array(each, np.int64) for each in zip(*factors, strict=True)))
    for mantissa, exponent, (a, b, c, _) in zip(mantissas, exponents, factors, strict=True):
        assert 2**28 <= mantissa <= 2**31
        error = Fraction(int(mantissa)) * Fraction(2) ** int(exponent) / (a * b * c) - 1
        assert abs(error) < Fraction(1, 2**26)


@settings(max_examples=10)
@given(
    pairs=st.lists(
        st.tuples(st.one_of(st.just(0), NUMBERS), st.one_of(st.just(0), NUMBERS)), min_size=1, max_size=8
    )
)
def test_law_sums_of_normalized_numbers_are_near_the_sum(pairs):
    """However far apart, and 0 where both are."""

    def joint(session, a, b):
        found = normalized.sum_of(session, normalize(session, a, 61)[0], normalize(session, b, 61)[0])
        assert found.low == 29
        return [found.mantissa, found.exponent, normalized.is_positive(session, found)]

    for mantissa, exponent, flag, pair in zip(
        *compute(joint, *(np.array(each, np.int64) for each in zip(*pairs, strict=True))), pairs, strict=True
    ):
        assert flag == (sum(pair) > 0)
        if flag:
            assert 2**29 <= mantissa <= 2**31
            value = Fraction(int(mantissa)) * Fraction(2) ** int(exponent)
            assert abs(value / sum(pair) - 1) < Fraction(1, 2**28)
        else:
            assert mantissa == 0


@settings(max_examples=15)
@given(
    values=st.lists(st.integers(1 - 10**15, 10**15 - 1), min_size=1, max_size=8),
    digits=st.integers(1, 6),
    n=parties(3),
)
def test_law_integers_are_rounded_exactly(values, digits, n):
    got = compute(lambda s, x: round_integers(s, x, digits, 15), np.array(values, np.int64), n=n)
    assert got.tolist() == [digits_of(Fraction(value), digits, 0) for value in values]


def test_integers_at_halves_at_the_bound_and_of_few_digits():
    values = [0, 1, -1, 999_999, 1_000_005, 1_000_004, -1_000_005, 99_999_950, 10**18 - 1, 1 - 10**18]
    got = compute(lambda s, x: round_integers(s, x, 6, 18), np.array(values))
    assert got.tolist() == [0, 1, -1, 999_999, 1_000_010, 1_000_000, -1_000_010, 10**8, 10**18, -(10**18)]
    same = compute(lambda s, x: round_integers(s, x, 3, 3), np.array([999, -999, 0]))
    assert same.tolist() == [999, -999, 0]


def opened_by(operation, *inputs):
    def joint(session):
        return reveal_to_all(session, operation(session, *(split_input(session, each) for each in inputs)))

    return joint


def test_two_data_sets_with_one_rounded_ratio_give_transcripts_of_one_law():
    """Equal digits; frame by frame equal steps and lengths; and what all add up is uniform for both, at every opening."""
    shapes, opened = [], []
    for inputs in ((np.array([1_234_999]), np.array([10**6])), (np.array([123]), np.array([100]))):
        run = simulate(opened_by(ratio(RULE), *inputs), 3)
        assert {int(each[0]) for each in run.values()} == {1_230_000}
        shapes.append(
            [
                [
                    (sent.step, {to: len(payload) for to, payload in sent.outgoing.items()})
                    for sent in run.sent[name]
                ]
                for name in run.names
            ]
        )
        opened.append(halves_of(run))
    assert shapes[0] == shapes[1]
    for halves in opened:
        assert len(halves) > 40_000
        assert stats.chisquare(np.bincount(halves, minlength=16)).pvalue > 1e-9


def halves_of(run):
    """Half bytes of what the parties add up in the middle, whole words and planes."""
    found = []
    for sents in zip(*(run.sent[name] for name in run.names), strict=True):
        payloads = [next(iter(sent.outgoing.values()), b"") for sent in sents]
        if sents[0].step == Step.OPEN_RING:
            words = sum(unpack(payload, len(payload) // 8, 64) for payload in payloads)
            found.append(words.view(np.uint8))
        elif sents[0].step == Step.OPEN_PLANES:
            found.append(np.bitwise_xor.reduce([np.frombuffer(payload, np.uint8) for payload in payloads]))
    whole = np.concatenate(found)
    return np.concatenate([whole & 15, whole >> 4])


def test_rounds_and_bytes_are_fixed_by_rule_and_number():
    """The same for every data set, since the dry run has none; these are the numbers of the docstrings."""

    def cost(operation, count, n_inputs):
        return dry_run(opened_by(operation, *[np.zeros(count, np.int64)] * n_inputs), 3)

    one, ten = (cost(ratio(RULE), count, 2) for count in (1, 10))
    assert one.rounds == ten.rounds == 28
    assert one.bytes_per_peer < 30_000
    assert ten.bytes_per_peer < 10 * one.bytes_per_peer
    for digits, rounds in ((3, 11), (6, 15)):
        found = cost(lambda s, x, digits=digits: round_integers(s, x, digits, 15), 1, 1)
        assert found.rounds == rounds
        assert found.bytes_per_peer < 10_000


REFUSED = {
    "no digit": lambda _: Rounding(digits=0, places=3, decades=3),
    "five digits": lambda _: Rounding(digits=5, places=3, decades=3),
    "eighteen places": lambda _: Rounding(digits=3, places=9, decades=9),
    "62 bits": lambda s: normalize(s, split_input(s, [1]), 62),
    "no bit": lambda s: normalize(s, split_input(s, [1]), 0),
    "two axes": lambda s: normalize(s, split_input(s, [[1]]), 9),
    "seven digits": lambda s: round_integers(s, split_input(s, [1]), 7, 9),
    "no digit of an integer": lambda s: round_integers(s, split_input(s, [1]), 0, 9),
    "nineteen decades": lambda s: round_integers(s, split_input(s, [1]), 3, 19),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_refused_before_anything_is_sent(name):
    def joint(session):
        before = session.counters.rounds
        with pytest.raises(RingRangeError):
            REFUSED[name](session)
        return session.counters.rounds - before

    assert simulate(joint, 2).values() == [0, 0]


def test_too_many_factors_are_refused():
    def joint(session):
        one, _ = normalize(session, split_input(session, [3]), 9)
        two = normalized.multiply(session, one, one)
        four = normalized.multiply(session, two, two)
        with pytest.raises(RingRangeError):
            round_ratio(session, four, one, RULE)
        return session.counters.rounds

    first, second = simulate(joint, 2).values()
    assert first == second

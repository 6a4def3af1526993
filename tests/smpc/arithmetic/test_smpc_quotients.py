"""Quotients of shared counts against rational arithmetic, at every small denominator and at the largest; what is garbage stays harmless."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smpc.cost import dry_run
from smpc.errors import RingRangeError
from smpc.operations.inputs import contribute
from smpc.operations.numeric.quotients import quotients
from smpc.simulator import simulate
from tests.smpc.joint import compute, parties, split_input

UNIT = Fraction(1, 2**38)
ERROR = Fraction(1, 2**31)


def found(above, below, bits, offsets=(0, 1), **more):
    return compute(lambda session, a, b: quotients(session, a, b, offsets, bits), above, below, **more)


@pytest.mark.parametrize("bits", [5, 12, 20, 22])
def test_every_small_denominator_and_the_largest_with_the_ends_of_the_numerators(bits):
    last = (1 << bits) - 1
    below = np.unique(
        np.minimum([*range(70), *(2**k + d for k in range(6, bits) for d in (-1, 0, 1)), last], last)
    )
    for part in (0, 1, 2, 3):
        above = np.stack([below * part // 3, np.maximum(below - 1, 0) * part // 3])
        for row, offset in zip(found(above, below, bits), (0, 1), strict=True):
            for got, one, other in zip(row, above[offset], below - offset, strict=True):
                if other > 0:
                    assert abs(int(got) * UNIT - Fraction(int(one), int(other))) < ERROR, (one, other)


@settings(max_examples=15)
@given(
    pairs=st.lists(st.tuples(st.integers(1, 2**22 - 1), st.floats(0, 1)), min_size=1, max_size=20),
    n=parties(3),
)
def test_law_any_part_of_any_denominator(pairs, n):
    below = np.array([each for each, _ in pairs])
    above = np.array([[min(each, int(each * part)) for each, part in pairs]])
    for got, one, other in zip(found(above, below, 22, (0,), n=n)[0], above[0], below, strict=True):
        assert abs(int(got) * UNIT - Fraction(int(one), int(other))) < ERROR


def test_nothing_over_nothing_is_zero_and_a_negative_numerator_over_nothing_is_no_error():
    got = found(np.array([[0, 0], [0, -1]]), np.array([0, 0]), 20)
    assert got[0].tolist() == [0, 0]
    assert got[1][0] == 0


def test_rounds_are_those_of_the_module_for_any_number_of_quotients():
    def cost(count, bits):
        def joint(session):
            zeros = contribute(session, np.zeros((2, count), np.int64))
            return quotients(session, zeros, contribute(session, np.zeros(count, np.int64)), (0, 1), bits)

        return dry_run(joint, 3)

    assert [cost(count, bits).rounds for count, bits in ((1, 20), (3000, 20), (1, 22))] == [18, 18, 19]
    assert cost(3000, 20).bytes_per_peer < 450 * 3000


@pytest.mark.parametrize(
    ("shape", "offsets", "bits"),
    [
        ((2, 3), (0, 1), 23),
        ((2, 3), (0, 1), 4),
        ((2, 3), (0, 2), 9),
        ((1, 3), (0, 1), 9),
        ((2, 4), (0, 1), 9),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_sent(shape, offsets, bits):
    def joint(session):
        above, below = split_input(session, np.zeros(shape)), split_input(session, np.zeros(3))
        rounds = session.counters.rounds
        with pytest.raises(RingRangeError):
            quotients(session, above, below, offsets, bits)
        return session.counters.rounds - rounds

    assert simulate(joint, 2).values() == [0, 0]

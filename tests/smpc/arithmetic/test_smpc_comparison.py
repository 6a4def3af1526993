import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smpc.cost import dry_run
from smpc.errors import RingRangeError
from smpc.operations.comparison import at_least, at_least_each, equals, is_negative, is_zero, less_than
from smpc.ring import packed_bytes
from smpc.sharing import Shared
from smpc.simulator import simulate
from tests.smpc.joint import THREE, THREE_OF_FOUR, compute, parties, split_input


def edges(bits):
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    values = {
        low,
        low + 1,
        -2,
        -1,
        0,
        1,
        2,
        high - 1,
        high,
        low // 2,
        high // 2,
        7,
        8,
        15,
        16,
        -8,
        -9,
        -16,
        -17,
    }
    return np.array(sorted(v for v in values if low <= v <= high), np.int64)


@pytest.mark.parametrize("n", [2, 3, 4, 5, THREE, THREE_OF_FOUR])
@pytest.mark.parametrize(
    "bits",
    [bits if bits % 4 in {0, 1} else pytest.param(bits, marks=pytest.mark.slow) for bits in range(1, 65)],
)
def test_signs_and_zeros_at_the_edges_of_every_width(bits, n):
    x = edges(bits)
    negative, zero = compute(lambda s, a: [is_negative(s, a, bits), is_zero(s, a, bits)], x, n=n)
    np.testing.assert_array_equal(negative, x < 0)
    np.testing.assert_array_equal(zero, x == 0)


@given(data=st.data(), bits=st.integers(1, 64), n=parties(5))
def test_signs_and_zeros_of_any_values(data, bits, n):
    inside = st.integers(-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
    x = np.array(data.draw(st.lists(inside, min_size=1, max_size=20)), np.int64)
    negative, zero = compute(lambda s, a: [is_negative(s, a, bits), is_zero(s, a, bits)], x, n=n)
    np.testing.assert_array_equal(negative, x < 0)
    np.testing.assert_array_equal(zero, x == 0)


@given(data=st.data(), bits=st.integers(2, 63), n=parties(4))
def test_comparing_two_shared_arrays_and_a_public_one(data, bits, n):
    inside = st.integers(-(1 << (bits - 2)), (1 << (bits - 2)) - 1)
    pairs = data.draw(st.lists(st.tuples(inside, inside), min_size=1, max_size=12))
    x, y = np.array(pairs, np.int64).T

    def operation(session, a, b):
        return [
            at_least(session, a, b, bits),
            less_than(session, a, b, bits),
            equals(session, a, b, bits),
            at_least(session, a, y, bits),
            equals(session, a, y, bits),
            less_than(session, a, int(y[0]), bits),
        ]

    got = compute(operation, x, y, n=n)
    for outcome, expected in zip(got, [x >= y, x < y, x == y, x >= y, x == y, x < y[0]], strict=True):
        np.testing.assert_array_equal(outcome, expected)


@given(data=st.data(), bits=st.integers(2, 64), n=parties(4))
def test_comparing_with_several_thresholds_under_one_mask(data, bits, n):
    inside = st.integers(-(1 << (bits - 2)), (1 << (bits - 2)) - 1)
    x = np.array(data.draw(st.lists(inside, min_size=1, max_size=9)), np.int64)
    thresholds = np.array(data.draw(st.lists(inside, max_size=5)), np.int64)
    got = compute(lambda s, a: at_least_each(s, a, thresholds, bits), x, n=n)
    np.testing.assert_array_equal(got, x >= thresholds[:, np.newaxis])


def test_several_thresholds_keep_the_shape_and_open_the_value_once():
    x, thresholds = np.arange(-6, 6).reshape(3, 4), np.array([-2, 0, 5, 7])
    got = compute(lambda s, a: at_least_each(s, a, thresholds, 20), x)
    np.testing.assert_array_equal(got, x >= thresholds[:, np.newaxis, np.newaxis])
    values = np.zeros(800, np.int64)
    one = dry_run(lambda s: is_negative(s, Shared(share=values), 20), 3)
    four = dry_run(lambda s: at_least_each(s, Shared(share=values), thresholds, 20), 3)
    opening = packed_bytes(800, 20)
    assert four.rounds == one.rounds
    assert four.bytes_per_peer - opening == 4 * (one.bytes_per_peer - opening)


@pytest.mark.parametrize(
    "thresholds", [np.int64(3), np.zeros((2, 2), np.int64), np.array([1.5]), np.array([1 << 63], np.uint64)]
)
def test_thresholds_that_are_no_integers_in_a_row_are_refused(thresholds):
    with pytest.raises(RingRangeError):
        dry_run(lambda s: at_least_each(s, Shared(share=np.zeros(3, np.int64)), thresholds, 8), 2)


@pytest.mark.parametrize("kind", [np.int8, np.int32, np.uint64])
def test_thresholds_of_any_type_of_integer(kind):
    x = np.array([-1, 0, 5, 99])
    got = compute(lambda s, a: at_least_each(s, a, np.array([0, 6], kind), 9), x)
    np.testing.assert_array_equal(got, x >= np.array([[0], [6]]))


def test_zero_is_distinguished_from_every_signed_power_of_two():
    x = np.array([0, *(1 << i for i in range(20)), *(-(1 << i) for i in range(20))])
    np.testing.assert_array_equal(compute(lambda s, a: is_zero(s, a, 20), x), x == 0)


def test_shapes_are_kept_and_broadcast():
    x = np.arange(-6, 6).reshape(3, 4)
    thresholds = np.array([[-1], [0], [5]])
    got = compute(lambda s, a: at_least(s, a, thresholds, 8), x)
    np.testing.assert_array_equal(got, x >= thresholds)


def test_nothing_to_compare_costs_nothing():
    cost = dry_run(lambda s: is_negative(s, Shared(share=np.zeros((0, 3), np.int64)), 8), 3)
    assert (cost.rounds, cost.bytes_per_peer, cost.dealer_bytes) == (0, 0, 0)


@pytest.mark.parametrize("bits", [0, 65, -1, True])
@pytest.mark.parametrize("operation", [is_negative, is_zero])
def test_a_width_that_does_not_exist_is_refused_before_anything_is_sent(operation, bits):
    x = np.arange(3)
    run = simulate(lambda s: operation(s, split_input(s, x), bits), 2, prefetch=False)
    assert all(isinstance(run.errors[name], RingRangeError) for name in run.names)
    assert all(run.counters[name].rounds <= 1 for name in run.names)


ROUNDS_OF_SIGNS = {1: 2, 4: 2, 5: 2, 6: 3, 8: 3, 20: 3, 21: 3, 22: 4, 24: 4, 32: 4, 64: 4}
ROUNDS_OF_ZEROS = {1: 2, 4: 2, 5: 3, 20: 3, 21: 4, 64: 4}
BYTES_OF_800_SIGNS = {1: 200, 4: 500, 8: 1100, 24: 3600, 64: 9800}


@pytest.mark.parametrize("n", [2, 5])
@pytest.mark.parametrize(("bits", "rounds"), ROUNDS_OF_SIGNS.items())
def test_rounds_of_signs(bits, rounds, n):
    assert dry_run(lambda s: is_negative(s, Shared(share=np.zeros(800, np.int64)), bits), n).rounds == rounds


@pytest.mark.parametrize(("bits", "rounds"), ROUNDS_OF_ZEROS.items())
def test_rounds_of_zeros(bits, rounds):
    assert dry_run(lambda s: is_zero(s, Shared(share=np.zeros(800, np.int64)), bits), 3).rounds == rounds


@pytest.mark.parametrize(("bits", "n_bytes"), BYTES_OF_800_SIGNS.items())
def test_bytes_of_signs(bits, n_bytes):
    cost = dry_run(lambda s: is_negative(s, Shared(share=np.zeros(800, np.int64)), bits), 3)
    assert cost.bytes_per_peer == n_bytes
    assert cost.bytes_per_peer > packed_bytes(800, bits)

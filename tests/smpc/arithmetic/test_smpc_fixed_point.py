"""Fixed-point products against Python's integers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smpc.cost import dry_run
from smpc.errors import PartyLostError, RingRangeError
from smpc.operations.numeric import fixed_point
from smpc.operations.numeric.fixed_point import FixedPoint
from smpc.simulator import DEALER, Fault, FaultKind, simulate
from tests.smpc.joint import THREE, THREE_OF_FOUR, compute, parties, split_input

SCALE = FixedPoint(fraction=16, integer=30)
OBJECTS = np.frompyfunc(int, 1, 1)


def rounded(exact, fraction):
    """The oracle: Python's integers, halves upwards."""
    return ((OBJECTS(exact) + (1 << (fraction - 1))) >> fraction).astype(np.int64)


def units(rng, shape, magnitude):
    return rng.integers(-magnitude, magnitude + 1, shape)


@given(data=st.data(), fraction=st.integers(1, 30), n=parties(8))
def test_products_and_squares_of_any_scale_are_rounded_exactly(data, fraction, n):
    integer = data.draw(st.integers(1, 63 - 2 * fraction))
    scale = FixedPoint(fraction=fraction, integer=integer)
    most = ((1 << integer) - 1) << (2 * fraction)
    first = st.integers(-min(most, 2**62), min(most, 2**62)).filter(bool)
    pairs = []
    for _ in range(data.draw(st.integers(1, 8))):
        x = data.draw(first)
        limit = most // abs(x)
        pairs.append((x, data.draw(st.integers(-limit, limit))))
    a, b = np.array(pairs, np.int64).T
    root = int(most**0.5) - 1
    c = np.array([0, 1, -root, root])
    got, squares = compute(
        lambda s, x, y, z: [fixed_point.multiply(s, x, y, scale), fixed_point.square(s, z, scale)],
        a,
        b,
        c,
        n=n,
    )
    np.testing.assert_array_equal(got, rounded(OBJECTS(a) * OBJECTS(b), fraction))
    np.testing.assert_array_equal(squares, rounded(OBJECTS(c) * OBJECTS(c), fraction))


@pytest.mark.parametrize(("fraction", "integer"), [(16, 31), (31, 1), (1, 61)])
def test_products_that_fill_the_whole_word_are_rounded_exactly(fraction, integer):
    scale = FixedPoint(fraction=fraction, integer=integer)
    assert scale.wide_bits == 64
    most = ((1 << integer) - 1) << (2 * fraction)
    left = np.array([1, -1, 3, 1 << (integer // 2), (1 << fraction) + 1, -(1 << fraction)], np.int64)
    right = np.array([most // int(v) for v in left], object)
    a, b = np.concatenate([left, left]), np.concatenate([right, -right])
    fits = np.abs(b) < 1 << 63
    a, b = a[fits], b[fits].astype(np.int64)
    got = compute(lambda s, x, y: fixed_point.multiply(s, x, y, scale), a, b, n=3)
    np.testing.assert_array_equal(got, rounded(OBJECTS(a) * OBJECTS(b), fraction))


def pairs_up_to(rng, count, bits):
    """Numbers whose product's absolute value is near all magnitudes below ``2**bits``."""
    exponents = rng.uniform(0, bits - 0.01, count)
    share = rng.uniform(0, 1, count)
    x = np.exp2(exponents * share) * rng.choice([-1.0, 1.0], count)
    return x, np.exp2(exponents * (1 - share)) * rng.choice([-1.0, 1.0], count)


@pytest.mark.parametrize("count", [20_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("n", [2, 3, THREE, THREE_OF_FOUR])
def test_many_products_up_to_two_to_the_thirty_and_none_wrong(count, n):
    x, y = (SCALE.encode(part) for part in pairs_up_to(np.random.default_rng(n), count, 30))
    got = compute(lambda s, a, b: fixed_point.multiply(s, a, b, SCALE), x, y, n=n)
    exact = x * y  # below 2**62
    assert np.count_nonzero(got != (exact + (1 << 15)) >> 16) == 0


@pytest.mark.parametrize("n", [2, 3, THREE, THREE_OF_FOUR])
def test_matrix_products_are_truncated_once(n):
    rng = np.random.default_rng(3)
    a, b = units(rng, (7, 200), 2**26), units(rng, (200, 4), 2**26)
    got = compute(lambda s, x, y: fixed_point.matmul(s, x, y, SCALE), a, b, n=n)
    np.testing.assert_array_equal(got, rounded(OBJECTS(a) @ OBJECTS(b), 16))


def test_summands_may_leave_the_range_if_the_sum_is_within_it():
    a = np.array([[2**31, 2**31, 3]])
    b = np.array([[2**31], [-(2**31)], [2**16]])
    got = compute(lambda s, x, y: fixed_point.matmul(s, x, y, SCALE), a, b)
    assert got.tolist() == [[3]]


@pytest.mark.parametrize("n", [2, 5, THREE, THREE_OF_FOUR])
def test_the_gram_matrix_is_symmetric_and_rounded_exactly(n):
    x = units(np.random.default_rng(4), (60, 5), 2**25)
    got = compute(lambda s, a: fixed_point.gram(s, a, SCALE), x, n=n)
    np.testing.assert_array_equal(got, rounded(OBJECTS(x.T) @ OBJECTS(x), 16))
    np.testing.assert_array_equal(got, got.T)


OPERATIONS = {
    "multiply": (lambda s, a: fixed_point.multiply(s, a, a, SCALE), 4, 1600 + 100 * 8 + 7 * 13),
    "square": (lambda s, a: fixed_point.square(s, a, SCALE), 4, 800 + 100 * 8 + 7 * 13),
    "matmul": (lambda s, a: fixed_point.matmul(s, a, a, SCALE), 4, 1600 + 100 * 8 + 7 * 13),
    "gram": (lambda s, a: fixed_point.gram(s, a, SCALE), 4, 800 + 55 * 8 + 7 * 7),
}


@pytest.mark.parametrize("n", [2, 4])
@pytest.mark.parametrize("name", OPERATIONS)
def test_rounds_and_bytes_are_those_of_the_dry_run(name, n):
    operation, rounds, n_bytes = OPERATIONS[name]

    def joint(session):
        return operation(session, split_input(session, np.ones((10, 10))))

    cost = dry_run(joint, n)
    assert (cost.rounds, cost.bytes_per_peer) == (rounds, n_bytes)
    run = simulate(joint, n)
    run.values()
    for party in run.names:
        sent = {peer: count for peer, count in run.counters[party].bytes_sent.items() if peer != DEALER}
        assert sent == {peer: 32 + cost.bytes_per_peer for peer in run.names if peer != party}
    assert sum(run.counters[DEALER].bytes_sent.values()) == cost.dealer_bytes


@given(st.lists(st.floats(-(2.0**30) + 1, 2.0**30 - 1), min_size=1, max_size=9))
def test_encoding_is_off_by_half_a_unit_at_most(numbers):
    values = np.array(numbers)
    np.testing.assert_array_less(np.abs(SCALE.decode(SCALE.encode(values)) - values), 2.0**-17 * 1.0001)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 2.0**30, -(2.0**30), 1e300])
def test_a_number_out_of_range_is_refused_without_its_value(bad):
    with pytest.raises(RingRangeError) as caught:
        SCALE.encode(np.array([1.0, bad]))
    assert str(caught.value) == "out of range: fixed-point number"


@pytest.mark.parametrize(
    ("bad", "integer"),
    [
        (np.array([np.inf], np.float16), 20),  # the bound itself is infinite in so narrow a type
        (np.array([np.nan], np.float16), 20),
        (np.array([2.0**40], np.float32), 40),  # 2**40 - 1 is 2**40 in 24 bits
        (np.array([-(2.0**60)]), 60),  # and 2**60 - 1 is 2**60 in 53
        (np.array([1e300], np.longdouble) ** 2, 40),
    ],
)
def test_a_bound_that_a_floats_type_rounds_up_lets_nothing_pass(bad, integer):
    scale = FixedPoint(fraction=1, integer=integer)
    with pytest.raises(RingRangeError):
        scale.encode(bad)


@pytest.mark.parametrize(("kind", "integer"), [(np.float16, 3), (np.float32, 20), (np.float64, 60)])
def test_the_largest_number_that_fits_is_encoded_from_every_type(kind, integer):
    scale = FixedPoint(fraction=1, integer=integer)
    largest = kind(2.0**integer - 1) if integer < 53 else np.nextafter(2.0**integer, 0)
    assert scale.encode(np.array([largest, -largest], kind)).tolist() == [2 * int(largest), -2 * int(largest)]


@pytest.mark.parametrize("bad", [np.array([1]), [1.0], np.array(["1"]), np.array([True])])
def test_what_is_no_float_is_refused(bad):
    with pytest.raises(RingRangeError):
        SCALE.encode(bad)


@pytest.mark.parametrize(
    ("fraction", "integer"), [(0, 5), (5, 0), (-1, 5), (16, 32), (31, 2), (32, 1), (True, 5), (5, 2.0)]
)
def test_scales_whose_products_do_not_fit_are_refused(fraction, integer):
    with pytest.raises(RingRangeError):
        FixedPoint(fraction=fraction, integer=integer)


@pytest.mark.parametrize("shape", [(4,), (2, 2, 2)])
def test_gram_of_no_matrix_is_refused(shape):
    run = simulate(lambda s: fixed_point.gram(s, split_input(s, np.ones(shape)), SCALE), 2, prefetch=False)
    assert all(isinstance(run.errors[name], RingRangeError) for name in run.names)


@pytest.mark.parametrize("party", ["bob", DEALER])
def test_a_killed_party_or_dealer_ends_all_others_with_an_error(party):
    def joint(session):
        a = split_input(session, np.arange(10))
        return fixed_point.multiply(session, a, a, SCALE)

    fault = Fault(party=party, at_round=0 if party == DEALER else 3, kind=FaultKind.KILL)
    run = simulate(joint, 3, faults=[fault], timeout_s=3)
    assert all(isinstance(run.errors[name], PartyLostError) for name in ("ada", "cyd"))

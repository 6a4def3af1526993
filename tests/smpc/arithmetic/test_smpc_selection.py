import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smpc.cost import dry_run
from smpc.errors import RingRangeError
from smpc.operations.selection import (
    all_at_least,
    all_of,
    any_of,
    argmax,
    between,
    clip,
    keep_at_least,
    keep_where,
    maximum,
    minimum,
    negation,
    relu,
    select,
)
from smpc.simulator import simulate
from tests.smpc.joint import compute, parties, split_input

WORDS = st.integers(-(1 << 63), (1 << 63) - 1)


@given(rows=st.lists(st.tuples(st.booleans(), WORDS, WORDS), min_size=1, max_size=10), n=parties(5))
def test_select_takes_the_right_word_of_the_whole_ring(rows, n):
    bit, a, b = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    got = compute(lambda s, x, y, z: [select(s, x, y, z), keep_where(s, x, y)], bit, a, b, n=n)
    np.testing.assert_array_equal(got[0], np.where(bit, a, b))
    np.testing.assert_array_equal(got[1], np.where(bit, a, 0))


@given(data=st.data(), n_bits=st.integers(1, 23), count=st.integers(1, 19), n=parties(4))
def test_and_and_or_of_up_to_many_bits(data, n_bits, count, n):
    likely = st.integers(0, 5).map(lambda v: int(v > 0))
    rows = np.array(
        data.draw(
            st.lists(st.lists(likely, min_size=count, max_size=count), min_size=n_bits, max_size=n_bits)
        )
    )
    every, some = compute(
        lambda s, *bits: [all_of(s, *bits), any_of(s, *(negation(s, bit) for bit in bits))], *rows, n=n
    )
    np.testing.assert_array_equal(every, rows.all(axis=0))
    np.testing.assert_array_equal(some, (1 - rows).any(axis=0))


@given(
    rows=st.lists(st.tuples(st.integers(-99, 99), st.integers(-3, 3)), min_size=1, max_size=23), n=parties(4)
)
def test_whether_every_value_reaches_its_threshold(rows, n):
    gaps = np.array([gap for _, gap in rows])
    for x in (gaps, np.abs(gaps)):
        thresholds = np.array([threshold for threshold, _ in rows])
        got = compute(lambda s, v, t=thresholds: all_at_least(s, v, t, 9), x + thresholds, n=n)
        assert got.tolist() == [int((x >= 0).all())]


@pytest.mark.parametrize(("size", "least"), [(0, 0), (2, 1), (2, 3)])
def test_other_shapes_of_thresholds_are_refused(size, least):
    def joint(session):
        x = split_input(session, np.zeros(size))
        with pytest.raises(RingRangeError):
            all_at_least(session, x, np.zeros(least, np.int64), 9)

    simulate(joint, 2).values()


@given(data=st.data(), bits=st.integers(3, 64), n=parties(4))
def test_what_reaches_a_threshold_is_kept(data, bits, n):
    inside = st.integers(-(1 << (bits - 2)), (1 << (bits - 2)) - 1)
    x = np.array(data.draw(st.lists(inside, min_size=1, max_size=12)), np.int64)
    threshold = data.draw(st.one_of(inside, st.sampled_from(x.tolist())))
    got = compute(lambda s, a: keep_at_least(s, a, threshold, bits), x, n=n)
    np.testing.assert_array_equal(got, np.where(x >= threshold, x, 0))


def test_a_thousand_counters_against_a_threshold_cost_no_product_round():
    counts = np.zeros(1000, np.int64)
    for bits, rounds, n_bytes in ((24, 4, 9_500), (64, 4, 12_250)):
        for n in (2, 3, 5):
            cost = dry_run(lambda s, bits=bits: keep_at_least(s, split_input(s, counts), 100, bits), n)
            assert (cost.rounds, cost.bytes_per_peer) == (rounds, n_bytes)


@given(data=st.data(), bits=st.integers(3, 64), n=parties(4))
def test_between_clip_and_relu(data, bits, n):
    inside = st.integers(-(1 << (bits - 2)), (1 << (bits - 2)) - 1)
    x = np.array(data.draw(st.lists(inside, min_size=1, max_size=12)), np.int64)
    low, high = sorted((data.draw(inside), data.draw(inside)))
    got = compute(
        lambda s, a: [between(s, a, low, high, bits), clip(s, a, low, high, bits), relu(s, a, bits)], x, n=n
    )
    np.testing.assert_array_equal(got[0], (low <= x) & (x <= high))
    np.testing.assert_array_equal(got[1], np.clip(x, low, high))
    np.testing.assert_array_equal(got[2], np.maximum(x, 0))


@given(data=st.data(), bits=st.integers(2, 64), rows=st.integers(1, 9), n=parties(3))
def test_largest_smallest_and_where(data, bits, rows, n):
    half = st.integers(-(1 << (bits - 2)), (1 << (bits - 2)) - 1)
    x = np.array(
        data.draw(st.lists(st.lists(half, min_size=3, max_size=3), min_size=rows, max_size=rows)), np.int64
    )
    got = compute(lambda s, a: [maximum(s, a, bits), minimum(s, a, bits), argmax(s, a, bits)], x, n=n)
    np.testing.assert_array_equal(got[0], x.max(axis=0))
    np.testing.assert_array_equal(got[1], x.min(axis=0))
    np.testing.assert_array_equal(got[2], x.argmax(axis=0))


def test_of_equal_ones_the_first_is_the_largest():
    got = compute(lambda s, a: argmax(s, a, 8), np.array([3, 7, 7, 1, 7]))
    assert got.tolist() == [1]


@pytest.mark.parametrize(
    "operation",
    [
        lambda s, x: clip(s, x, 3, 2, 8),
        lambda s, x: all_of(s),
        lambda s, x: all_of(s, x, split_input(s, [1])),
        lambda s, x: maximum(s, split_input(s, np.zeros((0, 2))), 8),
    ],
    ids=["crossed bounds", "no bits", "two shapes", "nothing"],
)
def test_senseless_calls_are_refused_before_anything_is_sent(operation):
    run = simulate(lambda s: _refusal(operation, s), 2, prefetch=False)
    assert run.values() == ["RingRangeError"] * 2
    assert all(run.counters[name].rounds == 1 for name in run.names)


def _refusal(operation, session):
    try:
        operation(session, split_input(session, np.arange(3)))
    except RingRangeError as error:
        return type(error).__name__
    return "accepted"

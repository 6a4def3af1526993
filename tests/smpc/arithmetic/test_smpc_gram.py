"""Gram matrices against numpy on Python integers: own rows, shared rows, bounds, one mask for both operands."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from smpc.cost import dry_run
from smpc.errors import RingRangeError
from smpc.operations import arithmetic
from smpc.operations.numeric.gram import from_triangle, gram, gram_of_rows, triangle
from smpc.operations.reveal import reveal_to_all
from smpc.sharing import Shared
from smpc.simulator import DEALER, simulate
from smpc.transport.mesh import Step
from tests.smpc.joint import THREE, THREE_OF_FOUR, compute, parties, split_input

WORDS = st.integers(-(1 << 63), (1 << 63) - 1)
SMALL = st.integers(-(1 << 20), 1 << 20)
MATRICES = st.tuples(st.integers(1, 7), st.integers(1, 5))


def exact(x):
    """X^T X on Python integers, brought into the ring at the end."""
    x = np.asarray(x).astype(object)
    whole = np.array([[sum(a * b for a, b in zip(p, q, strict=True)) for q in x.T] for p in x.T], object)
    return np.array([(int(v) + (1 << 63)) % (1 << 64) - (1 << 63) for v in whole.ravel()], np.int64).reshape(
        whole.shape
    )


@given(x=MATRICES.flatmap(lambda shape: arrays(np.int64, shape, elements=WORDS)), n=parties(5))
def test_shared_rows_give_the_gram_matrix_of_the_whole_ring(x, n):
    np.testing.assert_array_equal(compute(gram, x, n=n), exact(x))


@given(x=MATRICES.flatmap(lambda shape: arrays(np.int64, shape, elements=WORDS)))
def test_it_is_what_the_matrix_product_gives(x):
    got = compute(lambda s, a: [gram(s, a), arithmetic.matmul(s, arithmetic.transpose(a), a)], x, n=2)
    np.testing.assert_array_equal(got[0], got[1])
    np.testing.assert_array_equal(got[0], got[0].T)


@pytest.mark.parametrize("n", [2, 3, THREE, THREE_OF_FOUR])
def test_a_stack_of_matrices(n):
    x = np.random.default_rng(8).integers(-(1 << 40), 1 << 40, (3, 6, 4))
    got = compute(gram, x, n=n)
    for one, rows in zip(got, x, strict=True):
        np.testing.assert_array_equal(one, exact(rows))


@given(
    x=MATRICES.flatmap(lambda shape: arrays(np.int64, shape, elements=SMALL)),
    n=st.integers(2, 5),
    data=st.data(),
)
def test_however_the_rows_are_dealt_to_the_sites_their_gram_matrix_is_the_same(x, n, data):
    sites = np.array(data.draw(st.lists(st.integers(0, n - 1), min_size=len(x), max_size=len(x))))

    def joint(session):
        shared = gram_of_rows(session, x[sites == session.rank], 1 << 20, 100)
        return reveal_to_all(session, shared), reveal_to_all(session, from_triangle(shared))

    for packed, whole in simulate(joint, n, prefetch=False).values():
        np.testing.assert_array_equal(whole, exact(x))
        np.testing.assert_array_equal(packed, triangle(exact(x)))


def test_the_largest_bounds_of_the_ring_are_exact_and_larger_ones_refused():
    magnitude = 1 << 31
    rows = np.array([[magnitude, -magnitude]])

    def joint(session):
        mine = rows if session.is_first else rows[:0]
        with pytest.raises(RingRangeError):
            gram_of_rows(session, mine, magnitude, 2)
        return reveal_to_all(session, gram_of_rows(session, mine, magnitude, 1))

    for outcome in simulate(joint, 2).values():
        assert outcome.tolist() == [1 << 62, -(1 << 62), 1 << 62]


@pytest.mark.parametrize("n", [2, 3, 5])
@pytest.mark.parametrize("shape", [(30, 4), (1, 1), (2, 5, 3)])
def test_a_dry_run_tells_rounds_and_bytes_exactly(shape, n):
    x = np.ones(shape, np.int64)
    cost = dry_run(lambda s: gram(s, split_input(s, x)), n)
    assert (cost.rounds, cost.bytes_per_peer) == (1, 8 * x.size)
    run = simulate(lambda s: gram(s, split_input(s, x)), n)
    run.values()
    for party in run.names:
        sent = {peer: size for peer, size in run.counters[party].bytes_sent.items() if peer != DEALER}
        assert sent == {peer: 32 + cost.bytes_per_peer for peer in run.names if peer != party}
        assert run.counters[party].rounds == 3
    assert sum(run.counters[DEALER].bytes_sent.values()) == cost.dealer_bytes


def test_ten_thousand_rows_of_twenty_columns_keep_to_the_target():
    zeros = np.zeros((10_000, 20), np.int64)
    assert dry_run(lambda s: gram(s, Shared(share=zeros)), 3).bytes_per_peer == 1_600_000
    cost = dry_run(lambda s: reveal_to_all(s, gram_of_rows(s, zeros, 1 << 20, 10_000)), 3)
    assert (cost.rounds, cost.bytes_per_peer, cost.requests) == (1, 1680, ())


def test_what_is_sent_is_uniform_whatever_the_rows():
    run = simulate(lambda s: gram(s, split_input(s, np.zeros((500, 8)))), 3)
    run.values()
    for party in run.names:
        (opening,) = [sent for sent in run.sent[party] if sent.step == Step.OPEN_RING]
        for payload in opening.outgoing.values():
            counts = np.bincount(np.frombuffer(payload, np.uint8), minlength=256)
            assert stats.chisquare(counts).pvalue > 1e-9


def test_a_sites_own_sums_do_not_show_in_its_share():
    rows = np.arange(12).reshape(4, 3)
    shares = simulate(lambda s: gram_of_rows(s, rows, 11, 12).share, 3, prefetch=False).values()
    for one in shares:
        assert np.intersect1d(one, triangle(exact(rows))).size == 0
    np.testing.assert_array_equal(np.sum(shares, axis=0), 3 * triangle(exact(rows)))


@pytest.mark.parametrize(
    "operation",
    [
        lambda s: gram(s, split_input(s, np.ones(4))),
        lambda s: gram_of_rows(s, np.ones(3, np.int64), 5, 5),
        lambda s: gram_of_rows(s, np.full((1, 2), 6), 5, 5),
        lambda s: gram_of_rows(s, np.full((1, 2), -6), 5, 5),
        lambda s: gram_of_rows(s, np.array([[-(1 << 63)]]), 5, 5),
        lambda s: gram_of_rows(s, np.ones((6, 1), np.int64), 5, 5),
        lambda s: gram_of_rows(s, np.ones((1, 1)), 5, 5),
        lambda s: gram_of_rows(s, np.ones((1, 1), np.int64), -1, 5),
        lambda s: gram_of_rows(s, np.ones((1, 1), np.int64), 1 << 32, 1),
        lambda s: from_triangle(Shared(share=np.ones(4, np.int64))),
        lambda s: from_triangle(Shared(share=np.ones((3, 1), np.int64))),
    ],
    ids=[
        "vector",
        "own vector",
        "above",
        "below",
        "lowest word",
        "too many rows",
        "floats",
        "magnitude",
        "overflow",
        "no triangle",
        "two axes",
    ],
)
def test_senseless_matrices_are_refused_before_anything_is_sent(operation):
    def joint(session):
        before = session.counters.bytes_sent.copy()
        with pytest.raises(RingRangeError) as caught:
            operation(session)
        return session.counters.bytes_sent == before, "6" in str(caught.value)

    assert simulate(joint, 2, prefetch=False).values() == [(True, False)] * 2

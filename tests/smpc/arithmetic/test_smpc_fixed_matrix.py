"""A matrix masked once: its products, their cost, and the uniformity of its openings."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from smpc.cost import dry_run
from smpc.dealer import requests
from smpc.dealer.correlations import recipe_of
from smpc.errors import MaterialError, PartyLostError, PeerRejectedError, RingRangeError
from smpc.operations.numeric.fixed_matrix import FixedMatrix
from smpc.operations.open_masked import open_differences
from smpc.operations.reveal import reveal_to_all
from smpc.sharing import Shared
from smpc.simulator import DEALER, Fault, FaultKind, simulate
from smpc.transport.mesh import Step
from tests.smpc.joint import compute, parties, split_input

WORDS = st.integers(-(1 << 63), (1 << 63) - 1)


def products(session, x, *operands):
    """All forward products, then all backward ones."""
    n, d = x.shape
    forward = [w for w in operands if w.shape[0] == d and w.shape[0] != n]
    backward = [r for r in operands if r.shape[0] == n]
    matrix = FixedMatrix(
        session, x, n_forward=len(forward), n_backward=len(backward), width=operands[0].shape[1]
    )
    return [matrix.times(w) for w in forward] + [matrix.transposed_times(r) for r in backward]


def wrapped(a, b):
    """On Python integers, brought into the ring at the end."""
    whole = np.dot(a.astype(object), b.astype(object))
    return np.vectorize(lambda v: (int(v) + (1 << 63)) % (1 << 64) - (1 << 63), otypes=[np.int64])(whole)


@given(data=st.data(), n=parties(5), d=st.integers(1, 4), width=st.integers(1, 3))
def test_law_both_products_are_those_of_the_whole_ring(data, n, d, width):
    rows = d + data.draw(st.integers(1, 4))
    x = data.draw(arrays(np.int64, (rows, d), elements=WORDS))
    forward = [data.draw(arrays(np.int64, (d, width), elements=WORDS)) for _ in range(2)]
    backward = [data.draw(arrays(np.int64, (rows, width), elements=WORDS)) for _ in range(2)]
    got = compute(products, x, *forward, *backward, n=n)
    for one, operand in zip(got, forward + backward, strict=True):
        left = x if operand.shape[0] == d else x.T
        np.testing.assert_array_equal(one, wrapped(left, operand))


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_the_matrix_is_opened_once_in_the_round_of_the_first_product(n):
    x, w, r = np.ones((40, 3)), np.ones((3, 2)), np.ones((40, 2))

    def joint(session):
        return products(session, *(split_input(session, part) for part in (x, w, w, r, r)))

    cost = dry_run(joint, n)
    assert (cost.rounds, cost.bytes_per_peer) == (4, 8 * (120 + 2 * 6 + 2 * 80))
    assert cost.requests == (requests.fixed_matrix((40, 3), 2, 2, 2),)
    run = simulate(joint, n)
    run.values()
    for party in run.names:
        sent = {peer: size for peer, size in run.counters[party].bytes_sent.items() if peer != DEALER}
        assert sent == {peer: 32 + cost.bytes_per_peer for peer in run.names if peer != party}
        openings = [sent for sent in run.sent[party] if sent.step == Step.OPEN_RING]
        sizes = [len(next(iter(sent.outgoing.values()))) for sent in openings]
        assert sizes == [8 * (120 + 6), 8 * 6, 8 * 80, 8 * 80]
    assert sum(run.counters[DEALER].bytes_sent.values()) == cost.dealer_bytes


@pytest.mark.parametrize("secret", [0, -1, 1 << 40], ids=["zeros", "ones", "large"])
def test_openings_of_one_operand_are_uniform_and_fresh_at_every_product(secret):
    """The attack: add up what all sent in the openings of one operand, again and again; look for it, or for repeats."""
    x, w = np.full((500, 8), secret), np.full((8, 500), secret)

    def joint(session):
        return products(session, *(split_input(session, part) for part in (x, w, w, w)))

    run = simulate(joint, 2)
    run.values()
    opened = []
    for mine, other in zip(*(run.sent[name] for name in run.names), strict=True):
        if mine.step == Step.OPEN_RING:
            payloads = [np.frombuffer(next(iter(sent.outgoing.values())), np.int64) for sent in (mine, other)]
            opened.append(payloads[0] + payloads[1])
    assert [part.size for part in opened] == [8000, 4000, 4000]
    for part in opened:
        assert stats.chisquare(np.bincount(part.view(np.uint8), minlength=256)).pvalue > 1e-9
    seen = np.concatenate(opened)
    assert np.unique(seen).size == seen.size


def test_the_material_obeys_its_relation():
    request = requests.fixed_matrix((6, 3), 2, 4, 5)
    recipe = recipe_of(request)
    held = simulate(lambda s: s.supply.take(request), 3).values()
    a, b, c, forward, backward = (
        part.combine([own[i] for own in held]) for i, part in enumerate(recipe.free + recipe.bound)
    )
    assert (forward.shape, backward.shape) == ((4, 6, 2), (5, 3, 2))
    for one, operand in zip(forward, b, strict=True):
        np.testing.assert_array_equal(one, wrapped(a, operand))
    for one, operand in zip(backward, c, strict=True):
        np.testing.assert_array_equal(one, wrapped(a.T, operand))


@pytest.mark.parametrize("parameters", [(), (3, 2, 1), (3, 2, 1, 0, 0), (3, 2, 1, 1, 1, 1)])
def test_requests_without_sense_are_refused(parameters):
    with pytest.raises(PeerRejectedError):
        recipe_of(requests.Request(kind=requests.Correlation.FIXED_MATRIX, parameters=parameters))


def test_one_product_more_than_announced_is_refused_before_anything_is_sent():
    def joint(session):
        x, w, r = (split_input(session, np.ones(shape)) for shape in ((5, 2), (2, 1), (5, 1)))
        matrix = FixedMatrix(session, x, n_forward=1, n_backward=1)
        matrix.times(w)
        before = session.counters.rounds
        with pytest.raises(MaterialError):
            matrix.times(w)
        assert session.counters.rounds == before
        return reveal_to_all(session, matrix.transposed_times(r))

    assert [v.tolist() for v in simulate(joint, 2, prefetch=False).values()] == [[[5], [5]]] * 2


@pytest.mark.parametrize(
    "operation",
    [
        lambda s, x, w: FixedMatrix(s, Shared(share=x.share[0]), n_forward=1, n_backward=0),
        lambda s, x, w: FixedMatrix(s, x, n_forward=0, n_backward=0),
        lambda s, x, w: FixedMatrix(s, x, n_forward=-1, n_backward=2),
        lambda s, x, w: FixedMatrix(s, x, n_forward=1, n_backward=0, width=0),
        lambda s, x, w: FixedMatrix(s, x, n_forward=1, n_backward=0).times(x),
        lambda s, x, w: FixedMatrix(s, x, n_forward=1, n_backward=1).transposed_times(w),
    ],
    ids=["vector", "no product", "negative", "no width", "forward operand", "backward operand"],
)
def test_shapes_that_do_not_fit_are_refused_before_anything_is_sent(operation):
    def joint(session):
        x, w = split_input(session, np.ones((5, 2))), split_input(session, np.ones((2, 1)))
        with pytest.raises(RingRangeError):
            operation(session, x, w)
        return sum(session.counters.bytes_sent.get(name, 0) for name in session.peers)

    assert simulate(joint, 2, prefetch=False).values() == [32, 32]


@pytest.mark.parametrize("party", ["bob", DEALER])
def test_a_killed_party_or_dealer_ends_all_others_with_an_error(party):
    def joint(session):
        return products(
            session, *(split_input(session, np.ones(shape)) for shape in ((5, 2), (2, 1), (5, 1)))
        )

    fault = Fault(party=party, at_round=0 if party == DEALER else 2, kind=FaultKind.KILL)
    run = simulate(joint, 3, faults=[fault], timeout_s=3)
    assert all(isinstance(run.errors[name], PartyLostError) for name in ("ada", "cyd"))


def test_no_repr_shows_a_share():
    run = simulate(
        lambda s: repr(FixedMatrix(s, split_input(s, np.full((2, 3), 77)), n_forward=1, n_backward=0)), 2
    )
    assert run.values() == ["FixedMatrix(2, 3)"] * 2


def test_a_reused_operand_mask_would_reveal_changes_and_ours_does_not():
    """The attack: subtract two openings of coefficients of two steps."""
    before, after = np.arange(50).reshape(50, 1), 3 * np.arange(50).reshape(50, 1)

    def naive(session):
        mask = session.supply.take(requests.square((50, 1)))[0]
        return [
            open_differences(session, [(split_input(session, w).share, mask)])[0] for w in (before, after)
        ]

    first, second = simulate(naive, 2).values()[0]
    np.testing.assert_array_equal(second - first, after - before)

    run = simulate(
        lambda s: products(s, *(split_input(s, part) for part in (np.ones((9, 50)), before, after))), 2
    )
    run.values()
    opened = []
    for mine, other in zip(*(run.sent[name] for name in run.names), strict=True):
        if mine.step == Step.OPEN_RING:
            payloads = [np.frombuffer(next(iter(sent.outgoing.values())), np.int64) for sent in (mine, other)]
            opened.append((payloads[0] + payloads[1])[-50:])
    moved = opened[1] - opened[0]
    # chance that one of 50 words fits: 50 / 2**64
    assert np.count_nonzero(moved == (after - before).ravel()) == 0

"""The dry run of every operation equals its counters."""

import numpy as np
import pytest

from smpc.cost import dry_run
from smpc.dealer.frames import FRAME_BYTES, answer_bytes
from smpc.errors import PeerRejectedError
from smpc.operations import arithmetic, comparison, reveal, selection
from smpc.sharing import Shared
from smpc.simulator import DEALER, party_names, simulate
from tests.smpc.joint import split_input

COUNT = 100
OPERATIONS = {
    # name: (what to run on two arrays of COUNT numbers, rounds, bytes a peer)
    "multiply": (arithmetic.multiply, 1, 16 * COUNT),
    "square": (lambda s, x, y: arithmetic.square(s, x), 1, 8 * COUNT),
    "matmul": (
        lambda s, x, y: arithmetic.matmul(
            s, arithmetic.reshape(x, (10, 10)), arithmetic.reshape(y, (10, 10))
        ),
        1,
        16 * COUNT,
    ),
    "sums": (lambda s, x, y: arithmetic.total(arithmetic.add(x, y)), 0, 0),
    "sign of 64 bits": (lambda s, x, y: comparison.is_negative(s, x, 64), 4, 800 + 13 * 33 + 13),
    "sign of 24 bits": (lambda s, x, y: comparison.is_negative(s, x, 24), 4, 300 + 13 * 12),
    "equal in 64 bits": (lambda s, x, y: comparison.equals(s, x, y, 64), 4, 800 + 13 * 20 + 13),
    "select": (lambda s, x, y: selection.select(s, split_input(s, np.ones(COUNT)), x, y), 1, 16 * COUNT),
    "all of five": (lambda s, x, y: selection.all_of(s, x, x, y, y, x), 2, 13 * 5 + 13),
    "all of six": (lambda s, x, y: selection.all_of(s, x, x, y, y, x, y), 3, 13 * 6 + 13 * 2 + 13),
    "largest of four": (
        lambda s, x, y: selection.maximum(s, arithmetic.reshape(x, (4, 25)), 4),
        6,
        (4 * 7 + 7 + 8 * 100) + (4 * 4 + 4 + 8 * 50),
    ),
    "reveal": (lambda s, x, y: reveal.reveal_to_all(s, x), 1, 8 * COUNT),
    "blinded share": (lambda s, x, y: reveal.blinded_share(s, x), 0, 0),
}


@pytest.mark.parametrize("n", [2, 3, 5])
@pytest.mark.parametrize("name", OPERATIONS)
def test_a_dry_run_tells_rounds_and_bytes_exactly(name, n):
    operation, rounds, n_bytes = OPERATIONS[name]
    bits = np.arange(COUNT) % 2

    def joint(session):
        return operation(session, split_input(session, bits), split_input(session, bits))

    cost = dry_run(joint, n)
    assert cost.rounds == rounds
    assert cost.bytes_per_peer == n_bytes

    run = simulate(joint, n)
    run.values()
    fetches = 1 if cost.requests else 0
    for party in run.names:
        counters = run.counters[party]
        assert counters.rounds == 1 + fetches + cost.rounds
        sent = {peer: count for peer, count in counters.bytes_sent.items() if peer != DEALER}
        assert sent == {peer: 32 + cost.bytes_per_peer for peer in run.names if peer != party}
        assert counters.bytes_sent.get(DEALER, 0) == fetches * FRAME_BYTES
    assert sum(run.counters[DEALER].bytes_sent.values()) == cost.dealer_bytes


def test_piece_by_piece_costs_an_exchange_each_and_gives_the_same():
    x, y = np.array([3, -4]), np.array([5, 6])

    def joint(session):
        a, b = split_input(session, x), split_input(session, y)
        return reveal.reveal_to_all(
            session, arithmetic.multiply(session, a, arithmetic.multiply(session, a, b))
        )

    for outcome in simulate(joint, 3, prefetch=False).values():
        np.testing.assert_array_equal(outcome, x * x * y)


def test_only_the_first_party_is_sent_corrections():
    cost = dry_run(lambda s: comparison.is_negative(s, Shared(share=np.zeros(9, np.int64)), 64), 4)
    assert cost.dealer_bytes == answer_bytes(cost.requests, 0) + 3 * 32


@pytest.mark.parametrize("n", [0, 1, 9])
def test_a_session_of_one_or_nine_has_no_cost(n):
    names = party_names(n) if n <= 8 else (*party_names(8), "ivy")
    with pytest.raises(PeerRejectedError):
        dry_run(lambda s: None, names)

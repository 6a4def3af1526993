"""A session's memory equals its dry run, and a session refuses more than its limit before it allocates."""

import tracemalloc

import pytest

from smpc.cost import dry_run
from smpc.dealer.requests import mask
from smpc.dealer.service import DealerService
from smpc.errors import MemoryLimitError, PartyLostError, PeerRejectedError
from smpc.session import MEMORY_BYTES, Session
from smpc.simulator import DEALER, simulate
from smpc.transport.memory import memory_meshes
from smpc.transport.mesh import Step
from tests.smpc.every_operation import OPERATIONS, cost_of, fetched


def limited(name, n, limit_bytes):
    def joint(session):
        session.memory.limit_bytes = limit_bytes
        opened = fetched(name, n)(session)
        return opened, session.memory.peak_bytes, session.memory.held_bytes

    return joint


@pytest.mark.parametrize("n", [2, 3])
@pytest.mark.parametrize("name", OPERATIONS)
def test_a_dry_run_says_how_much_memory_a_session_takes_at_most(name, n):
    needed = cost_of(name, n).memory_bytes
    outcomes = simulate(limited(name, n, needed), n, prefetch=False).values()
    assert max(peak for _, peak, _ in outcomes) == needed
    assert {held for _, _, held in outcomes} == {0}


@pytest.mark.parametrize("name", ["arithmetic.matmul", "comparison.is_negative", "sorting.sort"])
def test_a_missing_byte_is_refused_and_nothing_is_opened(name):
    needed = cost_of(name, 3).memory_bytes
    run = simulate(limited(name, 3, needed - 1), 3, prefetch=False)
    assert run.results == {}
    error = run.errors["ada"]  # who gets the corrections holds most
    assert isinstance(error, MemoryLimitError)
    assert (error.needed_bytes, error.limit_bytes) == (needed, needed - 1)
    for other in ("bob", "cyd"):
        assert isinstance(run.errors[other], MemoryLimitError | PartyLostError)
        assert Step.REVEAL not in [sent.step for sent in run.sent[other]]


@pytest.mark.parametrize("count", [1 << 20, 1 << 26, (1 << 32) - 1])
def test_too_much_material_is_refused_before_it_is_asked_for_or_allocated(count):
    mesh = memory_meshes(["ada", "bob"], "dealer")["ada"]
    session = Session(mesh, bytes(32), memory_bytes=1 << 20)
    tracemalloc.start()
    try:
        with pytest.raises(MemoryLimitError):
            session.prefetch([mask(count, 24)])
        assert tracemalloc.get_traced_memory()[1] < 200_000
    finally:
        tracemalloc.stop()
    assert mesh.counters.messages == 0


def test_too_large_a_reply_is_refused_before_anything_is_sent():
    mesh = memory_meshes(["ada", "bob"])["ada"]
    session = Session(mesh, bytes(32), memory_bytes=1000)
    with pytest.raises(MemoryLimitError) as caught:
        session.exchange(Step.OPEN_RING, bytes(501))
    assert (caught.value.needed_bytes, caught.value.limit_bytes) == (1002, 1000)
    assert mesh.counters.messages == 0


def test_there_is_a_limit_without_saying_so():
    session = Session(memory_meshes(["ada", "bob"])["ada"], bytes(32))
    assert session.memory.limit_bytes == MEMORY_BYTES == 1 << 30


def test_the_dealer_refuses_a_batch_beyond_its_memory_limit_per_session():
    """One party's share is small enough; all parties' at once, which dealing takes, are not."""

    def joint(session):
        session.prefetch([mask(1000, 24)])
        return session.supply.take(mask(1000, 24))[0].size

    needed = 32 + 12_000 + 3 * 20_000  # seed, corrections of 6 groups of 2 bytes, everybody's 8 + 12 bytes
    for session_bytes, is_enough in ((needed, True), (needed - 1, False)):
        run = simulate(joint, 3, prefetch=False, dealer=DealerService(session_bytes=session_bytes))
        assert bool(run.results) is is_enough
        assert isinstance(run.errors.get(DEALER), PeerRejectedError) is not is_enough


def test_used_material_frees_memory_for_the_next_batch():
    def joint(session):
        session.memory.limit_bytes = 50_000
        for _ in range(20):
            session.prefetch([mask(1000, 24)], is_last=False)
            session.supply.take(mask(1000, 24))
        return session.memory.held_bytes

    assert simulate(joint, 2, prefetch=False).values() == [0, 0]
    cost = dry_run(lambda s: s.supply.take(mask(1000, 24)), 2)
    assert cost.memory_bytes == 32 + 12_000 + 20_000

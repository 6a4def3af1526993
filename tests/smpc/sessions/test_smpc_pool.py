"""Prefetched material saves the exchange with the dealer; no attack, race or crash uses it twice."""

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smpc.dealer.frames import answer_bytes
from smpc.dealer.pool import NO_BLOCK, OFFER_BYTES, Block, Pool, Prefetch, block_name
from smpc.dealer.requests import square
from smpc.dealer.seeds import material_stream
from smpc.dealer.service import DealerService
from smpc.errors import MaterialError, PartyLostError, PeerRejectedError
from smpc.fault_injection import FaultInjectingMesh
from smpc.operations import comparison
from smpc.operations.reveal import reveal_to_all
from smpc.randomness import KEY_BYTES, fresh_key
from smpc.ring import unpack
from smpc.session import KeyOffer, Session
from smpc.simulator import DEALER, party_names
from smpc.transport.memory import memory_meshes
from smpc.transport.mesh import Step
from tests.smpc.every_operation import cost_of
from tests.smpc.joint import split_input
from tests.transport.tls_world import outcomes

X = np.array([5, -6, 7, 0])
ADA, BOB, CYD = NAMES = party_names(3)
REQUESTS = cost_of("comparison.is_negative", 3).requests
MEBIBYTE = 1 << 20


def offer_of(name, ahead):
    return KeyOffer([peer for peer in NAMES if peer != name], ahead)


class Site:
    """A party with its pool, over several sessions."""

    def __init__(self, name, limit_bytes=MEBIBYTE):
        self.name, self.pool = name, Pool(limit_bytes)


class World:
    def __init__(self, limit_bytes=MEBIBYTE):
        self.sites = {name: Site(name, limit_bytes) for name in NAMES}
        self.service = DealerService()

    def run(
        self, *, bend=lambda ahead, rank: None, session_id=None, timeout_s=10.0, at_end=lambda rank: None
    ):
        """One session at all sites; what each had, and what each sent."""
        identity = session_id or fresh_key()
        thaw = threading.Event()
        meshes = {
            name: FaultInjectingMesh(mesh, name, [], thaw)
            for name, mesh in memory_meshes(NAMES, DEALER, timeout_s=timeout_s).items()
        }

        def take_part(name):
            rank = NAMES.index(name)
            ahead = Prefetch(self.sites[name].pool, REQUESTS, answer_bytes(REQUESTS, rank))
            bend(ahead, rank)
            with Session(meshes[name], identity, offer=offer_of(name, ahead)) as session:
                session.prefetch(REQUESTS)
                opened = reveal_to_all(session, comparison.is_negative(session, split_input(session, X), 24))
                at_end(rank)
                session.deal_ahead()
            return opened

        work = {name: lambda name=name: take_part(name) for name in NAMES}
        heard = outcomes(work | {DEALER: lambda: self.service.serve(meshes[DEALER], identity)})
        return heard, {name: mesh.sent for name, mesh in meshes.items()}

    def counts(self):
        return [site.pool.n_blocks for site in self.sites.values()]


def steps(sent, name=ADA):
    return [one.step for one in sent[name]]


def masked(sent):
    """What all saw opened under the first mask, 96 bits: with the same input the same only if the mask is."""
    total = np.zeros(4, np.int64)
    for name in NAMES:
        (one,) = [one for one in sent[name] if one.step == Step.OPEN_MASKED]
        total += unpack(next(iter(one.outgoing.values())), 4, 24)
    return tuple(total & ((1 << 24) - 1))


def right(heard):
    for name in NAMES:
        np.testing.assert_array_equal(heard[name], X < 0)


def filled():
    """A world whose sites hold one block each."""
    world = World()
    for _ in range(2):
        right(world.run()[0])
    assert world.counts() == [1, 1, 1]
    return world


def test_prefetched_material_costs_no_dealer_exchange_in_the_data_phase():
    world = World()
    heard, sent = world.run()
    right(heard)
    assert steps(sent)[:2] == [Step.KEYS, Step.MATERIAL]
    assert Step.STOCK not in steps(sent)  # asked for the first time: nothing is dealt on suspicion
    heard, sent = world.run()
    right(heard)
    assert steps(sent)[-2:] == [Step.MATERIAL, Step.STOCK]
    assert steps(sent).index(Step.REVEAL) == len(steps(sent)) - 3  # only after the result
    for _ in range(3):
        heard, sent = world.run()
        right(heard)
        data_phase = steps(sent)[: steps(sent).index(Step.REVEAL) + 1]
        assert Step.MATERIAL not in data_phase
        assert len(data_phase) == 1 + cost_of("comparison.is_negative", 3).rounds
        assert world.counts() == [1, 1, 1]
        # the dealer hears one list a session as before, and no block's name
        assert [
            len(payload) for one in sent[ADA] for peer, payload in one.outgoing.items() if peer == DEALER
        ] == [1024]


def test_the_dealer_is_never_told_which_block_is_used():
    world = filled()
    names = {
        block.name
        for site in world.sites.values()
        for blocks in site.pool._blocks.values()
        for block in blocks
    }
    assert len(names) == 1  # all parties call it the same
    _, sent = world.run()
    for party in NAMES:
        for one in sent[party]:
            assert not any(name in one.outgoing.get(DEALER, b"") for name in names)


def test_a_block_has_left_the_pool_before_its_name_is_said():
    world, seen = filled(), []

    def bend(ahead, rank):
        seen.append((world.sites[NAMES[rank]].pool.n_blocks, ahead.offer[1:] != NO_BLOCK))

    world.run(bend=bend)
    assert seen == [(0, True)] * 3


def test_a_party_that_names_no_block_sends_all_to_the_dealer():
    world = filled()

    def bend(ahead, rank):
        if rank == 1:
            ahead.offer, ahead._own = ahead.offer[:1] + NO_BLOCK, None

    heard, sent = world.run(bend=bend)
    right(heard)
    assert {steps(sent, name)[1] for name in NAMES} == {Step.MATERIAL}
    assert world.counts() == [1, 1, 1]  # the new one; what was named is gone


def test_nothing_is_opened_when_a_party_uses_a_block_it_did_not_name():
    world = filled()

    def bend(ahead, rank):
        if rank == 1:
            ahead.offer = ahead.offer[:1] + bytes(31) + b"\1"

    heard, sent = world.run(bend=bend, timeout_s=0.5)
    for name in (ADA, CYD):
        assert isinstance(heard[name], PartyLostError)
        assert steps(sent, name) == [Step.KEYS, Step.MATERIAL]
    assert world.counts() == [0, 0, 0]


def test_replayed_block_names_are_refused_by_all_who_used_it():
    """A party puts the block that was used back into its pool and names it again."""
    world = filled()
    kept = {}

    def keep(ahead, rank):
        if rank == 1:
            kept["block"] = ahead._own

    _, first = world.run(bend=keep)
    pool, digest = world.sites[BOB].pool, next(iter(world.sites[BOB].pool._blocks))
    pool._blocks[digest] = [kept["block"]]  # a restored memory image, say
    heard, second = world.run()
    right(heard)
    assert steps(second)[1] == Step.MATERIAL  # no party agreed
    assert masked(first) != masked(second)


def test_two_sessions_that_race_for_one_block_use_it_once_or_not_at_all():
    for _ in range(5):
        world = filled()
        runs = [None, None]

        def one(place, world=world, runs=runs):
            runs[place] = world.run()

        threads = [threading.Thread(target=one, args=(place,)) for place in (0, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with_block = [sent for heard, sent in runs if steps(sent)[1] != Step.MATERIAL]
        for heard, sent in runs:
            right(heard)
            # every party decided alike
            assert len({steps(sent, name)[1] == Step.MATERIAL for name in NAMES}) == 1
        # one may end, and leave a block, before the other begins: what counts is that no block served twice
        used = [sent["ada"][0].outgoing["bob"][KEY_BYTES + 1 :] for sent in with_block]
        assert len(set(used)) == len(used)
        assert masked(runs[0][1]) != masked(runs[1][1])


def test_after_a_restart_a_party_has_no_block_and_the_others_drop_theirs():
    world = filled()
    world.sites[CYD] = Site(CYD)
    heard, sent = world.run()
    right(heard)
    assert steps(sent)[1] == Step.MATERIAL
    assert world.counts() == [0, 0, 0]  # the new one has not seen the list, so nothing is dealt ahead


def test_a_party_lost_during_dealing_leaves_no_usable_block():
    world = World()
    world.run()

    def die(rank):
        if rank == 2:
            raise ZeroDivisionError

    heard, _ = world.run(at_end=die)
    assert isinstance(heard[ADA], PartyLostError)
    assert heard[ADA].name == CYD
    assert world.counts() == [0, 0, 0]
    right(world.run()[0])


def test_a_dealer_that_repeats_seeds_repeats_no_mask(monkeypatch):
    """Material is bound to session and batch, besides the seed."""
    from smpc.dealer import service

    monkeypatch.setattr(service, "fresh_key", lambda: b"s" * 32)
    world, seen = World(), []
    for _ in range(4):
        heard, sent = world.run()
        right(heard)
        seen.append(masked(sent))
    assert world.counts() == [1, 1, 1]
    assert len(set(seen)) == 4
    draws = {
        material_stream(b"s" * 32, session, rank, batch).draw_bytes(32).tobytes()
        for session in (bytes(32), bytes(31) + b"\1") for rank in (0, 1) for batch in (0, 1, 256)
    }  # fmt: skip
    assert len(draws) == 12


def test_a_dealt_block_gives_the_answer_though_the_dealer_is_gone():
    world = filled()
    names, identity = NAMES, fresh_key()
    meshes = memory_meshes(names, DEALER, timeout_s=5)

    def take_part(name):
        ahead = Prefetch(world.sites[name].pool, REQUESTS, answer_bytes(REQUESTS, names.index(name)))
        with Session(meshes[name], identity, offer=offer_of(name, ahead)) as session:
            session.prefetch(REQUESTS)
            opened = reveal_to_all(session, comparison.is_negative(session, split_input(session, X), 24))
            with pytest.raises(PartyLostError) as caught:
                session.deal_ahead()
            return opened, caught.value.name

    meshes[DEALER].close()
    for opened, culprit in (outcomes({n: lambda n=n: take_part(n) for n in names})).values():
        np.testing.assert_array_equal(opened, X < 0)
        assert culprit == DEALER
    assert world.counts() == [0, 0, 0]


def test_a_list_that_was_not_named_at_the_beginning_is_refused():
    ahead = Prefetch(Pool(MEBIBYTE), REQUESTS, 100)
    session = Session(memory_meshes([ADA, BOB], DEALER)[ADA], fresh_key(), offer=KeyOffer([BOB], ahead))
    with pytest.raises(MaterialError):
        session.prefetch([square((4,))])


@pytest.mark.parametrize("offer", [b"", bytes(OFFER_BYTES - 1), b"\2" + bytes(32), bytes(OFFER_BYTES + 1)])
def test_what_is_no_offer_is_refused(offer):
    with pytest.raises(PeerRejectedError):
        Prefetch(Pool(MEBIBYTE), REQUESTS, 100).settle([offer])


def test_a_pool_of_no_bytes_never_holds_a_block():
    world = World(limit_bytes=0)
    for _ in range(4):
        heard, sent = world.run()
        right(heard)
        assert Step.STOCK not in steps(sent)
    assert world.counts() == [0, 0, 0]


def block(number, n_bytes):
    name = block_name(bytes(32), number, bytes(32), [])
    return Block(name=name, session_id=bytes(32), batch=number, answer=bytes(n_bytes))


@given(
    limit=st.integers(0, 50),
    moves=st.lists(st.tuples(st.booleans(), st.integers(0, 3), st.integers(0, 20)), max_size=40),
)
def test_law_a_pool_stays_below_its_limit_and_gives_each_block_once(limit, moves):
    pool, given_out, put_in = Pool(limit), [], 0
    for number, (is_put, which, n_bytes) in enumerate(moves):
        if is_put:
            pool.put(bytes([which]), block(number, n_bytes))
            put_in += 1
        elif (taken := pool.take(bytes([which]))) is not None:
            given_out.append(taken.name)
        assert pool.n_bytes <= limit
        assert pool.n_bytes == sum(len(b.answer) for blocks in pool._blocks.values() for b in blocks)
        assert pool.n_blocks + len(given_out) <= put_in
    assert len(set(given_out)) == len(given_out)


def test_the_least_recently_used_list_is_dropped():
    pool = Pool(30)
    for number, digest in enumerate((b"a", b"b", b"c")):
        pool.put(digest, block(number, 10))
    pool.put(b"a", block(9, 10))  # a was used last; b goes
    assert [pool.take(d) is not None for d in (b"a", b"b", b"c")] == [True, False, True]


def test_nothing_of_a_block_is_shown():
    assert "answer" not in repr(block(1, 3))
    assert repr(Pool(10)) == "Pool(0 blocks, 0 of 10 bytes)"

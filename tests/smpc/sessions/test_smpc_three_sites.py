"""Three computing sites without a dealer: costs, differing lists of material, faults and refusals."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smpc.computing_sites import ThreeSites
from smpc.cost import dry_run
from smpc.dealer import requests
from smpc.dealer.site_supply import DIGEST_BYTES, SiteSupply, dealt_bytes
from smpc.errors import MaterialError, PartyLostError, PeerRejectedError
from smpc.operations import arithmetic, comparison, quantiles, reveal, selection, sorting
from smpc.operations.inputs import contribute
from smpc.randomness import fresh_key
from smpc.session import Session
from smpc.simulator import DEALER, Fault, FaultKind, party_names, simulate
from smpc.transport.memory import memory_meshes
from smpc.transport.mesh import Step
from tests.smpc.joint import split_input
from tests.smpc.pace import patiently

COUNT = 100
ADA, BOB, CYD, DAN = party_names(4)
OPERATIONS = {
    # name: (what to run on two shared arrays, its rounds, bytes between the two that evaluate)
    "multiply": (arithmetic.multiply, 1, 16 * COUNT),
    "square": (lambda s, x, y: arithmetic.square(s, x), 1, 8 * COUNT),
    "sums": (lambda s, x, y: arithmetic.total(arithmetic.add(x, y)), 0, 0),
    "sign of 64 bits": (lambda s, x, y: comparison.is_negative(s, x, 64), 4, 800 + 13 * 33 + 13),
    "sign of 24 bits": (lambda s, x, y: comparison.is_negative(s, x, 24), 4, 300 + 13 * 12),
    "equal in 64 bits": (lambda s, x, y: comparison.equals(s, x, y, 64), 4, 800 + 13 * 20 + 13),
    "all of five": (lambda s, x, y: selection.all_of(s, x, x, y, y, x), 2, 13 * 5 + 13),
    "shuffle": (lambda s, x, y: sorting.shuffle(s, x), 2, 2 * 8 * COUNT),
}


@pytest.mark.parametrize("n", [3, 4, 6])
@pytest.mark.parametrize("name", OPERATIONS)
def test_a_dry_run_gives_exact_rounds_and_bytes_of_every_role(name, n):
    operation, rounds, n_bytes = OPERATIONS[name]
    bits = np.arange(COUNT) % 2

    def joint(session):
        shared = operation(session, split_input(session, bits), split_input(session, bits))
        return reveal.reveal_to_all(session, shared).size

    cost = dry_run(joint, n, has_three_sites=True)
    run = simulate(joint, n, has_three_sites=True)
    revealed = 8 * run.values()[0]
    inputs, n_fetches = 2 * 8 * COUNT, bool(cost.requests)
    assert cost.rounds == 2 + rounds + 1
    assert cost.bytes_per_peer == max(inputs, n_bytes) + revealed
    assert cost.bytes_sent == max(inputs, n_bytes) + (n - 1) * revealed
    dealt = dict.fromkeys(run.names, 0)
    if n_fetches:
        dealt |= dict.fromkeys(run.names[3:], DIGEST_BYTES)
        dealt |= {ADA: dealt_bytes(cost.requests, 0), BOB: DIGEST_BYTES + 32}
    assert sum(dealt.values()) == cost.dealer_bytes
    for party in run.names:
        assert run.counters[party].rounds == 1 + n_fetches + cost.rounds
        expected = {peer: 32 + revealed for peer in run.names if peer != party}
        if party in {ADA, BOB}:
            expected[BOB if party == ADA else ADA] += n_bytes
        else:
            expected[ADA] += inputs
        if party == CYD:
            expected = {peer: count + dealt[peer] for peer, count in expected.items()}
        assert run.counters[party].bytes_sent == expected


def test_a_comparison_costs_the_evaluators_as_much_as_with_a_dealer():
    x = np.zeros(800, np.int64)

    def joint(session):
        return comparison.is_negative(session, contribute(session, x), 64)

    with_dealer, without = dry_run(joint, 2), dry_run(joint, 3, has_three_sites=True)
    assert with_dealer.requests == without.requests
    assert (with_dealer.rounds, without.rounds) == (4, 5)
    assert with_dealer.bytes_per_peer == without.bytes_per_peer == 12.25 * 800


def test_piece_by_piece_gives_the_same():
    x, y = np.array([3, -4]), np.array([5, 6])

    def joint(session):
        a, b = split_input(session, x), split_input(session, y)
        return reveal.reveal_to_all(
            session, comparison.less_than(session, arithmetic.multiply(session, a, b), 0, 9)
        )

    for outcome in simulate(joint, 4, prefetch=False, has_three_sites=True).values():
        np.testing.assert_array_equal(outcome, x * y < 0)


def test_any_three_of_the_parties_may_compute_in_any_order():
    names, values = party_names(5), np.array([7, -9, 0, 12])
    sites = ThreeSites.of((names[4], names[1], names[2]))
    meshes, identity = memory_meshes(names), fresh_key()

    def take_part(name):
        with Session(meshes[name], identity, sites) as session:
            shared = contribute(session, values + session.rank)
            negative = comparison.is_negative(session, arithmetic.add_public(session, shared, -10), 16)
            bins = quantiles.median_bin(session, arithmetic.square(session, shared), 100_000)
            ordered, _ = sorting.sort(session, shared, 16)
            return [reveal.reveal_to_all(session, part) for part in (negative, bins, ordered)]

    total = 5 * values + 10
    for negative, bins, ordered in in_threads(take_part, names):
        np.testing.assert_array_equal(negative, total < 10)
        assert bins[0] == int(np.argmax(2 * np.cumsum(total**2) >= np.sum(total**2)))
        np.testing.assert_array_equal(ordered, np.sort(total))


@given(data=st.data(), n=st.integers(3, 6))
def test_law_sums_products_and_signs_are_right_for_any_three_computing_sites(data, n):
    names = party_names(n)
    order_of = data.draw(st.permutations(names))
    words = st.integers(-(1 << 63), (1 << 63) - 1)
    rows = data.draw(st.lists(st.lists(words, min_size=2, max_size=2), min_size=n, max_size=n))
    sites, meshes, identity = ThreeSites.of(order_of[:3]), memory_meshes(names), fresh_key()

    def take_part(name):
        with Session(meshes[name], identity, sites) as session:
            shared = contribute(session, np.array(rows[session.rank], np.int64))
            parts = [
                shared,
                arithmetic.multiply(session, shared, arithmetic.negate(shared)),
                comparison.is_negative(session, shared, 64),
            ]
            return [reveal.reveal_to_all(session, part).tolist() for part in parts]

    totals = [wrapped(sum(column)) for column in zip(*rows, strict=True)]
    expected = [totals, [wrapped(-t * t) for t in totals], [int(t < 0) for t in totals]]
    assert in_threads(take_part, names) == [expected] * n


def wrapped(number):
    """A Python integer mod 2**64, as a signed one."""
    return (number + (1 << 63)) % (1 << 64) - (1 << 63)


def in_threads(function, names):
    from tests.transport.tls_world import run_all

    results = run_all({name: lambda name=name: function(name) for name in names})
    return [results[name] for name in names]


def test_a_site_that_does_not_evaluate_holds_zeros_after_its_input():
    def joint(session):
        shared = contribute(session, np.full(50, 7))
        product = arithmetic.add_public(session, arithmetic.square(session, shared), 5)
        bit = comparison.is_negative(session, product, 20)
        ordered, places = sorting.sort(session, shared, 8)
        parts = [shared, product, bit, ordered, places]
        return session.evaluator_rank, [bool(np.any(part.share)) for part in parts]

    for rank, holds in simulate(joint, 5, has_three_sites=True).values():
        assert any(holds) is (rank >= 0)


# -- lists of material ---------------------------------------------------------------------------------------

OTHER_LISTS = {
    "another length": [requests.square((5,))],
    "the same length, another meaning": [requests.gram((4, 1)), requests.ring_bits(3)],
    "another order": [requests.ring_bits(3), requests.square((4,))],
    "more to come": None,
}


@pytest.mark.parametrize("name", OTHER_LISTS)
@pytest.mark.parametrize("odd", [ADA, BOB, CYD, DAN])
def test_a_site_with_another_list_is_found_before_an_opening_is_complete(odd, name):
    right = [requests.square((4,)), requests.ring_bits(3)]

    def joint(session):
        is_odd = session.names[session.rank] == odd
        wrong = OTHER_LISTS[name] if is_odd else None
        session.prefetch(right if wrong is None else wrong, is_last=not (is_odd and name == "more to come"))
        return reveal.reveal_to_all(session, arithmetic.square(session, split_input(session, np.ones(4))))

    run = simulate(joint, 4, prefetch=False, has_three_sites=True)
    assert run.results == {}
    rejected = {party for party, error in run.errors.items() if isinstance(error, PeerRejectedError)}
    # each site but the dealing one compares the list with its own, and names the dealing site, which it cannot believe;
    # where all of them would, one may hear of another's end before it has compared
    assert rejected
    assert rejected <= {ADA, BOB, DAN} if odd == CYD else rejected == {odd}
    assert {run.errors[party].name for party in rejected} == {CYD}
    assert run.errors.keys() == {ADA, BOB, CYD, DAN}
    # one summand alone is uniform, so one of the two may have sent its own already
    opening = {party for party, sents in run.sent.items() for sent in sents if sent.step == Step.OPEN_RING}
    assert not {ADA, BOB} <= opening


def test_the_lengths_of_the_second_case_above_are_equal_indeed():
    right = [requests.square((4,)), requests.ring_bits(3)]
    other = OTHER_LISTS["another order"]
    assert dealt_bytes(right, 0) == dealt_bytes(other, 0)
    assert dealt_bytes(right, 1) == dealt_bytes([requests.square((99,))], 1)


def test_taking_another_piece_than_the_next_is_refused_at_every_role():
    def joint(session):
        session.prefetch([requests.square((4,))])
        with pytest.raises(MaterialError, match="bit next in the list"):
            session.supply.take(requests.ring_bits(4))
        session.supply.take(requests.square((4,)))
        with pytest.raises(MaterialError, match="used up"):
            session.supply.take(requests.square((4,)))
        return session.counters.rounds

    assert simulate(joint, 4, prefetch=False, has_three_sites=True).values() == [2] * 4


def test_a_session_has_no_more_material_than_a_dealer_would_give_it():
    sites, meshes = ThreeSites.of((ADA, BOB, CYD)), memory_meshes((ADA, BOB, CYD))
    for name in sites.names:
        supply = SiteSupply(meshes[name], bytes(32), sites, session_bytes=100)
        with pytest.raises(PeerRejectedError, match="more material"):
            supply.prefetch([requests.square((4, 2))])
        assert meshes[name].counters.rounds == 0


def test_no_two_batches_or_sessions_have_a_seed_in_common():
    def joint(session):
        for _ in range(3):
            session.prefetch([requests.square((4,))] * 2, is_last=False)
        return np.concatenate([session.supply.take(requests.square((4,)))[0] for _ in range(6)])

    seen = [
        simulate(joint, 3, prefetch=False, has_three_sites=True, session_id=bytes(32)).values()
        for _ in range(2)
    ]
    words = np.concatenate([masks for values in seen for masks in values[:2]])
    assert len(np.unique(words)) == words.size


def test_each_of_the_two_is_told_a_seed_of_its_own():
    """Who knew the other's seed could make the other's masks."""
    x = np.arange(4)

    def joint(session):
        return arithmetic.square(session, arithmetic.square(session, split_input(session, x))).share

    run = simulate(joint, 4, prefetch=False, has_three_sites=True)
    run.values()
    dealt = [sent.outgoing for sent in run.sent[CYD] if sent.step == Step.MATERIAL]
    seeds = [outgoing[name][DIGEST_BYTES : DIGEST_BYTES + 32] for outgoing in dealt for name in (ADA, BOB)]
    assert len(set(seeds)) == len(seeds) == 4


def test_material_of_the_two_is_that_of_the_request_and_the_third_knows_both():
    request = requests.product(requests.ProductKind.MUL, (20,), (20,))

    def joint(session):
        return session.supply.take(request)

    first, second, dealing = simulate(joint, 3, prefetch=False, has_three_sites=True).values()
    a, b, c = (one + other for one, other in zip(first, second, strict=True))
    np.testing.assert_array_equal(c, a * b)
    assert not any(np.any(part) for part in dealing)


# -- who may take part ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("sites", [(ADA, BOB), (ADA, BOB, ADA), (ADA, BOB, CYD, DAN), ()])
def test_anything_but_three_different_sites_is_refused(sites):
    with pytest.raises(PeerRejectedError, match="exactly three"):
        ThreeSites.of(sites)


def test_a_session_without_one_of_the_three_is_refused_and_it_is_named():
    sites = ThreeSites.of((ADA, BOB, CYD))
    with pytest.raises(PeerRejectedError, match="does not take part in the session") as caught:
        Session(memory_meshes((ADA, BOB))[ADA], bytes(32), sites)
    assert caught.value.name == CYD
    with pytest.raises(PeerRejectedError, match="exactly three"):
        dry_run(lambda s: None, 2, has_three_sites=True)


def test_the_engine_refuses_such_a_session_by_name():
    from smpc.engine.current import current_session
    from smpc.engine.refusal import EngineRefusedError

    def joint(session):
        with pytest.raises(EngineRefusedError, match="three computing sites"):
            current_session()
        return session.counters.rounds

    assert simulate(joint, 3, has_three_sites=True).values() == [1, 1, 1]


# -- faults --------------------------------------------------------------------------------------------------

X = np.array([5, -6, 7, 0])
FAULTY = {
    "sum": lambda s, x: arithmetic.add(x, x),
    "multiply": lambda s, x: arithmetic.multiply(s, x, x),
    "sign": lambda s, x: comparison.is_negative(s, x, 24),
}
SECONDS = 0.6


def opened(operation):
    return lambda session: reveal.reveal_to_all(session, operation(session, split_input(session, X)))


def n_exchanges(name):
    """Keys, material if any, the input, the operation, the opening."""
    cost = dry_run(opened(FAULTY[name]), 4, has_three_sites=True)
    return 1 + bool(cost.requests) + cost.rounds


@pytest.mark.parametrize("party", [ADA, BOB, CYD, DAN])
@pytest.mark.parametrize(("name", "at"), [(name, at) for name in FAULTY for at in range(n_exchanges(name))])
def test_a_party_killed_at_any_exchange_is_named_by_all_others(name, at, party):
    run = simulate(opened(FAULTY[name]), 4, faults=[fault_of(party, at)], has_three_sites=True, timeout_s=20)
    assert run.results == {}
    for other in set(run.names) - {party}:
        assert isinstance(run.errors[other], PartyLostError)
        assert run.errors[other].name == party
    assert run.seconds < 15  # of 20


def fault_of(party, at, kind=FaultKind.KILL):
    return Fault(party=party, at_round=at, kind=kind)


@pytest.mark.parametrize("party", [ADA, BOB, CYD, DAN])
@pytest.mark.parametrize("at", range(n_exchanges("multiply")))
def test_a_party_frozen_at_any_exchange_is_named_by_all_others(at, party):
    def freeze(fault, wait_s):
        run = simulate(opened(FAULTY["multiply"]), 4, faults=[fault], has_three_sites=True, timeout_s=wait_s)
        assert run.results == {}
        assert {run.errors[other].name for other in set(run.names) - {party}} == {party}
        assert run.seconds < 8 * wait_s

    patiently(freeze, fault_of(party, at, FaultKind.FREEZE), SECONDS)


def test_a_long_evaluation_is_no_loss_for_the_other_sites():
    """The two take three times the deadline in all, a fraction of it for each step."""

    def evaluate(_, wait_s):
        def joint(session):
            shared = split_input(session, X)
            for _ in range(12):
                if session.evaluator_rank >= 0:
                    time.sleep(wait_s / 4)
                shared = arithmetic.square(session, shared)
            return reveal.reveal_to_all(session, shared)

        run = simulate(joint, 4, has_three_sites=True, timeout_s=wait_s)
        assert not run.errors
        assert run.seconds > 3 * wait_s

    patiently(evaluate, None, SECONDS)


@pytest.mark.parametrize("party", [ADA, BOB, CYD])
def test_truncated_frames_are_refused_with_the_senders_name(party):
    step = {ADA: 3, BOB: 3, CYD: 1}[party]
    run = simulate(
        opened(FAULTY["multiply"]),
        3,
        faults=[fault_of(party, step, FaultKind.TRUNCATE)],
        has_three_sites=True,
        timeout_s=5,
    )
    assert {error.name for error in run.errors.values()} == {party}
    assert any(isinstance(error, PeerRejectedError) for error in run.errors.values())


def test_there_is_no_dealer_in_such_a_session():
    run = simulate(opened(FAULTY["sign"]), 4, has_three_sites=True)
    for outcome in run.values():
        np.testing.assert_array_equal(outcome, X < 0)
    assert DEALER not in run.sent
    assert all(DEALER not in sent.outgoing for sents in run.sent.values() for sent in sents)

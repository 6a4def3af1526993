"""Material is right, used once, and bound to its session and order; a lost or deceived dealer deals none."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smpc.dealer import correlations, requests
from smpc.dealer.correlations import deal, expand, recipe_of
from smpc.dealer.frames import FRAME_BYTES, LIST_LIMIT, decode_batch, encode_batch
from smpc.dealer.seeds import material_stream
from smpc.dealer.service import DealerService
from smpc.errors import MaterialError, PartyLostError, PeerRejectedError
from smpc.operations import arithmetic, comparison
from smpc.operations.reveal import reveal_to_all
from smpc.randomness import fresh_key
from smpc.session import Session
from smpc.simulator import DEALER, Fault, FaultKind, simulate
from smpc.transport.memory import memory_meshes
from smpc.transport.mesh import Step
from tests.smpc.joint import split_input

SESSION = bytes(range(32))
KINDS = {
    "mul": requests.product(requests.ProductKind.MUL, (3, 1), (2,)),
    "matmul": requests.product(requests.ProductKind.MATMUL, (3, 4), (4, 2)),
    "and": requests.product(requests.ProductKind.AND, (5,), (5,)),
    "square": requests.square((2, 3)),
    "mask": requests.mask(11, 13),
    "bit products": requests.bit_products((0b111, 0b1001), 4),
    "bit": requests.ring_bits(19),
    "wraps": requests.wraps((40,)),
    "truncation": requests.truncation(9, 21, 6),
    "gram": requests.gram((3, 2)),
    "shuffle": requests.shuffle(1, (5, 2)),
    "fixed matrix": requests.fixed_matrix((4, 2), 1, 2, 3),
    "word truncation": requests.word_truncation(5, 9),
    "threshold bits": requests.threshold_bits(6, 13, 2),
}


def material(request, n, session_id=SESSION):
    """All parties' material, made as dealer and parties make it."""
    seeds = [fresh_key() for _ in range(n)]
    correction = deal(request, [material_stream(seed, session_id, rank) for rank, seed in enumerate(seeds)])
    return [
        expand(request, material_stream(seed, session_id, rank), correction if rank == 0 else None)
        for rank, seed in enumerate(seeds)
    ]


def secrets_of(request, n):
    parts = recipe_of(request).free + recipe_of(request).bound
    held = material(request, n)
    return [part.combine([shares[i] for shares in held]) for i, part in enumerate(parts)]


def bits_of(value, count):
    return [int(value) >> i & 1 for i in range(count)]


@pytest.mark.parametrize("n", [2, 3, 5])
def test_each_kind_obeys_its_relation(n):
    a, b, c = secrets_of(KINDS["mul"], n)
    np.testing.assert_array_equal(c, a * b)
    a, b, c = secrets_of(KINDS["matmul"], n)
    np.testing.assert_array_equal(c, a @ b)
    a, b, c = secrets_of(KINDS["and"], n)
    np.testing.assert_array_equal(c, a & b)
    a, c = secrets_of(KINDS["square"], n)
    np.testing.assert_array_equal(c, a * a)
    a, c = secrets_of(KINDS["gram"], n)
    np.testing.assert_array_equal(c, a.T @ a)


@pytest.mark.parametrize("n", [2, 4])
def test_a_mask_comes_with_the_products_of_its_bits(n):
    r, words = secrets_of(KINDS["mask"], n)
    for element in range(11):
        bits = bits_of(int(r[element]) % (1 << 13), 16)
        for group in range(4):
            for subset in range(16):
                expected = all(bits[4 * group + i] for i in range(4) if subset >> i & 1)
                assert (int(words[group, element]) >> subset & 1) == expected


@pytest.mark.parametrize("n", [2, 4])
def test_bits_and_their_products_and_their_ring_form(n):
    planes, products = secrets_of(KINDS["bit products"], n)
    for row, subset in enumerate(correlations.proper_products((0b111, 0b1001))):
        members = [planes[v] for v in range(4) if subset >> v & 1]
        np.testing.assert_array_equal(products[row], np.bitwise_and.reduce(members))
    plane, ring = secrets_of(KINDS["bit"], n)
    np.testing.assert_array_equal(np.unpackbits(plane, bitorder="little")[:19], ring)


@pytest.mark.parametrize("name", KINDS)
def test_any_n_minus_one_parties_hold_uniform_material_alone(name):
    """Two runs under equal seeds of all but the first party give them equal material, whatever the secrets."""
    request = KINDS[name]
    fixed = [fresh_key() for _ in range(2)]
    seen = []
    for _ in range(2):
        seeds = [fresh_key(), *fixed]
        deal(request, [material_stream(seed, SESSION, rank) for rank, seed in enumerate(seeds)])
        seen.append(
            [
                expand(request, material_stream(seed, SESSION, rank + 1), None)
                for rank, seed in enumerate(fixed)
            ]
        )
    for one, another in zip(*seen, strict=True):
        for left, right in zip(one, another, strict=True):
            np.testing.assert_array_equal(left, right)


def test_a_seed_gives_other_material_under_another_session_or_rank():
    seed, request = fresh_key(), requests.square((4,))
    drawn = [
        expand(request, material_stream(seed, session, rank), None)[0].tobytes()
        for session in (SESSION, bytes(32))
        for rank in (0, 1)
    ]
    assert len(set(drawn)) == 4


def test_material_taken_is_gone_and_no_two_pieces_are_alike():
    def joint(session):
        session.prefetch([requests.square((4,))] * 3)
        pieces = [session.supply.take(requests.square((4,)))[0].tobytes() for _ in range(3)]
        with pytest.raises(MaterialError):
            session.supply.take(requests.square((4,)))
        return pieces

    for pieces in simulate(joint, 2, prefetch=False).values():
        assert len(set(pieces)) == 3


def test_another_order_than_asked_is_refused_before_anything_is_sent():
    def joint(session):
        x = split_input(session, [1, 2])
        session.prefetch([requests.square((2,)), requests.product(requests.ProductKind.MUL, (2,), (2,))])
        rounds = session.counters.rounds
        with pytest.raises(MaterialError):
            arithmetic.multiply(session, x, x)
        return session.counters.rounds - rounds

    assert simulate(joint, 2, prefetch=False).values() == [0, 0]


def square_once(session):
    return reveal_to_all(session, arithmetic.square(session, split_input(session, [3])))


def test_a_dealer_serves_a_session_id_once_until_its_restart():
    service = DealerService()
    assert [v.tolist() for v in simulate(square_once, 2, session_id=SESSION, dealer=service).values()] == [
        [9],
        [9],
    ]
    second = simulate(square_once, 2, session_id=SESSION, dealer=service)
    assert isinstance(second.errors[DEALER], PeerRejectedError)
    assert all(isinstance(second.errors[name], PartyLostError) for name in second.names)
    assert not any(sent.outgoing for sent in second.sent[DEALER])
    assert simulate(square_once, 2, dealer=service).values()[0].tolist() == [9]


def test_a_crash_after_the_first_batch_never_repeats_the_material():
    service = DealerService()
    crash = Fault(party="ada", at_round=2, kind=FaultKind.KILL)
    first = simulate(square_once, 2, session_id=SESSION, dealer=service, faults=[crash])
    assert set(first.errors) >= {"ada", "bob"}
    again = simulate(square_once, 2, session_id=SESSION, dealer=service)
    assert isinstance(again.errors[DEALER], PeerRejectedError)
    assert not any(sent.outgoing for sent in again.sent[DEALER])


def test_a_restarted_dealer_cannot_repeat_itself():
    """The same session id at two dealers' lives: other seeds, so other masks."""
    answers = []
    for _ in range(2):
        run = simulate(square_once, 2, session_id=SESSION, dealer=DealerService())
        run.values()
        answers.append(next(sent.outgoing["bob"] for sent in run.sent[DEALER] if sent.outgoing))
    assert answers[0] != answers[1]


def lie(change):
    """Run two parties of which the second asks with a changed frame."""

    def joint(session):
        if session.rank == 1:
            original = session.mesh.exchange

            def exchange(kind, outgoing, expected):
                if kind == Step.MATERIAL:
                    outgoing = {name: change(payload) for name, payload in outgoing.items()}
                return original(kind, outgoing, expected)

            session.mesh.exchange = exchange
        return square_once(session)

    return simulate(joint, 2, prefetch=False, timeout_s=5)


@pytest.mark.parametrize(
    "change",
    [
        lambda frame: bytes(32) + frame[32:],
        lambda frame: frame[:32] + b"\1" + frame[33:],
        lambda frame: frame[:50] + b"\7" + frame[51:],
        lambda frame: frame[:-1] + b"\1",
        lambda frame: frame[:-1],
    ],
    ids=["session", "batch", "request", "padding", "length"],
)
def test_parties_that_ask_differently_get_nothing(change):
    run = lie(change)
    assert isinstance(run.errors[DEALER], PeerRejectedError)
    assert not any(sent.outgoing for sent in run.sent[DEALER])
    assert set(run.errors) == {"ada", "bob", DEALER}


def test_the_dealer_refuses_an_unapproved_session_and_too_much_material():
    meshes = memory_meshes(["ada", "bob"], "dealer")
    frame, _ = encode_batch(SESSION, 0, requests.encode_requests([requests.square((2,))]), is_last=True)
    for name in ("ada", "bob"):
        meshes[name].exchange(Step.MATERIAL, {"dealer": frame}, {})
    with pytest.raises(PeerRejectedError, match="another session"):
        DealerService().serve(meshes["dealer"], bytes(32))
    greedy = simulate(square_once, 2, dealer=DealerService(session_bytes=15))
    assert isinstance(greedy.errors[DEALER], PeerRejectedError)
    assert not greedy.results


@pytest.mark.parametrize(
    "request_",
    [
        requests.gram((64, (1 << 32) - 1, 1, 0)),
        requests.product(requests.ProductKind.MATMUL, (1 << 20, 1 << 20, 2, 0), (1 << 20, 1 << 20, 0, 0)),
        requests.wraps((1 << 31, 0, 1 << 31)),
    ],
    ids=["gram", "matmul", "wraps"],
)
def test_many_empty_matrices_are_refused_although_they_have_no_byte(request_):
    """The attack: a request of nothing that keeps the dealer busy for ever, walking through it."""
    begin = time.monotonic()
    run = simulate(lambda s: s.supply.take(request_), 2, prefetch=False, timeout_s=20)
    assert isinstance(run.errors[DEALER], PeerRejectedError)
    assert run.errors[DEALER].reason == "more material than one session may have"
    assert time.monotonic() - begin < 10


def test_nothing_is_dealt_as_nothing():
    empty = simulate(
        lambda s: arithmetic.matmul(s, split_input(s, np.zeros((2, 0))), split_input(s, np.zeros((0, 3)))), 2
    )
    assert not np.any(sum(part.share for part in empty.values()))


@pytest.mark.parametrize("kind", [FaultKind.KILL, FaultKind.TRUNCATE, FaultKind.FREEZE])
def test_a_dealer_lost_in_the_middle_is_named_and_nothing_is_half_used(kind):
    """The dealer fails when it should answer the second piece of three."""

    def joint(session):
        x = split_input(session, [2, 3])
        y = arithmetic.square(session, x)
        try:
            arithmetic.square(session, y)
        except (PartyLostError, PeerRejectedError) as error:
            # nothing was opened with the material that did not come, and no more is to be had
            rounds = session.counters.rounds
            assert not session.supply._stock
            raise PartyLostError(name=error.name) from error if rounds == 4 else AssertionError
        return "revealed"

    fault = Fault(party=DEALER, at_round=3, kind=kind)
    run = simulate(joint, 3, prefetch=False, faults=[fault], timeout_s=0.4)
    assert not run.results
    for name in run.names:
        assert isinstance(run.errors[name], PartyLostError)
        assert run.errors[name].name == (DEALER if kind is not FaultKind.TRUNCATE else run.errors[name].name)
        assert [sent.step for sent in run.sent[name]].count(Step.OPEN_RING) == 1


def test_without_a_dealer_sums_work_and_products_state_the_need():
    meshes = memory_meshes(["ada", "bob"])
    with pytest.raises(MaterialError):
        Session(meshes["ada"], SESSION).supply.take(requests.square((2,)))


def test_a_dealer_without_requests_ends_without_error():
    run = simulate(lambda s: reveal_to_all(s, split_input(s, [5])), 3)
    assert DEALER not in run.errors
    assert run.counters[DEALER].messages == 0


SMALL = st.lists(st.integers(0, (1 << 32) - 1), max_size=6).map(tuple)
REQUESTS = st.lists(
    st.builds(requests.Request, kind=st.sampled_from(list(requests.Correlation)), parameters=SMALL),
    max_size=8,
)


@given(REQUESTS)
def test_request_lists_come_back_from_their_bytes(wanted):
    assert requests.decode_requests(requests.encode_requests(wanted)) == tuple(wanted)


@given(st.binary(max_size=200))
def test_any_other_bytes_are_a_list_or_a_rejection(data):
    try:
        parsed = requests.decode_requests(data)
    except PeerRejectedError:
        return
    assert requests.encode_requests(parsed) == data


@given(number=st.integers(0, 9), is_last=st.booleans(), listed=st.binary(max_size=3000))
def test_frames_come_back_from_their_bytes(number, is_last, listed):
    frame, rest = encode_batch(SESSION, number, listed, is_last=is_last)
    batch = decode_batch(frame)
    assert len(frame) == FRAME_BYTES
    assert (batch.session_id, batch.number, batch.is_last) == (SESSION, number, is_last)
    assert batch.inline + rest == listed
    assert batch.n_rest == len(rest)


@given(st.binary(max_size=FRAME_BYTES + 1) | st.binary(min_size=FRAME_BYTES, max_size=FRAME_BYTES))
def test_any_other_bytes_are_a_frame_or_a_rejection(data):
    try:
        batch = decode_batch(data)
    except PeerRejectedError:
        return
    assert batch.n_bytes <= LIST_LIMIT


@pytest.mark.parametrize(
    "request_",
    [
        requests.Request(kind=requests.Correlation.MASK, parameters=(5, 65)),
        requests.Request(kind=requests.Correlation.MASK, parameters=(5, 0)),
        requests.Request(kind=requests.Correlation.PRODUCT, parameters=(9, 1, 2, 1, 2)),
        requests.Request(kind=requests.Correlation.PRODUCT, parameters=(1, 5, 2, 1, 2)),
        requests.Request(kind=requests.Correlation.PRODUCT, parameters=()),
        requests.Request(kind=requests.Correlation.PRODUCT, parameters=(2, 2, 3, 4, 2, 5, 6)),
        requests.Request(kind=requests.Correlation.BIT_PRODUCTS, parameters=(5,)),
        requests.Request(kind=requests.Correlation.BIT_PRODUCTS, parameters=(5, 1 << 9)),
        requests.Request(kind=requests.Correlation.BIT, parameters=(1, 2)),
        requests.Request(kind=requests.Correlation.TRUNCATION, parameters=(5, 65, 2)),
        requests.Request(kind=requests.Correlation.TRUNCATION, parameters=(5, 8, 8)),
        requests.Request(kind=requests.Correlation.GRAM, parameters=(5,)),
    ],
    ids=lambda value: f"{value.kind.name}{value.parameters}",
)
def test_requests_without_sense_are_refused(request_):
    with pytest.raises(PeerRejectedError):
        recipe_of(request_)


def test_a_request_the_wire_cannot_say_is_refused():
    with pytest.raises(PeerRejectedError):
        requests.square((1 << 32,))
    with pytest.raises(PeerRejectedError):
        requests.Request(kind=requests.Correlation.SQUARE, parameters=(1,) * 65)


def test_a_list_over_the_limit_is_refused_before_it_is_sent():
    def joint(session):
        with pytest.raises(MaterialError):
            session.prefetch([requests.ring_bits(1)] * (LIST_LIMIT // 6 + 1))
        return session.counters.rounds

    assert simulate(joint, 2, prefetch=False).values() == [1, 1]


def test_a_long_list_travels_in_two_frames():
    def joint(session):
        x = split_input(session, [1])
        for _ in range(200):
            x = arithmetic.square(session, x)
        return reveal_to_all(session, x)

    assert [v.tolist() for v in simulate(joint, 2).values()] == [[1], [1]]


def test_comparison_material_equals_the_dry_run_list():
    from smpc.cost import dry_run

    def joint(session):
        return comparison.is_negative(session, split_input(session, np.arange(5)), 30)

    def counted(session):
        taken = []
        original = session.supply.take
        session.supply.take = lambda request: taken.append(request) or original(request)
        joint(session)
        return tuple(taken)

    assert simulate(counted, 2, prefetch=False).values() == [dry_run(joint, 2).requests] * 2

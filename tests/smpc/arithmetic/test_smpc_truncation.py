"""Truncation against Python's shift, and the bytes sent."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from smpc.cost import dry_run
from smpc.dealer import requests
from smpc.dealer.correlations import recipe_of
from smpc.errors import PartyLostError, PeerRejectedError, RingRangeError
from smpc.operations.reveal import reveal_to_all
from smpc.operations.truncation import truncate
from smpc.ring import packed_bytes, plane_bytes
from smpc.simulator import DEALER, Fault, FaultKind, simulate
from smpc.transport.mesh import Step
from tests.smpc.joint import THREE, THREE_OF_FOUR, compute, parties, split_input


def edges(bits, shift, is_rounded=False):
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1 - is_rounded * (1 << (shift - 1))
    unit, half = 1 << shift, 1 << (shift - 1)
    around = [0, low, high, half, -half, unit, -unit, 3 * unit, low + unit, high - unit]
    return np.array(sorted({v + d for v in around for d in (-1, 0, 1) if low <= v + d <= high}), np.int64)


def quotients(x, shift, is_rounded=False):
    """The oracle: Python's integers."""
    return [(int(v) + is_rounded * (1 << (shift - 1))) >> shift for v in x.ravel()]


@pytest.mark.parametrize("n", [2, 3, 8, THREE, THREE_OF_FOUR])
@pytest.mark.parametrize("bits", [2, 3, 5, 8, 17, 24, 33, 48, 62, 63, 64])
def test_edges_of_widths_and_shifts(bits, n):
    for shift in sorted({1, 4, 5, 16, 21, bits // 2, bits - 1} & set(range(1, bits))):
        x = edges(bits, shift)
        y = edges(bits, shift, is_rounded=True)
        down, near = compute(
            lambda s, a, b, k=shift: [truncate(s, a, k, bits), truncate(s, b, k, bits, is_rounded=True)],
            x,
            y,
            n=n,
        )
        assert down.tolist() == quotients(x, shift)
        assert near.tolist() == quotients(y, shift, is_rounded=True)


@given(data=st.data(), bits=st.integers(2, 64), n=parties(8))
def test_any_values_widths_and_parties(data, bits, n):
    shift = data.draw(st.integers(1, bits - 1))
    is_rounded = data.draw(st.booleans())
    top = (1 << (bits - 1)) - 1 - is_rounded * (1 << (shift - 1))
    inside = st.integers(-(1 << (bits - 1)), top)
    x = np.array(data.draw(st.lists(inside, min_size=1, max_size=20)), np.int64)
    got = compute(lambda s, a: truncate(s, a, shift, bits, is_rounded=is_rounded), x, n=n)
    assert got.tolist() == quotients(x, shift, is_rounded)


@given(st.integers(1, 12), st.integers(1, 12), st.integers(-(2**38), 2**38 - 1))
def test_two_shifts_are_one(first, second, value):
    x = np.array([value])
    got = compute(lambda s, a: truncate(s, truncate(s, a, first, 40), second, 40 - first), x)
    assert got.tolist() == quotients(x, first + second)


def test_every_value_of_a_small_width():
    x = np.arange(-512, 512).reshape(32, 32)
    for shift in range(10):
        got = compute(lambda s, a, k=shift: truncate(s, a, k, 10), x)
        np.testing.assert_array_equal(got, x >> shift)


def test_no_shift_and_nothing_to_shift_cost_nothing():
    for shift, shape in ((0, (4,)), (3, (0, 2))):
        cost = dry_run(lambda s, a=shape, k=shift: truncate(s, split_input(s, np.zeros(a)), k, 9), 3)
        assert (cost.rounds, cost.bytes_per_peer, cost.dealer_bytes) == (0, 0, 0)


@pytest.mark.parametrize(
    ("shift", "bits"), [(1, 0), (64, 64), (1, 65), (8, 8), (-1, 8), (True, 8), (0, True), (64, 63)]
)
def test_invalid_shifts_and_widths_are_refused_before_anything_is_sent(shift, bits):
    run = simulate(lambda s: truncate(s, split_input(s, [1, 2]), shift, bits), 2, prefetch=False)
    assert all(isinstance(run.errors[name], RingRangeError) for name in run.names)
    assert all(run.counters[name].rounds <= 1 for name in run.names)


COUNT = 800
COSTS = {
    # (shift, bits): rounds, bytes a peer after the opening
    (4, 40): (2, 100),
    (16, 48): (3, 100 * 6 + 100),
    (20, 63): (3, 100 * 8 + 100),
    (32, 62): (4, 100 * 15 + 100),
    # one bit less is opened, and twice as much compared: 27 and 6 bits of the tree, one on the way to the ring
    (3, 64): (4, 200 * (27 + 6 + 1)),
    (40, 64): (4, 200 * (27 + 6 + 1)),
}


@pytest.mark.parametrize("n", [2, 5])
@pytest.mark.parametrize("case", COSTS)
def test_rounds_and_bytes_are_those_of_the_dry_run(case, n):
    shift, bits = case
    x = np.arange(COUNT)

    def joint(session):
        return truncate(session, split_input(session, x), shift, bits)

    cost = dry_run(joint, n)
    rounds, n_bytes = COSTS[case]
    assert (cost.rounds, cost.bytes_per_peer) == (rounds, packed_bytes(COUNT, min(bits + 1, 64)) + n_bytes)
    run = simulate(joint, n)
    run.values()
    for party in run.names:
        sent = {peer: count for peer, count in run.counters[party].bytes_sent.items() if peer != DEALER}
        assert sent == {peer: 32 + cost.bytes_per_peer for peer in run.names if peer != party}
        assert run.counters[party].rounds == 2 + cost.rounds
    assert sum(run.counters[DEALER].bytes_sent.values()) == cost.dealer_bytes


def test_an_opening_is_one_bit_wider_and_hides_the_sign():
    """The attack: guess the sign of one number from the opened one, over many openings."""
    x = np.where(np.arange(4000) % 2 == 0, 2**30 - 1, -(2**30))
    seen = []

    def joint(session):
        truncate(session, split_input(session, x), 8, 31)

    run = simulate(joint, 2)
    run.values()
    for name in run.names:
        for sent in run.sent[name]:
            if sent.step == Step.OPEN_MASKED:
                (payload,) = sent.outgoing.values()
                assert len(payload) == packed_bytes(x.size, 32)
                seen.append(np.frombuffer(payload, "<u4"))
    opened = seen[0] + seen[1]
    above = opened >= 2**31
    assert abs(np.mean(above[::2]) - 0.5) < 0.06  # six standard deviations
    assert abs(np.mean(above[1::2]) - 0.5) < 0.06
    low = (opened & 255).astype(float)
    assert abs(np.mean(low[::2]) - 127.5) < 10
    assert np.unique(opened).size > 3990


@pytest.mark.parametrize("at_round", range(5))
@pytest.mark.parametrize("kind", [FaultKind.KILL, FaultKind.TRUNCATE])
def test_a_fault_at_any_round_ends_all_parties_with_an_error(kind, at_round):
    def joint(session):
        return reveal_to_all(session, truncate(session, split_input(session, np.arange(50)), 16, 40))

    run = simulate(joint, 3, faults=[Fault(party="bob", at_round=at_round, kind=kind)], timeout_s=3)
    for name in ("ada", "cyd"):
        assert isinstance(run.errors[name], (PartyLostError, PeerRejectedError))


@pytest.mark.parametrize("n", [2, 4])
def test_the_material_obeys_its_relation(n):
    request = requests.truncation(60, 13, 6)
    recipe = recipe_of(request)

    def joint(session):
        return session.supply.take(request)

    held = simulate(joint, n).values()
    parts = recipe.free + recipe.bound
    r, high, highest, words = (part.combine([own[i] for own in held]) for i, part in enumerate(parts))
    masks = [int(v) % (1 << 13) for v in r]
    assert high.tolist() == [v >> 6 for v in masks]
    assert highest.tolist() == [v >> 12 for v in masks]
    for element, mask in enumerate(masks):
        for group, digit in enumerate((mask % 16, mask % 64 >> 4)):
            singles = sum((int(words[group, element]) >> (1 << i) & 1) << i for i in range(4))
            assert singles == digit


def test_the_material_of_whole_words_obeys_its_relation():
    request = requests.word_truncation(60, 13)
    recipe = recipe_of(request)
    held = simulate(lambda s: s.supply.take(request), 3).values()
    parts = recipe.free + recipe.bound
    r, high, words = (part.combine([own[i] for own in held]) for i, part in enumerate(parts))
    masks = [int(v) % (1 << 64) for v in r]
    assert high.tolist() == [v >> 13 for v in masks]
    for element, mask in enumerate(masks):
        digits = [sum((int(words[g, element]) >> (1 << i) & 1) << i for i in range(4)) for g in range(16)]
        assert digits == [mask >> 4 * g & 15 for g in range(16)]


@pytest.mark.parametrize("end", [-(1 << 63), (1 << 63) - 1])
def test_opened_whole_words_are_uniform_at_both_ends(end):
    """The attack: put together what all parties sent in every opening, and look for bytes that lean to one side."""
    run = simulate(lambda s: truncate(s, split_input(s, np.full(4000, end)), 21, 64), 2)
    run.values()
    n_openings = 0
    for mine, other in zip(*(run.sent[name] for name in run.names), strict=True):
        payloads = [next(iter(sent.outgoing.values()), b"") for sent in (mine, other)]
        if mine.step == Step.OPEN_MASKED:
            opened = np.add(*(np.frombuffer(payload, np.int64) for payload in payloads)).view(np.uint8)
        elif mine.step == Step.OPEN_PLANES:
            opened = np.bitwise_xor(*(np.frombuffer(payload, np.uint8) for payload in payloads))
        else:
            continue
        n_openings += 1
        assert stats.chisquare(np.bincount(opened, minlength=256)).pvalue > 1e-9
    assert n_openings == 4


@pytest.mark.parametrize("parameters", [(5, 64), (5, 0), (5,), (), (5, 8, 2)])
def test_requests_for_whole_words_without_sense_are_refused(parameters):
    with pytest.raises(PeerRejectedError):
        recipe_of(requests.Request(kind=requests.Correlation.WORD_TRUNCATION, parameters=parameters))


@pytest.mark.parametrize("parameters", [(5, 65, 2), (5, 8, 8), (5, 8, 0), (5, 8), (), (5, 8, 2, 1)])
def test_requests_without_sense_are_refused(parameters):
    with pytest.raises(PeerRejectedError):
        recipe_of(requests.Request(kind=requests.Correlation.TRUNCATION, parameters=parameters))


@pytest.mark.slow
def test_a_million_quotients_and_none_wrong():
    rng = np.random.default_rng(5)
    x = rng.integers(-(2**61), 2**61, 1_000_000)
    got = compute(lambda s, a: truncate(s, a, 32, 62), x, n=3)
    np.testing.assert_array_equal(got, x >> 32)


def test_planes_are_whole_bytes():
    cost = dry_run(lambda s: truncate(s, split_input(s, np.zeros(3)), 4, 40), 2)
    assert cost.bytes_per_peer == packed_bytes(3, 41) + plane_bytes(3)

"""Attacks on the privacy claims: each succeeds on a broken variant and fails on ours."""

import numpy as np
import pytest
from scipy import stats

from smpc.dealer.correlations import expand, recipe_of
from smpc.dealer.requests import ProductKind, bit_products, product, square
from smpc.dealer.seeds import material_stream
from smpc.dealer.service import DealerService
from smpc.errors import PeerRejectedError
from smpc.operations import arithmetic, comparison, open_masked, reveal
from smpc.operations.inputs import contribute
from smpc.randomness import Purpose, ZeroShares, fresh_key
from smpc.ring import packed_bytes, unpack
from smpc.sharing import Shared
from smpc.simulator import DEALER, simulate
from smpc.transport.mesh import Step
from tests.smpc.joint import split_input

FALSE_ALARM = 1e-9


def is_uniform(raw):
    """Chi-square of the bytes; a false alarm has probability 1e-9."""
    counts = np.bincount(np.frombuffer(raw, np.uint8), minlength=256)
    return stats.chisquare(counts).pvalue > FALSE_ALARM


def keys_of(pairs, n):
    shared = {pair: fresh_key() for pair in pairs}
    return [{sum(pair) - rank: key for pair, key in shared.items() if rank in pair} for rank in range(n)]


def pooled_zero(held, victim, coalition, shape):
    """What the coalition can compute of the victim's zero share: every summand whose key one of them holds."""
    known = {}
    for member in coalition:
        if victim in held[member]:
            known[member] = held[member][victim]
    return ZeroShares(victim, known).additive(shape, Purpose.INPUT)


NEIGHBORS = [(0, 1), (1, 2), (2, 3), (0, 3)]
ALL_PAIRS = [(a, b) for a in range(4) for b in range(a + 1, 4)]


@pytest.mark.parametrize(
    ("pairs", "succeeds"), [(NEIGHBORS, True), (ALL_PAIRS, False)], ids=["neighbors", "all pairs"]
)
def test_two_colluders_read_an_input_only_with_neighbor_keys(pairs, succeeds):
    secret = np.arange(1000, dtype=np.int64)
    held = keys_of(pairs, 4)
    sent = secret + ZeroShares(1, held[1]).additive(secret.shape, Purpose.INPUT)
    guess = sent - pooled_zero(held, 1, (0, 2), secret.shape)
    assert np.array_equal(guess, secret) is succeeds
    if not succeeds:
        assert np.count_nonzero(guess == secret) == 0
        assert is_uniform(guess.tobytes())


def test_our_sessions_hold_a_key_with_every_other_party():
    def joint(session):
        share = contribute(session, np.full(500, 42)).share
        return session.rank, dict(session._zero_shares._pair_keys), share

    outcomes = simulate(joint, 4).values()
    for rank, keys, _ in outcomes:
        assert set(keys) == set(range(4)) - {rank}
        for peer, key in keys.items():
            assert outcomes[peer][1][rank] == key
    assert len({key for _, keys, _ in outcomes for key in keys.values()}) == 6
    # n - 2 colluders around rank 1 strip what they know of its mask; what is left hides the input
    _, _, share = outcomes[1]
    held = [keys for _, keys, _ in outcomes]
    guess = share - pooled_zero(held, 1, (0, 2), share.shape)
    assert np.count_nonzero(guess == 42) == 0


def dealer_and_analyst(*, with_zero_share):
    """The dealer knows all masks; the analyst gets every party's summand of a product of two bits, opened or suppressed."""
    # a suppressed figure is bit * count with bit = 0: the analyst should learn 0 and nothing of the count
    count, bit = np.array([7], np.int64), np.array([0], np.int64)
    seeds, service = [], DealerService()

    def joint(session):
        x = split_input(session, count)
        y = split_input(session, bit)
        kept = arithmetic.multiply(session, x, y)
        return reveal.blinded_share(session, kept) if with_zero_share else kept.share

    identity = fresh_key()
    run = simulate(joint, 2, session_id=identity, dealer=service)
    summands = run.values()
    assert int(np.sum(summands)) == 0
    # what the dealer knows: the masks, made again from the answers it sent
    request = product(ProductKind.MUL, (1,), (1,))
    answers = next(sent for sent in run.sent[DEALER] if sent.outgoing).outgoing
    for rank, name in enumerate(run.names):
        seeds.append((answers[name][:32], answers[name][32:] if rank == 0 else None))
    masks = [
        expand(request, material_stream(seed, identity, rank), correction)
        for rank, (seed, correction) in enumerate(seeds)
    ]
    assert recipe_of(request).correction_bytes == len(seeds[0][1])
    # the summand of the second party is c1 + eps * b1 + a1 * delta: one linear equation in (eps, delta), and
    # that of the first one (c0 + eps * (b0 + delta) + a0 * delta) a second; solve for the count = eps + a
    a, b = (sum(int(m[i][0]) for m in masks) for i in (0, 1))
    candidates = []
    for guess in range(100):
        for guess_bit in (0, 1):
            eps, delta = guess - a, guess_bit - b
            second = int(masks[1][2][0]) + eps * int(masks[1][1][0]) + int(masks[1][0][0]) * delta
            if (second - int(summands[1][0])) % (1 << 64) == 0:
                candidates.append((guess, guess_bit))
    return candidates


def test_without_zero_shares_dealer_and_analyst_learn_a_suppressed_count():
    assert dealer_and_analyst(with_zero_share=False) == [(7, 0)]


def test_with_zero_shares_dealer_and_analyst_learn_no_suppressed_count():
    # chance that one of 200 guesses fits a uniform word: 200 / 2**64
    assert dealer_and_analyst(with_zero_share=True) == []


def stripped(*, is_plane, covered):
    """The dealer tells a party the mask of another's summand in the middle of a computation; what is left of what was sent?"""

    def joint(session):
        if is_plane:
            value = session.local.draw_bytes(2000)
            mask = session.supply.take(bit_products((1,), 2000))[0][0]
        else:
            value = split_input(session, np.arange(500)).share
            mask = session.supply.take(square((500,)))[0]
        if not covered:  # the flaw: the dealer's mask alone
            session.exchange(Step.OPEN_PLANES, (value ^ mask if is_plane else value - mask).tobytes())
        elif is_plane:
            open_masked.open_planes(session, [(value, mask)])
        else:
            open_masked.open_differences(session, [(value, mask)])
        return value, mask

    run = simulate(joint, 3, prefetch=False)
    value, mask = run.values()[0]
    (sent,) = [s for s in run.sent["ada"] if s.step in (Step.OPEN_RING, Step.OPEN_PLANES)]
    seen = np.frombuffer(sent.outgoing["bob"], value.dtype)
    return value, seen ^ mask if is_plane else seen + mask


@pytest.mark.parametrize("is_plane", [False, True], ids=["ring", "planes"])
def test_without_zero_shares_dealer_and_party_read_a_summand_of_an_opening(is_plane):
    value, left = stripped(is_plane=is_plane, covered=False)
    np.testing.assert_array_equal(left, value)


@pytest.mark.parametrize("is_plane", [False, True], ids=["ring", "planes"])
def test_dealer_and_a_party_find_uniform_numbers_instead_with_them(is_plane):
    value, left = stripped(is_plane=is_plane, covered=True)
    difference = left ^ value if is_plane else left - value
    assert is_uniform(difference.tobytes())
    # chance that a byte fits is 1 / 256, so 2,000 of them fit with probability far below 1e-9
    assert not np.array_equal(left, value)


def test_dealer_and_a_party_find_uniform_numbers_under_masked_words_too():
    def joint(session):
        value = split_input(session, np.arange(3000)).share
        summand, _ = session.supply.take(comparison.mask(3000, 24))
        open_masked.open_masked(session, value, summand, 24)
        return value + summand

    run = simulate(joint, 3, prefetch=False)
    uncovered = run.values()[0] & ((1 << 24) - 1)
    sent = unpack(masked_bytes(run), 3000, 24)
    difference = (sent - uncovered) & ((1 << 24) - 1)
    assert is_uniform((difference & 255).astype(np.uint8).tobytes())
    assert is_uniform((difference >> 16).astype(np.uint8).tobytes())


def masked_bytes(run, party="ada"):
    sent = [s for s in run.sent[party] if s.step == Step.OPEN_MASKED]
    assert len(sent) == 1
    return sent[0].outgoing["bob"]


@pytest.mark.parametrize("bits", [1, 7, 8, 21, 24, 63, 64])
def test_a_comparison_sends_exactly_the_declared_bits(bits):
    x = np.full(1003, -1)
    run = simulate(lambda s: comparison.is_negative(s, split_input(s, x), bits), 2)
    run.values()
    assert len(masked_bytes(run)) == packed_bytes(1003, bits)


def opened_words(run, count, bits):
    """What an observer of all summands adds up."""
    total = np.zeros(count, np.int64)
    for name in run.names:
        peer = next(other for other in run.names if other != name)
        sent = next(s for s in run.sent[name] if s.step == Step.OPEN_MASKED)
        total += unpack(sent.outgoing[peer], count, bits)
    return total.view(np.uint64)


def test_an_unmasked_word_leaks_the_sign_and_a_masked_one_does_not():
    """A mask of k bits on a whole word shows the sign above bit k; of ours nothing above bit k is ever sent."""
    bits, count = 21, 4000
    x = np.where(np.arange(count) % 2 == 0, (1 << 20) - 1, 1 - (1 << 20))

    def naive(session):
        shared = split_input(session, x)
        mask = session.supply.take(comparison.mask(count, bits))[0]
        # the flaw: the mask covers k bits, but the whole word is opened
        small = mask & np.int64((1 << (bits - 1)) - 1)
        return open_masked.open_masked(session, shared.share, small, 64)

    (opened, *_) = simulate(naive, 2).values()
    np.testing.assert_array_equal(opened < 1 << (bits - 1), x < 0)

    run = simulate(lambda s: comparison.is_negative(s, split_input(s, x), bits), 2)
    run.values()
    words = opened_words(run, count, bits) & np.uint64((1 << bits) - 1)
    top = (words >> np.uint64(bits - 1)).astype(int)
    table = np.array([[np.sum((top == t) & ((x < 0) == s)) for t in (0, 1)] for s in (False, True)])
    assert stats.chi2_contingency(table).pvalue > FALSE_ALARM
    assert is_uniform((words & np.uint64(255)).astype(np.uint8).tobytes())


DATA = {
    "zeros": np.zeros(20_000, np.int64),
    "ones": np.full(20_000, -1, np.int64),
    "ramp": np.arange(20_000, dtype=np.int64),
}


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("n", [2, 3])
def test_sent_values_are_uniform_for_any_data(data, n):
    """20,000 comparisons, products and an opening; 256 cells a step; false alarm 1e-9 a step and party."""

    def joint(session):
        x = split_input(session, DATA[data])
        bit = comparison.is_negative(session, x, 24)
        return reveal.blinded_share(session, arithmetic.multiply(session, bit, x))

    run = simulate(joint, n)
    for name in run.names:
        for sent in run.sent[name]:
            if sent.step in (Step.OPEN_RING, Step.OPEN_MASKED, Step.OPEN_PLANES):
                for payload in sent.outgoing.values():
                    assert is_uniform(payload), (name, sent.step)
    for blinded in run.values():
        assert is_uniform(blinded.tobytes())


@pytest.mark.parametrize("data", DATA)
def test_the_joint_view_of_the_parties_is_uniform_for_any_data(data):
    """Not only single summands: the opened sums."""

    def joint(session):
        x = split_input(session, DATA[data])
        request = product(ProductKind.MUL, x.shape, x.shape)
        a, b, _ = session.supply.take(request)
        pair = open_masked.open_differences(session, [(x.share, a), (x.share, b)])
        planes = session.supply.take(comparison.mask(x.size, 24))[0]
        return [*pair, open_masked.open_masked(session, x.share, planes, 24)]

    first, second, masked = simulate(joint, 2).values()[0]
    assert is_uniform(first.tobytes())
    assert is_uniform(second.tobytes())
    assert is_uniform((masked & 255).astype(np.uint8).tobytes())
    assert is_uniform((masked >> 16).astype(np.uint8).tobytes())


def test_the_check_for_uniformity_notices_a_bias_of_a_tenth():
    """The power of the checks above: a tenth of the bytes shifted is always noticed at this size."""
    raw = np.random.default_rng(3).integers(0, 256, 160_000).astype(np.uint8)
    assert is_uniform(raw.tobytes())
    raw[::10] = 7
    assert not is_uniform(raw.tobytes())


def test_no_zero_share_is_used_twice_and_purposes_do_not_mix():
    def joint(session):
        draws = [
            session.zero_share(50, purpose=p)
            for p in (Purpose.INPUT, Purpose.OPENING, Purpose.REVEAL)
            for _ in range(3)
        ]
        return np.concatenate(draws)

    outcomes = simulate(joint, 3).values()
    assert all(len(np.unique(draw)) == draw.size for draw in outcomes)
    assert not np.any(np.sum(outcomes, axis=0))


@pytest.mark.parametrize("summands", [[], [np.zeros(1, np.int64)], [np.zeros(1, np.int64)] * 9])
def test_an_opening_of_one_summand_or_nine_is_refused(summands):
    with pytest.raises(PeerRejectedError):
        reveal.recombine(summands)


def test_summands_that_differ_are_refused():
    with pytest.raises(PeerRejectedError):
        reveal.recombine([np.zeros(2, np.int64), np.zeros(3, np.int64)])
    with pytest.raises(PeerRejectedError):
        reveal.recombine([np.zeros(2, np.int64), np.zeros(2, np.int32)])


def test_no_repr_shows_a_share_or_key():
    canary = 8_125_462_093
    shared = Shared(share=np.array([canary]))
    assert str(canary) not in repr(shared)
    run = simulate(lambda s: split_input(s, [canary]), 2)
    assert str(canary) not in repr(run)
    held = run.results["ada"].share[0]
    assert str(held) not in repr(run)

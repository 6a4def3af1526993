"""The views of one and of two of three computing sites: each attack succeeds on a broken variant or is a stated limit."""

import itertools

import numpy as np
import pytest
from scipy import stats

from smpc.dealer.correlations import expand
from smpc.dealer.requests import ProductKind, product
from smpc.dealer.seeds import material_stream
from smpc.dealer.site_supply import DIGEST_BYTES
from smpc.errors import PeerRejectedError, RingRangeError
from smpc.operations import arithmetic, comparison, open_masked, reveal, sorting
from smpc.operations.inputs import contribute
from smpc.operations.reveal import recombine
from smpc.randomness import Purpose, ZeroShares, fresh_key
from smpc.ring import unpack
from smpc.simulator import party_names, simulate
from smpc.transport.mesh import Step
from tests.smpc.faults.test_smpc_attacks import DATA, FALSE_ALARM, is_uniform

ADA, BOB, CYD, DAN, EVE = party_names(5)
OPENINGS = (Step.OPEN_RING, Step.OPEN_MASKED, Step.OPEN_PLANES)


def received(run, party, steps):
    """Every non-empty payload of some steps that reached a party: ``(sender, step, payload)``."""
    return [
        (sender, sent.step, sent.outgoing[party])
        for sender, sents in run.sent.items()
        for sent in sents
        if sent.step in steps and sent.outgoing.get(party)
    ]


def bits_and_products(data):
    def joint(session):
        x = contribute(session, DATA[data])
        bit = comparison.is_negative(session, x, 24)
        return reveal.blinded_share(session, arithmetic.multiply(session, bit, x))

    return joint


@pytest.mark.parametrize("data", DATA)
def test_values_that_reach_each_site_are_uniform_for_any_data(data):
    """20,000 inputs of four sites, comparisons and products; 256 cells a frame; false alarm 1e-9 a frame."""
    run = simulate(bits_and_products(data), 4, has_three_sites=True)
    blinded = run.values()
    for party in (ADA, BOB):
        seen = received(run, party, (Step.INPUT, Step.MATERIAL, *OPENINGS))
        assert {step for _, step, _ in seen} >= set(OPENINGS)
        for sender, step, payload in seen:
            if len(payload) > DIGEST_BYTES + 32:
                assert is_uniform(payload), (party, sender, step)
    assert [sender for sender, step, _ in received(run, ADA, (Step.INPUT,))] == [CYD, DAN]
    assert received(run, BOB, (Step.INPUT,)) == []
    for summand in blinded:
        assert is_uniform(summand.tobytes())


@pytest.mark.parametrize("data", DATA)
def test_the_joint_view_of_the_two_evaluators_is_uniform_for_any_data(data):
    run = simulate(bits_and_products(data), 3, has_three_sites=True)
    run.values()
    for own, other in zip(run.sent[ADA], run.sent[BOB], strict=True):
        if own.step == Step.OPEN_RING:
            total = np.frombuffer(own.outgoing[BOB], np.int64) + np.frombuffer(other.outgoing[ADA], np.int64)
            assert is_uniform(total.tobytes())
        elif own.step == Step.OPEN_MASKED:
            total = sum(unpack(sent, 20_000, 24) for sent in (own.outgoing[BOB], other.outgoing[ADA]))
            assert is_uniform((total & 255).astype(np.uint8).tobytes())
            assert is_uniform((total >> 16 & 255).astype(np.uint8).tobytes())
        elif own.step == Step.OPEN_PLANES:
            one, another = (
                np.frombuffer(sent, np.uint8) for sent in (own.outgoing[BOB], other.outgoing[ADA])
            )
            assert is_uniform((one ^ another).tobytes())


def test_the_highest_opened_bit_does_not_go_with_the_sign():
    x = np.where(np.arange(6000) % 2 == 0, (1 << 20) - 1, 1 - (1 << 20))

    def joint(session):
        own = x if session.names[session.rank] == CYD else np.zeros_like(x)
        return comparison.is_negative(session, contribute(session, own), 22)

    run = simulate(joint, 3, has_three_sites=True)
    run.values()
    (one,), (other,) = (
        [sent.outgoing[peer] for sent in run.sent[name] if sent.step == Step.OPEN_MASKED]
        for name, peer in ((ADA, BOB), (BOB, ADA))
    )
    words = (unpack(one, x.size, 22) + unpack(other, x.size, 22)) & ((1 << 22) - 1)
    for seen in (words, unpack(one, x.size, 22), unpack(other, x.size, 22)):
        top = seen >> 21
        table = [[np.sum((top == t) & ((x < 0) == s)) for t in (0, 1)] for s in (False, True)]
        assert stats.chi2_contingency(np.array(table)).pvalue > FALSE_ALARM


# -- the inputs that are handed over -------------------------------------------------------------------------


def handed_over(n, secrets):
    """Run one input; return what the first site received by sender, and every party's pair keys."""

    def joint(session):
        contribute(session, secrets[session.names[session.rank]])
        return dict(session._zero_shares._pair_keys)

    run = simulate(joint, n, has_three_sites=True)
    keys = run.values()
    inputs = {
        sender: np.frombuffer(payload, np.int64) for sender, _, payload in received(run, ADA, (Step.INPUT,))
    }
    return inputs, keys


def known_part(keys, victim, coalition, shape):
    """What a coalition can compute of the victim's zero share."""
    held = {member: keys[member][victim] for member in coalition}
    return ZeroShares(victim, held).additive(shape, Purpose.INPUT)


SECRETS = {name: np.arange(2000, dtype=np.int64) * (place + 3) for place, name in enumerate(party_names(5))}


@pytest.mark.parametrize(
    "coalition", [(0,), (0, 3), (0, 3, 4)], ids=["first", "and an input", "and two inputs"]
)
def test_the_first_site_with_input_only_sites_sees_uniform_numbers(coalition):
    inputs, keys = handed_over(5, SECRETS)
    left = {}
    for victim in {2, 3, 4} - set(coalition):
        name = party_names(5)[victim]
        left[victim] = inputs[name] - known_part(keys, victim, coalition, inputs[name].shape)
        assert is_uniform((left[victim] - SECRETS[name]).tobytes())
    # not only each alone: what two of them hold against each other cancels in the sum, what they hold with the
    # second site does not
    for one, other in itertools.combinations(left.values(), 2):
        assert is_uniform((one + other).tobytes())
        assert is_uniform((one - other).tobytes())


@pytest.mark.parametrize(
    "bad",
    [
        np.array([np.nan, 1e30]),  # no mask is left of a large float, nor of one that is no number
        np.array([1, 2], np.uint64),  # numpy makes floats of these and a mask
        np.array([2**63, 1], np.uint64),
        np.array([True, False]),
        np.array([None, 1], object),
        np.array([1, "NaT"], "m8[s]"),
    ],
    ids=str,
)
@pytest.mark.parametrize("has_three_sites", [False, True], ids=["all evaluate", "three sites"])
def test_an_input_that_is_no_integer_is_refused_before_it_is_sent(bad, has_three_sites):
    def joint(session):
        own = bad if session.names[session.rank] == CYD else np.zeros(2, np.int64)
        return contribute(session, own).share

    run = simulate(joint, 3, has_three_sites=has_three_sites, prefetch=False, timeout_s=5)
    if bad.dtype == np.uint64 and bad[0] == 1:
        assert not run.errors
        assert recombine(list(run.results.values()))[0] == 1
        return
    assert isinstance(run.errors[CYD], RingRangeError)
    assert [sent.step for sent in run.sent[CYD]] == [Step.KEYS]


def test_handed_over_inputs_of_any_width_are_uniform():
    run = simulate(
        lambda s: contribute(s, np.full(4000, 7, (np.int8, np.uint16, np.int32)[s.rank])),
        3,
        has_three_sites=True,
    )
    assert (sum(part.share for part in run.values()) == 21).all()
    ((_, _, payload),) = received(run, ADA, (Step.INPUT,))
    assert is_uniform(payload)


def test_without_the_second_sites_keys_the_first_site_reads_inputs():
    """The flaw: summands masked among those who hand over and the first alone."""
    keys = {pair: fresh_key() for pair in [(0, 2), (0, 3), (2, 3)]}

    def held(rank):
        return {sum(pair) - rank: key for pair, key in keys.items() if rank in pair}

    x, y = SECRETS[CYD], SECRETS[DAN]
    sent = [
        values + ZeroShares(rank, held(rank)).additive(x.shape, Purpose.INPUT)
        for rank, values in ((2, x), (3, y))
    ]
    own = ZeroShares(0, held(0)).additive(x.shape, Purpose.INPUT)
    np.testing.assert_array_equal(sum(sent) + own, x + y)


def test_limit_the_two_evaluating_sites_together_read_the_third_sites_input():
    """Secrecy threshold 1: what SECURITY.md says of two of the three, kept in view."""
    inputs, keys = handed_over(3, SECRETS)
    guess = inputs[CYD] - known_part(keys, 2, (0, 1), inputs[CYD].shape)
    np.testing.assert_array_equal(guess, SECRETS[CYD])


def test_the_two_together_read_but_the_sum_of_several_others():
    inputs, keys = handed_over(5, SECRETS)
    guesses = {
        name: inputs[name] - known_part(keys, rank, (0, 1), inputs[name].shape)
        for rank, name in enumerate(party_names(5))
        if rank > 1
    }
    for name, guess in guesses.items():
        assert is_uniform((guess - SECRETS[name]).tobytes())
    np.testing.assert_array_equal(sum(guesses.values()), sum(SECRETS[name] for name in guesses))


# -- the dealing site ----------------------------------------------------------------------------------------


def everything(session):
    x = contribute(session, np.arange(60) - 30 + session.rank)
    bit = comparison.is_negative(session, arithmetic.multiply(session, x, x), 24)
    ordered, _ = sorting.sort(session, x, 16)
    return reveal.blinded_share(session, arithmetic.concatenate([bit, ordered]))


@pytest.mark.parametrize("n", [3, 5])
def test_dealing_and_input_only_sites_receive_no_input_and_no_opening(n):
    run = simulate(everything, n, has_three_sites=True)
    run.values()
    for party in run.names[2:]:
        assert received(run, party, (Step.INPUT, *OPENINGS)) == []
        # it waits for the two in every step, and takes nothing but empty frames
        for own in run.sent[party]:
            if own.step in OPENINGS:
                assert own.expected == {ADA: 0, BOB: 0}
        kinds = {step for _, step, _ in received(run, party, tuple(Step))}
        assert kinds == ({Step.KEYS} if party == CYD else {Step.KEYS, Step.MATERIAL})
    assert all(
        len(payload) == DIGEST_BYTES
        for name in run.names[3:]
        for _, _, payload in received(run, name, (Step.MATERIAL,))
    )


@pytest.mark.parametrize("cheater", [ADA, BOB])
def test_the_dealing_site_refuses_a_masked_value(cheater):
    def joint(session):
        if session.names[session.rank] == cheater:
            session.exchange_evaluating = lambda step, payload: [
                session.mesh.exchange(
                    step,
                    dict.fromkeys(session.peers, payload),
                    {name: len(payload) for name in session.evaluators if name != cheater},
                )[name]
                for name in session.evaluators
                if name != cheater
            ]
        return everything(session)

    run = simulate(joint, 4, has_three_sites=True)
    assert isinstance(run.errors[CYD], PeerRejectedError)
    assert run.errors[CYD].name == cheater
    assert CYD not in run.results


def masks_of(run, identity, request):
    """Both evaluating sites' material, as the dealing site can make it again from what it dealt."""
    dealt = next(sent for sent in run.sent[CYD] if sent.step == Step.MATERIAL).outgoing
    start = DIGEST_BYTES + 32
    return [
        expand(
            request,
            material_stream(dealt[name][DIGEST_BYTES:start], identity, rank),
            dealt[name][start:] if rank == 0 else None,
        )
        for rank, name in enumerate((ADA, BOB))
    ]


def test_limit_dealing_and_evaluating_site_together_open_masked_values():
    """Secrecy threshold 1 again: the same that a dealer could do with any one site."""
    identity, request = fresh_key(), product(ProductKind.MUL, (50,), (50,))
    total = 4 * np.arange(50) + 6

    def joint(session):
        x = contribute(session, np.arange(50) + session.rank)
        return reveal.blinded_share(session, arithmetic.multiply(session, x, x))

    run = simulate(joint, 4, has_three_sites=True, session_id=identity)
    run.values()
    first, second = masks_of(run, identity, request)
    opened = sum(
        np.frombuffer(sent.outgoing[peer], np.int64)[:50]
        for name, peer in ((ADA, BOB), (BOB, ADA))
        for sent in run.sent[name]
        if sent.step == Step.OPEN_RING
    )
    np.testing.assert_array_equal(opened + first[0] + second[0], total)


def dealing_site_and_analyst(*, with_zero_share):
    """The analyst's summands of a suppressed product, all masks, and every key of the dealing site: what fits?"""
    count, bit = np.array([7], np.int64), np.array([0], np.int64)
    identity, request = fresh_key(), product(ProductKind.MUL, (1,), (1,))

    def joint(session):
        own = session.names[session.rank] == BOB
        x, y = (contribute(session, values if own else np.zeros_like(values)) for values in (count, bit))
        kept = arithmetic.multiply(session, x, y)
        keys = dict(session._zero_shares._pair_keys)
        return (reveal.blinded_share(session, kept) if with_zero_share else kept.share), keys

    run = simulate(joint, 3, session_id=identity, has_three_sites=True)
    (_, _), (summand, _), (_, keys) = run.values()
    masks = masks_of(run, identity, request)
    # of the second site's blinded share the dealing one can take away what it holds a key of
    if with_zero_share:
        summand = summand - ZeroShares(1, {2: keys[1]}).additive((1,), Purpose.REVEAL)
    a, b = (sum(int(m[i][0]) for m in masks) for i in (0, 1))
    a1, b1, c1 = (int(part[0]) for part in masks[1])
    return [
        (guess, guess_bit)
        for guess in range(100)
        for guess_bit in (0, 1)
        if (c1 + (guess - a) * b1 + a1 * (guess_bit - b) - int(summand[0])) % (1 << 64) == 0
    ]


def test_without_zero_shares_dealing_site_and_analyst_learn_a_suppressed_count():
    assert dealing_site_and_analyst(with_zero_share=False) == [(7, 0)]


def test_with_zero_shares_dealing_site_and_analyst_learn_no_suppressed_count():
    # chance that one of 200 guesses fits a uniform word: 200 / 2**64
    assert dealing_site_and_analyst(with_zero_share=True) == []


def test_the_dealing_site_holds_no_key_of_an_openings_mask():
    """It knows all masks; what two evaluating sites send to each other stays uniform to it even on the wire."""

    def joint(session):
        value = contribute(session, np.arange(3000)).share
        mask = session.supply.take(product(ProductKind.MUL, (3000,), (1,)))[0]
        open_masked.open_differences(session, [(value, mask)])
        return value - mask, session._opening_shares._pair_keys

    run = simulate(joint, 4, prefetch=False, has_three_sites=True)
    (uncovered, keys), _, (_, dealing), (_, inputting) = run.values()
    assert set(keys) == {1}
    assert dealing == inputting == {}
    (sent,) = [sent.outgoing[BOB] for sent in run.sent[ADA] if sent.step == Step.OPEN_RING]
    assert is_uniform((np.frombuffer(sent, np.int64) - uncovered).tobytes())


def test_linear_private_sums_use_no_computing_sites_and_keep_full_secrecy():
    """A sum without material runs in an ordinary session: n - 2 pooling sites around one find uniform numbers."""

    def joint(session):
        return contribute(session, np.full(2000, 42)).share, dict(session._zero_shares._pair_keys)

    shares, keys = zip(*simulate(joint, 4).values(), strict=True)
    assert is_uniform((shares[1] - known_part(keys, 1, (0, 2), (2000,))).tobytes())


def test_the_order_that_the_two_see_of_a_sort_is_uniform():
    """Where the smallest of four rows is after each of 400 shuffles of the same data."""

    def joint(session):
        firsts = []
        for _ in range(400):
            x = contribute(session, np.arange(4) * (session.names[session.rank] == CYD))
            firsts.append(sorting.shuffle(session, x).share)
        return np.array(firsts)

    first, second, dealing = simulate(joint, 3, prefetch=False, has_three_sites=True).values()
    assert not np.any(dealing)
    places = np.argsort(first + second, axis=1)[:, 0]
    assert stats.chisquare(np.bincount(places, minlength=4)).pvalue > FALSE_ALARM

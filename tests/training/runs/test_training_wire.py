"""Attacks over the wire: aggregator and key holder refuse invalid messages (P13 to P15)."""

import itertools

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from training_world import made_frame, task_of

from federation.aggregation.service import AGGREGATE, OPEN
from federation.errors import (
    CiphertextInvalidError,
    KeyMismatchError,
    RequestRejectedError,
    SiteUnavailableError,
    UpdateRejectedError,
)
from federation.paillier.cipher import Encryptor, add_vectors
from federation.paillier.key_files import accept_public_key
from federation.paillier.packing import pack
from federation.protocol.codec import decode, encode
from federation.protocol.exchange import call
from federation.protocol.messages import Ack
from federation.protocol.training_messages import (
    KeyAnswer,
    KeyAsk,
    Start,
    UpdateReceipt,
    UpdateSent,
)
from federation.training.site_worker import TRAIN
from privacy_accounting.errors import LedgerRefusedError
from smpc.errors import PeerRejectedError

FRESH = itertools.count(1000)
MADE = {"features": ("x", "k", "b"), "target": "y", "epsilon": 2, "rounds": 5, "expected_units": 200}


@pytest.fixture
def hand(made):
    return made.attempt(task_of(**MADE))


def vector_of(hand, numbers):
    width = hand.world.public.ciphertext_bytes
    return b"".join((number % 2 ** (8 * width)).to_bytes(width, "big") for number in numbers)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_law_the_opened_sum_is_the_integer_sum_over_the_wire(made, data):
    hand = made.attempt(task_of(**MADE), nonce=next(FRESH))
    half, length = hand.layout.half_range, hand.layout.length
    number = st.one_of(st.sampled_from([-half, half, 0]), st.integers(-half, half))
    updates = [
        np.array(data.draw(st.lists(number, min_size=length, max_size=length)), np.int64) for _ in made.sites
    ]
    for place in data.draw(st.permutations(range(len(made.sites)))):
        site = made.sites[place]
        hand.send(site, ciphertexts=made.encryptor.encrypt(pack(updates[place], hand.layout, site=site)))
    assert hand.ask() == np.sum(updates, axis=0).tolist()


@pytest.mark.parametrize("name", ["zero", "n", "7n", "n^2", "n^2+1", "multiple of p"])
@pytest.mark.parametrize("to", ["aggregator", "keyholder"])
def test_a_ciphertext_that_would_give_the_key_away_is_refused(made, hand, name, to):
    n, p = made.public.n, made.key.p
    bad = {"zero": 0, "n": n, "7n": 7 * n, "n^2": n * n, "n^2+1": n * n + 1, "multiple of p": 5 * p}[name]
    ciphertexts = vector_of(hand, [bad] * hand.layout.count)
    with pytest.raises(CiphertextInvalidError):
        if to == "aggregator":
            hand.send("east", ciphertexts=ciphertexts)
        else:
            hand.total(ciphertexts=ciphertexts)
    assert made.answers.claimed() == []


CUTS = {
    "one byte short": lambda c: c[:-1],
    "one byte long": lambda c: c + b"\0",
    "half": lambda c: c[: len(c) // 2],
    "a letter": lambda c: b"x",
}


@pytest.mark.parametrize("change", CUTS.values(), ids=CUTS)
def test_a_vector_of_another_length_is_refused(hand, change):
    ciphertexts = change(hand.ciphertexts(1))
    with pytest.raises(CiphertextInvalidError):
        hand.send("east", ciphertexts=ciphertexts)
    with pytest.raises(CiphertextInvalidError):
        hand.total(ciphertexts=ciphertexts)


def test_a_foreign_key_is_refused_and_opens_nothing_if_undeclared(made, hand, foreign_key):
    foreign = hand.ciphertexts(1, encryptor=Encryptor(foreign_key.public))
    with pytest.raises(KeyMismatchError):
        hand.send("east", ciphertexts=foreign, key=foreign_key.public.fingerprint)
    with pytest.raises(KeyMismatchError):
        hand.total(ciphertexts=foreign, key=foreign_key.public.fingerprint)
    # passed off as ours it may fail a range check or decrypt to nonsense; it never opens
    with pytest.raises(CiphertextInvalidError):
        hand.total(ciphertexts=foreign)
    with pytest.raises(KeyMismatchError):
        hand.ask()  # who waits is told the first refusal


def test_one_sites_update_alone_is_not_opened(made, hand):
    alone = hand.ciphertexts(5)
    with pytest.raises(CiphertextInvalidError) as caught:
        hand.total(ciphertexts=alone)
    assert "counter" in caught.value.reason
    # the attempt is spent: the true sum is not opened either
    with pytest.raises(UpdateRejectedError):
        hand.all_in([1, 2, 3, 4])
    with pytest.raises(CiphertextInvalidError):
        hand.ask()


@pytest.mark.parametrize("twice", [True, False])
def test_a_site_counted_twice_or_dropped_does_not_open(made, hand, twice):
    vectors = [hand.ciphertexts(place) for place in range(4)]
    chosen = [*vectors, vectors[0]] if twice else vectors[:3]
    total = add_vectors(made.public, chosen, count=hand.layout.count)
    with pytest.raises(CiphertextInvalidError) as caught:
        hand.total(ciphertexts=total)
    assert "counter" in caught.value.reason


def test_a_slot_out_of_range_does_not_open(made, hand):
    # a site that writes past its half range with a right counter: seen after decryption
    plaintexts = [1 | ((hand.layout.largest_sum + 1) << (8 * hand.layout.slot_bytes))] * hand.layout.count
    vectors = [made.encryptor.encrypt(plaintexts)] + [hand.ciphertexts(0) for _ in range(3)]
    with pytest.raises(CiphertextInvalidError) as caught:
        hand.total(ciphertexts=add_vectors(made.public, vectors, count=hand.layout.count))
    assert "range" in caught.value.reason


def test_the_same_bytes_again_are_the_same_update_other_bytes_are_refused(made, hand):
    first = hand.update(3)
    assert hand.post("east", first).missing == ["north", "south", "west"]
    assert hand.post("east", first).missing == ["north", "south", "west"]
    with pytest.raises(UpdateRejectedError) as caught:
        hand.send("east", 3)
    assert caught.value.site == "east"
    for site, value in (("north", 1), ("south", 1), ("west", 1)):
        hand.send(site, value)
    assert hand.ask() == [6] * hand.layout.length
    assert len(made.answers.claimed()) == 1


def test_an_answer_is_repeated_not_opened_again(made, hand):
    hand.all_in([1, 2, 3, 4])
    assert hand.ask() == hand.ask() == hand.ask(made.networks["west"]) == [10] * hand.layout.length
    assert len(made.answers.claimed()) == 1
    with pytest.raises(UpdateRejectedError):
        hand.total(ciphertexts=add_vectors(made.public, [hand.ciphertexts(0)] * 4, count=hand.layout.count))
    assert hand.ask() == [10] * hand.layout.length


def test_an_old_round_is_refused_at_both(made):
    task = task_of(**MADE)
    old, new = made.attempt(task), made.attempt(task, round_number=1)
    old_update = old.update(1)
    new.all_in([1, 1, 1, 1])
    with pytest.raises(UpdateRejectedError) as caught:
        old.post("east", old_update)
    assert "old" in caught.value.reason
    with pytest.raises(UpdateRejectedError):
        old.total(ciphertexts=add_vectors(made.public, [old.ciphertexts(1)] * 4, count=old.layout.count))
    with pytest.raises(UpdateRejectedError):
        old.ask()


def test_an_old_update_under_a_new_entry_is_refused(made):
    task = task_of(**MADE)
    old, new = made.attempt(task), made.attempt(task, attempt=1)
    with pytest.raises(UpdateRejectedError) as caught:
        new.send("east", ciphertexts=old.ciphertexts(1), manifest=old.manifest.digest())
    assert "another manifest" in caught.value.reason


def test_a_late_update_of_another_attempt_is_not_mixed_in(made):
    task = task_of(**MADE)
    first, second = made.attempt(task), made.attempt(task, attempt=1, cohort=("east", "north", "south"))
    first.send("east", 100)
    second.all_in([1, 1, 1])
    assert second.ask() == [3] * second.layout.length
    with pytest.raises(UpdateRejectedError):
        first.send("west", 100)


def test_a_site_outside_the_cohort_and_a_stranger_are_refused(made):
    hand = made.attempt(task_of(**MADE), cohort=("east", "north", "south"))
    with pytest.raises(UpdateRejectedError):
        hand.send("west", 1)
    eve = made.exchange.network("eve", "analyst")
    with pytest.raises(UpdateRejectedError):
        call(eve, "aggregator", AGGREGATE, hand.update(1), UpdateReceipt, timeout_s=5)


def test_only_the_aggregator_brings_sums_and_only_receivers_hear_them(made, hand):
    with pytest.raises(PeerRejectedError):
        hand.total(sender=made.networks["east"])
    hand.all_in([1, 1, 1, 1])
    eve = made.exchange.network("eve", "analyst")
    with pytest.raises(UpdateRejectedError):
        hand.ask(eve)
    assert hand.ask(made.networks["north"]) == [4] * hand.layout.length


def entry_attacks():
    return {
        "unsigned by one site": lambda w, b: w.sign(b, {"east", "north", "south"}),
        "signed by a stranger too": lambda w, b: w.sign(b, {*b.cohort, "eve"}),
    }


@pytest.mark.parametrize("name", sorted(entry_attacks()))
@pytest.mark.parametrize("to", ["aggregator", "keyholder", "site"])
def test_no_party_acts_on_an_incomplete_entry(made, name, to):
    task = task_of(**MADE)
    hand = made.attempt(task)
    hand.entry = entry_attacks()[name](made, made.body(task, hand.request, hand.planned))
    with pytest.raises(LedgerRefusedError):
        knock(made, hand, to)
    assert made.noted["east"] == []


def knock(made, hand, to):
    if to == "aggregator":
        return hand.send("east", 1)
    if to == "keyholder":
        return hand.total()
    start = Start(request=hand.request, entry=hand.entry, used_attempts=[])
    return call(made.network, "east", TRAIN, start, UpdateSent, timeout_s=5)


@pytest.mark.parametrize(
    "changes",
    [
        {"chain": "ab" * 32},
        {"asked": {"run": "ab" * 32}},
        {"asked": {"request": "ab" * 32}},
        {"asked": {"analyst": "bob"}},
        {"asked": {"purpose": "fun"}},
        {"asked": {"nonce": "00" * 16}},
        {"asked": {"population": "other"}},
        {"asked": {"run": ""}},
        {"asked": {"round": 5}},
        {"charge": {"sub_budget": "query"}},
    ],
    ids=str,
)
@pytest.mark.parametrize("to", ["aggregator", "keyholder", "site"])
def test_no_party_acts_on_an_unrelated_complete_entry(made, changes, to):
    hand = made.attempt(task_of(**MADE), **changes)
    with pytest.raises(RequestRejectedError):
        knock(made, hand, to)
    assert made.noted["east"] == []
    assert made.answers.claimed() == []


@pytest.mark.parametrize("cohort", [("east", "north"), ("east", "north", "south")], ids=len)
def test_an_entry_for_a_smaller_cohort_needs_its_own_charge(made, cohort):
    task = task_of(**MADE)
    hand = made.attempt(task)
    hand.entry = made.sign(made.body(task, hand.request, hand.planned, cohort=cohort))
    for to in ("aggregator", "keyholder", "site"):
        with pytest.raises(RequestRejectedError):
            knock(made, hand, to)


def test_no_party_acts_on_an_entry_with_half_the_noise(made):
    from dataclasses import replace

    task = task_of(**MADE)
    hand = made.attempt(task)
    cheap = replace(
        hand.planned, event=replace(hand.planned.event, sigma2_local=hand.planned.event.sigma2_local / 4)
    )
    hand.entry = made.sign(made.body(task, hand.request, cheap))
    for to in ("aggregator", "keyholder", "site"):
        with pytest.raises(RequestRejectedError):
            knock(made, hand, to)


def test_no_party_acts_on_a_request_other_than_the_charged_one(made):
    hand = made.attempt(task_of(**MADE))
    hand.request = made.request(task_of(**(MADE | {"clip_norm": 2})))
    for to in ("aggregator", "keyholder", "site"):
        with pytest.raises(RequestRejectedError):
            knock(made, hand, to)


def test_a_start_is_for_its_analyst_its_cohort_and_its_rounds(made):
    task = task_of(**MADE)
    hand = made.attempt(task, cohort=("east", "north", "south"))
    start = Start(request=hand.request, entry=hand.entry, used_attempts=[])
    with pytest.raises(RequestRejectedError):
        call(made.network, "west", TRAIN, start, UpdateSent, timeout_s=5)
    with pytest.raises(RequestRejectedError):
        call(made.networks["south"], "east", TRAIN, start, UpdateSent, timeout_s=5)
    with pytest.raises(RequestRejectedError):
        wrong = Start(request=hand.request, entry=hand.entry, used_attempts=[0])
        call(made.network, "east", TRAIN, wrong, UpdateSent, timeout_s=5)
    assert all(notes == [] for notes in made.noted.values())


def test_one_attempt_has_one_noise(made):
    """The attack: have a site run one complete entry twice and average the noise away."""
    hand = made.attempt(task_of(**MADE))
    start = Start(request=hand.request, entry=hand.entry, used_attempts=[])
    taken = []
    network = made.networks["east"]
    made.trainers["east"]._network = network
    original = made.aggregator._sums.take

    def spy(manifest, vector, *, sender):
        taken.append(vector.ciphertexts)
        return original(manifest, vector, sender=sender)

    made.aggregator._sums.take = spy
    for _ in range(3):
        call(made.network, "east", TRAIN, start, UpdateSent, timeout_s=5)
    assert len(taken) == 3
    assert len(set(taken)) == 1
    assert len(made.noted["east"]) == 1
    # a site that restarted holds no bytes; its note refuses
    made.trainers["east"] = made.trainer("east")
    made.trainers["east"].serve()
    with pytest.raises(LedgerRefusedError):
        call(made.network, "east", TRAIN, start, UpdateSent, timeout_s=5)
    assert len(taken) == 3


def test_the_start_note_is_durable_before_rows_are_read_or_sent(made):
    hand = made.attempt(task_of(**MADE))
    start = Start(request=hand.request, entry=hand.entry, used_attempts=[])
    trainer, order = made.trainers["east"], []

    def refuse(entry):
        order.append("note")
        raise LedgerRefusedError(reason="the disk is full")

    trainer._note = refuse
    trainer._source_of = lambda table: order.append("rows")
    with pytest.raises(LedgerRefusedError):
        call(made.network, "east", TRAIN, start, UpdateSent, timeout_s=5)
    assert order == ["note"]
    with pytest.raises(SiteUnavailableError):
        hand.ask()


def test_a_restarted_key_holder_never_answers_an_attempt_twice(made, hand):
    hand.all_in([1, 1, 1, 1])
    made.restart_key_holder()
    with pytest.raises(UpdateRejectedError):
        hand.total(ciphertexts=add_vectors(made.public, [hand.ciphertexts(1)] * 4, count=hand.layout.count))


def test_the_public_key_travels_and_is_taken_under_its_fingerprint_only(world_of):
    from federation.paillier.keys import generate_private_key

    key = generate_private_key(bits=2048)
    world = world_of({name: made_frame(30, place) for place, name in enumerate("abc")}, key=key)
    answer = call(world.networks["a"], "keyholder", OPEN, KeyAsk(), KeyAnswer, timeout_s=5)
    assert accept_public_key(answer.modulus, fingerprint=key.public.fingerprint) == key.public
    with pytest.raises(KeyMismatchError):
        accept_public_key(answer.modulus, fingerprint="00" * 32)


def test_a_key_below_the_floor_is_not_accepted(made):
    answer = call(made.networks["east"], "keyholder", OPEN, KeyAsk(), KeyAnswer, timeout_s=5)
    with pytest.raises(KeyMismatchError):
        accept_public_key(answer.modulus, fingerprint=made.public.fingerprint)


@given(st.binary(max_size=200))
def test_law_any_bytes_are_a_message_or_refused(data):
    try:
        message = decode(data, peer="eve")
    except PeerRejectedError:
        return
    assert decode(encode(message)) == message


def test_other_messages_are_refused_by_name(made, hand):
    for peer, purpose in (("aggregator", AGGREGATE), ("keyholder", OPEN), ("east", TRAIN)):
        with pytest.raises(PeerRejectedError):
            call(made.network, peer, purpose, UpdateSent(bytes_sent=1), Ack, timeout_s=5)


def test_no_repr_shows_a_ciphertext_or_a_sum(made, hand):
    hand.all_in([1, 2, 3, 4])
    attempt = hand.manifest.attempt
    found = made.opened.find(attempt.run, attempt.round_number, attempt.attempt)
    assert repr(found) == f"OpenedSum({8 * hand.layout.length} bytes)"


# ---- without noise (P16)


EXACT = MADE | {"epsilon": None, "exact": True, "expected_units": None}


@pytest.mark.parametrize("to", ["aggregator", "keyholder", "site"])
def test_p16_no_party_acts_on_an_exact_entry_for_fewer_sites(made, to):
    """The attack: its sum, taken from that over all sites, is the missing site's own."""
    task = task_of(**EXACT)
    hand = made.attempt(task)
    hand.entry = made.sign(made.body(task, hand.request, hand.planned, cohort=("east", "north", "south")))
    with pytest.raises(RequestRejectedError, match="every site"):
        knock(made, hand, to)
    assert made.noted["east"] == []
    assert made.answers.claimed() == []


def test_p16_no_party_acts_on_a_second_attempt_of_an_exact_round(made):
    task = task_of(**EXACT)
    hand = made.attempt(task)
    hand.entry = made.sign(made.body(task, hand.request, hand.planned, asked={"attempt": 1}))
    for to in ("aggregator", "keyholder", "site"):
        with pytest.raises(RequestRejectedError, match="one attempt"):
            knock(made, hand, to)


def test_p16_the_model_of_an_exact_round_depends_on_this_runs_sums_alone(made):
    """The attack: a starting point of the analyst's choice, by naming other attempts or by another run's sums."""
    task = task_of(**EXACT)
    first, other, second = (
        made.attempt(task),
        made.attempt(task, nonce=2),
        made.attempt(task, round_number=1),
    )
    other.all_in([1000] * 4)
    start = Start(request=second.request, entry=second.entry, used_attempts=[1])
    with pytest.raises(RequestRejectedError, match="one attempt"):
        call(made.network, "east", TRAIN, start, UpdateSent, timeout_s=5)
    start = Start(request=second.request, entry=second.entry, used_attempts=[0])
    with pytest.raises(SiteUnavailableError):  # round 0 of this run was not opened
        call(made.network, "east", TRAIN, start, UpdateSent, timeout_s=5)
    # a key holder that passes off another run's sum as this one's
    run = other.manifest.attempt.run
    theirs = made.opened.find(run, 0, 0)
    made.opened.keep(first.manifest.attempt, theirs)
    with pytest.raises(UpdateRejectedError, match="another attempt"):
        call(made.network, "east", TRAIN, start, UpdateSent, timeout_s=5)
    assert made.noted["east"] == []

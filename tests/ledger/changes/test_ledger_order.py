"""One chain, one order (P2): no fork, and no refusal blocks the chain."""

import dataclasses
import threading

import pytest

from privacy_accounting.errors import LedgerForkedError, LedgerRefusedError
from privacy_accounting.ledger.messages import (
    Complete,
    Proposal,
    Signed,
    Waiting,
    Withdrawal,
)
from privacy_accounting.ledger.replication.agreement import agree
from privacy_accounting.ledger.replication.sequencer import Draft, Sequencer
from privacy_accounting.ledger.storage.store import Table
from tests.ledger.ledger_world import (
    NAMES,
    Crash,
    a_charge,
    admit_all,
    an_exact,
    complete_of,
    consider,
    copy_of,
    forged,
    key_of,
    propose,
    refuse_all,
)

# -- P2: one chain, one order --------------------------------------------------------------------------------


def test_p2_two_requests_in_opposite_order_do_not_fork(world):
    """Two clients reach the sites in opposite order; the sequencer gives both one order, everywhere the same."""
    first, second = a_charge(world.budget, analyst="ada"), a_charge(world.budget, analyst="bob")
    results = {}

    def ask(name, charge):
        drafts = [Draft(cohort=NAMES, content=charge)]
        results[name] = agree(world.sequencer, drafts, admit_all, world.carry)

    threads = [threading.Thread(target=ask, args=item) for item in (("a", first), ("b", second))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(result.entries for result in results.values())
    assert len({tuple(site.store.entries()) for site in world.sites.values()}) == 1
    # Without the sequencer: each client's bytes at another site first. The second body under a number is not signed.
    data = propose(world, a_charge(world.budget))
    rival = world.sequencer._place([Draft(cohort=NAMES, content=a_charge(world.budget))])[0][0]
    assert isinstance(consider(world, "basel", data), Signed)
    answer = consider(world, "basel", forged(world, data, bodies=(rival,)))
    assert isinstance(answer, Waiting)
    answer = consider(world, "basel", forged(world, data, bodies=(rival,), ballot=9))
    assert isinstance(answer, Waiting)
    assert [doubt.proposal for doubt in answer.doubts] == [Proposal.from_bytes(data).digest]


def test_p2_a_site_signs_another_body_only_with_the_withdrawal_of_the_first(world):
    data = propose(world, a_charge(world.budget))
    assert isinstance(consider(world, "basel", data), Signed)
    withdrawal = world.sequencer.withdraw("test")
    assert [note.payload for note in world.head.store.notes(Table.WITHDRAWALS)] == [withdrawal]
    later = propose(world, a_charge(world.budget))
    assert isinstance(consider(world, "basel", later), Waiting)
    other = dataclasses.replace(Withdrawal.from_bytes(withdrawal), proposal="00" * 32).signed_by(
        key_of("ankara")
    )
    world.sites["basel"].replica.withdrawn(other.to_bytes())
    assert isinstance(consider(world, "basel", later), Waiting)
    world.sites["basel"].replica.withdrawn(withdrawal)
    assert isinstance(consider(world, "basel", later), Signed)


def test_p2_a_withdrawal_must_be_the_sequencers(world):
    data = propose(world, a_charge(world.budget))
    consider(world, "basel", data)
    withdrawal = Withdrawal.from_bytes(world.sequencer.withdraw("test"))
    replica = world.sites["basel"].replica
    for wrong in (
        withdrawal.signed_by(key_of("cairo")),
        dataclasses.replace(withdrawal, sender="cairo").signed_by(key_of("cairo")),
        dataclasses.replace(withdrawal, reason="other"),
        dataclasses.replace(withdrawal, chain="00" * 32).signed_by(key_of("ankara")),
    ):
        with pytest.raises(LedgerRefusedError):
            replica.withdrawn(wrong.to_bytes())
    assert len(replica.in_doubt) == 1


def test_p2_a_withdrawn_proposal_that_arrives_late_is_not_signed(world):
    data = propose(world, a_charge(world.budget))
    world.sites["basel"].replica.withdrawn(world.sequencer.withdraw("test"))
    assert isinstance(consider(world, "basel", data), Waiting)
    assert world.sites["basel"].replica.in_doubt == ()


@pytest.mark.parametrize("admit", [admit_all, refuse_all])
def test_p2_an_answer_is_repeated_in_the_same_bytes(world, admit):
    data = propose(world, a_charge(world.budget))
    replica = world.sites["basel"].replica
    first = replica.consider(data, admit)
    assert replica.consider(data, refuse_all) == first
    world.now += 100_000
    world.restart("basel")
    assert world.sites["basel"].replica.consider(data, admit_all) == first


@pytest.mark.parametrize("after", [False, True])
def test_p2_an_answer_is_durable_before_it_is_given(world, after):
    data = propose(world, a_charge(world.budget))
    site = world.sites["basel"]
    site.store.countdown, site.store.after = 0, after
    with pytest.raises(Crash):
        site.replica.consider(data, admit_all)
    assert len(site.store.notes(Table.ANSWERS, first=1)) == after
    with pytest.raises(LedgerRefusedError):
        site.replica.consider(data, admit_all)


def test_p2_the_sequencer_signs_last(world):
    data = propose(world, a_charge(world.budget))
    with pytest.raises(LedgerRefusedError, match="has not signed"):
        world.sequencer.commit()
    world.sequencer.collect("basel", world.sites["basel"].replica.consider(data, admit_all))
    with pytest.raises(LedgerRefusedError, match="cairo has not signed"):
        world.sequencer.commit()
    assert world.head.store.height() == 1
    assert not [
        s
        for s in world.sites.values()
        if b"signatures" in b"".join(n.payload for n in s.store.notes(Table.PROPOSALS))
    ]
    world.sequencer.collect("cairo", world.sites["cairo"].replica.consider(data, admit_all))
    world.sequencer.commit()
    assert world.head.store.height() == 2


def test_p2_every_countersignature_is_checked(world):
    """Deleting the check of who signed, or of the signature itself, turns this red."""
    data = propose(world, a_charge(world.budget))
    body = Proposal.from_bytes(data).bodies[0]
    good = complete_of(body)
    replica = world.sites["basel"].replica
    wrong = [
        complete_of(body, signers=("ankara", "basel")),
        complete_of(body, signers=("basel", "cairo")),
        dataclasses.replace(good, signatures={**good.signatures, "cairo": good.signatures["basel"]}),
        dataclasses.replace(good, signatures={**good.signatures, "delhi": good.signatures["basel"]}),
    ]
    for entry in wrong:
        with pytest.raises(LedgerRefusedError, match="sign"):
            replica.completed(Complete(entries=(entry.to_bytes(),)).to_bytes())
        with pytest.raises(LedgerRefusedError, match="sign"):
            replica.catch_up([entry.to_bytes()], source="cairo")
    assert replica.head == 0
    replica.completed(Complete(entries=(good.to_bytes(),)).to_bytes())
    assert replica.head == 1


def test_p2_the_sequencer_checks_every_countersignature(world):
    data = propose(world, a_charge(world.budget))
    good = Signed.from_bytes(world.sites["basel"].replica.consider(data, admit_all))
    cairo = Signed.from_bytes(world.sites["cairo"].replica.consider(data, admit_all))
    wrong = [
        ("cairo", good),
        ("basel", dataclasses.replace(good, signatures=cairo.signatures).signed_by(key_of("basel"))),
        ("basel", dataclasses.replace(good, signatures=("",)).signed_by(key_of("basel"))),
        ("basel", dataclasses.replace(good, signatures=()).signed_by(key_of("basel"))),
        ("basel", dataclasses.replace(good, proposal="00" * 32).signed_by(key_of("basel"))),
        ("basel", dataclasses.replace(good, ballot=8).signed_by(key_of("basel"))),
        ("basel", good.signed_by(key_of("cairo"))),
        ("delhi", dataclasses.replace(good, sender="delhi")),
    ]
    for site, answer in wrong:
        with pytest.raises(LedgerRefusedError):
            world.sequencer.collect(site, answer.to_bytes())
    assert world.sequencer.missing == ("basel", "cairo")


def test_p2_only_the_sequencer_proposes(world):
    data = propose(world, a_charge(world.budget))
    for wrong in (
        dataclasses.replace(Proposal.from_bytes(data), sender="cairo").signed_by(key_of("cairo")),
        Proposal.from_bytes(data).signed_by(key_of("cairo")),
        dataclasses.replace(Proposal.from_bytes(data), sender="cairo").signed_by(key_of("ankara")),
        dataclasses.replace(Proposal.from_bytes(data), chain="00" * 32).signed_by(key_of("ankara")),
    ):
        with pytest.raises(LedgerRefusedError):
            world.sites["basel"].replica.consider(wrong.to_bytes(), admit_all)
    rival = Sequencer(world.sites["basel"].replica)
    rival.recover(dict.fromkeys(NAMES, 0))
    with pytest.raises(LedgerRefusedError, match="the sequencer is ankara"):
        rival.propose([Draft(cohort=NAMES, content=a_charge(world.budget))], admit_all)


def test_p2_a_fork_is_found_and_nothing_runs_for_ever(world):
    entry = world.agree(a_charge(world.budget)).entries[0]
    changed = dataclasses.replace(entry.body, time=entry.body.time + 1)
    fork = complete_of(changed.to_bytes())
    site = world.sites["basel"]
    with pytest.raises(LedgerForkedError) as caught:
        site.replica.catch_up([fork.to_bytes()], source="cairo")
    assert (caught.value.site, caught.value.number) == ("cairo", 1)
    for _ in range(2):
        with pytest.raises(LedgerForkedError):
            site.replica.start(entry)
        with pytest.raises(LedgerForkedError):
            site.replica.consider(b"{}", admit_all)
        site.boot()


def test_p2_a_fork_below_is_found_by_the_entry_above(world):
    """A chain whose entry 2 is complete but follows another entry 1."""
    world.agree(a_charge(world.budget))
    body = dataclasses.replace(world.entries()[1].body, number=2, previous="99" * 32)
    with pytest.raises(LedgerForkedError):
        world.sites["basel"].replica.catch_up([complete_of(body.to_bytes()).to_bytes()], source="cairo")


def test_p2_behind_is_not_forked(world):
    world.lost_before = {"cairo"}
    charges = [a_charge(world.budget, run="r", round_=n) for n in range(3)]
    for charge in charges:
        assert world.agree(charge, cohort=("ankara", "basel")).entries
    cairo = world.sites["cairo"].replica
    assert cairo.head == 0
    last = world.head.store.entries(3)
    with pytest.raises(LedgerRefusedError, match="missing"):
        cairo.catch_up(last, source="ankara")
    world.lost_before = set()
    # The next proposal brings it up to date before it signs.
    assert world.agree(a_charge(world.budget)).entries
    assert cairo.head == 4
    assert not cairo.may_start(world.entries()[1])


def test_p2_a_refusal_never_blocks_the_chain(world):
    world.sites["basel"].admit = refuse_all
    refused = world.agree(a_charge(world.budget))
    assert refused.refusals[0]["basel"].fields == {"reason": "policy: no charge"}
    assert world.head.replica.privacy_filter.spent("cardiology", "query") == 0
    world.sites["basel"].admit = admit_all
    assert world.agree(a_charge(world.budget)).entries


def test_p2_a_refused_draft_does_not_hold_up_the_others(world):
    def no_bob(body):
        if getattr(body.content, "asked", None) and body.content.asked.analyst == "bob":
            raise LedgerRefusedError(reason="not bob")

    world.sites["cairo"].admit = no_bob
    result = world.agree(a_charge(world.budget), a_charge(world.budget, analyst="bob"), an_exact())
    assert sorted(result.entries) == [0, 2]
    assert list(result.refusals[1]) == ["cairo"]


@pytest.mark.parametrize("side", ["lost_before", "lost_after"])
def test_p2_a_time_out_never_blocks_the_chain(world, side):
    setattr(world, side, {"cairo"})
    result = world.agree(a_charge(world.budget))
    assert result.silent == ("cairo",)
    setattr(world, side, set())
    assert world.agree(a_charge(world.budget)).entries
    assert {site.replica.head for site in world.sites.values()} == {1}


def test_p2_complete_entry_resolves_a_doubt_about_another_body(world):
    """Cairo signed a proposal whose withdrawal never arrived, and is left out of the next cohort."""
    data = propose(world, a_charge(world.budget))
    consider(world, "cairo", data)
    world.sequencer.withdraw("test")
    world.lost_before = {"cairo"}
    other = a_charge(world.budget, run="r")
    assert world.agree(other, cohort=("ankara", "basel")).entries
    world.lost_before = set()
    assert world.agree(a_charge(world.budget)).entries
    assert world.sites["cairo"].replica.in_doubt == ()


def test_p2_withdrawal_of_a_complete_entry_is_refused(world):
    entry = world.agree(a_charge(world.budget)).entries[0]
    proposal = Proposal.from_bytes(world.head.store.notes(Table.PROPOSALS, first=1)[0].payload)
    withdrawal = Withdrawal(
        chain=proposal.chain,
        number=1,
        ballot=proposal.ballot,
        sender="ankara",
        proposal=proposal.digest,
        reason="no",
    ).signed_by(key_of("ankara"))
    with pytest.raises(LedgerRefusedError, match="complete"):
        world.sites["basel"].replica.withdrawn(withdrawal.to_bytes())
    assert world.sites["basel"].replica.may_start(entry)


# -- the sequencer's own crashes -----------------------------------------------------------------------------


def test_recover_withdraws_uncommitted_proposals_alone(world):
    data = propose(world, a_charge(world.budget))
    consider(world, "basel", data)
    world.restart("ankara")
    assert world.sequencer.open is None
    assert world.agree(a_charge(world.budget)).entries
    assert world.sites["basel"].replica.head == 1
    # Committed, but sent to no other site.
    data = propose(world, a_charge(world.budget))
    for name in ("basel", "cairo"):
        world.sequencer.collect(name, world.sites[name].replica.consider(data, admit_all))
    world.sequencer.commit()
    world.restart("ankara")
    assert world.head.replica.head == 2
    assert world.agree(a_charge(world.budget)).entries
    assert world.sites["basel"].replica.head == 3


def test_a_sequencer_must_recover_and_catch_up_before_it_proposes(world):
    sequencer = Sequencer(world.head.replica)
    draft = Draft(cohort=NAMES, content=a_charge(world.budget))
    with pytest.raises(LedgerRefusedError, match="recovered"):
        sequencer.propose([draft], admit_all)
    with pytest.raises(LedgerRefusedError, match="behind cairo"):
        sequencer.recover({"basel": 0, "cairo": 1})
    sequencer.recover({"basel": 0})
    assert sequencer.propose([draft], admit_all)
    with pytest.raises(LedgerRefusedError, match="a proposal is open"):
        sequencer.propose([draft], admit_all)


def test_a_restored_sequencer_withdraws_unknown_proposals_after_hearing_all(world):
    backup = copy_of(world.head.store)
    data = propose(world, a_charge(world.budget))
    consider(world, "basel", data)
    world.restart("ankara", backup)
    later = propose(world, a_charge(world.budget))
    answer = consider(world, "basel", later)
    assert isinstance(answer, Waiting)
    world.sequencer.collect("basel", answer.to_bytes())
    world.sequencer._heard_all = False
    with pytest.raises(LedgerRefusedError, match="every site"):
        world.sequencer.assist(answer)
    world.sequencer._heard_all = True
    world.sequencer.withdraw("another ballot is needed")
    assert world.agree(a_charge(world.budget)).entries
    assert {site.replica.head for site in world.sites.values()} == {1}


def test_a_sequencer_from_an_old_backup_takes_the_longer_chain(world):
    backup = copy_of(world.head.store)
    entry = world.agree(a_charge(world.budget)).entries[0]
    world.restart("ankara", backup)
    assert world.head.replica.head == 1
    assert not world.head.replica.may_start(entry)
    assert world.agree(a_charge(world.budget)).entries

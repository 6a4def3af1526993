"""One run per charge (P1), and what cancelling needs."""

import dataclasses

import pytest

from privacy_accounting.errors import LedgerRefusedError
from privacy_accounting.ledger.messages import (
    Complete,
    Proposal,
    Refused,
    Signed,
)
from privacy_accounting.ledger.replication.replica import Replica
from privacy_accounting.ledger.session_id import session_id_of_entry
from privacy_accounting.ledger.storage.store import MemoryStore, Table
from tests.ledger.ledger_world import (
    NAMES,
    Crash,
    World,
    a_budget,
    a_charge,
    admit_all,
    an_exact,
    cancel_of,
    complete_message,
    complete_of,
    consider,
    copy_of,
    key_of,
    propose,
)

# -- the ordinary way ----------------------------------------------------------------------------------------


def test_genesis_and_a_charge_are_equal_at_all_sites(world):
    result = world.agree(a_charge(world.budget))
    assert list(result.entries) == [0]
    assert len({tuple(site.store.entries()) for site in world.sites.values()}) == 1
    assert [site.replica.head for site in world.sites.values()] == [1, 1, 1]
    assert all(site.replica.in_doubt == () for site in world.sites.values())


def test_several_drafts_share_one_proposal(world):
    result = world.agree(a_charge(world.budget), an_exact(), a_charge(world.budget))
    assert sorted(result.entries) == [0, 1, 2]
    assert len(world.head.store.notes(Table.PROPOSALS)) == 2
    assert world.head.replica.head == 3


def test_a_site_refuses_another_genesis(world):
    other = World(budget=a_budget(epsilon=5))
    other.sites["cairo"].replica.core.genesis = world.genesis.to_bytes()
    other.sequencer.recover(other.heads())
    assert not other.agree(other.genesis.content).entries
    with pytest.raises(LedgerRefusedError, match="genesis"):
        Replica(MemoryStore(owner="basel"), key_of("basel"), world.clock, genesis=other.genesis).catch_up(
            world.head.store.entries(), source="ankara"
        )
    with pytest.raises(LedgerRefusedError, match="genesis"):
        Replica(world.head.store, key_of("ankara"), world.clock, genesis=other.genesis)


# -- P1: charge before anything leaves -----------------------------------------------------------------------


def test_p1_one_charge_one_run(world):
    entry = world.agree(a_charge(world.budget)).entries[0]
    replica = world.head.replica
    assert replica.may_start(entry)
    assert replica.start(entry) == session_id_of_entry(entry.body)
    assert not replica.may_start(entry)
    with pytest.raises(LedgerRefusedError, match="started before"):
        replica.start(entry)
    world.restart("ankara")
    with pytest.raises(LedgerRefusedError):
        world.head.replica.start(entry)


def test_p1_no_run_without_the_complete_charge(world):
    world.lost_before = {"basel"}
    propose(world, a_charge(world.budget))
    proposal = world.sequencer.open
    data = proposal.bodies[0]
    consider(world, "cairo", proposal.to_bytes())
    entry = complete_of(data)
    for name in NAMES:
        assert not world.sites[name].replica.may_start(entry)
        with pytest.raises(LedgerRefusedError, match="not complete"):
            world.sites[name].replica.start(entry)


def test_p1_started_note_is_durable_before_the_session_id_is_given(world):
    entry = world.agree(a_charge(world.budget)).entries[0]
    site = world.sites["basel"]
    site.store.countdown = 0
    with pytest.raises(Crash):
        site.replica.start(entry)
    assert site.store.notes(Table.STARTED) == []
    with pytest.raises(LedgerRefusedError, match="opened anew"):
        site.replica.start(entry)
    assert world.head.replica.start(entry)
    assert [note.digest for note in world.head.store.notes(Table.STARTED)] == [entry.hash.hex()]
    assert [note.digest for note in world.head.store.notes(Table.OPENED)] == [
        session_id_of_entry(entry.body).hex()
    ]


def test_p1_a_charge_received_by_catch_up_is_spent_and_never_run(world):
    backup = copy_of(world.sites["cairo"].store)
    entry = world.agree(a_charge(world.budget)).entries[0]
    world.run(entry)
    world.restart("cairo", backup)
    replica = world.sites["cairo"].replica
    assert replica.head == 1
    assert replica.privacy_filter.spent("cardiology", "query") == entry.body.content.cost
    with pytest.raises(LedgerRefusedError, match="has not signed"):
        replica.start(entry)


def test_p1_a_restart_between_signature_and_completion_never_runs(world):
    world.lost_after = set()
    data = propose(world, a_charge(world.budget))
    for name in ("basel", "cairo"):
        world.sequencer.collect(name, world.sites[name].replica.consider(data, admit_all))
    world.restart("cairo")
    complete = complete_message(world.sequencer.commit())
    for name in ("basel", "cairo"):
        (entry,) = world.sites[name].replica.completed(complete)
    assert world.sites["basel"].replica.may_start(entry)
    assert not world.sites["cairo"].replica.may_start(entry)
    # Repeating the old bytes is no new signature either.
    assert isinstance(consider(world, "cairo", data), Signed)
    assert not world.sites["cairo"].replica.may_start(entry)


def test_p1_in_doubt_counts_as_spent_until_resolved(world):
    charge = a_charge(world.budget)
    replica = world.sites["basel"].replica
    data = propose(world, charge)
    consider(world, "basel", data)
    assert replica.privacy_filter.spent("cardiology", "query") == charge.cost
    world.restart("basel")
    replica = world.sites["basel"].replica
    assert replica.privacy_filter.spent("cardiology", "query") == charge.cost
    assert len(replica.in_doubt) == 1
    replica.withdrawn(world.sequencer.withdraw("test"))
    assert replica.privacy_filter.spent("cardiology", "query") == 0
    assert world.head.replica.privacy_filter.spent("cardiology", "query") == 0
    world.restart("basel")
    assert world.sites["basel"].replica.in_doubt == ()


def test_p1_a_request_is_entered_once(world):
    charge = a_charge(world.budget, nonce=77)
    assert world.agree(charge).entries
    again = world.agree(charge)
    assert "entered before" in again.refusals[0]["ankara"].fields["reason"]
    twice = a_charge(world.budget, nonce=78)
    result = world.agree(twice, twice)
    assert sorted(result.entries) == [0]
    assert 1 in result.refusals


def test_p1_training_attempts_are_charges_of_their_own(world):
    for round_, attempt in ((1, 0), (1, 1), (2, 0)):
        charge = a_charge(world.budget, nonce=5, run="r", round_=round_, attempt=attempt)
        assert world.agree(charge, cohort=("ankara", "basel")).entries
    assert len({session_id_of_entry(entry.body) for entry in world.entries()[1:]}) == 3


def test_p1_the_sequencer_runs_nothing_outside_its_cohort(world):
    charge = a_charge(world.budget, run="r")
    entry = world.agree(charge, cohort=("basel", "cairo")).entries[0]
    assert world.sites["basel"].replica.may_start(entry)
    with pytest.raises(LedgerRefusedError, match="no run at this site"):
        world.head.replica.start(entry)


def test_p1_the_sequencers_own_proposal_counts_as_spent_over_a_crash(world):
    charge = a_charge(world.budget)
    propose(world, charge)
    assert world.head.replica.privacy_filter.spent("cardiology", "query") == charge.cost
    assert (
        Replica(world.head.store, key_of("ankara"), world.clock).privacy_filter.spent("cardiology", "query")
        == charge.cost
    )
    world.restart("ankara")
    assert world.head.replica.privacy_filter.spent("cardiology", "query") == 0


def test_p1_a_withdrawn_charge_never_runs_under_a_lying_sequencer(world):
    data = propose(world, a_charge(world.budget))
    consider(world, "basel", data)
    site = world.sites["basel"].replica
    site.withdrawn(world.sequencer.withdraw("test"))
    entry = complete_of(Proposal.from_bytes(data).bodies[0])
    site.completed(Complete(entries=(entry.to_bytes(),)).to_bytes())
    assert site.privacy_filter.spent("cardiology", "query") == entry.body.content.cost
    assert not site.may_start(entry)


# -- P1: cancel ----------------------------------------------------------------------------------------------


def test_cancel_gives_back_when_nothing_left_and_closes_the_run(world):
    entry = world.agree(a_charge(world.budget)).entries[0]
    assert world.agree(cancel_of(entry)).entries
    assert all(site.replica.privacy_filter.spent("cardiology", "query") == 0 for site in world.sites.values())
    for name in NAMES:
        with pytest.raises(LedgerRefusedError, match="cancelled"):
            world.sites[name].replica.start(entry)
    assert "cannot be cancelled" in world.agree(cancel_of(entry)).refusals[0]["ankara"].fields["reason"]


@pytest.mark.parametrize("name", NAMES)
def test_p1_no_cancel_after_a_site_started(world, name):
    entry = world.agree(a_charge(world.budget)).entries[0]
    world.run(entry, [name])
    result = world.agree(cancel_of(entry))
    assert result.refusals[0][name].fields["reason"].startswith("this site has started")
    assert world.head.replica.privacy_filter.spent("cardiology", "query") == entry.body.content.cost


@pytest.mark.parametrize("name", NAMES)
def test_p1_no_cancel_by_a_site_that_restarted(world, name):
    entry = world.agree(a_charge(world.budget)).entries[0]
    world.restart(name)
    result = world.agree(cancel_of(entry))
    assert "restarted" in result.refusals[0][name].fields["reason"]


def test_p1_a_site_that_consented_to_cancel_never_starts_the_run(world):
    entry = world.agree(a_charge(world.budget)).entries[0]
    world.run(entry, ["cairo"])
    data = propose(world, cancel_of(entry))
    assert isinstance(consider(world, "basel", data), Signed)
    assert isinstance(consider(world, "cairo", data), Refused)
    for name in ("ankara", "basel"):
        with pytest.raises(LedgerRefusedError, match="cancelled"):
            world.sites[name].replica.start(entry)


def test_cancel_of_another_entry_or_cohort_is_refused(world):
    first = world.agree(a_charge(world.budget, run="r"), cohort=("ankara", "basel")).entries[0]
    other = world.agree(a_charge(world.budget, run="r"), cohort=("ankara", "basel")).entries[0]
    mixed = dataclasses.replace(cancel_of(first), entry_hash=other.hash.hex())
    for content, cohort in ((mixed, ("ankara", "basel")), (cancel_of(first), NAMES)):
        refusal = world.agree(content, cohort=cohort).refusals[0]["ankara"]
        assert "does not match entry" in refusal.fields["reason"]
    assert world.agree(cancel_of(world.entries()[0])).refusals
    twice = world.agree(cancel_of(first), cancel_of(first), cohort=("ankara", "basel"))
    assert (sorted(twice.entries), sorted(twice.refusals)) == ([0], [1])

"""Sequencer transfers, site removals and catching up, with a site that returns, lies, or gives the wrong file."""

import dataclasses

import pytest

from privacy_accounting.audit.verify import verify
from privacy_accounting.errors import LedgerRefusedError
from privacy_accounting.ledger.contents import MembersChange
from privacy_accounting.ledger.messages import Proposal, Signed, Withdrawal, read_answer
from privacy_accounting.ledger.replication.sequencer import Draft, Sequencer
from privacy_accounting.ledger.storage.archive import archive
from privacy_accounting.ledger.storage.sqlite import SqliteStore
from privacy_accounting.ledger.storage.store import Table
from tests.ledger.ledger_world import (
    NAMES,
    World,
    a_charge,
    admit_all,
    an_exact,
    cancel_of,
    consider,
    copy_of,
    key_of,
    propose,
)
from tests.ledger.storage.test_ledger_checkpoint import snapshot
from tests.ledger.storage.test_ledger_tampering import sql
from tests.ledger.storage.test_snapshot_contents import hand_over


def of_another_consortium():
    """The same sites with the same keys, another consortium file."""
    other = World()
    content = dataclasses.replace(other.genesis.content, consortium="c1" * 32)
    other.genesis = dataclasses.replace(other.genesis, chain="c1" * 32, content=content)
    for site in other.sites.values():
        site.boot()
    other.sequencer = Sequencer(other.head.replica)
    other.found()
    other.agree(an_exact(), an_exact())
    return [entry.to_bytes() for entry in other.entries()]


def test_p2_entries_of_another_consortium_with_equal_keys_are_no_fork(world):
    """Its administrator gives a site the wrong archive: nothing is taken, and the site goes on."""
    theirs = of_another_consortium()
    world.agree(an_exact())
    replica = world.sites["cairo"].replica
    for datas in (theirs, theirs[1:], theirs[2:]):
        with pytest.raises(LedgerRefusedError, match=r"another chain|own consortium file"):
            replica.catch_up(datas, source="another")
    assert replica.core.store.notes(Table.FORKS) == []
    assert world.agree(an_exact()).entries


def test_p2_a_second_signature_with_the_number_of_a_transfer_is_found(tmp_path):
    """Only who votes a lost sequencer out cannot wait for its withdrawal; a hand-over excuses nothing."""
    world = World(stores=lambda name: SqliteStore(tmp_path / f"{name}.db", owner=name)).found()
    world.agree(an_exact())
    world.lost_before = {"cairo"}
    assert not world.agree(a_charge(world.budget)).entries
    world.lost_before = set()
    entry = hand_over(world, "basel")
    for site in world.sites.values():
        site.store.close()
    path = tmp_path / "basel.db"
    assert verify([path]).ok
    sql("DELETE FROM withdrawals")(path)
    (file,) = verify([path]).files
    assert any(f"two proposals for entry {entry.body.number}" in finding for finding in file.findings)


def lose(name, to):
    return MembersChange(change="lose", name=name, key="", sequencer=to)


def left_out(world, name, to):
    """All others leave a site out; its own node knows nothing of it."""
    others = tuple(each for each in world.names if each != name)
    world.lost_before.add(name)
    if name == world.sequencer_name:
        world.sequencer_name = to
        world.sequencer = Sequencer(world.sites[to].replica)
        world.sequencer.recover({each: world.sites[each].replica.head for each in others if each != to})
    result = world.agree(lose(name, to), cohort=others)
    assert result.entries, result
    world.lost_before.discard(name)
    return result.entries[0]


def test_p2_a_removed_sequencer_commits_and_withdraws_nothing(world):
    """The former sequencer proposes under its old number and the next one; no site signs."""
    world.agree(an_exact())
    old = world.sequencer
    left_out(world, "ankara", "basel")
    data = old.propose([Draft(cohort=NAMES, content=a_charge(world.budget))], admit_all)
    proposal = Proposal.from_bytes(data)
    for name in ("basel", "cairo"):
        assert not isinstance(consider(world, name, data), Signed)
    later = dataclasses.replace(proposal, number=proposal.number + 1).signed_by(key_of("ankara")).to_bytes()
    for name in ("basel", "cairo"):
        with pytest.raises(LedgerRefusedError, match="does not come from the sequencer"):
            world.sites[name].replica.consider(later, admit_all)
    with pytest.raises(LedgerRefusedError):
        old.commit()
    kept = world.sequencer.propose([Draft(cohort=("basel", "cairo"), content=an_exact())], admit_all)
    answer = world.sites["cairo"].replica.consider(kept, admit_all)
    assert isinstance(read_answer(answer), Signed)
    open_ = Proposal.from_bytes(kept)
    void = Withdrawal(
        chain=open_.chain,
        number=open_.number,
        ballot=open_.ballot,
        sender="ankara",
        proposal=open_.digest,
        reason="void",
    )
    with pytest.raises(LedgerRefusedError, match="does not come from the site that proposed"):
        world.sites["cairo"].replica.withdrawn(void.signed_by(key_of("ankara")).to_bytes())
    world.sequencer.collect("cairo", answer)
    world.sequencer.commit()


@pytest.mark.parametrize("lost", ["ankara", "cairo"])
def test_p2_a_removed_site_learns_it_and_signs_nothing_more(world, lost):
    signed = a_charge(world.budget)
    world.agree(signed)
    left_out(world, lost, "basel" if lost == "ankara" else "ankara")
    world.restart(lost)
    site = world.sites[lost].replica
    assert lost not in site.members
    data = world.sequencer.propose(
        [Draft(cohort=tuple(sorted({*NAMES} - {lost})), content=an_exact())], admit_all
    )
    with pytest.raises(LedgerRefusedError, match=f"key of {lost} is not the one"):
        site.consider(data, admit_all)
    assert site.core.store.notes(Table.ANSWERS, first=site.head + 1) == []


def test_p2_a_former_sequencer_restored_from_backup_orders_nothing(world):
    """Its backup names it as sequencer, and it has caught up with no site."""
    world.agree(an_exact())
    backup = copy_of(world.head.store)
    hand_over(world, "basel")
    world.agree(an_exact())
    site = world.sites["ankara"]
    site.store = type(site.store)(backup)
    site.boot()
    again = Sequencer(site.replica)
    with pytest.raises(LedgerRefusedError, match="must catch up"):
        again.recover({name: world.sites[name].replica.head for name in ("basel", "cairo")})
    again.recover({})  # no site can be reached
    data = again.propose([Draft(cohort=NAMES, content=a_charge(world.budget))], admit_all)
    for name in ("basel", "cairo"):
        assert not isinstance(consider(world, name, data), Signed)
    world.catch_up("ankara")
    assert site.replica.sequencer == "basel"
    assert again.open is None
    with pytest.raises(LedgerRefusedError, match="sequencer is basel"):
        again.propose([Draft(cohort=NAMES, content=an_exact())], admit_all)
    assert world.agree(an_exact()).entries


def test_p2_removing_a_lost_sequencer_voids_its_charge_in_doubt(world):
    """Its charge counts as spent until then, and no run of it starts afterwards."""
    world.agree(an_exact())
    before = world.sites["cairo"].replica.privacy_filter.spent("cardiology", "query")
    data = propose(world, a_charge(world.budget))
    assert isinstance(consider(world, "cairo", data), Signed)
    held = world.sites["cairo"].replica
    assert len(held.in_doubt) == 1
    left_out(world, "ankara", "basel")
    assert held.in_doubt == ()
    assert held.core.signed_in_this_life == {held.core.hashes[1], held.core.hashes[2], held.core.hashes[0]}
    assert held.privacy_filter.spent("cardiology", "query") == before
    world.restart("cairo")
    assert world.sites["cairo"].replica.in_doubt == ()


# -- cancellations and compacted ledgers --------------------------------------------------------------------------------


def test_p2_two_sites_cannot_stop_a_third_with_archived_entries(tmp_path):
    """A training attempt of two sites is given back behind a snapshot at which the third site's file begins."""
    world = World(stores=lambda name: SqliteStore(tmp_path / f"{name}.db", owner=name)).found()
    charge = a_charge(world.budget, run="r", round_=1)
    entry = world.agree(charge, cohort=("ankara", "basel")).entries[0]
    snapshot(world)
    cairo = world.sites["cairo"]
    cairo.store.close()
    archive(tmp_path / "cairo.db", tmp_path / "old.db", older_than=world.now)
    cairo.store = type(cairo.store)(SqliteStore(tmp_path / "cairo.db", owner="cairo"))
    cairo.boot()
    spent = world.head.replica.privacy_filter.spent("cardiology", "query")
    answer = world.agree(cancel_of(entry), cohort=entry.body.cohort)
    assert not answer.entries  # pinned: it stays spent
    assert world.agree(an_exact()).entries
    assert cairo.replica.head == world.head.replica.head
    assert {site.replica.privacy_filter.spent("cardiology", "query") for site in world.sites.values()} == {
        spent
    }
    for site in world.sites.values():
        site.store.close()


# -- a leave-out that came to nothing -----------------------------------------------------------------------------------


def begun(world, *, at="basel"):
    """All others sign that the sequencer is lost; who was to commit it dies before it does."""
    world.agree(an_exact())
    number = world.head.replica.head + 1
    sequencer = Sequencer(world.sites[at].replica)
    others = tuple(sorted({*world.names} - {"ankara"}))
    sequencer.recover({name: number - 1 for name in others if name != at})
    data = sequencer.propose([Draft(cohort=others, content=lose("ankara", at))], admit_all)
    for name in others:
        if name != at:
            assert isinstance(consider(world, name, data), Signed)
    world.restart(at)
    return Sequencer(world.sites[at].replica), number


def test_p2_an_uncommitted_site_removal_is_withdrawn_by_its_committer(world):
    """The sequencer is back: all sites but it are bound by a proposal that only one of them can withdraw."""
    basel, number = begun(world)
    assert not world.agree(an_exact()).entries
    heads = {name: world.sites[name].replica.head for name in ("ankara", "cairo")}
    with pytest.raises(LedgerRefusedError, match="every site"):
        basel.give_way(
            number, {"cairo": number - 1}
        )  # cairo alone may not be all who know that it is complete
    (withdrawal,) = basel.give_way(number, heads)
    assert basel.give_way(number, heads) == (withdrawal,)  # told again as often as it is asked
    world.sites["cairo"].replica.withdrawn(withdrawal)
    assert world.agree(an_exact()).entries
    assert world.head.replica.head == number


def test_p2_the_committer_of_a_removal_keeps_its_turn_while_asking_or_behind(world):
    basel, number = begun(world)
    with pytest.raises(LedgerRefusedError, match="behind"):
        basel.give_way(number, {"ankara": number, "cairo": number - 1})
    basel.recover({name: world.sites[name].replica.head for name in ("ankara", "cairo")})
    data = basel.propose([Draft(cohort=("basel", "cairo"), content=lose("ankara", "basel"))], admit_all)
    assert Proposal.from_bytes(data).number == number
    heads = dict.fromkeys(("ankara", "cairo"), number - 1)
    (older,) = basel.give_way(number, heads)  # of its earlier life; it goes on asking
    assert Withdrawal.from_bytes(older).proposal != Proposal.from_bytes(data).digest
    assert basel.open is not None
    assert basel.give_way(number + 1, heads) == ()


def test_p2_a_lost_committer_of_a_removal_binds_no_site(world):
    """The sequencer is back and the other site is removed: no site waits for its withdrawal."""
    begun(world)
    world.sites["basel"].up = False
    world.now += 1
    result = world.agree(lose("basel", "ankara"), cohort=("ankara", "cairo"))
    assert result.entries, result
    assert world.agree(an_exact(), cohort=("ankara", "cairo")).entries
    assert world.sites["cairo"].replica.in_doubt == ()


def test_a_known_withdrawal_may_come_from_any_site(world):
    """The sequencer withdraws what it never heard of, in vain; where the right withdrawal is held that does no harm."""
    basel, number = begun(world)
    (withdrawal,) = basel.give_way(number, dict.fromkeys(("ankara", "cairo"), number - 1))
    right = Withdrawal.from_bytes(withdrawal)
    other = dataclasses.replace(right, sender="ankara", signature="").signed_by(key_of("ankara")).to_bytes()
    replica = world.sites["cairo"].replica
    with pytest.raises(LedgerRefusedError, match="does not come from the site that proposed"):
        replica.withdrawn(other)
    replica.withdrawn(withdrawal)
    replica.withdrawn(other)
    assert replica.in_doubt == ()


def test_p2_only_the_asking_site_withdraws_its_own_submission(world):
    """The attack: the sequencer, believed lost, is back while it is voted out, and frees who votes it out of its promise.

    That site would then sign a training attempt of the two of them, and both entries would be complete under one number.
    """
    world.agree(an_exact())
    number = world.head.replica.head + 1
    basel = Sequencer(world.sites["basel"].replica)
    basel.recover({"cairo": number - 1})
    leave = Proposal.from_bytes(
        basel.propose([Draft(cohort=("basel", "cairo"), content=lose("ankara", "basel"))], admit_all)
    )
    basel.collect("cairo", world.sites["cairo"].replica.consider(leave.to_bytes(), admit_all))
    world.sequencer.recover({"basel": number - 1, "cairo": number - 1})
    attempt = a_charge(world.budget, run="r", round_=1)
    data = world.sequencer.propose([Draft(cohort=("ankara", "basel"), content=attempt)], admit_all)
    replica = world.sites["basel"].replica
    waiting = read_answer(replica.consider(data, admit_all))
    (void,) = world.sequencer.assist(waiting)
    with pytest.raises(LedgerRefusedError, match="does not come from the site that proposed"):
        replica.withdrawn(void)
    assert not isinstance(consider(world, "basel", data), Signed)
    basel.commit()
    with pytest.raises(LedgerRefusedError):
        world.sequencer.commit()

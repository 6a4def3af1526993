"""Wrong clocks: the sites named, and the repair of a ledger whose last entry is dated ahead at all sites."""

import dataclasses

import pytest

from privacy_accounting.audit.chain_reader import read_chain
from privacy_accounting.audit.statement import statement
from privacy_accounting.audit.verify import verify
from privacy_accounting.errors import LedgerRefusedError
from privacy_accounting.ledger.clock import ClockCorrection
from privacy_accounting.ledger.contents import KINDS
from privacy_accounting.ledger.entries import Body, Entry
from privacy_accounting.ledger.replication.entry_validation import CLOCK_SKEW_S
from privacy_accounting.ledger.replication.replica import Replica
from privacy_accounting.ledger.replication.sequencer import Draft
from privacy_accounting.ledger.replication.snapshots import snapshot_draft
from privacy_accounting.ledger.storage.sqlite import SqliteStore
from privacy_accounting.ledger.storage.store import MemoryStore
from privacy_accounting.report import report_html
from tests.ledger.ledger_world import (
    NAMES,
    World,
    a_charge,
    a_request,
    an_exact,
    cancel_of,
    check_invariants,
    complete_of,
    copy_of,
    key_of,
    refuse_all,
)

YEAR_S = 365 * 86_400


def ahead(world):
    """All clocks were a year ahead when the last entries were made, and are right again."""
    world.now += YEAR_S
    first, second = a_charge(analyst="ada"), an_exact(analyst="ada")
    assert world.agree(first).entries
    assert world.agree(second).entries
    world.now -= YEAR_S
    return first, second


def correction(world):
    return ClockCorrection(given_up=world.head.replica.core.state.place.time)


def refused(world, content, **settings):
    """No site signs it, and nothing changes."""
    before = world.head.replica.head
    found = world.agree(content, **settings)
    assert not found.entries
    assert world.head.replica.head == before
    return found.refusals.get(0, {})


def totals(world):
    return world.head.replica.privacy_filter.totals()


@pytest.fixture
def world():
    return World().found()


def test_a_ledger_dated_ahead_refuses_with_reason_and_remedy(world):
    ahead(world)
    for content in (a_charge(), an_exact()):
        (refusal,) = refused(world, content).values()
        assert refusal.code == "LedgerAheadError"
        assert refusal.fields["site"] == "ankara"
        assert int(refusal.fields["seconds"]) == pytest.approx(YEAR_S, abs=10)
        assert "correct-clock" in refusal.fields["reason"]
    world.now += YEAR_S  # it opens by itself when that time comes
    assert world.agree(an_exact()).entries


def test_all_sites_together_correct_the_date_and_every_file_verifies(tmp_path):
    world = World(stores=lambda name: SqliteStore(tmp_path / f"{name}.db", owner=name)).found()
    assert world.agree(a_charge()).entries
    first, second = ahead(world)
    spent, places = totals(world), world.head.replica.core.state.place
    assert world.agree(correction(world)).entries
    assert totals(world) == spent  # what was spent stays spent
    state = world.head.replica.core.state
    assert state.place.time < places.time
    assert state.place.time == world.now
    for used in (first, second):  # what was entered once is never entered again
        (refusal,) = refused(world, used).values()
        assert "entered before" in refusal.fields["reason"]
    entry = next(iter(world.agree(a_charge(analyst="bob")).entries.values()))
    world.run(entry)
    assert world.agree(snapshot_draft(world.head.replica).content).entries
    assert world.agree(an_exact()).entries
    check_invariants(world)
    for site in world.sites.values():
        site.store.close()
    report = verify([tmp_path / f"{name}.db" for name in NAMES])
    assert (report.ok, report.forks, report.behind) == (True, (), {})
    line = next(line for line in statement(tmp_path / "basel.db").lines if line.kind == "clock")
    assert "s ahead" in line.remark
    for name in NAMES:  # a start folds the same, with and without the checkpoint behind the correction
        store = SqliteStore(tmp_path / f"{name}.db", owner=name)
        again = Replica(store, key_of(name), world.clock, genesis=world.genesis)
        assert again.core.state.digest() == world.sites[name].replica.core.state.digest()
        assert "s ahead" in report_html(store)
        store.close()


def test_a_late_site_accepts_the_correction_and_cancels_nothing(world):
    world.lost_before.add("cairo")
    entry = next(iter(world.agree(a_charge(), cohort=NAMES).entries.values()), None)
    assert entry is None
    world.lost_before.clear()
    ahead(world)
    started = next(iter(world.entries()[1:]))
    world.run(started)
    assert world.agree(correction(world)).entries
    assert refused(world, cancel_of(started))
    fresh = Replica(MemoryStore(owner="cairo"), key_of("cairo"), world.clock, genesis=world.genesis)
    fresh.catch_up(world.head.replica.entries_from(0), source="ankara")
    assert fresh.core.state.digest() == world.head.replica.core.state.digest()
    assert not fresh.may_start(started)


def test_a_correction_is_refused_where_nothing_is_to_correct_or_twice(world):
    assert world.agree(an_exact()).entries
    for given_up in (1, world.now, world.now + YEAR_S):
        assert refused(world, ClockCorrection(given_up=given_up))
    ahead(world)
    wanted = correction(world)
    for given_up in (wanted.given_up - 1, wanted.given_up + 1, world.now):
        assert refused(world, ClockCorrection(given_up=given_up))
    assert world.agree(wanted).entries
    assert refused(world, wanted)  # of this place alone
    assert refused(world, correction(world))  # nothing is ahead any more


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("skew", [-CLOCK_SKEW_S - 60, CLOCK_SKEW_S + 60, YEAR_S])
def test_each_site_signs_a_correction_only_by_its_own_clock(world, name, skew):
    ahead(world)
    world.sites[name].replica.core.clock = lambda: world.now + skew
    assert refused(world, correction(world))
    world.sites[name].replica.core.clock = world.clock
    assert world.agree(correction(world)).entries


@pytest.mark.parametrize("name", NAMES[1:])
def test_no_correction_without_the_consent_of_every_site(world, name):
    ahead(world)
    world.sites[name].admit = refuse_all
    assert set(refused(world, correction(world))) == {name}


def test_no_correction_without_the_signature_of_every_site(world):
    ahead(world)
    head = world.head.replica
    with pytest.raises(LedgerRefusedError, match="signed by all members"):
        world.sequencer.propose([Draft(cohort=NAMES[:2], content=correction(world))], lambda _: None)
    body = Body(
        chain=head.core.chain(),
        number=head.head + 1,
        previous=head.head_hash.hex(),
        time=world.now,
        cohort=NAMES,
        content=correction(world),
    )
    for signers in (NAMES[:2], NAMES[1:]):
        with pytest.raises(LedgerRefusedError):
            world.sites["basel"].replica.catch_up(
                [complete_of(body.to_bytes(), signers).to_bytes()], source="ankara"
            )


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"clock", "genesis"}))
def test_no_other_entry_goes_back_in_time_for_an_auditor_either(world, kind):
    """The attack: all keys in one hand; the rule holds in the file itself."""
    from privacy_accounting.ledger.changes.agreement_change import AgreementChange
    from privacy_accounting.ledger.changes.order_change import OrderChange
    from privacy_accounting.ledger.changes.role_change import RoleChange
    from privacy_accounting.ledger.changes.table_version import TableVersion
    from privacy_accounting.ledger.contents import BudgetChange, MembersChange

    ahead(world)
    head = world.head.replica
    part = world.budget.sub_budgets["query"]
    contents = {
        "charge": a_charge(),
        "exact": an_exact(),
        "cancel": cancel_of(world.entries()[1]),
        "budget": BudgetChange(population="cardiology", budget=world.budget),
        "order": OrderChange(
            population="cardiology",
            sub_budget="query",
            order=part.order,
            allowance=part.allowance,
            purposes={},
            analysts={},
        ),
        "members": MembersChange(change="sequencer", name="basel", key="", sequencer="basel"),
        "role": RoleChange(change="add", role="auditor", name="vera", key="ab" * 32),
        "table": TableVersion(table="visits", version=2),
        "agreement": AgreementChange(before=head.core.chain(), terms="{}"),
        "snapshot": snapshot_draft(head).content,
    }
    body = Body(
        chain=head.core.chain(),
        number=head.head + 1,
        previous=head.head_hash.hex(),
        time=world.now,
        cohort=NAMES,
        content=contents[kind],
    )
    store = copy_of(world.head.store)
    store.append([complete_of(body.to_bytes())])
    chain = read_chain(store)
    assert (chain.first_bad, "dated before" in chain.reason) == (body.number, True)
    later = dataclasses.replace(body, content=correction(world), time=head.core.state.place.time)
    store = copy_of(world.head.store)
    store.append([complete_of(later.to_bytes())])
    assert read_chain(store).first_bad == body.number


def test_a_correction_is_read_strictly():
    for given_up in (0, -1, 2**60, "1"):
        with pytest.raises(LedgerRefusedError):
            Entry.from_bytes(
                complete_of(
                    Body(
                        chain="c0" * 32,
                        number=1,
                        previous="00" * 32,
                        time=1,
                        cohort=NAMES,
                        content=ClockCorrection(given_up=given_up),
                    ).to_bytes()
                ).to_bytes()
            )


def test_used_requests_are_those_of_before(world):
    asked = a_request()
    assert world.agree(a_charge(asked=asked)).entries
    ahead(world)
    assert world.agree(correction(world)).entries
    assert refused(world, a_charge(asked=asked))

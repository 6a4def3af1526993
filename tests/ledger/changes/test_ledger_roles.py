"""Analysts and other members that are not sites change by entries that all sites sign; the chain itself knows who may ask."""

import contextlib
from dataclasses import replace
from fractions import Fraction

import pytest

from privacy_accounting.audit.verify import verify
from privacy_accounting.errors import BudgetExceededError, LedgerRefusedError
from privacy_accounting.ledger.changes.role_change import RoleChange
from privacy_accounting.ledger.contents import BudgetChange, MembersChange
from privacy_accounting.ledger.entries import Body, public_hex
from privacy_accounting.ledger.parties.roles import Roles
from privacy_accounting.ledger.replication.replica import Replica
from privacy_accounting.ledger.replication.snapshots import snapshot_draft
from privacy_accounting.ledger.storage.sqlite import SqliteStore
from tests.ledger.ledger_world import (
    NAMES,
    Crash,
    World,
    a_budget,
    a_charge,
    an_exact,
    check_invariants,
    key_of,
)

CAPPED = a_budget(analyst_caps={"ada": Fraction(1)})
ADDED = RoleChange(
    change="add", role="analyst", name="eva", key=public_hex(key_of("eva")), cap=Fraction(1, 10)
)
REMOVED = RoleChange(change="remove", role="analyst", name="ada", key="")
RENEWED = RoleChange(change="rekey", role="analyst", name="ada", key=public_hex(key_of("ada again")))


@pytest.fixture
def world():
    return World(budget=CAPPED).found()


def refused(world, content):
    """The reason of all sites; nothing is entered."""
    before = world.head.replica.head
    try:
        agreement = world.agree(content)
    except LedgerRefusedError as error:
        reasons = [error.reason]
    else:
        assert not agreement.entries
        reasons = (
            [str(error) for error in agreement.refused.values()] if hasattr(agreement, "refused") else [""]
        )
    assert world.head.replica.head == before
    return reasons


def state_of(world, name="ankara"):
    return world.sites[name].replica.core.state


def fits(world, content):
    state = state_of(world)
    body = Body(
        chain=state.chain,
        number=state.place.number,
        previous=state.place.previous,
        time=world.now,
        cohort=tuple(sorted({*NAMES, content.name}))
        if getattr(content, "change", "") == "add" and isinstance(content, MembersChange)
        else NAMES,
        content=content,
    )
    from privacy_accounting.ledger.state import Batch

    state.check(body, state.place, Batch())


def does_not_fit(world, content, said):
    with pytest.raises(LedgerRefusedError, match=said):
        fits(world, content)
    refused(world, content)


def test_an_analyst_asks_from_the_entry_on_that_adds_it_and_not_before(world):
    does_not_fit(world, a_charge(asked=None, analyst="eva"), "eva is not named by the ledger")
    assert world.agree(ADDED).entries
    assert world.agree(an_exact(analyst="eva")).entries
    assert state_of(world).roles.standings["eva"].added == 1
    check_invariants(world)


def test_the_cap_of_an_added_analyst_holds(world):
    assert world.agree(ADDED).entries
    assert state_of(world).privacy_filter.populations["cardiology"].analyst_caps == {
        "ada": 1,
        "eva": Fraction(1, 10),
    }
    with contextlib.suppress(BudgetExceededError):
        for _ in range(40):
            if not world.agree(a_charge(analyst="eva")).entries:
                break
    spent = state_of(world).privacy_filter.by_analyst("cardiology", "query").get("eva", 0)
    allowance = CAPPED.sub_budgets["query"].allowance
    assert 0 < spent <= allowance / 10
    assert world.agree(a_charge(analyst="ada")).entries  # the others' share is not touched


def test_a_removed_analyst_is_refused_by_the_name_of_the_rule_at_every_site(world):
    assert world.agree(an_exact()).entries
    assert world.agree(REMOVED).entries
    for content in (a_charge(), an_exact(), a_charge(run="ab" * 32, round_=1)):
        does_not_fit(world, content, "analyst ada was removed by entry 2 of the ledger")
    assert world.agree(ADDED).entries
    assert world.agree(an_exact(analyst="eva")).entries
    check_invariants(world)


def test_a_site_that_has_not_the_removal_yet_cannot_enter_a_request_alone(world):
    """The attack: a removed analyst asks through a site that the removal did not reach."""
    world.lost_after = {"cairo"}
    world.agree(REMOVED)
    world.lost_after = set()
    behind = state_of(world, "cairo").roles
    if not behind.entries:
        assert not world.agree(a_charge()).entries or state_of(world).roles.entries == ()
    for name in NAMES:
        world.restart(name)
    if not state_of(world).roles.entries:
        assert world.agree(REMOVED).entries
    for name in NAMES:
        world.catch_up(name)
        assert state_of(world, name).roles.removed("ada")
    does_not_fit(world, a_charge(), "was removed")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (replace(ADDED, name="ada"), "ada is, or was, a member"),
        (replace(ADDED, name="basel"), "basel is, or was, a site"),
        (replace(ADDED, key=public_hex(key_of("basel"))), "the new key is, or was, a member's"),
        (RoleChange(change="remove", role="analyst", name="eva", key=""), "eva is no analyst"),
        (RoleChange(change="remove", role="auditor", name="ada", key=""), "ada is no auditor"),
        (replace(RENEWED, role="dealer"), "ada is no dealer"),
        (replace(RENEWED, name="cairo"), "cairo is, or was, a site"),
        (replace(RENEWED, key=public_hex(key_of("cairo"))), "the new key is, or was, a member's"),
    ],
)
def test_a_change_that_takes_a_name_or_a_key_of_a_member_is_refused(world, change, said):
    does_not_fit(world, change, said)


def test_names_and_keys_of_those_who_left_are_not_given_again(world):
    assert world.agree(ADDED).entries
    assert world.agree(replace(RENEWED, name="eva")).entries
    assert world.agree(RoleChange(change="remove", role="analyst", name="eva", key="")).entries
    for change, said in (
        (replace(ADDED, key=public_hex(key_of("other"))), "eva is, or was, a member"),
        (replace(ADDED, name="eve"), "the new key is, or was"),
        (replace(ADDED, name="eve", key=RENEWED.key), "the new key is, or was"),
        (replace(RENEWED, name="eva", key=public_hex(key_of("other"))), "eva was removed by entry 3"),
        (RoleChange(change="remove", role="analyst", name="eva", key=""), "eva was removed by entry 3"),
        (
            MembersChange(change="add", name="eva", key=public_hex(key_of("delhi")), sequencer="ankara"),
            "eva is",
        ),
        (MembersChange(change="rekey", name="basel", key=ADDED.key, sequencer="ankara"), "another member's"),
    ):
        does_not_fit(world, change, said)


def test_any_other_change_of_a_member_moves_the_basis_and_the_budgets_of_an_analyst_too(world):
    """The attack: an approval of one change is used again after another; two changes at once."""
    state = state_of(world)
    raised = BudgetChange(population="cardiology", budget=CAPPED)
    assert (state.basis_of(ADDED), state.basis_of(raised)) == (0, 0)
    assert world.agree(REMOVED).entries
    assert (state.basis_of(ADDED), state.basis_of(raised)) == (1, 0)
    assert world.agree(ADDED).entries
    assert (state.basis_of(RENEWED), state.basis_of(raised)) == (2, 2)  # it would drop the cap of eva
    sequencer = MembersChange(change="sequencer", name="basel", key="", sequencer="basel")
    assert state.basis_of(sequencer) == 0
    assert world.agree(sequencer).entries
    assert state.basis_of(RENEWED) == 3


@pytest.mark.parametrize(
    "wrong",
    [
        {"change": "remove"},
        {"change": "rekey"},
        {"change": "promote"},
        {"role": "site"},
        {"role": "dealer"},
        {"role": "auditor"},
        {"cap": Fraction(0)},
        {"cap": Fraction(2)},
        {"key": ""},
        {"name": "Eva"},
        {"name": "e v"},
    ],
    ids=str,
)
def test_a_change_of_a_role_is_read_strictly(world, wrong):
    body = Body(
        chain=state_of(world).chain,
        number=1,
        previous=state_of(world).place.previous,
        time=world.now,
        cohort=NAMES,
        content=replace(ADDED, **wrong),
    )
    with pytest.raises(LedgerRefusedError):
        Body.from_bytes(body.to_bytes())


@pytest.mark.parametrize("victim", NAMES)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("write", range(3))
def test_a_crash_at_any_write_of_any_site_leaves_all_with_one_state(world, victim, after, write):
    store = world.sites[victim].store
    store.countdown, store.after = write, after
    with contextlib.suppress(Crash):
        world.agree(REMOVED)
    for name in NAMES:
        world.restart(name)
    world.restart("ankara")
    if world.head.replica.head == 0:
        assert world.agree(REMOVED).entries
    for name in NAMES:
        world.catch_up(name)
    assert {site.replica.head for site in world.sites.values()} == {1}
    assert {state_of(world, name).roles.removed("ada") for name in NAMES} == {1}
    does_not_fit(world, a_charge(), "was removed")
    check_invariants(world)


def test_a_checkpoint_restores_the_roles_and_an_altered_one_is_not_used(tmp_path):
    world = World(budget=CAPPED, stores=lambda name: SqliteStore(tmp_path / f"{name}.db", owner=name)).found()
    assert world.agree(ADDED).entries
    assert world.agree(snapshot_draft(world.head.replica).content).entries
    assert world.agree(RoleChange(change="remove", role="analyst", name="eva", key="")).entries
    assert world.agree(snapshot_draft(world.head.replica).content).entries
    assert world.agree(an_exact()).entries
    again = Replica(world.head.store.inner, key_of("ankara"), world.clock).core
    assert again.checkpointed == 4
    assert again.state.roles.standings == state_of(world).roles.standings
    assert again.state.digest() == state_of(world).digest()
    for site in world.sites.values():
        site.store.close()
    paths = [tmp_path / f"{name}.db" for name in NAMES]
    assert verify(paths).ok


def test_a_checkpoint_that_forgets_a_removal_differs_from_its_snapshot(world):
    assert world.agree(REMOVED).entries
    state = state_of(world)
    pinned = state.digest()
    state.roles, state._pinned = Roles(), ""
    assert state.digest() != pinned


def test_a_ledger_without_role_entries_keeps_its_digest():
    """Snapshots from before there were such entries stay valid: the key is not there."""
    world = World(budget=CAPPED).found()
    import privacy_accounting.ledger.state as module

    written = []
    encode = module.encode
    try:
        module.encode = lambda value: written.append(value) or encode(value)
        state_of(world)._pinned = ""
        state_of(world).digest()
    finally:
        module.encode = encode
    assert "roles" not in written[0]

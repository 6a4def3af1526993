"""Changes of the agreement in the ledger: each follows the one before it, all sites sign it, and a snapshot pins it."""

import contextlib
import dataclasses

import pytest

from privacy_accounting.audit.verify import verify
from privacy_accounting.errors import LedgerRefusedError
from privacy_accounting.ledger.canonical_json import Fields
from privacy_accounting.ledger.changes.agreement_change import MAX_TERMS, AgreementChange
from privacy_accounting.ledger.replication.replica import Replica
from privacy_accounting.ledger.replication.snapshots import snapshot_draft
from privacy_accounting.ledger.storage.checkpoint import restore
from privacy_accounting.ledger.storage.sqlite import SqliteStore
from tests.ledger.changes.test_ledger_roles import does_not_fit, state_of
from tests.ledger.ledger_world import (
    CONSORTIUM,
    NAMES,
    Crash,
    World,
    a_charge,
    check_invariants,
    key_of,
)

ONE = AgreementChange(before=CONSORTIUM, terms='{"minimum_cell":12}')
OTHER = AgreementChange(before=CONSORTIUM, terms='{"minimum_cell":5}')
TWO = AgreementChange(before=ONE.after, terms='{"minimum_cell":12}')


@pytest.fixture
def world():
    return World().found()


def test_the_configuration_covers_the_terms_and_all_before_them():
    assert len({CONSORTIUM, ONE.after, OTHER.after, TWO.after}) == 4


def test_each_change_follows_the_one_before_it_and_moves_the_basis(world):
    does_not_fit(world, TWO, "not of the agreement in force")
    does_not_fit(world, dataclasses.replace(ONE, before="ab" * 32), "not of the agreement in force")
    assert state_of(world).agreements.configuration(CONSORTIUM) == CONSORTIUM
    assert world.agree(ONE).entries
    assert world.agree(a_charge()).entries
    state = state_of(world)
    assert (state.basis_of(OTHER), state.agreements.configuration(CONSORTIUM)) == (1, ONE.after)
    # the attack: a second one that was approved on the same agreement, and the same one again
    does_not_fit(world, OTHER, "since entry 1 another one is in force")
    does_not_fit(world, ONE, "since entry 1 another one is in force")
    assert world.agree(TWO).entries
    # the attack: an earlier one again after a later one
    does_not_fit(world, ONE, "since entry 3 another one is in force")
    assert [each.number for each in state.agreements.changes] == [1, 3]
    check_invariants(world)


@pytest.mark.parametrize(
    "fields",
    [
        {"before": CONSORTIUM, "terms": ""},
        {"before": CONSORTIUM, "terms": "x" * (MAX_TERMS + 1)},
        {"before": CONSORTIUM[:-2], "terms": "x"},
        {"before": CONSORTIUM, "terms": 1},
        {"before": CONSORTIUM},
    ],
)
def test_a_change_is_read_strictly(fields):
    with pytest.raises(LedgerRefusedError):
        AgreementChange.read(Fields(fields, "body"))


def test_the_longest_terms_fit_into_an_entry(world):
    longest = AgreementChange(before=CONSORTIUM, terms='"\\' * (MAX_TERMS // 2))
    assert world.agree(longest).entries
    assert state_of(world, "basel").agreements.changes[0].change == longest


@pytest.mark.parametrize("victim", NAMES)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("write", range(3))
def test_a_crash_at_any_write_of_any_site_leaves_all_with_one_agreement(world, victim, after, write):
    store = world.sites[victim].store
    store.countdown, store.after = write, after
    with contextlib.suppress(Crash):
        world.agree(ONE)
    for name in NAMES:
        world.restart(name)
    world.restart("ankara")
    if world.head.replica.head == 0:
        assert world.agree(ONE).entries
    for name in NAMES:
        world.catch_up(name)
    assert {state_of(world, name).agreements.configuration(CONSORTIUM) for name in NAMES} == {ONE.after}
    assert world.agree(a_charge()).entries
    check_invariants(world)


def test_a_checkpoint_restores_the_changes_and_a_snapshot_pins_them(tmp_path):
    world = World(stores=lambda name: SqliteStore(tmp_path / f"{name}.db", owner=name)).found()
    before = state_of(world).digest()
    assert world.agree(ONE).entries
    assert world.agree(snapshot_draft(world.head.replica).content).entries
    assert world.agree(TWO).entries
    assert world.agree(snapshot_draft(world.head.replica).content).entries
    assert world.agree(a_charge()).entries
    again = Replica(world.head.store.inner, key_of("ankara"), world.clock).core
    assert again.checkpointed == 4
    state = again.state
    assert [each.change for each in state.agreements.changes] == [ONE, TWO]
    pinned = state.digest()
    state.agreements, state._pinned = type(state.agreements)(state.agreements.entries[:1]), ""
    assert state.digest() not in {pinned, before}
    for site in world.sites.values():
        site.store.close()
    assert verify([tmp_path / f"{name}.db" for name in NAMES]).ok


@pytest.mark.parametrize("key", ["another entry", "left out", "altered"])
def test_attack_a_checkpoint_with_another_agreement_is_not_used(tmp_path, key):
    import hashlib
    import json
    import sqlite3

    world = World(stores=lambda name: SqliteStore(tmp_path / f"{name}.db", owner=name)).found()
    assert world.agree(a_charge()).entries
    assert world.agree(ONE).entries
    assert world.agree(snapshot_draft(world.head.replica).content).entries
    charge = world.entries()[1].to_bytes().decode("ascii")
    for site in world.sites.values():
        site.store.close()
    connection = sqlite3.connect(tmp_path / "ankara.db")
    for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        connection.execute(f'DROP TRIGGER "{name}"')
    ((payload,),) = connection.execute("SELECT payload FROM checkpoints").fetchall()
    written = json.loads(payload)
    if key == "left out":
        del written["agreement"]
    elif key == "another entry":
        written["agreement"] = [charge]
    else:
        written["agreement"] = [written["agreement"][0].replace("12", "11")]
    changed = json.dumps(written, separators=(",", ":"), ensure_ascii=True).encode("ascii")
    connection.execute(
        "UPDATE checkpoints SET payload = ?, digest = ?", (changed, hashlib.sha256(changed).hexdigest())
    )
    connection.commit()
    connection.close()
    store = SqliteStore(tmp_path / "ankara.db", owner="ankara")
    assert restore(store)[2] == 0  # folded from the first entry instead
    core = Replica(store, key_of("ankara"), world.clock).core
    assert core.state.agreements.configuration(CONSORTIUM) == ONE.after

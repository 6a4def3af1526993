"""The declared version of a table: it rises, all sites sign it, and a snapshot pins it."""

import contextlib

import pytest

from privacy_accounting.audit.verify import verify
from privacy_accounting.errors import LedgerRefusedError
from privacy_accounting.ledger.changes.table_version import TableVersion
from privacy_accounting.ledger.replication.replica import Replica
from privacy_accounting.ledger.replication.snapshots import snapshot_draft
from privacy_accounting.ledger.storage.sqlite import SqliteStore
from tests.ledger.changes.test_ledger_roles import does_not_fit, state_of
from tests.ledger.ledger_world import NAMES, Crash, World, a_charge, check_invariants, key_of

TWO, THREE = TableVersion(table="visits", version=2), TableVersion(table="visits", version=3)


@pytest.fixture
def world():
    return World().found()


def test_versions_rise_and_each_moves_the_basis_of_its_own_table(world):
    other = TableVersion(table="labs", version=5)
    assert world.agree(TWO).entries
    assert world.agree(a_charge()).entries
    for late in (TWO, TableVersion(table="visits", version=2)):
        does_not_fit(world, late, "visits has version 2 or a later one already")
    state = state_of(world)
    assert (state.basis_of(THREE), state.basis_of(other)) == (1, 0)
    assert world.agree(other).entries
    assert world.agree(THREE).entries
    assert state.tables == {"visits": (3, 4), "labs": (5, 3)}
    check_invariants(world)


@pytest.mark.parametrize("version", [1, 0, -1, 2**31, "2"])
def test_a_version_is_read_strictly(world, version):
    from privacy_accounting.ledger.canonical_json import Fields

    with pytest.raises(LedgerRefusedError):
        TableVersion.read(Fields({"table": "visits", "declared": version}, "body"))


@pytest.mark.parametrize("victim", NAMES)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("write", range(3))
def test_a_crash_at_any_write_of_any_site_leaves_all_with_one_version(world, victim, after, write):
    store = world.sites[victim].store
    store.countdown, store.after = write, after
    with contextlib.suppress(Crash):
        world.agree(TWO)
    for name in NAMES:
        world.restart(name)
    world.restart("ankara")
    if world.head.replica.head == 0:
        assert world.agree(TWO).entries
    for name in NAMES:
        world.catch_up(name)
    assert [state_of(world, name).tables for name in NAMES] == [{"visits": (2, 1)}] * 3
    assert world.agree(a_charge()).entries
    check_invariants(world)


def test_a_checkpoint_restores_the_version_and_a_snapshot_pins_it(tmp_path):
    world = World(stores=lambda name: SqliteStore(tmp_path / f"{name}.db", owner=name)).found()
    before = state_of(world).digest()
    assert world.agree(TWO).entries
    assert world.agree(snapshot_draft(world.head.replica).content).entries
    assert world.agree(a_charge()).entries
    again = Replica(world.head.store.inner, key_of("ankara"), world.clock).core
    assert again.checkpointed == 2
    state = again.state
    assert state.tables == {"visits": (2, 1)}
    pinned = state.digest()
    state.tables, state._pinned = {"visits": (2, 2)}, ""
    assert state.digest() not in {pinned, before}
    for site in world.sites.values():
        site.store.close()
    assert verify([tmp_path / f"{name}.db" for name in NAMES]).ok

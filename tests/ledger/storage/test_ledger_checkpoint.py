"""Snapshots, checkpoints, archives and exports: a start from the middle is the same as one from the beginning."""

import hashlib
import json
import sqlite3
from fractions import Fraction
from pathlib import Path

import pytest

from privacy_accounting.audit.recompute import recompute
from privacy_accounting.audit.statement import statement
from privacy_accounting.audit.verify import verify
from privacy_accounting.budget import plan_sub_budget
from privacy_accounting.errors import LedgerRefusedError
from privacy_accounting.ledger.changes.order_change import OrderChange
from privacy_accounting.ledger.contents import MembersChange
from privacy_accounting.ledger.replication.replica import Replica
from privacy_accounting.ledger.replication.snapshots import snapshot_draft, snapshot_due
from privacy_accounting.ledger.storage import archive as archiving
from privacy_accounting.ledger.storage import sqlite
from privacy_accounting.ledger.storage.archive import archive
from privacy_accounting.ledger.storage.checkpoint import restore
from privacy_accounting.ledger.storage.export import export_lines, import_lines
from privacy_accounting.ledger.storage.sqlite import SqliteStore
from privacy_accounting.ledger.storage.store import MemoryStore, Note, Table
from tests.ledger.ledger_world import (
    NAMES,
    RELATION,
    Crash,
    World,
    a_charge,
    an_exact,
    cancel_of,
    copy_of,
    key_of,
)


def snapshot(world):
    result = world.agree(snapshot_draft(world.head.replica).content)
    assert result.entries, result
    return result.entries[0]


def a_history(world):
    """Charges, a cancellation, an exact disclosure, a change of order, a hand-over; two snapshots."""
    kept = world.agree(a_charge(world.budget), a_charge(world.budget, noise=20, analyst="bob")).entries
    world.run(kept[0])
    world.agree(cancel_of(kept[1]))
    world.agree(an_exact())
    snapshot(world)
    order = Fraction(16)
    purposes, analysts = world.head.replica.privacy_filter.repriced("cardiology", "query", order)
    moved = plan_sub_budget(
        epsilon=Fraction(4), delta=Fraction(1, 10**6), share=Fraction(1), relation=RELATION, orders=[order]
    )
    change = OrderChange(
        population="cardiology",
        sub_budget="query",
        order=order,
        allowance=moved.allowance,
        purposes=purposes,
        analysts=analysts,
    )
    assert world.agree(change).entries
    world.agree(an_exact(), an_exact())
    snapshot(world)
    world.agree(an_exact(analyst="bob"))
    return kept


def files(tmp_path):
    return World(stores=lambda name: SqliteStore(tmp_path / f"{name}.db", owner=name)).found()


def without_checkpoints(store):
    copy = MemoryStore(owner=store.owner)
    copy._entries = list(store.entries())
    copy._notes = {table: [] if table is Table.CHECKPOINTS else list(store.notes(table)) for table in Table}
    return copy


def everything(replica):
    state = replica.core.state
    return (state.digest(), state.place, state.used._all, state.chain, replica.core.hashes, replica.privacy_filter.events("cardiology", "query"))  # fmt: skip


def test_a_start_from_a_checkpoint_equals_one_from_the_genesis_entry(world):
    a_history(world)
    for site in world.sites.values():
        store = site.store.inner
        assert [note.number for note in store.notes(Table.CHECKPOINTS)] == [5, 9]
        state, hashes, _ = restore(store)
        assert len(hashes) == 9
        quick = Replica(store, key_of(site.name), world.clock)
        slow = Replica(without_checkpoints(store), key_of(site.name), world.clock)
        assert everything(quick) == everything(slow) == everything(site.replica)
        assert state.place.number == 9


def test_after_a_restart_used_requests_and_cancelled_charges_stay_so(world):
    kept = a_history(world)
    for name in NAMES:
        world.restart(name)
    again = world.agree(an_exact(nonce=1))  # any number: a nonce is used once
    first = kept[0].body.content.asked
    repeated = world.agree(a_charge(world.head.replica.privacy_filter.populations["cardiology"], asked=first))
    assert not repeated.entries
    for entry in kept.values():
        assert not world.agree(cancel_of(entry)).entries
    assert again.entries


def test_a_charge_from_before_a_snapshot_stays_spent(world):
    """Whoever has archived it could not follow its cancellation."""
    entry = world.agree(a_charge(world.budget)).entries[0]
    spent = world.head.replica.privacy_filter.spent("cardiology", "query")
    snapshot(world)
    assert not world.agree(cancel_of(entry)).entries
    later = world.agree(a_charge(world.budget)).entries[0]
    assert world.agree(cancel_of(later)).entries
    witness = Replica(copy_of(world.sites["cairo"].store), key_of("cairo"), world.clock)
    assert witness.privacy_filter.spent("cardiology", "query") == spent > 0


@pytest.mark.parametrize("what", ["payload", "digest", "state", "hashes"])
def test_a_checkpoint_that_was_changed_is_not_believed(world, what):
    a_history(world)
    store = world.head.store.inner
    honest = everything(world.head.replica)
    note = store.notes(Table.CHECKPOINTS)[-1]
    written = json.loads(note.payload)
    if what == "state":
        written["state"]["tallies"][0][2]["units"] = 0
        written["state"]["tallies"][0][2]["purposes"] = {}
        written["state"]["tallies"][0][2]["analysts"] = {}
    if what == "hashes":
        written["hashes"] = "00" * (len(written["hashes"]) // 2)
    payload = note.payload[:-1] if what == "payload" else json.dumps(written).encode()
    digest = "00" * 32 if what == "digest" else hashlib.sha256(payload).hexdigest()
    altered = copy_of(store)
    altered._keys -= {(Table.CHECKPOINTS, note.number, note.digest)}
    altered._notes[Table.CHECKPOINTS][-1] = Note(
        table=note.table, number=note.number, digest=digest, payload=payload
    )
    assert everything(Replica(altered, key_of(altered.owner), world.clock)) == honest


def test_a_crash_between_the_entry_and_its_checkpoint_costs_nothing_but_time(world):
    world.agree(a_charge(world.budget))
    store = copy_of(world.sites["basel"].store)
    snapshot(world)
    store.append([entry for entry in world.entries() if entry.body.number >= store.height()])
    assert store.notes(Table.CHECKPOINTS) == []
    replica = Replica(store, key_of("basel"), world.clock)
    assert len(store.notes(Table.CHECKPOINTS)) == 1
    assert everything(replica) == everything(world.sites["basel"].replica)


def test_snapshots_are_due_by_number(world):
    assert not snapshot_due(world.head.replica, every=3)
    for _ in range(2):
        world.agree(an_exact())
    assert snapshot_due(world.head.replica, every=3)
    snapshot(world)
    assert not snapshot_due(world.head.replica, every=3)


def test_p2_the_sequencer_is_handed_over_by_an_entry_of_all(world):
    a_history(world)
    change = MembersChange(change="sequencer", name="basel", key="", sequencer="basel")
    entry = world.agree(change).entries[0]
    assert set(entry.signatures) == set(NAMES)
    for name in NAMES:
        world.restart(name) if name != world.sequencer_name else None
    assert world.sites["cairo"].replica.sequencer == "basel"
    with pytest.raises(LedgerRefusedError, match="sequencer is basel"):
        world.agree(an_exact())
    world.sequencer_name = "basel"
    world.restart("basel")
    assert world.agree(an_exact()).entries


# -- archives ------------------------------------------------------------------------------------------------------------


def close(world):
    for site in world.sites.values():
        site.store.close()


def test_archive_and_remaining_ledger_both_verify(tmp_path):
    world = files(tmp_path)
    kept = a_history(world)
    digest = world.head.replica.core.state.digest()
    lines = statement(tmp_path / "ankara.db").lines
    close(world)
    begins = archive(tmp_path / "ankara.db", tmp_path / "old.db", older_than=world.now)
    assert begins == 9
    assert (tmp_path / "old.db").stat().st_mode & 0o777 == 0o400
    assert not list(tmp_path.glob("*.compacting*"))
    paths = [tmp_path / "old.db", *(tmp_path / f"{name}.db" for name in NAMES)]
    report = verify(paths)
    assert report.ok, report
    assert [each.begins for each in report.files] == [0, 9, 0, 0]
    assert report.behind == {}
    assert statement(tmp_path / "ankara.db").lines == lines[9:]
    assert recompute(tmp_path / "ankara.db").ok
    store = SqliteStore(tmp_path / "ankara.db", owner="ankara")
    replica = Replica(store, key_of("ankara"), world.clock, genesis=world.genesis)
    assert replica.core.state.digest() == digest
    # for ever: what ran does not run again, and what is archived is asked of the archive
    with pytest.raises(LedgerRefusedError):
        replica.start(kept[0])
    assert [note.digest for note in store.notes(Table.STARTED)] == [kept[0].hash.hex()]
    with pytest.raises(LedgerRefusedError, match="archive"):
        replica.entries_from(3)
    with pytest.raises(LedgerRefusedError, match="archived"):
        list(export_lines(store))
    store.close()


def test_the_consortium_goes_on_after_one_site_archived(tmp_path):
    world = files(tmp_path)
    a_history(world)
    close(world)
    archive(tmp_path / "ankara.db", tmp_path / "old.db", older_than=world.now)
    for name in NAMES:
        world.sites[name].store = type(world.sites[name].store)(
            SqliteStore(tmp_path / f"{name}.db", owner=name)
        )
        world.sites[name].boot()
    world.sequencer = type(world.sequencer)(world.head.replica)
    world.sequencer.recover(world.heads())
    assert world.agree(an_exact()).entries
    snapshot(world)
    world.agree(an_exact())
    close(world)
    assert archive(tmp_path / "ankara.db", tmp_path / "older.db", older_than=world.now) == 12
    report = verify(
        [tmp_path / "old.db", tmp_path / "older.db", *(tmp_path / f"{name}.db" for name in NAMES)]
    )
    assert report.ok, report
    assert [each.begins for each in report.files] == [0, 9, 12, 0, 0]


def test_nothing_young_leaves_and_nothing_is_overwritten(tmp_path):
    world = files(tmp_path)
    a_history(world)
    close(world)
    before = (tmp_path / "basel.db").read_bytes()
    with pytest.raises(LedgerRefusedError, match="old enough"):
        archive(tmp_path / "basel.db", tmp_path / "old.db", older_than=1_600_000_000)
    (tmp_path / "there.db").write_bytes(b"precious")
    with pytest.raises(LedgerRefusedError, match="exists"):
        archive(tmp_path / "basel.db", tmp_path / "there.db", older_than=world.now)
    assert (tmp_path / "there.db").read_bytes() == b"precious"
    assert SqliteStore.read_only(tmp_path / "basel.db").first() == 0
    assert len(before) == (tmp_path / "basel.db").stat().st_size


def test_a_ledger_in_use_is_not_archived(tmp_path):
    world = files(tmp_path)
    a_history(world)
    with pytest.raises(LedgerRefusedError, match="in use"):
        archive(tmp_path / "cairo.db", tmp_path / "old.db", older_than=world.now)
    assert world.agree(an_exact()).entries
    close(world)


def test_the_auditor_finds_an_altered_checkpoint_in_a_compacted_file(tmp_path):
    world = files(tmp_path)
    a_history(world)
    close(world)
    path = tmp_path / "ankara.db"
    archive(path, tmp_path / "old.db", older_than=world.now)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("DROP TRIGGER checkpoints_no_update")
    connection.execute(
        "UPDATE checkpoints SET payload = CAST(replace(payload, '\"units\":', '\"units\":1') AS BLOB)"
    )
    connection.close()
    report = verify([path])
    assert not report.ok
    assert report.files[0].first_bad == 9
    with pytest.raises(LedgerRefusedError):
        Replica(SqliteStore(path, owner="ankara"), key_of("ankara"), world.clock)


def test_files_of_the_first_format_are_read_and_written_as_they_are(tmp_path, monkeypatch):
    monkeypatch.setattr(sqlite, "FORMAT", 1)
    make = sqlite.schema
    monkeypatch.setattr(sqlite, "schema", lambda version=1: make(version))
    path = tmp_path / "ankara.db"
    connection = sqlite3.connect(path, isolation_level=None)
    for statement_ in make(1):
        connection.execute(statement_)
    connection.execute("INSERT INTO owner VALUES ('ankara')")
    connection.execute(f"PRAGMA application_id = {sqlite.APPLICATION_ID}")
    connection.execute("PRAGMA user_version = 1")
    connection.close()
    monkeypatch.undo()
    world = World(stores=lambda name: SqliteStore(tmp_path / f"{name}.db", owner=name)).found()
    a_history(world)
    store = world.head.store.inner
    assert store.notes(Table.CHECKPOINTS) == []
    assert store.guards_missing() == []
    assert everything(Replica(store, key_of("ankara"), world.clock)) == everything(world.head.replica)
    close(world)
    assert verify([tmp_path / f"{name}.db" for name in NAMES]).ok


# -- JSON lines ----------------------------------------------------------------------------------------------------------


def test_an_export_is_the_ledger_and_verifies_as_the_ledger(make_store, tmp_path):
    world = World().found()
    a_history(world)
    source = world.head.store.inner
    store = make_store()
    store.append(world.entries())
    for table in Table:
        store.append((), source.notes(table))
    lines = list(export_lines(store))
    again = import_lines(lines)
    assert again.entries() == store.entries()
    assert all(again.notes(table) == store.notes(table) for table in Table)
    (tmp_path / "export.jsonl").write_bytes(b"".join(lines))
    report = verify([tmp_path / "export.jsonl"])
    assert report.ok, report
    assert report.files[0].entries == len(world.entries())


@pytest.mark.parametrize(
    "alter",
    [
        lambda lines: [],
        lambda lines: lines[1:],
        lambda lines: [lines[0], *lines[2:]],
        lambda lines: [*lines[:-1], lines[-1][:-1]],
        lambda lines: [*lines, lines[-1]],
        lambda lines: [lines[0], lines[1].replace(b":", b": ", 1)],
        lambda lines: [*lines, b'{"table":"nope"}\n'],
        lambda lines: [*lines, b"\xff\n"],
        lambda lines: [lines[0].replace(b"1", b"2")],
    ],
    ids=["empty", "no header", "a gap", "cut off", "twice", "spelling", "table", "bytes", "format"],
)
def test_an_altered_export_is_refused(world, alter):
    a_history(world)
    lines = list(export_lines(world.head.store.inner))
    with pytest.raises(LedgerRefusedError):
        import_lines(alter(lines))


@pytest.mark.parametrize("table", ["entries", "answers", "started", "forks"])
def test_p19_a_row_of_another_type_is_reported_not_a_crash(tmp_path, table):
    world = files(tmp_path)
    a_history(world)
    close(world)
    connection = sqlite3.connect(tmp_path / "ankara.db", isolation_level=None)
    columns = "number, hash, data" if table == "entries" else "number, ballot, digest, payload"
    values = "11, 'x', 5" if table == "entries" else "77, 0, 'x', 10000000000"
    connection.execute(f"INSERT INTO {table} ({columns}) VALUES ({values})")
    connection.close()
    report = verify([tmp_path / "ankara.db"])
    assert not report.ok


@pytest.mark.parametrize("step", ["settle_log", "_copy", "_compact", "_compare", "replace", "sync_folder"])
@pytest.mark.parametrize("is_done", [False, True], ids=["before", "after"])
def test_a_crash_at_any_step_of_archiving_leaves_a_whole_ledger(tmp_path, monkeypatch, step, is_done):
    world = files(tmp_path)
    a_history(world)
    digest = world.head.replica.core.state.digest()
    close(world)
    path = tmp_path / "ankara.db"
    where = (Path, "replace") if step == "replace" else (archiving, step)
    work = getattr(*where)

    def dies(*arguments, **named):
        if step == "replace" and arguments[0].suffix != ".compacting":
            return work(*arguments, **named)
        if is_done:
            work(*arguments, **named)
        raise Crash

    with monkeypatch.context() as patched:
        patched.setattr(*where, dies)
        with pytest.raises(Crash):
            archive(path, tmp_path / "old.db", older_than=world.now)
    assert verify([path, *sorted(tmp_path.glob("old.db"))]).ok
    store = SqliteStore(path, owner="ankara")
    replica = Replica(store, key_of("ankara"), world.clock, genesis=world.genesis)
    assert replica.core.state.digest() == digest
    begins = store.first()
    store.close()
    if begins == 0:
        assert archive(path, tmp_path / "again.db", older_than=world.now) == 9
    assert verify([path, *sorted(tmp_path.glob("old.db")), *sorted(tmp_path.glob("again.db"))]).ok

"""A full disk, a damaged ledger file, a growing log: the site named, and the remedy."""

import errno
import logging
import sqlite3
import tomllib

import pandas as pd
import pytest

import federation
from federation.consortium.folders import Folders
from federation.processes import launcher, worker
from privacy_accounting.errors import AccountingError, LedgerRefusedError
from privacy_accounting.ledger.replication.replica import Replica
from privacy_accounting.ledger.storage.sqlite import SqliteStore
from privacy_accounting.ledger.storage.store import MemoryStore
from tests.ledger.ledger_world import World, a_genesis, an_exact, key_of
from tests.operations.operations_world import COUNT, SITES
from tests.setup.setup_world import SCHEMA

FRAME = pd.DataFrame({"age": [40, 50, 60] * 20, "sex": [0, 1, 1] * 20})


class FullStore(MemoryStore):
    """Takes nothing any more once its disk is full."""

    is_full = False

    def append(self, entries, notes=()):
        if self.is_full:
            raise OSError(errno.ENOSPC, "No space left on device")
        super().append(entries, notes)


@pytest.mark.parametrize("full", ["anna", "carl"])
def test_a_full_disk_names_its_site_to_the_analyst_and_leaves_a_line_in_its_log(full, caplog):
    """Of the site that orders, and of another one; nothing runs afterwards before the disk is mended."""
    stores = {name: FullStore(owner=name) for name in SITES}
    with federation.local(
        dict.fromkeys(SITES, FRAME), schema=tomllib.loads(SCHEMA), stores=stores, deadline_s=10
    ) as session:
        session.sql(COUNT, epsilon=0.1, fresh=True)
        heads = [node.replica.head for node in session.nodes.values()]
        stores[full].is_full = True
        for _ in range(2):
            with pytest.raises((AccountingError, federation.errors.SiteUnavailableError)) as caught:
                session.sql(COUNT, epsilon=0.1, fresh=True)
            assert full in str(caught.value)
        assert [node.replica.head for node in session.nodes.values()] == heads
        lines = [record.getMessage() for record in caplog.records if record.levelno == logging.CRITICAL]
        assert any(
            f"the ledger of {full} could not be written (No space left on device)" in line for line in lines
        )


def test_a_full_disk_is_reported_for_the_ledger_file(tmp_path):
    store = SqliteStore(tmp_path / "ankara.db", owner="ankara")
    world = World(stores=lambda name: store if name == "ankara" else MemoryStore(owner=name)).found()
    pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
    store._connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(LedgerRefusedError, match=r"ledger of ankara could not be written .*disk is full"):
        for _ in range(100):
            world.agree(an_exact())
    with pytest.raises(LedgerRefusedError, match="ledger of ankara failed"):
        world.agree(an_exact())
    store.close()
    again = SqliteStore(tmp_path / "ankara.db", owner="ankara")  # what was acknowledged is there
    assert again.height() == world.sites["basel"].replica.head + 1
    again.close()


def damaged_header(path):
    path.write_bytes(b"x" * 4096)


def damaged_page(path):
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    path.write_bytes(bytes(data))


def damaged_entry(path):
    connection = sqlite3.connect(path)
    connection.execute("DROP TRIGGER entries_no_update")
    connection.execute("UPDATE entries SET data = CAST('{\"body\":1}' AS BLOB) WHERE number = 1")
    connection.commit()
    connection.close()


@pytest.mark.parametrize("damage", [damaged_header, damaged_page, damaged_entry])
def test_a_damaged_ledger_file_says_the_next_step(tmp_path, damage):
    path = tmp_path / "basel.db"
    world = World(
        stores=lambda name: SqliteStore(path, owner=name) if name == "basel" else MemoryStore(owner=name)
    )
    world.found()
    for _ in range(30):
        world.agree(an_exact())
    store = world.sites["basel"].store.inner
    store._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    store.close()
    damage(path)
    with pytest.raises(LedgerRefusedError, match="restore a whole copy, or move the file away and restart"):
        Replica(SqliteStore(path, owner="basel"), key_of("basel"), world.clock, genesis=a_genesis())
    path.rename(
        tmp_path / "aside.db"
    )  # the next step, taken: it takes the entries over, and runs none of them again
    fresh = Replica(SqliteStore(path, owner="basel"), key_of("basel"), world.clock, genesis=a_genesis())
    fresh.catch_up(world.head.replica.entries_from(0), source="ankara")
    assert fresh.head == world.head.replica.head
    assert not fresh.may_start(world.entries()[-1])
    fresh.core.store.close()


def test_a_log_is_put_aside_when_it_has_grown_and_old_ones_are_dropped(tmp_path, monkeypatch):
    monkeypatch.setattr(worker, "LOG_BYTES", 1_000)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers = []
    try:
        worker._log_to(tmp_path / "logs" / "anna.log")
        for _ in range(200):
            logging.getLogger("x").warning("%s", "a" * 50)
    finally:
        for handler in root.handlers:
            handler.close()
        root.handlers, root.level = handlers, level
    logs = sorted((tmp_path / "logs").iterdir())
    assert [path.name for path in logs] == ["anna.log", *(f"anna.log.{n}" for n in range(1, 6))]
    assert all(path.stat().st_size <= 1_000 for path in logs)


def test_the_log_of_all_nodes_is_put_aside_at_a_start(tmp_path, monkeypatch):
    monkeypatch.setattr(launcher, "LOG_BYTES", 100)
    folders = Folders(root=tmp_path)
    for text in (b"a" * 101, b"b" * 101, b""):
        with launcher._open_log(folders) as log:
            log.write(text)
    assert sorted((path.name, path.stat().st_size) for path in folders.logs.iterdir()) == [
        ("up.log", 0),
        ("up.log.1", 101),
    ]

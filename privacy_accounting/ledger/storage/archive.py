"""Archive of a ledger file: old entries are moved out of the live file, which still verifies.

Layer:       privacy_accounting.ledger, above ``compaction`` and ``sqlite``. The site's node is stopped.
Terms:       the *archive* is a copy of the file as it was, read-only; the *compacted* file begins at a snapshot entry
             and keeps the checkpoints, every started run and opened session, and every fork.
Guarantees:  nothing is deleted before a durable copy of it stands elsewhere and the compacted file was opened and
             gave the same state; a crash at any point leaves a whole ledger file in place; what may happen only once
             stays recorded for ever. Retention: nothing younger than ``older_than`` leaves the file.
See instead: what stays in a compacted ledger (``compaction``), ledgers in a server (``postgres_archive``), how long
             archives are kept (the consortium's own rule), checking them (``audit.verify``).
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from privacy_accounting.errors import LedgerRefusedError
from privacy_accounting.ledger.storage.compaction import (
    compact,
    newest_snapshot,
    says_the_same,
    sync_file,
    sync_folder,
)
from privacy_accounting.ledger.storage.sqlite import SqliteStore, exclusively


def archive(path: Path, into: Path, *, older_than: int) -> int:
    """Move old entries of a site's ledger into an archive file.

    Args:
        path: the live file; no process has it open.
        into: the archive to write; must not exist.
        older_than: seconds since 1970; only entries before a snapshot at least that old leave.

    Returns:
        Number of the snapshot entry at which the live file now begins.

    Raises:
        LedgerRefusedError: there is no such snapshot, the archive exists, or a file cannot be written.
    """
    if into.exists():
        raise LedgerRefusedError(reason=f"{into.name} exists; an archive is written once")
    SqliteStore.read_only(path).close()  # refuses a file that is not a ledger
    held = exclusively(path)
    try:
        return _archive(path, into, older_than)
    finally:
        os.close(held)


def _archive(path: Path, into: Path, older_than: int) -> int:
    settle_log(path)
    store = SqliteStore.read_only(path)
    try:
        begins = newest_snapshot(store, older_than)
        _copy(path, into)
        fresh = path.with_name(path.name + ".compacting")
        _forget(fresh)
        _compact(store, fresh, begins)
        _compare(store, fresh)
    finally:
        store.close()
    fresh.replace(path)
    sync_folder(path.parent)
    return begins


def settle_log(path: Path) -> None:
    """Move the write-ahead log into the file and remove it: a stale log must never meet the compacted file."""
    connection = sqlite3.connect(path, timeout=0)
    try:
        mode = connection.execute("PRAGMA journal_mode = DELETE").fetchone()[0]
    except sqlite3.Error as error:
        raise LedgerRefusedError(reason="the ledger is in use; stop the node first") from error
    finally:
        connection.close()
    if mode != "delete" or Path(f"{path}-wal").exists():
        raise LedgerRefusedError(reason="the ledger is in use; stop the node first")


def _copy(path: Path, into: Path) -> None:
    """Write a consistent, durable, read-only copy."""
    partial = into.with_name(into.name + ".partial")
    _forget(partial)
    source = sqlite3.connect(path)
    descriptor = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    os.close(descriptor)
    target = sqlite3.connect(partial)
    try:
        source.backup(target)
        target.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.Error as error:
        raise LedgerRefusedError(reason=f"{into.name} cannot be written") from error
    finally:
        target.close()
        source.close()
    sync_file(partial)
    partial.chmod(0o400)
    partial.replace(into)
    sync_folder(into.parent)


def _compact(store: SqliteStore, fresh: Path, begins: int) -> None:
    target = SqliteStore(fresh, owner=store.owner, base=begins)
    try:
        compact(store, target, begins)
    finally:
        target.close()
    Path(f"{fresh}.lock").unlink()  # no other process writes a ledger of this name
    sync_file(fresh)


def _compare(store: SqliteStore, fresh: Path) -> None:
    """Open the compacted file and see that it folds to the same state."""
    copy = SqliteStore.read_only(fresh)
    try:
        same = says_the_same(store, copy)
    finally:
        copy.close()
    if not same:
        _forget(fresh)
        raise LedgerRefusedError(
            reason="the compacted file does not give the same state; nothing was changed"
        )


def _forget(path: Path) -> None:
    for suffix in ("", "-wal", "-shm", "-journal"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)

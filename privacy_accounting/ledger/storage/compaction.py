"""Compaction: which rows move to an archive and which stay, for any store.

Layer:       privacy_accounting.ledger, above ``checkpoint`` and ``sqlite``.
Guarantees:  a compacted ledger begins at a snapshot entry and keeps every checkpoint, started run, opened session and
             fork for ever; a copy in a file has every row of the store, is durable before it gets its name, and is
             read-only.
See instead: exchanging the live ledger for the compacted one (``archive``, ``postgres_archive``).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from privacy_accounting.errors import LedgerRefusedError
from privacy_accounting.ledger.entries import Entry
from privacy_accounting.ledger.storage.checkpoint import restore
from privacy_accounting.ledger.storage.sqlite import SqliteStore
from privacy_accounting.ledger.storage.store import Table

if TYPE_CHECKING:
    from privacy_accounting.ledger.state import ChainState
    from privacy_accounting.ledger.storage.store import Note, Store

_CHUNK: Final = 500
_FOR_EVER: Final = (Table.CHECKPOINTS, Table.STARTED, Table.OPENED, Table.FORKS)
_OVERLAP: Final = 64
"""Notes of the last proposal range before the snapshot stay, for answers that are asked for again."""


def newest_snapshot(store: Store, older_than: int) -> int:
    """Find the newest checkpoint whose snapshot is old enough.

    Args:
        store: the live ledger.
        older_than: seconds since 1970.

    Returns:
        Number of the snapshot entry.

    Raises:
        LedgerRefusedError: there is none.
    """
    for note in reversed(store.notes(Table.CHECKPOINTS)):
        found = store.entries(note.number, 1)
        if found and note.number > store.first() and Entry.from_bytes(found[0]).body.time <= older_than:
            return note.number
    raise LedgerRefusedError(reason="no snapshot is old enough to archive what stands before it")


def compact(store: Store, target: Store, begins: int) -> None:
    """Write what stays into an empty store.

    Args:
        store: the live ledger.
        target: empty, with the base ``begins``.
        begins: number of a snapshot entry.
    """
    _copy_entries(store, target, begins)
    for table in Table:
        target.append((), _kept(store, table, begins))


def _copy_entries(store: Store, target: Store, first: int) -> None:
    height = store.height()
    while first < height:
        entries = [Entry.from_bytes(data) for data in store.entries(first, _CHUNK)]
        target.append(entries)
        first += len(entries)


def _kept(store: Store, table: Table, begins: int) -> list[Note]:
    if table is Table.CHECKPOINTS:
        return store.notes(table)
    return store.notes(table, first=0 if table in _FOR_EVER else max(0, begins - _OVERLAP))


def says_the_same(store: Store, copy: Store) -> bool:
    """Fold two ledgers and return whether they give the same state at the same height."""
    return _folded(copy).digest() == _folded(store).digest() and copy.height() == store.height()


def _folded(store: Store) -> ChainState:
    state, hashes, _ = restore(store)
    for data in store.entries(len(hashes)):
        entry = Entry.from_bytes(data)
        state.apply(entry)
    return state


def copy_into_file(store: Store, into: Path) -> None:
    """Write every row of a store into a ledger file of its own, durable and read-only.

    Args:
        store: any; it should not change meanwhile.
        into: must not exist.

    Raises:
        LedgerRefusedError: it exists, or cannot be written.
    """
    if into.exists():
        raise LedgerRefusedError(reason=f"{into.name} exists and is not overwritten")
    if not into.parent.is_dir():
        raise LedgerRefusedError(reason=f"there is no folder {into.parent}")
    partial = into.with_name(into.name + ".partial")
    for suffix in ("", "-wal", "-shm", "-journal"):
        Path(f"{partial}{suffix}").unlink(missing_ok=True)
    target = SqliteStore(partial, owner=store.owner, base=store.first())
    try:
        _copy_entries(store, target, store.first())
        for table in Table:
            target.append((), store.notes(table))
    finally:
        target.close()  # the last one to close moves the log into the file
    Path(f"{partial}.lock").unlink(missing_ok=True)
    sync_file(partial)
    partial.chmod(0o400)
    partial.replace(into)
    sync_folder(into.parent)


def sync_file(path: Path) -> None:
    """Wait until a file's bytes are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(path: Path) -> None:
    """Wait until a folder's names are on the disk."""
    sync_file(path)

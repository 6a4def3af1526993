"""Archive of a ledger in PostgreSQL: old entries are moved out of the schema, which still verifies.

Layer:       privacy_accounting.ledger, above ``compaction`` and ``postgres``. The site's node is stopped.
Terms:       the *archive* is a ledger file as the SQLite store writes it, with every row that the schema held.
Guarantees:  as ``archive``: nothing is dropped before a durable copy stands elsewhere and the compacted schema was
             read and gave the same state; the two schemas change places in one transaction.
See instead: what stays (``compaction``), backups of the server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from privacy_accounting.errors import LedgerRefusedError
from privacy_accounting.ledger.storage.compaction import (
    compact,
    copy_into_file,
    newest_snapshot,
    says_the_same,
)
from privacy_accounting.ledger.storage.postgres import PostgresStore

if TYPE_CHECKING:
    from pathlib import Path


def archive_schema(conninfo: str, *, owner: str, schema: str, into: Path, older_than: int) -> int:
    """Move old entries of a site's ledger into an archive file.

    Args:
        conninfo: how to reach the server; never shown.
        owner: name of the site.
        schema: the live ledger; no process has it open to write.
        into: the archive to write; must not exist.
        older_than: seconds since 1970; only entries before a snapshot at least that old leave.

    Returns:
        Number of the snapshot entry at which the live ledger now begins.

    Raises:
        LedgerRefusedError: there is no such snapshot, the archive exists, the ledger is in use, or a write failed.
    """
    store = PostgresStore(conninfo, owner=owner, schema=schema)
    try:
        begins = newest_snapshot(store, older_than)
        copy_into_file(store, into)
        fresh = f"{schema}_compacting"
        store.forget(fresh)
        target = PostgresStore(conninfo, owner=owner, schema=fresh, base=begins)
        try:
            compact(store, target, begins)
            is_same = says_the_same(store, target)
        finally:
            target.close()
        if not is_same:
            store.forget(fresh)
            raise LedgerRefusedError(
                reason="the compacted schema does not give the same state; nothing was changed"
            )
        store.give_way_to(fresh)
    finally:
        store.close()
    return begins

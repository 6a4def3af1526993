"""Putting a ledger aside that binds no site yet, so that the ledger of a corrected agreement can begin.

Layer:       privacy_accounting.ledger, above ``archive`` and ``uncharged``. The site's node is stopped.
Guarantees:  the ledger is checked while no other process can write it, and is renamed in one step: before it, nothing
             has changed; after it, the old ledger stands whole under another name, and no file is deleted.
See instead: which ledgers bind (``uncharged``), the ledger in PostgreSQL (``postgres``).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from privacy_accounting.errors import LedgerRefusedError
from privacy_accounting.ledger.storage.archive import settle_log
from privacy_accounting.ledger.storage.compaction import sync_file, sync_folder
from privacy_accounting.ledger.storage.sqlite import SqliteStore, exclusively
from privacy_accounting.ledger.storage.store import kept_names
from privacy_accounting.ledger.storage.uncharged import what_binds

if TYPE_CHECKING:
    from pathlib import Path


def set_aside_file(path: Path, chain: str) -> Path:
    """Rename a ledger file that binds its site to nothing.

    Args:
        path: the live file; no process has it open.
        chain: of this ledger, hexadecimal.

    Returns:
        Where it is kept, beside its old place and read-only.

    Raises:
        LedgerRefusedError: something binds it, it is in use, or it cannot be renamed; it is as it was.
    """
    held = exclusively(path)
    try:
        settle_log(path)
        store = SqliteStore.read_only(path)
        try:
            bound = what_binds(store)
        finally:
            store.close()
        if bound:
            raise LedgerRefusedError(reason=bound)
        names = (path.with_name(f"{name}{path.suffix}") for name in kept_names(path.stem, chain))
        kept = next(place for place in names if not place.exists())
        sync_file(path)
        path.rename(kept)
        kept.chmod(0o400)
        sync_folder(path.parent)
    except OSError as error:
        raise LedgerRefusedError(reason=f"{path.name} cannot be renamed: {error.strerror}") from error
    finally:
        os.close(held)
    return kept

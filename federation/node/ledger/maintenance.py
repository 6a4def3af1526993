"""What a site's administrator does with the site's ledger while its node is stopped, or reads beside it.

Layer:       federation.node.ledger.maintenance, above ledgers.
Guarantees:  an export and an archive hold what the store held, or are not there; taking entries over from a file
             checks every signature as taking them from a site does, and signs nothing.
See instead: what is archived and how (``privacy_accounting.ledger.storage.archive``), commands (``federation.cli``).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from federation.consortium.genesis import genesis_body
from federation.identity.certificates import Identity
from federation.node.clock import wall_clock
from federation.node.ledger.storage import (
    conninfo,
    is_in_postgres,
    ledger_file,
    open_ledger,
    read_ledger,
    schema_of,
)
from privacy_accounting.audit.chain_reader import open_file, read_entries
from privacy_accounting.errors import LedgerRefusedError
from privacy_accounting.ledger.replication.replica import Replica
from privacy_accounting.ledger.storage.archive import archive
from privacy_accounting.ledger.storage.compaction import copy_into_file
from privacy_accounting.ledger.storage.export import export_lines

if TYPE_CHECKING:
    from pathlib import Path

    from federation.consortium.site_file import SiteConfig

JSON_LINES = ".jsonl"


def export_ledger(config: SiteConfig, out: Path) -> int:
    """Copy a site's ledger into a file that every audit command reads; the node may run.

    Args:
        config: the site's.
        out: must not exist; JSON lines where its name ends in ``.jsonl``, else a ledger file.

    Returns:
        How many entries it holds.

    Raises:
        LedgerRefusedError: there is no ledger yet, the file exists, or (JSON lines) older entries are archived.
        OSError: the file cannot be written.
    """
    store = read_ledger(config)
    try:
        if out.suffix != JSON_LINES:
            copy_into_file(store, out)
        else:
            descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as stream:
                stream.writelines(export_lines(store))
        return store.height() - store.first()
    finally:
        store.close()


def archive_ledger(config: SiteConfig, into: Path, *, older_than: int) -> int:
    """Move old entries into an archive file; the node is stopped.

    Args:
        config: the site's.
        into: the archive; must not exist.
        older_than: seconds since 1970; only what stands before a snapshot at least that old leaves.

    Returns:
        The first entry that stays.

    Raises:
        LedgerRefusedError: no snapshot is old enough, the ledger is in use, or a file cannot be written.
    """
    if not is_in_postgres(config):
        return archive(ledger_file(config), into, older_than=older_than)
    from privacy_accounting.ledger.storage.postgres_archive import archive_schema

    return archive_schema(
        conninfo(config),
        owner=config.file.site,
        schema=schema_of(config),
        into=into,
        older_than=older_than,
    )


def take_over(config: SiteConfig, source: Path) -> int:
    """Take entries that this site lacks from another site's archive, export or ledger file; the node is stopped.

    Args:
        config: the site's.
        source: the file; whose it is does not matter, an entry proves itself.

    Returns:
        How many entries were new.

    Raises:
        LedgerRefusedError: the file is no ledger, begins behind what this site holds, or an entry is wrong; the right ones
            before it were taken.
        LedgerForkedError: the file holds another complete entry than this site; nothing runs here from now on.
    """
    given = open_file(source)
    try:
        store = open_ledger(config)
        try:
            key = Identity.load(config.identity).signing_key
            replica = Replica(store, key, wall_clock, genesis=genesis_body(config.consortium))
            if given.first() > replica.head + 1:
                raise LedgerRefusedError(
                    reason=f"{source.name} begins at entry {given.first()}, this site's ledger ends before "
                    f"entry {replica.head + 1}: give it an older archive first"
                )
            return replica.catch_up(list(read_entries(given)), source=given.owner)
        finally:
            store.close()
    finally:
        given.close()

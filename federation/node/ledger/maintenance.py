"""Commands of a site's administrator on the site's ledger, while its node is stopped or beside it.

Layer:       federation.node.ledger.maintenance, above storage.
Guarantees:  an export or an archive holds exactly what the store held, or is not created; importing entries from a
             file checks every signature, as receiving them from a site does, and signs nothing.
See instead: the archive itself (``privacy_accounting.ledger.storage.archive``), commands (``federation.cli``).
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
        config: the site's configuration.
        out: the new file; JSON lines if its name ends in ``.jsonl``, otherwise a ledger file.

    Returns:
        The number of entries in the file.

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
        config: the site's configuration.
        into: the new archive file.
        older_than: seconds since 1970; only entries before a snapshot at least that old are moved.

    Returns:
        The first entry that remains.

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
    """Import missing entries from another site's archive, export or ledger file; the node is stopped.

    Args:
        config: the site's configuration.
        source: the file, from any site: an entry proves itself by its signatures.

    Returns:
        The number of new entries.

    Raises:
        LedgerRefusedError: the file is not a ledger, leaves a gap after this site's last entry, or holds an invalid
            entry; the valid entries before that one were imported.
        LedgerForkedError: the file and this site hold different complete entries; this site runs no more requests.
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
                    f"entry {replica.head + 1}: import an older archive first"
                )
            return replica.catch_up(list(read_entries(given)), source=given.owner)
        finally:
            store.close()
    finally:
        given.close()

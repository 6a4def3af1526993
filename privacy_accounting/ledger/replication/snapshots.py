"""Snapshots: when one is due, and its content.

Layer:       privacy_accounting.ledger, above ``replica``.
Guarantees:  a snapshot is proposed alone and every site signs it only if it is its own state; correctness needs no
             snapshot, only a quick start and an archive do.
See instead: the site's own note of the state (``checkpoint``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from privacy_accounting.ledger.contents import Snapshot
from privacy_accounting.ledger.merkle import merkle_root
from privacy_accounting.ledger.replication.sequencer import Draft

if TYPE_CHECKING:
    from privacy_accounting.ledger.replication.replica import Replica

EVERY: Final = 1_000


def snapshot_due(replica: Replica, every: int = EVERY) -> bool:
    """Say whether so many entries were written since the last checkpoint of this site."""
    core = replica.core
    with core.lock:
        return len(core.hashes) - core.checkpointed >= every


def snapshot_draft(replica: Replica) -> Draft:
    """Describe the ledger as it stands, for the sequencer to propose alone.

    Raises:
        LedgerRefusedError: there is no entry yet.
    """
    core = replica.core
    with core.lock:
        content = Snapshot(entries=len(core.hashes), root=merkle_root(core.hashes), state=core.state.digest())
        return Draft(cohort=replica.members, content=content)

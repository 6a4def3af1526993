"""Accepts a complete entry that a client delivers before the sequencer's own copy arrives.

Layer:       federation.node.ledger.late_entry, beside peers.
Guarantees:  an entry proves itself by its signatures, whoever delivers it. Earlier entries of its batch belong to
             other analysts and come from the sequencer only. The site waits for them only if it has signed the
             delivered entry, so that an invented entry causes no wait.
See instead: the rules for complete entries (``privacy_accounting.ledger``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from privacy_accounting.errors import LedgerRefusedError

if TYPE_CHECKING:
    from privacy_accounting.ledger.entries import Entry
    from privacy_accounting.ledger.replication.replica import Replica


def accept_entry(replica: Replica, entry: Entry, *, source: str, deadline_s: float) -> None:
    """Make sure that an entry is in this site's ledger.

    Args:
        replica: the site's replica.
        entry: the complete entry.
        source: the member that delivered it.
        deadline_s: the longest wait for earlier entries (s).

    Raises:
        LedgerRefusedError: the entry is incomplete or does not fit, or earlier entries are missing.
        LedgerForkedError: another complete entry has its number.
    """
    if entry.body.number > replica.head + 1 and not replica.has_signed(entry):
        raise LedgerRefusedError(
            reason="entries before it are missing, and this site has not signed it since its last start"
        )
    replica.wait_for(entry.body.number - 1, deadline_s)
    if entry.body.number > replica.head:
        replica.catch_up((entry.to_bytes(),), source=source)

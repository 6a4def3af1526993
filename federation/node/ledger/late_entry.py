"""A complete entry that comes with who asked for it, before the sequencer's own copy.

Layer:       federation.node.ledger.late_entry, beside couriers.
Guarantees:  an entry proves itself by its signatures, whoever carries it; those before it in its batch are other
             people's and come from the sequencer alone, on whose way they are waited for: only where this site has
             signed the entry, so that nobody can make it wait for an invented one.
See instead: what makes an entry complete (``privacy_accounting.ledger``).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from privacy_accounting.errors import LedgerRefusedError
from privacy_accounting.ledger.messages import Complete

if TYPE_CHECKING:
    from privacy_accounting.ledger.entries import Entry
    from privacy_accounting.ledger.replication.replica import Replica

PAUSE_S: Final = 0.002


def accept_entry(replica: Replica, entry: Entry, *, source: str, deadline_s: float) -> None:
    """Have an entry in this site's ledger.

    Args:
        replica: the site's.
        entry: complete.
        source: who carried it.
        deadline_s: how long entries before it are waited for (s).

    Raises:
        LedgerRefusedError: it is not complete, does not fit, is not this site's to run, or those before it did not come.
        LedgerForkedError: another complete entry has its number.
    """
    if entry.body.number > replica.head + 1 and not replica.has_signed(entry):
        raise LedgerRefusedError(
            reason="entries before it are missing, and this site did not sign it in its present life"
        )
    ends_at = time.monotonic() + deadline_s
    while entry.body.number > replica.head + 1 and time.monotonic() < ends_at:
        time.sleep(PAUSE_S)
    if entry.body.number > replica.head:
        replica.completed(Complete(entries=(entry.to_bytes(),)).to_bytes(), source=source)

"""The entry of a request that was charged: for an analyst whose program ended before it heard of the charge.

Layer:       privacy_accounting.ledger.replication, beside ``replica``.
Guarantees:  the ledger enters a request once, so there is at most one such entry.
See instead: which requests were entered (``privacy_accounting.ledger.used_requests``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from privacy_accounting.ledger.contents import Charge, Exact
from privacy_accounting.ledger.entries import Entry
from privacy_accounting.ledger.replication.replica import MAX_CATCH_UP

if TYPE_CHECKING:
    from privacy_accounting.ledger.replication.replica import Replica
    from privacy_accounting.ledger.used_requests import Once


def entry_of(replica: Replica, once: Once) -> bytes | None:
    """Give the complete entry of a request that this site holds.

    Args:
        replica: of the site.
        once: of the request, see ``contents.Request.once``.

    Returns:
        Its bytes; None where there is none, or it was cancelled, or it is archived.
    """
    core = replica.core
    with core.lock:
        if once not in core.state.used:
            return None
        first, end = core.store.first(), replica.head + 1
    while end > first:
        begin = max(first, end - MAX_CATCH_UP)
        for data in reversed(core.store.entries(begin, end - begin)):
            body = Entry.from_bytes(data).body
            if isinstance(body.content, Charge | Exact) and body.content.asked.once == once:
                return None if core.state.cancelled(body.number) else data
        end = begin
    return None

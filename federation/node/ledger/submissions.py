"""Errands: requests and motions on their way into the ledger, from who brings them to the entry or the reason against it.

Layer:       federation.node.ledger.submissions, below chain.
See instead: the thread that runs them (``chain``), how sites agree
             (``privacy_accounting.ledger.replication.agreement``).
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from federation.errors import ApprovalMissingError, SiteUnavailableError
from federation.protocol.error_codes import from_refusal
from privacy_accounting.errors import ClockDiffersError, EntriesArchivedError, LedgerRefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from federation.protocol.messages import Ask
    from privacy_accounting.ledger.entries import Entry
    from privacy_accounting.ledger.replication.agreement import Agreement
    from privacy_accounting.ledger.replication.sequencer import Draft


@dataclass(slots=True)
class Submission:
    """One request on its way into the ledger, or one motion, which has none."""

    draft: Draft
    ask: Ask | None
    done: threading.Event = field(default_factory=threading.Event)
    entry: Entry | None = None
    error: Exception | None = None

    @property
    def is_alone(self) -> bool:
        """Whether it changes the agreement, and is proposed alone."""
        return self.ask is None


def complete(submissions: Sequence[Submission], entries: Mapping[int, Entry]) -> None:
    """Give each errand its entry: it is spent, and its asker need not wait until all sites have it too."""
    for place, entry in entries.items():
        submissions[place].entry = entry
        submissions[place].done.set()


def refusal_reason(agreement: Agreement, place: int, *, orders: str = "", others: int = 0) -> Exception:
    """The reason why a draft was not entered, as its asker is told.

    Args:
        agreement: what became of the drafts.
        place: of the draft.
        orders: the site that orders the ledger.
        others: how many sites it asked.
    """
    refusals = agreement.refusals.get(place, {})
    errors = {site: from_refusal(refusals[site], site=site) for site in sorted(refusals)}
    lacking = [site for site, error in errors.items() if isinstance(error, ApprovalMissingError)]
    clocks = [error for error in errors.values() if isinstance(error, ClockDiffersError)]
    if clocks and len(clocks) == len(errors):
        return _clock_of(clocks, orders, others)
    for error in errors.values():
        if isinstance(error, ApprovalMissingError):
            return ApprovalMissingError(site=", ".join(lacking), motion=error.motion)
        return error
    if agreement.silent:
        site = agreement.silent[0]
        cause = agreement.causes.get(site)
        if isinstance(cause, EntriesArchivedError):
            reason = (
                f"it lags behind, and {cause}; give it a copy of that archive with crossward ledger catch-up"
            )
        else:
            reason = "it did not answer in time; nothing was charged"
        return SiteUnavailableError(site=site, reason=reason)
    return LedgerRefusedError(reason="the sites could not agree on an entry; nothing was charged, ask again")


def _clock_of(clocks: Sequence[ClockDiffersError], orders: str, others: int) -> Exception:
    """Name the site whose clock differs from most: that of the site that orders, where all others say so."""
    if orders and others > 1 and len(clocks) == others:
        seconds = sorted(-error.seconds for error in clocks)[len(clocks) // 2]
        way = "ahead of" if seconds > 0 else "behind"
        reason = (
            f"its clock is {abs(seconds)} s {way} those of all other sites; set it right. Nothing was charged"
        )
        return SiteUnavailableError(site=orders, reason=reason)
    return clocks[0]

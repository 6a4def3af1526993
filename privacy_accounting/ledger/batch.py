"""What the earlier bodies of one proposal already use.

Layer:       privacy_accounting.ledger, below ``state``. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from privacy_accounting.ledger.contents import Cancel, Charge, Exact

if TYPE_CHECKING:
    from privacy_accounting.budget.totals import Spend
    from privacy_accounting.ledger.entries import Body
    from privacy_accounting.ledger.used_requests import Once


@dataclass(slots=True)
class Batch:
    """What the earlier bodies of the same proposal already use."""

    once: set[Once] = field(default_factory=set)
    cancelled: set[int] = field(default_factory=set)
    spends: list[Spend] = field(default_factory=list)

    def add(self, body: Body) -> None:
        """Remember one more body of the proposal."""
        content = body.content
        if isinstance(content, Charge | Exact):
            self.once.add(content.asked.once)
        if isinstance(content, Charge):
            self.spends.append(content.spend)
        if isinstance(content, Cancel):
            self.cancelled.add(content.entry)

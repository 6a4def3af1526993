"""The answer of a linkage, as the analyst has it.

Layer:       analytics.linkage beside plan.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkResult:
    """A finished linkage.

    Attributes:
        table: the linked table.
        sites: the two sites.
        learns: what each of them learnt: ``rows`` or ``count``.
        count: how many patients both have; None where there are fewer than the minimum cell, zero among them.
        minimum_cell: fewest common patients whose number is opened.
        cost: what the disclosure is, and to whom.
        receipt: its ledger entry, who signed it, and what it took.
    """

    table: str
    sites: tuple[str, str]
    learns: str
    count: int | None
    minimum_cell: int
    cost: Mapping[str, object] = field(default_factory=dict, repr=False)
    receipt: Mapping[str, object] = field(default_factory=dict, repr=False)

    def to_dict(self) -> dict[str, object]:
        """Plain data for JSON."""
        return {
            "table": self.table,
            "sites": list(self.sites),
            "learns": self.learns,
            "count": self.count,
            "minimum_cell": self.minimum_cell,
            "cost": dict(self.cost),
            "receipt": dict(self.receipt),
        }

    @property
    def text(self) -> str:
        """The answer in a sentence."""
        first, second = self.sites
        if self.count is None:
            return (
                f"{first} and {second} share fewer than {self.minimum_cell} patients of {self.table}, or none"
            )
        return f"{first} and {second} share {self.count} patients of {self.table}"

    def __str__(self) -> str:
        """Return the sentence."""
        return self.text

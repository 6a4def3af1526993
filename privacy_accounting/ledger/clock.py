"""Correction of a ledger whose last entry is dated ahead of the true time because all clocks were wrong.

Layer:       privacy_accounting.ledger, below ``contents``. Pure.
Terms:       a *clock* entry gives up the time of the entry before it; later entries follow its own time.
Guarantees:  it names the one time that it gives up, so that it fits one place of one chain; it is dated before that
             time, and, like every entry, within the allowed skew of each signing site's own clock. Nothing but dates
             changes: what is spent, used, started and cancelled never depended on time.
See instead: whether an administrator approves it (``federation.consortium.amending.amendments``), the check of clocks
             (``entry_validation``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from privacy_accounting.ledger.canonical_json import Fields

LATEST: Final = 253_402_300_799  # the last second of the year 9999


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockCorrection:
    """Lets the following entries be dated before the one that precedes this.

    Attributes:
        given_up: time of the entry before, in seconds since 1970.
    """

    given_up: int

    def to_json(self) -> dict[str, object]:
        """Write the fields."""
        return {"given_up": self.given_up}

    @classmethod
    def read(cls, fields: Fields) -> ClockCorrection:
        """Take the fields."""
        return cls(given_up=fields.integer("given_up", low=1, high=LATEST))

"""Which requests of a ledger a reader wants to see: a span of time, an analyst, a purpose, a population.

Layer:       privacy_accounting.audit, beside ``statement``. Pure.
Guarantees:  a selection hides lines and changes no figure: totals are those of the whole ledger.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What to show; what is None is not looked at.

    Attributes:
        since: seconds since 1970; nothing before.
        until: seconds since 1970; nothing at this time or after.
        analyst: only this one's.
        purpose: only for this one.
        population: only of this one.
    """

    since: int | None = None
    until: int | None = None
    analyst: str | None = None
    purpose: str | None = None
    population: str | None = None

    @property
    def text(self) -> str:
        """What is wanted, in words; empty where everything is."""
        parts = [
            "" if self.since is None else f"since {_utc(self.since)}",
            "" if self.until is None else f"before {_utc(self.until)}",
            "" if self.analyst is None else f"by {self.analyst}",
            "" if self.purpose is None else f"for {self.purpose}",
            "" if self.population is None else f"of {self.population}",
        ]
        return ", ".join(filter(None, parts))

    def takes(
        self, *, first: int, last: int, analyst: str = "", purpose: str = "", population: str = ""
    ) -> bool:
        """Whether to show what began and ended at these times (seconds since 1970; a training takes a while).

        An entry about no request, such as a changed budget, is shown unless an analyst or a purpose is wanted.
        """
        return (
            (self.since is None or last >= self.since)
            and (self.until is None or first < self.until)
            and self.analyst in {None, analyst}
            and self.purpose in {None, purpose}
            and self.population in {None, population}
        )


def _utc(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"

"""Limits on exact disclosures and training attempts, counting unfinished ones.

Layer:       federation.node.admission.exact_limits. Safe for several threads.
Guarantees:  an entry that this site has signed and that is not complete yet counts, so that two simultaneous requests
             cannot both use the last allowed one.
See instead: comparing the counts with the site's limits (``federation.requests.site_policy``).
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from federation.requests.site_policy import ExactSoFar

if TYPE_CHECKING:
    from privacy_accounting.ledger.contents import Exact
    from privacy_accounting.ledger.replication.replica import Replica


class PendingCounts:
    """Counts signed entries that are not complete yet, each under a name."""

    def __init__(self, replica: Replica) -> None:
        """Count in addition to the site's own ledger."""
        self._replica = replica
        self._lock = threading.Lock()
        self._pending: dict[int, tuple[str, int]] = {}

    def count(self, name: str, number: int | None = None) -> int:
        """The signed but incomplete entries of a name; with ``number``, only those before that entry."""
        head = self._replica.head
        with self._lock:
            self._pending = {place: what for place, what in self._pending.items() if place > head}
            return sum(
                many
                for place, (who, many) in self._pending.items()
                if who == name and (number is None or place < number)
            )

    def add_pending(self, number: int, name: str, many: int = 1) -> None:
        """Record that this site is about to sign an entry that counts ``many`` times."""
        with self._lock:
            self._pending[number] = (name, many)


class ExactLimit:
    """Counts the exact disclosures at one site, and the numbers that they open."""

    def __init__(self, replica: Replica) -> None:
        """Count from the site's own ledger."""
        self._replica = replica
        self._requests, self._numbers = PendingCounts(replica), PendingCounts(replica)

    def count(self, population: str, analyst: str, number: int | None = None) -> ExactSoFar:
        """The disclosures so far; ``number`` is the entry under decision, which does not count."""
        # pending entries first: an entry that becomes complete in between counts twice rather than not at all
        requests = self._requests.count(f"{population}\n{analyst}", number)
        numbers = self._numbers.count(population, number)
        privacy_filter = self._replica.privacy_filter
        return ExactSoFar(
            requests=requests + privacy_filter.exact_disclosures(population, analyst),
            numbers=numbers + privacy_filter.exact_numbers.get(population, 0),
        )

    def add_pending(self, number: int, content: Exact) -> None:
        """Record that this site is about to sign an exact disclosure."""
        asked = content.asked
        self._requests.add_pending(number, f"{asked.population}\n{asked.analyst}")
        self._numbers.add_pending(number, asked.population, content.numbers)

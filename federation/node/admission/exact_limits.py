"""What may happen so many times: exact disclosures, the numbers they open, attempts of a training; those without an end too.

Layer:       federation.node.admission.exact_limits. Safe for several threads.
Guarantees:  what this site signed for a number that is not complete yet counts, so that two requests at once cannot
             both be the last one allowed.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from federation.requests.site_policy import ExactSoFar

if TYPE_CHECKING:
    from privacy_accounting.ledger.contents import Exact
    from privacy_accounting.ledger.replication.replica import Replica


class PendingCounts:
    """Counts what a site signs before it is complete, each thing under a name."""

    def __init__(self, replica: Replica) -> None:
        """Count beside the site's own ledger."""
        self._replica = replica
        self._lock = threading.Lock()
        self._pending: dict[int, tuple[str, int]] = {}

    def count(self, name: str, number: int | None = None) -> int:
        """How many were signed and are not complete; ``number`` is an entry being judged, which only those before it bind."""
        head = self._replica.head
        with self._lock:
            self._pending = {place: what for place, what in self._pending.items() if place > head}
            return sum(
                many
                for place, (who, many) in self._pending.items()
                if who == name and (number is None or place < number)
            )

    def add_pending(self, number: int, name: str, many: int = 1) -> None:
        """Remember that one, or so many at once, is about to be signed under a number."""
        with self._lock:
            self._pending[number] = (name, many)


class ExactLimit:
    """Counts exact disclosures at one site, and the numbers that they open."""

    def __init__(self, replica: Replica) -> None:
        """Count from the site's own ledger."""
        self._replica = replica
        self._requests, self._numbers = PendingCounts(replica), PendingCounts(replica)

    def count(self, population: str, analyst: str, number: int | None = None) -> ExactSoFar:
        """Disclosures so far; ``number`` is an entry that does not count, being judged itself."""
        # what is promised first: an entry that becomes complete in between then counts twice, never not at all
        requests = self._requests.count(f"{population}\n{analyst}", number)
        numbers = self._numbers.count(population, number)
        book = self._replica.book
        return ExactSoFar(
            requests=requests + book.exact_disclosures(population, analyst),
            numbers=numbers + book.exact_numbers.get(population, 0),
        )

    def add_pending(self, number: int, content: Exact) -> None:
        """Remember that an exact disclosure is about to be signed under a number."""
        asked = content.asked
        self._requests.add_pending(number, f"{asked.population}\n{asked.analyst}")
        self._numbers.add_pending(number, asked.population, content.numbers)

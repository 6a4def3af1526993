"""What may happen so many times: exact disclosures of an analyst, attempts of a training, those without an end included.

Floor:    federation.node.exact_cap. Safe for several threads.
Promise:  what this site signed for a number that is not complete yet counts, so that two requests at once cannot both be the
          last one allowed.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from privacy_accounting.ledger.replica import Replica


class Promised:
    """Counts what a site signs before it is complete, each thing under a name."""

    def __init__(self, replica: Replica) -> None:
        """Count beside the site's own ledger."""
        self._replica = replica
        self._lock = threading.Lock()
        self._signed: dict[int, str] = {}

    def before(self, name: str, number: int | None = None) -> int:
        """How many were signed and are not complete; ``number`` is an entry being judged, which only those before it bind."""
        head = self._replica.head
        with self._lock:
            self._signed = {place: who for place, who in self._signed.items() if place > head}
            return sum(
                who == name and (number is None or place < number) for place, who in self._signed.items()
            )

    def signed(self, number: int, name: str) -> None:
        """Remember that one is about to be signed under a number."""
        with self._lock:
            self._signed[number] = name


class ExactCap:
    """Counts exact disclosures at one site."""

    def __init__(self, replica: Replica) -> None:
        """Count from the site's own ledger."""
        self._replica, self._promised = replica, Promised(replica)

    def before(self, population: str, analyst: str, number: int | None = None) -> int:
        """Disclosures of an analyst so far; ``number`` is an entry that does not count, being judged itself."""
        pending = self._promised.before(analyst, number)
        return self._replica.book.exact_disclosures(population, analyst) + pending

    def signed(self, number: int, analyst: str) -> None:
        """Remember that an exact disclosure is about to be signed under a number."""
        self._promised.signed(number, analyst)

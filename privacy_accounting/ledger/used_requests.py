"""Used requests: each request may be entered in a chain only once.

Layer:       privacy_accounting.ledger, beside ``contents``. Pure.
Guarantees:  one hash covers all of them in the order of the chain; it grows with each request and is computed from
             the beginning only at a start. Leaving one out, adding one or changing one gives another hash.
See instead: what a request is (``contents.Request``), whether one may be entered (``state``).
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

Once: TypeAlias = tuple[str, str, str, int, int]
_TAG: Final = b"crossward/ledger/used/1\n"


class UsedRequests:
    """All requests so far, and a running hash over them."""

    def __init__(self) -> None:
        """Begin with none."""
        self._all: set[Once] = set()
        self._fresh: list[Once] = []
        self._running = hashlib.sha256(_TAG)

    def __contains__(self, once: Once) -> bool:
        """Whether a request was entered."""
        return once in self._all

    def add(self, once: Once) -> None:
        """Take one more."""
        self._all.add(once)
        self._fresh.append(once)
        self._running.update(_spelled([once]))

    def take_fresh(self) -> list[Once]:
        """Give those that came since the last call, in order."""
        fresh, self._fresh = self._fresh, []
        return fresh

    def take_over(self, several: Sequence[Sequence[object]]) -> None:
        """Add requests that were written down before; they are not fresh.

        Whether they are what was written then shows in the hash alone.
        """
        self._all.update(map(tuple, several))  # type: ignore[arg-type]
        self._running.update(_spelled(several))

    def digest(self) -> str:
        """Give the hash over all, hexadecimal."""
        return self._running.copy().hexdigest()


def _spelled(several: Sequence[Sequence[object]]) -> bytes:
    """Spell requests so that no two lists of requests have one spelling, however they are cut into pieces."""
    if not several:
        return b""
    text = json.dumps(several, separators=(",", ":"), ensure_ascii=True)
    return text[1:-1].encode("ascii") + b","

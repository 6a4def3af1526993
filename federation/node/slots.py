"""How many questions one node has under way, decided before the charge.

Floor:    federation.node.slots. No socket, no ledger.
Terms:    a place is reserved by asking and taken by running; one that was reserved and not used in time goes to
          whoever asks next.
Promise:  with every place in use a question is refused by name, and nothing is charged. What is charged runs, even
          if its place was given away meanwhile: after the charge load decides nothing (P1).
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from federation.errors import SiteUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

UNUSED_S: Final = 10.0


class Slots:
    """A node's places. Safe for several threads."""

    def __init__(self, *, site: str, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with all places free.

        Args:
            site: this node's name, for the refusal.
            limit: how many questions may be under way.
            clock: seconds that only grow.
        """
        self._site, self._limit, self._clock = site, limit, clock
        self._lock = threading.Lock()
        self._reserved: OrderedDict[object, float] = OrderedDict()
        self._n_running = 0

    def reserve(self) -> Slot:
        """Take a place for a question that is being asked.

        Raises:
            SiteUnavailableError: every place is in use.
        """
        slot = Slot(self)
        with self._lock:
            if self._n_running + len(self._reserved) >= self._limit:
                self._give_up_one()
            self._reserved[slot] = self._clock()
        return slot

    def is_reserved(self, slot: Slot) -> bool:
        """Whether a place is still kept."""
        with self._lock:
            return slot in self._reserved

    def release(self, slot: Slot) -> None:
        """Give a place back that was not used; may be called twice."""
        with self._lock:
            self._reserved.pop(slot, None)

    @contextmanager
    def running(self, slot: Slot) -> Iterator[None]:
        """Run in a place, or beside all of them when it was given away after the charge."""
        with self._lock:
            self._reserved.pop(slot, None)
            self._n_running += 1
        try:
            yield
        finally:
            with self._lock:
                self._n_running -= 1

    def _give_up_one(self) -> None:
        oldest = next(iter(self._reserved), None)
        if oldest is None or self._clock() - self._reserved[oldest] < UNUSED_S:
            reason = f"{self._limit} questions are under way here; ask again in a moment"
            raise SiteUnavailableError(site=self._site, reason=reason)
        del self._reserved[oldest]


class Slot:
    """One place, reserved by one question."""

    def __init__(self, slots: Slots) -> None:
        """Belong to a node's places."""
        self._slots = slots

    @property
    def is_reserved(self) -> bool:
        """Whether it is still kept."""
        return self._slots.is_reserved(self)

    def running(self) -> AbstractContextManager[None]:
        """See ``Slots.running``."""
        return self._slots.running(self)

    def release(self) -> None:
        """See ``Slots.release``."""
        self._slots.release(self)

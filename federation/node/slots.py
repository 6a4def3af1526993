"""How many questions one node has under way, decided before the charge.

Floor:    federation.node.slots. No socket, no ledger.
Terms:    a place is reserved by asking and taken by running; one that was reserved and not used in time goes to
          whoever asks next.
Promise:  with every place in use a question is refused by name, and nothing is charged. Who only reserves keeps nobody
          from asking: of two analysts the one with more places gives a reserved one to the other. What is charged
          runs, even if its place was given away meanwhile: after the charge load decides nothing (P1).
"""

from __future__ import annotations

import threading
import time
from collections import Counter, OrderedDict
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
        self._reserved: OrderedDict[Slot, float] = OrderedDict()
        self._running: Counter[str] = Counter()  # by analyst

    def reserve(self, analyst: str) -> Slot:
        """Take a place for a question that an analyst is asking.

        Raises:
            SiteUnavailableError: every place is in use.
        """
        slot = Slot(self, analyst)
        with self._lock:
            if self._running.total() + len(self._reserved) >= self._limit:
                self._give_up_one(analyst)
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
            self._running[slot.analyst] += 1
        try:
            yield
        finally:
            with self._lock:
                self._running[slot.analyst] -= 1
                self._running += Counter()  # forget who runs nothing

    def _give_up_one(self, asker: str) -> None:
        oldest = next(iter(self._reserved), None)
        if oldest is None or self._clock() - self._reserved[oldest] < UNUSED_S:
            oldest = self._of_whom_has_more(asker)
        if oldest is None:
            reason = f"{self._limit} questions are under way here; ask again in a moment"
            raise SiteUnavailableError(site=self._site, reason=reason)
        del self._reserved[oldest]

    def _of_whom_has_more(self, asker: str) -> Slot | None:
        """The oldest reserved place of the analyst with most places, if the asker would still have no more than that one."""
        places = self._running + Counter(slot.analyst for slot in self._reserved)
        oldest = max(self._reserved, key=lambda slot: places[slot.analyst], default=None)
        return None if oldest is None or places[oldest.analyst] <= places[asker] + 1 else oldest


class Slot:
    """One place, reserved by one question.

    Attributes:
        analyst: who asks it.
    """

    def __init__(self, slots: Slots, analyst: str) -> None:
        """Belong to a node's places."""
        self.analyst = analyst
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

"""How many questions one node has under way, decided before the charge.

Layer:       federation.node.admission.concurrency. No socket, no ledger.
Terms:       a place is reserved by asking and taken by running; one that was reserved and not used in time goes to
             whoever asks next.
Guarantees:  with every place in use a question waits its turn, if it says so, and is then refused by name; nothing is
             charged. Next is the question of the analyst with the fewest places, of those the first that came. Who
             only reserves keeps nobody from asking: of two analysts the one with more places gives a reserved one to
             the other. What is charged runs, even if its place was given away meanwhile: after the charge load
             decides nothing (P1).
"""

from __future__ import annotations

import threading
import time
from collections import Counter, OrderedDict
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from federation.errors import SiteBusyError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

UNUSED_S: Final = 10.0
LONGEST_WAIT_S: Final = 300.0
POLL_S: Final = 0.25


class ConcurrencyLimit:
    """A node's places. Safe for several threads."""

    def __init__(self, *, site: str, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with all places free.

        Args:
            site: this node's name, for the refusal.
            limit: how many questions may be under way.
            clock: seconds that only grow.
        """
        self._site, self._limit, self._clock = site, limit, clock
        self._changed = threading.Condition()
        self._waiting: dict[Reservation, None] = {}  # in the order of their arrival
        self._reserved: OrderedDict[Reservation, float] = OrderedDict()
        self._running: Counter[str] = Counter()  # by analyst

    def reserve(
        self, analyst: str, *, patience_s: float = 0.0, has_left: Callable[[], bool] = lambda: False
    ) -> Reservation:
        """Take a place for a question that an analyst is asking, waiting for its turn if need be.

        Args:
            analyst: who asks.
            patience_s: how long it waits, at most ``LONGEST_WAIT_S`` (s).
            has_left: whether the caller is gone, which ends its wait.

        Raises:
            SiteBusyError: every place is in use, and none came free in that time.
        """
        slot = Reservation(self, analyst)
        ends_at = self._clock() + min(patience_s, LONGEST_WAIT_S)
        with self._changed:
            self._waiting[slot] = None
            try:
                while not self._take(slot):
                    left_s = ends_at - self._clock()
                    if left_s <= 0 or has_left():
                        reason = f"{self._limit} questions are under way here, the most by limits.sessions"
                        raise SiteBusyError(site=self._site, reason=reason)
                    self._changed.wait(min(left_s, POLL_S))
            finally:
                del self._waiting[slot]
                self._changed.notify_all()
        return slot

    def is_reserved(self, slot: Reservation) -> bool:
        """Whether a place is still kept."""
        with self._changed:
            return slot in self._reserved

    def release(self, slot: Reservation) -> None:
        """Give a place back that was not used; may be called twice."""
        with self._changed:
            self._reserved.pop(slot, None)
            self._changed.notify_all()

    @contextmanager
    def running(self, slot: Reservation) -> Iterator[None]:
        """Run in a place, or beside all of them when it was given away after the charge."""
        with self._changed:
            self._reserved.pop(slot, None)
            self._running[slot.analyst] += 1
        try:
            yield
        finally:
            with self._changed:
                self._running[slot.analyst] -= 1
                self._running += Counter()  # forget who runs nothing
                self._changed.notify_all()

    def _take(self, slot: Reservation) -> bool:
        """Take a place, if it is this one's turn: of those who wait, the first of an analyst with the fewest places."""
        places = self._places()
        if slot is not min(self._waiting, key=lambda each: places[each.analyst]):
            return False
        if places.total() >= self._limit and not self._give_up_one(slot.analyst):
            return False
        self._reserved[slot] = self._clock()
        return True

    def _places(self) -> Counter[str]:
        """How many each analyst has, running and reserved."""
        return self._running + Counter(slot.analyst for slot in self._reserved)

    def _give_up_one(self, asker: str) -> bool:
        oldest = next(iter(self._reserved), None)
        if oldest is None or self._clock() - self._reserved[oldest] < UNUSED_S:
            oldest = self._of_whom_has_more(asker)
        if oldest is None:
            return False
        del self._reserved[oldest]
        return True

    def _of_whom_has_more(self, asker: str) -> Reservation | None:
        """The oldest reserved place of the analyst with most places, if the asker would still have no more than that one."""
        places = self._places()
        oldest = max(self._reserved, key=lambda slot: places[slot.analyst], default=None)
        return None if oldest is None or places[oldest.analyst] <= places[asker] + 1 else oldest


class Reservation:
    """One place, reserved by one question.

    Attributes:
        analyst: who asks it.
    """

    def __init__(self, slots: ConcurrencyLimit, analyst: str) -> None:
        """Belong to a node's places."""
        self.analyst = analyst
        self._slots = slots

    @property
    def is_reserved(self) -> bool:
        """Whether it is still kept."""
        return self._slots.is_reserved(self)

    def running(self) -> AbstractContextManager[None]:
        """See ``ConcurrencyLimit.running``."""
        return self._slots.running(self)

    def release(self) -> None:
        """See ``ConcurrencyLimit.release``."""
        self._slots.release(self)

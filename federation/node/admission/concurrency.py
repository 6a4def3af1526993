"""Limits how many questions one node answers at a time; decides before the charge.

Layer:       federation.node.admission.concurrency. No socket, no ledger.
Terms:       a place is reserved by a request and taken by its run; a reserved place that stays unused goes to the
             next request after a while.
Guarantees:  when every place is in use, a request waits as long as it allows and is then refused; a refusal charges
             nothing. Next is the first request of the analyst with the fewest places. Unused reservations of one
             analyst do not block another: of two analysts, the one with more places loses a reserved place to the
             other. A charged request runs even if its place was given to another: after the charge, load decides
             nothing (P1).
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
    """The places of a node. Safe for several threads."""

    def __init__(self, *, site: str, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Start with all places free.

        Args:
            site: the name of this node, for the refusal.
            limit: the number of questions at a time.
            clock: a monotonic clock (s).
        """
        self._site, self._limit, self._clock = site, limit, clock
        self._changed = threading.Condition()
        self._waiting: dict[Reservation, None] = {}  # in the order of their arrival
        self._reserved: OrderedDict[Reservation, float] = OrderedDict()
        self._running: Counter[str] = Counter()  # by analyst

    def reserve(
        self, analyst: str, *, patience_s: float = 0.0, has_left: Callable[[], bool] = lambda: False
    ) -> Reservation:
        """Reserve a place for a question of an analyst; wait for a turn if necessary.

        Args:
            analyst: the requesting analyst.
            patience_s: the longest wait, at most ``LONGEST_WAIT_S`` (s).
            has_left: whether the caller has closed its channel, which ends the wait.

        Raises:
            SiteBusyError: every place is in use, and none became free in that time.
        """
        slot = Reservation(self, analyst)
        ends_at = self._clock() + min(patience_s, LONGEST_WAIT_S)
        with self._changed:
            self._waiting[slot] = None
            try:
                while not self._take(slot):
                    left_s = ends_at - self._clock()
                    if left_s <= 0 or has_left():
                        reason = (
                            f"{self._limit} questions are in progress here, the maximum by limits.sessions"
                        )
                        raise SiteBusyError(site=self._site, reason=reason)
                    self._changed.wait(min(left_s, POLL_S))
            finally:
                del self._waiting[slot]
                self._changed.notify_all()
        return slot

    def is_reserved(self, slot: Reservation) -> bool:
        """Whether a place is still reserved."""
        with self._changed:
            return slot in self._reserved

    def release(self, slot: Reservation) -> None:
        """Release an unused place; may be called twice."""
        with self._changed:
            self._reserved.pop(slot, None)
            self._changed.notify_all()

    @contextmanager
    def running(self, slot: Reservation) -> Iterator[None]:
        """Run in a reserved place, or beside all places if it was given to another request after the charge."""
        with self._changed:
            self._reserved.pop(slot, None)
            self._running[slot.analyst] += 1
        try:
            yield
        finally:
            with self._changed:
                self._running[slot.analyst] -= 1
                self._running += Counter()  # drop analysts without a running question
                self._changed.notify_all()

    def _take(self, slot: Reservation) -> bool:
        """Take a place if it is this request's turn: the first request of an analyst with the fewest places."""
        places = self._places()
        if slot is not min(self._waiting, key=lambda each: places[each.analyst]):
            return False
        if places.total() >= self._limit and not self._give_up_one(slot.analyst):
            return False
        self._reserved[slot] = self._clock()
        return True

    def _places(self) -> Counter[str]:
        """The running and reserved places of each analyst."""
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
        """The oldest reserved place of the analyst with most places, if ``asker`` then has no more places."""
        places = self._places()
        oldest = max(self._reserved, key=lambda slot: places[slot.analyst], default=None)
        return None if oldest is None or places[oldest.analyst] <= places[asker] + 1 else oldest


class Reservation:
    """One place, reserved by one question.

    Attributes:
        analyst: the requesting analyst.
    """

    def __init__(self, slots: ConcurrencyLimit, analyst: str) -> None:
        """Create a reservation of a node's places."""
        self.analyst = analyst
        self._slots = slots

    @property
    def is_reserved(self) -> bool:
        """Whether the place is still reserved."""
        return self._slots.is_reserved(self)

    def running(self) -> AbstractContextManager[None]:
        """See ``ConcurrencyLimit.running``."""
        return self._slots.running(self)

    def release(self) -> None:
        """See ``ConcurrencyLimit.release``."""
        self._slots.release(self)

"""The client queues: where a site has no capacity for one more question, the client frees its other reservations and waits.

Layer:       federation.client.queueing, above ``federation.protocol``.
Guarantees:  a question waits at one site at a time and holds no reservation meanwhile, so that two clients never wait
             for each other. It waits ``PATIENCE_S`` at most and logs that it waits; then the error names the site and
             its limit. No charge is made before all sites have a reservation for the question.
See instead: the order of waiting questions at a site (``federation.node.admission.concurrency``), one visit to all
             sites (``visit``), the question itself (``session``).
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TypeVar

from federation.errors import FederationError, SiteBusyError, SiteUnavailableError
from federation.protocol.messages import Accepted, Ask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from federation.protocol.channel_pool import Exchange

LOG: Final = logging.getLogger(__name__)
T = TypeVar("T")
PATIENCE_S: Final = 60.0
FIRST_PAUSE_S, LAST_PAUSE_S = 0.02, 1.0
MOST_AT_ONCE: Final = 48  # questions of one client: a node takes only so many connections of one member


class QuestionQueue:
    """Limits and queues one session's questions. Safe for several threads.

    Attributes:
        patience_s: seconds that a question waits for its reservations.
    """

    def __init__(self, *, answer_s: float, patience_s: float = PATIENCE_S, most: int = MOST_AT_ONCE) -> None:
        """Create it with no question under way.

        Args:
            answer_s: longest wait for a site's answer, once it is this question's turn (s).
            patience_s: seconds that a question waits for its reservations.
            most: questions of this session under way at once.
        """
        self.patience_s = patience_s
        self._answer_s, self._most = answer_s, most
        self._own = threading.Semaphore(most)

    @contextmanager
    def own(self) -> Iterator[None]:
        """Wait until fewer than ``most`` questions of this session are under way.

        Raises:
            FederationError: no other question ended in time.
        """
        if not self._own.acquire(timeout=self.patience_s):
            reason = f"{self._most} questions of this session are under way, and none ended"
            raise FederationError(f"{reason} within {self.patience_s:g} s; nothing was spent")
        try:
            yield
        finally:
            self._own.release()

    def answered(self, exchange: Exchange, ask: Ask, visit: Callable[[], T]) -> T:
        """Visit all sites; where one has no capacity, wait for a place there and visit them again.

        Args:
            exchange: channels to every site.
            ask: the signed request.
            visit: one visit; after an error no site keeps anything of the request for this client.

        Raises:
            SiteUnavailableError: a site had no capacity for too long; nothing was spent.
        """
        ends_at, first, pause_s = time.monotonic() + self.patience_s, None, FIRST_PAUSE_S
        while True:
            try:
                if first is not None:
                    self._reserve(exchange, ask, first, ends_at)
                return visit()
            except SiteBusyError as error:
                if first is not None and error.site != first:
                    exchange.release([first], self._answer_s)
                if time.monotonic() >= ends_at:
                    reason = f"{error.reason}; the site had no capacity within {self.patience_s:g} s"
                    raise SiteUnavailableError(site=error.site, reason=reason) from error
                if first is None:
                    LOG.warning(
                        "%s: %s; waiting for a reservation, %g s at most",
                        error.site,
                        error.reason,
                        self.patience_s,
                    )
                first = error.site if error.site in exchange.channels else None
                # a site that stays busy and does not queue the question is asked more and more rarely
                time.sleep(pause_s)
                pause_s = min(2 * pause_s, LAST_PAUSE_S)

    def _reserve(self, exchange: Exchange, ask: Ask, site: str, ends_at: float) -> None:
        """Wait for a place at one site."""
        left_s = max(0.0, ends_at - time.monotonic())
        queued = Ask(request=ask.request, signature=ask.signature, patience_ms=int(1000 * left_s))
        exchange.ask_one(site, queued, Accepted, timeout_s=left_s + self._answer_s)

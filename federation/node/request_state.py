"""The states of a request at one site, and what may happen in each: asked, admitted, charged, started, answered.

Layer:       federation.node.request_state, above admission. No socket, no ledger.
Terms:       a *caller* is the channel of the analyst that waits for the answer. A proposal is *void* once it can never
             be complete.
Guarantees:  one holder per request hash, whether the analyst's message or the sequencer's proposal arrives first. A
             place is reserved at the proposal, without waiting, and released when the proposal is void and no caller
             waits, when the caller leaves before a proposal, and when the run ends. From the charge on a caller
             decides nothing: the run starts without one, and its answer is kept for ``KEEP_S`` at most.
See instead: who causes the changes (``query_service``), the places (``admission.concurrency``).
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Final

from federation.errors import RequestRejectedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from federation.node.admission.concurrency import ConcurrencyLimit, Reservation
    from federation.node.admission.queries import AdmittedRequest
    from federation.protocol.messages import Share

KEEP_S: Final = 30.0
MOST_KEPT: Final = 256


class State(Enum):
    """How far a request has come at this site."""

    ASKED = "asked"
    """The analyst waits, or a place is reserved for them; this site has decided nothing."""
    ADMITTED = "admitted"
    """This site has checked plan, policy, budget and place for a proposal, and may have signed it."""
    CHARGED = "charged"
    """The complete entry is in this site's ledger: the cost is spent, and the run starts by itself."""
    STARTED = "started"
    """The start is noted durably; this site reads its rows."""
    ANSWERED = "answered"
    """The answer, or the error of the run, is there."""
    OVER = "over"
    """This site holds nothing of it any more."""


MAY_BECOME: Final[Mapping[State, frozenset[State]]] = {
    State.ASKED: frozenset({State.ADMITTED, State.OVER}),
    State.ADMITTED: frozenset({State.ADMITTED, State.ASKED, State.CHARGED, State.OVER}),
    State.CHARGED: frozenset({State.STARTED, State.ANSWERED}),
    State.STARTED: frozenset({State.ANSWERED}),
    State.ANSWERED: frozenset({State.OVER}),
    State.OVER: frozenset(),
}
"""ADMITTED becomes ASKED again when its proposal is void and the analyst still waits."""


@dataclass(slots=True, eq=False)
class OpenRequest:
    """One request under way at this site.

    Attributes:
        known: the request as this site derived it.
        state: see ``State``.
        place: its place among the site's questions, once reserved.
        has_caller: whether a channel of its analyst waits.
        number: of the proposed or complete entry.
        session: of the run under the proposed entry, once this site has signed it; empty before.
        cost: what the answer says of the analyst's exact requests before this one.
        answer: the share, or the error of the run.
        answered_s: when the answer was there (s, monotonic).
    """

    known: AdmittedRequest
    state: State = State.ASKED
    place: Reservation | None = None
    has_caller: bool = False
    number: int | None = None
    session: bytes = b""
    cost: Mapping[str, str] = field(default_factory=dict)
    answer: Future[Share] = field(default_factory=Future)
    answered_s: float = 0.0

    @property
    def digest(self) -> str:
        """The request hash."""
        return self.known.planned.digest


class RequestStates:
    """The requests under way at one site. Safe for several threads."""

    def __init__(
        self, *, site: str, places: ConcurrencyLimit, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Start without requests.

        Args:
            site: the name of this site, for errors.
            places: the places of this site.
            clock: a monotonic clock (s).
        """
        self.site, self.places, self._clock = site, places, clock
        self._lock = threading.Lock()
        self._open: OrderedDict[str, OpenRequest] = OrderedDict()

    def __len__(self) -> int:
        """The requests under way, kept answers included."""
        with self._lock:
            return len(self._open)

    def find(self, digest: str) -> OpenRequest | None:
        """The request under way with this hash; expired answers are dropped."""
        with self._lock:
            self._drop_expired()
            return self._open.get(digest)

    def attach(self, known: AdmittedRequest) -> OpenRequest:
        """Take a channel of the request's analyst as its caller.

        Raises:
            RequestRejectedError: another channel waits for this request.
        """
        with self._lock:
            self._drop_expired()
            request = self._of(known)
            if request.has_caller:
                raise RequestRejectedError(
                    site=self.site, reason="this request is under way on another channel"
                )
            request.has_caller = True
            return request

    def reserve(self, request: OpenRequest, *, patience_s: float, has_left: Callable[[], bool]) -> None:
        """Reserve a place for a request before any proposal; waits for a turn.

        Raises:
            SiteBusyError: no place became free in that time.
        """
        analyst = request.known.planned.request.analyst
        place = self.places.reserve(analyst, patience_s=patience_s, has_left=has_left)
        with self._lock:
            is_needed = request.state is State.ASKED and request.place is None
            if is_needed:
                request.place = place
        if not is_needed:
            place.release()

    def leave(self, request: OpenRequest) -> None:
        """The caller is gone, or wants the request no more: without a proposal nothing is left of it."""
        with self._lock:
            request.has_caller = False
            if request.state is State.ASKED:
                self._drop(request)

    def admit(self, known: AdmittedRequest, *, number: int, cost: Mapping[str, str]) -> OpenRequest:
        """A proposal holds this request: reserve its place, without waiting.

        Raises:
            SiteBusyError: every place is in use.
            RequestRejectedError: the request was charged before.
        """
        with self._lock:
            request = self._of(known)
            try:
                self._become(request, State.ADMITTED)
                if request.place is None or not request.place.is_reserved:
                    request.place = self.places.reserve(known.planned.request.analyst)
            except BaseException:
                if request.state is State.ADMITTED:
                    self._undecide(request)
                raise
            request.number, request.cost = number, cost
            return request

    def signed(self, digest: str, session: bytes) -> None:
        """This site has signed the proposed entry of a request, whose run has this session."""
        with self._lock:
            request = self._open.get(digest)
            if request is not None and request.state is State.ADMITTED:
                request.session = session

    def void(self, first: int, last: int | None = None) -> list[bytes]:
        """What was proposed for these numbers, without a last one from ``first`` on, will never be complete.

        Returns:
            The sessions that will never run.
        """
        sessions = []
        with self._lock:
            proposed = [each for each in self._open.values() if each.state is State.ADMITTED]
            for request in proposed:
                if request.number is not None and first <= request.number <= (last or request.number):
                    sessions.append(request.session)
                    self._undecide(request)
        return sessions

    def refused(self, request: OpenRequest) -> bytes:
        """At the sequencer: the charge has failed, so that no proposal holds the request any more; its session."""
        with self._lock:
            session = request.session
            if request.state is State.ADMITTED:
                self._undecide(request)
            return session

    def charged(self, known: AdmittedRequest, *, number: int) -> OpenRequest | None:
        """The entry of a request is complete, and this site has signed it; None if that was reported before."""
        with self._lock:
            request = self._of(known)
            if request.state is State.ASKED:
                self._become(request, State.ADMITTED)
            if request.state is not State.ADMITTED:
                return None
            self._become(request, State.CHARGED)
            request.number = number
            return request

    def started(self, request: OpenRequest) -> None:
        """The start of the run is noted."""
        with self._lock:
            self._become(request, State.STARTED)

    def answered(self, request: OpenRequest) -> None:
        """The run has ended, with an answer or an error."""
        with self._lock:
            self._become(request, State.ANSWERED)
            request.answered_s = self._clock()
            self._open.move_to_end(request.digest)
            kept = [each for each in self._open.values() if each.state is State.ANSWERED]
            for each in kept[: max(0, len(kept) - MOST_KEPT)]:
                if not each.has_caller:
                    self._drop(each)

    def delivered(self, request: OpenRequest) -> None:
        """The caller has the answer: it is given once."""
        with self._lock:
            if request.state is State.ANSWERED:
                self._drop(request)

    def _of(self, known: AdmittedRequest) -> OpenRequest:
        return self._open.setdefault(known.planned.digest, OpenRequest(known=known))

    def _become(self, request: OpenRequest, state: State) -> None:
        if state not in MAY_BECOME[request.state]:
            raise RequestRejectedError(
                site=self.site,
                reason=f"the request is {request.state.value} already, not to be {state.value}",
            )
        request.state = state

    def _undecide(self, request: OpenRequest) -> None:
        self._become(request, State.ASKED)
        request.number, request.session = None, b""
        if not request.has_caller:
            self._drop(request)

    def _drop(self, request: OpenRequest) -> None:
        self._become(request, State.OVER)
        self._open.pop(request.digest, None)
        if request.place is not None:
            request.place.release()

    def _drop_expired(self) -> None:
        ends_s = self._clock() - KEEP_S
        for request in list(self._open.values()):
            if request.state is State.ANSWERED and not request.has_caller and request.answered_s < ends_s:
                self._drop(request)

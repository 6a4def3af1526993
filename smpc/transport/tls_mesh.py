"""A session's mesh over TLS connections, all of them served by the thread that calls.

Layer:       smpc.transport.tls_mesh.
Terms:       a link is busy while its peer owes a frame or has not taken all of ours.
Guarantees:  sending and receiving are interleaved over all links, so that no size of payload blocks two parties on
             each other. A killed peer is named as soon as its connection or heartbeat ends, a frozen, slow or
             trickling one at the deadline of the exchange, a quarter of it later where several are late; a peer whose
             frame has arrived by then is never blamed. A party that leaves because of another names that one.
See instead: how links come about (``session_setup``), what becomes of their connections (``connection_pool``).
"""

from __future__ import annotations

import select
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from smpc.errors import PartyLostError, PeerRejectedError
from smpc.transport.deadline import Patience
from smpc.transport.mesh import DOUBT, Counters, Mesh, culprit_of
from smpc.transport.wire.frames import LARGEST_OPERATION, Kind
from smpc.transport.wire.handshake import AbortCause, encode_abort

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from smpc.transport.connection_pool import ConnectionPool
    from smpc.transport.link import FaultAttribution, Link
    from smpc.transport.mesh import FirstFrame

_CLOSED: Final = "the session is closed here"


def abort_of(error: BaseException, members: tuple[str, ...], own: str) -> bytes:
    """Return the payload of the ABORT with which a party leaves because of an error."""
    match error:
        case PartyLostError():
            cause = AbortCause.LOST
        case PeerRejectedError():
            cause = AbortCause.REJECTED
        case _:
            cause = AbortCause.FAILED
    return encode_abort(cause, culprit_of(error, members, own))


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """A party's place in one session.

    Attributes:
        own: own name.
        names: the computing parties in rank order.
        helper: the dealer, if the session has one.
    """

    own: str
    names: tuple[str, ...]
    helper: str | None

    def __post_init__(self) -> None:
        """Refuse a session with a name twice, or without this party."""
        if len(set(self.members)) != len(self.members) or not self.names:
            raise PeerRejectedError(reason="two parties of the session have the same name, or there is none")
        if self.own not in self.members:
            raise PeerRejectedError(reason="this party does not take part")

    @property
    def members(self) -> tuple[str, ...]:
        """All members of the session, the helper last."""
        return self.names if self.helper is None else (*self.names, self.helper)

    @property
    def peers(self) -> tuple[str, ...]:
        """All members with which this party has a link."""
        return tuple(name for name in self.members if name != self.own)

    @property
    def rank(self) -> int:
        """Own place among the computing parties, -1 for the helper."""
        return self.names.index(self.own) if self.own in self.names else -1


class TlsMesh(Mesh):
    """One party's end, from ``DataPlane.open_mesh``. ``exchange`` belongs to one thread, ``close`` to any."""

    def __init__(
        self,
        seat: Seat,
        links: Mapping[str, Link],
        attribution: FaultAttribution,
        pool: ConnectionPool,
        *,
        deadline_s: float,
        delay_s: float,
        on_left: Callable[[bytes | None], None],
        first: FirstFrame | None = None,
    ) -> None:
        """Take over the links of an open session.

        Args:
            seat: who takes part.
            links: every peer's link, leased.
            attribution: knows the heartbeats since the session began.
            pool: the pool that takes the connections afterwards.
            deadline_s: longest time of one exchange (s); twice that where the helper owes a frame, ``DOUBT`` of it
                more where several peers are late.
            delay_s: time that every frame is under way (s), to see what a distance costs.
            on_left: called once when the connections were given back, with the ABORT payload after an error.
            first: the frames of the first exchange, which were sent while the session was opened.
        """
        self.names = seat.names
        self.rank = seat.rank
        self.helper = seat.helper
        self.counters = Counters()
        self._seat = seat
        self._links = dict(links)
        self._by_number = {link.connection.fileno(): link for link in links.values()}
        self._attribution = attribution
        self._pool = pool
        self._deadline_s = deadline_s
        self._delay_s = delay_s
        self._late_s = 0.0
        self._on_left, self._first = on_left, first
        self._busy = threading.Lock()
        self._closing = threading.Lock()
        self._is_closed = False
        self._has_failed = False
        self._received: dict[str, bytes] = {}
        self._abort: bytes | None = None

    def __repr__(self) -> str:
        """Name the party only."""
        return f"TlsMesh({self._seat.own})"

    def exchange(
        self, kind: int, outgoing: Mapping[str, bytes | memoryview], expected: Mapping[str, int]
    ) -> dict[str, bytes]:
        """See ``Mesh.exchange``; after one that failed there is no other."""
        for peer in (*outgoing, *expected):
            if peer not in self._seat.peers:
                raise PeerRejectedError(reason="not a peer of this session", name=peer)
        if not 0 <= kind <= LARGEST_OPERATION:
            raise PeerRejectedError(reason="frame of unknown kind")
        try:
            with self._busy:
                if self._is_closed or self._has_failed:
                    raise PeerRejectedError(reason=_CLOSED)
                self._has_failed = True
                self.counters.count(outgoing)
                received = self._round(kind, outgoing, expected)
                self._has_failed = False
                return received
        finally:
            self._leave_if_closed()

    def has_ended(self, peer: str) -> bool:
        """See ``Mesh.has_ended``."""
        return peer in self._links and self._links[peer].has_ended

    def has_spoken(self, peer: str) -> bool:
        """See ``Mesh.has_spoken``."""
        return peer in self._received or (
            peer in self._links and self._links[peer].connection.has_begun_frame
        )

    def close(self, error: BaseException | None = None) -> None:
        """See ``Mesh.close``; the thread of a running exchange leaves for us, within 50 ms."""
        with self._closing:
            if self._is_closed:
                return
            if error is not None:
                self._abort = abort_of(error, self._seat.members, self._seat.own)
            self._is_closed = True
        self._leave_if_closed()

    # -- one round ---------------------------------------------------------------------------------

    def _round(
        self, kind: int, outgoing: Mapping[str, bytes | memoryview], expected: Mapping[str, int]
    ) -> dict[str, bytes]:
        first, self._first = self._first, None
        if first is not None:
            first.check(kind, outgoing)
            outgoing = {}
        self._travel(is_sending=bool(outgoing), is_waiting=bool(expected))
        # the helper waits for every party before it answers, and should be the first to say who is late
        patience = 2 if self.helper in expected else 1
        waits = Patience(patience * self._deadline_s, DOUBT * self._deadline_s, self._watch)
        for peer, payload in outgoing.items():
            self._links[peer].connection.begin_send(kind, payload)
        received: dict[str, bytes] = {}
        self._received = received
        for peer, link in self._links.items():
            if peer in expected:
                link.expect(kind, expected[peer])
            else:
                link.peek()
            self._pump(link, received, can_read=False)
        self._finish(waits, received)
        self._received = {}
        return {peer: received[peer] for peer in expected}

    def _travel(self, *, is_sending: bool, is_waiting: bool) -> None:
        """Let frames arrive ``delay_s`` later than they are sent.

        Sleeping before a frame that no peer answers makes this party late itself, which it is not over a distance; so
        what it sends after that leaves that much earlier.
        """
        if self._delay_s and is_sending:
            time.sleep(max(0.0, self._delay_s - self._late_s))
            self._late_s = self._delay_s
        if is_waiting:
            self._late_s = 0.0

    def _finish(self, waits: Patience, received: dict[str, bytes]) -> None:
        """Serve all links until none is busy."""
        poller, events = select.poll(), dict.fromkeys(self._by_number, 0)
        while busy := [link.name for link in self._links.values() if link.is_busy]:
            for number, link in self._by_number.items():
                wanted = link.connection.wanted_events()
                if wanted and wanted != events[number]:
                    poller.register(number, wanted)
                elif not wanted and events[number]:
                    poller.unregister(number)
                events[number] = wanted
            try:
                timeout_ms = waits.poll_ms(len(busy))
            except TimeoutError as error:
                raise self._attribution.late(busy[0]) from error
            for number, _ in poller.poll(timeout_ms):
                self._pump(self._by_number[number], received)

    def _pump(self, link: Link, received: dict[str, bytes], *, can_read: bool = True) -> None:
        payload = self._attribution.pump(link, can_read=can_read, links=self._links.values())
        if payload is not None:
            received[link.name] = payload

    def _watch(self) -> None:
        if self._is_closed:
            raise PeerRejectedError(reason=_CLOSED)
        self._dismiss_helper()
        self._attribution.check()

    def _dismiss_helper(self) -> None:
        """Stop watching a helper that has sent END: no party needs it any more."""
        link = self._links.get(self.helper or "")
        if link is not None and not link.is_busy:
            if not link.has_ended:
                self._attribution.pump(link)
            if link.has_ended:
                self._attribution.dismiss(link.name)

    # -- the end -----------------------------------------------------------------------------------

    def _leave_if_closed(self) -> None:
        """Give the connections back, unless another thread is in an exchange: that one does it then."""
        if not self._is_closed or not self._busy.acquire(blocking=False):
            return
        try:
            links, self._links = self._links, {}
            for link in links.values():
                self._give_back(link)
        finally:
            self._busy.release()
        if links:
            self._on_left(self._abort)

    def _give_back(self, link: Link) -> None:
        connection = link.connection
        is_whole = connection.is_between_frames and not connection.has_begun_frame
        if self._abort is None and is_whole:
            self._pool.end(connection, is_dialed=link.is_dialed, has_heard_end=link.has_ended)
            return
        abort = self._abort or encode_abort(AbortCause.FAILED, self._seat.own)
        self._pool.part(connection, Kind.ABORT, abort)

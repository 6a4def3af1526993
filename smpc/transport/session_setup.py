"""Setting up a session: the party with the lower name leases a connection, the other one claims it.

Layer:       smpc.transport.session_setup.
Guarantees:  links are complete only when every peer has joined the same session with the same request; while waiting
             for one peer, the party also reads messages of the others and heartbeats. A party that gives up names the
             party at fault.
See instead: the connections there are (``connection_pool``), what is sent afterwards (``tls_mesh``).
"""

from __future__ import annotations

import select
import time
from typing import TYPE_CHECKING

from smpc.errors import PeerRejectedError
from smpc.transport.connecting.endpoint import DIAL_S, Address, Endpoint
from smpc.transport.deadline import Deadline
from smpc.transport.link import FaultAttribution, Link
from smpc.transport.tls_mesh import Seat, abort_of
from smpc.transport.wire.frames import NO_SESSION, Kind, session_tag
from smpc.transport.wire.handshake import REFUSAL_TEXT, Lease, Refusal, encode_lease, encode_refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from smpc.transport.connection_pool import ConnectionPool
    from smpc.transport.mesh import FirstFrame


class SessionSetup:
    """One session being opened at one party; belongs to the thread that opens it."""

    def __init__(  # noqa: PLR0913 - independent settings, by keyword
        self,
        endpoint: Endpoint,
        addresses: Mapping[str, Address],
        pool: ConnectionPool,
        *,
        seat: Seat,
        lease: Lease,
        attribution: FaultAttribution,
        watch: Callable[[], None],
        delay_s: float = 0.0,
        first: FirstFrame | None = None,
    ) -> None:
        """Begin with no link.

        Args:
            endpoint: own identity.
            addresses: name -> host and port.
            pool: the pool of idle connections and leases.
            seat: who takes part.
            lease: what all parties must hold alike.
            attribution: knows the heartbeats since now.
            watch: raises when this node is stopping.
            delay_s: time that a lease, and its answer, is under way (s), to see what a distance costs.
            first: the frames that each peer gets with the lease, or with the answer to its own.
        """
        self._kind = 0 if first is None else first.kind
        self._payloads = {} if first is None else first.payloads
        self._endpoint = endpoint
        self._addresses = addresses
        self._pool = pool
        self._seat = seat
        self._lease = lease
        self._attribution = attribution
        self._outer_watch = watch
        self._delay_s = delay_s
        self._links: dict[str, Link] = {}

    def run(self, deadline_s: float) -> dict[str, Link]:
        """Return every peer's link, in the order of the members.

        Raises:
            PartyLostError: a peer is dead, left, or has not joined in time.
            PeerRejectedError: a peer refuses, is refused, or this node is stopping.
        """
        deadline = Deadline(deadline_s, self._watch)
        try:
            self._lease_all(deadline)
            self._claim_all(deadline)
            self._await_answers(deadline)
        except BaseException as error:
            self._give_up(error)
            raise
        return {peer: self._links[peer] for peer in self._seat.peers}

    def _lease_all(self, deadline: Deadline) -> None:
        """Send a lease to every peer of higher name."""
        time.sleep(self._delay_s)
        for peer in self._seat.peers:
            if self._seat.own > peer:
                continue
            connection = self._pool.take(peer) or self._endpoint.dial(
                self._addresses[peer],
                peer,
                "data",
                deadline_s=min(DIAL_S, deadline.remaining_s),
                watch=self._watch,
            )
            connection.bind(NO_SESSION)
            connection.begin_send(Kind.LEASE, encode_lease(self._lease))
            connection.bind(session_tag(self._lease.session_id))
            self._add(Link(connection, self._seat.members, is_dialed=True))

    def _claim_all(self, deadline: Deadline) -> None:
        """Take the connections that peers of lower name leased, and say that this party has joined."""
        delay_s = self._delay_s
        for peer in self._seat.peers:
            if self._seat.own < peer:
                continue
            try:
                connection, lease = self._pool.claim(self._lease.session_id, peer, deadline)
            except TimeoutError as error:
                raise self._attribution.late(peer) from error
            if lease != self._lease:
                self._pool.part(connection, Kind.REFUSAL, encode_refusal(Refusal.REQUEST))
                raise PeerRejectedError(reason=REFUSAL_TEXT[Refusal.REQUEST], name=peer)
            time.sleep(delay_s)
            delay_s = 0.0  # the others' leases came meanwhile
            connection.begin_send(Kind.LEASED, b"")
            self._add(Link(connection, self._seat.members, is_dialed=False))

    def _await_answers(self, deadline: Deadline) -> None:
        while True:
            waiting = [link for link in self._links.values() if link.is_busy]
            try:
                timeout_ms = deadline.poll_ms()
            except TimeoutError as error:
                late = next(
                    (link.name for link in waiting if link.is_busy), None
                )  # the watch has just looked
                if late is None:
                    return
                raise self._attribution.late(late) from error
            waiting = [link for link in waiting if link.is_busy]
            if not waiting:
                return
            poller = select.poll()
            for link in waiting:
                poller.register(link.connection, link.connection.wanted_events())
            poller.poll(timeout_ms)

    def _add(self, link: Link) -> None:
        self._links[link.name] = link
        if link.name in self._payloads:
            link.connection.begin_send(self._kind, self._payloads[link.name])
        link.peek()
        self._attribution.pump(link, links=self._links.values())

    def _watch(self) -> None:
        self._outer_watch()
        self._attribution.check()
        for link in self._links.values():
            link.peek()
            self._attribution.pump(link, links=self._links.values())

    def _give_up(self, error: BaseException) -> None:
        abort = abort_of(error, self._seat.members, self._seat.own)
        for link in self._links.values():
            self._pool.part(link.connection, Kind.ABORT, abort)
        self._pool.over(self._lease.session_id, abort)

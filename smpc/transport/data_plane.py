"""The data plane of a node: it runs sessions over leased TLS connections.

Layer:       smpc.transport.data_plane.
Terms:       the helper (the dealer) takes part with rank -1: it has a link to every party, and every party one to it.
Guarantees:  one connection per pair and session, dialed by the lower name, used again after a clean end and closed
             after any other; a session id is opened once here, whatever became of it.
See instead: the control connections whose heartbeats are read here (``heartbeat``).
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

from smpc.errors import PartyLostError, PeerRejectedError
from smpc.transport.connection_pool import MOST_PER_PEER, ConnectionPool
from smpc.transport.link import FaultAttribution
from smpc.transport.session_setup import SessionSetup
from smpc.transport.tls_mesh import Seat, TlsMesh, abort_of
from smpc.transport.wire.handshake import Lease

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from smpc.transport.connecting.endpoint import Address, Endpoint
    from smpc.transport.connection import Connection
    from smpc.transport.liveness import Liveness
    from smpc.transport.mesh import FirstFrame, Mesh

DEADLINE_S: Final = 30.0
HOLD_S: Final = 30.0
SETTLE_S: Final = 2.0
_STOP_S: Final = 5.0


class DataPlane:
    """Opens the sessions of this node; ``open_mesh`` may be called by any number of threads."""

    def __init__(
        self,
        endpoint: Endpoint,
        addresses: Mapping[str, Address],
        liveness: Liveness,
        *,
        hold_s: float = HOLD_S,
        settle_s: float = SETTLE_S,
        delay_s: float = 0.0,
        most_per_peer: int = MOST_PER_PEER,
    ) -> None:
        """Start the connection pool's thread.

        Args:
            endpoint: own identity.
            addresses: name -> host and port of every other node.
            liveness: what the heartbeats say of every other node.
            hold_s: how long a peer's lease may wait for its session to be opened here (s).
            settle_s: how long a peer may be without heartbeat when a session is opened, as at start-up (s).
            delay_s: time that every frame is under way (s), to see what a distance costs.
            most_per_peer: idle connections kept with one peer, in each direction.
        """
        self._endpoint = endpoint
        self._addresses = dict(addresses)
        self._liveness = liveness
        self._settle_s = settle_s
        self._delay_s = delay_s
        self._pool = ConnectionPool(
            endpoint.name, endpoint.configuration, hold_s, most_per_peer=most_per_peer
        )
        self._changed = threading.Condition()
        self._is_stopping = False
        self._open: dict[bytes, TlsMesh | None] = {}  # None while it is being opened

    def __repr__(self) -> str:
        """Name the party only."""
        return f"DataPlane({self._endpoint.name})"

    def handler(self, connection: Connection) -> None:
        """Take an accepted connection: the listener's handler for "data"."""
        self._pool.adopt(connection.hand_over())

    def open_mesh(
        self,
        session_id: bytes,
        request_hash: bytes,
        names: Sequence[str],
        helper: str | None = None,
        *,
        deadline_s: float = DEADLINE_S,
        first: FirstFrame | None = None,
    ) -> Mesh:
        """Open a session with its other parties, who call this with the same arguments.

        Args:
            session_id: 32 bytes, never used before.
            request_hash: 32 bytes; the parties find out here when they mean different requests.
            names: the computing parties in rank order.
            helper: name of the dealer, who calls this too.
            deadline_s: limit for the opening, and for each exchange afterwards (s).
            first: the frames of the first exchange, sent while the session is opened.

        Returns:
            This party's end; it belongs to the calling thread.

        Raises:
            PartyLostError: a peer is dead, left, or has not joined in time.
            PeerRejectedError: the id was opened here before, a peer refuses or is refused, or this node is
            stopping.
        """
        lease = Lease(
            session_id=session_id, request_hash=request_hash, configuration=self._endpoint.configuration
        )
        seat = Seat(own=self._endpoint.name, names=tuple(names), helper=helper)
        unknown = next((peer for peer in seat.peers if peer not in self._addresses), None)
        if unknown is not None:
            raise PeerRejectedError(reason="no address is known", name=unknown)
        self._begin(session_id)
        mesh = None
        try:
            mesh = self._join(seat, lease, deadline_s, first)
        finally:
            with self._changed:
                if mesh is None:
                    del self._open[session_id]
                    self._changed.notify_all()
        return mesh

    def stop(self) -> None:
        """Leave every session, close every connection, end the thread; may be called twice."""
        with self._changed:
            self._is_stopping = True
            meshes = [mesh for mesh in self._open.values() if mesh is not None]
        for mesh in meshes:
            mesh.close(PeerRejectedError(reason="this node is stopping"))
        end = time.monotonic() + _STOP_S
        with self._changed:
            while self._open and (remaining_s := end - time.monotonic()) > 0:
                self._changed.wait(remaining_s)
        self._pool.stop()

    def _begin(self, session_id: bytes) -> None:
        with self._changed:
            self._watch()
            self._pool.begin(session_id)
            self._open[session_id] = None

    def _join(self, seat: Seat, lease: Lease, deadline_s: float, first: FirstFrame | None) -> TlsMesh:
        missing = self._liveness.wait_alive(seat.peers, min(self._settle_s, deadline_s))
        if missing is not None:
            lost = PartyLostError(name=missing)
            self._pool.over(lease.session_id, abort_of(lost, seat.members, seat.own))
            raise lost
        attribution = FaultAttribution(self._liveness, seat.peers)
        opening = SessionSetup(
            self._endpoint,
            self._addresses,
            self._pool,
            seat=seat,
            lease=lease,
            attribution=attribution,
            watch=self._watch,
            delay_s=self._delay_s,
            first=first,
        )
        mesh = TlsMesh(
            seat,
            opening.run(deadline_s),
            attribution,
            self._pool,
            deadline_s=deadline_s,
            delay_s=self._delay_s,
            on_left=lambda abort: self._left(lease.session_id, abort),
            first=first,
        )
        with self._changed:
            self._open[lease.session_id] = mesh
            is_stopping = self._is_stopping
        if is_stopping:
            mesh.close(PeerRejectedError(reason="this node is stopping"))
        return mesh

    def _left(self, session_id: bytes, abort: bytes | None) -> None:
        self._pool.over(session_id, abort)
        with self._changed:
            self._open.pop(session_id, None)
            self._changed.notify_all()

    def _watch(self) -> None:
        if self._is_stopping:
            raise PeerRejectedError(reason="this node is stopping")

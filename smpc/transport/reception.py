"""Where accepted data connections wait between sessions, until a lease says which session they are for.

Floor:    smpc.transport.reception. One thread owns every waiting connection.
Terms:    a lease is held when its session has not been opened here yet.
Promise:  a lease of another configuration, or for a session that is over here, is refused at once; one that nobody
          claims within ``hold_s`` is refused then.
Not here: dialed connections (``data_plane``), what happens inside a session (``tls_mesh``).
"""

from __future__ import annotations

import logging
import queue
import select
import socket
import threading
import time
from collections import OrderedDict
from typing import Final

from smpc.errors import PartyLostError, PeerRejectedError
from smpc.transport.connection import Connection
from smpc.transport.deadline import SLICE_S, Deadline
from smpc.transport.frames import NO_SESSION, Kind, session_tag
from smpc.transport.hello import LEASE_BYTES, Lease, Refusal, decode_lease, encode_refusal

LOG: Final = logging.getLogger(__name__)
_LEASE: Final = frozenset({int(Kind.LEASE), int(Kind.ABORT)})
_REMEMBERED: Final = 4096
_SWEEP_MS: Final = 1000
_JOIN_S: Final = 10.0


class Reception:
    """Keeps waiting connections, reads their leases, and hands them to the sessions that claim them."""

    def __init__(self, name: str, configuration: bytes, hold_s: float) -> None:
        """Start the thread.

        Args:
            name: own name, for threads and log lines.
            configuration: own configuration hash, 32 bytes; a lease must carry the same.
            hold_s: how long a lease may wait for its session to be opened here (s).
        """
        self._name = name
        self._configuration = configuration
        self._hold_s = hold_s
        self._changed = threading.Condition()
        self._held: dict[tuple[bytes, str], tuple[Connection, Lease, float]] = {}
        self._over: OrderedDict[bytes, None] = OrderedDict()
        self._incoming: queue.SimpleQueue[Connection] = queue.SimpleQueue()
        self._waiting: dict[int, Connection] = {}
        self._poller = select.poll()
        self._wake, self._woken = socket.socketpair()
        self._wake.setblocking(False)
        self._woken.setblocking(False)
        self._poller.register(self._woken, select.POLLIN)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"{name}-reception", daemon=True)
        self._thread.start()

    def adopt(self, connection: Connection) -> None:
        """Take a connection that is outside any session; closes it when this node is stopping."""
        self._incoming.put(connection)
        self._ring()

    def claim(self, session_id: bytes, peer: str, deadline: Deadline) -> tuple[Connection, Lease]:
        """Wait for a peer's lease for this session and take its connection.

        Raises:
            TimeoutError: none came in time.
        """
        with self._changed:
            while (held := self._held.pop((session_id, peer), None)) is None:
                deadline.poll_ms()
                self._changed.wait(SLICE_S)
            return held[0], held[1]

    def begin(self, session_id: bytes) -> None:
        """Note that a session is being opened here.

        Raises:
            PeerRejectedError: it was opened here before; a session is opened once.
        """
        with self._changed:
            if session_id in self._over:
                raise PeerRejectedError(reason="a session is opened once")
            self._over[session_id] = None
            while len(self._over) > _REMEMBERED:
                self._over.popitem(last=False)

    def end(self, session_id: bytes) -> None:
        """Refuse the leases still held for a session that is over here."""
        with self._changed:
            gone = [self._held.pop(key) for key in list(self._held) if key[0] == session_id]
            self._over.setdefault(session_id)
            self._over[session_id] = None
            self._ended.add(session_id)
        for connection, lease, _ in gone:
            _refuse(connection, lease, Refusal.SESSION)

    def stop(self) -> None:
        """Close every waiting and held connection, end the thread; may be called twice."""
        self._stopping.set()
        self._ring()
        self._thread.join(_JOIN_S)

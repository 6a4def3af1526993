"""Heartbeats over one control connection between every two nodes, to notice a dead or frozen node.

Layer:       smpc.transport.heartbeat.
Guarantees:  a killed peer is lost at once (its end of the connection closes), a frozen one after ``silence_s``
             without a heartbeat; a peer that comes back is alive again. One thread owns each connection.
See instead: what is done about a loss (``tls_mesh``).
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from typing import TYPE_CHECKING, Final

from smpc.errors import PartyLostError, PeerRejectedError
from smpc.transport.deadline import Deadline
from smpc.transport.liveness import Liveness
from smpc.transport.wire.frames import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from smpc.transport.connecting.endpoint import Address, Endpoint
    from smpc.transport.connection import Connection

LOG: Final = logging.getLogger(__name__)
_FIRST_BACKOFF_S: Final = 0.05
_LAST_BACKOFF_S: Final = 0.5
_BEAT: Final = frozenset({int(Kind.HEARTBEAT)})
_JOIN_S: Final = 10.0


class Heartbeats:
    """Keeps this node's control connections: dials peers of higher name, waits for those of lower name.

    Attributes:
        liveness: what the heartbeats say; share it with everything that waits for peers.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        addresses: Mapping[str, Address],
        *,
        beat_s: float = 0.5,
        silence_s: float = 30.0,
    ) -> None:
        """Start one thread for each peer.

        Args:
            endpoint: own identity.
            addresses: name -> host and port of every other node.
            beat_s: time between two heartbeats sent (s).
            silence_s: a peer not heard for so long is lost (s); above ``beat_s``.
        """
        self._endpoint = endpoint
        self._beat_s = beat_s
        self._silence_s = silence_s
        peers = [name for name in addresses if name != endpoint.name]
        self.liveness = Liveness(peers)
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._arrivals: dict[str, queue.SimpleQueue[Connection | None]] = {
            name: queue.SimpleQueue() for name in peers
        }
        self._present: dict[str, Connection] = {}
        self._threads = [
            threading.Thread(
                target=self._keep,
                args=(name, addresses[name]),
                name=f"{endpoint.name}-heart-{name}",
                daemon=True,
            )
            for name in peers
        ]
        for thread in self._threads:
            thread.start()

    def adopt(self, connection: Connection) -> None:
        """Take a control connection that a peer dialed: the listener's handler for "control".

        The newest wins: a peer that dials again has given up the old connection.
        """
        name = connection.peer.name
        if name not in self._arrivals or name > self._endpoint.name:
            raise PeerRejectedError(reason="this end dials the control connection", name=name)
        with self._lock:
            self._watch()  # under the lock: what arrives after ``stop`` has looked would stay open
            self._arrivals[name].put(connection.hand_over())
            present = self._present.get(name)
            if present is not None:
                present.interrupt()

    def stop(self) -> None:
        """Close every control connection and wait for the threads; may be called twice."""
        with self._lock:
            self._stopping.set()
            for arrivals in self._arrivals.values():
                arrivals.put(None)
            for connection in self._present.values():
                connection.interrupt()
        self.liveness.stop()
        for thread in self._threads:
            thread.join(_JOIN_S)
        for arrivals in self._arrivals.values():
            while not arrivals.empty():
                connection_or_none = arrivals.get()
                if connection_or_none is not None:
                    connection_or_none.close()

    def _keep(self, name: str, address: Address) -> None:
        dials = self._endpoint.name < name
        backoff_s = _FIRST_BACKOFF_S
        while not self._stopping.is_set():
            try:
                connection = self._dial(name, address) if dials else self._await(name)
            except (PartyLostError, PeerRejectedError) as error:
                self._lost(
                    name, error.reason if isinstance(error, PeerRejectedError) else "cannot be reached"
                )
                self._stopping.wait(backoff_s)
                backoff_s = min(2 * backoff_s, _LAST_BACKOFF_S)
                continue
            if connection is None:
                return
            backoff_s = _FIRST_BACKOFF_S
            self._live(name, connection)
            self._stopping.wait(_FIRST_BACKOFF_S if dials else 0)

    def _dial(self, name: str, address: Address) -> Connection:
        return self._endpoint.dial(address, name, "control", watch=self._watch)

    def _await(self, name: str) -> Connection | None:
        arrivals = self._arrivals[name]
        connection = arrivals.get()
        while connection is not None and not arrivals.empty():
            connection.close()
            connection = arrivals.get()
        return connection

    def _live(self, name: str, connection: Connection) -> None:
        with self._lock:
            self._present[name] = connection
        try:
            self._watch()
            self.liveness.mark_alive(name)
            self._beat(connection)
        except PeerRejectedError as error:
            self._lost(name, error.reason)
        except PartyLostError:
            self._lost(name, "connection closed")
        finally:
            with self._lock:
                del self._present[name]
            connection.close()

    def _beat(self, connection: Connection) -> None:
        """Send and hear heartbeats until the peer is lost; returns when it was silent for too long."""
        next_beat = heard = time.monotonic()
        while True:
            now = time.monotonic()
            if now - heard > self._silence_s:
                self._lost(connection.peer.name, f"silent for {self._silence_s:g} s")
                return
            if now >= next_beat:
                if connection.is_between_frames:
                    connection.begin_send(Kind.HEARTBEAT, b"")
                connection.pump_send()
                next_beat = now + self._beat_s
            wait_s = max(0.0, min(next_beat, heard + self._silence_s) - time.monotonic())
            try:
                connection.receive_frame(_BEAT, Deadline(wait_s + 0.001), length=0)
            except TimeoutError:
                continue
            heard = time.monotonic()

    def _watch(self) -> None:
        if self._stopping.is_set():
            raise PeerRejectedError(reason="this node is stopping")

    def _lost(self, name: str, reason: str) -> None:
        if self.liveness.mark_lost(name, reason) and not self._stopping.is_set():
            LOG.warning("%s: %s is lost: %s", self._endpoint.name, name, reason)

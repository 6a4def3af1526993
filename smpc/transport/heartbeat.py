"""Heartbeats: one control connection between two members, to notice a dead or frozen one.

Layer:       smpc.transport.heartbeat.
Terms:       a node exchanges heartbeats with every other node for as long as it runs; a client only with the nodes
             that it dialed. A program is one running process of a client; one client may run several.
Guarantees:  a killed peer is lost at once (its end of the connection closes), a frozen one after ``silence_s``
             without a heartbeat. One thread owns each connection. A node that comes back is alive again for other
             nodes; for a client it stays lost until the client dials it again. A frozen program of a client loses
             its own channels only.
See instead: what is done about a loss (``tls_mesh``, and above smpc ``federation.protocol.exchange``).
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from smpc.errors import PartyLostError, PeerRejectedError
from smpc.transport.deadline import Deadline
from smpc.transport.liveness import Liveness
from smpc.transport.wire.frames import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from smpc.transport.connecting.endpoint import Address, Endpoint
    from smpc.transport.connection import Connection

LOG: Final = logging.getLogger(__name__)
_FIRST_BACKOFF_S: Final = 0.05
_LAST_BACKOFF_S: Final = 0.5
_BEAT: Final = frozenset({int(Kind.HEARTBEAT)})
_JOIN_S: Final = 10.0


def exchange_heartbeats(connection: Connection, *, beat_s: float, silence_s: float) -> None:
    """Send and receive heartbeats on one connection; returns when the peer was silent for too long.

    Args:
        connection: a control connection; owned by this call while it runs. ``interrupt`` ends it.
        beat_s: time between two heartbeats sent (s).
        silence_s: the peer counts as lost after this long without a heartbeat (s).

    Raises:
        PartyLostError: the peer closed the connection, or this end interrupted it.
        PeerRejectedError: the peer sent a frame that is not a heartbeat.
    """
    next_beat = heard = time.monotonic()
    while (now := time.monotonic()) - heard <= silence_s:
        if now >= next_beat:
            if connection.is_between_frames:
                connection.begin_send(Kind.HEARTBEAT, b"")
            connection.pump_send()
            next_beat = now + beat_s
        wait_s = max(0.0, min(next_beat, heard + silence_s) - time.monotonic())
        try:
            connection.receive_frame(_BEAT, Deadline(wait_s + 0.001), length=0)
        except TimeoutError:
            continue
        heard = time.monotonic()


class Heartbeats:
    """A member's control connections to nodes, one thread each.

    A node dials the nodes of higher name and waits for those of lower name, again after every loss. A client dials
    a node when ``monitor`` names it, and not again by itself.

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
        is_client: bool = False,
    ) -> None:
        """Start one thread for each peer; a client starts none before ``monitor``.

        Args:
            endpoint: own identity.
            addresses: name -> host and port of every other node.
            beat_s: time between two heartbeats sent (s).
            silence_s: a peer not heard for so long is lost (s); above ``beat_s``.
            is_client: whether this member is a client, which no node dials.
        """
        self._endpoint = endpoint
        self._addresses = {name: address for name, address in addresses.items() if name != endpoint.name}
        self._beat_s, self._silence_s, self._is_client = beat_s, silence_s, is_client
        self.liveness = Liveness(self._addresses)
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._arrivals: dict[str, queue.SimpleQueue[Connection | None]] = {
            name: queue.SimpleQueue() for name in self._addresses
        }
        self._present: dict[str, Connection] = {}
        self._monitored: set[str] = set()
        self._threads: list[threading.Thread] = []
        for name in () if is_client else self._addresses:
            self._start(name)

    def monitor(self, name: str) -> None:
        """Open the connection to a node, or reopen a lost one; the node counts as alive until it is lost."""
        with self._lock:
            if name not in self._monitored and not self._stopping.is_set():
                self.liveness.mark_alive(name)
                self._start(name)

    def adopt(self, connection: Connection) -> None:
        """Take a control connection that another node dialed: the listener's handler for "control".

        The newest wins: a peer that dials again has given up the old connection.
        """
        name = connection.peer.name
        if name not in self._arrivals or self._dials(name):
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
            threads = list(self._threads)
        self.liveness.stop()
        for thread in threads:
            thread.join(_JOIN_S)
        for arrivals in self._arrivals.values():
            while not arrivals.empty():
                connection_or_none = arrivals.get()
                if connection_or_none is not None:
                    connection_or_none.close()

    def _dials(self, name: str) -> bool:
        return self._is_client or self._endpoint.name < name

    def _start(self, name: str) -> None:
        thread = threading.Thread(
            target=self._keep, args=(name,), name=f"{self._endpoint.name}-heartbeat-{name}", daemon=True
        )
        self._monitored.add(name)
        self._threads = [*(each for each in self._threads if each.is_alive()), thread]
        thread.start()

    def _keep(self, name: str) -> None:
        """Hold the connection to one peer: a client's once, a node's again and again."""
        dials = self._dials(name)
        backoff_s = _FIRST_BACKOFF_S
        while not self._stopping.is_set():
            try:
                connection = self._dial(name) if dials else self._await(name)
            except (PartyLostError, PeerRejectedError) as error:
                self._lost(
                    name, error.reason if isinstance(error, PeerRejectedError) else "cannot be reached"
                )
                pause_s, backoff_s = backoff_s, min(2 * backoff_s, _LAST_BACKOFF_S)
            else:
                if connection is None:
                    return
                self._lost(name, self._live(name, connection))
                pause_s, backoff_s = _FIRST_BACKOFF_S if dials else 0.0, _FIRST_BACKOFF_S
            if self._is_client:
                return
            self._stopping.wait(pause_s)

    def _dial(self, name: str) -> Connection:
        address = self._addresses[name]
        if self._is_client:
            return self._endpoint.dial(
                address, name, "control", deadline_s=self._silence_s, watch=self._watch
            )
        return self._endpoint.dial(address, name, "control", watch=self._watch)

    def _await(self, name: str) -> Connection | None:
        arrivals = self._arrivals[name]
        connection = arrivals.get()
        while connection is not None and not arrivals.empty():
            connection.close()
            connection = arrivals.get()
        return connection

    def _live(self, name: str, connection: Connection) -> str:
        """Exchange heartbeats until the peer is lost; returns why it is."""
        with self._lock:
            self._present[name] = connection
        try:
            self._watch()
            self.liveness.mark_alive(name)
            exchange_heartbeats(connection, beat_s=self._beat_s, silence_s=self._silence_s)
        except PeerRejectedError as error:
            return error.reason
        except PartyLostError:
            return "connection closed"
        finally:
            with self._lock:
                del self._present[name]
            connection.close()
        return f"silent for {self._silence_s:g} s"

    def _watch(self) -> None:
        if self._stopping.is_set():
            raise PeerRejectedError(reason="this member is stopping")

    def _lost(self, name: str, reason: str) -> None:
        with self._lock:
            if self._is_client:
                self._monitored.discard(name)
            is_news = self.liveness.mark_lost(name, reason)
        if is_news and not (self._is_client or self._stopping.is_set()):
            LOG.warning("%s: %s is lost: %s", self._endpoint.name, name, reason)


class Program(NamedTuple):
    """One running program of a client: its name, and the bytes of its hello."""

    name: str
    number: bytes


class Closable(Protocol):
    """What a silent program loses."""

    def close(self) -> None:
        """Close it; for any thread."""


class CallerHeartbeats:
    """A node's side: detects client programs that went silent without closing their connections.

    One client may run several programs; they share the client's name only.
    """

    def __init__(self, *, beat_s: float, silence_s: float) -> None:
        """Start without any client.

        Args:
            beat_s: time between two heartbeats sent (s).
            silence_s: a program counts as lost after this long without a heartbeat (s).
        """
        self._beat_s, self._silence_s = beat_s, silence_s
        self._lock = threading.Lock()
        self._present: dict[Program, list[Closable | None]] = {}  # None: a control connection
        self._silent: set[str] = set()

    def answer(self, connection: Connection) -> None:
        """Exchange heartbeats with a program until it is gone: the listener's handler for its control connections.

        After too long a silence the node closes the channels of that program only.

        Raises:
            PartyLostError: the program closed the connection.
            PeerRejectedError: the program sent a frame that is not a heartbeat.
        """
        program = program_of(connection)
        with self.present(program, None):
            exchange_heartbeats(connection, beat_s=self._beat_s, silence_s=self._silence_s)
            with self._lock:
                channels = [channel for channel in self._present[program] if channel is not None]
                if not any(name == program.name for name, _ in self._present.keys() - {program}):
                    self._silent.add(program.name)
        for channel in channels:
            channel.close()

    @contextmanager
    def present(self, program: Program, channel: Closable | None) -> Iterator[None]:
        """Record a channel, or a control connection, while a handler serves it; its client counts as alive."""
        with self._lock:
            self._silent.discard(program.name)
            self._present.setdefault(program, []).append(channel)
        try:
            yield
        finally:
            with self._lock:
                self._present[program].remove(channel)
                if not self._present[program]:
                    del self._present[program]

    def is_alive(self, name: str) -> bool:
        """Whether some program of a client is not silent; a closed program is noticed on its own channel."""
        with self._lock:
            return name not in self._silent


def program_of(connection: Connection) -> Program:
    """The program that a connection belongs to."""
    return Program(connection.peer.name, connection.program)

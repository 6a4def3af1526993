"""Heartbeats between an analyst's client and the nodes it talks to, so that neither waits for a frozen peer.

Layer:       federation.network.heartbeat, beside network.
Terms:       a heartbeat connection is one control connection that the client dials to one node; both ends send
             heartbeats on it.
Guarantees:  a killed peer is noticed at once, a frozen one after ``silence_s``; a lost heartbeat connection stays
             lost until the client dials the node again. A frozen client program loses its own channels; another
             program of the same analyst keeps its channels.
See instead: heartbeats between nodes (``smpc.transport.heartbeat``); the reaction to a loss
             (``federation.protocol.exchange``).
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

from smpc.errors import PartyLostError, PeerRejectedError
from smpc.transport.deadline import Deadline
from smpc.transport.wire.frames import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from federation.network.channel import Channel
    from smpc.transport.connecting.endpoint import Address, Endpoint
    from smpc.transport.connection import Connection
    from smpc.transport.deadline import Watch


class Program(NamedTuple):
    """One running program of a client: its name, and the bytes of its hello."""

    name: str
    number: bytes


_BEAT: Final = frozenset({int(Kind.HEARTBEAT)})
_JOIN_S: Final = 10.0


def send_heartbeats(
    connection: Connection, *, beat_s: float, silence_s: float, watch: Watch | None = None
) -> None:
    """Exchange heartbeats on one connection; returns when the peer was silent for too long.

    Args:
        connection: a control connection; owned by this call while it runs.
        beat_s: time between two heartbeats sent (s).
        silence_s: the peer counts as lost after this long without a heartbeat (s).
        watch: asked at least every 50 ms; may raise to end it.

    Raises:
        PartyLostError: the peer closed the connection.
        PeerRejectedError: the peer sent a frame that is not a heartbeat.
    """
    next_beat = heard = time.monotonic()
    while True:
        now = time.monotonic()
        if now - heard > silence_s:
            return
        if now >= next_beat:
            if connection.is_between_frames:
                connection.begin_send(Kind.HEARTBEAT, b"")
            connection.pump_send()
            next_beat = now + beat_s
        wait_s = max(0.0, min(next_beat, heard + silence_s) - time.monotonic())
        try:
            connection.receive_frame(_BEAT, Deadline(wait_s + 0.001, watch), length=0)
        except TimeoutError:
            continue
        heard = time.monotonic()


class ClientHeartbeats:
    """The client's side: one thread for each node that it has dialed."""

    def __init__(
        self, endpoint: Endpoint, addresses: Mapping[str, Address], *, beat_s: float, silence_s: float
    ) -> None:
        """Start without any connection; ``monitor`` opens one.

        Args:
            endpoint: the client's identity.
            addresses: name -> host and port of every node.
            beat_s: time between two heartbeats sent (s).
            silence_s: a node counts as lost after this long without a heartbeat (s).
        """
        self._endpoint = endpoint
        self._addresses = dict(addresses)
        self._beat_s, self._silence_s = beat_s, silence_s
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._threads: dict[str, threading.Thread] = {}
        self._lost: set[str] = set()

    def monitor(self, name: str) -> None:
        """Open the heartbeat connection to a node, or reopen a lost one."""
        with self._lock:
            thread = self._threads.get(name)
            if self._stopping.is_set() or (thread is not None and thread.is_alive()):
                return
            self._lost.discard(name)
            thread = threading.Thread(
                target=self._run, args=(name,), name=f"{self._endpoint.name}-heartbeat-{name}", daemon=True
            )
            self._threads[name] = thread
            thread.start()

    def is_alive(self, name: str) -> bool:
        """Whether the node is monitored and not known to be lost."""
        with self._lock:
            return name in self._threads and name not in self._lost

    def stop(self) -> None:
        """Close every heartbeat connection and wait for the threads; may be called twice."""
        self._stopping.set()
        with self._lock:
            threads = list(self._threads.values())
        for thread in threads:
            thread.join(_JOIN_S)

    def _run(self, name: str) -> None:
        try:
            connection = self._endpoint.dial(
                self._addresses[name], name, "control", deadline_s=self._silence_s, watch=self._watch
            )
            try:
                send_heartbeats(connection, beat_s=self._beat_s, silence_s=self._silence_s, watch=self._watch)
            finally:
                connection.close()
        except (PartyLostError, PeerRejectedError):
            pass
        with self._lock:
            self._lost.add(name)

    def _watch(self) -> None:
        if self._stopping.is_set():
            raise PeerRejectedError(reason="this client is stopping")


class CallerHeartbeats:
    """A node's side: detects client programs that went silent without closing their connections.

    One analyst may run several programs; they share the analyst's name only.
    """

    def __init__(self, *, beat_s: float, silence_s: float) -> None:
        """Start without any client.

        Args:
            beat_s: time between two heartbeats sent (s).
            silence_s: a program counts as lost after this long without a heartbeat (s).
        """
        self._beat_s, self._silence_s = beat_s, silence_s
        self._lock = threading.Lock()
        self._present: dict[Program, list[Channel | None]] = {}  # None: a control connection
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
            send_heartbeats(connection, beat_s=self._beat_s, silence_s=self._silence_s)
            with self._lock:
                channels = [channel for channel in self._present[program] if channel is not None]
                if not any(name == program.name for name, _ in self._present.keys() - {program}):
                    self._silent.add(program.name)
        for channel in channels:
            channel.close()

    @contextmanager
    def present(self, program: Program, channel: Channel | None) -> Iterator[None]:
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

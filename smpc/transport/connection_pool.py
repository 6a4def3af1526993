"""Data connections between sessions: idle, waiting for a lease, ending, closing.

Layer:       smpc.transport.connection_pool. One thread looks after every connection kept here; a lock hands them in
             and out.
Terms:       a lease says which session a connection is for; it is held while its session has not been opened here
             yet. A dialed connection waits to be taken, an accepted one for a lease.
Guarantees:  a lease of another configuration, for a session that is over here, or a second one for the same session
             is refused at once; a lease that no session claims within ``hold_s`` is refused then. A connection serves
             another session only after END both ways; whatever else happens on it, it is closed.
See instead: how sessions are opened (``session_setup``), what happens inside one (``tls_mesh``).
"""

from __future__ import annotations

import logging
import math
import select
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

from smpc.errors import PartyLostError, PeerRejectedError
from smpc.transport.deadline import SLICE_S, Deadline
from smpc.transport.wakeup import Waker
from smpc.transport.wire.frames import NO_SESSION, Kind, session_tag
from smpc.transport.wire.handshake import LEASE_BYTES, Lease, Refusal, decode_lease, encode_refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from smpc.transport.connection import Connection

LOG: Final = logging.getLogger(__name__)
END_S: Final = 300.0
IDLE_S: Final = 120.0
PART_S: Final = 1.0
MOST_PER_PEER: Final = 64
_LEASE: Final = frozenset({int(Kind.LEASE)})
_LAST_WORDS: Final = frozenset({int(Kind.END), int(Kind.ABORT)})
_REMEMBERED: Final = 1 << 16
_JOIN_S: Final = 10.0


class Stage(Enum):
    """What a connection kept here waits for."""

    IDLE = "a session of ours"  # dialed; whatever comes ends it
    WAITING = "a lease"
    HELD = "a claim"  # not read meanwhile
    ENDING = "the peer's END"
    PARTING = "the peer's closing"


@dataclass(slots=True, eq=False)
class _PooledConnection:
    connection: Connection
    is_dialed: bool
    stage: Stage
    until: float | None = None
    lease: Lease | None = None
    has_heard_end: bool = False


class ConnectionPool:
    """Keeps connections between sessions, reads their leases, hands them to the sessions that claim them."""

    def __init__(
        self, name: str, configuration: bytes, hold_s: float, *, most_per_peer: int = MOST_PER_PEER
    ) -> None:
        """Start the thread.

        Args:
            name: own name, for threads and log lines.
            configuration: own configuration hash, 32 bytes; a lease must carry the same.
            hold_s: how long a lease may wait for its session to be opened here (s).
            most_per_peer: connections of one peer that may wait here on each side; beyond, the oldest is
                closed.
        """
        self._name = name
        self._configuration = configuration
        self._hold_s = hold_s
        self._most_per_peer = most_per_peer
        self._changed = threading.Condition()
        self._pooled: dict[int, _PooledConnection] = {}
        self._sessions: OrderedDict[bytes, set[str] | None] = OrderedDict()  # None: over
        self._waker = Waker()
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, name=f"{name}-connection-pool", daemon=True)
        self._thread.start()

    # -- connections in and out --------------------------------------------------------------------

    def adopt(self, connection: Connection) -> None:
        """Take an accepted connection that is outside any session."""
        connection.bind(NO_SESSION)
        self._keep(_PooledConnection(connection=connection, is_dialed=False, stage=Stage.WAITING))

    def end(self, connection: Connection, *, is_dialed: bool, has_heard_end: bool) -> None:
        """Take a connection whose session ended cleanly here: say END, hear the peer's, keep it."""
        try:
            connection.begin_send(Kind.END, b"")
            connection.pump_send()
        except (PartyLostError, PeerRejectedError):
            connection.close()
            return
        until = time.monotonic() + END_S
        pooled = _PooledConnection(
            connection=connection, is_dialed=is_dialed, stage=Stage.ENDING, until=until
        )
        pooled.has_heard_end = has_heard_end
        self._keep(pooled)

    def part(self, connection: Connection, kind: int, payload: bytes) -> None:
        """Take a connection that is over: say one last frame, give the peer time to read it, close."""
        connection.say_last(kind, payload)
        until = time.monotonic() + PART_S
        self._keep(
            _PooledConnection(connection=connection, is_dialed=False, stage=Stage.PARTING, until=until)
        )

    def take(self, peer: str) -> Connection | None:
        """Take an idle connection that was dialed to this peer, if there is one."""
        with self._changed:
            for pooled in reversed(list(self._of(peer, Stage.IDLE))):
                self._release(pooled)
                if pooled.connection.is_quiet:
                    return pooled.connection
                pooled.connection.close()
        return None

    def claim(self, session_id: bytes, peer: str, deadline: Deadline) -> tuple[Connection, Lease]:
        """Wait for a peer's lease for this session and take its connection; it is bound to the session.

        Raises:
            TimeoutError: none came in time.
        """
        while True:
            with self._changed:
                if self._held(session_id, peer) is None:
                    self._changed.wait(min(SLICE_S, deadline.remaining_s))
                pooled, claimed = self._held(session_id, peer), self._sessions.get(session_id)
                if claimed is None:
                    raise PeerRejectedError(reason="the session is closed here", name=peer)
                if pooled is not None and pooled.lease is not None:
                    self._release(pooled)
                    claimed.add(peer)
                    return pooled.connection, pooled.lease
            deadline.poll_ms()

    # -- sessions ----------------------------------------------------------------------------------

    def begin(self, session_id: bytes) -> None:
        """Note that a session is being opened here.

        Raises:
            PeerRejectedError: it was opened here before; a session is opened once.
        """
        with self._changed:
            if session_id in self._sessions:
                raise PeerRejectedError(reason="a session is opened once")
            self._sessions[session_id] = set()
            over = (known for known, claimed in self._sessions.items() if claimed is None)
            if len(self._sessions) > _REMEMBERED and (oldest := next(over, None)) is not None:
                del self._sessions[oldest]

    def over(self, session_id: bytes, abort: bytes | None = None) -> None:
        """Note that a session is over here; leases held for it are refused, or answered with an ABORT."""
        with self._changed:
            self._sessions[session_id] = None
            for pooled in list(self._pooled.values()):
                if (
                    pooled.lease is None
                    or pooled.stage is not Stage.HELD
                    or pooled.lease.session_id != session_id
                ):
                    continue
                if abort is None:
                    self._refuse(pooled, Refusal.SESSION)
                else:
                    self._dismiss(pooled, Kind.ABORT, abort)

    def stop(self, grace_s: float = PART_S) -> None:
        """Close every connection kept here, end the thread; may be called twice.

        Args:
            grace_s: how long peers may take to read the final frames (s).
        """
        end = time.monotonic() + grace_s
        with self._changed:
            while any(pooled.stage is Stage.PARTING for pooled in self._pooled.values()):
                if self._is_stopping or (remaining_s := end - time.monotonic()) <= 0:
                    break
                self._changed.wait(remaining_s)
            self._is_stopping = True
        self._waker.wake()
        self._thread.join(_JOIN_S)
        with self._changed:
            for pooled in list(self._pooled.values()):
                self._close(pooled)
        self._waker.close()

    @property
    def stages(self) -> tuple[tuple[str, Stage], ...]:
        """Each connection's peer and stage, for tests and diagnosis."""
        with self._changed:
            return tuple((pooled.connection.peer.name, pooled.stage) for pooled in self._pooled.values())

    # -- the thread --------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            poller = select.poll()
            poller.register(self._waker, select.POLLIN)
            with self._changed:
                if self._is_stopping:
                    return
                for number, pooled in self._pooled.items():
                    if (events := _events(pooled)) != 0:
                        poller.register(number, events)
                timeout_ms = self._next_ms()
            happened = poller.poll(timeout_ms)
            self._waker.clear()
            with self._changed:
                for number, _ in happened:
                    if (pooled_or_none := self._pooled.get(number)) is not None:
                        self._attend(pooled_or_none)
                self._sweep()

    def _next_ms(self) -> int | None:
        untils = [pooled.until for pooled in self._pooled.values() if pooled.until is not None]
        return max(0, math.ceil((min(untils) - time.monotonic()) * 1000)) if untils else None

    def _sweep(self) -> None:
        now = time.monotonic()
        for pooled in list(self._pooled.values()):
            if pooled.until is None or now < pooled.until:
                continue
            if pooled.stage is Stage.HELD:
                self._refuse(pooled, Refusal.SESSION)
            else:
                self._close(pooled)

    def _attend(self, pooled: _PooledConnection) -> None:
        """Go on with a connection as far as it goes now; closes it when it broke or broke the rules."""
        try:
            while self._advance(pooled):
                pass
        except PartyLostError:
            self._close(pooled)
        except PeerRejectedError as error:
            LOG.warning("%s: data connection closed: %s", self._name, error)
            self._close(pooled)

    def _advance(self, pooled: _PooledConnection) -> bool:
        """Make one step; returns whether another may follow at once."""
        connection = pooled.connection
        match pooled.stage:
            case Stage.WAITING:
                return self._read_lease(pooled)
            case Stage.ENDING:
                return self._hear_end(pooled)
            case Stage.IDLE if not connection.is_quiet:
                self._close(pooled)
            case Stage.PARTING if connection.is_drained:
                self._close(pooled)
        return False

    def _read_lease(self, pooled: _PooledConnection) -> bool:
        connection = pooled.connection
        if not connection.has_begun_frame:
            connection.begin_receive(_LEASE, length=LEASE_BYTES)
        if not connection.pump_receive():
            return False
        lease = decode_lease(connection.take_frame()[1])
        connection.bind(session_tag(lease.session_id))
        refusal = self._objection(lease, connection.peer.name)
        if refusal is not None:
            self._refuse(pooled, refusal)
            return False
        pooled.lease, pooled.stage, pooled.until = lease, Stage.HELD, time.monotonic() + self._hold_s
        self._changed.notify_all()
        return False

    def _objection(self, lease: Lease, peer: str) -> Refusal | None:
        if lease.configuration != self._configuration:
            return Refusal.CONFIGURATION
        claimed = self._sessions.get(lease.session_id, set())
        if claimed is None or peer in claimed or self._held(lease.session_id, peer) is not None:
            return Refusal.SESSION
        return None

    def _hear_end(self, pooled: _PooledConnection) -> bool:
        connection = pooled.connection
        is_sent = connection.pump_send()
        if not pooled.has_heard_end:
            if not connection.has_begun_frame:
                connection.begin_receive(_LAST_WORDS, length=0)
            if connection.pump_receive():
                if connection.take_frame()[0].kind == Kind.ABORT:
                    raise PartyLostError(name=connection.peer.name)
                pooled.has_heard_end = True
        if not (is_sent and pooled.has_heard_end):
            return False
        connection.bind(NO_SESSION)
        pooled.stage, pooled.until = Stage.WAITING, None
        if pooled.is_dialed:  # not for ever: a router on the way may forget it without a word
            pooled.stage, pooled.until = Stage.IDLE, time.monotonic() + IDLE_S
        self._limit(connection.peer.name, pooled.stage)
        return True

    # -- under the lock ----------------------------------------------------------------------------

    def _keep(self, pooled: _PooledConnection) -> None:
        with self._changed:
            if self._is_stopping or pooled.connection.fileno() < 0:
                pooled.connection.close()
                return
            self._pooled[pooled.connection.fileno()] = pooled
            self._attend(pooled)
            self._limit(pooled.connection.peer.name, pooled.stage)
        self._waker.wake()

    def _limit(self, peer: str, stage: Stage) -> None:
        """Close the oldest of a peer's connections that wait for work when there are too many."""
        if stage in {Stage.IDLE, Stage.WAITING}:
            waiting = list(self._of(peer, stage))
            for pooled in waiting[: max(0, len(waiting) - self._most_per_peer)]:
                self._close(pooled)

    def _of(self, peer: str, stage: Stage) -> Iterator[_PooledConnection]:
        return (
            pooled
            for pooled in self._pooled.values()
            if pooled.stage is stage and pooled.connection.peer.name == peer
        )

    def _held(self, session_id: bytes, peer: str) -> _PooledConnection | None:
        held = self._of(peer, Stage.HELD)
        return next(
            (pooled for pooled in held if pooled.lease is not None and pooled.lease.session_id == session_id),
            None,
        )

    def _refuse(self, pooled: _PooledConnection, refusal: Refusal) -> None:
        LOG.warning("%s: lease of %s refused: %s", self._name, pooled.connection.peer.name, refusal.name)
        self._dismiss(pooled, Kind.REFUSAL, encode_refusal(refusal))

    def _dismiss(self, pooled: _PooledConnection, kind: int, payload: bytes) -> None:
        pooled.connection.say_last(kind, payload)
        pooled.stage, pooled.until = Stage.PARTING, time.monotonic() + PART_S
        self._waker.wake()

    def _release(self, pooled: _PooledConnection) -> None:
        del self._pooled[pooled.connection.fileno()]

    def _close(self, pooled: _PooledConnection) -> None:
        if self._pooled.get(pooled.connection.fileno()) is pooled:
            self._release(pooled)
        pooled.connection.close()
        self._changed.notify_all()


def _events(pooled: _PooledConnection) -> int:
    match pooled.stage:
        case Stage.HELD:
            return 0
        case Stage.IDLE | Stage.PARTING:
            return select.POLLIN
        case Stage.WAITING | Stage.ENDING:
            return pooled.connection.wanted_events() or select.POLLIN

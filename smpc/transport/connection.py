"""One TLS connection to one known peer, owned by one thread, never blocking inside OpenSSL.

Layer:       smpc.transport.connection.
Terms:       a message is a payload of any length up to a limit; a frame of a session has a length known beforehand.
Guarantees:  a closed or broken connection raises ``PartyLostError(name)``, bytes that do not fit
             ``PeerRejectedError``. Only ``interrupt`` may be called by another thread than the owner.
See instead: how the peer became known (``endpoint``), several peers at once (``tls_mesh``).
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING, Final

from smpc.errors import PartyLostError, PeerRejectedError
from smpc.transport.deadline import Deadline, Watch
from smpc.transport.wire.frames import NO_SESSION, Expectation, FrameReader, Header, Kind, encode_header
from smpc.transport.wire.handshake import Refusal, encode_refusal

if TYPE_CHECKING:
    from smpc.transport.wire.peer_identity import PeerName

SEND_S: Final = 30.0
_ONE_WRITE_BYTES: Final = 1 << 14  # header and payload together in one TLS record up to here
_SLICE_BYTES: Final = 1 << 16
_LEFT: Final = getattr(select, "POLLRDHUP", 0)  # with it come errors and ends of both directions
_MESSAGE_KINDS: Final = frozenset({int(Kind.MESSAGE)})


class Connection:
    """A channel for messages, and for the frames of one session at a time.

    Attributes:
        peer: name, role and fingerprint of the other end, checked against the roster.
        purpose: what both ends agreed to use it for.
        program: which of the peer's programs this is, by its hello; all its connections have the same.
        is_handed_over: whether a handler gave it to another owner; a listener then leaves it open.
    """

    def __init__(
        self, channel: ssl.SSLSocket, peer: PeerName, purpose: str = "", *, delay_s: float = 0.0
    ) -> None:
        """Take over a channel whose handshake is done and whose peer was checked.

        Args:
            channel: the socket.
            peer: who is at the other end.
            purpose: what for.
            delay_s: time that a message is under way (s), to see what a distance costs; frames of a session have a
                delay of their own (``tls_mesh``).
        """
        self._delay_s = delay_s
        self.peer = peer
        self.purpose = purpose
        self.program = b""
        self.is_handed_over = False
        self._channel = channel
        self._tag = NO_SESSION
        self._n_sent = 0
        self._n_received = 0
        self._outgoing: list[tuple[memoryview, bool]] = []  # piece, and whether it ends its frame
        self._is_in_frame = False  # a part of the first frame is out
        self._reader: FrameReader | None = None
        self._send_event = select.POLLOUT
        self._receive_event = select.POLLIN
        self._closing = threading.Lock()
        self._is_closed = False

    def __repr__(self) -> str:
        """Name the peer and the purpose only."""
        return f"Connection({self.peer.role} {self.peer.name}, {self.purpose or 'unnamed'})"

    # -- messages ----------------------------------------------------------------------------------

    def send_message(self, message: bytes, deadline_s: float = SEND_S) -> None:
        """Send one message whole.

        Args:
            message: opaque bytes.
            deadline_s: how long the peer may take to accept it (s).

        Raises:
            PartyLostError: the peer is gone, or takes nothing for so long.
        """
        self.send_frame(Kind.MESSAGE, message, Deadline(deadline_s))

    def receive_message(self, limit: int, deadline_s: float | None, watch: Watch | None = None) -> bytes:
        """Wait for one message.

        Args:
            limit: largest message accepted (bytes), checked before memory is taken.
            deadline_s: how long to wait (s); None waits until the peer is gone.
            watch: asked at least every 50 ms; may raise to end the wait.

        Raises:
            TimeoutError: no whole message in time; the connection is as it was and can be asked again.
            PartyLostError: the peer is gone.
            PeerRejectedError: something else than a message, out of order, or too long.
        """
        return self.receive_frame(_MESSAGE_KINDS, Deadline(deadline_s, watch), limit=limit)[1]

    # -- frames, whole -----------------------------------------------------------------------------

    def send_frame(self, kind: int, payload: bytes | memoryview, deadline: Deadline) -> None:
        """Send one frame and wait until the kernel has all of it.

        Raises:
            PartyLostError: the peer is gone or the deadline passed (half a frame may be out: the connection
            is over).
        """
        time.sleep(self._delay_s)
        self.begin_send(kind, payload)
        try:
            while not self.pump_send():
                self._wait(self._send_event, deadline)
        except TimeoutError as error:
            self.interrupt()
            raise PartyLostError(name=self.peer.name) from error

    def receive_frame(
        self, kinds: frozenset[int], deadline: Deadline, *, length: int | None = None, limit: int = 0
    ) -> tuple[Header, bytes]:
        """Wait for one frame of the given kinds; see ``Expectation`` for ``length`` and ``limit``.

        Raises:
            TimeoutError: no whole frame in time; what has come is kept, and the next call goes on with it.
            PartyLostError: the peer is gone.
            PeerRejectedError: not the frame expected.
        """
        if self._reader is None:
            self.begin_receive(kinds, length=length, limit=limit)
        while not self.pump_receive():
            self._wait(self._receive_event, deadline)
        return self.take_frame()

    def _wait(self, event: int, deadline: Deadline) -> None:
        poller = select.poll()
        poller.register(self._channel, event)
        poller.poll(deadline.poll_ms())

    # -- frames, step by step (for a caller that serves several connections) -----------------------

    def bind(self, tag: bytes) -> None:
        """Begin (or, with ``NO_SESSION``, leave) a session: its tag, and both sequences at 0."""
        self._tag = tag
        self._n_sent = self._n_received = 0

    def begin_send(self, kind: int, payload: bytes | memoryview) -> None:
        """Queue one frame; ``pump_send`` moves it."""
        header = encode_header(
            Header(kind=kind, tag=self._tag, sequence=self._n_sent, length=memoryview(payload).nbytes)
        )
        self._n_sent += 1
        body = memoryview(payload).cast("B")
        if len(body) <= _ONE_WRITE_BYTES:
            self._outgoing.append((memoryview(header + bytes(body)), True))
        else:
            self._outgoing += [(memoryview(header), False), (body, True)]

    def pump_send(self) -> bool:
        """Write what the kernel takes now; True when nothing is queued any more.

        Raises:
            PartyLostError: the connection is closed or broken.
            PeerRejectedError: TLS itself failed.
        """
        while self._outgoing:
            piece, is_last = self._outgoing[0]
            try:
                n_sent = self._channel.send(piece[:_SLICE_BYTES])
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError) as wanted:
                self._send_event = _event(wanted)
                return False
            except OSError as error:
                raise self._failure(error) from error
            is_whole = n_sent == len(piece)
            self._outgoing[:1] = [] if is_whole else [(piece[n_sent:], is_last)]
            self._is_in_frame = not (is_whole and is_last)
        return True

    def begin_receive(self, kinds: frozenset[int], *, length: int | None = None, limit: int = 0) -> None:
        """Say which frame comes next; ``pump_receive`` collects it.

        Raises:
            PeerRejectedError: a header that came before is not the one expected.
        """
        expectation = Expectation(
            kinds=kinds, tag=self._tag, sequence=self._n_received, length=length, limit=limit
        )
        if self._reader is None or not self._reader.has_begun:
            self._reader = FrameReader(expectation)
            return
        try:
            self._reader.expect(expectation)
        except PeerRejectedError as error:
            raise PeerRejectedError(reason=error.reason, name=self.peer.name) from error

    def begin_peek(self) -> None:
        """Let ``pump_receive`` read one header and hold it, when no frame is expected yet."""
        if self._reader is None or not self._reader.has_begun:
            self._reader = FrameReader(None)

    @property
    def held_kind(self) -> int | None:
        """The kind of the header held, whose session and sequence have not been checked yet."""
        return self._reader.held.kind if self._reader is not None and self._reader.held is not None else None

    def pump_receive(self) -> bool:
        """Read what is there now; True when the frame begun is complete, or its header held.

        Raises:
            PartyLostError: the connection is closed or broken.
            PeerRejectedError: not the frame expected, or TLS itself failed.
        """
        reader = self._reader
        while reader is not None and reader.is_waiting:
            try:
                n_bytes = self._channel.recv_into(reader.space())
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError) as wanted:
                self._receive_event = _event(wanted)
                return False
            except OSError as error:
                raise self._failure(error) from error
            if n_bytes == 0:
                raise PartyLostError(name=self.peer.name)
            try:
                reader.advance(n_bytes)
            except PeerRejectedError as error:
                raise PeerRejectedError(reason=error.reason, name=self.peer.name) from error
        return True

    def take_frame(self) -> tuple[Header, bytes]:
        """Take the frame that ``pump_receive`` completed.

        Raises:
            PeerRejectedError: there is none.
        """
        reader, self._reader = self._reader, None
        if reader is None or reader.header is None:
            raise PeerRejectedError(reason="no frame was expected", name=self.peer.name)
        self._n_received += 1
        return reader.header, reader.payload

    def wanted_events(self) -> int:
        """Return the ``poll`` events that would let this connection go on; 0 when it waits for nothing."""
        events = self._send_event if self._outgoing else 0
        if self._reader is not None and self._reader.is_waiting:
            events |= self._receive_event
        return events

    # -- state and end -----------------------------------------------------------------------------

    def fileno(self) -> int:
        """Return the socket's number, for ``poll``."""
        return self._channel.fileno()

    @property
    def is_quiet(self) -> bool:
        """Whether it is open, with nothing half sent, half received or waiting to be read."""
        if not self.is_between_frames or self._reader is not None or self.has_pending:
            return False
        poller = select.poll()
        poller.register(self._channel, select.POLLIN)
        return not poller.poll(0)

    @property
    def has_pending(self) -> bool:
        """Whether OpenSSL holds bytes that ``poll`` does not see."""
        return self._channel.pending() > 0

    @property
    def has_begun_frame(self) -> bool:
        """Whether an expected frame is here in part, or whole and not taken."""
        return self._reader is not None and self._reader.has_begun and not self._reader.is_open

    @property
    def has_whole_frame(self) -> bool:
        """Whether an expected frame is here and not taken."""
        return self._reader is not None and self._reader.is_complete

    @property
    def is_between_frames(self) -> bool:
        """Whether a frame could be sent now without cutting another in two."""
        return not self._is_closed and not self._outgoing

    @property
    def has_left(self) -> bool:
        """Whether the peer has closed, or this end was interrupted; never waits."""
        poller = select.poll()
        try:
            poller.register(self._channel, _LEFT)
        except ValueError:
            return True
        return bool(poller.poll(0))

    def hand_over(self) -> Connection:
        """Mark that a new owner will close it, and return it."""
        self.is_handed_over = True
        return self

    def refuse(self, refusal: Refusal, deadline: Deadline) -> None:
        """Send the reason of a refusal, give the peer time to read it, and close."""
        self.say_last(Kind.REFUSAL, encode_refusal(refusal))
        self.drain(deadline)
        self.close()

    def say_last(self, kind: int, payload: bytes) -> None:
        """Try to send one last frame and end our direction; never waits, nor raises for a peer gone.

        Frames of which nothing is out yet are dropped for it: a peer that receives no final message blames this end.
        """
        if not (self._is_closed or self._is_in_frame):
            self._outgoing.clear()
            with contextlib.suppress(PartyLostError, PeerRejectedError):
                self.begin_send(kind, payload)
                self.pump_send()
        self._shut(socket.SHUT_WR)

    def drain(self, deadline: Deadline) -> None:
        """Wait until the peer has closed too, throwing away what it still sends.

        Closing with unread bytes would reset the connection, and the reset could overtake our last frame.
        """
        poller = select.poll()
        poller.register(self._channel, select.POLLIN)
        with contextlib.suppress(OSError):  # TimeoutError too: then it is closed as it is
            while True:
                if poller.poll(deadline.poll_ms()) and not socket.socket.recv(self._channel, _SLICE_BYTES):
                    return

    @property
    def is_drained(self) -> bool:
        """Whether the peer has closed too; throws away what it still sends, and never waits."""
        try:
            while socket.socket.recv(self._channel, _SLICE_BYTES):
                pass
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True

    def interrupt(self) -> None:
        """End both directions; the owner's next or present wait raises ``PartyLostError``. For any thread."""
        self._shut(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close; may be called twice."""
        self._shut(socket.SHUT_RDWR)
        with self._closing:
            self._is_closed = True
            self._channel.close()

    def _shut(self, how: int) -> None:
        # The method of the plain socket: SSLSocket.shutdown would drop the TLS state under the owner's feet.
        with self._closing, contextlib.suppress(OSError):
            if not self._is_closed:
                socket.socket.shutdown(self._channel, how)

    def _failure(self, error: OSError) -> PartyLostError | PeerRejectedError:
        if isinstance(error, ssl.SSLError) and not isinstance(
            error, ssl.SSLEOFError | ssl.SSLZeroReturnError | ssl.SSLSyscallError
        ):
            return PeerRejectedError(reason=f"TLS failed: {error.reason or 'unknown'}", name=self.peer.name)
        return PartyLostError(name=self.peer.name)


def _event(wanted: ssl.SSLError) -> int:
    return select.POLLIN if isinstance(wanted, ssl.SSLWantReadError) else select.POLLOUT

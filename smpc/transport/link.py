"""One peer of a session: the frames still expected from it, and its final abort message.

Layer:       smpc.transport.link.
Terms:       the first message of a link is the answer to our lease; its last message is an END or an ABORT.
Guarantees:  an ABORT is heard even when no frame of that peer is waited for; only a member of the session can be
             blamed.
See instead: waiting for several links at once (``tls_mesh``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from smpc.errors import PartyLostError, PeerRejectedError, SmpcError
from smpc.transport.wire.frames import Kind
from smpc.transport.wire.handshake import REFUSAL_TEXT, decode_abort, decode_refusal

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from smpc.transport.connection import Connection
    from smpc.transport.liveness import Liveness

_LAST_WORDS: Final = frozenset({int(Kind.ABORT), int(Kind.END)})
_ANSWERS: Final = frozenset({int(Kind.LEASED), int(Kind.REFUSAL), int(Kind.ABORT)})


GRACE_S: Final = 0.3


class PeerLeftError(SmpcError):
    """A peer named the party at fault, or has ended; ``FaultAttribution`` makes a ``PartyLostError`` of it."""

    def __init__(self, *, name: str) -> None:
        """Name who is at fault."""
        self.name = name
        super().__init__(f"party {name} is lost, as a peer says")


class Link:
    """A peer's connection during one session; belongs to the session's thread.

    Attributes:
        name: the peer.
        connection: bound to the session.
        is_dialed: whether this end dialed it.
        is_leased: whether the peer has joined the session too.
        has_ended: whether the peer has said END.
    """

    __slots__ = ("_is_expecting", "_members", "connection", "has_ended", "is_dialed", "is_leased", "name")

    def __init__(self, connection: Connection, members: Collection[str], *, is_dialed: bool) -> None:
        """Begin; the peer leased an accepted connection, a dialed one waits for its answer to our lease."""
        self.name = connection.peer.name
        self.connection = connection
        self.is_dialed = is_dialed
        self.is_leased = not is_dialed
        self.has_ended = False
        self._members = members
        self._is_expecting = False

    def expect(self, kind: int, length: int) -> None:
        """Say which frame of an operation this peer owes.

        Raises:
            PartyLostError: it has ended.
            PeerRejectedError: it has sent another frame already.
        """
        if self.has_ended:
            raise PartyLostError(name=self.name)
        self._is_expecting = True
        if not self.connection.has_begun_frame:  # else its final message is on the way
            self.connection.begin_receive(_LAST_WORDS | {kind}, length=length)

    def peek(self) -> None:
        """Listen for a final message while no frame is expected."""
        if self.has_ended or self._is_expecting or self.connection.has_begun_frame:
            return
        if self.is_leased:
            self.connection.begin_peek()
        else:
            self.connection.begin_receive(_ANSWERS, length=0)

    @property
    def is_busy(self) -> bool:
        """Whether the peer owes a frame or its answer to our lease, or has not taken all of ours."""
        return self._is_expecting or not self.is_leased or not self.connection.is_between_frames

    def pump(self, *, can_read: bool = True) -> bytes | None:
        """Send and receive what goes now; return the payload owed when it is complete.

        Raises:
            PeerLeftError: the peer left and said whose fault that is.
            PartyLostError: the connection is closed or broken, and no ABORT gave a reason.
            PeerRejectedError: not the frame owed.
        """
        connection = self.connection
        connection.pump_send()
        can_read = can_read or connection.has_pending or connection.has_whole_frame
        if self.has_ended or not (can_read and connection.pump_receive()):
            return None
        if self._is_expecting:
            payload = self._take()
            self.peek()
            return payload
        if not self.is_leased:
            self._take_answer()
            return None
        if self.connection.held_kind is not None:
            if self.connection.held_kind not in _LAST_WORDS:
                return None  # a frame of an operation that has not begun here
            self.connection.begin_receive(_LAST_WORDS, length=0)
            self.connection.pump_receive()
        if self.connection.has_whole_frame:
            self._hear(*self._frame())
        return None

    def last_words(self) -> str | None:
        """Return whom an ABORT blames that came before the connection broke; None when there is none."""
        try:
            self.peek()
            while not self.has_ended and self.connection.pump_receive():
                if self.connection.held_kind is not None:
                    self.connection.begin_receive(_LAST_WORDS, length=0)
                elif self._is_expecting:
                    self._take()
                elif self.is_leased:
                    self._hear(*self._frame())
                else:
                    self._take_answer()
                self.peek()
        except PeerLeftError as error:
            return error.name
        except (PartyLostError, PeerRejectedError):
            return None
        return None

    def _take(self) -> bytes | None:
        kind, payload = self._frame()
        self._is_expecting = False
        if kind in _LAST_WORDS:
            self._hear(kind, payload)
            raise PeerLeftError(name=self.name)
        return payload

    def _take_answer(self) -> None:
        kind, payload = self._frame()
        if kind == Kind.REFUSAL:
            raise PeerRejectedError(
                reason=f"it refuses: {REFUSAL_TEXT[decode_refusal(payload)]}", name=self.name
            )
        self._hear(kind, payload)
        self.is_leased = True

    def _frame(self) -> tuple[int, bytes]:
        header, payload = self.connection.take_frame()
        return header.kind, payload

    def _hear(self, kind: int, payload: bytes) -> None:
        if kind == Kind.END:
            self.has_ended = True
        elif kind == Kind.ABORT:
            _, culprit = decode_abort(payload)
            if culprit not in self._members:
                raise PeerRejectedError(reason="it blames a party outside the session", name=self.name)
            raise PeerLeftError(name=culprit)


class FaultAttribution:
    """Finds the party at fault when a link breaks, from the peers' final messages and the heartbeats."""

    def __init__(self, liveness: Liveness, peers: Collection[str]) -> None:
        """Note the present epochs: a peer lost from now on is lost to this session, even if it returns."""
        self._liveness = liveness
        self._epochs = liveness.epochs(peers)

    def dismiss(self, name: str) -> None:
        """Forget a peer that has done its part; whether it lives is of no more interest."""
        self._epochs.pop(name, None)

    def check(self) -> None:
        """Raise ``PartyLostError`` when a peer was lost since."""
        self._liveness.check(self._epochs)

    def late(self, name: str) -> PartyLostError:
        """Return the error for a peer that was too slow, unless the heartbeats know a better reason."""
        return PartyLostError(name=self._liveness.lost_since(self._epochs) or name)

    def pump(self, link: Link, *, can_read: bool = True, links: Iterable[Link] = ()) -> bytes | None:
        """See ``Link.pump``.

        Args:
            link: the peer's.
            can_read: whether something is there to be read.
            links: of the same session; where a connection breaks without a message, theirs are read first.

        Raises:
            PartyLostError: it names the party at fault.
            PeerRejectedError: not the frame owed.
        """
        try:
            return link.pump(can_read=can_read)
        except PeerLeftError as error:
            raise PartyLostError(name=error.name) from error
        except PeerRejectedError as error:
            raise PeerRejectedError(reason=error.reason, name=link.name) from error
        except PartyLostError as error:
            for heard in (link, *(each for each in links if each is not link)):
                if (culprit := heard.last_words()) is not None:
                    raise PartyLostError(name=culprit) from error
            raise self._liveness.blame(self._epochs, link.name, GRACE_S) from error

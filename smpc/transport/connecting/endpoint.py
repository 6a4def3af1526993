"""Setting up a connection: TCP, TLS 1.3, identity, hello, each within one deadline.

Layer:       smpc.transport.connecting.endpoint.
Guarantees:  a connection leaves this file only when both ends have checked certificate, name, role, fingerprint,
             protocol version, purpose and configuration of each other, and both have said so: under TLS 1.3 the
             dialing end's handshake succeeds before the listening end has looked at its certificate.
See instead: many callers at once (``listener``), what is sent afterwards (``connection``).
Source:      RFC 8446 section 4.4.2 and appendix E.1.2 (when the client's authentication is known).
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import ssl
import time
from typing import TYPE_CHECKING, Final

from smpc.errors import PartyLostError, PeerRejectedError
from smpc.transport.connection import Connection
from smpc.transport.deadline import Deadline, Watch
from smpc.transport.wire.frames import Kind
from smpc.transport.wire.handshake import (
    HELLO_LIMIT,
    PROGRAM_BYTES,
    PROTOCOL_VERSION,
    REFUSAL_TEXT,
    Hello,
    Refusal,
    check_name,
    decode_hello,
    decode_refusal,
    encode_hello,
)
from smpc.transport.wire.peer_identity import ROLES, Trust, check_peer, peer_name
from smpc.transport.wire.tls_contexts import client_context, server_context, tune_socket

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

Address = tuple[str, int]
DIAL_S: Final = 10.0
_NODES: Final = frozenset({"site", "dealer", "aggregator", "keyholder"})
CALLERS: Final[Mapping[str, frozenset[str]]] = {
    "control": _NODES,
    "request": frozenset(ROLES),
    "ledger": _NODES | {"auditor"},
    "data": _NODES,
    "train": frozenset({"analyst"}),
    "aggregate": frozenset({"site"}),
    "open": frozenset({"site", "aggregator", "analyst"}),
    "masks": frozenset({"site"}),
}
_DRAIN_S: Final = 0.5
_TRIES: Final = 3
_HANDSHAKE_WAYS: Final = 4  # TCP and TLS 1.3: there and back each, before the first message


class _BrokenOffError(Exception):
    """The other end closed in the middle of the greeting: it is gone, or dropped this caller for another one."""


class Endpoint:
    """One party's own side of every connection: its certificate, whom it trusts, its configuration.

    Attributes:
        name: own name, as in the own certificate and the roster.
        configuration: SHA-256 of the consortium's configuration, 32 bytes; the peer's must be equal.
        trust: whom this end accepts.
        present: gives whom it accepts now, where that changes; otherwise None.
        handshake_s: limit for handshake and hello together (s).
        user_timeout_s: how long sent data may stay unacknowledged before the kernel gives up (s).
        delay_s: time that every message is under way (s), to see what a distance costs.
        program: 8 random bytes, in every hello: the peer tells this program from others of the same party by them.
    """

    def __init__(
        self,
        *,
        name: str,
        identity_file: Path,
        trust: Trust,
        configuration: bytes,
        handshake_s: float = 5.0,
        user_timeout_s: float = 30.0,
        delay_s: float = 0.0,
    ) -> None:
        """Load the own certificate and key from one PEM file."""
        self.name = check_name(name)
        self.trust = trust
        self.present: Callable[[], Trust] | None = None
        self.configuration = configuration
        self.handshake_s = handshake_s
        self.user_timeout_s = user_timeout_s
        self.delay_s = delay_s
        self.program = os.urandom(PROGRAM_BYTES)
        self._client = client_context(trust, identity_file)
        self._server = server_context(trust, identity_file)

    def __repr__(self) -> str:
        """Name the party only."""
        return f"Endpoint({self.name})"

    def dial(
        self,
        address: Address,
        peer: str,
        purpose: str,
        *,
        deadline_s: float = DIAL_S,
        watch: Watch | None = None,
    ) -> Connection:
        """Connect to a named party.

        Args:
            address: host and port.
            peer: the name that must answer.
            purpose: "control", "request", "ledger" or "data".
            deadline_s: limit for everything until the peer's welcome (s).
            watch: asked at least every 50 ms; may raise to end the attempt.

        Raises:
            PartyLostError: no party answers there in time, or each attempt breaks off.
            PeerRejectedError: the party that answers is another one, or either end refuses the other.
        """
        deadline = Deadline(deadline_s, watch)
        for _ in range(_TRIES):
            with contextlib.suppress(_BrokenOffError):
                return self._dial(address, peer, purpose, deadline)
        raise PartyLostError(name=peer)

    def _dial(self, address: Address, peer: str, purpose: str, deadline: Deadline) -> Connection:
        try:
            channel = _connect(address, deadline, self.user_timeout_s)
        except OSError as error:  # TimeoutError too
            raise PartyLostError(name=peer) from error
        try:
            time.sleep(ways_s(self.delay_s))
            return self._introduce(
                self._client.wrap_socket(channel, do_handshake_on_connect=False), peer, purpose, deadline
            )
        except TimeoutError as error:
            raise PartyLostError(name=peer) from error
        except PeerRejectedError as error:
            raise PeerRejectedError(reason=error.reason, name=peer) from error
        except (PartyLostError, OSError) as error:
            raise _BrokenOffError from error
        finally:
            channel.close()  # wrap_socket detached it; this closes it only where that failed

    def _introduce(self, channel: ssl.SSLSocket, peer: str, purpose: str, deadline: Deadline) -> Connection:
        try:
            connection = self._identify(channel, deadline, expected=peer, purpose=purpose)
            mine = self._hello(peer, purpose)
            connection.send_frame(Kind.HELLO, encode_hello(mine), deadline)
            kinds = frozenset({int(Kind.WELCOME), int(Kind.REFUSAL)})
            header, payload = connection.receive_frame(kinds, deadline, limit=HELLO_LIMIT)
            connection.program = self._check_answer(header.kind, payload, peer)
        except BaseException:
            channel.close()
            raise
        return connection

    def _hello(self, recipient: str, purpose: str) -> Hello:
        return Hello(
            sender=self.name,
            recipient=recipient,
            purpose=purpose,
            configuration=self.configuration,
            program=self.program,
        )

    def _check_answer(self, kind: int, payload: bytes, peer: str) -> bytes:
        if kind == Kind.REFUSAL:
            raise PeerRejectedError(reason=f"it refuses: {REFUSAL_TEXT[decode_refusal(payload)]}")
        hello = decode_hello(payload)
        refusal = self._objection(hello, peer)
        if refusal is not None:
            raise PeerRejectedError(reason=REFUSAL_TEXT[refusal])
        return hello.program

    def accept(
        self,
        channel: socket.socket,
        callers: Mapping[str, frozenset[str]],
        watch: Watch | None = None,
        admit: Callable[[str], bool] = lambda _: True,
    ) -> Connection:
        """Greet a caller on a socket just accepted; closes the socket when it raises.

        Args:
            channel: the plain socket.
            callers: purpose -> roles that it is served to; purposes not named are refused.
            watch: asked at least every 50 ms; may raise to end the attempt.
            admit: whether the member with this name may have one connection more; asked last.

        Raises:
            PeerRejectedError: anything but a caller of the roster with a fitting hello, within
            ``handshake_s``.
        """
        deadline = Deadline(self.handshake_s, watch)
        try:
            tune_socket(channel, user_timeout_s=self.user_timeout_s)
            wrapped = self._server.wrap_socket(channel, server_side=True, do_handshake_on_connect=False)
            try:
                return self._greet(wrapped, callers, deadline, admit)
            except BaseException:
                wrapped.close()
                raise
        except TimeoutError as error:
            raise PeerRejectedError(reason=f"no complete greeting within {self.handshake_s:g} s") from error
        except PeerRejectedError:
            raise
        except OSError as error:
            raise PeerRejectedError(reason="connection broke off before its greeting was complete") from error
        finally:
            channel.close()

    def _greet(
        self,
        channel: ssl.SSLSocket,
        callers: Mapping[str, frozenset[str]],
        deadline: Deadline,
        admit: Callable[[str], bool],
    ) -> Connection:
        connection = self._identify(channel, deadline, expected=None, purpose="")
        try:
            _, payload = connection.receive_frame(frozenset({int(Kind.HELLO)}), deadline, limit=HELLO_LIMIT)
            hello = decode_hello(payload)
        except PeerRejectedError:
            connection.refuse(Refusal.MALFORMED, deadline.within(_DRAIN_S))
            raise
        refusal = self._objection(hello, connection.peer.name)
        if refusal is None and connection.peer.role not in callers.get(hello.purpose, frozenset()):
            refusal = Refusal.PURPOSE
        if refusal is None and not admit(connection.peer.name):
            refusal = Refusal.CONNECTIONS
        if refusal is not None:
            connection.refuse(refusal, deadline.within(_DRAIN_S))
            raise PeerRejectedError(reason=REFUSAL_TEXT[refusal], name=connection.peer.name)
        connection.purpose, connection.program = hello.purpose, hello.program
        mine = self._hello(hello.sender, hello.purpose)
        connection.send_frame(Kind.WELCOME, encode_hello(mine), deadline)
        return connection

    def _identify(
        self, channel: ssl.SSLSocket, deadline: Deadline, *, expected: str | None, purpose: str
    ) -> Connection:
        _handshake(channel, deadline)
        certificate = channel.getpeercert(binary_form=True)
        if certificate is None:
            raise PeerRejectedError(reason="no certificate was shown")
        peer = peer_name(certificate)
        trust = self.trust if self.present is None else self.present()
        try:
            check_peer(peer, trust, expected=expected)
        except PeerRejectedError:
            why = Refusal.REMOVED if peer.name in trust.removed else Refusal.IDENTITY
            Connection(channel, peer).refuse(why, deadline.within(_DRAIN_S))
            raise
        return Connection(channel, peer, purpose, delay_s=self.delay_s)

    def _objection(self, hello: Hello, peer: str) -> Refusal | None:
        if hello.version != PROTOCOL_VERSION:
            return Refusal.VERSION
        if hello.sender != peer or hello.recipient != self.name:
            return Refusal.NAME
        if hello.configuration != self.configuration:
            return Refusal.CONFIGURATION
        return None


def ways_s(delay_s: float) -> float:
    """How long after its connection a caller's first byte comes over a distance (s)."""
    return _HANDSHAKE_WAYS * delay_s


def _handshake(channel: ssl.SSLSocket, deadline: Deadline) -> None:
    while True:
        try:
            channel.do_handshake()
        except ssl.SSLWantReadError:
            event = select.POLLIN
        except ssl.SSLWantWriteError:
            event = select.POLLOUT
        except ssl.SSLCertVerificationError as error:
            _part(channel, deadline)
            raise PeerRejectedError(reason=f"certificate refused: {error.verify_message}") from error
        except ssl.SSLEOFError:
            raise
        except ssl.SSLError as error:
            _part(channel, deadline)
            raise PeerRejectedError(reason=f"TLS failed: {error.reason or 'unknown'}") from error
        else:
            return
        _poll(channel, event, deadline)


def _part(channel: ssl.SSLSocket, deadline: Deadline) -> None:
    """Let the peer read OpenSSL's alert: closing with unread bytes would reset the connection over it."""
    with contextlib.suppress(OSError):  # TimeoutError too
        deadline = deadline.within(_DRAIN_S)
        socket.socket.shutdown(channel, socket.SHUT_WR)
        while True:
            _poll(channel, select.POLLIN, deadline)
            if not socket.socket.recv(channel, 1 << 14):
                return


def _poll(channel: socket.socket, event: int, deadline: Deadline) -> None:
    poller = select.poll()
    poller.register(channel, event)
    while not poller.poll(deadline.poll_ms()):
        pass


def _connect(address: Address, deadline: Deadline, user_timeout_s: float) -> socket.socket:
    failure: OSError = ConnectionRefusedError(errno.ECONNREFUSED, "no address")
    for family, kind, protocol, _, target in socket.getaddrinfo(*address, type=socket.SOCK_STREAM):
        channel = socket.socket(family, kind, protocol)
        try:
            tune_socket(channel, user_timeout_s=user_timeout_s)
            code = channel.connect_ex(target)
            if code == errno.EINPROGRESS:
                _poll(channel, select.POLLOUT, deadline)
                code = channel.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code == 0:
                return channel
            failure = OSError(code, os.strerror(code))
        except BaseException:
            channel.close()
            raise
        channel.close()
    raise failure

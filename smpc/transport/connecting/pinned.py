"""Connections between a place that has a certificate and callers that have none yet.

Layer:       smpc.transport.connecting.pinned, beside endpoint.
Guarantees:  a dialing end sends nothing before the certificate at the other end has the fingerprint that it was given.
             A listening end gives one address at most ``most`` connections a minute, each with a time limit. It knows
             nothing of its callers: what they may do is decided by what they say.
See instead: connections between members, whose certificates are checked at both ends (``endpoint``); many callers at
             once (``listener``); what is said here (``federation.consortium.admission.deliveries``).
Source:      RFC 8446 (TLS 1.3).
"""

from __future__ import annotations

import hashlib
import hmac
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Final

from smpc.errors import PartyLostError, PeerRejectedError
from smpc.transport.connecting.endpoint import _connect, _handshake
from smpc.transport.connection import Connection
from smpc.transport.deadline import Deadline, Watch
from smpc.transport.wire.peer_identity import PeerName
from smpc.transport.wire.tls_contexts import pinned_client_context, pinned_server_context, tune_socket

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from smpc.transport.connecting.endpoint import Address

HANDSHAKE_S: Final = 5.0
USER_TIMEOUT_S: Final = 30.0
MOST_A_MINUTE: Final = 60
_MINUTE_S: Final = 60.0
_MOST_ADDRESSES: Final = 4096


class CallRate:
    """How often each address has called within the last minute; for any thread."""

    def __init__(self, most: int = MOST_A_MINUTE, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with none.

        Args:
            most: calls of one address in 60 s.
            clock: seconds.
        """
        self._most, self._clock = most, clock
        self._lock = threading.Lock()
        self._calls: dict[str, deque[float]] = {}

    def allows(self, address: str) -> bool:
        """Count a call; False where the address has used its calls, which the refused one does not prolong."""
        with self._lock:
            now = self._clock()
            calls = self._calls.pop(
                address, deque()
            )  # it comes back last: the first one was silent for longest
            while calls and calls[0] <= now - _MINUTE_S:
                calls.popleft()
            is_allowed = len(calls) < self._most
            if is_allowed:
                calls.append(now)
            self._calls[address] = calls
            if len(self._calls) > _MOST_ADDRESSES:
                del self._calls[next(iter(self._calls))]
            return is_allowed


class PinnedEndpoint:
    """A listening end for callers without a certificate; see ``Listener``.

    Attributes:
        name: in log lines.
        delay_s: none.
    """

    delay_s = 0.0

    def __init__(self, *, name: str, identity_file: Path, purpose: str, rate: CallRate | None = None) -> None:
        """Load certificate and key.

        Args:
            name: in log lines.
            identity_file: certificate and key, PEM.
            purpose: what all its connections are for.
            rate: how often one address may call.
        """
        self.name, self._purpose = name, purpose
        self._rate = rate or CallRate()
        self._server = pinned_server_context(identity_file)

    def accept(
        self,
        channel: socket.socket,
        callers: Mapping[str, frozenset[str]],
        watch: Watch | None = None,
        admit: Callable[[str], bool] = lambda _: True,
    ) -> Connection:
        """Complete the handshake with a caller; closes the socket when it raises.

        Args:
            channel: the plain socket.
            callers: not used: callers have no role.
            watch: asked at least every 50 ms; may raise to end the attempt.
            admit: whether this address may have one connection more.

        Raises:
            PeerRejectedError: too many calls, or no handshake in time.
        """
        del callers
        try:
            address = str(channel.getpeername()[0])
            self._check_rate(address)
            tune_socket(channel, user_timeout_s=USER_TIMEOUT_S)
            wrapped = self._server.wrap_socket(channel, server_side=True, do_handshake_on_connect=False)
            try:
                _handshake(wrapped, Deadline(HANDSHAKE_S, watch))
                _check_place(address, admit)
            except BaseException:
                wrapped.close()
                raise
            return Connection(wrapped, PeerName(name=address, role="caller", fingerprint=""), self._purpose)
        except PeerRejectedError:
            raise
        except OSError as error:  # TimeoutError too
            raise PeerRejectedError(
                reason="connection broke off before its handshake was complete"
            ) from error
        finally:
            channel.close()

    def _check_rate(self, address: str) -> None:
        if not self._rate.allows(address):
            raise PeerRejectedError(reason="too many calls in a minute", name=address)


def _check_place(address: str, admit: Callable[[str], bool]) -> None:
    if not admit(address):
        raise PeerRejectedError(reason="too many connections at once", name=address)


def dial_pinned(address: Address, fingerprint: str, *, name: str, deadline_s: float) -> Connection:
    """Connect to a place whose certificate is known by its fingerprint.

    Args:
        address: host and port.
        fingerprint: SHA-256 of the certificate (DER), hex.
        name: of the place, for errors.
        deadline_s: limit for connecting and handshake together (s).

    Raises:
        PartyLostError: nothing answers there in time.
        PeerRejectedError: another certificate is shown there, or TLS fails; nothing was sent but the handshake.
    """
    deadline = Deadline(deadline_s)
    try:
        plain = _connect(address, deadline, USER_TIMEOUT_S)
        try:
            channel = pinned_client_context().wrap_socket(plain, do_handshake_on_connect=False)
            try:
                _handshake(channel, deadline)
                _check_shown(channel, fingerprint, name)
            except BaseException:
                channel.close()
                raise
        finally:
            plain.close()  # wrap_socket detached it; this closes it only where that failed
    except PeerRejectedError:
        raise
    except OSError as error:  # TimeoutError too
        raise PartyLostError(name=name) from error
    return Connection(channel, PeerName(name=name, role="founder", fingerprint=fingerprint))


def _check_shown(channel: ssl.SSLSocket, fingerprint: str, name: str) -> None:
    shown = hashlib.sha256(channel.getpeercert(binary_form=True) or b"").hexdigest()
    if not hmac.compare_digest(shown, fingerprint):
        raise PeerRejectedError(reason="another certificate is shown there", name=name)

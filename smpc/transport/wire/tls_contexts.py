"""Mutual TLS 1.3: the contexts of both ends, and their sockets.

Layer:       smpc.transport.wire.tls_contexts, above peer_identity.
Guarantees:  TLS 1.3 alone; both ends show a certificate of the consortium's authority.
See instead: whose certificate it is (``peer_identity``), the first frames on a channel (``handshake``).
Source:      RFC 8446 (TLS 1.3).
"""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from smpc.transport.wire.peer_identity import Trust


class Channel(ssl.SSLSocket):
    """A TLS socket that never outlives a failed start.

    Python 3.11 asks a new one for its peer and, where that was reset a moment ago, raises without closing it.
    """

    def getpeername(self) -> Any:
        """Return the peer's address.

        Raises:
            OSError: there is none any more; the socket is closed.
        """
        try:
            return super().getpeername()
        except OSError:
            self.close()
            raise


def client_context(trust: Trust, identity_file: Path) -> ssl.SSLContext:
    """Return a TLS 1.3-only context for the dialing end; ``identity_file`` holds certificate and key."""
    return _harden(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), trust, identity_file)


def server_context(trust: Trust, identity_file: Path) -> ssl.SSLContext:
    """Return a TLS 1.3-only context for the listening end, which demands the caller's certificate."""
    context = _harden(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), trust, identity_file)
    # Session tickets would be bytes after the handshake that no end waits for, and every channel is checked
    # anew.
    context.num_tickets = 0
    return context


def pinned_client_context() -> ssl.SSLContext:
    """Return a TLS 1.3-only context for an end that knows the other's certificate by its fingerprint alone.

    OpenSSL checks no issuer and no name here: the caller compares the fingerprint before it sends anything.
    """
    return _limit(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))


def pinned_server_context(identity_file: Path) -> ssl.SSLContext:
    """Return a TLS 1.3-only context for a listening end whose callers have no certificate yet."""
    context = _limit(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    context.load_cert_chain(identity_file)
    context.num_tickets = 0
    return context


def _limit(context: ssl.SSLContext) -> ssl.SSLContext:
    context.sslsocket_class = Channel
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _harden(context: ssl.SSLContext, trust: Trust, identity_file: Path) -> ssl.SSLContext:
    context.sslsocket_class = Channel
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False  # check_peer demands more: name, role and fingerprint, at both ends
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.load_verify_locations(cadata=trust.ca_pem.decode("ascii"))
    context.load_cert_chain(identity_file)
    return context


def tune_socket(channel: socket.socket, *, user_timeout_s: float) -> None:
    """Make a socket non-blocking, without Nagle's delay; the kernel gives up on unacknowledged data."""
    channel.settimeout(0)
    channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux; elsewhere the heartbeat alone notices a cut cable
        channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(user_timeout_s * 1000))

"""Mutual TLS 1.3 and the one identity check of the product, the same at both ends.

Layer:       smpc.transport.wire.tls.
Terms:       the roster says which name has which role and certificate; it comes from the consortium's configuration.
Guarantees:  a peer passes only with a certificate of the consortium's authority whose name, role and SHA-256
             fingerprint are those of the roster. Host names play no part: OpenSSL's check of them is off, ours is
             stricter.
See instead: who issues certificates (``federation.identity.certificates``), the first words on a channel
             (``endpoint``).
Source:      RFC 8446 (TLS 1.3), RFC 5280 section 4.2.1.6 (subjectAltName).
"""

from __future__ import annotations

import hashlib
import re
import socket
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from cryptography import x509

from smpc.errors import PeerRejectedError
from smpc.transport.wire.handshake import NAME

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ROLES: Final = ("site", "dealer", "aggregator", "keyholder", "analyst", "auditor")
_URN: Final = re.compile(r"urn:crossward:([a-z]+):([a-z0-9_-]+)", re.ASCII)
_FINGERPRINT: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """Whom an end accepts.

    Attributes:
        ca_pem: certificate of the consortium's authority, PEM.
        roster: name -> (role, SHA-256 of the certificate's DER in lower-case hex).
    """

    ca_pem: bytes = field(repr=False)
    roster: Mapping[str, tuple[str, str]]

    def __post_init__(self) -> None:
        """Refuse a roster that no certificate could meet."""
        for name, (role, fingerprint) in self.roster.items():
            if not NAME.fullmatch(name) or role not in ROLES or not _FINGERPRINT.fullmatch(fingerprint):
                raise PeerRejectedError(reason="roster entry is not a name, role and fingerprint", name=name)


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerName:
    """Who stands at the other end, as its certificate says."""

    name: str
    role: str
    fingerprint: str


def peer_name(certificate_der: bytes) -> PeerName:
    """Read name, role and fingerprint from a certificate.

    Raises:
        PeerRejectedError: not exactly one ``urn:crossward:<role>:<name>`` with one equal DNS name.
    """
    try:
        certificate = x509.load_der_x509_certificate(certificate_der)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension) as error:
        raise PeerRejectedError(reason="certificate without readable alternative names") from error
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    match = _URN.fullmatch(uris[0]) if len(uris) == 1 else None
    if match is None or match[1] not in ROLES or names.get_values_for_type(x509.DNSName) != [match[2]]:
        raise PeerRejectedError(reason="certificate names no role and party")
    return PeerName(name=match[2], role=match[1], fingerprint=hashlib.sha256(certificate_der).hexdigest())


def check_peer(peer: PeerName, trust: Trust, *, expected: str | None = None) -> None:
    """Compare a peer with the roster: exact name, role and fingerprint.

    Args:
        peer: what its certificate says.
        trust: whom this end accepts.
        expected: the name that was dialed; None where any member of the roster may call.

    Raises:
        PeerRejectedError: unknown name, other name than dialed, other role, other certificate.
    """
    if expected is not None and peer.name != expected:
        raise PeerRejectedError(reason=f"certificate is that of {peer.name}", name=expected)
    if peer.name not in trust.roster:
        raise PeerRejectedError(reason="name is not in the roster", name=peer.name)
    role, fingerprint = trust.roster[peer.name]
    if peer.role != role:
        raise PeerRejectedError(
            reason=f"certificate has role {peer.role}, the roster says {role}", name=peer.name
        )
    if peer.fingerprint != fingerprint:
        raise PeerRejectedError(reason="certificate is not the one in the roster", name=peer.name)


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

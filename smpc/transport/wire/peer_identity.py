"""The one identity check of the product, the same at both ends: a peer's name, role and certificate against the roster.

Layer:       smpc.transport.wire.peer_identity.
Terms:       the roster says which name has which role and certificate; it comes from the consortium's configuration.
Guarantees:  a peer passes only with a certificate whose name, role and SHA-256 fingerprint are those of the roster, or,
             where its key was renewed, whose name, role and key are those of the renewal. A member that was added since, or
             that is no site and was renewed, passes with its present key alone; a removed one does not pass.
             Host names play no part: OpenSSL's check of them is off, this one is stricter.
See instead: the certificate's authority and TLS itself (``tls_contexts``), who issues certificates
             (``federation.identity.authority``), the role for each purpose (``connecting.endpoint``), a removed site,
             whose certificate stays valid and whose signature does not (``privacy_accounting.ledger.parties.members``).
Source:      RFC 5280 section 4.2.1.6 (subjectAltName).
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from smpc.errors import PeerRejectedError
from smpc.transport.wire.handshake import NAME

if TYPE_CHECKING:
    from collections.abc import Mapping

ROLES: Final = ("site", "dealer", "aggregator", "keyholder", "analyst", "auditor")
_URN: Final = re.compile(r"urn:crossward:([a-z]+):([a-z0-9_-]+)", re.ASCII)
_FINGERPRINT: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """Whom an end accepts.

    Attributes:
        ca_pem: certificate of the consortium's authority, PEM.
        roster: name -> (role, SHA-256 of the certificate's DER in lower-case hex).
        renewed: name -> Ed25519 key in hex, of members whose key was renewed since the roster was written: a certificate of
            the authority for that key, name and role passes too.
        keyed: name -> (role, Ed25519 key in hex), of members outside the roster: a certificate of the authority for that
            key, name and role passes.
        removed: names of members that were removed.
    """

    ca_pem: bytes = field(repr=False)
    roster: Mapping[str, tuple[str, str]]
    renewed: Mapping[str, str] = field(default_factory=dict)
    keyed: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    removed: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        """Refuse a roster that no certificate could meet, and a renewal of no member."""
        for name, key in self.renewed.items():
            if name not in self.roster or not _FINGERPRINT.fullmatch(key):
                raise PeerRejectedError(reason="renewal is not of a member and its key", name=name)
        twice = self.roster.keys() & self.keyed.keys()
        if twice:
            raise PeerRejectedError(reason="member stands twice", name=min(twice))
        for name, (role, fingerprint) in {**self.roster, **self.keyed}.items():
            if not NAME.fullmatch(name) or role not in ROLES or not _FINGERPRINT.fullmatch(fingerprint):
                raise PeerRejectedError(reason="roster entry is not a name, role and fingerprint", name=name)

    def knows(self, name: str) -> bool:
        """Whether a name is that of a member."""
        return (name in self.roster or name in self.keyed) and name not in self.removed


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerName:
    """Who stands at the other end, as its certificate says."""

    name: str
    role: str
    fingerprint: str
    public_key: str = ""


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
    return PeerName(
        name=match[2],
        role=match[1],
        fingerprint=hashlib.sha256(certificate_der).hexdigest(),
        public_key=_ed25519(certificate),
    )


def _ed25519(certificate: x509.Certificate) -> str:
    """Return the certificate's Ed25519 key in hex; empty for any other key."""
    try:
        public = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return ""
    return public.public_bytes_raw().hex() if isinstance(public, Ed25519PublicKey) else ""


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
    if peer.name in trust.removed:
        raise PeerRejectedError(reason="was removed from the consortium", name=peer.name)
    if not trust.knows(peer.name):
        raise PeerRejectedError(reason="name is not in the roster", name=peer.name)
    role, fingerprint = trust.roster.get(peer.name) or (trust.keyed[peer.name][0], "")
    if peer.role != role:
        raise PeerRejectedError(
            reason=f"certificate has role {peer.role}, the roster says {role}", name=peer.name
        )
    renewed = trust.renewed.get(peer.name) or trust.keyed.get(peer.name, ("", None))[1]
    if peer.fingerprint != fingerprint and (renewed is None or peer.public_key != renewed):
        raise PeerRejectedError(reason="certificate is not the one in the roster", name=peer.name)

"""Members' identities: the consortium's authority, the certificates it issues, and the members' signing keys.

Layer:       federation.identity.certificates. Reads and writes files, opens no connection.
Terms:       an identity file is one PEM with a certificate and its Ed25519 key (PKCS8). The same key authenticates on
             TLS and signs requests and ledger entries.
Guarantees:  an identity that loads has exactly one name and role, stated twice in its certificate, and the matching
             key. A key file that others may read is refused; an incomplete one is reported with its path. No message
             or ``repr`` holds a key.
See instead: the check of a peer's certificate (``smpc.transport.wire.peer_identity``), the members
             (``federation.consortium.consortium_file``).
Source:      RFC 8410 (Ed25519 in certificates), RFC 5280 sections 4.2.1.1 to 4.2.1.9 (the extensions).
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from federation.consortium.admission.approvals import SOON_DAYS
from federation.consortium.file_format.file_types import name_mistake
from federation.errors import ConfigError
from smpc.errors import PeerRejectedError
from smpc.transport.wire.peer_identity import PeerName, Trust, check_peer, peer_name

if TYPE_CHECKING:
    from pathlib import Path

    from federation.consortium.consortium_file import Consortium

AUTHORITY_FILE = "authority.pem"
AUTHORITY_KEY = "authority.key"
AUTHORITY_DAYS = 3650
CERTIFICATE_DAYS = 730
BACKDATED = timedelta(hours=1)
PRIVATE_MODE = 0o600
CUT_SHORT = (
    "its writing was cut short, or it was damaged; put a copy back, or have a new one issued and pinned"
)
OTHERS = 0o077
_KEY_BLOCK = re.compile(rb"-----BEGIN ([A-Z ]*)PRIVATE KEY-----.*?-----END \1PRIVATE KEY-----", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """One member's certificate and the matching key.

    Attributes:
        name: the member's name in the consortium file.
        role: one of ``smpc.transport.wire.peer_identity.ROLES``.
        certificate_pem: the certificate.
        fingerprint: SHA-256 of the certificate's DER, lower-case hex.
        public_hex: the raw Ed25519 public key, hex; it verifies what the member signs.
        signing_key: the private key.
        path: the file it was loaded from; None in memory.
    """

    name: str
    role: str
    certificate_pem: bytes = field(repr=False)
    fingerprint: str
    public_hex: str
    signing_key: Ed25519PrivateKey = field(repr=False)
    path: Path | None = field(default=None, repr=False)

    def sign(self, data: bytes) -> bytes:
        """Sign bytes with the certificate's key, 64 bytes."""
        return self.signing_key.sign(data)

    def derived_key(self, purpose: bytes) -> bytes:
        """Return a 32-byte key for one purpose, which only the holder of the signing key can derive (RFC 5869)."""
        derive = HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose)
        return derive.derive(self.signing_key.private_bytes_raw())

    @property
    def valid_until(self) -> datetime:
        """End of the certificate's validity."""
        return x509.load_pem_x509_certificate(self.certificate_pem).not_valid_after_utc

    def ends_soon(self, now: datetime) -> str:
        """Name the days that are left, where there are fewer than 60; empty before.

        Args:
            now: the present.
        """
        left = self.valid_until - now
        if left >= timedelta(days=SOON_DAYS):
            return ""
        if left <= timedelta():
            return f"the certificate of {self.name} ended on {self.valid_until:%Y-%m-%d}"
        days = "day" if left.days == 1 else "days"
        return f"the certificate of {self.name} ends in {left.days} {days}, on {self.valid_until:%Y-%m-%d}"

    def is_issued_by(self, authority_pem: bytes) -> bool:
        """Whether this authority signed the certificate.

        Args:
            authority_pem: the authority's certificate.
        """
        certificate = x509.load_pem_x509_certificate(self.certificate_pem)
        try:
            certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(authority_pem))
        except (ValueError, TypeError, InvalidSignature):
            return False
        return True

    @staticmethod
    def load(path: Path) -> Identity:
        """Read an identity file.

        Args:
            path: one PEM with certificate and key.

        Returns:
            The identity, with ``path`` set.

        Raises:
            ConfigError: not readable, readable by others, or not an identity.
        """
        try:
            return Identity.from_pem(read_private(path), path=path)
        except ConfigError as error:
            raise ConfigError(mistakes=[f"{path}: {mistake}" for mistake in error.mistakes]) from error

    @staticmethod
    def from_pem(pem: bytes, *, path: Path | None = None) -> Identity:
        """Check an identity given as bytes.

        Args:
            pem: certificate and key.
            path: the file they came from.

        Returns:
            The identity.

        Raises:
            ConfigError: the bytes are not one certificate of one name and role with the matching key.
        """
        certificate = _only_certificate(pem)
        key = _ed25519_key(pem)
        public_hex = _matching_key(certificate, key)
        try:
            named = peer_name(certificate.public_bytes(serialization.Encoding.DER))
        except PeerRejectedError as error:
            raise ConfigError(mistakes=[error.reason]) from error
        return Identity(
            name=named.name,
            role=named.role,
            certificate_pem=certificate.public_bytes(serialization.Encoding.PEM),
            fingerprint=named.fingerprint,
            public_hex=public_hex,
            signing_key=key,
            path=path,
        )


def trust_of(consortium: Consortium) -> Trust:
    """Return the authority and the members that every end of a consortium accepts.

    Args:
        consortium: the agreement.

    Returns:
        Its authority, the roster: name -> (role, fingerprint), and the members that its ledger has changed since.
    """
    file = consortium.file
    roster = {name: ("site", member.fingerprint) for name, member in file.sites.items()}
    roster |= {name: ("analyst", analyst.fingerprint) for name, analyst in file.analysts.items()}
    roster |= {name: ("auditor", auditor.fingerprint) for name, auditor in file.auditors.items()}
    for role in ("dealer", "aggregator", "keyholder"):
        helper = getattr(file, role)
        if helper is not None:
            roster[helper.name] = (role, helper.fingerprint)
    renewed = {name: key for name, key in consortium.site_keys.items() if key != file.sites[name].public_key}
    standings = consortium.roles().standings
    return Trust(
        ca_pem=consortium.authority_pem,
        roster={name: each for name, each in roster.items() if name not in standings},
        renewed=renewed,
        keyed={name: (each.role, each.key) for name, each in standings.items() if not each.removed},
        removed=frozenset(name for name, each in standings.items() if each.removed),
    )


def is_pinned(identity: Identity, consortium: Consortium) -> bool:
    """Whether the members of a consortium accept this identity's certificate.

    Args:
        identity: of a member.
        consortium: the agreement, with the renewed keys.
    """
    shown = PeerName(
        name=identity.name,
        role=identity.role,
        fingerprint=identity.fingerprint,
        public_key=identity.public_hex,
    )
    try:
        check_peer(shown, trust_of(consortium))
    except PeerRejectedError:
        return False
    return True


def read_private(path: Path) -> bytes:
    """Read a key file.

    Raises:
        ConfigError: the file cannot be read, is not a plain file, is empty, or others may read or write it.
    """
    try:
        with path.open("rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            if not stat.S_ISREG(mode):
                raise ConfigError(mistakes=["is not a plain file"])
            if stat.S_IMODE(mode) & OTHERS:
                raise ConfigError(
                    mistakes=[
                        f"others may read this key (mode {stat.S_IMODE(mode):04o}); run chmod 600 {path}"
                    ]
                )
            content = stream.read()
    except OSError as error:
        raise ConfigError(mistakes=[f"cannot be read: {error.strerror}"]) from error
    if not content:
        raise ConfigError(mistakes=[f"is empty: {CUT_SHORT}"])
    return content


def write_private(path: Path, content: bytes) -> None:
    """Write a new key file that only its owner may read, from its first byte on.

    The file is complete and on the disk before it gets its name: an interrupted write leaves no file of that name. The
    next write removes what an interrupted one left.

    Raises:
        ConfigError: the file exists already or cannot be written.
    """
    partial = _partial(path)
    try:
        partial.unlink(missing_ok=True)
        number = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_MODE)
        with os.fdopen(number, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.link(partial, path)  # unlike a rename it never replaces a key that is there
        partial.unlink()
        _sync_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise ConfigError(mistakes=[f"{path}: cannot be written: {error.strerror}"]) from error


def remove_partial(path: Path) -> None:
    """Remove the second name that a key file keeps where its writing was interrupted after the first.

    Raises:
        ConfigError: it cannot be removed.
    """
    try:
        _partial(path).unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError(mistakes=[f"{path}: cannot be written: {error.strerror}"]) from error


def _partial(path: Path) -> Path:
    return path.with_name(f".{path.name}.partial")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _check_name(name: str) -> None:
    mistake = name_mistake(name)
    if mistake is not None:
        raise ConfigError(mistakes=[f"name {name!r} {mistake}"])


def _only_certificate(pem: bytes) -> x509.Certificate:
    try:
        certificates = x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise ConfigError(mistakes=[f"holds no readable certificate: {CUT_SHORT}"]) from error
    if len(certificates) != 1:
        raise ConfigError(mistakes=[f"holds {len(certificates)} certificates instead of one"])
    return certificates[0]


def _ed25519_key(pem: bytes) -> Ed25519PrivateKey:
    blocks = [match[0] for match in _KEY_BLOCK.finditer(pem)]
    if not blocks:
        raise ConfigError(mistakes=[f"holds 0 private keys instead of one: {CUT_SHORT}"])
    if len(blocks) != 1:
        raise ConfigError(mistakes=[f"holds {len(blocks)} private keys instead of one"])
    try:
        key = serialization.load_pem_private_key(blocks[0], password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigError(mistakes=["holds no readable private key"]) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(mistakes=["the key is not an Ed25519 key"])
    return key


def _matching_key(certificate: x509.Certificate, key: Ed25519PrivateKey) -> str:
    public_hex = key.public_key().public_bytes_raw().hex()
    held = certificate.public_key()
    if not isinstance(held, Ed25519PublicKey) or held.public_bytes_raw().hex() != public_hex:
        raise ConfigError(mistakes=["the key is not the one of the certificate"])
    return public_hex

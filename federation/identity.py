"""Who is who: the consortium's authority, the certificates it issues, and the key that signs for a member.

Floor:    federation.identity. Reads and writes files, opens no connection.
Terms:    an identity file is one PEM with a certificate and its Ed25519 key (PKCS8); the same key answers on
          TLS and signs requests and ledger entries.
Promise:  an identity that loads has exactly one name and role, said twice in its certificate, and the key
          that belongs to it; a key file that others may read is refused, one that is not whole is named. No
          message or ``repr`` holds a key.
Not here: the check of a peer's certificate (``smpc.transport.tls``), who is a member (``federation.config``).
Source:   RFC 8410 (Ed25519 in certificates), RFC 5280 sections 4.2.1.1 to 4.2.1.9 (the extensions).
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from federation.config import Consortium, name_mistake
from federation.errors import ConfigError
from smpc.errors import PeerRejectedError
from smpc.transport.tls import ROLES, Trust, peer_name

if TYPE_CHECKING:
    from pathlib import Path

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
    """One member's certificate and the key that goes with it.

    Attributes:
        name: the member's name in the consortium file.
        role: one of ``smpc.transport.tls.ROLES``.
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

    @property
    def valid_until(self) -> datetime:
        """When the certificate ends."""
        return x509.load_pem_x509_certificate(self.certificate_pem).not_valid_after_utc

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
            path: where they came from.

        Returns:
            The identity.

        Raises:
            ConfigError: not one certificate of one name and role with the key that belongs to it.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """The one issuer of a consortium's certificates. Its key is needed only when a member joins."""

    name: str
    certificate_pem: bytes = field(repr=False)
    key: Ed25519PrivateKey = field(repr=False)

    @staticmethod
    def create(name: str, *, now: datetime | None = None) -> Authority:
        """Make a new authority.

        Args:
            name: the consortium's name.
            now: the time of issue; default the present.

        Returns:
            An authority with a fresh key.

        Raises:
            ConfigError: the name is not one.
        """
        _check_name(name)
        key = Ed25519PrivateKey.generate()
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{name} authority")])
        builder = _builder(subject, subject, key.public_key(), now or datetime.now(UTC), AUTHORITY_DAYS)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
        builder = builder.add_extension(
            x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
        )
        return Authority(name=name, certificate_pem=_pem(builder.sign(key, None)), key=key)

    def issue(
        self, name: str, role: str, *, now: datetime | None = None, days: int = CERTIFICATE_DAYS
    ) -> bytes:
        """Make a key and a certificate for one member.

        Args:
            name: the member's name in the consortium file.
            role: one of ``smpc.transport.tls.ROLES``.
            now: the time of issue; default the present.
            days: how long the certificate is valid.

        Returns:
            The content of an identity file: certificate, then key.

        Raises:
            ConfigError: not a name or not a role.
        """
        _check_name(name)
        if role not in ROLES:
            raise ConfigError(mistakes=[f"role {role} is none of {', '.join(ROLES)}"])
        key = Ed25519PrivateKey.generate()
        issuer = x509.load_pem_x509_certificate(self.certificate_pem).subject
        return _member(issuer, self.key, key, name=name, role=role, now=now or datetime.now(UTC), days=days)

    def save(self, folder: Path) -> None:
        """Write certificate and key to a folder, the key for its owner's eyes alone."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / AUTHORITY_FILE).write_bytes(self.certificate_pem)
        write_private(folder / AUTHORITY_KEY, _key_pem(self.key))

    @staticmethod
    def load(folder: Path) -> Authority:
        """Read an authority that ``save`` wrote.

        Raises:
            ConfigError: a file is missing, readable by others, or not an authority's.
        """
        try:
            pem = (folder / AUTHORITY_FILE).read_bytes()
        except OSError as error:
            raise ConfigError(
                mistakes=[f"cannot read {folder / AUTHORITY_FILE}: {error.strerror}"]
            ) from error
        certificate = _only_certificate(pem)
        key = _ed25519_key(read_private(folder / AUTHORITY_KEY))
        _matching_key(certificate, key)
        common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        name = str(common[0].value).removesuffix(" authority") if common else ""
        return Authority(name=name, certificate_pem=pem, key=key)


def in_memory_identity(name: str, role: str) -> Identity:
    """An identity for a party of this process, issued by nobody.

    Args:
        name: the party's name.
        role: one of ``smpc.transport.tls.ROLES``.

    Returns:
        An identity that lies in no file.

    Raises:
        ConfigError: not a name or not a role.
    """
    return Identity.from_pem(Authority.create("memory").issue(name, role))


def trust_of(consortium: Consortium) -> Trust:
    """Whom every end of a consortium accepts.

    Args:
        consortium: the agreement.

    Returns:
        Its authority and the roster: name -> (role, fingerprint).
    """
    file = consortium.file
    roster = {name: ("site", member.fingerprint) for name, member in file.sites.items()}
    roster |= {name: ("analyst", analyst.fingerprint) for name, analyst in file.analysts.items()}
    for role in ("dealer", "aggregator", "keyholder"):
        helper = getattr(file, role)
        if helper is not None:
            roster[helper.name] = (role, helper.fingerprint)
    return Trust(ca_pem=consortium.authority_pem, roster=roster)


def read_private(path: Path) -> bytes:
    """Read a key file.

    Raises:
        ConfigError: it cannot be read, is no plain file, is empty, or others may read or write it.
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

    It is whole and on the disk when it gets its name, so that a write that is interrupted leaves no file of that name; what
    it left is cleared away by the next one.

    Raises:
        ConfigError: the file exists already or cannot be written.
    """
    partial = path.with_name(f".{path.name}.partial")
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


def _builder(
    subject: x509.Name, issuer: x509.Name, public: Ed25519PublicKey, now: datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + timedelta(days=days))
    )


def _member(
    issuer: x509.Name,
    issuer_key: Ed25519PrivateKey,
    key: Ed25519PrivateKey,
    *,
    name: str,
    role: str,
    now: datetime,
    days: int,
) -> bytes:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    names = [x509.UniformResourceIdentifier(f"urn:crossward:{role}:{name}"), x509.DNSName(name)]
    uses = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    builder = _builder(subject, issuer, key.public_key(), now, days)
    for extension, is_critical in (
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_usage(signs_certificates=False), True),
        (x509.ExtendedKeyUsage(uses), False),
        (x509.SubjectAlternativeName(names), False),
        (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), False),
    ):
        builder = builder.add_extension(extension, critical=is_critical)
    return _pem(builder.sign(issuer_key, None)) + _key_pem(key)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )

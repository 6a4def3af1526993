"""The consortium's certificate authority: it issues the certificate of each member."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from federation.errors import ConfigError
from federation.identity.certificates import (
    AUTHORITY_DAYS,
    AUTHORITY_FILE,
    AUTHORITY_KEY,
    BACKDATED,
    CERTIFICATE_DAYS,
    Identity,
    _check_name,
    _ed25519_key,
    _matching_key,
    _only_certificate,
    read_private,
    write_private,
)
from smpc.transport.wire.peer_identity import ROLES

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """Issues the certificates of a consortium. Its key is needed only when a member joins."""

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
            ConfigError: the name is not valid.
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
            role: one of ``smpc.transport.wire.peer_identity.ROLES``.
            now: the time of issue; default the present.
            days: how long the certificate is valid.

        Returns:
            The content of an identity file: certificate, then key.

        Raises:
            ConfigError: the name or the role is not valid.
        """
        key = Ed25519PrivateKey.generate()
        return self.certify(key.public_key(), name, role, now=now, days=days) + key_pem(key)

    def certify(
        self,
        public: Ed25519PublicKey,
        name: str,
        role: str,
        *,
        now: datetime | None = None,
        days: int = CERTIFICATE_DAYS,
    ) -> bytes:
        """Make a certificate for a key that its member has made.

        Args:
            public: the member's key.
            name: the member's name in the consortium file.
            role: one of ``smpc.transport.wire.peer_identity.ROLES``.
            now: the time of issue; default the present.
            days: how long the certificate is valid.

        Returns:
            The certificate, PEM.

        Raises:
            ConfigError: the name or the role is not valid.
        """
        _check_name(name)
        if role not in ROLES:
            raise ConfigError(mistakes=[f"role {role} is none of {', '.join(ROLES)}"])
        issuer = x509.load_pem_x509_certificate(self.certificate_pem).subject
        builder = _member(
            issuer, self.key, public, name=name, role=role, now=now or datetime.now(UTC), days=days
        )
        return _pem(builder.sign(self.key, None))

    def save(self, folder: Path) -> None:
        """Write certificate and key to a folder; only the owner may read the key."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / AUTHORITY_FILE).write_bytes(self.certificate_pem)
        write_private(folder / AUTHORITY_KEY, key_pem(self.key))

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
    """Make an identity for a party of this process, under an authority of its own.

    Args:
        name: the party's name.
        role: one of ``smpc.transport.wire.peer_identity.ROLES``.

    Returns:
        An identity that is stored in no file.

    Raises:
        ConfigError: the name or the role is not valid.
    """
    return Identity.from_pem(Authority.create("memory").issue(name, role))


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
    public: Ed25519PublicKey,
    *,
    name: str,
    role: str,
    now: datetime,
    days: int,
) -> x509.CertificateBuilder:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    names = [x509.UniformResourceIdentifier(f"urn:crossward:{role}:{name}"), x509.DNSName(name)]
    uses = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    builder = _builder(subject, issuer, public, now, days)
    for extension, is_critical in (
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_usage(signs_certificates=False), True),
        (x509.ExtendedKeyUsage(uses), False),
        (x509.SubjectAlternativeName(names), False),
        (x509.SubjectKeyIdentifier.from_public_key(public), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), False),
    ):
        builder = builder.add_extension(extension, critical=is_critical)
    return builder


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


def key_pem(key: Ed25519PrivateKey) -> bytes:
    """Return a private key as PKCS8 PEM, for a file that only its owner may read."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )

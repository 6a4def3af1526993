"""A member's key and its certificate request: the key is made at the member and stays there.

Layer:       federation.identity.signing_request, above authority.
Guarantees:  a request that reads is signed by the key that it names, and names one member. A certificate takes its names
             from the invitation and only the key from the request.
See instead: who certifies it (``authority``), the answer that holds it (``federation.consortium.admission.invitations``).
Source:      RFC 2986 (PKCS #10), RFC 8410 (Ed25519 in requests).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.x509.oid import NameOID

from federation.errors import ConfigError, FoundingRefusedError
from federation.identity.authority import key_pem
from federation.identity.certificates import _ed25519_key, read_private

if TYPE_CHECKING:
    from pathlib import Path


def new_key() -> bytes:
    """Make a member's key, PKCS8 PEM; for ``write_private`` on the member's own machine."""
    return key_pem(Ed25519PrivateKey.generate())


def load_key(path: Path) -> Ed25519PrivateKey:
    """Read a member's key from a file that holds it, with or without its certificate.

    Raises:
        ConfigError: the file is missing, readable by others, or holds no key.
    """
    try:
        return _ed25519_key(read_private(path))
    except ConfigError as error:
        raise ConfigError(mistakes=[f"{path}: {mistake}" for mistake in error.mistakes]) from error


def signing_request(key: Ed25519PrivateKey, name: str) -> bytes:
    """Write a certificate request.

    Args:
        key: the member's key; it signs the request.
        name: the member's name.

    Returns:
        DER; equal for equal arguments.
    """
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, None)
    return request.public_bytes(serialization.Encoding.DER)


def requested_key(der: bytes, name: str) -> Ed25519PublicKey:
    """Return the key that a request asks a certificate for.

    Args:
        der: the request.
        name: the member that it must name.

    Raises:
        FoundingRefusedError: not a request, for another name, not an Ed25519 key, or signed by another key.
    """
    try:
        request = x509.load_der_x509_csr(der)
        key = request.public_key()
        is_signed = request.is_signature_valid
        names = [attribute.value for attribute in request.subject]
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion) as error:
        raise FoundingRefusedError(reason=f"the certificate request of {name} cannot be read") from error
    if not isinstance(key, Ed25519PublicKey) or not is_signed:
        raise FoundingRefusedError(
            reason=f"the certificate request of {name} is not signed by its own Ed25519 key"
        )
    if names != [name]:
        raise FoundingRefusedError(reason=f"the certificate request is not for {name}")
    return key

"""The certificate of the place where a founder takes answers directly.

Layer:       federation.identity.direct_certificate, above certificates.
Guarantees:  it signs itself, names no role, and is made apart from the authority's key, so it can act for no member.
             Members know it by its SHA-256, which stands in their invitations.
See instead: who listens with it (``federation.network.direct``), members' certificates (``authority``).
Source:      RFC 5280, RFC 8410 (Ed25519 in certificates).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import NameOID

from federation.identity.authority import key_pem
from federation.identity.certificates import BACKDATED, _only_certificate, read_private, write_private

if TYPE_CHECKING:
    from pathlib import Path

DAYS: Final = 730


def direct_certificate(path: Path, *, name: str) -> str:
    """Return the SHA-256 (hex) of the certificate in a file; make key and certificate where there is none.

    Args:
        path: a file that only its owner may read: certificate, then key.
        name: the consortium's, for a new certificate.

    Raises:
        ConfigError: the file is readable by others, damaged, or cannot be written.
    """
    if not path.exists():
        key = Ed25519PrivateKey.generate()
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{name} founding")])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - BACKDATED)
            .not_valid_after(now + timedelta(days=DAYS))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .sign(key, None)
        )
        write_private(path, certificate.public_bytes(serialization.Encoding.PEM) + key_pem(key))
    return _only_certificate(read_private(path)).fingerprint(hashes.SHA256()).hex()

"""The draft of an agreement, each site's signature under it, and the agreement that all have signed.

Layer:       federation.consortium.admission.approvals, above invitations. Pure.
Terms:       a *draft* is one file with the text of the consortium file, the authority's certificate and every member's. A
             *signature* is one site's, under exactly these bytes. An *agreement* is a draft with the signatures of all
             its sites.
Guarantees:  a draft is read only if its text is a consortium file, and each member that the text pins has the
             certificate that it pins, by the draft's authority: a certificate that the text does not pin is refused. An
             agreement is read only if every site of the text has signed these bytes with the key that the text pins, so
             the authority alone adds no member.
See instead: the consortium file (``consortium_file``), the first ledger entry, which the sites' nodes sign (``genesis``).
"""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from federation.consortium.admission.invitations import HASH_BYTES, SIGNATURE_BYTES, check_exact, opened
from federation.consortium.consortium_file import Consortium, consortium_from_dict
from federation.errors import ConfigError, FoundingRefusedError
from privacy_accounting.errors import LedgerRefusedError
from privacy_accounting.ledger.canonical_json import Fields, encode
from smpc.errors import PeerRejectedError
from smpc.transport.wire.peer_identity import peer_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

MAX_BYTES: Final = 1 << 20
MAX_LINE: Final = 1 << 17
AUTHORITY: Final = "authority.pem"
SOON_DAYS: Final = 60
_DRAFT: Final = "crossward/draft/1"
_SIGNATURE: Final = "crossward/founding-signature/1"
_AGREEMENT: Final = "crossward/agreement/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """The agreement before all sites have signed it.

    Attributes:
        text: of the consortium file; it names its authority ``authority.pem``.
        authority: the authority's certificate, DER.
        certificates: every member's certificate, DER, by name.
    """

    text: str
    authority: bytes
    certificates: Mapping[str, bytes]

    def to_bytes(self) -> bytes:
        """Write the file's bytes.

        Raises:
            FoundingRefusedError: the text holds a tab or another control character.
        """
        try:
            return encode({"format": _DRAFT} | self.fields()) + b"\n"
        except LedgerRefusedError as error:
            raise FoundingRefusedError(
                reason="the terms hold a tab or another control character; write spaces"
            ) from error

    def fields(self) -> dict[str, Any]:
        """The draft as a file's fields."""
        return {
            "text": self.text.split("\n"),
            "authority": self.authority.hex(),
            "certificates": {name: der.hex() for name, der in self.certificates.items()},
        }

    @classmethod
    def from_bytes(cls, data: bytes) -> Draft:
        """Read a file strictly; ``check`` checks what it says.

        Raises:
            FoundingRefusedError: the bytes are not what ``to_bytes`` writes.
        """
        fields = opened(data, _DRAFT, "draft", limit=MAX_BYTES)
        draft = cls.read(fields)
        check_exact(draft.to_bytes(), data, "draft")
        return draft

    @classmethod
    def read(cls, fields: Fields) -> Draft:
        """Read a draft from its opened fields; see ``from_bytes``."""
        try:
            lines, certificates = fields.sequence("text"), fields.mapping("certificates")
            authority = fields.text("authority", most=MAX_LINE)
            fields.done()
            return cls(
                text="\n".join(str(line) for line in lines),
                authority=bytes.fromhex(authority),
                certificates={name: bytes.fromhex(str(der)) for name, der in certificates.items()},
            )
        except (LedgerRefusedError, ValueError) as error:
            raise FoundingRefusedError(reason=f"this is not a valid draft: {error}") from error

    @property
    def digest(self) -> str:
        """SHA-256 of the file, hex: what the sites sign."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    @property
    def founder(self) -> str:
        """The fingerprint of the authority's certificate, hex."""
        return hashlib.sha256(self.authority).hexdigest()

    @property
    def authority_pem(self) -> bytes:
        """The authority's certificate as the members store it."""
        return _pem(_certificate(self.authority, "authority"))

    def certificate_pem(self, name: str) -> bytes:
        """A member's certificate as it stores it."""
        return _pem(_certificate(self.certificates[name], name))

    def consortium(self) -> Consortium:
        """Read the text.

        Raises:
            ConfigError: with every mistake of the text.
        """
        try:
            document = tomllib.loads(self.text, parse_float=Decimal)
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(mistakes=[f"the draft is not TOML: {error}"]) from error
        mistakes = [] if document.get("authority") == AUTHORITY else [f"draft: authority must be {AUTHORITY}"]
        return consortium_from_dict(
            document, authority_pem=self.authority_pem, place="draft", mistakes=mistakes
        )

    def check(self, now: datetime | None = None) -> tuple[Consortium, list[str]]:
        """Check every certificate against the text.

        Args:
            now: the present, unless another time is meant.

        Returns:
            The agreement, and a sentence on each certificate that ends within 60 days.

        Raises:
            ConfigError: with every mistake: of the text, and of a certificate that is missing, ended, not pinned, or not
                by the authority.
        """
        consortium = self.consortium()
        pinned = _pinned(consortium)
        at = now or datetime.now(UTC)
        mistakes = [
            f"draft: {name} has no certificate" for name in sorted(set(pinned) - set(self.certificates))
        ]
        remarks: list[str] = []
        authority = _certificate(self.authority, "authority")
        for name, der in self.certificates.items():
            certificate = _certificate(der, name)
            fault = _fault(name, der, certificate, authority, pinned)
            if fault:
                mistakes.append(f"draft: the certificate of {name} {fault}")
        for name, certificate in [
            ("the authority", authority),
            *((name, _certificate(der, name)) for name, der in self.certificates.items()),
        ]:
            fault, remark = _time(certificate, at)
            mistakes += [f"draft: the certificate of {name} {fault}"] if fault else []
            remarks += [f"the certificate of {name} {remark}"] if remark else []
        if mistakes:
            raise ConfigError(mistakes=mistakes)
        return consortium, remarks

    def differs_from(self, other: Draft) -> str:
        """Describe the first difference between two drafts, for the person who has both."""
        mine, theirs = self.text.split("\n"), other.text.split("\n")
        for number, (ours, given) in enumerate(zip(mine, theirs, strict=False), 1):
            if ours != given:
                return f"line {number} of its text is {given.strip()!r}, here it is {ours.strip()!r}"
        if len(mine) != len(theirs):
            return f"its text has {len(theirs)} lines, here it has {len(mine)}"
        return "its certificates are others"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """One site's signature under a draft.

    Attributes:
        draft: the draft's digest, hex.
        name: the site.
        signature: hex.
    """

    draft: str
    name: str
    signature: str

    @classmethod
    def write(cls, draft: Draft, name: str, key: Ed25519PrivateKey) -> Signature:
        """Sign a draft as a site."""
        return cls(draft=draft.digest, name=name, signature=key.sign(_signed(draft.digest, name)).hex())

    def to_bytes(self) -> bytes:
        """Write the file's bytes."""
        fields = {"format": _SIGNATURE, "draft": self.draft, "name": self.name, "signature": self.signature}
        return encode(fields) + b"\n"

    @classmethod
    def from_bytes(cls, data: bytes) -> Signature:
        """Read a file strictly; ``check`` verifies it.

        Raises:
            FoundingRefusedError: the bytes are not what ``to_bytes`` writes.
        """
        fields = opened(data, _SIGNATURE, "signature")
        try:
            signature = cls(
                draft=fields.hexadecimal("draft", HASH_BYTES),
                name=fields.text("name"),
                signature=fields.hexadecimal("signature", SIGNATURE_BYTES),
            )
            fields.done()
        except LedgerRefusedError as error:
            raise FoundingRefusedError(reason=f"this is not a valid signature: {error.reason}") from error
        return signature

    def check(self, draft: Draft, consortium: Consortium) -> None:
        """Verify with the key that the draft pins for this site.

        Args:
            draft: what it must be under.
            consortium: the draft's text, read.

        Raises:
            FoundingRefusedError: not a site of the draft, under another draft, or by another key.
        """
        member = consortium.file.sites.get(self.name)
        if member is None:
            raise FoundingRefusedError(reason=f"{self.name} signed, but is not a site of this consortium")
        if self.draft != draft.digest:
            raise FoundingRefusedError(
                reason=f"{self.name} signed another draft ({self.draft[:16]}) than this one ({draft.digest[:16]}): "
                "all sites sign the same file"
            )
        try:
            public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(member.public_key))
            public.verify(bytes.fromhex(self.signature), _signed(self.draft, self.name))
        except (InvalidSignature, ValueError) as error:
            raise FoundingRefusedError(
                reason=f"the signature of {self.name} is not by the key that the draft pins for {self.name}"
            ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """A draft and the signatures of all its sites."""

    draft: Draft
    signatures: Mapping[str, Signature]

    def to_bytes(self) -> bytes:
        """Write the file's bytes."""
        signatures = {name: each.signature for name, each in self.signatures.items()}
        return encode({"format": _AGREEMENT, "draft": self.draft.fields(), "signatures": signatures}) + b"\n"

    @classmethod
    def from_bytes(cls, data: bytes) -> Agreement:
        """Read a file strictly; ``check`` verifies it.

        Raises:
            FoundingRefusedError: the bytes are not what ``to_bytes`` writes.
        """
        fields = opened(data, _AGREEMENT, "agreement", limit=MAX_BYTES)
        try:
            draft = Draft.read(Fields(fields.mapping("draft"), "draft"))
            given = fields.mapping("signatures")
            inner = Fields(given, "signatures")
            signatures = {
                name: Signature(
                    draft=draft.digest, name=name, signature=inner.hexadecimal(name, SIGNATURE_BYTES)
                )
                for name in given
            }
            fields.done()
        except LedgerRefusedError as error:
            raise FoundingRefusedError(reason=f"this is not a valid agreement: {error.reason}") from error
        agreement = cls(draft=draft, signatures=signatures)
        check_exact(agreement.to_bytes(), data, "agreement")
        return agreement

    def check(self, now: datetime | None = None) -> tuple[Consortium, list[str]]:
        """Check the draft and that every site has signed it; errors and result as ``Draft.check``.

        Raises:
            FoundingRefusedError: a site has not signed, or a signature does not fit.
        """
        consortium, remarks = self.draft.check(now)
        for signature in self.signatures.values():
            signature.check(self.draft, consortium)
        missing = [name for name in consortium.names if name not in self.signatures]
        if missing:
            raise FoundingRefusedError(reason=f"not yet signed by {', '.join(missing)}")
        return consortium, remarks


def _signed(digest: str, name: str) -> bytes:
    return b"crossward/founding-signature/1\n" + encode({"draft": digest, "name": name})


def _pinned(consortium: Consortium) -> dict[str, tuple[str, str, str]]:
    """Role, fingerprint and key of every member that the text names."""
    file = consortium.file
    pinned = {name: ("site", each.fingerprint, each.public_key) for name, each in file.sites.items()}
    pinned |= {name: ("analyst", each.fingerprint, each.public_key) for name, each in file.analysts.items()}
    pinned |= {name: ("auditor", each.fingerprint, each.public_key) for name, each in file.auditors.items()}
    for role in ("dealer", "aggregator", "keyholder"):
        helper = getattr(file, role)
        if helper is not None:
            pinned[helper.name] = (role, helper.fingerprint, helper.public_key)
    return pinned


def _fault(
    name: str,
    der: bytes,
    certificate: x509.Certificate,
    authority: x509.Certificate,
    pinned: Mapping[str, tuple[str, str, str]],
) -> str:
    if name not in pinned:
        return "is for a name that the consortium file does not pin"
    try:
        found = peer_name(der)
    except PeerRejectedError as error:
        return f"cannot be used: {error.reason}"
    try:
        public = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return "has no key that can be read"
    key = public.public_bytes_raw().hex() if isinstance(public, Ed25519PublicKey) else ""
    if (found.name, found.role, found.fingerprint, key) != (name, *pinned[name]):
        return "is not the one that the consortium file pins"
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return "was not issued by the consortium's authority"
    return ""


def _time(certificate: x509.Certificate, now: datetime) -> tuple[str, str]:
    """Return what makes a certificate unusable now, and else a remark if it ends soon."""
    left = certificate.not_valid_after_utc - now
    if left <= timedelta():
        return f"ended on {certificate.not_valid_after_utc:%Y-%m-%d}", ""
    if certificate.not_valid_before_utc > now:
        ahead = certificate.not_valid_before_utc - now
        return f"begins {ahead.total_seconds() / 86_400:.1f} days ahead of this machine's clock", ""
    if left < timedelta(days=SOON_DAYS):
        days = max(1, round(left.total_seconds() / 86_400))
        return "", f"ends in {days} {'day' if days == 1 else 'days'}"
    return "", ""


def _certificate(der: bytes, name: str) -> x509.Certificate:
    try:
        return x509.load_der_x509_certificate(der)
    except (ValueError, x509.InvalidVersion) as error:
        raise FoundingRefusedError(reason=f"the certificate of {name} cannot be read") from error


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)

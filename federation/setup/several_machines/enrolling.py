"""Joining a consortium that has begun, as an analyst or auditor: a key made on the own machine, certified by the authority.

Layer:       federation.setup.several_machines.enrolling, beside renewing.
Terms:       an *enrolment* is a new member's request for a certificate: consortium, name, role and the certificate request.
Guarantees:  the key is made here and leaves this machine in no file. The authority certifies only an enrolment of this
             consortium whose words two people have compared, for a name and a key that no member has or had. A certificate
             makes no member: that does the ledger entry alone, which all sites sign. Each step can be run again.
See instead: joining before the first entry (``joining``), the amendment (``federation.consortium.amending.role_amendments``).
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization

from federation.consortium.admission.comparison_words import check_words, comparison_words
from federation.consortium.admission.invitations import (
    MOST_CLOCK_SKEW_S,
    SIGNATURE_BYTES,
    check_exact,
    opened,
    span,
)
from federation.consortium.amending.present_roles import check_role_change
from federation.consortium.consortium_file import consortium_path, load_consortium
from federation.consortium.file_format.file_types import name_mistake
from federation.errors import AmendmentRejectedError, ConfigError, FoundingRefusedError
from federation.identity.authority import Authority, key_pem
from federation.identity.certificates import remove_partial, write_private
from federation.identity.signing_request import load_key, new_key, requested_key, signing_request
from federation.setup.several_machines.renewing import (
    KEY_BYTES,
    MAX_LINE,
    RenewedCertificate,
    consortium_in_force,
)
from privacy_accounting.errors import LedgerRefusedError
from privacy_accounting.ledger.canonical_json import encode
from privacy_accounting.ledger.changes.role_change import CALLERS, RoleChange

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    from federation.consortium.consortium_file import Consortium

MOST_DAYS: Final = 30
DAY_S: Final = 86_400
_ENROLMENT: Final = "crossward/enrolment/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """A new member's request for a certificate.

    Attributes:
        chain: the ledger's chain, hex.
        name: the new member.
        role: analyst or auditor.
        request: the certificate request, DER; signed by the new key.
        made: seconds since 1970, by the new member's clock.
        signature: by the new key, hex; over all other fields.
    """

    chain: str
    name: str
    role: str
    request: bytes
    made: int
    signature: str = ""

    def fields(self) -> dict[str, Any]:
        """The enrolment as a file's fields."""
        return {
            "format": _ENROLMENT,
            "chain": self.chain,
            "name": self.name,
            "role": self.role,
            "request": self.request.hex(),
            "made": self.made,
        }

    def signed_bytes(self) -> bytes:
        """Return what the new key signs."""
        return b"crossward/enrolment/1\n" + encode(self.fields())

    def to_bytes(self) -> bytes:
        """Write the file's bytes."""
        return encode(self.fields() | {"signature": self.signature}) + b"\n"

    @classmethod
    def from_bytes(cls, data: bytes) -> Enrolment:
        """Read a file strictly; ``check`` verifies it.

        Raises:
            FoundingRefusedError: the bytes are not what ``to_bytes`` writes.
        """
        fields = opened(data, _ENROLMENT, "enrolment")
        try:
            found = cls(
                chain=fields.hexadecimal("chain", KEY_BYTES),
                name=fields.text("name"),
                role=fields.text("role"),
                request=bytes.fromhex(fields.text("request", most=MAX_LINE)),
                made=fields.integer("made"),
                signature=fields.hexadecimal("signature", SIGNATURE_BYTES),
            )
            fields.done()
        except (LedgerRefusedError, ValueError) as error:
            raise FoundingRefusedError(reason=f"this is not a valid enrolment: {error}") from error
        check_exact(found.to_bytes(), data, "enrolment")
        return found

    @property
    def words(self) -> tuple[str, ...]:
        """The eight words that the new member and the founder compare; they cover every field."""
        digest = hashlib.sha256(self.to_bytes()).hexdigest()
        return comparison_words(invitation=digest, public_key=self.public_key.public_bytes_raw().hex())

    @property
    def public_key(self) -> Ed25519PublicKey:
        """The new key.

        Raises:
            FoundingRefusedError: the request cannot be read, or is not for this name.
        """
        return requested_key(self.request, self.name)

    def check(self, consortium: Consortium, *, now: int) -> Ed25519PublicKey:
        """Check an enrolment against the agreement with the members of now.

        Args:
            consortium: the agreement, with what the ledger has changed.
            now: seconds since 1970, by this machine's clock.

        Returns:
            The new key.

        Raises:
            FoundingRefusedError: of another consortium, of no analyst or auditor, not signed by its key, too old or dated in
                the future, or for a name or a key that a member has.
        """
        if self.chain != consortium.digest():
            raise FoundingRefusedError(reason="this enrolment is of another consortium")
        if self.role not in CALLERS or name_mistake(self.name):
            raise FoundingRefusedError(
                reason="only an analyst or an auditor is enrolled, under a name such as eva"
            )
        public = self.public_key
        try:
            public.verify(bytes.fromhex(self.signature), self.signed_bytes())
        except (InvalidSignature, ValueError) as error:
            raise FoundingRefusedError(
                reason=f"the enrolment of {self.name} is not signed by its own key"
            ) from error
        if self.made - now > MOST_CLOCK_SKEW_S:
            raise FoundingRefusedError(
                reason=f"the enrolment of {self.name} is dated {span(self.made - now)} ahead of this machine's clock: "
                "set the wrong clock right"
            )
        if now - self.made > MOST_DAYS * DAY_S:
            raise FoundingRefusedError(
                reason=f"the enrolment of {self.name} is older than {MOST_DAYS} days: enrol again in a new folder"
            )
        try:
            check_role_change(addition(self.name, self.role, public.public_bytes_raw().hex()), consortium)
        except AmendmentRejectedError as error:
            raise FoundingRefusedError(reason=error.reason) from error
        return public


def is_enrolment(data: bytes) -> bool:
    """Whether a file says that it is an enrolment."""
    return f'"format":"{_ENROLMENT}"'.encode() in data


def addition(name: str, role: str, key: str) -> RoleChange:
    """Return the change that adds a member, without a cap."""
    return RoleChange(change="add", role=role, name=name, key=key)


def key_file(folder: Path, name: str) -> Path:
    """Return where a new member's key lies until it has a certificate."""
    return consortium_path(folder).parent / "analysts" / f"{name}.key"


def identity_file(folder: Path, name: str) -> Path:
    """Return where a new member's certificate and key lie, for the commands to find."""
    return consortium_path(folder).parent / "analysts" / f"{name}.pem"


def request_enrolment(folder: Path, name: str, role: str, *, now: int | None = None) -> Enrolment:
    """Make a new member's key and its enrolment; again, with the key that was made before.

    Args:
        folder: the new member's folder with its copy of ``consortium.toml`` and what lies beside that.
        name: the new member.
        role: analyst or auditor.
        now: seconds since 1970; default this machine's clock.

    Returns:
        The enrolment, and with it the words.

    Raises:
        FoundingRefusedError: as ``Enrolment.check``.
        ConfigError: a file cannot be read or written.
    """
    consortium = load_consortium(folder)
    mistake = name_mistake(name)
    if mistake or role not in CALLERS:
        raise ConfigError(mistakes=[f"{name}:{role}: " + (mistake or "the role is analyst or auditor")])
    path, kept = key_file(folder, name), identity_file(folder, name)
    if kept.exists():
        raise FoundingRefusedError(reason=f"{name} has a certificate already: {kept}")
    if not path.exists():
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise ConfigError(mistakes=[f"cannot make {path.parent}: {error.strerror}"]) from error
        write_private(path, new_key())
    remove_partial(path)
    key, at = load_key(path), int(time.time()) if now is None else now
    unsigned = Enrolment(
        chain=consortium.digest(), name=name, role=role, request=signing_request(key, name), made=at
    )
    signed = replace(unsigned, signature=key.sign(unsigned.signed_bytes()).hex())
    signed.check(consortium, now=at)
    return signed


def certify_enrolment(
    folder: Path, data: bytes, words: Callable[[str], str], *, now: int | None = None
) -> tuple[bytes, str]:
    """Certify a new member's key where the authority's key is.

    Args:
        folder: the founder's folder, or that of a rehearsal.
        data: the enrolment's bytes.
        words: gives the eight words as the new member reads them out, for its name.
        now: seconds since 1970; default this machine's clock.

    Returns:
        The certificate file's bytes, and the member's name.

    Raises:
        FoundingRefusedError: as ``Enrolment.check``, or the words differ.
        ConfigError: a file cannot be read.
    """
    consortium = consortium_in_force(folder)
    enrolment = Enrolment.from_bytes(data)
    public = enrolment.check(consortium, now=int(time.time()) if now is None else now)
    check_words(words(enrolment.name), enrolment.words, name=enrolment.name)
    pem = Authority.load(folder / "authority").certify(public, enrolment.name, enrolment.role)
    der = x509.load_pem_x509_certificate(pem).public_bytes(serialization.Encoding.DER)
    return RenewedCertificate(chain=enrolment.chain, certificate=der).to_bytes(), enrolment.name


def install_enrolment(folder: Path, name: str, data: bytes, *, now: datetime | None = None) -> datetime:
    """Join key and certificate in one file at the new member; no node accepts it before the entry is there.

    Args:
        folder: the new member's folder.
        name: the new member.
        data: the certificate file's bytes.
        now: the present, unless another time is meant.

    Returns:
        The end of the certificate.

    Raises:
        FoundingRefusedError: not a certificate of this consortium for the key that was made here.
        ConfigError: a file cannot be read or written.
    """
    consortium = load_consortium(folder)
    certified = RenewedCertificate.from_bytes(data)
    found = certified.read(consortium, now=now)
    bare, path = key_file(folder, name), identity_file(folder, name)
    if not bare.exists() and not path.exists():
        raise FoundingRefusedError(reason=f"{name} has made no key here; begin with crossward enrol")
    key = load_key(path if path.exists() else bare)
    if (found.name, found.key) != (name, key.public_key().public_bytes_raw().hex()):
        raise FoundingRefusedError(reason=f"the certificate is not for the key that {name} made here")
    if not path.exists():
        certificate = x509.load_der_x509_certificate(certified.certificate)
        write_private(path, certificate.public_bytes(serialization.Encoding.PEM) + key_pem(key))
    remove_partial(path)
    bare.unlink(missing_ok=True)
    return found.ends

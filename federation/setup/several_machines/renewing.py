"""Renewing a member's key and certificate: a new key at the member, certified by the authority, before all sites sign it.

Layer:       federation.setup.several_machines.renewing, above whole_files.
Terms:       a *renewal* is a member's request, signed by the key that the members know. A *renewed certificate* is a renewal
             with the authority's certificate for its key.
Guarantees:  the new key is made here and leaves this machine in no file. The authority certifies only what the present key
             of that member has signed, for that name and role. Neither file changes whom a member trusts: that does the
             ledger entry alone, which all sites sign. Each step can be run again.
See instead: the amendment (``federation.consortium.amending.amendments``), taking the new identity at a start
             (``federation.node.ledger.present_members``).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from federation.consortium.admission.invitations import (
    MOST_CLOCK_SKEW_S,
    SIGNATURE_BYTES,
    check_exact,
    opened,
    span,
)
from federation.consortium.amending.present_roles import is_used_key, present_roles
from federation.consortium.consortium_file import load_consortium
from federation.consortium.identity_paths import next_identity, next_key
from federation.consortium.site_file import load_site
from federation.errors import ConfigError, FoundingRefusedError
from federation.identity.authority import Authority, key_pem
from federation.identity.certificates import Identity, remove_partial, write_private
from federation.identity.signing_request import load_key, new_key, requested_key, signing_request
from federation.node.ledger.present_members import changes_of, state_here
from privacy_accounting.errors import LedgerRefusedError
from privacy_accounting.ledger.canonical_json import encode
from smpc.errors import PeerRejectedError
from smpc.transport.wire.peer_identity import peer_name

if TYPE_CHECKING:
    from pathlib import Path

    from federation.consortium.consortium_file import Consortium
    from federation.consortium.site_file import SiteConfig

MAX_LINE: Final = 1 << 14
KEY_BYTES: Final = 32
_RENEWAL: Final = "crossward/renewal/1"
_RENEWED: Final = "crossward/renewed-certificate/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewal:
    """A member's request for a certificate of a new key.

    Attributes:
        chain: the ledger's chain, hex.
        name: the member.
        request: the certificate request for the new key, DER; signed by that key.
        made: seconds since 1970, by the member's clock.
        signature: by the site's present key, hex.
    """

    chain: str
    name: str
    request: bytes
    made: int
    signature: str = ""

    def fields(self) -> dict[str, Any]:
        """The renewal as a file's fields."""
        return {
            "format": _RENEWAL,
            "chain": self.chain,
            "name": self.name,
            "request": self.request.hex(),
            "made": self.made,
        }

    def signed_bytes(self) -> bytes:
        """Return what the present key signs."""
        return b"crossward/renewal/1\n" + encode(self.fields())

    def to_bytes(self) -> bytes:
        """Write the file's bytes."""
        return encode(self.fields() | {"signature": self.signature}) + b"\n"

    @classmethod
    def from_bytes(cls, data: bytes) -> Renewal:
        """Read a file strictly; ``check`` verifies it.

        Raises:
            FoundingRefusedError: the bytes are not what ``to_bytes`` writes.
        """
        fields = opened(data, _RENEWAL, "renewal")
        try:
            found = cls(
                chain=fields.hexadecimal("chain", KEY_BYTES),
                name=fields.text("name"),
                request=bytes.fromhex(fields.text("request", most=MAX_LINE)),
                made=fields.integer("made"),
                signature=fields.hexadecimal("signature", SIGNATURE_BYTES),
            )
            fields.done()
        except (LedgerRefusedError, ValueError) as error:
            raise FoundingRefusedError(reason=f"this is not a valid renewal: {error}") from error
        check_exact(found.to_bytes(), data, "renewal")
        return found

    def check(self, consortium: Consortium, *, now: int) -> Ed25519PublicKey:
        """Check a renewal against the agreement with the keys in force.

        Args:
            consortium: the agreement, with the renewed keys.
            now: seconds since 1970, by this machine's clock.

        Returns:
            The new key.

        Raises:
            FoundingRefusedError: of another consortium or no member, not signed by the member's present key, dated in the
                future, or for a key that a member has.
        """
        if self.chain != consortium.digest():
            raise FoundingRefusedError(reason="this renewal is of another consortium")
        _, key = present_member(consortium, self.name)
        try:
            public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key))
            public.verify(bytes.fromhex(self.signature), self.signed_bytes())
        except (InvalidSignature, ValueError) as error:
            raise FoundingRefusedError(
                reason=f"the renewal of {self.name} is not signed by the key that the members know"
            ) from error
        if self.made - now > MOST_CLOCK_SKEW_S:
            raise FoundingRefusedError(
                reason=f"the renewal of {self.name} is dated {span(self.made - now)} ahead of this machine's clock: "
                "set the wrong clock right"
            )
        wanted = requested_key(self.request, self.name)
        if is_used_key(wanted.public_bytes_raw().hex(), consortium, consortium.roles()):
            raise FoundingRefusedError(reason=f"the renewal of {self.name} is for a key that a member has")
        return wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Certified:
    """Whom a certificate is for.

    Attributes:
        name: the member.
        role: its role.
        key: its Ed25519 key, hex.
        ends: the end of the certificate.
    """

    name: str
    role: str
    key: str
    ends: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewedCertificate:
    """The authority's certificate for a renewal.

    Attributes:
        chain: the ledger's chain, hex.
        certificate: DER.
    """

    chain: str
    certificate: bytes

    def to_bytes(self) -> bytes:
        """Write the file's bytes."""
        return (
            encode({"format": _RENEWED, "chain": self.chain, "certificate": self.certificate.hex()}) + b"\n"
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> RenewedCertificate:
        """Read a file strictly; ``check`` verifies it.

        Raises:
            FoundingRefusedError: the bytes are not what ``to_bytes`` writes.
        """
        fields = opened(data, _RENEWED, "renewed certificate")
        try:
            found = cls(
                chain=fields.hexadecimal("chain", KEY_BYTES),
                certificate=bytes.fromhex(fields.text("certificate", most=MAX_LINE)),
            )
            fields.done()
        except (LedgerRefusedError, ValueError) as error:
            raise FoundingRefusedError(reason=f"this is not a valid renewed certificate: {error}") from error
        check_exact(found.to_bytes(), data, "renewed certificate")
        return found

    def check(self, consortium: Consortium, *, now: datetime | None = None) -> tuple[str, str, datetime]:
        """Check the certificate of a site.

        Args:
            consortium: the agreement.
            now: the present, unless another time is meant.

        Returns:
            The site, its new key (hex), and the end of the certificate.

        Raises:
            FoundingRefusedError: of another consortium, not a site's, not by the authority, ended, or not begun.
        """
        found = self.read(consortium, now=now)
        if found.role != "site" or found.name not in consortium.file.sites:
            raise FoundingRefusedError(reason=f"the certificate is of {found.role} {found.name}, no site")
        return found.name, found.key, found.ends

    def read(self, consortium: Consortium, *, now: datetime | None = None) -> Certified:
        """Check the certificate of any member; arguments as ``check``.

        Raises:
            FoundingRefusedError: of another consortium, not by the authority, without a key, ended, or not begun.
        """
        if self.chain != consortium.digest():
            raise FoundingRefusedError(reason="this certificate is of another consortium")
        try:
            certificate = x509.load_der_x509_certificate(self.certificate)
            named = peer_name(self.certificate)
            certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(consortium.authority_pem))
        except (ValueError, TypeError, InvalidSignature, PeerRejectedError) as error:
            raise FoundingRefusedError(
                reason="the certificate cannot be read, or is not by the consortium's authority"
            ) from error
        if not named.public_key:
            raise FoundingRefusedError(reason=f"the certificate of {named.name} has no Ed25519 key")
        at = now or datetime.now(UTC)
        if not certificate.not_valid_before_utc <= at < certificate.not_valid_after_utc:
            raise FoundingRefusedError(
                reason=f"the certificate of {named.name} has ended or begins later, by this machine's clock"
            )
        return Certified(
            name=named.name,
            role=named.role,
            key=named.public_key,
            ends=certificate.not_valid_after_utc,
        )


def request_renewal(site_file: Path, *, now: int | None = None) -> tuple[bytes, str]:
    """Make a new key at a site and the renewal for the authority; again, with the key that was made before.

    Args:
        site_file: the site's own file.
        now: seconds since 1970; default this machine's clock.

    Returns:
        The renewal's bytes, and the new public key, hex.

    Raises:
        ConfigError: a file cannot be read or written.
    """
    config = load_site(site_file)
    return request_new_key(config.identity, config.consortium, now=now)


def request_new_key(identity: Path, consortium: Consortium, *, now: int | None = None) -> tuple[bytes, str]:
    """Make a new key beside any member's identity, and the renewal; as ``request_renewal``.

    Args:
        identity: the member's identity file.
        consortium: the agreement.
        now: seconds since 1970; default this machine's clock.
    """
    current, following, bare = Identity.load(identity), next_identity(identity), next_key(identity)
    if following.exists():
        key = Identity.load(following).signing_key
    else:
        if not bare.exists():
            write_private(bare, new_key())
        remove_partial(bare)
        key = load_key(bare)
    unsigned = Renewal(
        chain=consortium.digest(),
        name=current.name,
        request=signing_request(key, current.name),
        made=int(time.time()) if now is None else now,
    )
    signed = replace(unsigned, signature=current.sign(unsigned.signed_bytes()).hex())
    return signed.to_bytes(), key.public_key().public_bytes_raw().hex()


def certify_renewal(folder: Path, data: bytes, *, now: int | None = None) -> tuple[bytes, str]:
    """Certify a member's renewal where the authority's key is.

    Args:
        folder: the founder's folder, or that of a rehearsal: it holds ``consortium.toml`` and ``authority``.
        data: the renewal's bytes.
        now: seconds since 1970; default this machine's clock.

    Returns:
        The renewed certificate's bytes, and the member's name.

    Raises:
        FoundingRefusedError: as ``Renewal.check``.
        ConfigError: a file cannot be read.
    """
    consortium = consortium_in_force(folder)
    renewal = Renewal.from_bytes(data)
    public = renewal.check(consortium, now=int(time.time()) if now is None else now)
    pem = Authority.load(folder / "authority").certify(
        public, renewal.name, present_member(consortium, renewal.name)[0]
    )
    der = x509.load_pem_x509_certificate(pem).public_bytes(serialization.Encoding.DER)
    return RenewedCertificate(chain=renewal.chain, certificate=der).to_bytes(), renewal.name


def install_renewal(site_file: Path, data: bytes, *, now: datetime | None = None) -> datetime:
    """Keep a renewed certificate with its key at the site that asked for it; the present identity stays in use.

    Args:
        site_file: the site's own file.
        data: the renewed certificate's bytes.
        now: the present, unless another time is meant.

    Returns:
        The end of the certificate.

    Raises:
        FoundingRefusedError: as ``RenewedCertificate.check``, or not for the key that was made here.
        ConfigError: a file cannot be read or written.
    """
    config = load_site(site_file)
    RenewedCertificate.from_bytes(data).check(config.consortium, now=now)
    return install_new_key(config.identity, config.consortium, data, now=now)


def install_new_key(
    identity: Path, consortium: Consortium, data: bytes, *, now: datetime | None = None
) -> datetime:
    """Keep a renewed certificate with its key beside any member's identity; as ``install_renewal``.

    Args:
        identity: the member's identity file.
        consortium: the agreement.
        data: the renewed certificate's bytes.
        now: the present, unless another time is meant.
    """
    current, following, bare = Identity.load(identity), next_identity(identity), next_key(identity)
    renewed = RenewedCertificate.from_bytes(data)
    found = renewed.read(consortium, now=now)
    if following.exists():
        key = Identity.load(following).signing_key
    elif bare.exists():
        key = load_key(bare)
    else:
        raise FoundingRefusedError(
            reason=f"{current.name} has asked for no renewal; begin with crossward renew"
        )
    wanted = (current.name, current.role, key.public_key().public_bytes_raw().hex())
    if (found.name, found.role, found.key) != wanted:
        raise FoundingRefusedError(reason=f"the certificate is not for the key that {current.name} made")
    if not following.exists():
        certificate = x509.load_der_x509_certificate(renewed.certificate)
        write_private(following, certificate.public_bytes(serialization.Encoding.PEM) + key_pem(key))
    remove_partial(following)
    bare.unlink(missing_ok=True)
    return found.ends


def present_member(consortium: Consortium, name: str) -> tuple[str, str]:
    """Give role and present key (hex) of any member.

    Raises:
        FoundingRefusedError: there is no such member now.
    """
    members = {site: ("site", key) for site, key in consortium.site_keys.items()} | present_roles(consortium)
    if name not in members:
        raise FoundingRefusedError(reason=f"{name} is not a member of this consortium")
    return members[name]


def in_force(config: SiteConfig) -> Consortium:
    """Return a site's agreement with the sites, keys and other members that its ledger brought."""
    state = state_here(config)
    if state is None:
        return config.consortium
    return replace(config.among(changes_of(state)), roles=state.roles.present)


def consortium_in_force(folder: Path) -> Consortium:
    """Return the agreement of a founder's folder, or of a rehearsal's, with what the founder's ledger has changed.

    Raises:
        ConfigError: a file cannot be read.
    """
    return in_force(load_site(folder)) if (folder / "site.toml").exists() else load_consortium(folder)


def check_holds_key(config: SiteConfig, name: str, key: str) -> None:
    """Check, at the site whose key an amendment renews, that the new key is here.

    Raises:
        ConfigError: it is not: it was made elsewhere, or the certificate is not installed yet.
    """
    if name != config.file.site:
        return
    if config.next_identity.exists() and Identity.load(config.next_identity).public_hex == key:
        return
    raise ConfigError(
        mistakes=[f"{name} holds no such key: approve only a key of crossward renew that has its certificate"]
    )

"""The admission of a site to a consortium that runs: one file for the site and for all who decide on it.

Layer:       federation.consortium.admission.admissions, above approvals. Pure.
Terms:       an *admission* holds the agreement with the signatures of all founding sites, the entries that changed the
             members since, and the authority's certificate for the site's key, with its address.
Guarantees:  an admission is read only if all founding sites signed its agreement, all members of each time signed the
             entries, and the agreement's authority issued the certificate. It changes no member's trust: that does the
             ledger entry alone, which all sites sign, the new one too.
See instead: writing it (``federation.setup.several_machines.admitting``), the new site's side
             (``federation.setup.several_machines.entering``), the
             amendment (``federation.consortium.amending.amendments``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization

from federation.consortium.admission.approvals import Agreement
from federation.consortium.admission.invitations import check_exact, opened
from federation.consortium.consortium_model import Member
from federation.consortium.file_format.file_types import address_mistake, name_mistake
from federation.consortium.members_file import read_changes
from federation.errors import FoundingRefusedError
from privacy_accounting.errors import LedgerRefusedError
from privacy_accounting.ledger.canonical_json import encode
from privacy_accounting.ledger.changes.members_change import MembersChange
from smpc.errors import PeerRejectedError
from smpc.transport.wire.peer_identity import peer_name

if TYPE_CHECKING:
    from federation.consortium.consortium_file import Consortium
    from privacy_accounting.ledger.parties.members import Members

MAX_BYTES: Final = 1 << 21
MAX_LINE: Final = 1 << 14
ADMISSION_FILE: Final = "admission.json"
_ADMISSION: Final = "crossward/admission/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """What an admission says, checked.

    Attributes:
        consortium: the agreement with the entries so far; the admitted site's place is not in it.
        members: the sites that sign now.
        name: of the admitted site.
        member: its address, certificate and key.
    """

    consortium: Consortium
    members: Members
    name: str
    member: Member

    @property
    def replaces(self) -> bool:
        """Whether the admitted site takes the place of a member of its name."""
        return self.name in self.members.keys

    @property
    def joined(self) -> Consortium:
        """The agreement with the admitted site in it."""
        return self.consortium.with_sites({self.name: self.member})


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """An admission as a file.

    Attributes:
        agreement: bytes of the agreement's file.
        members: bytes of the members file; empty where the ledger has no such entry.
        certificate: DER.
        address: HOST:PORT where the others reach the site.
    """

    agreement: bytes
    members: bytes
    certificate: bytes
    address: str

    def to_bytes(self) -> bytes:
        """Write the file's bytes."""
        fields = {
            "format": _ADMISSION,
            "agreement": _line(self.agreement),
            "members": _line(self.members),
            "certificate": self.certificate.hex(),
            "address": self.address,
        }
        return encode(fields) + b"\n"

    @classmethod
    def from_bytes(cls, data: bytes) -> Admission:
        """Read a file strictly; ``check`` verifies it.

        Raises:
            FoundingRefusedError: the bytes are not what ``to_bytes`` writes.
        """
        fields = opened(data, _ADMISSION, "admission", limit=MAX_BYTES)
        try:
            members = fields.text("members", most=MAX_BYTES, empty=True)
            found = cls(
                agreement=fields.text("agreement", most=MAX_BYTES).encode() + b"\n",
                members=members.encode() + b"\n" if members else b"",
                certificate=bytes.fromhex(fields.text("certificate", most=MAX_LINE)),
                address=fields.text("address"),
            )
            fields.done()
        except (LedgerRefusedError, ValueError) as error:
            raise FoundingRefusedError(reason=f"this is not a valid admission: {error}") from error
        check_exact(found.to_bytes(), data, "admission")
        return found

    @property
    def certificate_pem(self) -> bytes:
        """The certificate as the site stores it."""
        return x509.load_der_x509_certificate(self.certificate).public_bytes(serialization.Encoding.PEM)

    def check(self, now: datetime | None = None) -> Admitted:
        """Check everything that the file says.

        Args:
            now: the present, for the end of the site's certificate; None does not check it.

        Raises:
            FoundingRefusedError: a signature is missing or wrong, or the certificate is not one of the authority for a
                site, or has ended.
            ConfigError: the agreement or the entries hold mistakes.
        """
        agreement = Agreement.from_bytes(self.agreement)
        founded, _ = agreement.check(_founded_at(agreement))
        changes, roles = read_changes(self.members, founded.members, founded.digest())
        members = founded.members
        for change in changes:
            members = members.changed(change) if isinstance(change, MembersChange) else members
        name, member, certificate = self._site(founded)
        if now is not None and not certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc:
            raise FoundingRefusedError(
                reason=f"the certificate of {name} has ended or begins later, by this machine's clock"
            )
        present = replace(founded.with_changes(changes), roles=roles.present)
        return Admitted(consortium=present, members=members, name=name, member=member)

    def _site(self, founded: Consortium) -> tuple[str, Member, x509.Certificate]:
        try:
            certificate = x509.load_der_x509_certificate(self.certificate)
            named = peer_name(self.certificate)
            certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(founded.authority_pem))
        except (ValueError, TypeError, InvalidSignature, PeerRejectedError) as error:
            raise FoundingRefusedError(
                reason="the certificate cannot be read, or is not by the consortium's authority"
            ) from error
        if named.role != "site" or not named.public_key or name_mistake(named.name):
            raise FoundingRefusedError(reason=f"the certificate is of {named.role} {named.name}, no site")
        mistake = address_mistake(self.address)
        if mistake:
            raise FoundingRefusedError(reason=f"the address of {named.name} {mistake}")
        member = Member(address=self.address, fingerprint=named.fingerprint, public_key=named.public_key)
        return named.name, member, certificate


def is_admission(data: bytes) -> bool:
    """Whether a file says that it is an admission."""
    return f'"format":"{_ADMISSION}"'.encode() in data


def _line(data: bytes) -> str:
    return data.removesuffix(b"\n").decode("ascii")


def _founded_at(agreement: Agreement) -> datetime:
    """A time at which all certificates of the agreement were good: some may have ended since, and been renewed."""
    ders = [agreement.draft.authority, *agreement.draft.certificates.values()]
    try:
        return max(x509.load_der_x509_certificate(der).not_valid_before_utc for der in ders)
    except ValueError:
        return datetime.now(UTC)  # the check names the certificate

"""Invitations to a new consortium and the answers to them: files that may travel by e-mail.

Layer:       federation.consortium.admission.invitations. Pure.
Terms:       the founder writes one *invitation* for each member; it holds the founder's fingerprint and a one-time token.
             The member makes its keys and writes an *answer* with a certificate request.
Guarantees:  an invitation is for one consortium, one name and one role, and for a limited time. An answer that reads is
             signed by the key that it asks a certificate for; it proves that its writer held the invitation's token, and
             does not show the token. Neither file holds anything that was read from a site's data.
Visible to:  whoever reads an invitation on its way can answer it: the founder finds out by the words that two people
             compare (``comparison_words``).
See instead: making keys and writing these files (``federation.setup.several_machines.founding``,
             ``federation.setup.several_machines.joining``).
Source:      RFC 2104 (HMAC); the form of the files is ours.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from federation.consortium.admission.comparison_words import comparison_words
from federation.consortium.file_format.file_types import address_mistake, name_mistake
from federation.errors import FoundingRefusedError
from privacy_accounting.errors import LedgerRefusedError
from privacy_accounting.ledger.canonical_json import Fields, decode, encode

ROLES: Final = ("site", "dealer", "aggregator", "keyholder", "analyst", "auditor")
NODE_ROLES: Final = ("site", "dealer", "aggregator", "keyholder")
TOKEN_BYTES: Final = 16
HASH_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
MOST_CLOCK_SKEW_S: Final = 300
DAY_S: Final = 86_400
MAX_BYTES: Final = 64 * 1024
_INVITATION: Final = "crossward/invitation/2"
_FINGERPRINT: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_ANSWER: Final = "crossward/answer/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """One member's invitation.

    Attributes:
        consortium: name of the consortium.
        founder: SHA-256 of the certificate (DER) of the founder's authority, hex.
        name: the member's name.
        role: one of ``ROLES``.
        table: for a site, the table whose rows it brings; empty for others.
        token: the one-time token, 16 bytes, hex.
        issued: seconds since 1970, by the founder's clock.
        expires: the same; from then on the invitation is refused.
        direct: HOST:PORT where the founder takes answers directly; empty: files travel by other means.
        certificate: SHA-256 of the certificate (DER) that is shown there, hex; empty where ``direct`` is.
    """

    consortium: str
    founder: str
    name: str
    role: str
    table: str
    token: str
    issued: int
    expires: int
    direct: str = ""
    certificate: str = ""

    def __repr__(self) -> str:
        """Name the member; the token is a secret."""
        return f"Invitation({self.role} {self.name} of {self.consortium})"

    def to_bytes(self) -> bytes:
        """Write the file's bytes; equal invitations give equal bytes."""
        return encode({"format": _INVITATION} | {key: getattr(self, key) for key in _KEYS}) + b"\n"

    @classmethod
    def from_bytes(cls, data: bytes) -> Invitation:
        """Read a file strictly.

        Raises:
            FoundingRefusedError: the bytes are not exactly what ``to_bytes`` writes.
        """
        fields = opened(data, _INVITATION, "invitation")
        try:
            invitation = cls(
                consortium=fields.text("consortium"),
                founder=fields.hexadecimal("founder", HASH_BYTES),
                name=fields.text("name"),
                role=fields.text("role"),
                table=fields.text("table", empty=True),
                token=fields.hexadecimal("token", TOKEN_BYTES),
                issued=fields.integer("issued"),
                expires=fields.integer("expires"),
                direct=fields.text("direct", empty=True),
                certificate=fields.text("certificate", empty=True),
            )
            fields.done()
        except LedgerRefusedError as error:
            raise _invalid("invitation", error.reason) from error
        if (
            invitation.role not in ROLES
            or name_mistake(invitation.name)
            or name_mistake(invitation.consortium)
        ):
            raise _invalid("invitation", "its name or its role is not valid")
        is_pinned = bool(_FINGERPRINT.fullmatch(invitation.certificate))
        if bool(invitation.direct) != is_pinned or (not is_pinned and invitation.certificate):
            raise _invalid("invitation", "its direct address lacks a certificate")
        if invitation.direct and address_mistake(invitation.direct):
            raise _invalid("invitation", "its direct address is not HOST:PORT")
        return invitation

    @property
    def digest(self) -> str:
        """SHA-256 of the file, hex."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def words(self, public_key: str) -> tuple[str, ...]:
        """Return the eight words to compare, for this member's key (hex)."""
        return comparison_words(invitation=self.digest, public_key=public_key)

    def check_time(self, now: int) -> None:
        """Check the invitation's dates against this machine's clock.

        Args:
            now: seconds since 1970.

        Raises:
            FoundingRefusedError: it has expired, or it was written in the future.
        """
        if self.issued - now > MOST_CLOCK_SKEW_S:
            raise FoundingRefusedError(
                reason=f"the invitation of {self.name} is dated {span(self.issued - now)} ahead of this machine's "
                "clock: set the wrong clock right, this one or the founder's"
            )
        if now >= self.expires:
            raise FoundingRefusedError(
                reason=f"the invitation of {self.name} expired on {date(self.expires)}; "
                "the founder writes a new one with crossward invite"
            )


_KEYS: Final = (
    "consortium",
    "founder",
    "name",
    "role",
    "table",
    "token",
    "issued",
    "expires",
    "direct",
    "certificate",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A member's answer to its invitation.

    Attributes:
        consortium: name of the consortium.
        founder: the founder's fingerprint, as the invitation gives it.
        invitation: digest of the invitation, hex.
        name: the member's name.
        role: its role.
        address: HOST:PORT where a node is reached; empty for analysts and auditors.
        request: the certificate request, DER.
        public_key: the member's key, hex.
        paillier_modulus: for the key holder, n in hex; empty for others.
        made: seconds since 1970, by the member's clock.
        proof: HMAC-SHA256 under the token over all fields above, hex.
        signature: the member's signature over these and the proof, hex.
    """

    consortium: str
    founder: str
    invitation: str
    name: str
    role: str
    address: str
    request: bytes
    public_key: str
    paillier_modulus: str
    made: int
    proof: str = ""
    signature: str = ""

    @classmethod
    def write(
        cls,
        invitation: Invitation,
        key: Ed25519PrivateKey,
        *,
        request: bytes,
        address: str,
        made: int,
        paillier_modulus: str = "",
    ) -> Answer:
        """Answer an invitation.

        Args:
            invitation: what is answered.
            key: the member's key.
            request: its certificate request, DER.
            address: HOST:PORT; empty for analysts and auditors.
            made: seconds since 1970.
            paillier_modulus: for the key holder.
        """
        bare = cls(
            consortium=invitation.consortium,
            founder=invitation.founder,
            invitation=invitation.digest,
            name=invitation.name,
            role=invitation.role,
            address=address,
            request=request,
            public_key=key.public_key().public_bytes_raw().hex(),
            paillier_modulus=paillier_modulus,
            made=made,
        )
        proved = replace(bare, proof=bare.proof_under(invitation.token))
        return replace(proved, signature=key.sign(proved.signed_bytes()).hex())

    def to_bytes(self) -> bytes:
        """Write the file's bytes."""
        return encode(self._fields() | {"proof": self.proof, "signature": self.signature}) + b"\n"

    @classmethod
    def from_bytes(cls, data: bytes) -> Answer:
        """Read a file strictly and check its signature.

        Raises:
            FoundingRefusedError: not an answer, or signed by another key than the one it names.
        """
        fields = opened(data, _ANSWER, "answer")
        try:
            answer = cls(
                consortium=fields.text("consortium"),
                founder=fields.hexadecimal("founder", HASH_BYTES),
                invitation=fields.hexadecimal("invitation", HASH_BYTES),
                name=fields.text("name"),
                role=fields.text("role"),
                address=fields.text("address", empty=True),
                request=_bytes(fields.text("request", most=MAX_BYTES)),
                public_key=fields.hexadecimal("public_key", HASH_BYTES),
                paillier_modulus=fields.text("paillier_modulus", most=MAX_BYTES, empty=True),
                made=fields.integer("made"),
                proof=fields.hexadecimal("proof", HASH_BYTES),
                signature=fields.hexadecimal("signature", SIGNATURE_BYTES),
            )
            fields.done()
        except LedgerRefusedError as error:
            raise _invalid("answer", error.reason) from error
        check_exact(answer.to_bytes(), data, "answer")
        try:
            public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(answer.public_key))
            public.verify(bytes.fromhex(answer.signature), answer.signed_bytes())
        except (InvalidSignature, ValueError) as error:
            raise FoundingRefusedError(
                reason=f"the answer of {answer.name} is not signed by the key that it names"
            ) from error
        return answer

    def check_answers(self, invitation: Invitation) -> None:
        """Check that this answers exactly this invitation, by the machine that held its token.

        Args:
            invitation: as the founder wrote it.

        Raises:
            FoundingRefusedError: of another consortium, to another invitation, for another role, or without the token.
        """
        if (self.consortium, self.founder) != (invitation.consortium, invitation.founder):
            raise FoundingRefusedError(
                reason=f"the answer of {self.name} is to an invitation of another consortium, {self.consortium} "
                f"(founder {self.founder[:16]})"
            )
        if self.invitation != invitation.digest or (self.name, self.role) != (
            invitation.name,
            invitation.role,
        ):
            raise FoundingRefusedError(
                reason=f"the answer of {self.name} is to another invitation than the last one written for it"
            )
        if not hmac.compare_digest(self.proof, self.proof_under(invitation.token)):
            raise FoundingRefusedError(
                reason=f"the answer of {self.name} was written without the invitation's token"
            )
        if self.made < invitation.issued - MOST_CLOCK_SKEW_S:
            raise FoundingRefusedError(
                reason=f"the answer of {self.name} is dated {span(invitation.issued - self.made)} before its invitation: "
                f"the clock of {self.name} is behind; set it right, remove the folder that join made, and join again"
            )

    def check_clock(self, now: int) -> None:
        """Refuse an answer from the future.

        Args:
            now: seconds since 1970, by the founder's clock.

        Raises:
            FoundingRefusedError: the member's clock is ahead of this one.
        """
        if self.made - now > MOST_CLOCK_SKEW_S:
            raise FoundingRefusedError(
                reason=f"the answer of {self.name} is dated {span(self.made - now)} ahead of this machine's clock: "
                f"set the wrong clock right, that of {self.name} or this one"
            )

    def _fields(self) -> dict[str, Any]:
        return {
            "format": _ANSWER,
            "consortium": self.consortium,
            "founder": self.founder,
            "invitation": self.invitation,
            "name": self.name,
            "role": self.role,
            "address": self.address,
            "request": self.request.hex(),
            "public_key": self.public_key,
            "paillier_modulus": self.paillier_modulus,
            "made": self.made,
        }

    def proof_under(self, token: str) -> str:
        """Return the proof that a holder of this token (hex) would write, hex."""
        return hmac.new(bytes.fromhex(token), encode(self._fields()), hashlib.sha256).hexdigest()

    def signed_bytes(self) -> bytes:
        """Return what the member's key signs."""
        return b"crossward/answer/1\n" + encode(self._fields() | {"proof": self.proof})


def opened(data: bytes, wanted: str, what: str, *, limit: int = MAX_BYTES) -> Fields:
    """Open a file of the founding and check its format.

    Args:
        data: the file, one line with or without its end.
        wanted: the format that it must have.
        what: the file's kind, for the error.
        limit: most bytes.

    Raises:
        FoundingRefusedError: not canonical, or of another format.
    """
    try:
        fields = Fields(decode(data.removesuffix(b"\n"), limit=limit), what)
        found = fields.text("format")
    except LedgerRefusedError as error:
        raise _invalid(what, error.reason) from error
    if found != wanted:
        raise _invalid(what, f"its format is {found}, not {wanted}")
    return fields


def check_exact(written: bytes, given: bytes, what: str) -> None:
    """Refuse a file that says the same in other bytes, such as capitals in hexadecimal.

    Args:
        written: what the program writes for the content.
        given: the file.
        what: the file's kind, for the error.

    Raises:
        FoundingRefusedError: they differ in more than the line's end.
    """
    if written.removesuffix(b"\n") != given.removesuffix(b"\n"):
        raise _invalid(what, "not in canonical form")


def date(seconds: int) -> str:
    """Write a time for people."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"


def span(seconds: int) -> str:
    """Write a difference of clocks for people: seconds, and days where there are some."""
    return f"{seconds} s" if seconds < DAY_S else f"{seconds} s ({seconds / DAY_S:.1f} days)"


def _bytes(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise _invalid("answer", "its request is not hexadecimal") from error


def _invalid(what: str, reason: str) -> FoundingRefusedError:
    return FoundingRefusedError(
        reason=f"this is not a valid {what}: {reason.removeprefix('malformed ledger bytes: ')}"
    )

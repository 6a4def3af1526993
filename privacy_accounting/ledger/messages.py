"""Messages between the nodes of one ledger: bytes in, frozen classes out.

Layer:       privacy_accounting.ledger, above ``entries``. Pure.
Terms:       a *proposal* asks for signatures under one entries' range and one *ballot*; its answer is *signed*,
             *refused*, or *waiting* (the site lacks entries, or holds an earlier signature for that number); a
             *withdrawal* says that a proposal will never be complete; *complete* carries entries with all signatures.
Guarantees:  every message but ``Complete`` is signed by its sender over a tag of its own; reading accepts exactly
             what writing writes, and is bounded in size before it parses.
See instead: who sends them over which connection (the caller moves bytes).
Source:      docs/guarantees.md P2; docs/adr/0004-one-chain-with-a-sequencer.md.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar, Final, Self, TypedDict

from privacy_accounting.ledger.canonical_json import Fields, decode, encode, malformed
from privacy_accounting.ledger.contents import HASH_BYTES, SIGNATURE_BYTES
from privacy_accounting.ledger.entries import MAX_BODY_BYTES, MAX_ENTRIES, VERSION, signature_holds
from privacy_accounting.ledger.refusal import MAX_TEXT, Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

MAX_MESSAGE_BYTES: Final = 8 * 1024 * 1024
MAX_BALLOT: Final = 2**40
_MESSAGE_TAG: Final = b"crossward/ledger/message/1\x00"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message(ABC):
    """A signed message about the entries from ``number`` on, under one ballot.

    Attributes:
        chain: chain id, hexadecimal.
        number: first entry concerned.
        ballot: counts the proposals for that number.
        sender: name of the site that signs the message.
        signature: Ed25519 over the message without it, hexadecimal; empty until signed.
    """

    TYPE: ClassVar[str] = ""

    chain: str
    number: int
    ballot: int
    sender: str
    signature: str = field(default="", repr=False)
    _signed_bytes: bytes = field(
        default=b"", init=False, repr=False, compare=False
    )  # the payload, once written
    _data: bytes = field(
        default=b"", init=False, repr=False, compare=False
    )  # the message, once written or read

    @abstractmethod
    def own_fields(self) -> dict[str, object]:
        """Write the fields of this type of message."""

    @classmethod
    @abstractmethod
    def read(cls, fields: Fields) -> Self:
        """Take all fields but type and version."""

    def payload(self) -> dict[str, object]:
        """Write everything that is signed."""
        header = {
            "type": self.TYPE,
            "version": VERSION,
            "chain": self.chain,
            "number": self.number,
            "ballot": self.ballot,
            "sender": self.sender,
        }
        return {**header, **self.own_fields()}

    def signed_bytes(self) -> bytes:
        """Give the canonical bytes of everything that is signed; written once."""
        if not self._signed_bytes:
            object.__setattr__(self, "_signed_bytes", encode(self.payload()))
        return self._signed_bytes

    def _tagged(self) -> bytes:
        return _MESSAGE_TAG + hashlib.sha256(self.signed_bytes()).digest()

    def signed_by(self, key: Ed25519PrivateKey) -> Self:
        """Give the same message with its signature."""
        signed = replace(self, signature=key.sign(self._tagged()).hex())
        object.__setattr__(signed, "_signed_bytes", self._signed_bytes)
        return signed

    def holds(self, public_key: str) -> bool:
        """Say whether the signature is of the key given in hexadecimal."""
        return signature_holds(public_key, self._tagged(), bytes.fromhex(self.signature))

    def to_bytes(self) -> bytes:
        """Write the message; once."""
        if not self._data:
            object.__setattr__(self, "_data", encode({**self.payload(), "signature": self.signature}))
        return self._data

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read the message strictly.

        Raises:
            LedgerRefusedError: too long, of another type, or not exactly as ``to_bytes`` writes it.
        """
        kind, fields = _opened(data)
        if kind != cls.TYPE:
            raise malformed(f"not a message of type {cls.TYPE}")
        return cls.read_from(fields, data)

    @classmethod
    def read_from(cls, fields: Fields, data: bytes) -> Self:
        """Take the fields of a message of this type, of which the type and version are read."""
        message = cls.read(fields)
        fields.done()
        object.__setattr__(message, "_data", data)
        return message


def _opened(data: bytes) -> tuple[str, Fields]:
    """Read the type of a message, and its fields behind type and version."""
    fields = Fields(decode(data, limit=MAX_MESSAGE_BYTES), "message")
    kind = fields.text("type")
    fields.integer("version", low=VERSION, high=VERSION)
    return kind, fields


class _Header(TypedDict):
    """Fields that every message has."""

    chain: str
    number: int
    ballot: int
    sender: str
    signature: str


def _header(fields: Fields) -> _Header:
    return _Header(
        chain=fields.hexadecimal("chain", HASH_BYTES),
        number=fields.integer("number"),
        ballot=fields.integer("ballot", high=MAX_BALLOT),
        sender=fields.text("sender"),
        signature=fields.hexadecimal("signature", SIGNATURE_BYTES),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal(Message):
    """The sequencer asks for signatures under one or more successive bodies.

    Attributes:
        bodies: canonical bytes of each body.
    """

    TYPE: ClassVar[str] = "proposal"

    bodies: tuple[bytes, ...]

    @property
    def digest(self) -> str:
        """Name of the proposal in answers and withdrawals: SHA-256 of what is signed, hexadecimal."""
        return hashlib.sha256(self.signed_bytes()).hexdigest()

    @property
    def last(self) -> int:
        """Number of its last entry."""
        return self.number + len(self.bodies) - 1

    def own_fields(self) -> dict[str, object]:
        """Write the bodies."""
        return {"bodies": [body.decode("ascii") for body in self.bodies]}

    @classmethod
    def read(cls, fields: Fields) -> Self:
        """Take all fields."""
        header = _header(fields)
        texts = fields.sequence("bodies")
        bodies = tuple(_body(text) for text in texts)
        if not 0 < len(bodies) <= MAX_ENTRIES:
            raise malformed(f"a proposal has 1 to {MAX_ENTRIES} entries")
        return cls(
            **header,
            bodies=bodies,
        )


def _body(text: object) -> bytes:
    if not isinstance(text, str) or not text.isascii() or len(text) > MAX_BODY_BYTES:
        raise malformed("a body is at most 64 KiB of ASCII")
    return text.encode("ascii")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(Message):
    """The common fields of all messages about one proposal.

    Attributes:
        proposal: its digest, hexadecimal.
    """

    proposal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed(Answer):
    """A site's signatures.

    Attributes:
        signatures: one per body, hexadecimal; empty where the site is not in the cohort.
    """

    TYPE: ClassVar[str] = "signed"

    signatures: tuple[str, ...]

    def own_fields(self) -> dict[str, object]:
        """Write the signatures."""
        return {"proposal": self.proposal, "signatures": list(self.signatures)}

    @classmethod
    def read(cls, fields: Fields) -> Self:
        """Take all fields."""
        header = _header(fields)
        signatures = []
        for value in fields.sequence("signatures"):
            if value == "":
                signatures.append("")
            else:
                signatures.append(
                    Fields({"signature": value}, "signed").hexadecimal("signature", SIGNATURE_BYTES)
                )
        return cls(
            **header,
            proposal=fields.hexadecimal("proposal", HASH_BYTES),
            signatures=tuple(signatures),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused(Answer):
    """A site's signed refusal; it holds for this ballot for ever, and blocks no later one.

    Attributes:
        refusals: one per body that the site will not sign.
    """

    TYPE: ClassVar[str] = "refused"

    refusals: tuple[Refusal, ...]

    def own_fields(self) -> dict[str, object]:
        """Write the refusals."""
        return {"proposal": self.proposal, "refusals": [refusal.to_json() for refusal in self.refusals]}

    @classmethod
    def read(cls, fields: Fields) -> Self:
        """Take all fields."""
        return cls(
            **_header(fields),
            proposal=fields.hexadecimal("proposal", HASH_BYTES),
            refusals=tuple(Refusal.from_json(value) for value in fields.sequence("refusals")),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingProposal:
    """A proposal that a site signed and that is neither complete nor withdrawn as far as it knows.

    Attributes:
        number: its first entry.
        ballot: its ballot.
        proposal: its digest, hexadecimal.
    """

    number: int
    ballot: int
    proposal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting(Answer):
    """A site cannot answer yet; this decides nothing.

    Attributes:
        head: number of the site's last complete entry, -1 if it has none.
        highest_ballot: highest ballot that the site has seen for the number, -1 if none.
        doubts: proposals for the number that it signed and holds no withdrawal of.
    """

    TYPE: ClassVar[str] = "waiting"

    head: int
    highest_ballot: int
    doubts: tuple[PendingProposal, ...] = ()

    def own_fields(self) -> dict[str, object]:
        """Write what the site has and what it lacks."""
        doubts = [{"number": d.number, "ballot": d.ballot, "proposal": d.proposal} for d in self.doubts]
        return {
            "proposal": self.proposal,
            "head": self.head,
            "highest_ballot": self.highest_ballot,
            "doubts": doubts,
        }

    @classmethod
    def read(cls, fields: Fields) -> Self:
        """Take all fields."""
        return cls(
            **_header(fields),
            proposal=fields.hexadecimal("proposal", HASH_BYTES),
            head=fields.integer("head", low=-1),
            highest_ballot=fields.integer("highest_ballot", low=-1, high=MAX_BALLOT),
            doubts=tuple(_doubt(value) for value in fields.sequence("doubts")),
        )


def _doubt(value: object) -> PendingProposal:
    fields = Fields(value, "doubt")
    doubt = PendingProposal(
        number=fields.integer("number"),
        ballot=fields.integer("ballot", high=MAX_BALLOT),
        proposal=fields.hexadecimal("proposal", HASH_BYTES),
    )
    fields.done()
    return doubt


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal(Answer):
    """The sequencer's promise that a proposal will never be complete.

    Attributes:
        reason: for the log of the sites.
    """

    TYPE: ClassVar[str] = "withdrawal"

    reason: str

    def own_fields(self) -> dict[str, object]:
        """Write the reason."""
        return {"proposal": self.proposal, "reason": self.reason}

    @classmethod
    def read(cls, fields: Fields) -> Self:
        """Take all fields."""
        return cls(
            **_header(fields),
            proposal=fields.hexadecimal("proposal", HASH_BYTES),
            reason=fields.text("reason", most=MAX_TEXT),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Complete:
    """Complete entries, in order; each proves itself by its signatures.

    Attributes:
        entries: bytes of each entry, as ``Entry.to_bytes`` writes them.
    """

    TYPE: ClassVar[str] = "complete"

    entries: tuple[bytes, ...]

    def to_bytes(self) -> bytes:
        """Write the message."""
        entries = [entry.decode("ascii") for entry in self.entries]
        return encode({"type": self.TYPE, "version": VERSION, "entries": entries})

    @classmethod
    def from_bytes(cls, data: bytes) -> Complete:
        """Read the message strictly.

        Raises:
            LedgerRefusedError: too long, or not exactly as ``to_bytes`` writes it.
        """
        kind, fields = _opened(data)
        if kind != cls.TYPE:
            raise malformed("not a message of type complete")
        return cls.read_from(fields)

    @classmethod
    def read_from(cls, fields: Fields) -> Complete:
        """Take the fields of a message of this type, of which the type and version are read."""
        values: Sequence[object] = fields.sequence("entries")
        fields.done()
        if not values or not all(isinstance(value, str) and value.isascii() for value in values):
            raise malformed("complete entries are ASCII texts")
        return cls(entries=tuple(str(value).encode("ascii") for value in values))


def read_answer(data: bytes) -> Signed | Refused | Waiting:
    """Read a site's answer to a proposal, of whichever type it is.

    Raises:
        LedgerRefusedError: it is none of the three.
    """
    kind, fields = _opened(data)
    readers: dict[str, type[Signed | Refused | Waiting]] = {
        reader.TYPE: reader for reader in (Signed, Refused, Waiting)
    }
    if kind not in readers:
        raise malformed("not an answer to a proposal")
    return readers[kind].read_from(fields, data)


def read_message(data: bytes) -> Proposal | Withdrawal | Complete:
    """Read a message for a site, of whichever type it is.

    Raises:
        LedgerRefusedError: it is none of the three.
    """
    kind, fields = _opened(data)
    if kind == Proposal.TYPE:
        return Proposal.read_from(fields, data)
    if kind == Withdrawal.TYPE:
        return Withdrawal.read_from(fields, data)
    if kind == Complete.TYPE:
        return Complete.read_from(fields)
    raise malformed("not a message for a site")

"""Entries: the bytes that are hashed, and their signatures.

Layer:       privacy_accounting.ledger, above ``contents``. Pure.
Terms:       a *body* is one entry's canonical JSON; an entry is a body with the signatures of the sequencer and of
             every site of its cohort. The chain is made of body hashes.
Guarantees:  a body holds nothing that differs between sites, so all write the same bytes; a signature covers a domain
             tag and the body's hash and is valid for nothing else.
See instead: the session that an entry allows (``session_id``), whether an entry is
             right (``entry_validation``), where it is kept (``store``).
Source:      docs/guarantees.md P2; Ed25519 is RFC 8032 (deterministic: the same body is signed with the same bytes).
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from privacy_accounting.ledger.canonical_json import Fields, encode, malformed, parse
from privacy_accounting.ledger.changes.members_change import MembersChange
from privacy_accounting.ledger.contents import (
    HASH_BYTES,
    SIGNATURE_BYTES,
    Content,
    kind_of,
    read_content,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION: Final = 1
MAX_BODY_BYTES: Final = 64 * 1024
MAX_ENTRY_BYTES: Final = 256 * 1024
MAX_ENTRIES: Final = 64  # of one proposal
NO_PREVIOUS: Final = "00" * HASH_BYTES
_CACHED_KEYS: Final = 256
_CACHED_SIGNATURES: Final = 1024
_CACHED_ENTRIES: Final = 256  # a few proposals of the largest size
_BODY_TAG: Final = b"crossward/ledger/body/1\x00"
_SIGNATURE_TAG: Final = b"crossward/ledger/signature/1\x00"


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What is hashed and signed.

    Attributes:
        chain: chain id, hexadecimal; the consortium file's SHA-256.
        number: place in the chain, the genesis entry is 0.
        previous: body hash of the entry before, hexadecimal.
        time: seconds since 1970, never before that of the entry before; 0 in the genesis entry.
        cohort: sites that must sign, sorted.
        content: what the entry says.
    """

    chain: str
    number: int
    previous: str
    time: int
    cohort: tuple[str, ...]
    content: Content
    _data: bytes = field(
        default=b"", init=False, repr=False, compare=False
    )  # the canonical bytes, once written

    @property
    def kind(self) -> str:
        """Kind of the content, as the bytes spell it."""
        return kind_of(self.content)

    @property
    def leaves_out(self) -> str:
        """The site that it leaves out; empty where it does something else."""
        change = self.content
        return change.name if isinstance(change, MembersChange) and change.change == "lose" else ""

    def to_bytes(self) -> bytes:
        """Write the canonical bytes, once.

        Raises:
            LedgerRefusedError: a value has no canonical form, or the body is longer than 64 KiB.
        """
        if self._data:
            return self._data
        header = {
            "version": VERSION,
            "chain": self.chain,
            "number": self.number,
            "previous": self.previous,
            "time": self.time,
            "kind": self.kind,
            "cohort": list(self.cohort),
        }
        data = encode({**header, **self.content.to_json()})
        if len(data) > MAX_BODY_BYTES:
            raise malformed("a body is at most 64 KiB")
        object.__setattr__(self, "_data", data)
        return data

    @classmethod
    def from_bytes(cls, data: bytes) -> Body:
        """Read canonical bytes strictly; what is accepted encodes to the same bytes again.

        Raises:
            LedgerRefusedError: anything is not exactly as ``to_bytes`` writes it.
        """
        return _read_body(data)


@functools.lru_cache(maxsize=_CACHED_ENTRIES)
def _read_body(data: bytes) -> Body:
    """Read a body; recent ones are kept, since a body crosses a site in a proposal, an entry and a run."""
    fields = Fields(parse(data, limit=MAX_BODY_BYTES), "body")
    fields.integer("version", low=VERSION, high=VERSION)
    kind = fields.text("kind")
    body = Body(
        chain=fields.hexadecimal("chain", HASH_BYTES),
        number=fields.integer("number"),
        previous=fields.hexadecimal("previous", HASH_BYTES),
        time=fields.integer("time"),
        cohort=fields.names("cohort"),
        content=read_content(kind, fields),
    )
    fields.done()
    if body.to_bytes() != data:
        raise malformed("body does not encode to the same bytes")
    return body


def body_hash(data: bytes) -> bytes:
    """Hash a body's canonical bytes: SHA-256 under the body's domain tag, 32 bytes."""
    return hashlib.sha256(_BODY_TAG + data).digest()


def sign_body(key: Ed25519PrivateKey, hashed: bytes) -> bytes:
    """Sign a body hash; 64 bytes."""
    return key.sign(_SIGNATURE_TAG + hashed)


def body_signature_holds(public_key: str, hashed: bytes, signature: bytes) -> bool:
    """Say whether a signature over a body hash is of the key given in hexadecimal."""
    return signature_holds(public_key, _SIGNATURE_TAG + hashed, signature)


@functools.lru_cache(maxsize=_CACHED_SIGNATURES)
def signature_holds(public_key: str, message: bytes, signature: bytes) -> bool:
    """Say whether an Ed25519 signature over a tagged message is of the key given in hexadecimal.

    A pure function of its arguments: the sequencer checks each signature when it arrives and again in the complete entry.
    """
    try:
        _public_key(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


@functools.lru_cache(maxsize=_CACHED_KEYS)
def _public_key(public_key: str) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key))


def public_hex(key: Ed25519PrivateKey) -> str:
    """Give the public key that the genesis entry holds, in hexadecimal."""
    return key.public_key().public_bytes_raw().hex()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A body with its signatures; *complete* only if they are exactly those that the chain asks for.

    Attributes:
        data: the body's canonical bytes.
        body: the same, read.
        signatures: 64 bytes each, by site.
    """

    data: bytes
    body: Body
    signatures: Mapping[str, bytes]
    _hash: bytes = field(default=b"", init=False, repr=False, compare=False)
    _written: bytes = field(
        default=b"", init=False, repr=False, compare=False
    )  # what to_bytes gives, once written

    @property
    def hash(self) -> bytes:
        """Body hash, 32 bytes."""
        if not self._hash:
            object.__setattr__(self, "_hash", body_hash(self.data))
        return self._hash

    def to_bytes(self) -> bytes:
        """Write body and signatures, as they are stored and sent; once."""
        if not self._written:
            signatures = {name: signature.hex() for name, signature in self.signatures.items()}
            written = encode({"body": self.data.decode("ascii"), "signatures": signatures})
            object.__setattr__(self, "_written", written)
        return self._written

    @classmethod
    def from_bytes(cls, data: bytes) -> Entry:
        """Read strictly.

        Raises:
            LedgerRefusedError: not exactly what ``to_bytes`` writes.
        """
        return _read_entry(data)


@functools.lru_cache(maxsize=_CACHED_ENTRIES)
def _read_entry(data: bytes) -> Entry:
    """Read an entry; recent ones are kept, since the sequencer and the client deliver the same one."""
    fields = Fields(parse(data, limit=MAX_ENTRY_BYTES), "entry")
    text = fields.text("body", most=MAX_BODY_BYTES)
    mapping = fields.mapping("signatures")
    fields.done()
    signatures = Fields(mapping, "signatures")
    if not text.isascii():
        raise malformed("a body is ASCII")
    body = text.encode("ascii")
    entry = Entry(
        data=body,
        body=_read_body(body),
        signatures=MappingProxyType(
            {name: bytes.fromhex(signatures.hexadecimal(name, SIGNATURE_BYTES)) for name in mapping}
        ),
    )
    if entry.to_bytes() != data:
        raise malformed("not in canonical form")
    return entry

"""What a member and the founder say to each other where files travel directly and not by e-mail.

Layer:       federation.consortium.admission.deliveries, above invitations. Pure.
Terms:       a *delivery* brings at most one file of the founding and asks for at most one.
Guarantees:  a delivery is signed by the member's key for this connection alone: over a number that the founder has just
             drawn and over the certificate that the member saw. Its file is the one that was signed. The invitation's
             token does not travel here either: an answer proves it (``invitations``).
See instead: who takes deliveries (``federation.setup.several_machines.collecting``), who makes them
             (``federation.setup.several_machines.delivering``).
Source:      ours.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from federation.consortium.admission.invitations import HASH_BYTES, SIGNATURE_BYTES, check_exact, opened
from federation.errors import FoundingRefusedError
from privacy_accounting.errors import LedgerRefusedError
from privacy_accounting.ledger.canonical_json import encode

NONCE_BYTES: Final = 32
HEAD_BYTES: Final = 4 * 1024
FILE_BYTES: Final = 96 * 1024
BRINGS: Final = ("nothing", "answer", "signature")
WANTS: Final = ("nothing", "draft", "agreement")
STATES: Final = ("ready", "waiting", "refused")
_DELIVERY: Final = "crossward/delivery/1"
_REPLY: Final = "crossward/delivery-reply/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """The head of a delivery; its file follows as a message of its own.

    Attributes:
        name: the member.
        brings: one of ``BRINGS``.
        wants: one of ``WANTS``.
        file: SHA-256 of the file, hex.
        signature: the member's, hex.
    """

    name: str
    brings: str
    wants: str
    file: str
    signature: str = ""

    @classmethod
    def write(
        cls,
        name: str,
        key: Ed25519PrivateKey,
        *,
        brings: str,
        wants: str,
        file: bytes,
        nonce: bytes,
        certificate: str,
    ) -> Delivery:
        """Sign a delivery.

        Args:
            name: the member.
            key: its key.
            brings: one of ``BRINGS``.
            wants: one of ``WANTS``.
            file: the file's bytes; empty for nothing.
            nonce: what the founder has drawn, 32 bytes.
            certificate: fingerprint of the certificate that the founder showed, hex.
        """
        bare = cls(name=name, brings=brings, wants=wants, file=hashlib.sha256(file).hexdigest())
        return replace(bare, signature=key.sign(bare._signed(nonce, certificate)).hex())

    def to_bytes(self) -> bytes:
        """Write the head's bytes."""
        return encode(self._fields() | {"signature": self.signature})

    @classmethod
    def from_bytes(cls, head: bytes, file: bytes) -> Delivery:
        """Read a head strictly, and check that this is its file.

        Raises:
            FoundingRefusedError: not a delivery, or another file.
        """
        fields = opened(head, _DELIVERY, "delivery", limit=HEAD_BYTES)
        try:
            delivery = cls(
                name=fields.text("name"),
                brings=fields.text("brings"),
                wants=fields.text("wants"),
                file=fields.hexadecimal("file", HASH_BYTES),
                signature=fields.hexadecimal("signature", SIGNATURE_BYTES),
            )
            fields.done()
        except LedgerRefusedError as error:
            raise FoundingRefusedError(reason=f"this is not a valid delivery: {error.reason}") from error
        check_exact(delivery.to_bytes(), head, "delivery")
        if delivery.brings not in BRINGS or delivery.wants not in WANTS:
            raise FoundingRefusedError(
                reason="this is not a valid delivery: it brings or wants something unknown"
            )
        if delivery.file != hashlib.sha256(file).hexdigest():
            raise FoundingRefusedError(reason="this is not a valid delivery: its file is another one")
        return delivery

    def is_signed_by(self, public_key: str, *, nonce: bytes, certificate: str) -> bool:
        """Whether the holder of this key (hex) has signed it for this connection."""
        try:
            public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key))
            public.verify(bytes.fromhex(self.signature), self._signed(nonce, certificate))
        except (InvalidSignature, ValueError):
            return False
        return True

    def _fields(self) -> dict[str, str]:
        return {
            "format": _DELIVERY,
            "name": self.name,
            "brings": self.brings,
            "wants": self.wants,
            "file": self.file,
        }

    def _signed(self, nonce: bytes, certificate: str) -> bytes:
        return b"crossward/delivery/1\n" + nonce + bytes.fromhex(certificate) + encode(self._fields())


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryReply:
    """The founder's reply; the file that was wanted follows as a message of its own, empty unless it is ready.

    Attributes:
        state: ready, waiting (what came was taken, what is wanted is not there yet) or refused.
        reason: why it was refused; empty otherwise.
    """

    state: str
    reason: str = ""

    def to_bytes(self) -> bytes:
        """Write the reply's bytes."""
        return encode({"format": _REPLY, "state": self.state, "reason": self.reason})

    @classmethod
    def from_bytes(cls, head: bytes) -> DeliveryReply:
        """Read a reply strictly.

        Raises:
            FoundingRefusedError: not a reply.
        """
        fields = opened(head, _REPLY, "reply", limit=HEAD_BYTES)
        try:
            reply = cls(state=fields.text("state"), reason=fields.text("reason", most=HEAD_BYTES, empty=True))
            fields.done()
        except LedgerRefusedError as error:
            raise FoundingRefusedError(reason=f"this is not a valid reply: {error.reason}") from error
        if reply.state not in STATES:
            raise FoundingRefusedError(reason="this is not a valid reply: its state is unknown")
        return reply

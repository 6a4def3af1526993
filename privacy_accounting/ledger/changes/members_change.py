"""The content of an entry that changes the members: one site added, lost, renewed or replaced, or another sequencer.

Layer:       privacy_accounting.ledger, below ``contents``. Pure.
Guarantees:  reading refuses a missing, unknown or mistyped field. The place of a site, its address and certificate, is
             written together or not at all, so that an entry from before sites could be added keeps its bytes.
See instead: who signs such an entry (``members``), what a caller does with the place (``federation.consortium``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from privacy_accounting.ledger.canonical_json import malformed

if TYPE_CHECKING:
    from privacy_accounting.ledger.canonical_json import Fields

KEY_BYTES: Final = 32
FINGERPRINT_BYTES: Final = 32
MEMBER_CHANGES: Final = ("add", "lose", "rekey", "sequencer")
_WITH_KEY: Final = frozenset({"add", "rekey"})


@dataclass(frozen=True, slots=True, kw_only=True)
class MembersChange:
    """Changes who signs: one site added, lost or with a new key, or another sequencer.

    Attributes:
        change: ``add``, ``lose``, ``rekey`` or ``sequencer``.
        name: the site concerned.
        key: its Ed25519 public key from here on, hexadecimal; empty for ``lose`` and ``sequencer``.
        sequencer: the sequencer from here on.
        address: where an added or replaced site is reached, HOST:PORT; empty for other changes.
        fingerprint: SHA-256 of the certificate of an added or replaced site, hexadecimal; empty where ``address`` is.
    """

    change: str
    name: str
    key: str
    sequencer: str
    address: str = ""
    fingerprint: str = ""

    def to_json(self) -> dict[str, object]:
        """Write the fields."""
        place = {"address": self.address, "fingerprint": self.fingerprint} if self.address else {}
        return {
            "change": self.change,
            "name": self.name,
            "key": self.key,
            "sequencer": self.sequencer,
            **place,
        }

    @classmethod
    def read(cls, fields: Fields) -> MembersChange:
        """Take the fields."""
        change = fields.text("change")
        if change not in MEMBER_CHANGES:
            raise malformed("unknown change of members")
        has_key = change in _WITH_KEY
        has_place = has_key and fields.has("address")
        return cls(
            change=change,
            name=fields.text("name"),
            key=fields.hexadecimal("key", KEY_BYTES if has_key else 0),
            sequencer=fields.text("sequencer"),
            address=fields.text("address") if has_place else "",
            fingerprint=fields.hexadecimal("fingerprint", FINGERPRINT_BYTES) if has_place else "",
        )

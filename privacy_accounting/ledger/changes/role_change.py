"""A change of the members that are not sites: an analyst or auditor added, removed, or any of them with a new key.

Layer:       privacy_accounting.ledger, below ``contents``. Pure.
Terms:       a *role* entry names one member, its role and its key from then on. Sites change by *members* entries.
Guarantees:  only analysts and auditors are added or removed; dealer, aggregator and key holder change their key alone. A
             cap belongs to an analyst who is added, and to no other change.
See instead: who is a member at an entry (``roles``), the sites (``members``), certificates (the caller's).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from privacy_accounting.decimals import format_decimal
from privacy_accounting.ledger.budgets import decimal_field
from privacy_accounting.ledger.canonical_json import malformed

if TYPE_CHECKING:
    from privacy_accounting.ledger.canonical_json import Fields

ANALYST: Final = "analyst"
CALLERS: Final = (ANALYST, "auditor")
ROLES: Final = (*CALLERS, "dealer", "aggregator", "keyholder")
ROLE_CHANGES: Final = ("add", "remove", "rekey")
_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,62}", re.ASCII)
_KEY_BYTES: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleChange:
    """Adds or removes an analyst or auditor, or renews the key of a member that is not a site.

    Attributes:
        change: ``add``, ``remove`` or ``rekey``.
        role: one of ``ROLES``.
        name: the member.
        key: its Ed25519 public key from here on, hexadecimal; empty for ``remove``.
        cap: of an analyst who is added, the fraction of each sub-budget's allowance; otherwise 0.
    """

    change: str
    role: str
    name: str
    key: str
    cap: Fraction = Fraction(0)

    def to_json(self) -> dict[str, object]:
        """Write the fields."""
        return {
            "change": self.change,
            "role": self.role,
            "name": self.name,
            "key": self.key,
            "cap": format_decimal(self.cap),
        }

    @classmethod
    def read(cls, fields: Fields) -> RoleChange:
        """Take the fields."""
        change, role, name = fields.text("change"), fields.text("role"), fields.text("name")
        if change not in ROLE_CHANGES or role not in (ROLES if change == "rekey" else CALLERS):
            raise malformed("unknown change of a role")
        if not _NAME.fullmatch(name):
            raise malformed("the name of a member is not a name")
        cap, has_cap = decimal_field(fields, "cap"), change == "add" and role == ANALYST
        if not (0 < cap <= 1 if has_cap else cap == 0):
            raise malformed("the cap of a role is not a fraction above 0, or stands where it has no place")
        key = fields.hexadecimal("key", 0 if change == "remove" else _KEY_BYTES)
        return cls(change=change, role=role, name=name, key=key, cap=cap)

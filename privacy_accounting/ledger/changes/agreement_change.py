"""Further terms of the agreement, which hold from their entry on, and the digest of the agreement in force.

Layer:       privacy_accounting.ledger, below ``contents``. Pure.
Terms:       the *agreement in force* is the founding one with the terms of all such entries so far. Its *configuration* is
             a digest over the founding agreement's digest and these terms in their order; without such an entry it is
             the founding digest.
Guarantees:  an entry names the configuration before it, so that it holds on exactly the terms that its approvers read.
             The ledger does not read the terms themselves.
See instead: what terms may say (``federation.consortium.agreement_terms``), the entries so far (``agreements``).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from privacy_accounting.ledger.canonical_json import encode

if TYPE_CHECKING:
    from privacy_accounting.ledger.canonical_json import Fields

MAX_TERMS: Final = 30 * 1024  # characters; a body holds them escaped
_DIGEST_BYTES: Final = 32
_TAG: Final = b"crossward/agreement-in-force/1\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementChange:
    """Adds terms to the agreement in force.

    Attributes:
        before: configuration before it, hexadecimal.
        terms: a text that the members read; the ledger keeps it as it is.
    """

    before: str
    terms: str

    @property
    def after(self) -> str:
        """The configuration from here on, hexadecimal."""
        return hashlib.sha256(_TAG + encode(self.to_json())).hexdigest()

    def to_json(self) -> dict[str, object]:
        """Write the fields."""
        return {"before": self.before, "terms": self.terms}

    @classmethod
    def read(cls, fields: Fields) -> AgreementChange:
        """Take the fields."""
        return cls(
            before=fields.hexadecimal("before", _DIGEST_BYTES), terms=fields.text("terms", most=MAX_TERMS)
        )

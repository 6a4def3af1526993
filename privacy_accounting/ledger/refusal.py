"""A refusal: why a site does not sign one body, in a form that crosses the wire and is signed.

Layer:       privacy_accounting.ledger, above ``entries``. Pure.
Guarantees:  reading is bounded and strict; a refusal holds a wire name and public fields, never a data value.
See instead: errors as refusals (``entry_validation.describe``), the signed answer around it (``messages``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from privacy_accounting.ledger.canonical_json import Fields
from privacy_accounting.ledger.entries import MAX_ENTRIES

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_TEXT: Final = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a site does not sign one body: an error as name and public fields.

    Attributes:
        entry: place of the body in the proposal.
        code: name of the error's class.
        fields: its fields as text; never a data value.
    """

    entry: int
    code: str
    fields: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, object]:
        """Write the refusal."""
        return {"entry": self.entry, "code": self.code, "fields": dict(self.fields)}

    @classmethod
    def from_json(cls, value: object) -> Refusal:
        """Read the refusal strictly."""
        fields = Fields(value, "refusal")
        mapping = fields.mapping("fields")
        inner = Fields(mapping, "fields")
        refusal = cls(
            entry=fields.integer("entry", high=MAX_ENTRIES - 1),
            code=fields.text("code"),
            fields={name: inner.text(name, most=MAX_TEXT, empty=True) for name in mapping},
        )
        fields.done()
        return refusal

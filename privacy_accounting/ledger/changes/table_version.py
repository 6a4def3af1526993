"""The declared version of a table: from its entry on, the rows of the table are others than before.

Layer:       privacy_accounting.ledger, below ``contents``. Pure.
Terms:       a table has version 1 until an entry declares another one. The version is declared by people and approved by
             every site; it is derived from no byte and no count of the rows.
Guarantees:  the versions of a table rise. The version of a release is the one that holds at its entry's number.
See instead: what an analyst may use again (``federation.client.kept.kept_answers``).
Source:      docs/guarantees.md P23.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from privacy_accounting.ledger.canonical_json import Fields

FIRST: Final = 1
LAST: Final = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class TableVersion:
    """Declares the version of a table from here on.

    Attributes:
        table: its name in the schema.
        version: above the one before.
    """

    table: str
    version: int

    def to_json(self) -> dict[str, object]:
        """Write the fields."""
        return {"table": self.table, "declared": self.version}

    @classmethod
    def read(cls, fields: Fields) -> TableVersion:
        """Take the fields."""
        return cls(table=fields.text("table"), version=fields.integer("declared", low=FIRST + 1, high=LAST))

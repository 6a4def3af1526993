"""The agreement in force, as the ledger's entries have changed it.

Layer:       privacy_accounting.ledger, above ``entries``. Pure.
Guarantees:  the changes follow one another: each names the configuration that the one before it gives. So of two changes
             that were approved on the same agreement one enters, and the other does not fit any more; and none fits twice.
See instead: the change itself (``agreement_change``), the agreement (``federation.consortium.consortium_file``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from privacy_accounting.errors import LedgerRefusedError
from privacy_accounting.ledger.changes.agreement_change import AgreementChange

if TYPE_CHECKING:
    from privacy_accounting.ledger.entries import Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Amended:
    """A change of the agreement in its place.

    Attributes:
        number: of its entry.
        change: the change.
    """

    number: int
    change: AgreementChange


@dataclass(frozen=True, slots=True)
class Agreements:
    """All changes of the agreement so far; a further one gives a new object.

    Attributes:
        entries: complete, in their order.
    """

    entries: tuple[Entry, ...] = ()

    @property
    def changes(self) -> tuple[Amended, ...]:
        """The changes, each with the number of its entry."""
        found = ((entry.body.number, entry.body.content) for entry in self.entries)
        return tuple(
            Amended(number=number, change=content)
            for number, content in found
            if isinstance(content, AgreementChange)
        )

    @property
    def basis(self) -> int:
        """Number of the last such entry; 0 where there is none."""
        return self.entries[-1].body.number if self.entries else 0

    def configuration(self, chain: str) -> str:
        """Give the digest of the agreement in force, hexadecimal.

        Args:
            chain: digest of the founding agreement.
        """
        return self.changes[-1].change.after if self.entries else chain

    def changed(self, entry: Entry) -> Agreements:
        """Give the changes after one more entry, which the caller has checked."""
        return Agreements((*self.entries, entry))

    def changes_since(self, number: int) -> list[Entry]:
        """Give the entries from a number on, in order."""
        return [entry for entry in self.entries if entry.body.number >= number]

    def check(self, change: AgreementChange, chain: str) -> None:
        """Check that a change was made on the agreement in force.

        Raises:
            LedgerRefusedError: it was made on another one.
        """
        if change.before != self.configuration(chain):
            since = f"since entry {self.basis} another one is in force" if self.entries else "it is another's"
            raise LedgerRefusedError(reason=f"the change is not of the agreement in force: {since}")

    def to_json(self) -> list[object]:
        """Write all changes: what a snapshot pins."""
        return [[each.number, each.change.to_json()] for each in self.changes]

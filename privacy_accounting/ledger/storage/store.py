"""The store interface of a ledger, and a store in memory.

Layer:       privacy_accounting.ledger, above ``entries``. The port knows nothing of files.
Terms:       *entries* are complete and shared by all sites; *notes* are this site's own: what it proposed, was asked,
             answered, what was withdrawn, which charges it started, which sessions it opened, which forks it saw, and
             its own checkpoints of the folded state.
Guarantees:  append-only; one call is one transaction, durable when it returns, wholly there or not at all; entries
             are numbered without a gap; a note that must be unique is refused the second time, for ever.
See instead: what entries and notes mean (``replica``, ``sequencer``), the file (``sqlite``).
"""

from __future__ import annotations

import enum
import itertools
import threading
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from privacy_accounting.errors import LedgerRefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from privacy_accounting.ledger.entries import Entry


class Table(enum.StrEnum):
    """The tables of notes."""

    PROPOSALS = "proposals"
    RECEIVED = "received"
    ANSWERS = "answers"
    WITHDRAWALS = "withdrawals"
    STARTED = "started"
    OPENED = "opened"
    FORKS = "forks"
    CHECKPOINTS = "checkpoints"


UNIQUE: Final[Mapping[Table, tuple[str, ...]]] = {
    Table.PROPOSALS: ("number", "ballot"),
    Table.RECEIVED: ("number", "ballot"),
    Table.ANSWERS: ("number", "ballot"),
    Table.WITHDRAWALS: ("number", "ballot", "digest"),
    Table.STARTED: ("digest",),
    Table.OPENED: ("digest",),
    Table.FORKS: ("number", "digest"),
    Table.CHECKPOINTS: ("number", "digest"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One row of this site's own tables.

    Attributes:
        table: where it belongs.
        number: entry concerned.
        ballot: of the proposal, 0 where there is none.
        digest: proposal, body hash or session id, hexadecimal.
        payload: the message or entry itself; the time in seconds for started and opened.
    """

    table: Table
    number: int
    ballot: int = 0
    digest: str
    payload: bytes


MEND: Final = "restore a whole copy, or move the file away and restart the node: it takes the entries over from the other sites"


class Store(ABC):
    """The interface that a replica needs of a store. Safe to call from several threads."""

    @property
    @abstractmethod
    def owner(self) -> str:
        """Name of the site whose ledger it is."""

    @property
    def is_open(self) -> bool:
        """Whether the store can still be used; one that lost its server must be opened anew."""
        return True

    @abstractmethod
    def height(self) -> int:
        """Count the complete entries."""

    def first(self) -> int:
        """Give the number of the first entry held: 0, or that of a snapshot once older ones are archived."""
        return 0

    @abstractmethod
    def entries(self, first: int = 0, limit: int | None = None) -> list[bytes]:
        """Give complete entries in order.

        Args:
            first: number of the first one wanted.
            limit: at most so many; all by default.
        """

    @abstractmethod
    def append(self, entries: Sequence[Entry], notes: Sequence[Note] = ()) -> None:
        """Add complete entries and notes in one transaction.

        Raises:
            LedgerRefusedError: the numbers do not follow, a note is there already, or the store cannot write.
        """

    @abstractmethod
    def notes(self, table: Table, *, first: int = 0, digest: str = "") -> list[Note]:
        """Give notes in the order in which they were written.

        Args:
            table: which.
            first: only those about entries from this number on.
            digest: only those with this digest.
        """

    @abstractmethod
    def close(self) -> None:
        """Release what the store holds; it takes no calls afterwards."""


class MemoryStore(Store):
    """A ledger that lives as long as its process: for tests and for consortia inside one process."""

    def __init__(self, *, owner: str) -> None:
        """Open an empty ledger.

        Args:
            owner: name of the site.
        """
        self._owner = owner
        self._lock = threading.Lock()
        self._entries: list[bytes] = []
        self._notes: dict[Table, list[Note]] = {table: [] for table in Table}
        self._keys: set[tuple[object, ...]] = set()

    @property
    def owner(self) -> str:
        """Name of the site whose ledger it is."""
        return self._owner

    def height(self) -> int:
        """Count the complete entries."""
        with self._lock:
            return len(self._entries)

    def entries(self, first: int = 0, limit: int | None = None) -> list[bytes]:
        """Give complete entries in order."""
        with self._lock:
            return self._entries[first : None if limit is None else first + limit]

    def append(self, entries: Sequence[Entry], notes: Sequence[Note] = ()) -> None:
        """Add complete entries and notes, all or none."""
        with self._lock:
            check_numbers(entries, len(self._entries))
            keys = [_key(note) for note in notes]
            if len(set(keys)) != len(keys) or self._keys.intersection(keys):
                raise already_recorded()
            self._keys.update(keys)
            self._entries.extend(entry.to_bytes() for entry in entries)
            for note in notes:
                self._notes[note.table].append(note)

    def notes(self, table: Table, *, first: int = 0, digest: str = "") -> list[Note]:
        """Give notes in the order in which they were written."""
        with self._lock:
            return [n for n in self._notes[table] if n.number >= first and digest in {"", n.digest}]

    def close(self) -> None:
        """Do nothing; memory needs no closing."""


def _key(note: Note) -> tuple[object, ...]:
    return (note.table, *(getattr(note, name) for name in UNIQUE[note.table]))


def check_numbers(entries: Sequence[Entry], height: int) -> None:
    """Refuse entries that do not follow each other and the last one stored."""
    if [entry.body.number for entry in entries] != list(range(height, height + len(entries))):
        raise LedgerRefusedError(reason="entries do not follow the last one stored")


def already_recorded() -> LedgerRefusedError:
    """Build the error for a note that must be unique and is there already."""
    return LedgerRefusedError(reason="this was recorded before and cannot be recorded again")


def kept_names(name: str, chain: str) -> Iterator[str]:
    """Yield names for a ledger that is put aside, without end; the first that is free is taken."""
    yield f"{name}_kept_{chain[:8]}"
    for number in itertools.count(2):
        yield f"{name}_kept_{chain[:8]}_{number}"

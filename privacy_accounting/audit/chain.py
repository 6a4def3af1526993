"""One ledger file, read as an auditor reads it: entry by entry, every signature checked.

Floor:    privacy_accounting.audit, lowest. Reads files; writes nothing.
Promise:  an entry counts only if it is canonical, follows the one before, is signed by exactly its sites,
          fits the folded state and, for a charge, fitted the allowances when it was made. The first that
          does not is named; nothing behind it counts.
Not here: comparing files (``verify``), prices (``recompute``).
Source:   DESIGN 3b.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from privacy_accounting.errors import AccountingError
from privacy_accounting.ledger.contents import Charge, Exact
from privacy_accounting.ledger.entries import Entry, session_id
from privacy_accounting.ledger.sqlite import SqliteStore
from privacy_accounting.ledger.state import ChainState

if TYPE_CHECKING:
    from pathlib import Path

    from privacy_accounting.ledger.store import Store

CHUNK: Final = 500

Progress = Callable[[int], None]
"""Told how many entries were read so far."""


def read_entries(store: Store) -> Iterator[bytes]:
    """Give the bytes of all entries of a store, in order, without holding them all."""
    first = 0
    while chunk := store.entries(first, CHUNK):
        yield from chunk
        first += len(chunk)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a complete charge or exact disclosure allows.

    Attributes:
        hash: body hash, hexadecimal.
        session: session id, hexadecimal.
        cohort: sites that may start it.
    """

    hash: str
    session: str
    cohort: tuple[str, ...]


@dataclass(slots=True)
class Chain:
    """The part of a file that holds.

    Attributes:
        owner: site whose ledger the file is.
        state: folded over the entries that hold.
        hashes: their body hashes.
        runs: what they allow, by number.
        first_bad: number of the first entry that does not hold.
        reason: why it does not.
    """

    owner: str
    state: ChainState = field(default_factory=ChainState)
    hashes: list[bytes] = field(default_factory=list)
    runs: dict[int, Run] = field(default_factory=dict)
    first_bad: int | None = None
    reason: str = ""

    def take(self, data: bytes) -> None:
        """Check and fold one entry.

        Raises:
            AccountingError: it does not hold.
        """
        entry = Entry.from_bytes(data)
        body = entry.body
        self.state.members_for(body).check_complete(entry)
        if isinstance(body.content, Charge):
            self.state.book.check(body.content.spend)
        self.state.apply(entry.data, body)
        self.hashes.append(entry.hash)
        if isinstance(body.content, Charge | Exact):
            self.runs[body.number] = Run(
                hash=entry.hash.hex(), session=session_id(body).hex(), cohort=body.cohort
            )


def read_chain(store: Store, progress: Progress | None = None) -> Chain:
    """Read a store as far as it holds.

    Args:
        store: opened read-only.
        progress: told how many entries were read.

    Returns:
        The chain up to its first bad entry.
    """
    chain = Chain(owner=store.owner)
    for number, data in enumerate(read_entries(store)):
        try:
            chain.take(data)
        except AccountingError as error:
            chain.first_bad, chain.reason = number, str(error)
            break
        if progress is not None and number % CHUNK == 0:
            progress(number)
    return chain


def open_file(path: Path) -> SqliteStore:
    """Open a ledger file for an audit.

    Raises:
        LedgerRefusedError: there is no such file, or it is no ledger.
    """
    return SqliteStore.read_only(path)

"""Reads one ledger file for an audit: entry by entry, with every signature checked.

Layer:       privacy_accounting.audit, lowest. Reads files; writes nothing.
Guarantees:  an entry counts only if it is canonical, follows the one before, is signed by exactly its sites, fits the
             folded state and, for a charge, fitted the allowances when it was made. The first entry that fails is
             named; no later entry counts.
See instead: comparing files (``verify``), prices (``recompute``).
Source:      docs/guarantees.md P2; docs/adr/0004-one-chain-with-a-sequencer.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from privacy_accounting.errors import AccountingError, LedgerRefusedError
from privacy_accounting.ledger.contents import Charge, Exact, Snapshot
from privacy_accounting.ledger.entries import Entry, body_hash
from privacy_accounting.ledger.merkle import MerkleTree
from privacy_accounting.ledger.session_id import session_id_of_entry
from privacy_accounting.ledger.state import ChainState
from privacy_accounting.ledger.storage.checkpoint import restore
from privacy_accounting.ledger.storage.export import import_lines
from privacy_accounting.ledger.storage.sqlite import SqliteStore
from privacy_accounting.ledger.storage.store import MemoryStore

if TYPE_CHECKING:
    from pathlib import Path

    from privacy_accounting.ledger.storage.store import Note, Store, Table

CHUNK: Final = 500
_EXPORT_BEGINS: Final = b"{"
OTHER_GENESIS: Final = "the genesis entry is not the one that the consortium file gives"

Progress = Callable[[int], None]
"""Called with the number of entries read so far."""


def read_entries(store: Store) -> Iterator[bytes]:
    """Give the bytes of all entries that a store holds, in order, without holding them all.

    Raises:
        LedgerRefusedError: when it comes to an entry that cannot be read.
    """
    first = store.first()
    while chunk := _chunk(store, first):
        yield from chunk
        first += len(chunk)


def _chunk(store: Store, first: int) -> list[bytes]:
    try:
        return store.entries(first, CHUNK)
    except LedgerRefusedError:
        return store.entries(first, 1)  # one of the chunk cannot be read: come to it one by one


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryRun:
    """The run that a complete charge or exact disclosure allows.

    Attributes:
        hash: body hash, hexadecimal.
        session: session id, hexadecimal.
        cohort: sites that may start it.
    """

    hash: str
    session: str
    cohort: tuple[str, ...]


@dataclass(slots=True)
class ChainReader:
    """The valid part of a file.

    Attributes:
        owner: site whose ledger the file is.
        state: folded over the entries that hold.
        hashes: their body hashes.
        tree: the Merkle tree over these.
        runs: what they allow, by number.
        begins: number of the first entry held; those before it are in an archive, and their hashes and state
            come from a checkpoint that the snapshot entry's signatures cover.
        first_bad: number of the first entry that does not hold.
        reason: why it does not.
        genesis: body of the first entry as the consortium file gives it; None believes the file.
        countersigned: entries that the owner signed at the sequencer's request.
    """

    owner: str
    state: ChainState = field(default_factory=ChainState)
    hashes: list[bytes] = field(default_factory=list)
    tree: MerkleTree = field(default_factory=MerkleTree)
    runs: dict[int, EntryRun] = field(default_factory=dict)
    begins: int = 0
    first_bad: int | None = None
    reason: str = ""
    genesis: bytes | None = None
    countersigned: set[int] = field(default_factory=set)

    def expect(self, genesis: bytes) -> None:
        """Hold to a genesis entry.

        Raises:
            LedgerRefusedError: the chain began with another one.
        """
        self.genesis = genesis
        if self.hashes and self.hashes[0] != body_hash(genesis):
            raise LedgerRefusedError(reason=OTHER_GENESIS)

    def take(self, data: bytes) -> None:
        """Check and fold one entry.

        Raises:
            AccountingError: it does not hold.
        """
        entry = Entry.from_bytes(data)
        body = entry.body
        if self.genesis not in {None, entry.data} and not self.hashes:
            raise LedgerRefusedError(reason=OTHER_GENESIS)
        members = self.state.members_for(body)
        members.check_complete(entry)
        if isinstance(body.content, Charge):
            self.state.privacy_filter.check(body.content.spend)
        if isinstance(body.content, Snapshot) and body.content.root != self.tree.root():
            raise LedgerRefusedError(reason="the snapshot differs from the entries before it")
        self.state.apply(entry)
        self.hashes.append(entry.hash)
        self.tree.add(entry.hash)
        if self.owner in entry.signatures and self.owner != members.committer(body):
            self.countersigned.add(body.number)
        if isinstance(body.content, Charge | Exact):
            self.runs[body.number] = EntryRun(
                hash=entry.hash.hex(), session=session_id_of_entry(body).hex(), cohort=body.cohort
            )


def read_chain(
    store: Store, progress: Progress | None = None, *, genesis: bytes | None = None
) -> ChainReader:
    """Read a store as far as it holds.

    Args:
        store: opened read-only.
        progress: called with the number of entries read.
        genesis: body of the first entry that the consortium file gives; None believes the store.

    Returns:
        The chain up to its first bad entry.
    """
    chain = ChainReader(owner=store.owner)
    try:
        chain.state, chain.hashes = opening(store)
        chain.begins, chain.tree = len(chain.hashes), MerkleTree(chain.hashes)
        if genesis is not None:
            chain.expect(genesis)
    except AccountingError as error:
        chain.first_bad, chain.reason = store.first(), str(error)
        chain.state, chain.hashes, chain.begins = ChainState(), [], store.first()
        return chain
    entries, number = read_entries(store), chain.begins - 1
    while True:
        number += 1
        try:
            data = next(entries, None)
            if data is None:
                break
            chain.take(data)
        except AccountingError as error:
            chain.first_bad, chain.reason = number, str(error)
            break
        if progress is not None and number % CHUNK == 0:
            progress(number)
    return chain


def opening(store: Store) -> tuple[ChainState, list[bytes]]:
    """Give the state before the first entry held, and the body hashes up to there.

    Raises:
        LedgerRefusedError: older entries are archived and no checkpoint that its snapshot covers stands for
            them.
    """
    if store.first() == 0:
        return ChainState(), []
    state, hashes, _ = restore(store)
    if len(hashes) != store.first():
        # a newer checkpoint stands too: fold only what the file begins with
        state, hashes, _ = restore(_Until(store))
    if len(hashes) != store.first():
        raise LedgerRefusedError(reason="the file has no checkpoint at its first entry")
    return state, hashes


class ValidPrefix(MemoryStore):
    """The valid part of a store, for readers of stores."""

    def __init__(self, store: Store, chain: ChainReader) -> None:
        """Take what ``read_chain`` found.

        Args:
            store: opened read-only.
            chain: of that store.

        Raises:
            LedgerRefusedError: no entry holds, or there is none.
        """
        super().__init__(owner=store.owner)
        self._store, self._end = store, len(chain.hashes)
        if not chain.hashes:
            reason = (
                f"no entry of this ledger is valid: {chain.reason}" if chain.reason else "the ledger is empty"
            )
            raise LedgerRefusedError(reason=reason)

    def first(self) -> int:
        """Give the number of the first entry held."""
        return self._store.first()

    def entries(self, first: int = 0, limit: int | None = None) -> list[bytes]:
        """Give entries that hold, in order."""
        most = max(0, self._end - first)
        return self._store.entries(first, most if limit is None else min(limit, most))

    def notes(self, table: Table, *, first: int = 0, digest: str = "") -> list[Note]:
        """Give the site's own notes."""
        return self._store.notes(table, first=first, digest=digest)


class _Until(MemoryStore):
    """A store's entries, with the checkpoints up to its first entry alone."""

    def __init__(self, store: Store) -> None:
        super().__init__(owner=store.owner)
        self._inner = store

    def first(self) -> int:
        return self._inner.first()

    def entries(self, first: int = 0, limit: int | None = None) -> list[bytes]:
        return self._inner.entries(first, limit)

    def notes(self, table: Table, *, first: int = 0, digest: str = "") -> list[Note]:
        found = self._inner.notes(table, first=first, digest=digest)
        return [note for note in found if note.number <= self._inner.first()]


def open_file(path: Path) -> Store:
    """Open a ledger file, or an export of one as JSON lines, for an audit.

    Raises:
        LedgerRefusedError: there is no such file, or it is not a ledger.
    """
    if not path.is_file():
        raise LedgerRefusedError(reason=f"there is no ledger file {path.name}")
    with path.open("rb") as file:
        if file.read(1) != _EXPORT_BEGINS:
            return SqliteStore.read_only(path)
        file.seek(0)
        return import_lines(file)

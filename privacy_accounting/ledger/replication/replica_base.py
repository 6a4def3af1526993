"""One site's ledger in memory and on disk, kept in step: the common base of ``replica`` and ``sequencer``.

Layer:       privacy_accounting.ledger, above ``entry_validation``. No connection; the clock is passed in.
Terms:       a *doubt* is a proposal that this site signed, or made, and of which it knows neither completion nor
             withdrawal. A *start* lasts from building this object to the end of the process.
Guarantees:  nothing changes in memory that is not durable first, but for entries being taken over in bulk; after a
             write that failed, or a fork, every call refuses until the ledger is opened anew. Doubts count as spent
             in the privacy filter.
See instead: what a site answers (``replica``), what the sequencer does (``sequencer``).
Source:      docs/guarantees.md P2; docs/adr/0004-one-chain-with-a-sequencer.md.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final, Protocol

from privacy_accounting.errors import AccountingError, LedgerForkedError, LedgerRefusedError
from privacy_accounting.ledger.batch import Batch
from privacy_accounting.ledger.contents import Cancel, Charge, Genesis, Snapshot
from privacy_accounting.ledger.entries import MAX_ENTRIES, Body, Entry, body_hash, public_hex
from privacy_accounting.ledger.messages import Proposal, Signed, read_answer
from privacy_accounting.ledger.parties.members import Members
from privacy_accounting.ledger.replication.entry_validation import (
    Admit,
    ValidationContext,
    bodies_of,
    validate_body,
)
from privacy_accounting.ledger.state import refuse
from privacy_accounting.ledger.storage.checkpoint import restore, take_checkpoint
from privacy_accounting.ledger.storage.store import MEND, Note, Store, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from privacy_accounting.budget.totals import Spend

LOG: Final = logging.getLogger(__name__)


class LedgerObserver(Protocol):
    """Is told of the outcome of proposals, under the ledger's lock: it must not wait."""

    def completed(self, entries: Sequence[Entry]) -> None:
        """These entries are complete and durable here now."""
        ...

    def withdrawn(self, number: int) -> None:
        """What was proposed for this number and is not complete was withdrawn."""
        ...


class ReplicaBase:
    """State, store and given signatures of one site."""

    def __init__(
        self,
        *,
        store: Store,
        key: Ed25519PrivateKey,
        clock: Callable[[], int],
        genesis: Body | None,
        next_key: Ed25519PrivateKey | None = None,
        refusals: tuple[type[Exception], ...] = (AccountingError,),
    ) -> None:
        """Open a ledger: fold its entries, find what is in doubt.

        Args:
            store: where it is kept; its owner is the site's name.
            key: the site's signing key.
            clock: seconds since 1970.
            genesis: the genesis body that the consortium file gives; None trusts the one stored.
            next_key: the key that the site renews its own with; it signs the entry that names it, and what follows.
            refusals: errors of ``admit`` that are refusals and not faults.

        Raises:
            LedgerRefusedError: the store begins with another genesis entry, or holds no chain.
        """
        self.lock = threading.RLock()
        self.grown = threading.Condition(self.lock)  # notified when entries were added
        self.store, self.clock, self.name = store, clock, store.owner
        self.key, self.next_key = key, next_key
        self.refusals = refusals
        self.genesis = None if genesis is None else genesis.to_bytes()
        self.state, self.hashes, self.checkpointed = restore(store)
        self._checkpoints: list[Note] = []
        self.doubts: dict[str, Proposal] = {}
        self.signed_in_this_life: set[bytes] = set()
        self.closed: set[bytes] = set()
        self._stopped = False
        self._fork: LedgerForkedError | None = None
        self.observer: LedgerObserver | None = None
        self._load()

    def _load(self) -> None:
        try:
            for data in self.store.entries(len(self.hashes)):
                self._fold(Entry.from_bytes(data))
        except LedgerRefusedError as error:
            reason_text = f"the ledger of {self.name} is damaged from entry {len(self.hashes)} on ({error.reason}): {MEND}"
            raise refuse(reason_text) from error
        self._write_checkpoints()
        if self.hashes and self.genesis is not None and self.hashes[0] != body_hash(self.genesis):
            raise refuse(
                "the genesis entry of the ledger differs from the one that the consortium file gives"
            )
        for note in self.store.notes(Table.FORKS):
            self._fork = LedgerForkedError(site=note.payload.decode("utf-8"), number=note.number)
        first = max(0, self.state.head + 2 - MAX_ENTRIES)
        withdrawn = {note.digest for note in self.store.notes(Table.WITHDRAWALS, first=first)}
        signed = {
            note.digest
            for note in self.store.notes(Table.ANSWERS, first=first)
            if isinstance(read_answer(note.payload), Signed)
        }
        for table in (Table.RECEIVED, Table.PROPOSALS):
            for note in self.store.notes(table, first=first):
                if note.digest not in withdrawn and (table is Table.PROPOSALS or note.digest in signed):
                    self.hold(Proposal.from_bytes(note.payload))
        self.settle()

    # -- guards --------------------------------------------------------------------------------------------

    @property
    def is_usable(self) -> bool:
        """Whether no write failed and no fork was seen."""
        return self._fork is None and not self._stopped and self.store.is_open

    def usable(self) -> None:
        """Refuse after a failed write, and for ever after a fork.

        Raises:
            LedgerRefusedError: a write failed, or the store lost its server; the ledger must be opened anew.
            LedgerForkedError: two complete entries with one number were seen.
        """
        if self._fork is not None:
            raise self._fork
        if self._stopped or not self.store.is_open:
            raise refuse(
                f"a write to the ledger of {self.name} failed, or its server went away; it must be opened anew"
            )

    def write(self, entries: Sequence[Entry], notes: Sequence[Note]) -> None:
        """Make entries and notes durable, or stop.

        Raises:
            LedgerRefusedError: the store did not take them; names the site, and the site's log has a line of it.
        """
        self._stopped = True
        try:
            self.store.append(entries, notes)
        except (OSError, LedgerRefusedError) as error:
            reason = error.reason if isinstance(error, LedgerRefusedError) else error.strerror
            reason_text = f"the ledger of {self.name} could not be written ({reason}): mend that there, then restart its node"
            LOG.critical("%s", reason_text)
            raise refuse(reason_text) from error
        self._stopped = False

    def forked(self, entry: Entry, source: str) -> LedgerForkedError:
        """Record a fork for ever and build its error; nothing runs here any more."""
        number, digest = entry.body.number, entry.hash.hex()
        error = LedgerForkedError(site=source, number=number)
        evidence = Note(table=Table.FORKS, number=number, digest=digest, payload=source.encode("utf-8"))
        self.write((), (evidence,))
        self._fork = error
        return error

    def members(self, number: int) -> Members:
        """Give the members for an entry; before the first entry those of this site's own genesis body."""
        if self.hashes:
            return self.state.members(number)
        if self.genesis is None:
            raise refuse("this ledger has no genesis entry, and no consortium file gave one")
        content = Body.from_bytes(self.genesis).content
        if not isinstance(content, Genesis):
            raise refuse("the consortium file gives an invalid genesis entry")
        return Members.first(content)

    def chain(self) -> str:
        """Give the chain id, known from the first entry or from this site's own genesis body."""
        if self.hashes or self.genesis is None:
            return self.state.chain
        return Body.from_bytes(self.genesis).chain

    def key_under(self, keys: Mapping[str, str]) -> Ed25519PrivateKey:
        """Return the key that this site signs with where the members have these keys."""
        if self.next_key is not None and keys.get(self.name) == public_hex(self.next_key):
            return self.next_key
        return self.key

    def key_for(self, number: int, data: bytes) -> Ed25519PrivateKey:
        """Return the key that this site signs a body with, and the messages about it.

        Args:
            number: of the body's entry.
            data: canonical bytes of the body; one that renews this site's key is signed with the next one.
        """
        members = self.members(number)
        try:
            return self.key_under(members.signing_keys(Body.from_bytes(data)))
        except LedgerRefusedError:  # it does not fit the members here: the answer says so
            return self.key_under(members.keys)

    def check_own_key(self, keys: Mapping[str, str]) -> None:
        """Refuse to sign with a key that is not this site's in the chain.

        Args:
            keys: those that the signatures will be checked against.

        Raises:
            LedgerRefusedError: they have another key for this site, or none.
        """
        if keys.get(self.name) != public_hex(self.key_under(keys)):
            raise refuse(f"the key of {self.name} is not the one in the ledger")

    def binding_doubts(self, lost: str) -> list[Proposal]:
        """List the doubts that forbid another signature.

        Args:
            lost: a site that is being left out and can sign no withdrawal any more, the sequencer or who was to vote
                it out; empty otherwise.
        """
        return [proposal for proposal in self.doubts.values() if proposal.sender != lost]

    # -- validation ----------------------------------------------------------------------------------------

    def judge(self, bodies: Sequence[tuple[bytes, Body]], admit: Admit) -> dict[int, Exception]:
        """Validate bodies against this site's chain, clock, signatures and the caller's own decision."""
        bench = ValidationContext(
            name=self.name,
            now=self.clock(),
            genesis=self.genesis,
            hashes=lambda: self.hashes,
            check_cancel=self._check_cancel,
            refusals=(*self.refusals, AccountingError),
        )
        return validate_body(bodies, self.state, bench, admit)

    def _check_cancel(self, cancel: Cancel) -> None:
        """A charge is given back only by a site that has signed it since this start and has not started its run."""
        hashed = bytes.fromhex(cancel.entry_hash)
        if hashed not in self.signed_in_this_life:
            raise refuse("this site has restarted since it signed the charge; it stays spent")
        if self.store.notes(Table.STARTED, digest=cancel.entry_hash):
            raise refuse("this site has started the run; the charge stays spent")

    def close_cancelled(self, bodies: Sequence[tuple[bytes, Body]]) -> None:
        """Close the runs that this site agreed to cancel, whatever becomes of the cancellation."""
        for _, body in bodies:
            if isinstance(body.content, Cancel):
                self.closed.add(bytes.fromhex(body.content.entry_hash))

    # -- doubts --------------------------------------------------------------------------------------------

    def hold(self, proposal: Proposal) -> None:
        """Count a proposal as in doubt, its charges as spent."""
        self.doubts[proposal.digest] = proposal
        if self.hashes:
            self.state.privacy_filter.hold(proposal.digest, self._open_spends(proposal))

    def _open_spends(self, proposal: Proposal) -> list[Spend]:
        bodies = [body for _, body in bodies_of(proposal.bodies) if body.number > self.state.head]
        return [body.content.spend for body in bodies if isinstance(body.content, Charge)]

    def release(self, digest: str) -> None:
        """Forget a doubt; its signatures allow no run any more."""
        proposal = self.doubts.pop(digest, None)
        if proposal is None:
            return
        if self.hashes:
            self.state.privacy_filter.release(digest)
        complete = set(self.hashes[proposal.number :])
        self.signed_in_this_life -= {body_hash(data) for data in proposal.bodies} - complete

    def settle(self) -> None:
        """Resolve doubts by the entries that are complete now."""
        for digest, proposal in list(self.doubts.items()):
            hashes = [body_hash(data) for data in proposal.bodies]
            known = self.hashes[proposal.number : proposal.number + len(hashes)]
            if known != hashes[: len(known)] or len(known) == len(hashes):
                self.release(digest)
            elif known:
                self.state.privacy_filter.hold(digest, self._open_spends(proposal))

    # -- entries -------------------------------------------------------------------------------------------

    def _fold(self, entry: Entry) -> None:
        if isinstance(entry.body.content, Snapshot) and len(self.hashes) > self.checkpointed:
            self.state.check(entry.body, self.state.place, Batch())
            self._checkpoints.append(take_checkpoint(self.state, self.hashes, self.checkpointed))
            self.checkpointed = len(self.hashes)
        self.state.apply(entry)
        self.hashes.append(entry.hash)

    def accept(self, entry: Entry, source: str) -> bool:
        """Check one entry of another site and fold it in memory if it is the next one.

        Args:
            entry: with its signatures.
            source: site that sent it.

        Returns:
            Whether it is new; the caller then writes it.

        Raises:
            LedgerRefusedError: it is incomplete, or entries before it are missing.
            LedgerForkedError: it is complete, and another complete entry with its number is held.
        """
        number = entry.body.number
        if number > self.state.head + 1:
            raise refuse(f"entries between {self.state.head} and {number} are missing here")
        if number <= self.state.head and self.hashes[number] == entry.hash:
            return False
        if number == 0 and entry.data != self.genesis:
            raise refuse("the genesis entry is not what this site's own consortium file gives")
        if self.chain() not in {"", entry.body.chain}:
            # another consortium with the same keys: a mistake, and no fork of this chain
            raise refuse("the entry is of another chain")
        self.members(number).check_complete(entry)
        if number <= self.state.head or entry.body.previous != self.state.place.previous:
            raise self.forked(entry, source)
        self._fold(entry)
        return True

    def _write_checkpoints(self) -> None:
        """Note the states before snapshots; a crash before this is written costs time at a start, no more."""
        if self._checkpoints:
            known = {note.digest for note in self.store.notes(Table.CHECKPOINTS)}
            fresh = tuple(note for note in self._checkpoints if note.digest not in known)
            self.write((), fresh)
            self._checkpoints = []

    def append_own(self, entries: Sequence[Entry]) -> None:
        """Make entries complete that this site signed last: the commit point."""
        self.write(entries, ())
        for entry in entries:
            self._fold(entry)
            self.signed_in_this_life.add(entry.hash)
        self._write_checkpoints()
        self.settle()
        self.grown.notify_all()
        self._report(entries)

    def take(self, datas: Sequence[bytes], source: str) -> list[Entry]:
        """Take over entries of another site, as far as they are right.

        Args:
            datas: bytes of entries, in order.
            source: site that sent them.

        Returns:
            The entries that were new.

        Raises:
            LedgerRefusedError: one is not right; those before it were taken.
            LedgerForkedError: as ``accept``.
        """
        fresh: list[Entry] = []
        try:
            for data in datas:
                entry = Entry.from_bytes(data)
                if self.accept(entry, source):
                    fresh.append(entry)
        finally:
            if fresh:
                self.write(fresh, ())
                self._write_checkpoints()
            self.settle()
            self.grown.notify_all()
            self._report(fresh)
        return fresh

    def _report(self, entries: Sequence[Entry]) -> None:
        if self.observer is not None and entries:
            self.observer.completed(entries)

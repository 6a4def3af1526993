"""The site's side of the ledger: it answers proposals, takes complete entries, and starts each run once.

Layer:       privacy_accounting.ledger, above ``replica_base``.
Guarantees:  at most one signature per number without a withdrawal of the one before; an answer is durable before it
             is given, and is given again in the same bytes; a run starts only for a complete entry that this site has
             signed since its last start, once, after a durable note. Entries taken by catch-up are spent and never
             run, so that a site restored from an old copy of its ledger repeats nothing.
See instead: ordering and committing (``sequencer``); connections (the caller moves bytes).
Source:      docs/guarantees.md P1, P2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from privacy_accounting.errors import AccountingError, EntriesArchivedError
from privacy_accounting.ledger.contents import Charge, Exact
from privacy_accounting.ledger.entries import Body, Entry, body_hash, sign_body
from privacy_accounting.ledger.messages import (
    Complete,
    PendingProposal,
    Proposal,
    Refused,
    Signed,
    Waiting,
    Withdrawal,
    read_answer,
    read_message,
)
from privacy_accounting.ledger.replication.entry_validation import Admit, bodies_of, describe
from privacy_accounting.ledger.replication.replica_base import ReplicaBase
from privacy_accounting.ledger.session_id import session_id_of_entry
from privacy_accounting.ledger.state import refuse
from privacy_accounting.ledger.storage.store import Note, Store, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from privacy_accounting.budget.privacy_filter import PrivacyFilter

MAX_CATCH_UP: Final = 64


class Replica:
    """One site's replica of the chain. Safe to call from several threads."""

    def __init__(
        self,
        store: Store,
        signing_key: Ed25519PrivateKey,
        clock: Callable[[], int],
        *,
        genesis: Body | None = None,
        next_key: Ed25519PrivateKey | None = None,
        refusals: tuple[type[Exception], ...] = (AccountingError,),
    ) -> None:
        """Open a site's ledger, as each start does.

        Args:
            store: where it is kept; its owner is the site's name.
            signing_key: Ed25519, the one that the chain has for this site.
            clock: seconds since 1970.
            genesis: the genesis body from the consortium file; may be left out once the ledger has entries.
            next_key: see ``ReplicaBase``.
            refusals: errors of ``admit`` that are refusals; others go up as faults, with nothing signed.

        Raises:
            LedgerRefusedError: the stored chain is broken, or begins with another genesis entry.
        """
        self.core = ReplicaBase(
            store=store,
            key=signing_key,
            clock=clock,
            genesis=genesis,
            next_key=next_key,
            refusals=refusals,
        )

    # -- what is known -------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The site's name."""
        return self.core.name

    @property
    def head(self) -> int:
        """Number of the last complete entry, -1 before the first."""
        return self.core.state.head

    @property
    def head_hash(self) -> bytes:
        """Body hash of the last complete entry, 32 bytes; zeros before the first."""
        return bytes.fromhex(self.core.state.place.previous)

    @property
    def privacy_filter(self) -> PrivacyFilter:
        """What is spent; entries in doubt count as spent."""
        return self.core.state.privacy_filter

    @property
    def sequencer(self) -> str:
        """The site that orders now."""
        return self.core.members(self.head + 1).sequencer

    @property
    def members(self) -> tuple[str, ...]:
        """The sites of the consortium now, sorted."""
        return self.core.members(self.head + 1).names

    @property
    def in_doubt(self) -> tuple[Proposal, ...]:
        """Proposals that this site signed or made, neither complete nor withdrawn as far as it knows."""
        with self.core.lock:
            return tuple(self.core.doubts.values())

    def entries_from(self, number: int, limit: int = MAX_CATCH_UP) -> list[bytes]:
        """Give complete entries for a site that is behind.

        Raises:
            EntriesArchivedError: the first one wanted is archived; the site needs a copy of the archive.
        """
        first = self.core.store.first()
        if number < first:
            raise EntriesArchivedError(site=self.name, number=number, first=first)
        return self.core.store.entries(number, limit)

    def wait_for(self, number: int, timeout_s: float) -> bool:
        """Wait until an entry is held; whether it is."""
        with self.core.grown:
            return self.core.grown.wait_for(lambda: self.head >= number, timeout_s)

    # -- proposals -----------------------------------------------------------------------------------------

    def receive(self, data: bytes, admit: Admit, *, source: str) -> bytes:
        """Take any message of the ledger.

        Args:
            data: a proposal, withdrawal or complete entries.
            admit: the caller's decision on a body; raises to refuse.
            source: the site at the other end of the connection.

        Returns:
            The answer to a proposal, else no bytes.

        Raises:
            LedgerRefusedError: the message is malformed, not authentic, or does not fit.
            LedgerForkedError: a fork was found, now or before.
        """
        with self.core.lock:
            self.core.usable()
            answer = self.handle(read_message(data), admit, source=source)
            return b"" if answer is None else answer.to_bytes()

    def handle(
        self, message: Proposal | Withdrawal | Complete, admit: Admit, *, source: str
    ) -> Signed | Refused | Waiting | None:
        """Take a message that is read; as ``receive``, and the answer is not written yet."""
        if isinstance(message, Proposal):
            return self.answer(message, admit)
        if isinstance(message, Withdrawal):
            self._take_withdrawal(message)
        else:
            self.catch_up(message.entries, source=source)
        return None

    def consider(self, data: bytes, admit: Admit) -> bytes:
        """Answer a proposal given as bytes; the answer as bytes."""
        with self.core.lock:
            self.core.usable()
            return self.answer(Proposal.from_bytes(data), admit).to_bytes()

    def answer(self, proposal: Proposal, admit: Admit) -> Signed | Refused | Waiting:
        """Answer a proposal: signed, refused, or waiting for what the site lacks.

        Args:
            proposal: of the site that orders.
            admit: decides on each body in whose cohort the site is; raises to refuse.

        Returns:
            The answer; signatures and refusals are durable before they are returned.

        Raises:
            LedgerRefusedError: the proposal is malformed or not the sequencer's.
            LedgerForkedError: the ledger is forked.
        """
        core = self.core
        with core.lock:
            core.usable()
            if proposal.chain != core.chain():
                raise refuse("the proposal is for another chain")
            answered = self._answered(proposal)
            if answered is not None:
                return answered
            if proposal.number != self.head + 1:
                return self._waiting(proposal, -1, ())
            bodies = bodies_of(proposal.bodies)
            lost = self._check_sender(proposal, bodies[0][1])
            highest, doubts = self._promises(proposal.number, lost)
            if proposal.ballot <= highest or doubts:
                return self._waiting(proposal, highest, doubts)
            return self._decide(proposal, bodies, admit)

    def _answered(self, proposal: Proposal) -> Signed | Refused | Waiting | None:
        """Find the answer given to exactly this proposal."""
        for note in self.core.store.notes(Table.ANSWERS, first=proposal.number, digest=proposal.digest):
            return read_answer(note.payload)
        return None

    def _check_sender(self, proposal: Proposal, first: Body) -> str:
        """Check that the proposal is of who signs last; name the site that it leaves out, if any."""
        members = self.core.members(proposal.number)
        committer = members.committer(first)
        if proposal.sender != committer or not proposal.holds(members.signing_keys(first)[committer]):
            raise refuse("the proposal does not come from the sequencer")
        return first.leaves_out

    def _promises(self, number: int, lost: str) -> tuple[int, tuple[PendingProposal, ...]]:
        """Give the highest ballot known for a number, and what binds this site there."""
        store = self.core.store
        notes = [*store.notes(Table.ANSWERS, first=number), *store.notes(Table.WITHDRAWALS, first=number)]
        highest = max((note.ballot for note in notes if note.number == number), default=-1)
        doubts = tuple(
            PendingProposal(number=doubt.number, ballot=doubt.ballot, proposal=doubt.digest)
            for doubt in self.core.binding_doubts(lost)
        )
        return highest, doubts

    def _waiting(self, proposal: Proposal, highest: int, doubts: tuple[PendingProposal, ...]) -> Waiting:
        answer = Waiting(
            chain=proposal.chain,
            number=proposal.number,
            ballot=proposal.ballot,
            sender=self.name,
            proposal=proposal.digest,
            head=self.head,
            highest_ballot=highest,
            doubts=doubts,
        )
        return answer.signed_by(self.core.key_for(proposal.number, proposal.bodies[0]))

    def _decide(
        self, proposal: Proposal, bodies: Sequence[tuple[bytes, Body]], admit: Admit
    ) -> Signed | Refused:
        core = self.core
        core.check_own_key(core.members(proposal.number).signing_keys(bodies[0][1]))
        refused = core.judge(bodies, admit)
        unsigned = self._refused(proposal, refused) if refused else self._signed(proposal, bodies)
        answer = unsigned.signed_by(core.key_for(proposal.number, proposal.bodies[0]))
        received = _note(Table.RECEIVED, proposal, proposal.to_bytes())
        core.write((), (received, _note(Table.ANSWERS, proposal, answer.to_bytes())))
        if not refused:
            core.hold(proposal)
            core.close_cancelled(bodies)
            core.signed_in_this_life |= {body_hash(data) for data, body in bodies if self.name in body.cohort}
        return answer

    def _refused(self, proposal: Proposal, refused: Mapping[int, Exception]) -> Refused:
        return Refused(
            chain=proposal.chain,
            number=proposal.number,
            ballot=proposal.ballot,
            sender=self.name,
            proposal=proposal.digest,
            refusals=tuple(describe(error, index) for index, error in refused.items()),
        )

    def _signed(self, proposal: Proposal, bodies: Sequence[tuple[bytes, Body]]) -> Signed:
        return Signed(
            chain=proposal.chain,
            number=proposal.number,
            ballot=proposal.ballot,
            sender=self.name,
            proposal=proposal.digest,
            signatures=tuple(self._signature(data, body) for data, body in bodies),
        )

    def _signature(self, data: bytes, body: Body) -> str:
        if self.name not in body.cohort:
            return ""
        return sign_body(self.core.key_for(body.number, data), body_hash(data)).hex()

    def withdrawn(self, data: bytes) -> None:
        """Take a withdrawal: what was signed under it is void.

        Raises:
            LedgerRefusedError: it is malformed, not of who proposed, or of a proposal that is complete.
        """
        with self.core.lock:
            self.core.usable()
            self._take_withdrawal(Withdrawal.from_bytes(data))

    def _take_withdrawal(self, message: Withdrawal) -> None:
        core = self.core
        with core.lock:
            core.usable()
            if core.store.notes(Table.WITHDRAWALS, first=message.number, digest=message.proposal):
                return
            keys, proposal = core.members(message.number).keys, self._proposed(message)
            sender = message.sender if proposal is None else proposal.sender
            known = message.chain == core.chain() and message.sender == sender
            if not known or not message.holds(keys.get(sender, "")):
                raise refuse("the withdrawal does not come from the site that proposed")
            if proposal is None and sender != core.members(message.number).sequencer:
                return  # the committer of a site removal withdraws it; it never came here, and nothing was signed
            if self._is_complete(message):
                raise refuse("the withdrawal names a proposal that is complete")
            core.write((), (withdrawal_note(message),))
            core.release(message.proposal)
            if core.observer is not None:
                core.observer.withdrawn(message.number)

    def _proposed(self, message: Withdrawal) -> Proposal | None:
        """Find the proposal that a withdrawal names, if it came here or was made here."""
        for table in (Table.RECEIVED, Table.PROPOSALS):
            for note in self.core.store.notes(table, first=message.number, digest=message.proposal):
                return Proposal.from_bytes(note.payload)
        return None

    def _is_complete(self, message: Withdrawal) -> bool:
        proposal = self._proposed(message)
        if proposal is None:
            return False
        hashes = [body_hash(data) for data in proposal.bodies]
        return self.core.hashes[proposal.number : proposal.last + 1] == hashes

    # -- complete entries ----------------------------------------------------------------------------------

    def completed(self, data: bytes, *, source: str = "") -> tuple[Entry, ...]:
        """Take complete entries as the sequencer sends them.

        Args:
            data: a ``Complete`` message.
            source: site that sent it; the sequencer by default.

        Returns:
            All its entries, new or known.

        Raises:
            LedgerRefusedError: an entry is incomplete or does not fit, or entries before it are missing.
            LedgerForkedError: another complete entry with the same number is held; nothing runs from now on.
        """
        message = Complete.from_bytes(data)
        self.catch_up(message.entries, source=source or self.sequencer)
        return tuple(Entry.from_bytes(entry) for entry in message.entries)

    def catch_up(self, entries: Sequence[bytes], *, source: str) -> int:
        """Take over entries of a site that is ahead. They are spent, and not run unless signed since this start.

        Args:
            entries: bytes of entries, in order.
            source: site that sent them.

        Returns:
            How many were new.

        Raises:
            LedgerRefusedError: as ``completed``; the right ones before it were taken.
            LedgerForkedError: as ``completed``.
        """
        with self.core.lock:
            self.core.usable()
            return len(self.core.take(entries, source))

    # -- runs ----------------------------------------------------------------------------------------------

    def has_signed(self, entry: Entry) -> bool:
        """Say whether this site has signed an entry since its last start, complete or not."""
        with self.core.lock:
            return entry.hash in self.core.signed_in_this_life

    def may_start(self, entry: Entry) -> bool:
        """Say whether this site would start the run of an entry now."""
        with self.core.lock:
            self.core.usable()
            return self._obstacle(entry) == ""

    def _obstacle(self, entry: Entry) -> str:
        """Say why a run may not start; empty if it may."""
        core, number, hashed = self.core, entry.body.number, entry.hash
        if not isinstance(entry.body.content, Charge | Exact) or self.name not in entry.body.cohort:
            return "the entry allows no run at this site"
        if number > self.head or core.hashes[number] != hashed:
            return "the entry is not complete here"
        if hashed not in core.signed_in_this_life:
            return "this site has not signed the entry since its last start; it is spent and never run"
        if hashed in core.closed or core.state.cancelled(number):
            return "the run was cancelled"
        if core.store.notes(Table.STARTED, digest=hashed.hex()):
            return "the run was started before"
        if core.store.notes(Table.OPENED, digest=session_id_of_entry(entry.body).hex()):
            return "the session was opened before"
        return ""

    def start(self, entry: Entry) -> bytes:
        """Note durably that a run starts and that its session is opened, once for ever.

        Args:
            entry: the complete charge or exact disclosure.

        Returns:
            The session id, 32 bytes. Only now may the site touch its data for this run.

        Raises:
            LedgerRefusedError: the run may not start here, or was started before.
            LedgerForkedError: the ledger is forked; nothing runs.
        """
        core = self.core
        with core.lock:
            core.usable()
            obstacle = self._obstacle(entry)
            if obstacle:
                raise refuse(obstacle)
            session, now = session_id_of_entry(entry.body), str(core.clock()).encode("ascii")
            number, digest = entry.body.number, entry.hash.hex()
            started = Note(table=Table.STARTED, number=number, digest=digest, payload=now)
            opened = Note(table=Table.OPENED, number=number, digest=session.hex(), payload=now)
            core.write((), (started, opened))
            return session


def _note(table: Table, proposal: Proposal, payload: bytes) -> Note:
    return Note(
        table=table, number=proposal.number, ballot=proposal.ballot, digest=proposal.digest, payload=payload
    )


def withdrawal_note(message: Withdrawal) -> Note:
    """Give the note that keeps a withdrawal."""
    return Note(
        table=Table.WITHDRAWALS,
        number=message.number,
        ballot=message.ballot,
        digest=message.proposal,
        payload=message.to_bytes(),
    )

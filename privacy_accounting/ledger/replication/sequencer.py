"""The sequencer: it gives every entry its place, and signs last.

Layer:       privacy_accounting.ledger, above ``replica``.
Terms:       a *draft* is a content and its cohort, without a place; a *proposal* gives drafts their places under one
             ballot.
Guarantees:  one proposal at a time; it is durable before it is sent; its own signature, stored in one transaction
             with the complete entries, is the only commit point; what is not committed is withdrawn, durably, before
             the number is used again. A refusal, a time-out or a restart never blocks the chain.
See instead: handing the office over (``ledger.members``), asking the sites and waiting for them (``agreement``).
Source:      docs/guarantees.md P2.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from privacy_accounting.errors import AccountingError, LedgerRefusedError
from privacy_accounting.ledger.clock import ClockCorrection
from privacy_accounting.ledger.entries import (
    MAX_ENTRIES,
    Body,
    Entry,
    body_hash,
    body_signature_holds,
    sign_body,
)
from privacy_accounting.ledger.messages import (
    Answer,
    Complete,
    PendingProposal,
    Proposal,
    Refused,
    Signed,
    Waiting,
    Withdrawal,
    read_answer,
)
from privacy_accounting.ledger.replication.entry_validation import Admit, bodies_of
from privacy_accounting.ledger.replication.replica import Replica, withdrawal_note
from privacy_accounting.ledger.state import refuse
from privacy_accounting.ledger.storage.store import Note, Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from privacy_accounting.ledger.contents import Content
    from privacy_accounting.ledger.replication.replica_base import ReplicaBase


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """Content to be entered, without its place.

    Attributes:
        cohort: sites that must sign, sorted.
        content: what the entry says.
    """

    cohort: tuple[str, ...]
    content: Content


class DraftsRefusedError(LedgerRefusedError):
    """The sequencer itself, being a site, refuses some drafts; nothing was proposed."""

    def __init__(self, *, errors: Mapping[int, Exception]) -> None:
        """Keep the errors by the place of their draft."""
        self.errors = dict(errors)
        super().__init__(reason="; ".join(str(error) for error in self.errors.values()))


class Sequencer:
    """The sequencer's side of the ledger, on top of its own replica."""

    def __init__(self, replica: Replica) -> None:
        """Start as sequencer; ``recover`` must follow before the first proposal.

        Args:
            replica: the sequencer's own.
        """
        self.replica = replica
        self.turn = threading.Lock()
        self._core: ReplicaBase = replica.core
        self._open: Proposal | None = None
        self._signatures: dict[str, Signed] = {}
        self._ready = False
        self._heard_all = False
        self._ballot_floor: dict[int, int] = {}

    # -- start-up ------------------------------------------------------------------------------------------

    def recover(self, heads: Mapping[str, int]) -> tuple[bytes, ...]:
        """Withdraw whatever was proposed before this start and not committed.

        Args:
            heads: number of the last entry of every other site that could be reached; the sequencer's
                replica must have caught up with all of them.

        Returns:
            Withdrawals for the sites, to send before the next proposal (or when a site asks).

        Raises:
            LedgerRefusedError: a site is ahead of this replica.
        """
        with self._core.lock:
            self._core.usable()
            ahead = sorted(site for site, head in heads.items() if head > self.replica.head)
            if ahead:
                raise refuse(f"the sequencer is behind {ahead[0]} and must catch up first")
            number = self.replica.head + 1
            withdrawn = {note.digest for note in self._core.store.notes(Table.WITHDRAWALS, first=number)}
            for note in self._core.store.notes(Table.PROPOSALS, first=number):
                if note.digest not in withdrawn:
                    self._withdraw(_doubt(note), "the sequencer restarted")
            self._open, self._ready = None, True
            self._heard_all = set(heads) >= set(self.replica.members) - {self.replica.name}
            return tuple(n.payload for n in self._core.store.notes(Table.WITHDRAWALS, first=number))

    # -- one proposal --------------------------------------------------------------------------------------

    @property
    def open(self) -> Proposal | None:
        """The proposal that waits for signatures, if any."""
        if self._open is not None and self._open.number <= self.replica.head:
            self._open = None  # catch-up brought another entry for its number
        return self._open

    def propose(self, drafts: Sequence[Draft], admit: Admit) -> bytes:
        """Give drafts their places and store the proposal; it may be sent when this returns.

        Args:
            drafts: charges, exact disclosures and cancellations together, or one draft of another kind.
            admit: the sequencer's own decision on each body in whose cohort it is.

        Returns:
            Bytes of the proposal, for the sites that ``participants`` names.

        Raises:
            DraftsRefusedError: the sequencer itself would not sign; carries the error of each draft.
            LedgerRefusedError: a proposal is open, ``recover`` was not called, or another site orders.
            LedgerForkedError: the ledger is forked.
        """
        with self._core.lock:
            self._core.usable()
            if not self._ready:
                raise refuse("the sequencer has not recovered since its last start")
            if self.open is not None:
                raise refuse("a proposal is open")
            if not 0 < len(drafts) <= MAX_ENTRIES:
                raise refuse(f"a proposal has 1 to {MAX_ENTRIES} entries")
            bodies = self._place(drafts)
            number = self.replica.head + 1
            refused = self._core.judge(bodies, admit)
            if refused:
                raise DraftsRefusedError(errors=refused)
            lost = self._check_office(number, bodies[0][1])
            if self._core.binding_doubts(lost):
                raise refuse("an earlier proposal for this number is not withdrawn")
            return self._store(number, bodies)

    def _place(self, drafts: Sequence[Draft]) -> list[tuple[bytes, Body]]:
        place, bodies = self._core.state.place, []
        now, malformed = self._core.clock(), dict[int, Exception]()
        for index, draft in enumerate(drafts):
            earliest = 0 if isinstance(draft.content, ClockCorrection) else place.time
            body = Body(
                chain=self._core.chain(),
                number=place.number,
                previous=place.previous,
                time=0 if place.number == 0 else max(now, earliest),
                cohort=draft.cohort,
                content=draft.content,
            )
            try:
                data = body.to_bytes()
                bodies.append((data, Body.from_bytes(data)))
            except AccountingError as error:
                malformed[index] = error
            else:
                place = place.after(data, body)
        if malformed:
            raise DraftsRefusedError(errors=malformed)
        return bodies

    def _check_office(self, number: int, first: Body) -> str:
        """Refuse unless this site signs last; name the site that the entry leaves out, if any."""
        members = self._core.members(number)
        self._core.check_own_key(members.signing_keys(first))
        committer = members.committer(first)
        if committer != self.replica.name:
            raise refuse(f"the sequencer is {committer}")
        return first.leaves_out

    def _store(self, number: int, bodies: Sequence[tuple[bytes, Body]]) -> bytes:
        store = self._core.store
        used = [*store.notes(Table.PROPOSALS, first=number), *store.notes(Table.WITHDRAWALS, first=number)]
        highest = max((note.ballot for note in used if note.number == number), default=-1)
        unsigned = Proposal(
            chain=self._core.chain(),
            number=number,
            ballot=max(highest, self._ballot_floor.get(number, -1)) + 1,
            sender=self.replica.name,
            bodies=tuple(data for data, _ in bodies),
        )
        proposal = unsigned.signed_by(self._core.key_for(number, bodies[0][0]))
        payload = proposal.to_bytes()
        note = Note(
            table=Table.PROPOSALS,
            number=number,
            ballot=proposal.ballot,
            digest=proposal.digest,
            payload=payload,
        )
        self._core.write((), (note,))
        self._core.hold(proposal)
        self._core.close_cancelled(bodies)
        self._open, self._signatures = proposal, {}
        return payload

    def _current(self) -> tuple[Proposal, list[tuple[bytes, Body]]]:
        self._core.usable()
        proposal = self.open
        if proposal is None:
            raise refuse("no proposal is open")
        return proposal, bodies_of(proposal.bodies)

    @property
    def participants(self) -> tuple[str, ...]:
        """Sites whose signatures the open proposal needs, this one left out, sorted."""
        with self._core.lock:
            _, bodies = self._current()
            sites = {site for _, body in bodies for site in body.cohort}
            return tuple(sorted(sites - {self.replica.name}))

    @property
    def missing(self) -> tuple[str, ...]:
        """Participants that have not signed yet."""
        with self._core.lock:
            return tuple(site for site in self.participants if site not in self._signatures)

    def collect(self, site: str, data: bytes) -> Signed | Refused | Waiting:
        """Take a site's answer to the open proposal.

        Args:
            site: at the other end of the connection.
            data: its answer.

        Returns:
            The answer. Signed ones are kept; a refusal means withdraw; for a waiting one see ``assist``.

        Raises:
            LedgerRefusedError: the answer is malformed, another site's, to something else, or wrongly signed.
        """
        with self._core.lock:
            proposal, bodies = self._current()
            answer = read_answer(data)
            self._check_answer(site, answer, proposal, bodies)
            if isinstance(answer, Signed):
                self._check_signatures(answer, proposal, bodies)
                self._signatures[site] = answer
            elif isinstance(answer, Waiting):
                self._ballot_floor[proposal.number] = max(
                    answer.highest_ballot, self._ballot_floor.get(proposal.number, -1)
                )
            return answer

    def _check_answer(
        self, site: str, answer: Answer, proposal: Proposal, bodies: Sequence[tuple[bytes, Body]]
    ) -> None:
        about = (answer.chain, answer.number, answer.ballot, answer.proposal)
        if about != (proposal.chain, proposal.number, proposal.ballot, proposal.digest):
            raise refuse("the answer belongs to another proposal")
        keys = self._core.members(proposal.number).signing_keys(bodies[0][1])
        if answer.sender != site or site not in keys or not answer.holds(keys[site]):
            raise refuse(f"the answer does not come from {site}")

    def _check_signatures(
        self, answer: Signed, proposal: Proposal, bodies: Sequence[tuple[bytes, Body]]
    ) -> None:
        if len(answer.signatures) != len(bodies):
            raise refuse(f"{answer.sender} did not answer every entry")
        for (data, body), signature in zip(bodies, answer.signatures, strict=True):
            if answer.sender not in body.cohort:
                continue
            key = self._core.members(proposal.number).signing_keys(body)[answer.sender]
            if not body_signature_holds(key, body_hash(data), bytes.fromhex(signature)):
                raise refuse(f"the signature of {answer.sender} is wrong")

    def commit(self) -> list[Entry]:
        """Sign last and store: the entries are complete, and spent, when this returns.

        Raises:
            LedgerRefusedError: a signature is missing, or no proposal is open.
            LedgerForkedError: the ledger is forked.
        """
        with self._core.lock:
            proposal, bodies = self._current()
            if self.missing:
                raise refuse(f"{self.missing[0]} has not signed")
            entries = [self._entry(index, data, body) for index, (data, body) in enumerate(bodies)]
            members = self._core.members(proposal.number)
            for entry in entries:
                members.check_complete(entry)
            self._core.append_own(entries)
            self._open = None
            return entries

    def _entry(self, index: int, data: bytes, body: Body) -> Entry:
        signatures = {
            site: bytes.fromhex(answer.signatures[index])
            for site, answer in self._signatures.items()
            if site in body.cohort
        }
        signatures[self.replica.name] = sign_body(self._core.key_for(body.number, data), body_hash(data))
        return Entry(data=data, body=body, signatures=signatures)

    def withdraw(self, reason: str) -> bytes:
        """Give the open proposal up, durably; its number is free for another one.

        Args:
            reason: for the sites' logs; public words only.

        Returns:
            The withdrawal, for all sites that were asked.

        Raises:
            LedgerRefusedError: no proposal is open.
        """
        with self._core.lock:
            proposal, _ = self._current()
            doubt = PendingProposal(number=proposal.number, ballot=proposal.ballot, proposal=proposal.digest)
            message = self._withdraw(doubt, reason)
            self._open = None
            return message.to_bytes()

    def abandon(self, reason: str) -> None:
        """Withdraw the open proposal if there is one and the ledger can be written; else ``recover`` will."""
        with self._core.lock:
            if self.open is not None and self._core.is_usable:
                self.withdraw(reason)

    def _withdraw(self, doubt: PendingProposal, reason: str) -> Withdrawal:
        unsigned = Withdrawal(
            chain=self._core.chain(),
            number=doubt.number,
            ballot=doubt.ballot,
            sender=self.replica.name,
            proposal=doubt.proposal,
            reason=reason,
        )
        message = unsigned.signed_by(self._core.key_under(self._core.members(doubt.number).keys))
        self._core.write((), (withdrawal_note(message),))
        self._core.release(doubt.proposal)
        return message

    def has_proposed(self, number: int) -> bool:
        """Whether this site proposed something for a number, before or after its last start."""
        return any(note.number == number for note in self._core.store.notes(Table.PROPOSALS, first=number))

    def give_way(self, number: int, heads: Mapping[str, int]) -> tuple[bytes, ...]:
        """Withdraw what this site was to commit, since another site proposes for the same number.

        A failed removal of the sequencer binds all sites that signed it, and only the site that was to commit it can
        say so.

        Args:
            number: what the other site proposes for.
            heads: number of the last entry of every other site that was asked just now; this replica has caught up.

        Returns:
            Withdrawals of all its proposals for the number, but for one that still waits for signatures; for all sites
            but the one that proposes now.

        Raises:
            LedgerRefusedError: not every site was heard, or one is ahead: an entry may have been committed before the last start.
        """
        with self._core.lock:
            self._core.usable()
            if number != self.replica.head + 1:
                return ()
            store, waits = self._core.store, self.open
            withdrawn = {note.digest for note in store.notes(Table.WITHDRAWALS, first=number)}
            mine = [note for note in store.notes(Table.PROPOSALS, first=number) if note.number == number]
            for note in mine:
                if note.digest in withdrawn or (waits is not None and note.digest == waits.digest):
                    continue
                if not set(heads) >= set(self.replica.members) - {self.replica.name}:
                    raise refuse(
                        "a proposal made before the last start is withdrawn only after every site has answered"
                    )
                if max(heads.values()) > self.replica.head:
                    raise refuse("this site is behind and must catch up first")
                self._withdraw(_doubt(note), "another site proposes")
            digests = {note.digest for note in mine}
            return tuple(
                n.payload for n in store.notes(Table.WITHDRAWALS, first=number) if n.digest in digests
            )

    # -- sites that wait -----------------------------------------------------------------------------------

    def assist(self, answer: Waiting) -> tuple[bytes, ...]:
        """Give a waiting site what it lacks; afterwards it is asked again.

        Args:
            answer: what the site sent.

        Returns:
            Complete entries if the site is behind, else withdrawals of what it signed before.

        Raises:
            LedgerRefusedError: the sequencer itself is behind; or the site signed a proposal that this
                ledger does not know (it was restored from an old copy) while not every site has been heard in
                since this start.
        """
        with self._core.lock:
            self._core.usable()
            if answer.head > self.replica.head:
                raise refuse(f"the sequencer is behind {answer.sender} and must catch up first")
            if answer.head < self.replica.head:
                entries = self.replica.entries_from(answer.head + 1)
                return (Complete(entries=tuple(entries)).to_bytes(),)
            return tuple(self._resolve(doubt) for doubt in answer.doubts)

    def _resolve(self, doubt: PendingProposal) -> bytes:
        """Give the withdrawal of a proposal that a site is in doubt about."""
        known = self._core.store.notes(Table.WITHDRAWALS, first=doubt.number, digest=doubt.proposal)
        if known:
            return known[0].payload
        if self._open is not None and self._open.digest == doubt.proposal:
            raise refuse("the site waits for the proposal that is open")
        if not self._heard_all:
            # It was certainly not committed before the last start only if no site holds the entry complete.
            raise refuse(
                "a proposal made before the last start is withdrawn only after every site has answered"
            )
        return self._withdraw(doubt, "unknown to the sequencer's ledger").to_bytes()


def _doubt(note: Note) -> PendingProposal:
    """Name the proposal of a note."""
    return PendingProposal(number=note.number, ballot=note.ballot, proposal=note.digest)

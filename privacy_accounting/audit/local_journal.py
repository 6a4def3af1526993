"""A site's own notes compared with its chain: runs, signatures, requests, and who wrote the notes.

Layer:       privacy_accounting.audit, above ``chain_reader``.
Guarantees:  a run without its complete charge, two signatures under one number without a withdrawal, notes that
             another site signed, proposals that are not what their notes name, and entries filed under another number
             or hash are named with entry and site.
See instead: entries (``chain_reader``), comparing files (``verify``). An audit cannot see what a site removed from
             its notes about itself alone, except that its signatures stand in the entries: ``forgotten`` counts
             those.
Source:      docs/guarantees.md P1, P2.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from privacy_accounting.errors import AccountingError
from privacy_accounting.ledger.messages import Proposal, Signed, read_answer
from privacy_accounting.ledger.storage.sqlite import SqliteStore
from privacy_accounting.ledger.storage.store import Store, Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from privacy_accounting.audit.chain_reader import ChainReader
    from privacy_accounting.ledger.messages import Answer, Message
    from privacy_accounting.ledger.storage.store import Note

_SIGNATURE: Final = re.compile(rb'"signature":"[0-9a-f]{128}",')
"""As a proposal's canonical bytes have it, once: quotes inside its bodies are escaped."""
_CHECKED_SIGNATURES: Final = 16
"""Of the newest messages; the names in all answers are compared. A proposal repeats whole entries: the newest do."""


@dataclass(slots=True)
class NotesReport:
    """The result of checking a site's own notes.

    Attributes:
        findings: what is wrong, each with its entry where it has one.
        withdrawals: proposals given up.
        refusals: proposals that the site refused.
        forgotten: entries that carry the site's signature, of which its notes know nothing: it was restored
            from a backup, or its notes were removed.
    """

    findings: list[str] = field(default_factory=list)
    withdrawals: int = 0
    refusals: int = 0
    forgotten: int = 0


def check_notes(store: Store, chain: ChainReader) -> NotesReport:
    """Check everything in a file that is not the chain.

    Args:
        store: opened read-only.
        chain: what holds of it.

    Returns:
        What was found; notes that cannot be read are a finding.
    """
    report = NotesReport()
    try:
        if isinstance(store, SqliteStore):
            report.findings += [
                f"append-only trigger {name} is missing or changed" for name in store.guards_missing()
            ]
            report.findings += _misfiled(store, chain)
        report.findings += _misnamed(store)
        answers = _answers(store)
        report.findings += _check_owner(store, chain, [answer for _, answer in answers])
        report.findings += _check_runs(store, chain)
        promises, report.refusals, report.forgotten = _promises(store, chain, answers)
        report.findings += promises
        report.withdrawals = len(store.notes(Table.WITHDRAWALS))
        store.notes(Table.FORKS)
    except AccountingError as error:
        report.findings.append(f"the site's own notes cannot be read: {error}")
    return report


def _misfiled(store: SqliteStore, chain: ChainReader) -> list[str]:
    """Entries are filed under their number and hash; every look-up relies on that."""
    filed = store.index()
    return [
        f"entry {number} is filed under another hash"
        for number in range(chain.begins, len(chain.hashes))
        if filed.get(number) != chain.hashes[number].hex()
    ]


def _misnamed(store: Store) -> list[str]:
    """A proposal's note is filed under the proposal's hash, which answers and withdrawals name too."""
    return [
        f"the note of a proposal for entry {note.number} holds another proposal"
        for table in (Table.PROPOSALS, Table.RECEIVED)
        for note in store.notes(table)
        if hashlib.sha256(_SIGNATURE.sub(b"", note.payload, count=1)).hexdigest() != note.digest
    ]


def _answers(store: Store) -> list[tuple[Note, Answer]]:
    return [(note, read_answer(note.payload)) for note in store.notes(Table.ANSWERS)]


def _check_owner(store: Store, chain: ChainReader, answers: Sequence[Answer]) -> list[str]:
    """The messages that a site wrote carry its name and its signature."""
    if not chain.hashes:
        return []
    keys = {name: key for _, members in chain.state.succession.spans for name, key in members.keys.items()}
    if chain.owner not in keys:
        return [f"{chain.owner} never was a member of this chain"]
    messages: list[Message] = list(answers)
    messages += [
        Proposal.from_bytes(note.payload) for note in store.notes(Table.PROPOSALS)[-_CHECKED_SIGNATURES:]
    ]
    for message in messages:
        if message.sender != chain.owner:
            return [f"its notes about entry {message.number} were written by {message.sender}"]
    known = {members.keys.get(chain.owner, "") for _, members in chain.state.succession.spans} - {""}
    for message in sorted(messages, key=lambda each: each.number)[-_CHECKED_SIGNATURES:]:
        if not any(message.holds(key) for key in known):
            return [f"its note about entry {message.number} is not signed by {chain.owner}"]
    return []


def _check_runs(store: Store, chain: ChainReader) -> list[str]:
    """Every started note needs its complete charge, and opened sessions are those of the charges."""
    findings = []
    # runs before the first entry held are checked with the archive; behind a bad entry nothing can be
    end = None if chain.first_bad is None else len(chain.hashes)

    def counts(number: int) -> bool:
        return number >= chain.begins and (end is None or number < end)

    started = [note for note in store.notes(Table.STARTED) if counts(note.number)]
    for note in started:
        run = chain.runs.get(note.number)
        if run is None or run.hash != note.digest or chain.owner not in run.cohort:
            findings.append(f"a run was started for entry {note.number} without its complete charge")
        elif chain.state.cancelled(note.number):
            findings.append(f"the run of entry {note.number} was started although its charge was given back")
    opened = {(note.number, note.digest) for note in store.notes(Table.OPENED) if counts(note.number)}
    wanted = {(n.number, chain.runs[n.number].session) for n in started if n.number in chain.runs}
    if opened != wanted:
        numbers = sorted({number for number, _ in opened ^ wanted})
        shown = ", ".join(map(str, numbers[:5])) + (" ..." if len(numbers) > 5 else "")  # noqa: PLR2004
        findings.append(f"opened sessions and started runs differ at entry {shown}")
    return findings


def check_promises(store: Store, chain: ChainReader) -> tuple[list[str], int, int]:
    """Find a second signature under one number without the withdrawal of the first.

    Returns:
        Findings; refusals; entries that carry the site's signature without a note of it.
    """
    return _promises(store, chain, _answers(store))


def _promises(
    store: Store, chain: ChainReader, answers: Sequence[tuple[Note, Answer]]
) -> tuple[list[str], int, int]:
    withdrawn = {note.digest for note in store.notes(Table.WITHDRAWALS)}
    signed: dict[int, list[str]] = {}
    covered: set[int] = set()
    refusals = 0
    for note, answer in answers:
        if isinstance(answer, Signed):
            signed.setdefault(note.number, []).append(note.digest)
            covered.update(range(note.number, note.number + len(answer.signatures)))
        else:
            refusals += 1
    voted_out = chain.state.succession.leave_outs
    findings = [
        f"the site signed two proposals for entry {number} without a withdrawal of the first"
        for number, digests in signed.items()
        if number not in voted_out and any(digest not in withdrawn for digest in digests[:-1])
    ]
    return findings, refusals, len(chain.countersigned - covered)

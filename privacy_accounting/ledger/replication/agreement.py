"""One round of agreement: from drafts to complete entries, with every failure handled.

Layer:       privacy_accounting.ledger, above ``sequencer``. The caller carries the bytes.
Guarantees:  when ``agree`` returns, its proposals are committed or withdrawn, whatever happened; drafts that a site
             refuses do not hold up the others; a site that is behind or in doubt is helped and asked again.
See instead: connections, time limits (the caller's ``carry`` returns without a site that did not answer in time).
Source:      docs/guarantees.md P2; docs/adr/0004-one-chain-with-a-sequencer.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from privacy_accounting.errors import AccountingError, LedgerForkedError
from privacy_accounting.ledger.entries import Entry
from privacy_accounting.ledger.messages import Complete, Refused, Waiting
from privacy_accounting.ledger.replication.entry_validation import Admit, describe
from privacy_accounting.ledger.replication.sequencer import Draft, DraftsRefusedError, Sequencer

if TYPE_CHECKING:
    from privacy_accounting.ledger.refusal import Refusal

MAX_TRIES: Final = 8

Carry = Callable[[Mapping[str, Sequence[bytes]]], Mapping[str, bytes]]
"""Delivers messages to sites, in order, and returns the last answer of each site that answered in time."""
Committed = Callable[[Mapping[int, Entry]], None]
"""Takes complete entries by the place of their draft."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """The outcome of drafts.

    Attributes:
        entries: complete ones, by the place of their draft.
        refusals: by the place of the draft, then by site.
        silent: sites that did not answer; drafts in neither map above failed because of them.
        causes: why a silent site could not be helped, where it did answer.
    """

    entries: Mapping[int, Entry] = field(default_factory=dict)
    refusals: Mapping[int, Mapping[str, Refusal]] = field(default_factory=dict)
    silent: tuple[str, ...] = ()
    causes: Mapping[str, AccountingError] = field(default_factory=dict)


@dataclass(slots=True)
class _Round:
    """Answers to one proposal."""

    refused: dict[str, Refused] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)
    causes: dict[str, AccountingError] = field(default_factory=dict)
    again: bool = False


def agree(
    sequencer: Sequencer,
    drafts: Sequence[Draft],
    admit: Admit,
    carry: Carry,
    committed: Committed = lambda _: None,
) -> Agreement:
    """Get drafts signed by all their sites and committed, or withdrawn.

    Args:
        sequencer: recovered; other callers wait for their turn.
        drafts: as ``Sequencer.propose`` takes them.
        admit: the sequencer's own decision on a body.
        carry: moves messages to the sites and brings their answers.
        committed: called with complete entries as soon as they are spent, before the other sites have them.

    Returns:
        The outcome of each draft.

    Raises:
        LedgerRefusedError: the sequencer cannot propose at all (not recovered, behind, a failed write).
        LedgerForkedError: the ledger is forked.
    """
    with sequencer.turn:
        try:
            return _agree(sequencer, list(drafts), admit, carry, committed)
        finally:
            sequencer.abandon("the round was interrupted")


def _agree(
    sequencer: Sequencer, drafts: list[Draft], admit: Admit, carry: Carry, committed: Committed
) -> Agreement:
    wanted = list(range(len(drafts)))
    refusals: dict[int, dict[str, Refusal]] = {}
    silent: tuple[str, ...] = ()
    causes: dict[str, AccountingError] = {}
    tries = 0
    while wanted and tries < MAX_TRIES + len(drafts):
        tries += 1
        try:
            proposal = sequencer.propose([drafts[index] for index in wanted], admit)
        except DraftsRefusedError as error:
            for place, cause in error.errors.items():
                refusals.setdefault(wanted[place], {})[sequencer.replica.name] = describe(cause, place)
            wanted = [index for index in wanted if index not in refusals]
            continue
        asked = sequencer.participants
        outcome = _ask(sequencer, proposal, asked, carry)
        if not (outcome.refused or outcome.silent or outcome.again):
            return Agreement(entries=_commit(sequencer, wanted, carry, committed), refusals=refusals)
        withdrawal = sequencer.withdraw(_reason(outcome))
        carry({site: [withdrawal] for site in asked})
        for site, answer in outcome.refused.items():
            for refusal in answer.refusals:
                if refusal.entry < len(wanted):
                    refusals.setdefault(wanted[refusal.entry], {})[site] = refusal
        if outcome.silent:
            silent, causes = tuple(sorted(outcome.silent)), outcome.causes
            break
        wanted = [index for index in wanted if index not in refusals]
    return Agreement(refusals=refusals, silent=silent, causes=causes)


def _reason(outcome: _Round) -> str:
    if outcome.refused:
        return f"refused by {', '.join(sorted(outcome.refused))}"
    return (
        f"no answer from {', '.join(sorted(outcome.silent))}"
        if outcome.silent
        else "another ballot is needed"
    )


def _commit(
    sequencer: Sequencer, wanted: Sequence[int], carry: Carry, committed: Committed
) -> dict[int, Entry]:
    """Commit, tell all sites, and give the entries by the place of their draft."""
    complete = sequencer.commit()
    entries = dict(zip(wanted, complete, strict=True))
    committed(entries)
    message = Complete(entries=tuple(entry.to_bytes() for entry in complete)).to_bytes()
    others = [site for site in sequencer.replica.members if site != sequencer.replica.name]
    carry({site: [message] for site in others})
    return entries


def _ask(sequencer: Sequencer, proposal: bytes, asked: Sequence[str], carry: Carry) -> _Round:
    """Ask all participants, helping those that wait, until no site makes progress any more."""
    outcome = _Round()
    messages: dict[str, list[bytes]] = {site: [proposal] for site in asked}
    tries = 0
    while messages and tries < MAX_TRIES:
        tries += 1
        answers = carry(messages)
        outcome.silent |= {site for site in messages if not answers.get(site)}
        messages = {
            site: [*help_, proposal]
            for site in messages
            if answers.get(site) and (help_ := _take(sequencer, site, answers[site], outcome))
        }
    outcome.again = outcome.again or bool(messages)
    return outcome


def _take(sequencer: Sequencer, site: str, data: bytes, outcome: _Round) -> list[bytes]:
    """Take one answer; give what the site lacks before it is asked again, empty if it is done."""
    try:
        answer = sequencer.collect(site, data)
        if isinstance(answer, Refused):
            outcome.refused[site] = answer
        if not isinstance(answer, Waiting):
            return []
        help_ = list(sequencer.assist(answer))
    except LedgerForkedError:
        raise
    except AccountingError as error:
        # A site whose answer is invalid, or that cannot be helped now, counts as silent.
        outcome.silent.add(site)
        outcome.causes[site] = error
        return []
    outcome.again = outcome.again or not help_
    return help_

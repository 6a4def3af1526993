"""Checkpoints: the folded state as this site computed it, for a start without folding all entries.

Layer:       privacy_accounting.ledger, above ``state``.
Terms:       a *snapshot* is an entry that all sites signed: a Merkle root over all body hashes and a hash of used
             requests, members, budgets and totals. A *checkpoint* is this site's own note of what these hashes are
             of, written when the snapshot is complete. It holds the hashes, the used requests and the entries that
             changed the members since the checkpoint before it, and the rest whole.
Guarantees:  a checkpoint is used only if its hashes give the snapshot's root and its state the snapshot's hash, and
             if the snapshot is signed by those who are members by the genesis entry and the entries that changed
             them, each of which proves itself. One that does not fit is ignored and the entries are folded instead,
             or refused where they are archived: nothing in the file is trusted unchecked.
See instead: when a snapshot is due (``snapshots``), moving old entries away (``archive``).
Source:      docs/guarantees.md P2; docs/adr/0004-one-chain-with-a-sequencer.md.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from privacy_accounting.budget.privacy_filter import PrivacyFilter
from privacy_accounting.budget.totals import SpendTotals
from privacy_accounting.errors import AccountingError, LedgerRefusedError
from privacy_accounting.events import Relation
from privacy_accounting.ledger.agreements import Agreements
from privacy_accounting.ledger.budgets import budget_from_json, budget_to_json
from privacy_accounting.ledger.canonical_json import Fields
from privacy_accounting.ledger.changes.agreement_change import AgreementChange
from privacy_accounting.ledger.changes.role_change import RoleChange
from privacy_accounting.ledger.contents import FORMAT_NAMED, HASH_BYTES, Genesis, Snapshot
from privacy_accounting.ledger.entries import NO_PREVIOUS, Body, Entry, body_hash
from privacy_accounting.ledger.merkle import merkle_root
from privacy_accounting.ledger.parties.members import Succession
from privacy_accounting.ledger.parties.roles import Roles
from privacy_accounting.ledger.state import ChainPosition, ChainState, FoldedState, refuse
from privacy_accounting.ledger.storage.store import Note, Table
from privacy_accounting.ledger.used_requests import UsedRequests

if TYPE_CHECKING:
    from collections.abc import Sequence

    from privacy_accounting.ledger.storage.store import Store

VERSION: Final = 2


def take_checkpoint(state: ChainState, hashes: Sequence[bytes], since: int) -> Note:
    """Write down a state right before its snapshot entry.

    Args:
        state: folded over ``hashes``; its fresh requests are taken out.
        hashes: body hashes of all entries so far.
        since: entries that the checkpoint before this one covers.

    Returns:
        The note; its number is that of the snapshot entry.
    """
    changes = state.succession.changes_since(since)
    written = {
        "version": VERSION,
        "since": since,
        "hashes": b"".join(hashes[since:]).hex(),
        "once": state.used.take_fresh(),
        "members": [entry.to_bytes().decode("ascii") for entry in changes],
        "state": _state_to_json(state),
    }
    roles = state.roles.changes_since(since)
    if roles:
        written["roles"] = [entry.to_bytes().decode("ascii") for entry in roles]
    amended = state.agreements.changes_since(since)
    if amended:
        written["agreement"] = [entry.to_bytes().decode("ascii") for entry in amended]
    payload = json.dumps(written, separators=(",", ":"), ensure_ascii=True).encode("ascii")
    return Note(
        table=Table.CHECKPOINTS,
        number=len(hashes),
        digest=hashlib.sha256(payload).hexdigest(),
        payload=payload,
    )


def restore(store: Store) -> tuple[ChainState, list[bytes], int]:
    """Begin folding where the newest usable checkpoint stands.

    Args:
        store: of the site, or a copy.

    Returns:
        The state, the body hashes before it, and how many entries checkpoints cover; all empty where there is
        no usable checkpoint.

    Raises:
        LedgerRefusedError: old entries are archived, and no checkpoint stands for them.
    """
    usable, why = list[dict[str, Any]](), ""
    for note in store.notes(Table.CHECKPOINTS):
        try:
            usable.append(_read(note))
        except LedgerRefusedError as error:
            why = error.reason
    while usable:
        chosen = _following(usable)
        try:
            return _restored(store, chosen)
        except (AccountingError, ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
            # fold from an earlier one
            why = error.reason if isinstance(error, LedgerRefusedError) else "a checkpoint was altered"
            last = chosen[-1] if chosen else usable[-1]
            usable = [each for each in usable if each is not last]
    if store.first() > 0:
        reason = "entries are archived and this file has no checkpoint that covers them"
        raise refuse(f"{reason}: {why}" if why else reason)
    return ChainState(), [], 0


def _read(note: Note) -> dict[str, Any]:
    """Parse a note.

    Raises:
        LedgerRefusedError: it is not what was written, or of another format.
    """
    if hashlib.sha256(note.payload).hexdigest() != note.digest:
        raise refuse("a checkpoint was altered")
    try:
        written: dict[str, Any] = json.loads(note.payload)
        if written["version"] != VERSION:
            raise refuse(f"its checkpoint is not of {FORMAT_NAMED}")
        covered = note.number * 2 * HASH_BYTES == len(written["hashes"]) + written["since"] * 2 * HASH_BYTES
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise refuse("a checkpoint was altered") from error
    if not covered:
        raise refuse("a checkpoint does not cover the entries before its snapshot")
    return written


def _following(usable: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Choose checkpoints of which each begins where the one before it ends."""
    chosen, covered = list[dict[str, Any]](), 0
    for written in usable:
        if written["since"] == covered:
            chosen.append(written)
            covered += len(written["hashes"]) // (2 * HASH_BYTES)
    return chosen


def _restored(store: Store, chosen: Sequence[dict[str, Any]]) -> tuple[ChainState, list[bytes], int]:
    hashes, used = list[bytes](), UsedRequests()
    for written in chosen:
        joined = bytes.fromhex(written["hashes"])
        hashes += [joined[at : at + HASH_BYTES] for at in range(0, len(joined), HASH_BYTES)]
        used.take_over(written["once"])
    if len(hashes) < max(1, store.first()):
        raise refuse("the checkpoint is older than the entries held")
    state, last = ChainState(), chosen[-1]["state"]
    genesis = Genesis.read(Fields(last["genesis"], "genesis"))
    if _genesis_hash(last["chain"], genesis) != hashes[0]:
        raise refuse("a checkpoint differs from the genesis entry")
    changes = [text for written in chosen for text in written["members"]]
    succession = _succession(genesis, changes, hashes)
    roles = _roles(succession, [text for written in chosen for text in written.get("roles", [])], hashes)
    _take_over(state, last, genesis, succession, roles, used)
    amended = [text for written in chosen for text in written.get("agreement", [])]
    state.agreements = _agreements(succession, amended, hashes, state.chain)
    _check(store, state, hashes)
    return state, hashes, len(hashes)


def _succession(genesis: Genesis, changes: Sequence[str], hashes: Sequence[bytes]) -> Succession:
    """Find out who the members are, from the genesis entry and the signed entries that changed them."""
    succession = Succession()
    succession.begin(genesis)
    for text in changes:
        entry = Entry.from_bytes(text.encode("ascii"))
        number = entry.body.number
        if not 0 < number < len(hashes) or hashes[number] != entry.hash:
            raise refuse("a checkpoint holds a change of members that is not of its chain")
        succession.at(number).check_complete(entry)
        succession.change(entry)
    return succession


def _roles(succession: Succession, changes: Sequence[str], hashes: Sequence[bytes]) -> Roles:
    """Take the signed entries that changed the members that are not sites."""
    roles = Roles()
    for text in changes:
        entry = Entry.from_bytes(text.encode("ascii"))
        number = entry.body.number
        if not roles.basis < number < len(hashes) or hashes[number] != entry.hash:
            raise refuse("a checkpoint holds a change of a role that is not of its chain")
        if not isinstance(entry.body.content, RoleChange):
            raise refuse("a checkpoint names another entry as a change of a role")
        succession.at(number).check_complete(entry)
        roles = roles.changed(entry)
    return roles


def _agreements(
    succession: Succession, changes: Sequence[str], hashes: Sequence[bytes], chain: str
) -> Agreements:
    """Take the signed entries that changed the agreement."""
    agreements = Agreements()
    for text in changes:
        entry = Entry.from_bytes(text.encode("ascii"))
        number, content = entry.body.number, entry.body.content
        if not agreements.basis < number < len(hashes) or hashes[number] != entry.hash:
            raise refuse("a checkpoint holds a change of the agreement that is not of its chain")
        if not isinstance(content, AgreementChange):
            raise refuse("a checkpoint names another entry as a change of the agreement")
        succession.at(number).check_complete(entry)
        agreements.check(content, chain)
        agreements = agreements.changed(entry)
    return agreements


def _check(store: Store, state: ChainState, hashes: Sequence[bytes]) -> None:
    """Compare with the snapshot entry that all sites signed."""
    if state.place.number != len(hashes) or bytes.fromhex(state.place.previous) != hashes[-1]:
        raise refuse("a checkpoint differs from its hashes")
    entry = Entry.from_bytes(store.entries(len(hashes), 1)[0])
    content = entry.body.content
    if not isinstance(content, Snapshot) or entry.body.number != len(hashes):
        raise refuse("a checkpoint is not followed by a snapshot")
    state.members().check_complete(entry)
    if (content.entries, content.root) != (len(hashes), merkle_root(hashes)):
        raise refuse("a checkpoint differs from its snapshot in the entries")
    if content.state != state.digest():
        raise refuse(
            "a checkpoint differs from its snapshot in used requests, history of members, budgets or totals"
        )


def _genesis_hash(chain: str, genesis: Genesis) -> bytes:
    """Build the first entry again from the genesis that a checkpoint states: relation, delta and t hang on it."""
    names = tuple(sorted(genesis.members))
    body = Body(chain=chain, number=0, previous=NO_PREVIOUS, time=0, cohort=names, content=genesis)
    return body_hash(body.to_bytes())


def _state_to_json(state: ChainState) -> dict[str, object]:
    past, privacy_filter, genesis = state.past, state.privacy_filter, state.genesis
    if genesis is None:
        raise refuse("the ledger has no genesis entry yet")
    place = past.place
    return {
        "chain": state.chain,
        "genesis": genesis.to_json(),
        "place": [place.number, place.previous, place.time],
        "cancelled": sorted(past.cancelled),
        "moved": [[*key, number] for key, number in past.moved.items()],
        "raised": dict(past.raised),
        "attempts": dict(past.attempts),
        "budgets": {name: budget_to_json(budget) for name, budget in privacy_filter.populations.items()},
        "tallies": [[*key, _tally_to_json(tally)] for key, tally in privacy_filter.tallies.items()],
        "exact": [[*key, number] for key, number in privacy_filter.exact_counts.items()],
        "exact_numbers": dict(privacy_filter.exact_numbers),
        "tables": {table: list(each) for table, each in state.tables.items()},
    }


def _tally_to_json(tally: SpendTotals) -> dict[str, object]:
    return {
        "units": tally.units,
        "pure_units": tally.pure_units,
        "own_delta": [tally.own_delta.numerator, tally.own_delta.denominator],
        "purposes": dict(tally.purposes),
        "analysts": dict(tally.analysts),
        "events": [
            [purpose, analyst, text, number]
            for (purpose, analyst, text), number in tally.events.items()
            if number
        ],
    }


def _tally_from_json(written: dict[str, Any]) -> SpendTotals:
    events = {
        (p, a, text): number for p, a, text, number in written["events"]
    }  # pinned, so not read before they are asked for
    return SpendTotals(
        units=written["units"],
        pure_units=written["pure_units"],
        own_delta=Fraction(*written["own_delta"]),
        purposes=Counter(written["purposes"]),
        analysts=Counter(written["analysts"]),
        events=Counter(events),
    )


def _take_over(
    state: ChainState,
    written: dict[str, Any],
    genesis: Genesis,
    succession: Succession,
    roles: Roles,
    used: UsedRequests,
) -> None:
    privacy_filter = PrivacyFilter(relation=Relation(genesis.relation))
    for population, budget in written["budgets"].items():
        privacy_filter.set_budget(population, budget_from_json(budget))
    tallies = {(population, name): _tally_from_json(each) for population, name, each in written["tallies"]}
    exact = {(where, who): number for where, who, number in written["exact"]}
    privacy_filter.restore(tallies, exact, written.get("exact_numbers", {}))  # older checkpoints have none
    state.tables = {table: (version, at) for table, (version, at) in written.get("tables", {}).items()}
    number, previous, time = written["place"]
    past = FoldedState(
        place=ChainPosition(number=number, previous=previous, time=time),
        cancelled=frozenset(written["cancelled"]),
        moved={(population, name): at for population, name, at in written["moved"]},
        raised=dict(written["raised"]),
        attempts=dict(written["attempts"]),
    )
    state.restore(
        chain=written["chain"],
        genesis=genesis,
        privacy_filter=privacy_filter,
        past=past,
        succession=succession,
        roles=roles,
        used=used,
    )

"""Whether a stored ledger binds its site: it does once anything but its beginning was signed.

Layer:       privacy_accounting.ledger, above ``store`` and ``messages``. Reads and changes nothing.
Terms:       the *beginning* of a ledger is its genesis entry and snapshots. Everything else is a charge, a disclosure or
             a change that all sites signed.
Guarantees:  a ledger is called unbound only if this site holds no complete entry but the beginning, no archived ones,
             and no signature under another entry whose outcome it does not know. Every entry is completed by the
             sequencer, which holds it; so where all sites are unbound, nothing was ever charged.
See instead: putting an unbound ledger aside (``set_aside``).
"""

from __future__ import annotations

from typing import Final

from privacy_accounting.ledger.contents import Genesis, Snapshot
from privacy_accounting.ledger.entries import MAX_ENTRIES, Body, Entry, body_hash
from privacy_accounting.ledger.messages import Proposal, Signed, read_answer
from privacy_accounting.ledger.storage.store import Store, Table

BEGINNING: Final = (Genesis, Snapshot)
_CHUNK: Final = 64


def chain_of(store: Store) -> str:
    """Return the chain that a ledger belongs to, hexadecimal: the digest of its agreement.

    Args:
        store: any ledger; one without an entry belongs to the chain whose genesis entry it was asked to sign.

    Returns:
        The chain id; empty where the store holds nothing of any chain.

    Raises:
        LedgerRefusedError: the store is damaged.
    """
    held = store.entries(store.first(), 1)
    if held:
        return Entry.from_bytes(held[0]).body.chain
    notes = [*store.notes(Table.RECEIVED), *store.notes(Table.PROPOSALS)]
    return Body.from_bytes(Proposal.from_bytes(notes[-1].payload).bodies[0]).chain if notes else ""


def what_binds(store: Store) -> str:
    """Return what of a ledger forbids that another agreement takes its place; empty where nothing does.

    Args:
        store: any ledger.

    Raises:
        LedgerRefusedError: the store is damaged.
    """
    if store.first():
        return f"the entries of its ledger before {store.first()} are archived"
    for first in range(0, store.height(), _CHUNK):
        for data in store.entries(first, _CHUNK):
            body = Entry.from_bytes(data).body
            if not isinstance(body.content, BEGINNING):
                return f"its ledger holds the {body.kind} entry {body.number}"
    for table in (Table.STARTED, Table.OPENED, Table.FORKS):
        if store.notes(table):
            return "its ledger holds a request that was begun, or a fork"
    for proposal in _open_proposals(store):
        for data in proposal.bodies:
            body = Body.from_bytes(data)
            if not isinstance(body.content, BEGINNING):
                return f"it signed the {body.kind} entry {body.number}, whose outcome it does not know yet"
    return ""


def _open_proposals(store: Store) -> list[Proposal]:
    """List the proposals that this site made or signed and of which it knows no withdrawal and no completion."""
    first = max(0, store.height() + 1 - MAX_ENTRIES)
    hashes = [body_hash(Entry.from_bytes(data).data) for data in store.entries()]
    withdrawn = {note.digest for note in store.notes(Table.WITHDRAWALS, first=first)}
    signed = {
        note.digest
        for note in store.notes(Table.ANSWERS, first=first)
        if isinstance(read_answer(note.payload), Signed)
    }
    found = []
    for table in (Table.RECEIVED, Table.PROPOSALS):
        for note in store.notes(table, first=first):
            proposal = Proposal.from_bytes(note.payload)
            if note.digest in withdrawn or (table is Table.RECEIVED and note.digest not in signed):
                continue
            if any(body_hash(data) not in hashes for data in proposal.bodies):
                found.append(proposal)
    return found

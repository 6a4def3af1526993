"""Members: the sites of the chain at one point, and the sites that must sign an entry.

Layer:       privacy_accounting.ledger, above ``entries``. Pure.
Guarantees:  an entry is complete only with the signature of the sequencer and of every site of its cohort, all valid
             under the keys that hold at its number, and no signature besides. One entry changes one member; at least
             two sites remain. A change of members is signed by all sites that are members after it. The genesis entry
             and the entries that changed the members alone determine who signs; no site has to be trusted for it.
See instead: analysts and other roles (the caller's certificates).
Source:      docs/guarantees.md P2; docs/adr/0004-one-chain-with-a-sequencer.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from privacy_accounting.errors import LedgerRefusedError
from privacy_accounting.ledger.changes.members_change import MembersChange
from privacy_accounting.ledger.contents import Charge, Exact, Genesis
from privacy_accounting.ledger.entries import Body, Entry, body_signature_holds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SMALLEST_CONSORTIUM: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Members:
    """The sites of the chain at one point.

    Attributes:
        keys: Ed25519 public key in hexadecimal, by site.
        sequencer: the site that orders and signs last.
    """

    keys: Mapping[str, str]
    sequencer: str

    def __post_init__(self) -> None:
        if self.sequencer not in self.keys:
            raise LedgerRefusedError(reason="the sequencer is not a member")
        if len(self.keys) < SMALLEST_CONSORTIUM or len(set(self.keys.values())) != len(self.keys):
            raise LedgerRefusedError(reason="a consortium needs at least two members, each with its own key")

    @property
    def names(self) -> tuple[str, ...]:
        """All sites, sorted."""
        return tuple(sorted(self.keys))

    @classmethod
    def first(cls, genesis: Genesis) -> Members:
        """Give the members that the genesis entry names."""
        return cls(keys=dict(genesis.members), sequencer=genesis.sequencer)

    def changed(self, change: MembersChange) -> Members:
        """Apply one change.

        Raises:
            LedgerRefusedError: the change does not fit the members as they are.
        """
        keys = dict(self.keys)
        known = change.name in keys
        if known == (change.change == "add"):
            raise LedgerRefusedError(
                reason=f"{change.name} cannot {change.change}: its membership does not allow it"
            )
        if change.change == "lose":
            del keys[change.name]
        elif change.change in {"add", "rekey"}:
            keys[change.name] = change.key
        elif change.name != change.sequencer:
            raise LedgerRefusedError(reason="the new sequencer is not the one named")
        moved = change.sequencer != self.sequencer
        if moved and change.change != "sequencer" and change.name != self.sequencer:
            raise LedgerRefusedError(reason="the sequencer moves only by its own entry or when it is lost")
        return Members(keys=keys, sequencer=change.sequencer)

    def cohort_of(self, body: Body) -> tuple[str, ...]:
        """Give the sites that must sign an entry.

        Charges and exact disclosures of a run name their own cohort; everything else takes all members.

        Raises:
            LedgerRefusedError: the body's cohort is not one that its kind may have.
        """
        signers = set(self.signing_keys(body))
        named = set(body.cohort)
        chosen = isinstance(body.content, Charge | Exact) and body.content.asked.run != ""
        if chosen and not (named <= signers and len(named) >= SMALLEST_CONSORTIUM):
            raise LedgerRefusedError(reason="the cohort names sites that are not members, or fewer than two")
        if not chosen and body.kind != "cancel" and named != signers:
            raise LedgerRefusedError(reason=f"a {body.kind} entry is signed by all members")
        if not named <= signers:
            raise LedgerRefusedError(reason="the cohort names sites that are not members")
        return body.cohort

    def signing_keys(self, body: Body) -> Mapping[str, str]:
        """Give the keys that sign an entry: for a change of members those after it."""
        return self.changed(body.content).keys if isinstance(body.content, MembersChange) else self.keys

    def committer(self, body: Body) -> str:
        """Name the site that signs last: the sequencer, or its successor where the entry removes it."""
        change = body.content
        if isinstance(change, MembersChange) and change.change == "lose" and change.name == self.sequencer:
            return change.sequencer
        return self.sequencer

    def check_complete(self, entry: Entry) -> None:
        """Check that an entry carries exactly the signatures it needs, and that each is valid.

        Raises:
            LedgerRefusedError: a signature is missing, superfluous or wrong.
        """
        needed = {*self.cohort_of(entry.body), self.committer(entry.body)}
        if set(entry.signatures) != needed:
            raise LedgerRefusedError(reason=f"entry {entry.body.number} is not signed by exactly its sites")
        keys, hashed = self.signing_keys(entry.body), entry.hash
        for name in sorted(needed):
            if not body_signature_holds(keys[name], hashed, entry.signatures[name]):
                raise LedgerRefusedError(
                    reason=f"entry {entry.body.number}: the signature of {name} is wrong"
                )


class Succession:
    """Who signed from which entry on, and the entries that say so."""

    def __init__(self) -> None:
        """Begin before the genesis entry."""
        self._spans: list[tuple[int, Members]] = []
        self._changes: list[Entry] = []

    @property
    def spans(self) -> Sequence[tuple[int, Members]]:
        """The members, each with the number of the first entry that they sign."""
        return tuple(self._spans)

    def begin(self, genesis: Genesis) -> None:
        """Take the members that the genesis entry names."""
        self._spans.append((0, Members.first(genesis)))

    def at(self, number: int) -> Members:
        """Give the members that an entry's signatures are checked against.

        Raises:
            LedgerRefusedError: there is no genesis entry yet.
        """
        for first, members in reversed(self._spans):
            if first <= number:
                return members
        raise LedgerRefusedError(reason="the ledger has no genesis entry yet")

    def change(self, entry: Entry) -> None:
        """Fold one entry that changes the members; the caller has checked it.

        Raises:
            LedgerRefusedError: the change does not fit the members as they are.
        """
        if not isinstance(entry.body.content, MembersChange):
            raise LedgerRefusedError(reason=f"entry {entry.body.number} changes no members")
        number = entry.body.number
        self._spans.append((number + 1, self.at(number).changed(entry.body.content)))
        self._changes.append(entry)

    def changes_since(self, number: int) -> list[Entry]:
        """Give the entries from a number on that changed the members, in order."""
        return [entry for entry in self._changes if entry.body.number >= number]

    @property
    def basis(self) -> int:
        """Number of the last entry that changed the members; 0 where none did."""
        return self._changes[-1].body.number if self._changes else 0

    @property
    def leave_outs(self) -> frozenset[int]:
        """Numbers of the entries that left a site out: alone under these a site may have signed twice.

        No other site can withdraw what the lost one proposed.
        """
        return frozenset(entry.body.number for entry in self._changes if entry.body.leaves_out)

    def to_json(self) -> list[object]:
        """Write all of it, keys included: what a snapshot pins."""
        return [[first, dict(members.keys), members.sequencer] for first, members in self._spans]

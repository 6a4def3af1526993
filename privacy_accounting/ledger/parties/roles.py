"""The members that are not sites, as the ledger's entries have changed them: who may ask, and with which key.

Layer:       privacy_accounting.ledger, above ``entries``. Pure.
Terms:       the *standing* of a member is its role, its key and the entries that added and removed it. A member of the
             consortium file that no entry has changed has no standing here.
Guarantees:  a name is given once: neither a removed member nor a site gives its name or its key to another. From the entry
             that removes an analyst on, no charge and no exact disclosure of that analyst fits the chain.
See instead: the change itself (``role_change``), the sites (``members``), members of the consortium file (the caller's).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from privacy_accounting.budget.allowance import ANY_NAME
from privacy_accounting.errors import LedgerRefusedError
from privacy_accounting.ledger.changes.role_change import ANALYST, RoleChange

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from privacy_accounting.ledger.changes.members_change import MembersChange
    from privacy_accounting.ledger.contents import Genesis
    from privacy_accounting.ledger.entries import Entry
    from privacy_accounting.ledger.parties.members import Members


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One member as the entries have changed it.

    Attributes:
        role: of the member.
        key: its present Ed25519 key, hex; the last one where it was removed; empty where no entry gives one.
        added: number of the entry that added it; 0 for a member of the consortium file.
        removed: number of the entry that removed it; 0 while it is a member.
    """

    role: str
    key: str
    added: int = 0
    removed: int = 0


@dataclass(frozen=True, slots=True)
class Roles:
    """All role entries so far; a change gives a new object.

    Attributes:
        entries: complete, in their order.
    """

    entries: tuple[Entry, ...] = ()

    @property
    def changes(self) -> tuple[tuple[int, RoleChange], ...]:
        """The changes, each with the number of its entry."""
        found = ((entry.body.number, entry.body.content) for entry in self.entries)
        return tuple((number, content) for number, content in found if isinstance(content, RoleChange))

    @property
    def standings(self) -> Mapping[str, Standing]:
        """Every member that an entry has changed, by name."""
        found: dict[str, Standing] = {}
        for number, change in self.changes:
            before = found.get(change.name, Standing(role=change.role, key=""))
            found[change.name] = Standing(
                role=change.role,
                key=change.key or before.key,
                added=number if change.change == "add" else before.added,
                removed=number if change.change == "remove" else before.removed,
            )
        return found

    @property
    def basis(self) -> int:
        """Number of the last role entry; 0 where there is none."""
        return self.entries[-1].body.number if self.entries else 0

    @property
    def capped(self) -> int:
        """Number of the last entry that wrote an analyst's cap into the budgets; 0 where none did."""
        return max((number for number, change in self.changes if change.cap), default=0)

    def removed(self, name: str) -> int:
        """Give the number of the entry that removed a member; 0 where none did."""
        standing = self.standings.get(name) if self.entries else None
        return 0 if standing is None else standing.removed

    def key_of(self, name: str) -> str:
        """Give the key that the entries give a member, hex; empty where no entry does."""
        standing = self.standings.get(name) if self.entries else None
        return "" if standing is None else standing.key

    def present(self) -> Roles:
        """Give this object: for holders that ask for the roles each time they need them."""
        return self

    @property
    def keys(self) -> dict[str, str]:
        """The keys (hex) that the entries give to members of now, by name."""
        return {name: each.key for name, each in self.standings.items() if not each.removed}

    def changed(self, entry: Entry) -> Roles:
        """Give the roles after one more entry, which the caller has checked."""
        return Roles((*self.entries, entry))

    def changes_since(self, number: int) -> list[Entry]:
        """Give the role entries from a number on, in order."""
        return [entry for entry in self.entries if entry.body.number >= number]

    def check(self, change: RoleChange, *, sites: Collection[Members], founding: Collection[str]) -> None:
        """Check that a change fits the members as they are and were.

        Args:
            change: the change.
            sites: the sites from the first entry on, each time they changed.
            founding: the analysts that the genesis entry names.

        Raises:
            LedgerRefusedError: it does not fit.
        """
        name, standing = change.name, self.standings.get(change.name)
        if any(name in members.keys for members in sites):
            raise _refuse(f"{name} is, or was, a site")
        if change.key and change.key in self._keys(sites):
            raise _refuse("the new key is, or was, a member's: every member has a key of its own")
        if change.change == "add":
            if standing is not None or name in founding:
                raise _refuse(f"{name} is, or was, a member: a new member takes a new name")
            return
        if standing is not None and standing.removed:
            raise _refuse(f"{name} was removed by entry {standing.removed}")
        is_analyst = name in founding or (standing is not None and standing.role == ANALYST)
        if (standing is not None and standing.role != change.role) or (
            is_analyst != (change.role == ANALYST) and (is_analyst or founding)
        ):
            raise _refuse(f"{name} is no {change.role} of this ledger")

    def check_site(self, change: MembersChange) -> None:
        """Check that a change of the sites takes no name and no key of a member that is not a site.

        Raises:
            LedgerRefusedError: it does.
        """
        if not self.entries:
            return
        if change.change == "add" and change.name in self.standings:
            raise _refuse(f"{change.name} is, or was, another member")
        if change.key and change.key in self._keys(()):
            raise _refuse("the new key is, or was, another member's")

    def check_asking(self, analyst: str, genesis: Genesis | None) -> None:
        """Check that an analyst may ask at this place of the chain.

        Args:
            analyst: who asks.
            genesis: the first entry; where it names analysts, no other asks before an entry adds it.

        Raises:
            LedgerRefusedError: it was removed, or no entry names it.
        """
        standing = self.standings.get(analyst) if self.entries else None
        if standing is not None and standing.removed:
            raise _refuse(f"analyst {analyst} was removed by entry {standing.removed} of the ledger")
        known = founding_analysts(genesis)
        is_named = analyst in known or ANY_NAME in known or not known
        if not is_named and (standing is None or standing.role != ANALYST):
            raise _refuse(f"analyst {analyst} is not named by the ledger")

    def to_json(self) -> list[object]:
        """Write all changes: what a snapshot pins."""
        return [[number, change.to_json()] for number, change in self.changes]

    def _keys(self, sites: Collection[Members]) -> set[str]:
        given = {change.key for _, change in self.changes if change.key}
        return given.union(*(members.keys.values() for members in sites))


def founding_analysts(genesis: Genesis | None) -> frozenset[str]:
    """Give the analysts whom the genesis entry names, by their caps."""
    populations = {} if genesis is None else genesis.populations
    return frozenset(name for budget in populations.values() for name in budget.analyst_caps)


def _refuse(reason: str) -> LedgerRefusedError:
    return LedgerRefusedError(reason=reason)

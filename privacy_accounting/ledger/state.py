"""The folded chain: the state that follows from all complete entries.

Layer:       privacy_accounting.ledger, above ``members``. Pure; the caller holds the lock.
Terms:       a *place* is where the next body stands: its number, the hash before it, the earliest time.
Guarantees:  folding is the same at every site and in the audit: members, budgets, totals, used nonces and
             cancellations follow from the entries alone. A body that does not fit its place is refused before
             anything changes.
See instead: whether a site *wants* to sign (``entry_validation``); signatures (``members``).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from privacy_accounting.budget.privacy_filter import PrivacyFilter
from privacy_accounting.errors import LedgerRefusedError
from privacy_accounting.ledger.agreements import Agreements
from privacy_accounting.ledger.batch import Batch
from privacy_accounting.ledger.budgets import budget_to_json
from privacy_accounting.ledger.canonical_json import encode
from privacy_accounting.ledger.changes.agreement_change import AgreementChange
from privacy_accounting.ledger.changes.members_change import MembersChange
from privacy_accounting.ledger.changes.order_change import OrderChange
from privacy_accounting.ledger.changes.role_change import RoleChange
from privacy_accounting.ledger.changes.table_version import FIRST, TableVersion
from privacy_accounting.ledger.clock import ClockCorrection
from privacy_accounting.ledger.contents import (
    STATE_FORMAT,
    BudgetChange,
    Cancel,
    Charge,
    Exact,
    Genesis,
    Snapshot,
)
from privacy_accounting.ledger.entries import NO_PREVIOUS, Body, body_hash
from privacy_accounting.ledger.parties.members import Members, Succession
from privacy_accounting.ledger.parties.roles import Roles, founding_analysts
from privacy_accounting.ledger.used_requests import UsedRequests

if TYPE_CHECKING:
    from collections.abc import Mapping

    from privacy_accounting.budget.allowance import PopulationBudget
    from privacy_accounting.ledger.contents import Change, Content
    from privacy_accounting.ledger.entries import Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainPosition:
    """Where the next body stands.

    Attributes:
        number: its number.
        previous: body hash before it, hexadecimal.
        time: the earliest time it may carry, in seconds.
    """

    number: int
    previous: str
    time: int

    def after(self, data: bytes, body: Body) -> ChainPosition:
        """Give the place behind a body."""
        return ChainPosition(number=body.number + 1, previous=body_hash(data).hex(), time=body.time)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Open:
    """A charge or exact disclosure that can still be cancelled: no snapshot stands behind it."""

    entry_hash: str
    cohort: tuple[str, ...]
    content: Charge | Exact


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldedState:
    """What the entries before a checkpoint left behind.

    Attributes:
        place: where the next entry stands.
        cancelled: numbers of charges given back.
        moved: number of the last change of order, by population and sub-budget.
        raised: number of the last budget entry, by population.
        attempts: of each training run, those charged and not cancelled.
    """

    place: ChainPosition
    cancelled: frozenset[int]
    moved: Mapping[tuple[str, str], int]
    raised: Mapping[str, int]
    attempts: Mapping[str, int]


def refuse(reason: str) -> LedgerRefusedError:
    """Build a refusal."""
    return LedgerRefusedError(reason=reason)


class ChainState:
    """Everything that follows from the entries so far."""

    def __init__(self) -> None:
        """Begin before the genesis entry."""
        self._moves: dict[tuple[str, str], int] = {}
        self._raised: dict[str, int] = {}
        self.place = ChainPosition(number=0, previous=NO_PREVIOUS, time=0)
        self.genesis: Genesis | None = None
        self.chain = ""
        self._privacy_filter: PrivacyFilter | None = None
        self.succession = Succession()
        self.roles = Roles()
        self.agreements = Agreements()
        self.tables: dict[str, tuple[int, int]] = {}  # declared version and its entry, by table
        self.used = UsedRequests()
        self._open: dict[int, _Open] = {}
        self._cancelled: set[int] = set()
        self._attempts: Counter[str] = Counter()
        self._pinned = ""  # the digest of the state as it is, once it was asked for

    @property
    def head(self) -> int:
        """Number of the last entry, -1 before the first."""
        return self.place.number - 1

    @property
    def privacy_filter(self) -> PrivacyFilter:
        """The privacy filter, which holds what is spent.

        Raises:
            LedgerRefusedError: there is no genesis entry yet.
        """
        if self._privacy_filter is None:
            raise refuse("the ledger has no genesis entry yet")
        return self._privacy_filter

    def members(self, number: int | None = None) -> Members:
        """Give the members that an entry's signatures are checked against.

        Args:
            number: of the entry; the next one by default.

        Raises:
            LedgerRefusedError: there is no genesis entry yet.
        """
        return self.succession.at(self.place.number if number is None else number)

    def members_for(self, body: Body) -> Members:
        """Give the members for a body: a genesis entry brings its own."""
        if isinstance(body.content, Genesis) and body.number == 0:
            return Members.first(body.content)
        return self.members(body.number)

    def attempts_of(self, run: str) -> int:
        """Count the attempts of a training run that were charged and not cancelled."""
        return self._attempts[run]

    @property
    def member_entries(self) -> list[Entry]:
        """The entries that changed the members, sites and others, or the agreement, in their order."""
        entries = [*self.succession.changes_since(0), *self.roles.entries, *self.agreements.entries]
        return sorted(entries, key=lambda entry: entry.body.number)

    def cancelled(self, number: int) -> bool:
        """Say whether a charge was cancelled by all its sites."""
        return number in self._cancelled

    def basis_of(self, content: Change) -> int:
        """Give the number of the entry that last changed what a content changes; 0 where none did.

        An approval of a change holds on this basis: once the entry is there, or any other like it, the
        basis is another one and the approval is void. A correction of the clock stands on the last
        entry of all.
        """
        if isinstance(content, ClockCorrection):
            return self.head
        if isinstance(content, MembersChange):
            return self.succession.basis
        if isinstance(content, RoleChange):
            return max(self.roles.basis, self.succession.basis)
        if isinstance(content, TableVersion):
            return self.tables.get(content.table, (FIRST, 0))[1]
        if isinstance(content, AgreementChange):
            return self.agreements.basis
        moved = [at for (population, _), at in self._moves.items() if population == content.population]
        return max([self.roles.capped, self._raised.get(content.population, 0), *moved])

    # -- checking ------------------------------------------------------------------------------------------

    def check(self, body: Body, place: ChainPosition, batch: Batch) -> None:
        """Check that a body fits its place in the chain.

        Args:
            body: the next one.
            place: where it stands.
            batch: what earlier bodies of the same proposal use.

        Raises:
            LedgerRefusedError: it does not fit; nothing was changed.
        """
        if body.number != place.number or body.previous != place.previous:
            raise refuse(f"entry {body.number} does not follow entry {place.number - 1}")
        if isinstance(body.content, ClockCorrection):
            if not (body.content.given_up == place.time > body.time):
                raise refuse("the correction of the clock does not name the time of the entry before it")
        elif body.time < place.time:
            raise refuse(f"entry {body.number} is dated before the one before it")
        if isinstance(body.content, Genesis) != (body.number == 0):
            raise refuse("only the first entry is a genesis entry")
        if self.chain not in {"", body.chain}:
            raise refuse("the entry is of another chain")
        self.members_for(body).cohort_of(body)
        self._check_content(body, batch)

    def _check_content(self, body: Body, batch: Batch) -> None:
        content = body.content
        if isinstance(content, Genesis):
            self._check_genesis(body, content)
        elif isinstance(content, Charge | Exact):
            self._check_asked(content, batch)
        elif isinstance(content, Cancel):
            self._check_cancel(body.cohort, content, batch)
        elif isinstance(content, OrderChange):
            self._moved(content)
            if sum(content.purposes.values()) != sum(content.analysts.values()):
                raise refuse("units by purpose and by analyst differ")
        elif isinstance(content, BudgetChange):
            self.privacy_filter.check_budget(content.population, content.budget)
        elif isinstance(content, MembersChange):
            self.roles.check_site(content)
        elif isinstance(content, RoleChange | TableVersion | AgreementChange):
            self._check_named(content)
        elif isinstance(content, Snapshot) and (content.entries, content.state) != (
            self.place.number,
            self.digest(),
        ):
            raise refuse("the snapshot differs from the state that the entries before it give")

    def _check_named(self, content: RoleChange | TableVersion | AgreementChange) -> None:
        if isinstance(content, RoleChange):
            sites = [members for _, members in self.succession.spans]
            self.roles.check(content, sites=sites, founding=founding_analysts(self.genesis))
        elif isinstance(content, AgreementChange):
            self.agreements.check(content, self.chain)
        elif content.version <= self.tables.get(content.table, (FIRST, 0))[0]:
            raise refuse(f"table {content.table} has version {content.version} or a later one already")

    def _check_asked(self, content: Charge | Exact, batch: Batch) -> None:
        if content.asked.once in self.used or content.asked.once in batch.once:
            raise refuse("this request was entered before")
        self.roles.check_asking(content.asked.analyst, self.genesis)
        if content.asked.population not in self.privacy_filter.populations:
            raise refuse(f"the ledger has no population {content.asked.population}")
        if isinstance(content, Charge):
            self.privacy_filter.sub_budget(content.asked.population, content.sub_budget)

    def _check_cancel(self, cohort: tuple[str, ...], content: Cancel, batch: Batch) -> None:
        known = self._open.get(content.entry)
        if known is None or content.entry in batch.cancelled:
            raise refuse(f"entry {content.entry} cannot be cancelled")
        if known.entry_hash != content.entry_hash or known.cohort != cohort:
            raise refuse(f"the cancellation does not match entry {content.entry} and its cohort")

    @staticmethod
    def _check_genesis(body: Body, content: Genesis) -> None:
        if body.time != 0 or body.chain != content.consortium:
            raise refuse("the genesis entry must have time 0 and the consortium's hash as chain id")
        if not 0 <= content.colluding < len(content.members):
            raise refuse("the number of colluding sites must be below the number of sites")

    # -- folding -------------------------------------------------------------------------------------------

    def apply(self, entry: Entry) -> None:
        """Fold one complete entry.

        Raises:
            LedgerRefusedError: it does not fit; nothing was changed.
        """
        body = entry.body
        self.check(body, self.place, Batch())
        self._pinned = ""
        content, number = body.content, body.number
        if isinstance(content, Genesis):
            self._begin(body.chain, content)
        elif isinstance(content, Charge | Exact):
            self._count(content)
            self._open[number] = _Open(entry_hash=entry.hash.hex(), cohort=body.cohort, content=content)
        elif isinstance(content, Cancel):
            self._uncount(self._open.pop(content.entry).content)
            self._cancelled.add(content.entry)
        elif isinstance(content, BudgetChange):
            self.privacy_filter.set_budget(content.population, content.budget)
            self._raised[content.population] = number
        elif isinstance(content, OrderChange):
            self._move_order(content, number)
        elif isinstance(content, Snapshot):
            # What stands before it may be archived anywhere; a cancellation that names it could not be followed there.
            self._open.clear()
        else:
            self._apply_change(content, entry)
        self.place = self.place.after(entry.data, body)

    def _apply_change(self, content: Content, entry: Entry) -> None:
        """Fold a change of members, of a table or of the agreement."""
        if isinstance(content, MembersChange):
            self.succession.change(entry)
        elif isinstance(content, RoleChange):
            self._change_role(content, entry)
        elif isinstance(content, TableVersion):
            self.tables[content.table] = (content.version, entry.body.number)
        elif isinstance(content, AgreementChange):
            self.agreements = self.agreements.changed(entry)

    def _begin(self, chain: str, genesis: Genesis) -> None:
        self.genesis, self.chain = genesis, chain
        self._privacy_filter = PrivacyFilter(relation=genesis.relation)
        for population, budget in genesis.populations.items():
            self._privacy_filter.set_budget(population, budget)
        self.succession.begin(genesis)

    def _count(self, content: Charge | Exact) -> None:
        self.used.add(content.asked.once)
        self._attempts[content.asked.run] += 1
        if isinstance(content, Charge):
            self.privacy_filter.add(content.spend)
        else:
            self.privacy_filter.add_exact(
                content.asked.population, content.asked.analyst, numbers=content.numbers
            )

    def _uncount(self, content: Charge | Exact) -> None:
        self._attempts[content.asked.run] -= 1
        if isinstance(content, Charge):
            self.privacy_filter.give_back(content.spend)
        else:
            self.privacy_filter.add_exact(
                content.asked.population, content.asked.analyst, -1, numbers=-content.numbers
            )

    def _change_role(self, change: RoleChange, entry: Entry) -> None:
        """Fold a change of a role; the cap of an added analyst holds for every population."""
        self.roles = self.roles.changed(entry)
        if change.cap:
            for population, budget in self.privacy_filter.populations.items():
                caps = {**budget.analyst_caps, change.name: change.cap}
                self.privacy_filter.set_budget(population, replace(budget, analyst_caps=caps))

    def _moved(self, change: OrderChange) -> PopulationBudget:
        return self.privacy_filter.moved_budget(
            change.population, change.sub_budget, change.order, change.allowance
        )

    def _move_order(self, change: OrderChange, number: int) -> None:
        self.privacy_filter.move_order(
            change.population,
            change.sub_budget,
            self._moved(change),
            purposes=change.purposes,
            analysts=change.analysts,
        )
        # Charges from before were counted at the old order; giving one back would subtract the wrong figure.
        moved = (change.population, change.sub_budget)
        self._moves[moved] = number
        self._open = {
            number: known
            for number, known in self._open.items()
            if not isinstance(known.content, Charge)
            or (known.content.asked.population, known.content.sub_budget) != moved
        }

    # -- checkpoints ---------------------------------------------------------------------------------------

    @property
    def past(self) -> FoldedState:
        """What a checkpoint keeps besides the privacy filter, the members and the used requests."""
        return FoldedState(
            place=self.place,
            cancelled=frozenset(self._cancelled),
            moved=dict(self._moves),
            raised=dict(self._raised),
            attempts={run: number for run, number in self._attempts.items() if run and number},
        )

    def restore(
        self,
        *,
        chain: str,
        genesis: Genesis,
        privacy_filter: PrivacyFilter,
        past: FoldedState,
        succession: Succession,
        roles: Roles,
        used: UsedRequests,
    ) -> None:
        """Take over a state that was folded before, up to a snapshot."""
        self.chain, self.genesis, self._privacy_filter = chain, genesis, privacy_filter
        self.succession, self.roles, self.used = succession, roles, used
        self.place, self._pinned = past.place, ""
        self._cancelled, self._moves = set(past.cancelled), dict(past.moved)
        self._raised, self._attempts = dict(past.raised), Counter(past.attempts)

    # -- snapshots -----------------------------------------------------------------------------------------

    def digest(self) -> str:
        """Hash all that follows from the entries: what a snapshot pins; hexadecimal.

        What is left out here could be changed in a file whose older entries are archived.
        """
        if self._pinned == "":
            self._pinned = self._digest()
        return self._pinned

    def _digest(self) -> str:
        past = self.past
        state = {
            "format": STATE_FORMAT,
            "number": past.place.number,
            "members": self.succession.to_json(),
            "used": self.used.digest(),
            "budgets": {
                name: budget_to_json(budget) for name, budget in self.privacy_filter.populations.items()
            },
            "totals": self.privacy_filter.totals(),
            "cancelled": sorted(past.cancelled),
            "moved": sorted([*key, number] for key, number in past.moved.items()),
            "raised": dict(past.raised),
            "attempts": dict(past.attempts),
        }
        # a ledger without such entries keeps the digest that it had before there were any
        if self.roles.entries:
            state["roles"] = self.roles.to_json()
        if self.agreements.entries:
            state["agreement"] = self.agreements.to_json()
        if self.tables:
            state["tables"] = {table: list(each) for table, each in self.tables.items()}
        return hashlib.sha256(encode(state)).hexdigest()

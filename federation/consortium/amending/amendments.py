"""Amendments: changes of the agreement that every site's administrator approves before any site signs them.

Layer:       federation.consortium.amending.amendments. Reads and writes files of the site's state folder; opens no connection.
Terms:       an *amendment* is the content of a budget, order, members, role, table, agreement or clock entry with the
             chain it is for and its *basis*, the number of the entry that last changed the same thing. An *approval* is
             one administrator's consent to exactly these bytes, kept at that site alone.
Guarantees:  a site signs such an entry only while it holds the approval of it. Each entry that changes the same thing
             moves the basis, so that an earlier approval no longer fits. An approval is durable when ``agree``
             returns, and can be withdrawn until the site signs the entry.
See instead: applying an amendment (``federation.node.ledger.replication``), commands (``federation.cli``).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from federation.consortium.amending import site_changes
from federation.consortium.amending.agreement_amendments import agreement_now, agreement_text, check_agreement
from federation.consortium.amending.role_amendments import check_role, role_now, role_text
from federation.consortium.amending.table_amendments import check_table, table_now, table_text
from federation.consortium.consortium_file import entered_site
from federation.errors import AmendmentRejectedError
from privacy_accounting.budget.allowance import SubBudget, allowance_units
from privacy_accounting.decimals import format_decimal
from privacy_accounting.errors import AccountingError, LedgerRefusedError
from privacy_accounting.ledger.canonical_json import Fields, decode, encode
from privacy_accounting.ledger.changes.agreement_change import AgreementChange
from privacy_accounting.ledger.changes.members_change import MembersChange
from privacy_accounting.ledger.changes.order_change import OrderChange
from privacy_accounting.ledger.changes.role_change import CALLERS, RoleChange
from privacy_accounting.ledger.changes.table_version import TableVersion
from privacy_accounting.ledger.clock import ClockCorrection
from privacy_accounting.ledger.contents import (
    HASH_BYTES,
    BudgetChange,
    Change,
    kind_of,
    read_content,
)
from privacy_accounting.ledger.replication.entry_validation import CLOCK_SKEW_S
from privacy_accounting.rdp import ORDERS

if TYPE_CHECKING:
    from federation.consortium.consortium_model import Member
    from privacy_accounting.ledger.contents import Content
    from privacy_accounting.ledger.state import ChainState

FORMAT: Final = 1
MAX_BYTES: Final = 64 * 1024
_TAG: Final = b"crossward/motion/1\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Amendment:
    """A change of the agreement, before all have approved it.

    Attributes:
        chain: chain id, hexadecimal.
        basis: number of the entry that last changed the same thing.
        content: the change.
    """

    chain: str
    basis: int
    content: Change

    def to_bytes(self) -> bytes:
        """Write canonical bytes; every administrator approves the same bytes."""
        return encode(
            {
                "format": FORMAT,
                "chain": self.chain,
                "basis": self.basis,
                "kind": kind_of(self.content),
                "content": self.content.to_json(),
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Amendment:
        """Read canonical bytes strictly.

        Raises:
            AmendmentRejectedError: the bytes are not exactly what ``to_bytes`` writes.
        """
        try:
            fields = Fields(decode(data, limit=MAX_BYTES), "amendment")
            fields.integer("format", low=FORMAT, high=FORMAT)
            kind, inner = fields.text("kind"), Fields(fields.mapping("content"), "content")
            content: Content = read_content(kind, inner)
            inner.done()
            amendment = (
                cls(
                    chain=fields.hexadecimal("chain", HASH_BYTES),
                    basis=fields.integer("basis"),
                    content=content,
                )
                if isinstance(content, Change)
                else None
            )
            fields.done()
        except LedgerRefusedError as error:
            raise AmendmentRejectedError(
                reason=f"the file is not a valid amendment: {error.reason}"
            ) from error
        if amendment is None or amendment.to_bytes() != data:
            raise AmendmentRejectedError(reason="the file is not a valid amendment")
        return amendment

    @property
    def digest(self) -> str:
        """SHA-256 under the amendment's tag, hexadecimal: administrators compare it."""
        return hashlib.sha256(_TAG + self.to_bytes()).hexdigest()

    @property
    def leaves_out(self) -> str:
        """The site that the amendment removes; empty for other amendments."""
        content = self.content
        return content.name if isinstance(content, MembersChange) and content.change == "lose" else ""

    @property
    def renews(self) -> tuple[()] | tuple[str, str]:
        """The site whose key the amendment brings, and the key; empty for other amendments."""
        content = self.content
        if isinstance(content, MembersChange) and content.key:
            return (content.name, content.key)
        return ()

    @property
    def site(self) -> Member | None:
        """Address, certificate and key of the site that the amendment adds or replaces; None for other amendments.

        Raises:
            ConfigError: the address is malformed.
        """
        content = self.content
        return entered_site(content) if isinstance(content, MembersChange) and content.address else None

    @property
    def changes_role(self) -> bool:
        """Whether the amendment changes an analyst, an auditor or a helper."""
        return isinstance(self.content, RoleChange)

    @property
    def declares_table(self) -> bool:
        """Whether the amendment declares another version of a table."""
        return isinstance(self.content, TableVersion)

    @property
    def amends_agreement(self) -> bool:
        """Whether the amendment adds terms to the agreement."""
        return isinstance(self.content, AgreementChange)

    @property
    def renews_helper(self) -> str:
        """The role of the helper whose key the amendment renews; empty for other amendments."""
        content = self.content
        return content.role if isinstance(content, RoleChange) and content.role not in CALLERS else ""

    def text(self) -> str:
        """Describe the amendment, for the administrator who approves it."""
        content = self.content
        if isinstance(content, BudgetChange):
            return (
                f"set the budget of {content.population} to epsilon {format_decimal(content.budget.epsilon)}"
            )
        if isinstance(content, OrderChange):
            return (
                f"count {content.sub_budget} of {content.population} at order {format_decimal(content.order)}"
            )
        if isinstance(content, ClockCorrection):
            return f"date the entries from here on by the sites' clocks, and give up the date {_date(content.given_up)}"
        if isinstance(content, RoleChange):
            return role_text(content)
        if isinstance(content, TableVersion):
            return table_text(content)
        if isinstance(content, AgreementChange):
            return agreement_text(content)
        return site_changes.text(content)

    def now(self, state: ChainState) -> str:
        """Describe the present value in a site's ledger of what the amendment changes."""
        if isinstance(self.content, MembersChange):
            return site_changes.present(self.content, state)
        if isinstance(self.content, RoleChange):
            return role_now(self.content, state)
        if isinstance(self.content, TableVersion):
            return table_now(self.content, state)
        if isinstance(self.content, AgreementChange):
            return agreement_now(state)
        if isinstance(self.content, ClockCorrection):
            return f"now: entry {state.head} is dated {_date(state.place.time)}"
        if isinstance(self.content, OrderChange):
            part = state.privacy_filter.sub_budget(self.content.population, self.content.sub_budget)
            return f"now: order {format_decimal(part.order)}"
        return f"now: epsilon {format_decimal(state.privacy_filter.populations[self.content.population].epsilon)}"

    def check_fits(self, state: ChainState) -> None:
        """Check against a site's own ledger that the amendment does what its text says.

        The administrator reads the text and not the bytes, so the check refuses what the proposal commands would not write.

        Raises:
            AmendmentRejectedError: it is for another consortium, the ledger has changed the same thing since, or it would change
                more than its text says.
        """
        if self.chain != state.chain:
            raise AmendmentRejectedError(reason="the amendment is for another consortium")
        if self.basis != state.basis_of(self.content):
            raise AmendmentRejectedError(
                reason="the amendment is out of date: the ledger has changed the same thing since; propose it again"
            )
        if self != self._written_anew(state):
            more = "the amendment would change more than its text says; propose it again"
            spent = "a charge followed it, or its figures are wrong; propose it again while no question runs"
            raise AmendmentRejectedError(reason=spent if isinstance(self.content, OrderChange) else more)

    def _written_anew(self, state: ChainState) -> Amendment | None:
        """Return what the proposal command writes for the same text; None where there is no such command."""
        content = self.content
        if isinstance(content, OrderChange):
            return change_order(state, content.population, content.sub_budget, content.order)
        if isinstance(content, BudgetChange):
            return raise_budget(state, content.population, content.budget.epsilon)
        if isinstance(content, ClockCorrection):
            return correct_clock(state)
        if isinstance(content, RoleChange):
            return change_role(state, content)
        if isinstance(content, TableVersion):
            return declare_table(state, content)
        if isinstance(content, AgreementChange):
            return amend_agreement(state, content)
        anew = site_changes.written_anew(content, state, self.site)
        return None if anew is None else _amendment(state, anew)


def raise_budget(state: ChainState, population: str, epsilon: Fraction) -> Amendment:
    """Propose to raise a population's epsilon; delta, shares, plans, orders and caps stay.

    Args:
        state: a site's ledger.
        population: whose patients.
        epsilon: the new epsilon of the whole population.

    Raises:
        AmendmentRejectedError: no such population, not more than now, or more than an order can express.
    """
    old = state.privacy_filter.populations.get(population)
    if old is None:
        known = ", ".join(sorted(state.privacy_filter.populations))
        raise AmendmentRejectedError(reason=f"there is no population {population}; the ledger has {known}")
    if epsilon <= old.epsilon:
        raise AmendmentRejectedError(
            reason=f"the budget of {population} is already epsilon {format_decimal(old.epsilon)}; "
            "a budget can be raised, not lowered: what was spent stays spent"
        )
    try:
        parts = {name: _at(part, epsilon) for name, part in old.sub_budgets.items()}
        budget = replace(old, epsilon=epsilon, sub_budgets=parts)
    except AccountingError as error:
        raise AmendmentRejectedError(reason=str(error)) from error
    return _amendment(state, BudgetChange(population=population, budget=budget))


def _at(part: SubBudget, epsilon: Fraction) -> SubBudget:
    """Return a sub-budget's share of another epsilon, at the sub-budget's order."""
    mine = part.share * epsilon
    allowance = allowance_units(mine, part.delta - part.reserved_delta, part.order)
    return replace(part, epsilon=mine, allowance=allowance)


def change_order(state: ChainState, population: str, sub_budget: str, order: Fraction) -> Amendment:
    """Propose to count a sub-budget at another order; the ledger prices all its releases again there.

    Args:
        state: a site's ledger.
        population: whose patients.
        sub_budget: the privacy filter.
        order: one of the accountant's orders.

    Raises:
        AmendmentRejectedError: no such sub-budget or order, the same order, or more was spent than is allowed there.
    """
    try:
        part = state.privacy_filter.sub_budget(population, sub_budget)
    except LedgerRefusedError as error:
        raise AmendmentRejectedError(reason=error.reason) from error
    if order == part.order:
        reason = f"the sub-budget already uses order {format_decimal(order)}; choose a different order"
        raise AmendmentRejectedError(reason=reason)
    if order not in set(map(Fraction, ORDERS)):
        raise AmendmentRejectedError(reason=f"{format_decimal(order)} is not one of the accountant's orders")
    allowance = allowance_units(part.epsilon, part.delta - part.reserved_delta, order)
    purposes, analysts = state.privacy_filter.repriced(population, sub_budget, order)
    if sum(purposes.values()) >= allowance:
        raise AmendmentRejectedError(
            reason=f"the charges so far leave nothing of {sub_budget} at order {format_decimal(order)}"
        )
    content = OrderChange(
        population=population,
        sub_budget=sub_budget,
        order=order,
        allowance=allowance,
        purposes=purposes,
        analysts=analysts,
    )
    return _amendment(state, content)


def transfer_sequencer(state: ChainState, site: str) -> Amendment:
    """Propose that another site becomes the sequencer; errors as ``site_changes.sequencer_change``."""
    return _amendment(state, site_changes.sequencer_change(state, site))


def remove_site(state: ChainState, site: str, *, sequencer: str = "") -> Amendment:
    """Propose to remove a site that is lost for good; arguments and errors as ``site_changes.removal``."""
    return _amendment(state, site_changes.removal(state, site, sequencer))


def renew_site(state: ChainState, site: str, key: str) -> Amendment:
    """Propose that a site signs with another key from then on; errors as ``site_changes.renewal``."""
    return _amendment(state, site_changes.renewal(state, site, key))


def add_site(state: ChainState, site: str, member: Member) -> Amendment:
    """Propose one site more; errors as ``site_changes.addition``."""
    return _amendment(state, site_changes.addition(state, site, member))


def replace_site(state: ChainState, site: str, member: Member) -> Amendment:
    """Propose another machine and key for a site; errors as ``site_changes.replacement``."""
    return _amendment(state, site_changes.replacement(state, site, member))


def change_role(state: ChainState, change: RoleChange) -> Amendment:
    """Propose to add or remove an analyst or auditor, or to renew the key of a member that is not a site.

    Args:
        state: a site's ledger.
        change: the change.

    Raises:
        AmendmentRejectedError: the rules of the ledger forbid it.
    """
    return _amendment(state, check_role(state, change))


def declare_table(state: ChainState, content: TableVersion) -> Amendment:
    """Propose another version of a table.

    Args:
        state: a site's ledger.
        content: the table and its version.

    Raises:
        AmendmentRejectedError: the version is not above the present one.
    """
    return _amendment(state, check_table(state, content))


def amend_agreement(state: ChainState, content: AgreementChange) -> Amendment:
    """Propose further terms of the agreement; errors as ``check_agreement``."""
    return _amendment(state, check_agreement(state, content))


def correct_clock(state: ChainState, *, now: int | None = None) -> Amendment:
    """Propose to give up the last entry's date, which is ahead of the true time.

    Args:
        state: a site's ledger.
        now: seconds since 1970 by the clock of the proposing site, where it has one.

    Raises:
        AmendmentRejectedError: the last entry's date is not so far ahead that it blocks further entries.
    """
    if now is not None and state.place.time - now <= CLOCK_SKEW_S:
        raise AmendmentRejectedError(
            reason=f"entry {state.head} is dated {_date(state.place.time)}, which is not ahead of this site's clock"
        )
    if state.place.time == 0:
        raise AmendmentRejectedError(reason="the genesis entry has no date")
    return _amendment(state, ClockCorrection(given_up=state.place.time))


def _date(time: int) -> str:
    return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M} UTC"


def _amendment(state: ChainState, content: Change) -> Amendment:
    return Amendment(chain=state.chain, basis=state.basis_of(content), content=content)

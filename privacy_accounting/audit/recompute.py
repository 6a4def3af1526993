"""Recomputes every cost in a ledger from its events.

Layer:       privacy_accounting.audit, above ``chain_reader``.
Guarantees:  only valid entries count, and the first invalid one is named. A charge is right if none of its three
             figures is lower than this machine computes from the events, less 1e-9 of it and one unit; the largest
             overcharge is reported too, and dp-accounting's price of the totals where it is installed.
See instead: whether the events are those of the plan (only the sites saw the request), signatures (``verify``).
Source:      docs/guarantees.md P4; the accountant's own curves (``rdp``).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from privacy_accounting.audit.chain_reader import (
    Progress,
    ValidPrefix,
    open_file,
    opening,
    read_chain,
    read_entries,
)
from privacy_accounting.audit.external_accountants import external_price, is_installed
from privacy_accounting.decimals import format_decimal
from privacy_accounting.ledger.contents import Charge
from privacy_accounting.ledger.entries import Entry
from privacy_accounting.ledger.pricing import Price, own_price, price_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from privacy_accounting.ledger.state import ChainState
    from privacy_accounting.ledger.storage.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Recomputed:
    """One charge, stated and computed again.

    Attributes:
        number: of the entry.
        stated: figures in the entry.
        computed: figures from its events.
    """

    number: int
    stated: Price
    computed: Price

    @property
    def ok(self) -> bool:
        """Whether the entry states no less than its events cost."""
        return self.stated.covers(self.computed)

    @property
    def excess(self) -> float:
        """How much more than computed was charged, as a part of it."""
        return self.stated.cost / self.computed.cost - 1 if self.computed.cost else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """A second opinion on all charges of one sub-budget, at its delta, minimum over orders.

    Attributes:
        population: whose patients.
        sub_budget: which filter paid.
        delta: at which the epsilons hold, decimal.
        relation: neighboring relation.
        colluding: t, the sites whose noise does not count.
        own: epsilon of this accountant.
        rdp: of dp-accounting by Rényi orders; None where it knows no price.
        pld: of dp-accounting by privacy loss distributions; None where it knows no price.
        difference: own over ``rdp``, less 1.
    """

    population: str
    sub_budget: str
    delta: str
    relation: str
    colluding: int
    own: float
    rdp: float | None
    pld: float | None
    difference: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecomputeReport:
    """All charges of a ledger.

    Attributes:
        charges: how many were computed again.
        wrong: those that state less than their events cost.
        largest_excess: the largest overcharge, as a part of the cost.
        opinions: what dp-accounting says of each sub-budget's charges together; empty if not asked.
        first_bad: number of the first entry that does not hold.
        reason: why it does not.
    """

    charges: int
    wrong: tuple[Recomputed, ...]
    largest_excess: float
    opinions: tuple[Opinion, ...] = ()
    first_bad: int | None = None
    reason: str = ""

    @property
    def ok(self) -> bool:
        """Whether every entry holds and no charge is too low."""
        return not self.wrong and self.first_bad is None

    def to_dict(self) -> dict[str, object]:
        """Give everything as JSON values."""
        return asdict(self) | {"ok": self.ok}


def recompute(
    path: Path, *, progress: Progress | None = None, outside: bool | None = None
) -> RecomputeReport:
    """Price every charge of a ledger file again.

    Args:
        path: of the file.
        progress: called with the number of entries read.
        outside: ask dp-accounting too; by default if it is installed.

    Returns:
        What was found.

    Raises:
        ModuleNotFoundError: dp-accounting was wanted and is not installed.
        LedgerRefusedError: the file is no ledger, or none of its entries holds.
    """
    store = open_file(path)
    try:
        return recompute_store(store, progress=progress, outside=outside)
    finally:
        store.close()


def recompute_store(
    store: Store, *, progress: Progress | None = None, outside: bool | None = None
) -> RecomputeReport:
    """Price every charge of any store again; arguments and errors as ``recompute``."""
    wrong, charges, largest = [], 0, 0.0
    chain = read_chain(store)
    holding = ValidPrefix(store, chain)
    state, _ = opening(holding)
    for result in _charges(holding, state, progress):
        charges += 1
        largest = max(largest, result.excess)
        if not result.ok:
            wrong.append(result)
    asked = is_installed() if outside is None else outside
    opinions = tuple(_opinions(state)) if asked and state.genesis is not None else ()
    return RecomputeReport(
        charges=charges,
        wrong=tuple(wrong),
        largest_excess=largest,
        opinions=opinions,
        first_bad=chain.first_bad,
        reason=chain.reason,
    )


def _opinions(state: ChainState) -> Iterator[Opinion]:
    privacy_filter = state.privacy_filter
    for population, budget in sorted(privacy_filter.populations.items()):
        for name, part in sorted(budget.sub_budgets.items()):
            events = privacy_filter.events(population, name)
            if not events:
                continue
            found = external_price(events, part.delta, privacy_filter.relation)
            yield Opinion(
                population=population,
                sub_budget=name,
                delta=format_decimal(part.delta),
                relation=str(privacy_filter.relation),
                colluding=0 if state.genesis is None else state.genesis.colluding,
                own=found.own,
                rdp=found.rdp,
                pld=found.pld,
                difference=found.difference,
            )


def _charges(store: Store, state: ChainState, progress: Progress | None) -> Iterator[Recomputed]:
    cache = dict[tuple[object, ...], Price]()
    for data in read_entries(store):
        entry = Entry.from_bytes(data)
        state.apply(entry)
        if progress is not None:
            progress(entry.body.number)
        content = entry.body.content
        if isinstance(content, Charge):
            key = (content.events, content.order)
            if key not in cache:
                cache[key] = own_price(content.parsed_events, content.order, state.privacy_filter.relation)
            yield Recomputed(number=entry.body.number, stated=price_of(content), computed=cache[key])

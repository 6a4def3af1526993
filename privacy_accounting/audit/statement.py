"""The account statement: who asked what, when, for which purpose, at what price, and what remains.

Layer:       privacy_accounting.audit, above ``chain_reader``.
Guarantees:  one line per valid entry, in order, with figures that follow from those entries alone; the first invalid
             entry ends the statement and is named; a population with an exact disclosure says so, because its epsilon
             then holds only given that disclosure.
See instead: the site's own notes, other sites' files (``verify``), pictures (``report``).
Source:      docs/guarantees.md P4, P8.
"""

from __future__ import annotations

import decimal
import json
from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Final

from privacy_accounting.audit.chain_reader import ValidPrefix, open_file, opening, read_chain, read_entries
from privacy_accounting.budget.totals import readable
from privacy_accounting.decimals import format_decimal, rounded_up
from privacy_accounting.ledger.changes.agreement_change import AgreementChange
from privacy_accounting.ledger.changes.members_change import MembersChange
from privacy_accounting.ledger.changes.order_change import OrderChange
from privacy_accounting.ledger.changes.role_change import RoleChange
from privacy_accounting.ledger.changes.table_version import TableVersion
from privacy_accounting.ledger.clock import ClockCorrection
from privacy_accounting.ledger.contents import BudgetChange, Cancel, Charge, Exact
from privacy_accounting.ledger.entries import Body, Entry

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pandas as pd

    from privacy_accounting.budget.privacy_filter import PrivacyFilter
    from privacy_accounting.ledger.state import ChainState
    from privacy_accounting.ledger.storage.store import Store

CHANGES: Final = frozenset(
    {"budget", "order", "members", "role", "table", "clock"}
)  # kinds that change the agreement
GIVEN_EXACT: Final = "epsilon holds given the listed exact disclosures"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One entry in plain words.

    Attributes:
        number: of the entry.
        time: seconds since 1970.
        kind: as the ledger spells it.
        population: whose patients; empty where the entry is about none.
        sub_budget: which filter paid.
        analyst: who asked.
        purpose: as declared.
        run: training run, round and attempt.
        price: Rényi cost at the sub-budget's order, decimal; empty without epsilon.
        price_all_but_one: the same if all sites but one collude.
        left: what the sub-budget had left afterwards, decimal.
        remark: what else the entry says.
        request: hash of the analyst's request, hexadecimal; empty where the entry is about none.
    """

    number: int
    time: int
    kind: str
    population: str = ""
    sub_budget: str = ""
    analyst: str = ""
    purpose: str = ""
    run: str = ""
    price: str = ""
    price_all_but_one: str = ""
    left: str = ""
    remark: str = ""
    request: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remaining:
    """The remaining allowance of one sub-budget.

    Attributes:
        population: whose patients.
        sub_budget: which filter.
        epsilon: of the sub-budget, decimal.
        delta: of the sub-budget, decimal.
        relation: neighboring relation.
        colluding: sites whose noise does not count.
        order: at which charges are counted, decimal.
        allowance: decimal, Rényi cost at the order.
        spent: decimal.
        left: decimal.
        fraction_spent: from 0 to 1, rounded to six digits.
        epsilon_spent: minimum over orders, rounded up to six digits, for information; holds if the questions were not adaptive.
        exact_disclosures: about the population.
        remark: what limits the claim.
    """

    population: str
    sub_budget: str
    epsilon: str
    delta: str
    relation: str
    colluding: int
    order: str
    allowance: str
    spent: str
    left: str
    fraction_spent: str
    epsilon_spent: str
    exact_disclosures: int
    remark: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spender:
    """What one analyst has had of one population.

    Attributes:
        population: whose patients.
        analyst: who asked.
        sub_budget: which filter paid; empty on the line of exact disclosures.
        spent: Rényi cost at the sub-budget's order, decimal; empty without epsilon.
        fraction: of the sub-budget's allowance, from 0 to 1, rounded to six digits; empty without epsilon.
        exact_disclosures: answers without epsilon; 0 on the lines of sub-budgets.
    """

    population: str
    analyst: str
    sub_budget: str = ""
    spent: str = ""
    fraction: str = ""
    exact_disclosures: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """All lines of a ledger and what is left.

    Attributes:
        owner: site whose ledger it is.
        lines: one for each entry that holds.
        remaining: of each sub-budget, after those entries.
        spenders: who had how much of whom, after those entries.
        costs: of each charge in the lines, by its entry, the two costs in units of 2^-40, for exact sums.
        first_bad: number of the first entry that does not hold.
        reason: why it does not.
    """

    owner: str
    lines: tuple[Line, ...] = field(repr=False)
    remaining: tuple[Remaining, ...] = field(repr=False)
    spenders: tuple[Spender, ...] = field(default=(), repr=False)
    costs: Mapping[int, tuple[int, int]] = field(default_factory=dict, repr=False)
    first_bad: int | None = None
    reason: str = ""

    @property
    def frame(self) -> pd.DataFrame:
        """The lines as a frame."""
        import pandas as pd

        return pd.DataFrame(
            [asdict(line) for line in self.lines], columns=[each.name for each in fields(Line)]
        )

    def to_dict(self) -> dict[str, object]:
        """Give everything as JSON values."""
        return {
            "owner": self.owner,
            "lines": [asdict(line) for line in self.lines],
            "remaining": [asdict(part) for part in self.remaining],
            "spenders": [asdict(each) for each in self.spenders],
            "first_bad": self.first_bad,
            "reason": self.reason,
        }


def statement(path: Path, *, population: str | None = None) -> Statement:
    """Read a ledger file into a statement.

    Args:
        path: of the file.
        population: only this one; all by default.

    Returns:
        The statement.

    Raises:
        LedgerRefusedError: the file is no ledger, or none of its entries holds.
    """
    store = open_file(path)
    try:
        chain = read_chain(store)
        if not chain.hashes and chain.first_bad is None:
            return Statement(owner=store.owner, lines=(), remaining=())
        report = statement_of(ValidPrefix(store, chain), population=population)
        return replace(report, first_bad=chain.first_bad, reason=chain.reason)
    finally:
        store.close()


def statement_of(store: Store, *, population: str | None = None) -> Statement:
    """Read a store whose entries hold into a statement; arguments as ``statement``."""
    state, _ = opening(store)
    lines: list[Line] = []
    costs: dict[int, tuple[int, int]] = {}
    begins = store.first()
    for data in read_entries(store):
        entry = Entry.from_bytes(data)
        cancelled = _charge_of(entry.body, lines, begins)
        state.apply(entry)
        lines.append(_line(entry.body, state, cancelled))
        if isinstance(entry.body.content, Charge):
            costs[entry.body.number] = (entry.body.content.cost, entry.body.content.cost_all_but_one)
    if state.genesis is None:
        return Statement(owner=store.owner, lines=(), remaining=())
    wanted = [line for line in lines if population in {None, line.population}]
    return Statement(
        owner=store.owner,
        lines=tuple(wanted),
        remaining=_remaining(state, population),
        spenders=_spenders(state.privacy_filter, population),
        costs=costs,
    )


def _charge_of(body: Body, lines: Sequence[Line], begins: int) -> Line | None:
    """Find the line that a cancellation gives back, if the file holds it."""
    content = body.content
    return lines[content.entry - begins] if isinstance(content, Cancel) and content.entry >= begins else None


def _line(body: Body, state: ChainState, cancelled: Line | None) -> Line:
    line, content = Line(number=body.number, time=body.time, kind=body.kind), body.content
    if isinstance(content, Charge | Exact):
        return _asked(line, content, state.privacy_filter)
    if isinstance(content, Cancel) and cancelled is not None:
        return _cancelled(line, content, cancelled, state.privacy_filter)
    if isinstance(content, BudgetChange):
        remark = f"epsilon {format_decimal(content.budget.epsilon)} from here on"
        return replace(line, population=content.population, remark=remark)
    if isinstance(content, OrderChange):
        remark = f"order {format_decimal(content.order)} from here on"
        return replace(line, population=content.population, sub_budget=content.sub_budget, remark=remark)
    if isinstance(content, MembersChange):
        members = ", ".join(state.members().names)
        remark = f"{content.change} {content.name}; sequencer {content.sequencer}; members {members}"
        return replace(line, remark=remark)
    if isinstance(content, RoleChange):
        cap = f", at most {format_decimal(content.cap)} of each sub-budget" if content.cap else ""
        key = f", key {content.key[:16]}" if content.key else ""
        return replace(line, remark=f"{content.change} {content.role} {content.name}{key}{cap}")
    if isinstance(content, TableVersion):
        return replace(line, remark=f"table {content.table}: version {content.version} from here on")
    if isinstance(content, AgreementChange):
        return replace(line, remark=f"agreement {content.after[:16]} in force from here on")
    if isinstance(content, ClockCorrection):
        return replace(line, remark=f"the entry before was dated {content.given_up - body.time} s ahead")
    return line


def _asked(line: Line, content: Charge | Exact, privacy_filter: PrivacyFilter) -> Line:
    asked = content.asked
    run = f"{asked.run} round {asked.round} attempt {asked.attempt}" if asked.run else ""
    line = replace(
        line,
        population=asked.population,
        analyst=asked.analyst,
        purpose=asked.purpose,
        run=run,
        request=asked.request,
    )
    if isinstance(content, Exact):
        return replace(line, remark=f"exact disclosure to {', '.join(content.receivers)}")
    return replace(
        line,
        sub_budget=content.sub_budget,
        price=readable(content.cost),
        price_all_but_one=readable(content.cost_all_but_one),
        left=_left(privacy_filter, asked.population, content.sub_budget),
    )


def _cancelled(line: Line, content: Cancel, charge: Line, privacy_filter: PrivacyFilter) -> Line:
    left = _left(privacy_filter, charge.population, charge.sub_budget) if charge.sub_budget else ""
    return replace(
        line,
        population=charge.population,
        sub_budget=charge.sub_budget,
        analyst=charge.analyst,
        purpose=charge.purpose,
        left=left,
        remark=f"entry {content.entry} given back",
    )


def _left(privacy_filter: PrivacyFilter, population: str, sub_budget: str) -> str:
    return readable(privacy_filter.remaining(population, sub_budget), decimal.ROUND_DOWN)


def _remaining(state: ChainState, population: str | None) -> tuple[Remaining, ...]:
    rows = [
        _row(state, name, sub_budget)
        for name, budget in sorted(state.privacy_filter.populations.items())
        for sub_budget in sorted(budget.sub_budgets)
        if population in {None, name}
    ]
    return tuple(rows)


def _spenders(privacy_filter: PrivacyFilter, population: str | None) -> tuple[Spender, ...]:
    """List every analyst's share of every sub-budget, then the exact disclosures, population by population."""
    rows = []
    for name, budget in sorted(privacy_filter.populations.items()):
        if population not in {None, name}:
            continue
        for sub_budget, part in sorted(budget.sub_budgets.items()):
            rows += [
                Spender(
                    population=name,
                    analyst=analyst,
                    sub_budget=sub_budget,
                    spent=readable(units),
                    fraction=f"{units / part.allowance:.6f}",
                )
                for analyst, units in sorted(privacy_filter.by_analyst(name, sub_budget).items())
            ]
        rows += [
            Spender(population=name, analyst=analyst, exact_disclosures=number)
            for (where, analyst), number in sorted(privacy_filter.exact_counts.items())
            if where == name
        ]
    return tuple(rows)


def _row(state: ChainState, population: str, sub_budget: str) -> Remaining:
    privacy_filter = state.privacy_filter
    part, exact = (
        privacy_filter.sub_budget(population, sub_budget),
        privacy_filter.exact_disclosures(population),
    )
    return Remaining(
        population=population,
        sub_budget=sub_budget,
        epsilon=format_decimal(part.epsilon),
        delta=format_decimal(part.delta),
        relation=str(privacy_filter.relation),
        colluding=0 if state.genesis is None else state.genesis.colluding,
        order=format_decimal(part.order),
        allowance=readable(part.allowance, decimal.ROUND_DOWN),
        spent=readable(privacy_filter.spent(population, sub_budget)),
        left=_left(privacy_filter, population, sub_budget),
        fraction_spent=f"{float(privacy_filter.fraction_spent(population, sub_budget)):.6f}",
        epsilon_spent=rounded_up(privacy_filter.epsilon_spent(population, sub_budget)),
        exact_disclosures=exact,
        remark=GIVEN_EXACT if exact else "",
    )


def write_lines(report: Statement) -> Sequence[str]:
    """Give the statement as JSON lines, one entry each, for export."""
    return [json.dumps(asdict(line), sort_keys=True, ensure_ascii=True) for line in report.lines]

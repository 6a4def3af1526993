"""Figures of the report: spend over time, remainder, refusals, exact disclosures; from one ledger file.

Layer:       privacy_accounting.report, lowest.
Guarantees:  every figure follows from valid entries (the first invalid one ends the report and is named) and from the
             site's own notes; a figure is never shown without unit, relation, delta and t, which ``Claim`` carries;
             at most 400 points a curve, each the exact total at its time.
See instead: pictures (``charts``), words around them (the template).
Source:      docs/guarantees.md P4, P8.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from privacy_accounting.audit.chain_reader import ValidPrefix, opening, read_chain, read_entries
from privacy_accounting.audit.local_journal import check_notes
from privacy_accounting.audit.selection import Selection
from privacy_accounting.audit.statement import CHANGES, Line, Remaining, Statement, statement_of
from privacy_accounting.budget.totals import readable
from privacy_accounting.errors import AccountingError
from privacy_accounting.ledger.changes.order_change import OrderChange
from privacy_accounting.ledger.clock import ClockCorrection
from privacy_accounting.ledger.contents import Cancel, Charge, Exact
from privacy_accounting.ledger.entries import Entry
from privacy_accounting.ledger.messages import Proposal, Refused, read_answer
from privacy_accounting.ledger.replication.entry_validation import bodies_of
from privacy_accounting.ledger.storage.store import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from privacy_accounting.budget.privacy_filter import PrivacyFilter
    from privacy_accounting.budget.totals import RemainingAllowance
    from privacy_accounting.ledger.state import ChainState
    from privacy_accounting.ledger.storage.store import Store

MAX_POINTS: Final = 400
MAX_ROWS: Final = 200
UNIT: Final = "as the consortium file declares"
"""The ledger does not know whether a table protects patients or rows; who reads it with the file says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The four things without which an epsilon means nothing.

    Attributes:
        unit: whose presence is hidden.
        relation: neighboring relation.
        delta: decimal.
        colluding: t, the sites whose noise does not count.
    """

    unit: str
    relation: str
    delta: str
    colluding: int

    def __str__(self) -> str:
        return f"unit: {self.unit} · relation: {self.relation} · delta: {self.delta} · t: {self.colluding}"


@dataclass(slots=True)
class Curve:
    """Totals of one sub-budget over time, for each purpose or analyst, as a part of the allowance.

    Attributes:
        times: seconds since 1970, ascending.
        totals: for each name its total at each time.
    """

    times: list[int] = field(default_factory=list)
    totals: dict[str, list[float]] = field(default_factory=dict)

    def add(self, time: int, spent: Mapping[str, int], allowance: int) -> None:
        """Append one point; a second one at the same time replaces the first."""
        if self.times and self.times[-1] == time:
            self.times.pop()
            for values in self.totals.values():
                values.pop()
        for name, units in spent.items():
            values = self.totals.setdefault(name, [0.0] * len(self.times))
            values.append(units / allowance)
        self.times.append(time)
        for values in self.totals.values():
            if len(values) < len(self.times):
                values.append(0.0)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is spent in the end, all of it given back or never charged."""
        return not any(values[-1] for values in self.totals.values())

    def thinned(self) -> Curve:
        """Keep at most ``MAX_POINTS`` points, the last among them."""
        step = max(1, -(-len(self.times) // MAX_POINTS))
        places = sorted({*range(0, len(self.times), step), len(self.times) - 1} - {-1})
        return Curve(
            times=[self.times[place] for place in places],
            totals={name: [values[place] for place in places] for name, values in self.totals.items()},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CapRow:
    """A purpose or an analyst: what is gone and what may still be spent, as parts of the allowance."""

    name: str
    spent: float
    cap: float
    left: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One sub-budget on the page."""

    remaining: Remaining
    claim: Claim
    by_purpose: Curve
    by_analyst: Curve
    purposes: tuple[CapRow, ...]
    analysts: tuple[CapRow, ...]
    exact_times: tuple[int, ...]
    refusal_times: tuple[int, ...]

    @property
    def fraction(self) -> float:
        """Spent over allowed."""
        return float(self.remaining.fraction_spent)

    @property
    def is_one_series(self) -> bool:
        """Whether one analyst spent for one purpose alone, so that one picture says it all."""
        return len(self.by_purpose.totals) == len(self.by_analyst.totals) == 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeRow:
    """One private answer or cancellation, or all attempts of one training.

    Attributes:
        entries: number of the entry, or the first and the last.
        time: of the last entry, seconds since 1970.
        share: of the sub-budget's present allowance; None for a cancellation.
        share_all_but_one: the same if all sites but one collude.
        left: share of the allowance after the last entry.
        what: training and number of attempts, or the cancellation; empty for a question.
        request: the request hash; empty for a cancellation.
    """

    entries: str
    time: int
    population: str
    sub_budget: str
    analyst: str
    purpose: str
    share: float | None
    share_all_but_one: float
    left: float
    what: str = ""
    request: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What a request asked, for people; the ledger holds its hash alone.

    Attributes:
        question: in one line; empty where its text is missing.
        epsilon: decimal; empty for an exact answer.
        accuracy: the noise as its plan states it; empty where it is not known.
        text: kept, missing, or changed with the places.
        note: what else a reader should know, such as exact answers that can be subtracted.
    """

    question: str
    epsilon: str
    accuracy: str
    text: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalRow:
    """One request that this site did not sign."""

    time: int
    kind: str
    population: str
    sub_budget: str
    analyst: str
    purpose: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFigures:
    """Everything on the page."""

    owner: str
    chain: str
    head: str
    entries: int
    begins: int
    first_bad: int | None
    reason: str
    findings: tuple[str, ...]
    first_time: int
    last_time: int
    members: tuple[str, ...]
    sequencer: str
    parts: tuple[Part, ...]
    exact: tuple[Line, ...]
    refusals: tuple[RefusalRow, ...]
    refusals_left_out: int
    changes: tuple[Line, ...]
    charges: tuple[ChargeRow, ...]
    charges_left_out: int
    words: Mapping[str, Words]
    listed: str
    exact_in_all: int


def report_figures(
    store: Store,
    units: Mapping[str, str] | None = None,
    words: Mapping[str, Words] | None = None,
    selection: Selection | None = None,
) -> ReportFigures:
    """Read a store.

    Args:
        store: of one site, opened read-only.
        units: whose presence is hidden, by population, for people.
        words: what the requests asked, by their hashes; the ledger does not know.
        selection: which requests to list; totals and pictures are of all.

    Raises:
        LedgerRefusedError: it holds no valid entry.
    """
    chain = read_chain(store)
    findings = tuple(check_notes(store, chain).findings)
    good = ValidPrefix(store, chain)
    shown = statement_of(good)
    refusals, (state, curves) = _refusals(store), _curves(good)
    exact = tuple(line for line in shown.lines if line.kind == "exact")
    named = {row.population: (units or {}).get(row.population, UNIT) for row in shown.remaining}
    parts = tuple(
        _part(row, state, curves, exact, refusals, unit=named[row.population]) for row in shown.remaining
    )
    wanted = selection or Selection()
    charges = _charge_rows(shown, wanted)
    refused = tuple(
        each
        for each in refusals
        if wanted.takes(first=each.time, last=each.time, analyst=each.analyst, purpose=each.purpose)
    )
    times = [line.time for line in shown.lines if line.time]
    return ReportFigures(
        owner=store.owner,
        chain=state.chain,
        head=chain.hashes[-1].hex(),
        entries=len(chain.hashes),
        begins=chain.begins,
        first_bad=chain.first_bad,
        reason=chain.reason,
        findings=findings,
        first_time=min(times, default=0),
        last_time=times[-1] if times else 0,
        members=state.members().names,
        sequencer=state.members().sequencer,
        parts=parts,
        exact=tuple(line for line in exact if _is_wanted(line, line, wanted)),
        refusals=refused[-MAX_ROWS:],
        refusals_left_out=max(0, len(refused) - MAX_ROWS),
        changes=tuple(line for line in shown.lines if line.kind in CHANGES),
        charges=tuple(charges[-MAX_ROWS:]),
        charges_left_out=max(0, len(charges) - MAX_ROWS),
        words=words or {},
        listed=wanted.text,
        exact_in_all=len(exact),
    )


def _is_wanted(first: Line, last: Line, selection: Selection) -> bool:
    return selection.takes(
        first=first.time,
        last=last.time,
        analyst=first.analyst,
        purpose=first.purpose,
        population=first.population,
    )


def _charge_rows(shown: Statement, selection: Selection) -> list[ChargeRow]:
    """One row for each question and cancellation, and one for all attempts of a training."""
    allowed = {(row.population, row.sub_budget): float(row.allowance) for row in shown.remaining}
    together: dict[str, list[Line]] = {}
    for line in shown.lines:
        if line.kind in {"charge", "cancel"}:
            together.setdefault(line.run.partition(" ")[0] or f"{line.number}", []).append(line)
    return [
        _charge_row(lines, allowed.get((lines[0].population, lines[0].sub_budget), 0.0) or float("inf"))
        for lines in together.values()
        if _is_wanted(lines[0], lines[-1], selection)
    ]


def _charge_row(lines: Sequence[Line], whole: float) -> ChargeRow:
    """A row of one entry, or of all attempts of a training; ``whole`` is the sub-budget's allowance."""
    first, last = lines[0], lines[-1]
    run = first.run.partition(" ")[0]
    entries = f"{first.number}" if len(lines) == 1 else f"{first.number} to {last.number}"
    return ChargeRow(
        entries=entries,
        time=last.time,
        population=first.population,
        sub_budget=first.sub_budget,
        analyst=first.analyst,
        purpose=first.purpose,
        share=sum(float(line.price) / whole for line in lines) if first.price else None,
        share_all_but_one=sum(float(line.price_all_but_one or 0) / whole for line in lines),
        left=float(last.left or 0) / whole,
        what=f"training {run[:8]}, {len(lines)} attempts" if run else first.remark,
        request=first.request,
    )


def _curves(store: Store) -> tuple[ChainState, dict[tuple[str, str], tuple[Curve, Curve]]]:
    """Fold all entries; after each that moves a total, note it."""
    state, _ = opening(store)
    curves: dict[tuple[str, str], tuple[Curve, Curve]] = {}
    charged: dict[int, tuple[str, str]] = {}
    for data in read_entries(store):
        entry = Entry.from_bytes(data)
        state.apply(entry)
        body, touched = entry.body, list[tuple[str, str]]()
        content = body.content
        if isinstance(content, Charge):
            charged[body.number] = (content.asked.population, content.sub_budget)
            touched = [charged[body.number]]
        elif isinstance(content, Cancel):
            touched = [charged[content.entry]] if content.entry in charged else []
        elif isinstance(content, OrderChange):
            touched = [(content.population, content.sub_budget)]
        elif isinstance(content, ClockCorrection):
            for curve in (curve for pair in curves.values() for curve in pair):
                curve.times = [min(time, body.time) for time in curve.times]
        for key in touched:
            _note(curves.setdefault(key, (Curve(), Curve())), key, body.time, state.privacy_filter)
    return state, curves


def _note(pair: tuple[Curve, Curve], key: tuple[str, str], time: int, privacy_filter: PrivacyFilter) -> None:
    allowance = privacy_filter.sub_budget(*key).allowance
    pair[0].add(time, privacy_filter.by_purpose(*key), allowance)
    pair[1].add(time, privacy_filter.by_analyst(*key), allowance)


def _part(
    row: Remaining,
    state: ChainState,
    curves: Mapping[tuple[str, str], tuple[Curve, Curve]],
    exact: tuple[Line, ...],
    refusals: tuple[RefusalRow, ...],
    *,
    unit: str,
) -> Part:
    key, privacy_filter = (row.population, row.sub_budget), state.privacy_filter
    purposes, analysts = curves.get(key, (Curve(), Curve()))
    budget, limit = privacy_filter.populations[row.population], privacy_filter.limits(*key)[0]
    return Part(
        remaining=row,
        claim=Claim(unit=unit, relation=row.relation, delta=row.delta, colluding=row.colluding),
        by_purpose=purposes.thinned(),
        by_analyst=analysts.thinned(),
        purposes=_caps(privacy_filter.by_purpose(*key), budget.purpose_caps, budget.purpose_cap, limit),
        analysts=_caps(privacy_filter.by_analyst(*key), budget.analyst_caps, budget.analyst_cap, limit),
        exact_times=tuple(line.time for line in exact if line.population == row.population),
        refusal_times=tuple(
            each.time for each in refusals if (each.population, each.sub_budget) == key and each.time
        ),
    )


def _caps(
    spent: Mapping[str, int],
    caps: Mapping[str, Fraction],
    cap_of: Callable[[str, int], int],
    limit: RemainingAllowance,
) -> tuple[CapRow, ...]:
    """List names with a spend or a cap of their own; what is left of the sub-budget bounds what is left of a cap."""
    whole, rows = float(Fraction(1, limit.allowance)), list[CapRow]()
    for name in sorted({*spent, *caps} - {"*"}):
        gone, cap = spent.get(name, 0), cap_of(name, limit.allowance)
        left = min(limit.remaining, max(0, cap - gone))
        rows.append(CapRow(name=name, spent=gone * whole, cap=cap * whole, left=left * whole))
    return tuple(rows)


# -- refusals ----------------------------------------------------------------------------------------------


def _refusals(store: Store) -> tuple[RefusalRow, ...]:
    """List what the site refused to sign; the request itself is in the proposal that it received."""
    received = {note.digest: note.payload for note in store.notes(Table.RECEIVED)}
    rows = []
    for note in store.notes(Table.ANSWERS):
        try:
            answer = read_answer(note.payload)
            if isinstance(answer, Refused):
                rows += _rows(answer, received.get(note.digest))
        except AccountingError:
            continue  # ``verify`` reports a note that cannot be read
    return tuple(rows)


def _rows(answer: Refused, proposal: bytes | None) -> list[RefusalRow]:
    bodies = [] if proposal is None else [body for _, body in bodies_of(Proposal.from_bytes(proposal).bodies)]
    rows = []
    for refusal in answer.refusals:
        body = bodies[refusal.entry] if refusal.entry < len(bodies) else None
        content = None if body is None else body.content
        asked = content.asked if isinstance(content, Charge | Exact) else None
        rows.append(
            RefusalRow(
                time=0 if body is None else body.time,
                kind="" if body is None else body.kind,
                population=asked.population if asked else "",
                sub_budget=content.sub_budget if isinstance(content, Charge) else "",
                analyst=asked.analyst if asked else "",
                purpose=asked.purpose if asked else "",
                why=_why(refusal.code, refusal.fields),
            )
        )
    return rows


def _why(code: str, fields: Mapping[str, str]) -> str:
    if code == "BudgetExceededError":
        figures = [f"{name} {_units(fields.get(name, ''))}" for name in ("requested", "spent", "remaining")]
        return f"over budget: {', '.join(figures)} (Rényi cost at the sub-budget's order)"
    return fields.get("reason", code)


def _units(text: str) -> str:
    return readable(int(text)) if text.isdigit() else text

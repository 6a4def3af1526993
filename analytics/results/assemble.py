"""Assembles the answer's rows from opened integers: removes weights, applies formulas, sorts.

Layer:       analytics above plan, statistics and result.
Guarantees:  public arithmetic only; nothing is hidden here that was not already closed on shares.
See instead: recombining shares (release).
Source:      ours.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

from analytics.errors import ReleaseRefusedError
from analytics.plans.context import guard_text
from analytics.results.result import Cell, Interval, Kind, Result
from analytics.results.sampling import no_sampling, sampling_of
from analytics.schema import CategoricalColumn, NumericColumn
from analytics.sql.query import AggregateOutput, GroupKey
from analytics.sql.terms.expressions import bounds
from analytics.statistics.uncertainty.bounded import Span
from analytics.statistics.uncertainty.estimates import NA, Estimate, Opened
from analytics.statistics.uncertainty.intervals import HeavyTailed, Rounded, SumInterval, Widened
from privacy_accounting.decimals import format_decimal
from privacy_accounting.events import event_to_dict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from analytics.plans.plan import Plan
    from analytics.statistics.aggregate import PlanColumn
    from analytics.statistics.uncertainty.noise_law import NoiseLaw
    from analytics.statistics.uncertainty.sampling import Sampling

    Figures = Mapping[int, Opened | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """One group's cells, their errors and intervals, what is closed or flagged, its sampling, what it is sorted by."""

    cells: tuple[Cell, ...]
    errors: tuple[float | None, ...]
    intervals: tuple[Interval | None, ...]
    closed: tuple[bool, ...]
    few: tuple[bool, ...]
    samplings: tuple[Sampling | None, ...]
    sort_keys: tuple[Cell, ...]


def finish(
    plan: Plan,
    opened: Sequence[int | None],
    *,
    cost: Mapping[str, object] | None = None,
    receipt: Mapping[str, object] | None = None,
) -> Result:
    """Make the answer.

    Visible to: the analyst alone.

    Args:
        plan: the plan that ran.
        opened: the opened integers, in the order of ``plan.opened``; None where the guard kept a figure
            closed.
        cost: what was charged; default: what the plan says.
        receipt: the ledger's receipt.

    Returns:
        The answer; exact with NA in cells that need a closed figure or divide by nothing, private without NA.

    Raises:
        ReleaseRefusedError: not one integer, or None, for each opened figure.
    """
    figures = plan.opened
    if len(opened) != len(figures):
        raise ReleaseRefusedError(
            rule="opening_length",
            reason=f"{len(opened)} integers were opened, the plan has {len(figures)}",
        )
    values = {
        figure: None if integer is None else _opened(plan, figure, integer)
        for figure, integer in zip(figures, opened, strict=True)
    }
    return finish_figures(plan, values, cost=cost, receipt=receipt)


def finish_figures(
    plan: Plan,
    values: Figures,
    *,
    cost: Mapping[str, object] | None = None,
    receipt: Mapping[str, object] | None = None,
    shown: Mapping[int, float] | None = None,
) -> Result:
    """Make the answer from figures whose noise need not be the plan's own.

    Visible to: the analyst alone.

    Args:
        plan: the question's plan.
        values: of each opened figure its value and the noise on it; None where the guard kept it closed.
        cost: as for ``finish``.
        receipt: as for ``finish``.
        shown: of each count, the biased figure that is shown in its place, without a standard error; the interval stays.

    Returns:
        As ``finish``.
    """
    rows = [_row(plan, group, values, shown) for group in range(plan.n_groups)]
    rows = _sorted(plan, rows)[: plan.limit]
    names = tuple(column.name for column in plan.columns)
    return Result(
        columns=names,
        kinds=tuple(_kind(plan, column) for column in plan.columns),
        rows=tuple(row.cells for row in rows),
        errors=tuple(row.errors for row in rows),
        intervals=tuple(row.intervals for row in rows),
        keys=tuple(place for place, column in enumerate(plan.columns) if column.key is not None),
        suppressed=_places(names, [row.closed for row in rows]),
        too_few=_places(names, [row.few for row in rows]),
        samplings=tuple(row.samplings for row in rows),
        no_sampling={
            column.name: reason
            for place, column in enumerate(plan.columns)
            if (reason := no_sampling(plan, place, span_of(plan, place), is_biased=shown is not None))
        },
        cost=dict(plan_cost(plan) if cost is None else cost),
        receipt=dict(receipt or {}),
    )


def plan_cost(plan: Plan) -> dict[str, object]:
    """What a plan costs, as a receipt shows it.

    Args:
        plan: any plan.

    Returns:
        Mode, and for private plans epsilon with all that it depends on.
    """
    table, context = plan.query.table, plan.context
    shape: dict[str, object] = {
        "mode": plan.mode,
        "population": table.population,
        "privacy_unit": table.privacy_unit,
        "max_sites_per_unit": table.sites_per_unit(context.n_sites),
    }
    if plan.epsilon is None:
        return shape | {
            "minimum_cell": context.minimum_cell,
            "threshold": plan.threshold,
            "suppressed_where": suppressed_where(plan),
        }
    return shape | {
        "epsilon": format_decimal(plan.epsilon),
        "delta": format_decimal(context.delta),
        "relation": context.relation,
        "colluding": context.colluding,
        "events": [event_to_dict(event) for event in plan.cost],
        **({} if plan.mechanism is None else {"mechanism": plan.mechanism, "noise": plan.noise_name}),
    }


def suppressed_where(plan: Plan) -> str:
    """Which cells of an exact answer stay closed, and why at this number, in one sentence.

    Args:
        plan: an exact plan.

    Returns:
        The sentence, without a full stop.
    """
    cell, sites = plan.context.minimum_cell, plan.query.table.sites_per_unit(plan.context.n_sites)
    if not cell:
        return "no minimum cell is set, so no cell is suppressed"
    return (
        f"a cell is suppressed unless at least {plan.threshold} privacy units stand behind it and behind every count "
        f"that it would tell: {guard_text(cell, sites)} at which one unit may be"
    )


def _places(names: Sequence[str], marks: Sequence[Sequence[bool]]) -> tuple[tuple[int, str], ...]:
    """(row, column) of each mark."""
    return tuple(
        (number, names[place]) for number, row in enumerate(marks) for place, mark in enumerate(row) if mark
    )


def _opened(plan: Plan, figure: int, integer: int) -> Opened:
    number = figure // plan.n_groups
    law = plan.noise_law(number)
    heavy = law if plan.mode == "private" and law.scale is not None else None
    return Opened(value=Fraction(integer, law.weight), noise_sd=law.sd, law=heavy)


def _row(plan: Plan, group: int, values: Figures, shown: Mapping[int, float] | None) -> _Row:
    labels = group_labels(plan.groups, group)
    cells: list[Cell] = []
    found: list[Estimate | None] = []
    keys: list[Cell] = []
    for number, column in enumerate(plan.columns):
        if column.key is not None:
            place, label = labels[column.key]
            binned = isinstance(plan.groups[column.key].column, NumericColumn)
            cells.append(label)
            found.append(NA)
            keys.append(place if binned and label is not None else label)
            continue
        made = _estimate(plan, number, group, values)
        if shown is not None and made is not None:
            made = _moved(made, shown[column.blocks[0][1] * plan.n_groups + group])
        cell = None if made is None or made.value is None else _cell(plan, column, made.value)
        cells.append(cell)
        found.append(made)
        keys.append(cell)
    return _Row(
        cells=tuple(cells),
        errors=tuple(None if each is None else each.standard_error for each in found),
        intervals=tuple(None if each is None else each.interval for each in found),
        closed=tuple(each is None for each in found),
        few=tuple(each is not None and each.is_too_few for each in found),
        samplings=tuple(
            None
            if each is None or shown is not None
            else sampling_of(plan, place, group, values, each, span_of(plan, place))
            for place, each in enumerate(found)
        ),
        sort_keys=tuple(keys),
    )


def group_labels(keys: Sequence[GroupKey], group: int) -> list[tuple[int, str | int | bool | None]]:
    """The place and label of every key in one group.

    Args:
        keys: the keys of GROUP BY.
        group: the group's index, mixed radix with the last key fastest.

    Returns:
        For each key the place of its label and the label.
    """
    found: list[tuple[int, str | int | bool | None]] = []
    for key in reversed(keys):
        group, place = divmod(group, len(key.labels))
        found.append((place, key.labels[place]))
    return found[::-1]


def _estimate(plan: Plan, place: int, group: int, values: Figures) -> Estimate | None:
    """The cell's estimate; None where a figure it needs is closed."""
    column, parts = plan.columns[place], {}
    for part, number in column.blocks:
        opened = values[number * plan.n_groups + group]
        if opened is None:
            return None
        parts[part] = opened
    if column.aggregate is None:
        return NA
    if plan.mode == "exact":
        return column.aggregate.estimate(column, parts)
    found = column.aggregate.bounded(column, parts, span_of(plan, place))
    found = _with_tails(found, tuple(each.law for each in parts.values() if each.law is not None))
    return _whole(found) if _kind(plan, column) == "integer" else found


def _whole(found: Estimate) -> Estimate:
    """A figure that is whole without noise, as a whole number: a public weight divides noise into parts of a step."""
    if found.value is None or not isinstance(found.interval, SumInterval | HeavyTailed):
        return found
    value = Fraction(round(found.value))
    return replace(found, value=value, interval=Rounded(interval=found.interval, value=float(value)))


def _moved(found: Estimate, value: float) -> Estimate:
    """A biased figure in the place of an estimate: no standard error; the interval stays, widened to the figure."""
    if found.interval is None or isinstance(found.interval, Widened):
        return found
    whole = Fraction(round(value))
    interval = Widened(interval=found.interval, value=float(whole))
    return replace(found, value=whole, standard_error=None, interval=interval)


def _with_tails(found: Estimate, laws: tuple[NoiseLaw, ...]) -> Estimate:
    """An interval that covers under Laplace noise too."""
    if found.interval is None or isinstance(found.interval, HeavyTailed | Rounded | Widened):
        return found
    if not laws:
        return found
    return replace(found, interval=HeavyTailed(interval=found.interval, laws=laws))


def span_of(plan: Plan, place: int) -> Span:
    """What is public of a column's argument.

    Args:
        plan: any plan.
        place: the column.
    """
    output = plan.query.outputs[place]
    argument = output.argument if isinstance(output, AggregateOutput) else None
    lower, upper = (0, 0) if argument is None else bounds(argument.expression)
    return Span(lower=lower, upper=upper, n_rows=plan.context.n_sites * plan.query.table.rows_max)


def is_shown_whole(plan: Plan, place: int) -> bool:
    """Whether a column's figures are whole numbers; the noise of a private plan is then rounded with them."""
    return _kind(plan, plan.columns[place]) == "integer"


def _kind(plan: Plan, column: PlanColumn) -> Kind:
    """Type of a column, from public facts alone so that it never depends on the data."""
    if column.key is not None:
        key = plan.groups[column.key].column
        if isinstance(key, CategoricalColumn):
            return "integer" if isinstance(key.domain[0], int) else "text"
        return "text" if isinstance(key, NumericColumn) else "boolean"
    is_whole = column.aggregate is not None and column.aggregate.is_whole
    return "integer" if is_whole and column.unit.denominator == 1 else "number"


def _cell(plan: Plan, column: PlanColumn, value: Fraction | float) -> Cell:
    return int(value) if _kind(plan, column) == "integer" else float(value)


def _sorted(plan: Plan, rows: list[_Row]) -> list[_Row]:
    """ORDER BY: stable, one key after the other from the last."""
    for item in reversed(plan.order):
        first = item.nulls_first != item.descending  # reverse=True turns the order of NA round as well

        def key(row: _Row, place: int = item.output, *, first: bool = first) -> tuple[bool, Cell]:
            value = row.sort_keys[place]
            return ((value is None) != first, 0 if value is None else value)

        rows = sorted(rows, key=key, reverse=item.descending)
    return rows

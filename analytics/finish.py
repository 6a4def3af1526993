"""Opened integers to the SELECT's rows: weights off, formulas, sorting.

Floor:    analytics above plan, statistics and result.
Promise:  public arithmetic only; nothing is hidden here that was not already closed on shares.
Not here: recombining shares (release).
Source:   ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from analytics.errors import ReleaseRefusedError
from analytics.result import Cell, Kind, Result
from analytics.schema import CategoricalColumn, NumericColumn
from analytics.sql.query import Aggregate, GroupKey
from analytics.statistics.moments import Estimate, Opened, estimate
from privacy_accounting.decimals import format_decimal
from privacy_accounting.events import event_to_dict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from analytics.plan import Plan
    from analytics.planning.layout import PlanColumn

_WHOLE = frozenset({Aggregate.COUNT_ROWS, Aggregate.COUNT, Aggregate.COUNT_UNITS, Aggregate.SUM})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """One group's cells, their errors, what is closed, and what the row is sorted by."""

    cells: tuple[Cell, ...]
    errors: tuple[float | None, ...]
    closed: tuple[bool, ...]
    sort_keys: tuple[Cell, ...]


def finish(
    plan: Plan,
    opened: Sequence[int | None],
    *,
    cost: Mapping[str, object] | None = None,
    receipt: Mapping[str, object] | None = None,
) -> Result:
    """Make the answer.

    Sees: the analyst alone.

    Args:
        plan: the plan that ran.
        opened: the opened integers, in the order of ``plan.opened``; None where the guard kept a figure
            closed.
        cost: what was charged; default: what the plan says.
        receipt: the ledger's receipt.

    Returns:
        The answer, with NA in cells that need a closed figure.

    Raises:
        ReleaseRefusedError: not one integer, or None, for each opened figure.
    """
    figures = plan.opened
    if len(opened) != len(figures):
        raise ReleaseRefusedError(
            rule="opening_length",
            reason=f"{len(opened)} integers were opened where the plan names {len(figures)}",
        )
    values = dict(zip(figures, opened, strict=True))
    rows = [_row(plan, group, values) for group in range(plan.n_groups)]
    rows = _sorted(plan, rows)[: plan.limit]
    names = tuple(column.name for column in plan.columns)
    return Result(
        columns=names,
        kinds=tuple(_kind(plan, column) for column in plan.columns),
        rows=tuple(row.cells for row in rows),
        errors=tuple(row.errors for row in rows),
        suppressed=tuple(
            (number, names[place])
            for number, row in enumerate(rows)
            for place, closed in enumerate(row.closed)
            if closed
        ),
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
        return shape | {"minimum_cell": context.minimum_cell}
    return shape | {
        "epsilon": format_decimal(plan.epsilon),
        "delta": format_decimal(context.delta),
        "relation": context.relation,
        "colluding": context.colluding,
        "events": [event_to_dict(event) for event in plan.cost],
    }


def _row(plan: Plan, group: int, values: Mapping[int, int | None]) -> _Row:
    labels = group_labels(plan.groups, group)
    cells: list[Cell] = []
    errors: list[float | None] = []
    closed: list[bool] = []
    keys: list[Cell] = []
    for column in plan.columns:
        if column.key is not None:
            place, label = labels[column.key]
            binned = isinstance(plan.groups[column.key].column, NumericColumn)
            cells.append(label)
            errors.append(None)
            closed.append(False)
            keys.append(place if binned and label is not None else label)
            continue
        found = _estimate(plan, column, group, values)
        cell = None if found is None or found.value is None else _cell(plan, column, found.value)
        cells.append(cell)
        errors.append(None if found is None or cell is None else found.standard_error)
        closed.append(found is None)
        keys.append(cell)
    return _Row(cells=tuple(cells), errors=tuple(errors), closed=tuple(closed), sort_keys=tuple(keys))


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


def _estimate(
    plan: Plan, column: PlanColumn, group: int, values: Mapping[int, int | None]
) -> Estimate | None:
    """The cell's estimate; None where a figure it needs is closed."""
    parts = {}
    for measure, number in column.blocks:
        integer = values[number * plan.n_groups + group]
        if integer is None:
            return None
        parts[measure] = Opened(
            value=Fraction(integer, plan.blocks[number].weight), noise_sd=plan.noise_sd(number)
        )
    return estimate(column, parts)


def _kind(plan: Plan, column: PlanColumn) -> Kind:
    """Type of a column, from the plan alone so that it never depends on the data."""
    if column.key is not None:
        key = plan.groups[column.key].column
        if isinstance(key, CategoricalColumn):
            return "integer" if isinstance(key.domain[0], int) else "text"
        return "text" if isinstance(key, NumericColumn) else "boolean"
    weights = [plan.blocks[number].weight for _, number in column.blocks]
    whole = column.aggregate in _WHOLE and column.unit.denominator == 1 and set(weights) == {1}
    return "integer" if whole else "number"


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

"""Whom the figures of an exact question count, and whether two questions could be subtracted from each other.

Layer:       analytics.plans, above block_layout and groups. Pure: public facts alone.
Terms:       a *population* is those rows that one kind of figure of a question counts, divided into *cells*, the groups.
Guarantees:  two populations whose cells are equal or lie apart for every row that the schema allows are told from those
             that overlap; where there are too many combinations to look at, they count as overlapping.
See instead: how many people the difference has, at one site (``analytics.sources.population_overlap``).
Source:      ours; docs/accounting.md, "Exact answers that can be subtracted".
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Final

from analytics.plans.block_layout import lay_out
from analytics.plans.groups import group_index
from analytics.schema import BooleanColumn, CategoricalColumn, IdentifierColumn, NumericColumn
from analytics.sql.terms.evaluate import integer_at
from analytics.sql.terms.expressions import (
    Both,
    Choice,
    ColumnIndex,
    Flag,
    Integer,
    Is,
    Missing,
    Not,
    TruthValue,
    columns_in,
)
from analytics.sql.terms.render import render_integer
from analytics.statistics.blocks import is_always_known

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.schema import Table
    from analytics.sql.query import BoundQuery, GroupColumn, GroupKey
    from analytics.sql.terms.expressions import Condition

MOST_ATOMS: Final = 4_096


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """One population of a question.

    Attributes:
        table: of which it is a part.
        cell: the number of a row's cell; NULL where the row does not count.
        local_cell: the same where rows may lack a value that the schema declares as always known: they do not count.
        keys: the keys of GROUP BY, which name the cells.
    """

    table: Table
    cell: Integer
    local_cell: Integer
    keys: tuple[GroupKey, ...]

    @property
    def form(self) -> str:
        """A text that is equal for equal populations."""
        return f"{self.table.name}\n{render_integer(self.local_cell)}"

    def label(self, cell: int) -> str:
        """The name of a cell, from its group's public labels."""
        parts = []
        for key in reversed(self.keys):
            cell, place = divmod(cell, len(key.labels))
            parts.append(f"{key.column.name} = {key.labels[place]}")
        return ", ".join(reversed(parts)) or "all"


def populations_of(query: BoundQuery) -> tuple[Population, ...]:
    """Return whom the opened figures of an exact question count, each population once.

    Raises:
        ExpressionLimitError: the question is at the limits of an expression.
    """
    figures = lay_out(query, centered=False).figures
    arguments = [figure.argument for figure in figures if figure.argument is not None]
    always = dict.fromkeys(each for each in arguments if is_always_known(query.table, each))
    nullable = dict.fromkeys(
        None if each.argument is None or is_always_known(query.table, each.argument) else each.argument
        for each in figures
    )
    index = group_index(query.groups)
    found = []
    for argument in nullable:
        needed = _needed(query, argument)
        found.append(
            Population(
                table=query.table,
                cell=_where(needed, index),
                local_cell=_where([*needed, *map(_is_known, always)], index),
                keys=query.groups,
            )
        )
    return tuple(found)


def _needed(query: BoundQuery, argument: Integer | None) -> list[Condition]:
    conditions: list[Condition] = [] if query.where is None else [Is(condition=query.where, value=True)]
    conditions += [_is_known(_value(key.column)) for key in query.groups if not key.column.nullable]
    return conditions if argument is None else [*conditions, _is_known(argument)]


def _where(conditions: Sequence[Condition], index: Integer) -> Integer:
    if not conditions:
        return index
    whole = conditions[0]
    for condition in conditions[1:]:
        whole = Both(left=whole, right=condition)
    return Choice(branches=((whole, index),), default=None)


def _is_known(argument: Integer) -> Condition:
    return Not(condition=Missing(argument=argument))


def _value(column: GroupColumn) -> Integer:
    if isinstance(column, BooleanColumn):
        return TruthValue(condition=Flag(name=column.name))
    if isinstance(column, CategoricalColumn):
        return ColumnIndex(name=column.name, lower=0, upper=len(column.domain) - 1)
    return ColumnIndex(name=column.name, lower=column.grid_lower, upper=column.grid_upper)


def unequal_cells(first: Population, second: Population) -> frozenset[tuple[int, int]] | None:
    """Return the cells of two populations of one table that share rows and are not equal, by public facts.

    Returns:
        Pairs of cells; empty where every two cells are equal or lie apart; None where there are too many combinations
        of values to tell.
    """
    names = sorted(columns_in(first.cell) | columns_in(second.cell))
    values = [_values(first.table, name) for name in names]
    if math.prod(len(each) for each in values) > MOST_ATOMS:
        return None
    sizes: dict[tuple[int | None, int | None], int] = {}
    for atom in product(*values):
        row = dict(zip(names, atom, strict=True))
        cells = integer_at(first.cell, row), integer_at(second.cell, row)
        sizes[cells] = sizes.get(cells, 0) + 1
    ones, others = _totals(sizes, 0), _totals(sizes, 1)
    return frozenset(
        (one, other)
        for (one, other), shared in sizes.items()
        if one is not None and other is not None and not shared == ones[one] == others[other]
    )


def _totals(sizes: dict[tuple[int | None, int | None], int], place: int) -> dict[int | None, int]:
    totals: dict[int | None, int] = {}
    for cells, count in sizes.items():
        totals[cells[place]] = totals.get(cells[place], 0) + count
    return totals


def _values(table: Table, name: str) -> list[int | None]:
    """Values of a column, of which any two that a question can tell apart are there."""
    column = table.columns[name]
    found: list[int | None]
    if isinstance(column, CategoricalColumn):
        found = list(range(len(column.domain)))
    elif isinstance(column, NumericColumn):
        found = list(_grid(column))
    else:
        found = [0, 1]
    nullable = not isinstance(column, IdentifierColumn) and column.nullable
    return [*found, None] if nullable else found


def _grid(column: NumericColumn) -> list[int]:
    """First and last value of each bin; without bins the bounds, since a question may only ask whether there is a value."""
    edges = [int(edge / column.resolution) for edge in column.bins]
    inner = [value for edge in edges[1:-1] for value in (edge - 1, edge)]
    return sorted({column.grid_lower, *inner, column.grid_upper})

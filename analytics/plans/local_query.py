"""The local query of a plan: one scan that gives a row of integers for each group that has rows.

Layer:       analytics.plans above statistics.blocks and sql.render.
Guarantees:  built from the schema's names and integers alone; deterministic; reads one table once, or once for each
             grouping set. No row can make it fail: whatever is computed of a row is one expression of
             ``analytics.sql``, whose every part has a width that planning has checked. Sums are of 128 bits; planning
             keeps what a row adds below 62, so that no table that exists can overflow one. Its length is bounded, and
             with it the work of the database's parser.
Source:      ours.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from analytics.errors import InvalidRequestError
from analytics.plans.groups import group_index
from analytics.sql.expressions import Condition, Integer, Literal, Product, Sum, TruthValue
from analytics.sql.render import quoted, render_condition, render_integer
from analytics.statistics.blocks import BlockSpec, Measure, column_name, in_cell, is_always_known

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.sql.query import BoundQuery

UNIT_COLUMN = "#unit"  # no declared name can hold a number sign
GROUP_COLUMN = "group"
MAX_CHARACTERS = 2_000_000


def local_statement(
    query: BoundQuery, figures: Sequence[BlockSpec], *, filtered: bool, known: Sequence[str] = ()
) -> str:
    """The text of the local scan.

    Args:
        query: the bound question.
        figures: the blocks, in order.
        filtered: whether WHERE may drop rows before aggregation. Exact plans need the rows outside the filter
            too, so there each block filters for itself; rows that lack a value which the schema declares as
            always known are left out of them, so that all such columns are counted over the same rows.
        known: columns whose counts are the count of all rows; rows without a value in one are left out.

    Returns:
        One SELECT; its first column is the group's index, then one integer a block.

    Raises:
        InvalidRequestError: the statement would be too long.
        ExpressionLimitError: a square, or the index of a group, would be beyond the limits of an expression.
    """
    if query.grouping_sets:
        return _over_sets(query, figures, known)
    condition = query.where
    columns = [f"{render_integer(group_index(query.groups))} AS {quoted(GROUP_COLUMN)}"]
    length = len(columns[0])
    for number, block in enumerate(figures):
        columns.append(f"{_block(block, None if filtered else condition)} AS {quoted(f'f{number}')}")
        length += len(columns[-1])
        if length > MAX_CHARACTERS:
            reason = (
                f"becomes a local statement of more than {MAX_CHARACTERS} characters: ask for less at once"
            )
            raise InvalidRequestError(parameter="question", reason=reason)
    needed = [key.column.name for key in query.groups if not key.column.nullable]
    needed += known if filtered else _always_known(query, figures)
    kept = [f"{quoted(name)} IS NOT NULL" for name in dict.fromkeys(needed)]
    if filtered and condition is not None:
        kept.append(render_condition(condition))
    lines = ["SELECT", "  " + ",\n  ".join(columns), f"FROM {quoted(query.table.name)}"]
    if kept:
        lines.append("WHERE " + " AND ".join(kept))
    if query.groups:
        lines.append("GROUP BY 1")
    return "\n".join(lines)


def _over_sets(query: BoundQuery, figures: Sequence[BlockSpec], known: Sequence[str]) -> str:
    """One statement for each grouping set, over the same rows, with the groups numbered through all sets."""
    needed = [key.column.name for key in query.groups if not key.column.nullable]
    needed += _always_known(query, figures)
    statements, one, first = list[str](), "", 0
    names = ", ".join(quoted(f"f{number}") for number in range(len(figures)))
    for each, size in zip(query.grouping_sets, query.set_sizes, strict=True):
        keys = tuple(query.groups[key] for key in each.keys)
        one = local_statement(
            replace(query, groups=keys, grouping_sets=()), figures, filtered=True, known=(*known, *needed)
        )
        group = quoted(GROUP_COLUMN)
        statements.append(f"SELECT {group} + {first} AS {group}, {names} FROM (\n{one}\n) AS {quoted('set')}")  # noqa: S608  quoted names and integers alone
        first += size
    return "\nUNION ALL\n".join(statements) if len(statements) > 1 else one


def _always_known(query: BoundQuery, figures: Sequence[BlockSpec]) -> list[str]:
    """Columns of the figures that the schema declares as not nullable."""
    known = [
        column_name(block.argument)
        for block in figures
        if block.argument is not None and is_always_known(query.table, block.argument)
    ]
    return [name for name in known if name is not None]


def _block(block: BlockSpec, condition: Condition | None) -> str:
    argument = block.argument
    conditions = []
    if condition is not None:
        text = render_condition(condition)
        conditions.append(f"{text} IS NOT TRUE" if block.outside else text)
    if block.measure is Measure.UNITS and argument is not None:
        conditions.append(f"{render_integer(argument)} IS NOT NULL")
    if block.cell is not None and argument is not None:
        conditions.append(render_condition(in_cell(argument, block.cell)))
    kept = f" FILTER (WHERE {' AND '.join(conditions)})" if conditions else ""
    if block.measure is Measure.CELL:
        return f"COUNT(*){kept}"
    if argument is None or block.measure is Measure.UNITS:
        counted = "*" if block.measure is Measure.ROWS else f"DISTINCT {quoted(UNIT_COLUMN)}"
        return f"COUNT({counted}){kept}"
    if block.measure is Measure.COUNT:
        return f"COUNT({_counted(argument)}){kept}"
    return f"COALESCE(SUM({render_integer(_added(block, argument))}){kept}, 0)"


def _added(block: BlockSpec, argument: Integer) -> Integer:
    """What a row adds to a sum: its argument around the center, or the square of that less the offset."""
    centered = _minus(argument, block.center)
    if block.measure is Measure.SUM:
        return centered
    return _minus(Product(left=centered, right=centered), block.offset)


def _counted(argument: Integer) -> str:
    """What is NULL where the argument is; the 0 or 1 of a condition is NULL where the condition is."""
    if isinstance(argument, TruthValue):
        return render_condition(argument.condition)
    return render_integer(argument)


def _minus(expression: Integer, value: int) -> Integer:
    return expression if value == 0 else Sum(left=expression, right=Literal(value=-value))

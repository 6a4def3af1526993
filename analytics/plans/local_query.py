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

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from analytics.errors import InvalidRequestError
from analytics.plans.groups import group_index
from analytics.schema import BooleanColumn, CategoricalColumn
from analytics.sql.terms.expressions import ColumnIndex, Condition, Integer, Literal, Product, Sum, TruthValue
from analytics.sql.terms.render import DUCKDB, quoted, render_condition, render_integer, render_sum
from analytics.statistics.blocks import BlockSpec, Measure, column_name, in_cell, is_always_known

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from analytics.sql.query import BoundQuery
    from analytics.sql.terms.render import Dialect

UNIT_COLUMN = "#unit"  # no declared name can hold a number sign
GROUP_COLUMN = "group"
MAX_CHARACTERS = 2_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalQuery:
    """What ``local_statement`` is made of, for the database of a site that is not the canonical one.

    Attributes:
        query: the bound question.
        figures: the blocks, in order.
        filtered: as ``local_statement`` has it.
        known: as ``local_statement`` has it.
    """

    query: BoundQuery
    figures: tuple[BlockSpec, ...]
    filtered: bool
    known: tuple[str, ...] = ()

    def statements(self, to: Dialect, never_null: Collection[str] = ()) -> list[str]:
        """The scan in a database's own words: one statement, or several where it limits the columns of one.

        Args:
            to: the database.
            never_null: as ``local_statement`` has it.

        Returns:
            Statements whose blocks, one statement after the other, are those of the canonical one.
        """
        most = to.most_columns - 1
        parts = [self.figures[start : start + most] for start in range(0, len(self.figures), most)]
        # all parts scan the same rows: those of the columns that the schema calls always known
        is_stated = self.filtered and not self.query.grouping_sets
        known = self.known if is_stated else (*self.known, *_always_known(self.query, self.figures))
        return [
            local_statement(
                self.query, part, filtered=self.filtered, known=known, to=to, never_null=never_null
            )
            for part in parts
        ]


def local_statement(
    query: BoundQuery,
    figures: Sequence[BlockSpec],
    *,
    filtered: bool,
    known: Sequence[str] = (),
    to: Dialect = DUCKDB,
    never_null: Collection[str] = (),
) -> str:
    """The text of the local scan.

    Args:
        query: the bound question.
        figures: the blocks, in order.
        filtered: whether WHERE may drop rows before aggregation. Exact plans need the rows outside the filter
            too, so there each block filters for itself; rows that lack a value which the schema declares as
            always known are left out of them, so that all such columns are counted over the same rows.
        known: columns whose counts are the count of all rows; rows without a value in one are left out.
        to: the database; the limit holds for the canonical text, which planning writes.
        never_null: columns that have a value in every row of a site's table, so that no condition says it.

    Returns:
        One SELECT; its first column is the group's index, then one integer a block.

    Raises:
        InvalidRequestError: the statement would be too long.
        ExpressionLimitError: a square, or the index of a group, would be beyond the limits of an expression.
    """
    if query.grouping_sets:
        return _over_sets(query, figures, known, to, never_null)
    condition = query.where
    columns = [f"{render_integer(group_index(query.groups), to)} AS {quoted(GROUP_COLUMN)}"]
    length = len(columns[0])
    needed = [key.column.name for key in query.groups if not key.column.nullable]
    needed += known if filtered or known else _always_known(query, figures)
    never = {*never_null, *needed}
    for number, block in enumerate(figures):
        columns.append(
            f"{_block(block, None if filtered else condition, to, never)} AS {quoted(f'f{number}')}"
        )
        length += len(columns[-1])
        if length > MAX_CHARACTERS and to is DUCKDB:
            reason = (
                f"becomes a local statement of more than {MAX_CHARACTERS} characters: ask for less at once"
            )
            raise InvalidRequestError(parameter="question", reason=reason)
    kept = [f"{quoted(name)} IS NOT NULL" for name in dict.fromkeys(needed) if name not in never_null]
    if filtered and condition is not None:
        kept.append(render_condition(condition, to))
    lines = ["SELECT", "  " + ",\n  ".join(columns), f"FROM {quoted(query.table.name)}"]
    if kept:
        lines.append("WHERE " + " AND ".join(kept))
    if query.groups:
        lines.append(f"GROUP BY {_grouped(query, to)}")
    return "\n".join(lines)


def _over_sets(
    query: BoundQuery,
    figures: Sequence[BlockSpec],
    known: Sequence[str],
    to: Dialect,
    never_null: Collection[str],
) -> str:
    """One statement for each grouping set, over the same rows, with the groups numbered through all sets."""
    needed = [key.column.name for key in query.groups if not key.column.nullable]
    needed += _always_known(query, figures)
    statements, one, first = list[str](), "", 0
    names = ", ".join(quoted(f"f{number}") for number in range(len(figures)))
    for each, size in zip(query.grouping_sets, query.set_sizes, strict=True):
        keys = tuple(query.groups[key] for key in each.keys)
        one = local_statement(
            replace(query, groups=keys, grouping_sets=()),
            figures,
            filtered=True,
            known=(*known, *needed),
            to=to,
            never_null=never_null,
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


def _grouped(query: BoundQuery, to: Dialect) -> str:
    """What stands after GROUP BY: the keys' columns where each is one of codes or truth values, else the index.

    Rows of equal columns have one index, and rows of one index are added where they differ in a column.
    """
    several = [key.column for key in query.groups if len(key.labels) > 1]
    has_codes = all(isinstance(column, CategoricalColumn | BooleanColumn) for column in several)
    if not (to.is_brief and has_codes and several):
        return "1"
    table = quoted(query.table.name)  # a column may be called as one of the statement's own
    return ", ".join(f"{table}.{quoted(column.name)}" for column in several)


def _block(block: BlockSpec, condition: Condition | None, to: Dialect, never_null: Collection[str]) -> str:
    argument = block.argument
    conditions = []
    if condition is not None:
        text = render_condition(condition, to)
        conditions.append(f"{text} IS NOT TRUE" if block.outside else text)
    if block.measure is Measure.UNITS and argument is not None:
        conditions.append(f"{render_integer(argument, to)} IS NOT NULL")
    if block.cell is not None and argument is not None:
        conditions.append(render_condition(in_cell(argument, block.cell), to))
    kept = f" FILTER (WHERE {' AND '.join(conditions)})" if conditions else ""
    if block.measure is Measure.CELL and to.adds_cells and conditions:
        return f"COALESCE(SUM(CAST(({' AND '.join(conditions)}) AS BIGINT)), 0)"
    if block.measure is Measure.CELL:
        return f"COUNT(*){kept}"
    if argument is None or block.measure is Measure.UNITS:
        counted = "*" if block.measure is Measure.ROWS else f"DISTINCT {quoted(UNIT_COLUMN)}"
        return f"COUNT({counted}){kept}"
    if block.measure is Measure.COUNT:
        return f"COUNT({_counted(argument, to)}){kept}"
    if to.is_brief and block.measure is Measure.SUM and block.center and isinstance(argument, ColumnIndex):
        counted = "*" if argument.name in never_null else quoted(argument.name)
        center = f"CAST({block.center} AS {to.wide}) * COUNT({counted}){kept}"
        return f"COALESCE({render_sum(argument, to)}{kept} - {center}, 0)"
    return f"COALESCE({render_sum(_added(block, argument), to)}{kept}, 0)"


def _added(block: BlockSpec, argument: Integer) -> Integer:
    """What a row adds to a sum: its argument around the center, or the square of that less the offset."""
    centered = _minus(argument, block.center)
    if block.measure is Measure.SUM:
        return centered
    return _minus(Product(left=centered, right=centered), block.offset)


def _counted(argument: Integer, to: Dialect) -> str:
    """What is NULL where the argument is; the 0 or 1 of a condition is NULL where the condition is."""
    if isinstance(argument, TruthValue):
        return render_condition(argument.condition, to)
    return render_integer(argument, to)


def _minus(expression: Integer, value: int) -> Integer:
    return expression if value == 0 else Sum(left=expression, right=Literal(value=-value))

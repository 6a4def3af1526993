"""The one local statement: one scan, a row of integers for each group that has rows.

Floor:    analytics.planning above figures and sql.render.
Promise:  built from the schema's names and integers alone; deterministic; reads one table once; cannot raise
          for any data that ingest lets in.
Source:   ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analytics.planning.figures import Figures, Measure, column_name, is_always_known
from analytics.schema import BooleanColumn, CategoricalColumn
from analytics.sql.expressions import Condition, Integer, TruthValue
from analytics.sql.render import quoted, render_condition, render_integer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.sql.query import BoundQuery, GroupKey

UNIT_COLUMN = "#unit"  # no declared name can hold a number sign
GROUP_COLUMN = "group"


def local_statement(query: BoundQuery, figures: Sequence[Figures], *, filtered: bool) -> str:
    """The text of the local scan.

    Args:
        query: the bound question.
        figures: the blocks, in order.
        filtered: whether WHERE may drop rows before aggregation. Exact plans need the rows outside the filter
            too, so there each block filters for itself; rows that lack a value which the schema declares as
            always known are left out of them, so that all such columns are counted over the same rows.

    Returns:
        One SELECT; its first column is the group's index, then one integer a block.
    """
    condition = query.where
    columns = [f"{_group(query.groups)} AS {quoted(GROUP_COLUMN)}"]
    for number, block in enumerate(figures):
        columns.append(f"{_block(block, None if filtered else condition)} AS {quoted(f'f{number}')}")
    known = [key.column.name for key in query.groups if not key.column.nullable]
    known += [] if filtered else _always_known(query, figures)
    kept = [f"{quoted(name)} IS NOT NULL" for name in dict.fromkeys(known)]
    if filtered and condition is not None:
        kept.append(render_condition(condition))
    lines = ["SELECT", "  " + ",\n  ".join(columns), f"FROM {quoted(query.table.name)}"]
    if kept:
        lines.append("WHERE " + " AND ".join(kept))
    if query.groups:
        lines.append("GROUP BY 1")
    return "\n".join(lines)


def _always_known(query: BoundQuery, figures: Sequence[Figures]) -> list[str]:
    """Columns of the figures that the schema declares as not nullable."""
    known = [
        column_name(block.argument)
        for block in figures
        if block.argument is not None and is_always_known(query.table, block.argument)
    ]
    return [name for name in known if name is not None]


def _group(keys: Sequence[GroupKey]) -> str:
    """Index of a row's group: mixed radix over the keys, the last one fastest."""
    text = "0"
    for number, key in enumerate(keys):
        text = _key(key) if number == 0 else f"({text}) * {len(key.labels)} + {_key(key)}"
    return text


def _key(key: GroupKey) -> str:
    """Index of a row's label within one key; NULL where the row belongs to no group."""
    column, name = key.column, quoted(key.column.name)
    null = len(key.labels) - 1
    if isinstance(column, CategoricalColumn):
        return f"COALESCE({name}, {null})" if column.nullable else name
    default = f" ELSE {null}" if column.nullable else ""
    if isinstance(column, BooleanColumn):
        return f"CASE WHEN {name} THEN 1 WHEN NOT {name} THEN 0{default} END"
    edges = [int(edge / column.resolution) for edge in column.bins[1:-1]]
    steps = [f"WHEN {name} < {edge} THEN {number}" for number, edge in enumerate(edges)]
    return f"CASE {' '.join([*steps, f'WHEN {name} IS NOT NULL THEN {len(edges)}'])}{default} END"


def _block(block: Figures, condition: Condition | None) -> str:
    argument = None if block.argument is None else render_integer(block.argument)
    conditions = []
    if condition is not None:
        text = render_condition(condition)
        conditions.append(f"{text} IS NOT TRUE" if block.outside else text)
    if block.measure is Measure.UNITS and argument is not None:
        conditions.append(f"{argument} IS NOT NULL")
    kept = f" FILTER (WHERE {' AND '.join(conditions)})" if conditions else ""
    if argument is None or block.measure is Measure.UNITS:
        counted = "*" if block.measure is Measure.ROWS else f"DISTINCT {quoted(UNIT_COLUMN)}"
        return f"COUNT({counted}){kept}"
    if block.measure is Measure.COUNT:
        return f"COUNT({_counted(block.argument)}){kept}"
    centered = _minus(argument, block.center)
    if block.measure is Measure.SUM:
        return f"COALESCE(SUM({centered}){kept}, 0)"
    return f"COALESCE(SUM({_minus(f'({centered}) * ({centered})', block.offset)}){kept}, 0)"


def _counted(argument: Integer | None) -> str:
    """What is NULL where the argument is; the 0 or 1 of a condition is NULL where the condition is."""
    if isinstance(argument, TruthValue):
        return render_condition(argument.condition)
    return "*" if argument is None else render_integer(argument)


def _minus(text: str, value: int) -> str:
    if value == 0:
        return text
    return f"{text} - {value}" if value > 0 else f"{text} + {-value}"

"""Layout of a question: its blocks, each once, and the columns made from them.

Layer:       analytics.plans above statistics.blocks.
Guarantees:  equal questions have equal layouts, in the order of the SELECT; two columns over the same expression
             share their blocks. In private mode the count of a column that the schema declares as always known is the
             count of all rows, over rows in which all such columns of the question are known.
Source:      ours. Centering halves the sensitivity of a sum behind a mean or variance.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from analytics.plans.noise.noise_split import Portion, design_distance, split
from analytics.schema import NumericColumn
from analytics.sql.query import AggregateOutput, BoundQuery, KeyOutput
from analytics.sql.terms.expressions import ColumnIndex
from analytics.statistics.aggregate import PlanColumn, shift_of
from analytics.statistics.aggregates import AGGREGATES
from analytics.statistics.blocks import BlockSpec, Measure, column_name, is_always_known

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.schema import Table
    from analytics.sql.terms.expressions import Integer


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The blocks of a question and its columns.

    Attributes:
        figures: the blocks that will be opened, in order.
        columns: the answer's columns.
        portions: how privacy is divided over the blocks in private mode.
        known: columns without which a row counts nowhere, since their counts are the count of all rows.
    """

    figures: tuple[BlockSpec, ...]
    columns: tuple[PlanColumn, ...]
    portions: tuple[Portion, ...] = ()
    known: tuple[str, ...] = ()


def lay_out(query: BoundQuery, *, centered: bool) -> Layout:
    """Find the blocks and columns of a question.

    Args:
        query: the bound question.
        centered: whether sums behind means are taken around the middle of their bounds (private mode).

    Returns:
        The layout.
    """
    blocks: list[BlockSpec] = []
    shifted = _shifted(query) if centered else frozenset()
    merged = _merged(query) if centered else frozenset()
    columns = tuple(_column(query, output, shifted, merged, blocks) for output in query.outputs)
    if not centered:
        return Layout(figures=tuple(blocks), columns=columns)
    return Layout(
        figures=tuple(blocks),
        columns=columns,
        portions=_portions(query, columns, blocks),
        known=tuple(sorted({name for each in merged if (name := column_name(each)) is not None})),
    )


def _merged(query: BoundQuery) -> frozenset[Integer]:
    """Arguments whose counts are the count of all rows by the schema, where both would be counted."""
    table = query.table
    wanted = [
        block
        for output in query.outputs
        if isinstance(output, AggregateOutput)
        for _, block in AGGREGATES[output.aggregate].blocks(_argument(output), None, table)
    ]
    known = {
        block.argument
        for block in wanted
        if block.measure is Measure.COUNT
        and block.argument is not None
        and is_always_known(table, block.argument)
    }
    has_rows = any(block.measure is Measure.ROWS for block in wanted)
    return frozenset(known) if has_rows or len(known) > 1 else frozenset()


def _argument(output: AggregateOutput) -> Integer | None:
    return None if output.argument is None else output.argument.expression


def _portions(
    query: BoundQuery, columns: Sequence[PlanColumn], blocks: Sequence[BlockSpec]
) -> tuple[Portion, ...]:
    """Divide by what the columns need of each count."""
    needs: dict[int, Fraction | None] = {}
    counts: dict[Integer, int] = {}
    for output, column in zip(query.outputs, columns, strict=True):
        argument = _argument(output) if isinstance(output, AggregateOutput) else None
        parts = dict(column.blocks)
        count = parts.get(Measure.COUNT.value)
        if argument is None or column.aggregate is None or count is None or Measure.SUM.value not in parts:
            needs |= dict.fromkeys(parts.values(), None)  # asked for itself
            continue
        counts.setdefault(argument, count)
        is_total = not column.aggregate.is_centered
        expected = _expected_mean(query.table, argument)
        distance = design_distance(argument, column.center, is_total=is_total, expected=expected)
        earlier = needs.get(count, Fraction(0))
        needs[count] = None if earlier is None else max(earlier, distance)
    return split(blocks, needs, counts)


def _expected_mean(table: Table, argument: Integer) -> Fraction | None:
    """What the schema expects of the mean of a column itself, in steps; None of anything computed from it."""
    column = table.columns[argument.name] if isinstance(argument, ColumnIndex) else None
    if not isinstance(column, NumericColumn) or column.expected_mean is None:
        return None
    return column.expected_mean / column.resolution


def _shifted(query: BoundQuery) -> frozenset[Integer]:
    """Expressions of which a mean or variance is asked: only they profit from centering."""
    return frozenset(
        output.argument.expression
        for output in query.outputs
        if isinstance(output, AggregateOutput)
        and output.argument is not None
        and AGGREGATES[output.aggregate].is_centered
    )


def _column(
    query: BoundQuery,
    output: KeyOutput | AggregateOutput,
    shifted: frozenset[Integer],
    merged: frozenset[Integer],
    blocks: list[BlockSpec],
) -> PlanColumn:
    if isinstance(output, KeyOutput):
        return PlanColumn(name=output.name, key=output.key)
    argument = None if output.argument is None else output.argument.expression
    aggregate = AGGREGATES[output.aggregate]
    shift = shift_of(argument) if argument is not None and argument in shifted else None
    parts = aggregate.blocks(argument, shift, query.table)
    return PlanColumn(
        name=output.name,
        aggregate=aggregate,
        unit=Fraction(1) if output.argument is None else output.argument.unit,
        center=0 if shift is None else shift.center,
        offset=0 if shift is None else shift.offset,
        blocks=tuple((part, _number(_once(block, merged), blocks)) for part, block in parts),
    )


def _once(block: BlockSpec, merged: frozenset[Integer]) -> BlockSpec:
    """The count of all rows in the place of a count that is the same by the schema."""
    if block.measure is Measure.COUNT and block.argument in merged:
        return BlockSpec(measure=Measure.ROWS)
    return block


def _number(block: BlockSpec, blocks: list[BlockSpec]) -> int:
    """The number of a block, which is added where it is new."""
    if block not in blocks:
        blocks.append(block)
    return blocks.index(block)

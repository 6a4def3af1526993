"""Layout of a question: its blocks, each once, and the columns made from them.

Layer:       analytics.plans above statistics.blocks.
Guarantees:  equal questions have equal layouts, in the order of the SELECT; two columns over the same expression
             share their blocks.
Source:      ours. Centering halves the sensitivity of a sum behind a mean or variance (facts: pick per statistic).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from analytics.sql.query import AggregateOutput, BoundQuery, KeyOutput
from analytics.statistics.aggregate import PlanColumn, shift_of
from analytics.statistics.aggregates import AGGREGATES

if TYPE_CHECKING:
    from analytics.sql.expressions import Integer
    from analytics.statistics.blocks import BlockSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The blocks of a question and its columns.

    Attributes:
        figures: the blocks that will be opened, in order.
        columns: the answer's columns.
    """

    figures: tuple[BlockSpec, ...]
    columns: tuple[PlanColumn, ...]


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
    columns = tuple(_column(query, output, shifted, blocks) for output in query.outputs)
    return Layout(figures=tuple(blocks), columns=columns)


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
        blocks=tuple((part, _number(block, blocks)) for part, block in parts),
    )


def _number(block: BlockSpec, blocks: list[BlockSpec]) -> int:
    """The number of a block, which is added where it is new."""
    if block not in blocks:
        blocks.append(block)
    return blocks.index(block)

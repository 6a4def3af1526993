"""Layout of a question: its blocks, each once, and the columns made from them.

Layer:       analytics.plans above statistics.blocks.
Guarantees:  equal questions have equal layouts, in the order of the SELECT; two columns over the same expression
             share their blocks.
Source:      ours. Centering halves the sensitivity of a sum behind a mean or variance (facts: pick per statistic).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from analytics.sql.expressions import Integer, bounds
from analytics.sql.query import Aggregate, AggregateOutput, BoundQuery, KeyOutput
from analytics.statistics.blocks import BlockSpec, Measure
from analytics.statistics.output_column import PlanColumn

_NEEDS: dict[Aggregate, tuple[Measure, ...]] = {
    Aggregate.COUNT_ROWS: (Measure.ROWS,),
    Aggregate.COUNT_UNITS: (Measure.UNITS,),
    Aggregate.COUNT: (Measure.COUNT,),
    Aggregate.SUM: (Measure.SUM,),
    Aggregate.MEAN: (Measure.COUNT, Measure.SUM),
} | dict.fromkeys(
    (
        Aggregate.VARIANCE_SAMPLE,
        Aggregate.VARIANCE_POPULATION,
        Aggregate.DEVIATION_SAMPLE,
        Aggregate.DEVIATION_POPULATION,
    ),
    (Measure.COUNT, Measure.SUM, Measure.SQUARES),
)


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


def count_of(query: BoundQuery, argument: Integer | None, *, outside: bool = False) -> BlockSpec:
    """The block that counts privacy units with a non-NULL argument.

    Args:
        query: the bound question.
        argument: an expression; None counts all rows' units.
        outside: over the rows that the filter leaves out.

    Returns:
        A count of units, which is a count of rows where each unit has one row.
    """
    measure = Measure.UNITS
    if query.table.units_are_rows:
        measure = Measure.ROWS if argument is None else Measure.COUNT
    return BlockSpec(measure=measure, argument=argument, outside=outside)


def _shifted(query: BoundQuery) -> frozenset[Integer]:
    """Expressions of which a mean or variance is asked: only they profit from centering."""
    return frozenset(
        output.argument.expression
        for output in query.outputs
        if isinstance(output, AggregateOutput)
        and output.argument is not None
        and len(_NEEDS[output.aggregate]) > 1
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
    center = offset = 0
    needs = _NEEDS[output.aggregate]
    if argument is not None and argument in shifted:
        lower, upper = bounds(argument)
        center = (lower + upper) // 2
        offset = max(upper - center, center - lower) ** 2 // 2
        needs = (Measure.COUNT, *(need for need in needs if need is not Measure.COUNT))
    numbers = tuple((measure, _number(query, measure, argument, center, offset, blocks)) for measure in needs)
    return PlanColumn(
        name=output.name,
        aggregate=output.aggregate,
        unit=Fraction(1) if output.argument is None else output.argument.unit,
        center=center,
        offset=offset,
        blocks=numbers,
    )


def _number(
    query: BoundQuery,
    measure: Measure,
    argument: Integer | None,
    center: int,
    offset: int,
    blocks: list[BlockSpec],
) -> int:
    """The number of a block, which is added where it is new."""
    if measure is Measure.UNITS:
        block = count_of(query, argument)
    elif measure in {Measure.ROWS, Measure.COUNT}:
        block = BlockSpec(measure=measure, argument=argument)
    else:
        shift = offset if measure is Measure.SQUARES else 0
        block = BlockSpec(measure=measure, argument=argument, center=center, offset=shift)
    if block not in blocks:
        blocks.append(block)
    return blocks.index(block)

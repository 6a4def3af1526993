"""The sampling error of an answer's figures, from the figures of the same answer, or why it has none.

Layer:       analytics.results below assemble; pure, public arithmetic after the opening.
Guarantees:  nothing but the answer's own figures and public numbers is used. Whether a figure has a sampling error, and
             the reason why not, depend on the question and the schema alone.
See instead: the arithmetic (``analytics.statistics.uncertainty.sampling``), what each aggregate needs (``no_sampling`` there).
Source:      ours.
"""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from analytics.sql.query import AggregateOutput
from analytics.statistics.aggregates import AGGREGATES
from analytics.statistics.blocks import Measure
from analytics.statistics.uncertainty.bounded import ends_of, number_of
from analytics.statistics.uncertainty.intervals import HeavyTailed, VarianceInterval
from analytics.statistics.uncertainty.sampling import NoInterval, Rows, Sampled, Spread

if TYPE_CHECKING:
    from collections.abc import Mapping

    from analytics.plans.plan import Plan
    from analytics.sql.terms.expressions import Integer
    from analytics.statistics.aggregate import PlanColumn
    from analytics.statistics.uncertainty.bounded import Span
    from analytics.statistics.uncertainty.estimates import Estimate, Opened, Parts
    from analytics.statistics.uncertainty.noise_law import NoiseLaw
    from analytics.statistics.uncertainty.sampling import Sampling

    Figures = Mapping[int, Opened | None]

_VARIANCE: Final = AGGREGATES["variance_sample"]
SEVERAL_ROWS: Final = (
    "counts rows, and rows of one {unit} are not independent: it is defined for COUNT(DISTINCT {unit}), and where "
    "max_rows_per_unit is 1"
)


def no_sampling(plan: Plan, place: int, span: Span, *, is_biased: bool = False) -> str:
    """Say why a column has no sampling error; empty where it has one, or is a group key.

    Args:
        plan: any plan.
        place: the column.
        span: what is public of its argument.
        is_biased: whether biased figures are shown.
    """
    column, table = plan.columns[place], plan.query.table
    if column.aggregate is None:
        return ""
    if is_biased:
        return "is not defined for figures of a nonnegative table, which are biased"
    if table.max_rows_per_unit > 1 and not column.aggregate.counts_units:
        return SEVERAL_ROWS.format(unit=table.privacy_unit)
    return column.aggregate.no_sampling(span, has_spread=_with_spread(plan, place) is not None)


def sampling_of(
    plan: Plan, place: int, group: int, values: Figures, made: Estimate, span: Span
) -> Sampling | None:
    """What sampling leaves open of one cell.

    Args:
        plan: the question's plan.
        place: the column.
        group: the group.
        values: of each opened figure.
        made: the cell.
        span: what is public of its argument.

    Returns:
        None for NA, and where the column has none.
    """
    column = plan.columns[place]
    if column.aggregate is None or made.value is None or no_sampling(plan, place, span):
        return None
    source = _with_spread(plan, place)
    parts = _parts(plan, column if source is None else source, group, values)
    if parts is None:
        return None
    count = parts.get(Measure.COUNT)
    laws = tuple(each.law for each in parts.values() if each.law is not None)
    ends, _ = ends_of(column.aggregate.public_range(column, span), made.value)
    cell = Sampled(
        ends=ends,
        noise=NoInterval(value=ends.value) if made.interval is None else made.interval,
        rows=None
        if count is None
        else Rows(count=max(1.0, float(count.value)), sd=count.noise_sd, laws=laws),
        spread=None if source is None else _spread(source, parts, span, laws),
    )
    return column.aggregate.sampling(span, cell)


def _argument(plan: Plan, place: int) -> Integer | None:
    output = plan.query.outputs[place]
    if not isinstance(output, AggregateOutput) or output.argument is None:
        return None
    return output.argument.expression


def _with_spread(plan: Plan, place: int) -> PlanColumn | None:
    """A column with count, sum and squares of the same argument."""
    argument = _argument(plan, place)
    for other, column in enumerate(plan.columns):
        if (
            argument is not None
            and _argument(plan, other) == argument
            and Measure.SQUARES in dict(column.blocks)
        ):
            return column
    return None


def _parts(plan: Plan, column: PlanColumn, group: int, values: Figures) -> Parts | None:
    """The opened parts of a column; None where one is closed."""
    found = {part: values[number * plan.n_groups + group] for part, number in column.blocks}
    parts = {part: opened for part, opened in found.items() if opened is not None}
    return parts if len(parts) == len(found) else None


def _spread(column: PlanColumn, parts: Parts, span: Span, laws: tuple[NoiseLaw, ...]) -> Spread:
    """The variance over n - 1 with its noise, and the sum of the squares around 0."""
    count, total, squares = (parts[each] for each in (Measure.COUNT, Measure.SUM, Measure.SQUARES))
    whole = {**parts, Measure.COUNT: replace(count, value=max(count.value, Fraction(2)))}
    made = _VARIANCE.bounded(column, whole, span)
    noise = made.interval
    if isinstance(noise, VarianceInterval) and laws:
        noise = HeavyTailed(interval=noise, laws=laws)
    unit, center = column.unit, column.center
    around_0 = column.offset + center**2
    error = math.hypot(squares.noise_sd, 2 * center * total.noise_sd, around_0 * count.noise_sd)
    variance = float(number_of(made.value))
    return Spread(
        variance=variance,
        noise=NoInterval(value=variance) if noise is None else noise,
        squares=float(unit**2 * (squares.value + around_0 * count.value + 2 * center * total.value)),
        squares_sd=float(unit**2) * error,
    )

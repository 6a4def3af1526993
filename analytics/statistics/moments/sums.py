"""Sums.

Layer:       analytics.statistics.moments above aggregate; pure, public arithmetic after the opening.
Terms:       ``count`` n, ``total`` S = sum of d, where d is the argument's grid integer less the center; values are
             ``unit`` times grid integers.
Source:      ours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from analytics.statistics.aggregate import Aggregate, Range, Shift, count_part, needs_spread, sum_part
from analytics.statistics.blocks import Measure
from analytics.statistics.uncertainty.estimates import Estimate
from analytics.statistics.uncertainty.noise_tails import beyond, combined_beyond
from analytics.statistics.uncertainty.sampling import PoissonSampling, SumSampling

if TYPE_CHECKING:
    from collections.abc import Mapping

    from analytics.schema import Table
    from analytics.sql.terms.expressions import Integer
    from analytics.statistics.aggregate import PlanColumn
    from analytics.statistics.aims import Aim
    from analytics.statistics.blocks import BlockSpec
    from analytics.statistics.uncertainty.bounded import Span
    from analytics.statistics.uncertainty.estimates import Parts
    from analytics.statistics.uncertainty.noise_law import NoiseLaw
    from analytics.statistics.uncertainty.sampling import Sampled, Sampling


@dataclass(frozen=True, slots=True, kw_only=True)
class Total(Aggregate):
    """``SUM(x)``."""

    is_whole: ClassVar[bool] = True

    def blocks(
        self, argument: Integer | None, shift: Shift | None, table: Table
    ) -> tuple[tuple[str, BlockSpec], ...]:
        """The sum; where another column has it centered, that one and the count."""
        del table
        if argument is None:
            return ()
        total = sum_part(argument, shift)
        return (total,) if shift is None else (count_part(argument), total)

    def estimate(self, column: PlanColumn, figures: Parts) -> Estimate:
        """The sum in its units, the center added again."""
        total, unit = figures[Measure.SUM], column.unit
        count = figures.get(Measure.COUNT)
        if count is None:
            return Estimate(value=unit * total.value, standard_error=float(unit) * total.noise_sd)
        value = unit * (total.value + column.center * count.value)
        return Estimate(
            value=value,
            standard_error=float(unit) * math.hypot(total.noise_sd, column.center * count.noise_sd),
        )

    def public_range(self, column: PlanColumn, span: Span) -> Range:
        """All rows at one bound, or none."""
        unit = column.unit
        return unit * min(0, span.lower) * span.n_rows, unit * max(0, span.upper) * span.n_rows

    def miss(self, column: PlanColumn, noise: Mapping[str, NoiseLaw], span: Span, aim: Aim) -> float:
        """The noise on the sum, and where it is centered that on the count times the center."""
        del span
        total, steps = noise[Measure.SUM], aim.within / column.unit
        count = noise.get(Measure.COUNT)
        if count is None or not column.center:
            return beyond(total, steps)
        return combined_beyond([(1.0, total), (float(column.center), count)], float(steps))

    def no_sampling(self, span: Span, *, has_spread: bool) -> str:
        """A sum of 0 and 1 is a count; another needs the spread."""
        return "" if _is_count(span) or has_spread else needs_spread(self)

    def sampling(self, span: Span, cell: Sampled) -> Sampling | None:
        """Of a Poisson variable, simple or compound."""
        if _is_count(span):
            return PoissonSampling(ends=cell.ends, noise=cell.noise, unit=float(cell.ends.high) / span.n_rows)
        if cell.rows is None or cell.spread is None:
            return None
        return SumSampling(ends=cell.ends, noise=cell.noise, rows=cell.rows, spread=cell.spread)


def _is_count(span: Span) -> bool:
    """Whether the argument is 0 or one step."""
    return span.has_two_values and span.lower == 0

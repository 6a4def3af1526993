"""Means.

Layer:       analytics.statistics.moments above aggregate; pure, public arithmetic after the opening.
Terms:       n, S, unit and center as in sums.
Guarantees:  exact figures give exact rationals, rounded to a float once at the very end; standard errors are of the
             noise alone, by the delta method (first order), from the public standard deviations of independent
             blocks.
Source:      textbook moments; delta method.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar

from analytics.errors import InvalidRequestError
from analytics.statistics.aggregate import Aggregate, Range, Shift, count_part, needs_spread, sum_part
from analytics.statistics.blocks import Measure
from analytics.statistics.uncertainty.bounded import divisible, ends_of, is_few, noisy_mean, number_of
from analytics.statistics.uncertainty.estimates import NA, Estimate
from analytics.statistics.uncertainty.intervals import MeanInterval
from analytics.statistics.uncertainty.noise_tails import beyond, combined_beyond
from analytics.statistics.uncertainty.sampling import MeanSampling, ShareSampling

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
class Mean(Aggregate):
    """``AVG(x)``."""

    is_centered: ClassVar[bool] = True
    promised_over: ClassVar[str] = Measure.COUNT.value

    def blocks(
        self, argument: Integer | None, shift: Shift | None, table: Table
    ) -> tuple[tuple[str, BlockSpec], ...]:
        """Count and sum."""
        del table
        return () if argument is None else (count_part(argument), sum_part(argument, shift))

    def estimate(self, column: PlanColumn, figures: Parts) -> Estimate:
        """``c + S / n``; NA over a count that is not above 0."""
        count, total = figures[Measure.COUNT], figures[Measure.SUM]
        if count.value <= 0:
            return NA
        ratio = total.value / count.value
        spread = math.hypot(total.noise_sd, float(ratio) * count.noise_sd)
        return Estimate(
            value=column.unit * (column.center + ratio),
            standard_error=float(column.unit) * spread / float(count.value),
        )

    def public_range(self, column: PlanColumn, span: Span) -> Range:
        """The bounds of the argument."""
        return column.unit * span.lower, column.unit * span.upper

    def miss(self, column: PlanColumn, noise: Mapping[str, NoiseLaw], span: Span, aim: Aim) -> float:
        """The ratio's error at the worst mean within the bounds, over at least the stated rows.

        With noise e on the sum and f on the count n, mean m and distance w, the ratio misses where ``e - (m + w) f > w n``
        or ``-e + (m - w) f > w n``; |m - w| and |m + w| are at most the reach of the argument plus w. A count below 1
        counts as 1, which is taken as a miss.
        """
        total, count = noise[Measure.SUM], noise[Measure.COUNT]
        if aim.n_rows is None:
            reason = (
                f"must be given for {self.sql_names[0]}: how far noise moves a mean depends on how many rows it is over; "
                "state how many privacy units each group has at least, or ask for its COUNT first"
            )
            raise InvalidRequestError(parameter="expected_units", reason=reason)
        within = float(aim.within / column.unit)
        reach = max(abs(span.lower - column.center), abs(span.upper - column.center))
        moved = combined_beyond([(1.0, total), (reach + within, count)], within * aim.n_rows)
        return min(1.0, moved + beyond(count, Fraction(aim.n_rows - 1)) / 2)

    def bounded(self, column: PlanColumn, figures: Parts, span: Span) -> Estimate:
        """In its range, with the interval of a ratio."""
        parts = divisible(figures, 1)
        raw = self.estimate(column, parts)
        ends, value = ends_of(self.public_range(column, span), number_of(raw.value))
        return Estimate(
            value=value,
            standard_error=raw.standard_error,
            is_too_few=value != raw.value or is_few(figures),
            interval=MeanInterval(
                ends=ends, mean=noisy_mean(column.center, parts, span), unit=float(column.unit)
            ),
        )

    def no_sampling(self, span: Span, *, has_spread: bool) -> str:
        """A share has it by itself; another mean needs the spread."""
        return "" if span.has_two_values or has_spread else needs_spread(self)

    def sampling(self, span: Span, cell: Sampled) -> Sampling | None:
        """Of a share, or by Student's t."""
        if cell.rows is None:
            return None
        if span.has_two_values:
            return ShareSampling(ends=cell.ends, noise=cell.noise, rows=cell.rows)
        if cell.spread is None:
            return None
        return MeanSampling(ends=cell.ends, noise=cell.noise, rows=cell.rows, spread=cell.spread)

"""Variances and standard deviations, over n and over n - 1.

Layer:       analytics.statistics.moments above aggregate; pure, public arithmetic after the opening.
Terms:       n, S, unit and center as in sums; ``squares`` Q = sum of (d^2 - q), q the offset.
Guarantees:  as in means.
Source:      textbook moments; delta method. A variance is largest where half of the rows lie at each bound
             (Popoviciu); over ``n - 1`` it is ``n / (n - 1)`` times that, at most twice, at two rows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar

from analytics.statistics.aggregate import Aggregate, Range, Shift, count_part, squares_part, sum_part
from analytics.statistics.blocks import Measure
from analytics.statistics.uncertainty.bounded import divisible, ends_of, is_few, noisy_mean, number_of
from analytics.statistics.uncertainty.estimates import NA, Estimate
from analytics.statistics.uncertainty.intervals import VarianceInterval
from analytics.statistics.uncertainty.sampling import VarianceSampling

if TYPE_CHECKING:
    from analytics.schema import Table
    from analytics.sql.terms.expressions import Integer
    from analytics.statistics.aggregate import PlanColumn
    from analytics.statistics.blocks import BlockSpec
    from analytics.statistics.uncertainty.bounded import Span
    from analytics.statistics.uncertainty.estimates import Parts
    from analytics.statistics.uncertainty.sampling import Sampled, Sampling


@dataclass(frozen=True, slots=True, kw_only=True)
class Variance(Aggregate):
    """A variance, or its root.

    Attributes:
        lost: 1 where the divisor is n - 1.
        is_root: whether it is a standard deviation.
    """

    lost: int
    is_root: bool = False
    is_centered: ClassVar[bool] = True

    def blocks(
        self, argument: Integer | None, shift: Shift | None, table: Table
    ) -> tuple[tuple[str, BlockSpec], ...]:
        """Count, sum and squares."""
        del table
        if argument is None:
            return ()
        return count_part(argument), sum_part(argument, shift), squares_part(argument, shift)

    def estimate(self, column: PlanColumn, figures: Parts) -> Estimate:
        """Sum of squared deviations over ``n - lost``; of a deviation the root."""
        variance = self._variance(column, figures)
        if not self.is_root:
            return variance
        if variance.value is None or variance.standard_error is None or variance.value < 0:
            return NA
        root = math.sqrt(variance.value)
        if root == 0:
            return Estimate(value=0.0, standard_error=None if variance.standard_error else 0.0)
        return Estimate(value=root, standard_error=variance.standard_error / (2 * root))

    def public_range(self, column: PlanColumn, span: Span) -> Range:
        """From 0 to the variance of rows at both bounds."""
        most = column.unit**2 * span.largest_variance * (1 + self.lost)
        return Fraction(0), math.sqrt(most) if self.is_root else most

    def bounded(self, column: PlanColumn, figures: Parts, span: Span) -> Estimate:
        """In its range: moved before the root is taken."""
        parts = divisible(figures, 1 + self.lost)
        raw = self._variance(column, parts)
        found, error = Fraction(number_of(raw.value)), float(number_of(raw.standard_error))
        scale, count = column.unit**2, parts[Measure.COUNT].value
        # over n - 1 no variance of so many rows is larger than n / (n - 1) times that over n
        moved = min(max(found, Fraction(0)), scale * span.largest_variance * count / (count - self.lost))
        ends, value = ends_of(self.public_range(column, span), math.sqrt(moved) if self.is_root else moved)
        interval = VarianceInterval(
            ends=ends,
            mean=noisy_mean(column.center, parts, span),
            value=float(moved / scale),
            most=float(span.largest_variance * (1 + self.lost)),
            offset=float(column.offset),
            squares_sd=parts[Measure.SQUARES].noise_sd,
            lost=self.lost,
            scale=float(scale),
            is_root=self.is_root,
        )
        return Estimate(
            value=value,
            standard_error=_error_of_root(found, error) if self.is_root else error,
            is_too_few=moved != found or is_few(figures),
            interval=interval,
        )

    def _variance(self, column: PlanColumn, figures: Parts) -> Estimate:
        count, total, squares = (figures[m] for m in (Measure.COUNT, Measure.SUM, Measure.SQUARES))
        n, divisor = count.value, count.value - self.lost
        if n <= 0 or divisor <= 0:
            return NA
        mean = total.value / n
        value = (squares.value + column.offset * n - mean * total.value) / divisor
        by_total = float(-2 * mean / divisor)
        by_count = float((column.offset + mean**2 - value) / divisor)
        spread = math.hypot(
            squares.noise_sd / float(divisor), by_total * total.noise_sd, by_count * count.noise_sd
        )
        scale = column.unit**2
        return Estimate(value=scale * value, standard_error=float(scale) * spread)

    def no_sampling(self, span: Span, *, has_spread: bool) -> str:
        """Of about normal values, which two are not."""
        del has_spread
        two = "of a column of two values follows from that of its share: ask AVG"
        return two if span.has_two_values else ""

    def sampling(self, span: Span, cell: Sampled) -> Sampling | None:
        """By chi-square."""
        if cell.rows is None or span.has_two_values:
            return None
        return VarianceSampling(
            ends=cell.ends, noise=cell.noise, rows=cell.rows, lost=self.lost, is_root=self.is_root
        )


def _error_of_root(variance: Fraction, error: float) -> float:
    """First order; at 0 and below, the root of the variance's error, which is what such noise gives a deviation."""
    return error / (2 * math.sqrt(variance)) if variance > 0 else math.sqrt(error)

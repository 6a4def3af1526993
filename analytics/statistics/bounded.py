"""Bounded private answers: values stay in their public range, and cells with large noise are flagged.

Layer:       analytics.statistics above moments, ranges and intervals; pure, public arithmetic after the opening.
Guarantees:  one rule for means, variances and standard deviations. The noisy count that divides counts as at least 1,
             as 2 over n - 1. A value beyond its public range is moved to the nearer end. A cell that was moved, or
             that divides by a count below ``FEW`` standard deviations of its noise, is flagged. Counts and sums are
             moved and flagged alike. No private value is NA. Noisy answers and public numbers alone are used, so
             nothing is charged for it.
See instead: exact answers, whose undefined cells are NA (moments).
Source:      ours; ``intervals`` for what they cover. At a count of FEW deviations the interval of a mean, at 95 %,
             spans half of its public range.
"""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from analytics.sql.query import Aggregate
from analytics.statistics.blocks import Measure
from analytics.statistics.intervals import Ends, MeanInterval, NoisyMean, SumInterval, VarianceInterval
from analytics.statistics.moments import Estimate, Opened, estimate
from analytics.statistics.ranges import ROOTS, SAMPLE, SQUARED, Span, public_range

if TYPE_CHECKING:
    from analytics.statistics.moments import Parts
    from analytics.statistics.output_column import PlanColumn

FEW: Final = 4
_VARIANCE_OF: Final = {
    Aggregate.DEVIATION_SAMPLE: Aggregate.VARIANCE_SAMPLE,
    Aggregate.DEVIATION_POPULATION: Aggregate.VARIANCE_POPULATION,
}


def bounded(column: PlanColumn, figures: Parts, span: Span) -> Estimate:
    """Make one cell of a private answer.

    Args:
        column: an aggregate column of the plan.
        figures: its opened figures by measure, with noise.
        span: what is public of its argument.

    Returns:
        A value in its public range, the standard error of the noise, the flag, and the interval.
    """
    if column.aggregate in SQUARED:
        return _variance(column, figures, span)
    if column.aggregate is Aggregate.MEAN:
        return _mean(column, figures, span)
    raw = estimate(column, figures)
    ends, value = _ends(column, span, _number(raw.value))
    error = float(_number(raw.standard_error))
    return Estimate(
        value=value,
        standard_error=error,
        is_too_few=value != raw.value,
        interval=SumInterval(ends=ends, error=error),
    )


def _mean(column: PlanColumn, figures: Parts, span: Span) -> Estimate:
    parts = _divisible(figures, 1)
    raw = estimate(column, parts)
    ends, value = _ends(column, span, _number(raw.value))
    return Estimate(
        value=value,
        standard_error=raw.standard_error,
        is_too_few=value != raw.value or _is_few(figures),
        interval=MeanInterval(ends=ends, mean=_noisy_mean(column, parts, span), unit=float(column.unit)),
    )


def _variance(column: PlanColumn, figures: Parts, span: Span) -> Estimate:
    """A variance, or its root: moved before the root is taken."""
    is_root, lost = column.aggregate in ROOTS, 1 if column.aggregate in SAMPLE else 0
    parts = _divisible(figures, 1 + lost)
    kind = None if column.aggregate is None else _VARIANCE_OF.get(column.aggregate, column.aggregate)
    raw = estimate(replace(column, aggregate=kind), parts)
    found, error = Fraction(_number(raw.value)), float(_number(raw.standard_error))
    scale, count = column.unit**2, parts[Measure.COUNT].value
    # over n - 1 no variance of so many rows is larger than n / (n - 1) times that over n
    moved = min(max(found, Fraction(0)), scale * span.largest_variance * count / (count - lost))
    ends, value = _ends(column, span, math.sqrt(moved) if is_root else moved)
    interval = VarianceInterval(
        ends=ends,
        mean=_noisy_mean(column, parts, span),
        value=float(moved / scale),
        most=float(span.largest_variance * (1 + lost)),
        offset=float(column.offset),
        squares_sd=parts[Measure.SQUARES].noise_sd,
        lost=lost,
        scale=float(scale),
        is_root=is_root,
    )
    return Estimate(
        value=value,
        standard_error=_error_of_root(found, error) if is_root else error,
        is_too_few=moved != found or _is_few(figures),
        interval=interval,
    )


def _ends(column: PlanColumn, span: Span, value: Fraction | float) -> tuple[Ends, Fraction | float]:
    low, high = public_range(column, span)
    inside = min(max(value, low), high)
    return Ends(value=float(inside), low=float(low), high=float(high)), inside


def _error_of_root(variance: Fraction, error: float) -> float:
    """First order; at 0 and below, the root of the variance's error, which is what such noise gives a deviation."""
    return error / (2 * math.sqrt(variance)) if variance > 0 else math.sqrt(error)


def _divisible(figures: Parts, least: int) -> Parts:
    """The figures with a count that can divide: the true one is no smaller wherever the answer is defined."""
    count = figures[Measure.COUNT]
    return {**figures, Measure.COUNT: replace(count, value=max(count.value, Fraction(least)))}


def _is_few(figures: Parts) -> bool:
    count: Opened = figures[Measure.COUNT]
    return count.value < FEW * count.noise_sd


def _noisy_mean(column: PlanColumn, parts: Parts, span: Span) -> NoisyMean:
    count, total = parts[Measure.COUNT], parts[Measure.SUM]
    lower, upper = span.lower - column.center, span.upper - column.center
    return NoisyMean(
        ratio=float(min(max(total.value / count.value, Fraction(lower)), Fraction(upper))),
        reach=float(max(abs(lower), abs(upper))),
        count=float(count.value),
        count_sd=count.noise_sd,
        total_sd=total.noise_sd,
    )


def _number(value: Fraction | float | None) -> Fraction | float:
    """What is never None where the count divides; 0 satisfies the types."""
    return 0 if value is None else value

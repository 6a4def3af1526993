"""Counts, sums, means and variances from sums of shifted powers.

Layer:       analytics.statistics; pure, public arithmetic after the opening.
Terms:       ``count`` n, ``total`` S = sum of d, ``squares`` Q = sum of (d^2 - q), where d is the argument's grid
             integer less the center c and q the offset; values are ``unit`` times grid integers.
Guarantees:  exact figures give exact rationals, rounded to a float once at the very end; standard errors are of the
             noise alone, by the delta method (first order), from the public standard deviations of independent
             blocks.
See instead: what a private answer may be (bounded).
Source:      textbook moments; delta method.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from analytics.sql.query import Aggregate
from analytics.statistics.blocks import Measure

if TYPE_CHECKING:
    from fractions import Fraction

    from analytics.statistics.intervals import Interval
    from analytics.statistics.output_column import PlanColumn

Cell = int | float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """One opened figure without its weight.

    Attributes:
        value: in integer steps, a fraction where a weight divided noise.
        noise_sd: standard deviation of the noise on it; 0 in exact mode.
    """

    value: Fraction
    noise_sd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """One cell.

    Attributes:
        value: None is NA.
        standard_error: of the noise; None for NA.
        is_too_few: the noise is as large as the figure; see ``bounded``.
        interval: of a private cell; None for an exact one, which has no noise.
    """

    value: Fraction | float | None
    standard_error: float | None
    is_too_few: bool = False
    interval: Interval | None = None


_NA = Estimate(value=None, standard_error=None)
Parts = Mapping[Measure, Opened]


def estimate(column: PlanColumn, figures: Parts) -> Estimate:
    """Make one cell of the answer.

    Args:
        column: an aggregate column of the plan.
        figures: its opened figures by measure.

    Returns:
        Value and standard error; NA where it is undefined, for example a mean over a count that is not above
        0.
    """
    if column.aggregate is None:
        return _NA
    return _FORMULAS[column.aggregate](column, figures)


def _count(_column: PlanColumn, figures: Parts) -> Estimate:
    only = next(iter(figures.values()))
    return Estimate(value=only.value, standard_error=only.noise_sd)


def _sum(column: PlanColumn, figures: Parts) -> Estimate:
    total, unit = figures[Measure.SUM], column.unit
    count = figures.get(Measure.COUNT)
    if count is None:
        return Estimate(value=unit * total.value, standard_error=float(unit) * total.noise_sd)
    value = unit * (total.value + column.center * count.value)
    return Estimate(
        value=value, standard_error=float(unit) * math.hypot(total.noise_sd, column.center * count.noise_sd)
    )


def _mean(column: PlanColumn, figures: Parts) -> Estimate:
    count, total = figures[Measure.COUNT], figures[Measure.SUM]
    if count.value <= 0:
        return _NA
    ratio = total.value / count.value
    spread = math.hypot(total.noise_sd, float(ratio) * count.noise_sd)
    return Estimate(
        value=column.unit * (column.center + ratio),
        standard_error=float(column.unit) * spread / float(count.value),
    )


def _variance(column: PlanColumn, figures: Parts, *, lost: int) -> Estimate:
    """Sum of squared deviations over ``n - lost``."""
    count, total, squares = (figures[m] for m in (Measure.COUNT, Measure.SUM, Measure.SQUARES))
    n, divisor = count.value, count.value - lost
    if n <= 0 or divisor <= 0:
        return _NA
    mean = total.value / n
    value = (squares.value + column.offset * n - mean * total.value) / divisor
    by_total = float(-2 * mean / divisor)
    by_count = float((column.offset + mean**2 - value) / divisor)
    spread = math.hypot(
        squares.noise_sd / float(divisor), by_total * total.noise_sd, by_count * count.noise_sd
    )
    scale = column.unit**2
    return Estimate(value=scale * value, standard_error=float(scale) * spread)


def _deviation(column: PlanColumn, figures: Parts, *, lost: int) -> Estimate:
    variance = _variance(column, figures, lost=lost)
    if variance.value is None or variance.standard_error is None or variance.value < 0:
        return _NA
    root = math.sqrt(variance.value)
    if root == 0:
        return Estimate(value=0.0, standard_error=None if variance.standard_error else 0.0)
    return Estimate(value=root, standard_error=variance.standard_error / (2 * root))


_FORMULAS: dict[Aggregate, Callable[[PlanColumn, Parts], Estimate]] = {
    Aggregate.COUNT_ROWS: _count,
    Aggregate.COUNT_UNITS: _count,
    Aggregate.COUNT: _count,
    Aggregate.SUM: _sum,
    Aggregate.MEAN: _mean,
    Aggregate.VARIANCE_SAMPLE: lambda column, figures: _variance(column, figures, lost=1),
    Aggregate.VARIANCE_POPULATION: lambda column, figures: _variance(column, figures, lost=0),
    Aggregate.DEVIATION_SAMPLE: lambda column, figures: _deviation(column, figures, lost=1),
    Aggregate.DEVIATION_POPULATION: lambda column, figures: _deviation(column, figures, lost=0),
}

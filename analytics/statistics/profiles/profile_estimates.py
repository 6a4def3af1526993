"""What a profile's opened figures say about one column in one arm: counts, mean, standard deviation, quartiles.

Layer:       analytics.statistics above aggregates and column_cells; public arithmetic of the analyst after the opening.
Terms:       the *cell of a quantile* q is the first in which the count up to its end reaches q times the known values.
Guarantees:  exact: rationals of opened integers, rounded to a float once. Private: each value lies in its public range;
             intervals cover the figure without noise as often as their level says, also the range of cells of a
             quantile. A figure is flagged where the noise is as large as the count behind it.
See instead: intervals of means and deviations (intervals).
Source:      ours. With D the count up to a cell's end less q times all, the cell of a quantile is the first with D at
             least 0; its range starts at the first cell where D and the noise can be, and ends after the last one where D
             less the noise is below 0, so that either end fails only where the noise of one D is beyond its width.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from statistics import NormalDist
from typing import TYPE_CHECKING, Final

from analytics.errors import InvalidRequestError
from analytics.schema import NumericColumn
from analytics.statistics.aggregate import PlanColumn
from analytics.statistics.aggregates import AGGREGATES
from analytics.statistics.blocks import Measure
from analytics.statistics.comparisons.power_sums import corrected, exact_shape
from analytics.statistics.uncertainty.bounded import FEW, Span, ends_of
from analytics.statistics.uncertainty.estimates import Opened
from analytics.statistics.uncertainty.intervals import SumInterval

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from analytics.statistics.guards.column_cells import ColumnCells
    from analytics.statistics.uncertainty.intervals import Interval

QUARTILES: Final = (Fraction(1, 4), Fraction(1, 2), Fraction(3, 4))
_MEAN: Final = AGGREGATES["mean"]
_DEVIATION: Final = AGGREGATES["deviation_sample"]
Ends = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One figure.

    Attributes:
        value: None where it is undefined.
        interval: of the noise; None for an exact figure.
    """

    value: float | None
    interval: Interval | None = None

    def between(self, width: float) -> Ends | None:
        """Low and high, so many standard deviations of the noise away; an exact figure has no width."""
        if self.value is None:
            return None
        return (self.value, self.value) if self.interval is None else self.interval.between(width)


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnSummary:
    """One column in one arm.

    Attributes:
        name: of the column.
        labels: of its cells of known values.
        is_numeric: whether it has a mean.
        is_binned: whether it has quartiles.
        n: rows with a value.
        missing: rows without one; 0 where the schema declares that there are none.
        counts: of each cell of known values.
        mean: of a number.
        sd: its standard deviation over ``n - 1``.
        quartiles: the labels of the bins in which they lie; None where too few people are on one side.
        cell_sd: standard deviation of the noise on each cell.
        raw: the counts with all their noise.
        too_few: the noise is as large as a figure.
        skewness: of a number, corrected for n (G1); None where it was not asked.
        kurtosis: likewise (G2), 0 for a normal distribution.
        middles: of its bins; empty without bins.
    """

    name: str
    labels: tuple[str, ...]
    is_numeric: bool
    is_binned: bool
    n: Figure
    missing: Figure
    counts: tuple[Figure, ...]
    mean: Figure | None
    sd: Figure | None
    quartiles: tuple[str | None, ...]
    cell_sd: float
    raw: tuple[float, ...]
    too_few: bool
    skewness: float | None = None
    kurtosis: float | None = None
    middles: tuple[float, ...] = ()

    @property
    def mode(self) -> str | None:
        """The label of the cell with most rows, the first of several; None without cells or rows."""
        if len(self.labels) < 2 or max(self.raw) <= 0:  # noqa: PLR2004  one cell is no choice
            return None
        return self.labels[self.raw.index(max(self.raw))]

    @property
    def iqr(self) -> float | None:
        """Between the middles of the bins of both outer quartiles."""
        low, _, high = self.quartiles
        if low is None or high is None:
            return None
        return self.middles[self.labels.index(high)] - self.middles[self.labels.index(low)]

    @property
    def mad(self) -> float | None:
        """The median distance from the median, every value taken as the middle of its bin."""
        median = self.quartiles[1]
        if median is None:
            return None
        center = self.middles[self.labels.index(median)]
        distances = sorted(
            (abs(middle - center), max(count, 0.0))
            for middle, count in zip(self.middles, self.raw, strict=True)
        )
        half, up_to = sum(count for _, count in distances) / 2, 0.0
        for distance, count in distances:
            up_to += count
            if up_to >= half:
                return distance
        return None

    @property
    def geometric_mean(self) -> float | None:
        """``exp`` of the mean logarithm, every value taken as the middle of its bin; None where a middle is not above 0."""
        found = self._mean_logarithm()
        return None if found is None else math.exp(found[0])

    def geometric_range(self, width: float) -> Ends | None:
        """Low and high of the geometric mean, so many standard deviations of the noise on its logarithm away."""
        found = self._mean_logarithm()
        if found is None:
            return None
        value, error = found
        return math.exp(value - width * error), math.exp(value + width * error)

    def _mean_logarithm(self) -> Ends | None:
        """The mean logarithm, between those of the outer middles, and the standard deviation of the noise on it."""
        size = math.fsum(self.raw)
        if not self.is_binned or self.middles[0] <= 0 or size <= 0:
            return None
        logarithms = [math.log(middle) for middle in self.middles]
        mean = math.fsum(count * each for count, each in zip(self.raw, logarithms, strict=True)) / size
        inside = min(max(mean, logarithms[0]), logarithms[-1])
        apart = math.sqrt(math.fsum((each - mean) ** 2 for each in logarithms))
        return inside, self.cell_sd * apart / size

    def quartile_range(self, quantile: Fraction, width: float) -> tuple[str, str] | None:
        """The labels of the first and the last bin in which a quantile can lie without the noise."""
        if not self.is_binned:
            return None
        first, last = _cells_of_quantile(self.raw, float(quantile), width * self.cell_sd)
        return self.labels[first], self.labels[last]


def summary(
    each: ColumnCells,
    opened: Sequence[Fraction],
    noise_sds: Sequence[float],
    *,
    offset: int,
    n_rows: int,
    least: int,
) -> ColumnSummary:
    """Summarise one column of one arm.

    Args:
        each: the column.
        opened: its figures: all cells, then of numbers sum and squares.
        noise_sds: standard deviation of the noise on each; 0 in exact mode.
        offset: what was subtracted from each square.
        n_rows: most rows of all sites together.
        least: people on each side of a quartile in exact mode.
    """
    known, is_noisy = len(each.known), noise_sds[0] > 0
    cell_sd = noise_sds[0]
    raw = tuple(opened[:known])
    size = Opened(value=sum(raw, Fraction(0)), noise_sd=cell_sd * math.sqrt(known))
    lost = opened[known] if each.column.nullable else Fraction(0)
    missing = Opened(value=lost, noise_sd=cell_sd if each.column.nullable else 0.0)
    moments = len(each.cells) + 2
    mean, deviation, is_few = _moments(each, opened[:moments], noise_sds[:moments], size, offset, n_rows)
    skewness, kurtosis = (
        _shape(opened[len(each.cells) :], int(size.value)) if len(opened) > moments else (None, None)
    )
    is_small = is_noisy and size.value < FEW * size.noise_sd
    return ColumnSummary(
        name=each.column.name,
        labels=each.labels,
        is_numeric=each.numeric is not None,
        is_binned=each.is_binned,
        n=_count(size, n_rows),
        missing=_count(missing, n_rows),
        counts=tuple(_count(Opened(value=count, noise_sd=cell_sd), n_rows) for count in raw),
        mean=mean,
        sd=deviation,
        quartiles=tuple(_quartile(each, raw, quantile, 0 if is_noisy else least) for quantile in QUARTILES),
        cell_sd=cell_sd,
        raw=tuple(map(float, raw)),
        too_few=is_few or is_small,
        skewness=skewness,
        kurtosis=kurtosis,
        middles=tuple(float(low + high) / 2 for low, high in pairwise(each.column.bins))
        if isinstance(each.column, NumericColumn)
        else (),
    )


def _shape(sums: Sequence[Fraction], n: int) -> tuple[float | None, float | None]:
    """Skewness and kurtosis of exact sums of four powers, corrected for n; None where they are undefined."""
    shape = exact_shape(n, [int(each) for each in sums])
    if shape is None:
        return None, None
    first, second = (float(each) for each in corrected(shape))
    return None if math.isnan(first) else first, None if math.isnan(second) else second


def intervals(summaries: Mapping[str, ColumnSummary], level: float) -> dict[str, dict[str, object]]:
    """The figures of some columns without noise, each as often as the level says.

    Returns:
        By column: ``n``, ``missing``, ``mean``, ``sd``, ``geometric_mean`` as low and high, ``cells`` as a list of them,
        and ``q1``, ``median``, ``q3`` as the first and the last bin.
    """
    width = width_of(level)
    found: dict[str, dict[str, object]] = {}
    for name, each in summaries.items():
        found[name] = {
            "n": each.n.between(width),
            "missing": each.missing.between(width),
            "cells": [count.between(width) for count in each.counts],
        }
        if each.mean is not None and each.sd is not None:
            found[name] |= {"mean": each.mean.between(width), "sd": each.sd.between(width)}
        if each.is_binned:
            ranges = (each.quartile_range(quantile, width) for quantile in QUARTILES)
            found[name] |= dict(zip(("q1", "median", "q3"), ranges, strict=True))
        if each.geometric_mean is not None:
            found[name] |= {"geometric_mean": each.geometric_range(width)}
    return found


def width_of(level: float) -> float:
    """Standard deviations on each side of an interval.

    Raises:
        InvalidRequestError: no level.
    """
    if not 0 < level < 1:
        raise InvalidRequestError(parameter="level", reason="must be a number above 0 and below 1")
    return NormalDist().inv_cdf((1 + level) / 2)


def _count(opened: Opened, n_rows: int) -> Figure:
    if opened.noise_sd == 0:
        return Figure(value=float(opened.value))
    ends, value = ends_of((Fraction(0), Fraction(n_rows)), opened.value)
    return Figure(value=float(value), interval=SumInterval(ends=ends, error=opened.noise_sd))


def _moments(
    each: ColumnCells,
    opened: Sequence[Fraction],
    noise_sds: Sequence[float],
    size: Opened,
    offset: int,
    n_rows: int,
) -> tuple[Figure | None, Figure | None, bool]:
    number = each.numeric
    if number is None:
        return None, None, False
    column = PlanColumn(name=number.name, unit=number.resolution, center=each.center, offset=offset)
    figures = {
        Measure.COUNT.value: size,
        Measure.SUM.value: Opened(value=opened[-2], noise_sd=noise_sds[-2]),
        Measure.SQUARES.value: Opened(value=opened[-1], noise_sd=noise_sds[-1]),
    }
    if size.noise_sd == 0:
        found = [each_one.estimate(column, figures) for each_one in (_MEAN, _DEVIATION)]
    else:
        span = Span(lower=number.grid_lower, upper=number.grid_upper, n_rows=n_rows)
        found = [each_one.bounded(column, figures, span) for each_one in (_MEAN, _DEVIATION)]
    mean, deviation = (
        Figure(value=None if one.value is None else float(one.value), interval=one.interval) for one in found
    )
    return mean, deviation, any(one.is_too_few for one in found)


def _quartile(each: ColumnCells, raw: Sequence[Fraction], quantile: Fraction, least: int) -> str | None:
    size = sum(raw, Fraction(0))
    if not each.is_binned or size <= 0 or min(quantile, 1 - quantile) * size < least:
        return None
    first, _ = _cells_of_quantile([float(count) for count in raw], float(quantile), 0.0)
    return each.labels[first]


def _cells_of_quantile(counts: Sequence[float], quantile: float, noise: float) -> tuple[int, int]:
    """The first and the last cell in which a quantile can lie, with noise of so many counts on each of them."""
    size, last_cell = math.fsum(counts), len(counts) - 1
    first, last, up_to = last_cell, 0, 0.0
    for place, count in enumerate(counts[:-1]):
        up_to += count
        distance = up_to - quantile * size
        error = noise * math.sqrt((1 - quantile) ** 2 * (place + 1) + quantile**2 * (last_cell - place))
        if distance + error >= 0:
            first = min(first, place)
        if distance - error < 0:
            last = place + 1
    return min(first, last), max(first, last)

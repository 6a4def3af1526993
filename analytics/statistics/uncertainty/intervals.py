"""Intervals of private cells, which cover the answer without noise at every group size.

Layer:       analytics.statistics; pure, public arithmetic after the opening.
Terms:       ``d``, ``n``, ``S``, ``Q``, ``q`` as in moments; ``m`` is the mean of d, ``v`` the variance, in steps. A
             *width* is a number of standard deviations on each side.
Guarantees:  an interval lies in the public range and holds the cell's value. It covers the answer without noise as
             often as its width says, from one row on (two where the divisor is n - 1): each standard deviation is
             taken where it is largest among the means and variances that the noise leaves open.
Source:      ours. ``S - m n`` is noise of variance ``sS^2 + m^2 sn^2`` at the true m (Fieller), and ``Q + (q + m^2 -
             v) n - 2 m S`` is noise at the true m and v. The noisy mean's own error takes its square off the noisy
             variance, so the upper end of a variance is raised by it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from analytics.statistics.uncertainty.noise_law import NoiseLaw


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """A cell's value and its public range, in the units of the answer."""

    value: float
    low: float
    high: float

    def around(self, low: float, high: float) -> tuple[float, float]:
        """An interval, cut to the public range; it holds the value however floats were rounded."""
        return max(self.low, min(low, self.value)), min(self.high, max(high, self.value))


@dataclass(frozen=True, slots=True, kw_only=True)
class SumInterval:
    """The interval of a count or sum.

    Attributes:
        ends: the cell.
        error: standard deviation of its noise.
    """

    ends: Ends
    error: float

    def between(self, width: float) -> tuple[float, float]:
        """Low and high."""
        return self.ends.around(self.ends.value - width * self.error, self.ends.value + width * self.error)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoisyMean:
    """The mean of d, in steps, and what the noise leaves open of it.

    Attributes:
        ratio: S / n, moved between the bounds of d.
        reach: the largest absolute value of d.
        count: the noisy count, at least 1.
        count_sd: standard deviation of its noise.
        total_sd: standard deviation of the noise on S.
    """

    ratio: float
    reach: float
    count: float
    count_sd: float
    total_sd: float

    def farthest(self, width: float) -> float:
        """The largest absolute value that the mean may have."""
        return min(self.reach, abs(self.ratio) + width * self._most)

    def nearest(self, width: float) -> float:
        """The least absolute value that the mean may have."""
        return max(0.0, abs(self.ratio) - width * self._most)

    def sd(self, width: float) -> float:
        """Standard deviation of the ratio's error, at the farthest mean."""
        return math.hypot(self.total_sd, self.farthest(width) * self.count_sd) / self.count

    @property
    def _most(self) -> float:
        return math.hypot(self.total_sd, self.reach * self.count_sd) / self.count


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanInterval:
    """The interval of a mean.

    Attributes:
        ends: the cell.
        mean: in steps.
        unit: what a step is worth.
    """

    ends: Ends
    mean: NoisyMean
    unit: float

    def between(self, width: float) -> tuple[float, float]:
        """Low and high."""
        each = self.unit * width * self.mean.sd(width)
        return self.ends.around(self.ends.value - each, self.ends.value + each)


@dataclass(frozen=True, slots=True, kw_only=True)
class VarianceInterval:
    """The interval of a variance, or of its root.

    Attributes:
        ends: the cell.
        mean: in steps.
        value: the variance in steps squared, moved into its range.
        most: its largest value, in steps squared.
        offset: q.
        squares_sd: standard deviation of the noise on Q.
        lost: 1 where the divisor is n - 1.
        scale: what a step squared is worth.
        is_root: whether the cell is a standard deviation.
    """

    ends: Ends
    mean: NoisyMean
    value: float
    most: float
    offset: float
    squares_sd: float
    lost: int
    scale: float
    is_root: bool

    def between(self, width: float) -> tuple[float, float]:
        """Low and high."""
        divisor = self.mean.count - self.lost
        raised = (width * self.mean.sd(width)) ** 2 * self.mean.count / divisor
        mean, near, far = abs(self.mean.ratio), self.mean.nearest(width), self.mean.farthest(width)
        each = width * self._sd(mean, abs(self.offset + mean**2 - self.value)) / divisor
        low, high = max(0.0, self.value - each), min(self.most, self.value + each + raised)
        by_count = max(abs(self.offset + far**2 - low), abs(self.offset + near**2 - high))
        each = width * self._sd(far, by_count) / divisor
        low, high = self.scale * max(0.0, self.value - each), self.scale * (self.value + each + raised)
        return self.ends.around(*((math.sqrt(low), math.sqrt(high)) if self.is_root else (low, high)))

    def _sd(self, mean: float, by_count: float) -> float:
        """Standard deviation of ``Q + (q + m^2 - v) n - 2 m S``."""
        return math.hypot(self.squares_sd, 2 * mean * self.mean.total_sd, by_count * self.mean.count_sd)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeavyTailed:
    """An interval under noise with heavier tails than a Gaussian's.

    Attributes:
        interval: as if the noise were Gaussian.
        laws: of the noise on the figures that it is made from.
    """

    interval: SumInterval | MeanInterval | VarianceInterval
    laws: tuple[NoiseLaw, ...]

    def between(self, width: float) -> tuple[float, float]:
        """Low and high, at the width that the heaviest of the tails needs."""
        return self.interval.between(max((law.deviations(width) for law in self.laws), default=width))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounded:
    """The interval of a cell that is shown as a whole number: around the figure before it was rounded, with the number.

    Attributes:
        interval: before.
        value: the whole number.
    """

    interval: SumInterval | HeavyTailed
    value: float

    def between(self, width: float) -> tuple[float, float]:
        """Low and high."""
        low, high = self.interval.between(width)
        return min(low, self.value), max(high, self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Widened:
    """The interval of an unbiased count, widened to the biased one that is shown in its place.

    Attributes:
        interval: of the unbiased count.
        value: what is shown.
    """

    interval: SumInterval | MeanInterval | VarianceInterval | HeavyTailed | Rounded
    value: float

    def between(self, width: float) -> tuple[float, float]:
        """Low and high."""
        low, high = self.interval.between(width)
        return min(low, self.value), max(high, self.value)


Interval = SumInterval | MeanInterval | VarianceInterval | HeavyTailed | Rounded | Widened

"""Sampling error: how far an answer may lie from that of all patients like these, beside the noise.

Layer:       analytics.statistics above intervals; pure, public arithmetic after the opening.
Terms:       *the patients like these* are those of whom the rows are an independent sample. A *share* is the mean of a
             column of two values; ``reach`` is how far noise may have moved a figure, on one side.
Guarantees:  an interval for the patients like these is never narrower than that of the noise, and with noise of 0 it is
             the usual one. What noise leaves open of the count and of the variance is counted against us.
Source:      counts and sums of 0 and 1: Poisson, by Garwood; with noise the score limits with half a step. Shares: Wilson's
             limits with half a step (Newcombe, Statistics in Medicine 17, 1998, method 4). Means: Student's t. Sums: a
             compound Poisson variable, whose variance is the sum of the squares. Variances: chi-square, for about normal
             values. Independent errors add up in squares, side by side.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import TYPE_CHECKING, Protocol

from analytics.statistics.uncertainty.distributions import (
    chi_square_quantile,
    poisson_interval,
    student_quantile,
)

if TYPE_CHECKING:
    from analytics.statistics.uncertainty.intervals import Ends
    from analytics.statistics.uncertainty.noise_law import NoiseLaw

Between = tuple[float, float]


class Noise(Protocol):
    """The interval of the noise around a figure."""

    def between(self, width: float) -> Between:
        """Low and high, so many standard deviations on each side."""
        ...


class Sampling(Protocol):
    """What sampling leaves open of one cell."""

    @property
    def error(self) -> float:
        """The standard error of sampling alone, as estimated from the answer."""
        ...

    def between(self, level: float) -> Between:
        """Low and high of the interval for the patients like these, noise included."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class NoInterval:
    """An exact figure: noise leaves nothing open."""

    value: float

    def between(self, width: float) -> Between:
        """The figure itself."""
        del width
        return self.value, self.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """A count behind a figure.

    Attributes:
        count: with its noise, at least 1.
        sd: standard deviation of the noise.
        laws: of the noise, for the tails.
    """

    count: float
    sd: float
    laws: tuple[NoiseLaw, ...] = field(default=())

    def between(self, width: float) -> Between:
        """The fewest and the most rows that noise leaves open, at least 1."""
        wide = max((law.deviations(width) for law in self.laws), default=width)
        return max(1.0, self.count - wide * self.sd), self.count + wide * self.sd


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How far the values behind a figure lie apart, in the units of the answer squared.

    Attributes:
        variance: over n - 1.
        noise: its interval of the noise.
        squares: the sum of the squared values.
        squares_sd: of the noise on it.
    """

    variance: float
    noise: Noise
    squares: float
    squares_sd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampled:
    """What a cell's sampling error follows from.

    Attributes:
        ends: the cell.
        noise: its interval of the noise.
        rows: behind it; None where the answer does not say.
        spread: of the values behind it; None where the answer does not say.
    """

    ends: Ends
    noise: Noise
    rows: Rows | None
    spread: Spread | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PoissonSampling:
    """Of a count, or of a sum of 0 and ``unit``: as many as came, where the expected number may have been another.

    Attributes:
        ends: the cell.
        noise: its interval of the noise.
        unit: what one patient adds.
    """

    ends: Ends
    noise: Noise
    unit: float = 1.0

    @property
    def error(self) -> float:
        """The root of the count."""
        return self.unit * math.sqrt(max(0.0, self.ends.value / self.unit))

    def between(self, level: float) -> Between:
        """Garwood's limits without noise; with noise, where the expected number's own variance meets the distance."""
        width, count = width_of(level), self.ends.value / self.unit
        below, above = (each / self.unit for each in _reach(self.noise, self.ends, width))
        if not below and not above:
            low, high = poisson_interval(count, level)
        else:
            high = count + 0.5 + _score(above, width**2, count + 0.5)
            low = max(0.0, count - 0.5 - _score(below, -(width**2), count - 0.5)) if count > 1 / 2 else 0.0
        return max(self.ends.low, self.unit * low), self.unit * high


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareSampling:
    """Of the mean of a column of two values.

    Attributes:
        ends: the cell.
        noise: its interval of the noise.
        rows: behind it.
    """

    ends: Ends
    noise: Noise
    rows: Rows

    @property
    def error(self) -> float:
        """The root of ``p (1 - p) / n``."""
        share = self._share(self.ends.value)
        return self._span * math.sqrt(share * (1 - share) / self.rows.count)

    def between(self, level: float) -> Between:
        """Where the share's own variance meets the distance."""
        width, share = width_of(level), self._share(self.ends.value)
        below, above = (each / self._span for each in _reach(self.noise, self.ends, width))
        _, most = self.rows.between(width)
        scale, half = width**2 * most / self.rows.count**2, 1 / (2 * self.rows.count)
        high = _share_end(share + half, above, scale)
        low = 1 - _share_end(1 - share + half, below, scale)
        return self.ends.low + self._span * low, self.ends.low + self._span * high

    @property
    def _span(self) -> float:
        return self.ends.high - self.ends.low

    def _share(self, value: float) -> float:
        return (value - self.ends.low) / self._span


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanSampling:
    """Of a mean.

    Attributes:
        ends: the cell.
        noise: its interval of the noise.
        rows: behind it.
        spread: of the values.
    """

    ends: Ends
    noise: Noise
    rows: Rows
    spread: Spread

    @property
    def error(self) -> float:
        """The root of the variance over n."""
        return math.sqrt(max(0.0, self.spread.variance) / self.rows.count)

    def between(self, level: float) -> Between:
        """Student's limits, at the largest variance and the fewest degrees of freedom that noise leaves open."""
        width = width_of(level)
        fewest, most = self.rows.between(width)
        largest = max(0.0, self.spread.noise.between(width)[1])
        sampled = _student(level, fewest) * math.sqrt(largest * most) / self.rows.count
        return _widened(self.ends, self.noise, width, sampled, sampled)


@dataclass(frozen=True, slots=True, kw_only=True)
class SumSampling:
    """Of a sum: how many patients come is open, too.

    Attributes:
        ends: the cell.
        noise: its interval of the noise.
        rows: behind it.
        spread: of the values.
    """

    ends: Ends
    noise: Noise
    rows: Rows
    spread: Spread

    @property
    def error(self) -> float:
        """The root of the sum of squares."""
        return math.sqrt(max(0.0, self.spread.squares))

    def between(self, level: float) -> Between:
        """Student's limits, at the largest sum of squares and the fewest degrees of freedom that noise leaves open."""
        width = width_of(level)
        fewest, _ = self.rows.between(width)
        wide = max((law.deviations(width) for law in self.rows.laws), default=width)
        largest = max(0.0, self.spread.squares) + wide * self.spread.squares_sd
        sampled = _student(level, fewest) * math.sqrt(largest)
        below, above = _reach(self.noise, self.ends, width)
        return self.ends.value - math.hypot(below, sampled), self.ends.value + math.hypot(above, sampled)


@dataclass(frozen=True, slots=True, kw_only=True)
class VarianceSampling:
    """Of a variance or its root, of about normal values.

    Attributes:
        ends: the cell.
        noise: its interval of the noise.
        rows: behind it.
        lost: 1 where the divisor is n - 1, else 0.
        is_root: whether the cell is a standard deviation.
    """

    ends: Ends
    noise: Noise
    rows: Rows
    lost: int
    is_root: bool

    @property
    def error(self) -> float:
        """First order: the root of 2 / (n - 1), times the variance; half of that for its root."""
        relative = math.sqrt(2 / max(1.0, self.rows.count - 1))
        return self.ends.value * (relative / 2 if self.is_root else relative)

    def between(self, level: float) -> Between:
        """The limits of chi-square, at the fewest degrees of freedom that noise leaves open."""
        width = width_of(level)
        fewest, _ = self.rows.between(width)
        degrees, power = max(1.0, fewest - 1), 0.5 if self.is_root else 1.0
        squares = degrees if self.lost else degrees + 1
        least, largest = (chi_square_quantile((1 + side * level) / 2, degrees) for side in (-1, 1))
        _, top = self.noise.between(width)
        above = top * ((squares / least) ** power - 1)
        below = self.ends.value * (1 - (squares / largest) ** power)
        return _widened(self.ends, self.noise, width, max(0.0, below), max(0.0, above))


def width_of(level: float) -> float:
    """Standard deviations on each side that hold a normal variable so often."""
    return -NormalDist().inv_cdf((1 - level) / 2)


def _reach(noise: Noise, ends: Ends, width: float) -> Between:
    """How far noise may have moved the cell, below and above it."""
    low, high = noise.between(width)
    return max(0.0, ends.value - low), max(0.0, high - ends.value)


def _widened(ends: Ends, noise: Noise, width: float, below: float, above: float) -> Between:
    """The interval of the noise with sampling added in squares, cut to the public range."""
    first, second = _reach(noise, ends, width)
    return ends.around(ends.value - math.hypot(first, below), ends.value + math.hypot(second, above))


def _student(level: float, rows: float) -> float:
    return student_quantile((1 + level) / 2, max(1.0, rows - 1))


def _score(reach: float, square: float, start: float) -> float:
    """The distance d with ``d^2 = reach^2 + |square| (start + d)``, or ``start - d`` where the square is negative."""
    half = square / 2
    return half + math.sqrt(half**2 + reach**2 + abs(square) * start)


def _share_end(start: float, reach: float, scale: float) -> float:
    """The largest p up to 1 with ``(p - start)^2 <= reach^2 + scale p (1 - p)``."""
    if start >= 1:
        return 1.0
    turn = scale * (1 - 2 * start) / 2
    rest = reach**2 + scale * start * (1 - start)
    return min(1.0, start + (turn + math.sqrt(turn**2 + (1 + scale) * rest)) / (1 + scale))

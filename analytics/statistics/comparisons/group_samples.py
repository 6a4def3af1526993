"""Samples of groups by number, mean and variance, with and without the noise of a release.

Layer:       analytics.statistics above noise_law, below group_moments; arithmetic of the analyst after the opening.
Terms:       values are in steps around the middle of their bounds; the groups lie along the last axis.
Guarantees:  what is simulated follows the public law of the noise and the answer alone.
Source:      the noise's law: parametric bootstrap as in Gaboardi et al. 1602.03090, of normal means and chi-square variances
             with fresh noise on all three figures. Differences of means: Student 1908; Welch 1947.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from numpy.random import Generator  # noqa: TID251  a simulation after the opening

    from analytics.statistics.uncertainty.noise_law import NoiseLaw

Floats = npt.NDArray[np.float64]
REPLICATES: Final = 1_999
_LEAST_VARIANCE: Final = 1 / 12
_FEWEST: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Groups: arrays of one shape, the groups along the last axis.

    Attributes:
        n: rows.
        mean: in steps around the middle.
        variance: in steps squared, over ``n - 1``; NaN of fewer than two rows.
    """

    n: Floats
    mean: Floats
    variance: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Mechanism:
    """The noise on the three figures, and how they were centered.

    Attributes:
        count: the law of the noise on the number.
        total: on the sum.
        squares: on the sum of squares.
        center: the middle, in steps.
        offset: what was subtracted from each square.
        reach: the largest absolute value around the middle.
    """

    count: NoiseLaw
    total: NoiseLaw
    squares: NoiseLaw
    center: int
    offset: int
    reach: int

    def sample(self, n: Floats, total: Floats, squares: Floats) -> Sample:
        """What noisy figures say, moved into what is possible."""
        size = np.maximum(n, _FEWEST)
        mean = np.clip(total / size, -self.reach, self.reach)
        raw = (squares + self.offset * n - total * mean) / (size - 1)
        most = self.reach**2 * size / (size - 1)
        return Sample(n=size, mean=mean, variance=np.clip(raw, _LEAST_VARIANCE, most))

    def redraw(self, sample: Sample, size: int, generator: Generator) -> Sample:
        """So many samples of the same groups with fresh rows and fresh noise; shape ``(size, n_groups)``."""
        shape = (size, sample.n.size)
        n = np.maximum(np.rint(sample.n), _FEWEST)
        mean = sample.mean + np.sqrt(sample.variance / n) * generator.standard_normal(shape)
        variance = sample.variance * generator.chisquare(n - 1, size=shape) / (n - 1)
        squares = (n - 1) * variance + n * mean**2 - self.offset * n
        return self.sample(
            n + self.count.normal(shape, generator),
            n * mean + self.total.normal(shape, generator),
            squares + self.squares.normal(shape, generator),
        )

    def perturbed(self, sample: Sample, size: int, generator: Generator) -> Sample:
        """So many samples of the same rows with fresh noise; shape ``(size, n_groups)``."""
        shape, n = (size, sample.n.size), sample.n
        squares = (n - 1) * sample.variance + n * sample.mean**2 - self.offset * n
        return self.sample(
            n + self.count.normal(shape, generator),
            n * sample.mean + self.total.normal(shape, generator),
            squares + self.squares.normal(shape, generator),
        )

    def error_of_means(self, sample: Sample) -> Floats:
        """Standard deviation of the noise on each mean, in steps; first order."""
        found: Floats = np.hypot(self.total.sd, sample.mean * self.count.sd) / sample.n
        return found


def pooled_null(sample: Sample, mean: Floats | None = None) -> Sample:
    """The sample with one variance, that within its groups, and given means; without them one mean for all groups."""
    size, count = float(sample.n.sum()), sample.n.size
    within = float(((sample.n - 1) * sample.variance).sum()) / (size - count)
    if mean is None:
        mean = np.full(count, float((sample.n * sample.mean).sum()) / size)
    return Sample(n=sample.n, mean=mean, variance=np.full(count, within))


def squares_within(sample: Sample) -> Floats:
    """The sum of squares of the rows around their group's mean, in steps squared; the groups along the last axis."""
    found: Floats = np.where(sample.n > 1, (sample.n - 1) * np.nan_to_num(sample.variance), 0.0).sum(axis=-1)
    return found


def error_of_difference(sample: Sample, *, equal_var: bool) -> tuple[Floats, Floats]:
    """Standard error of the difference of two means, and its degrees of freedom; the groups along the last axis."""
    n, variance = sample.n, sample.variance
    with np.errstate(divide="ignore", invalid="ignore"):
        if equal_var:
            df = n.sum(axis=-1) - 2
            pooled = ((n - 1) * variance).sum(axis=-1) / df
            return np.sqrt(pooled * (1 / n).sum(axis=-1)), df
        parts = variance / n
        total = parts.sum(axis=-1)
        return np.sqrt(total), total**2 / (parts**2 / (n - 1)).sum(axis=-1)

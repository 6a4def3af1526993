"""Intraclass correlations from means and covariances of columns that measure the same thing.

Layer:       analytics.statistics above distributions; pure arithmetic of the analyst after the opening.
Terms:       k columns (*raters*) of n rows (*targets*). ``ICC1``: other raters for each target; ``ICC2``: raters are a sample,
             and agreement is meant; ``ICC3``: these raters alone, and consistency is meant. ``ICC1k``, ``ICC2k`` and ``ICC3k``
             are those of the mean over the raters. *Mean squares*: between rows (``msr``), between columns (``msc``), of what
             is left (``mse``), within rows (``msw``).
Source:      Shrout, Fleiss 1979; intervals of ICC2 with Satterthwaite's degrees, as ``pingouin.intraclass_corr`` has them;
             means over raters by Spearman and Brown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from analytics.statistics.uncertainty.distributions import f_quantile, f_tail

Floats = npt.NDArray[np.float64]
SINGLE: Final = ("ICC1", "ICC2", "ICC3")
KINDS: Final = (*SINGLE, *(f"{name}k" for name in SINGLE))
_MOST: Final = 0.999999


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanSquares:
    """The mean squares; leading axes are replicates.

    Attributes:
        n: rows.
        k: columns.
        msr: between rows.
        msc: between columns.
        mse: of what is left.
    """

    n: Floats
    k: int
    msr: Floats
    msc: Floats
    mse: Floats

    @classmethod
    def of(cls, n: Floats, means: Floats, covariance: Floats) -> MeanSquares:
        """Of means, shape ``(..., k)``, and covariances over ``n - 1``, shape ``(..., k, k)``, in one unit."""
        k = means.shape[-1]
        shared = covariance.sum(axis=(-2, -1)) / k
        apart = means - means.mean(axis=-1, keepdims=True)
        return cls(
            n=n,
            k=k,
            msr=shared,
            msc=n * (apart**2).sum(axis=-1) / (k - 1),
            mse=np.maximum(np.trace(covariance, axis1=-2, axis2=-1) - shared, 0.0) / (k - 1),
        )

    @property
    def msw(self) -> Floats:
        """Within rows."""
        found: Floats = ((self.n - 1) * self.mse + self.msc) / self.n
        return found

    def single(self) -> Floats:
        """``ICC1``, ``ICC2``, ``ICC3``; shape ``(..., 3)``; NaN where they are undefined."""
        k, n = self.k, self.n
        with np.errstate(divide="ignore", invalid="ignore"):
            first = (self.msr - self.msw) / (self.msr + (k - 1) * self.msw)
            shift = k * (self.msc - self.mse) / n
            second = (self.msr - self.mse) / (self.msr + (k - 1) * self.mse + shift)
            third = (self.msr - self.mse) / (self.msr + (k - 1) * self.mse)
        return np.stack([first, second, third], axis=-1)

    def tests(self) -> list[tuple[float, float, float, float]]:
        """F, both degrees of freedom and the p-value of no correlation, of each single kind."""
        n, k, found = float(self.n), self.k, []
        for below, free in ((self.msw, n * (k - 1)), *[(self.mse, (n - 1) * (k - 1))] * 2):
            ratio = float(self.msr / below)
            found.append((ratio, n - 1, free, f_tail(ratio, n - 1, free)))
        return found

    def intervals(self, level: float) -> list[tuple[float, float]]:
        """Of each single kind."""
        n, k, chance = float(self.n), self.k, (1 + level) / 2
        found = []
        for ratio, above, below, _ in self.tests():
            ends = ratio / f_quantile(chance, above, below), ratio * f_quantile(chance, below, above)
            low, high = ((end - 1) / (end + k - 1) for end in ends)
            found.append((low, high))
        second, msr, mse = float(self.single()[1]), float(self.msr), float(self.mse)
        ratio = float(self.msc / self.mse)
        rest = n * (1 + (k - 1) * second) - k * second
        free = (n - 1) * (k - 1) * (k * second * ratio + rest) ** 2
        free /= (n - 1) * (k * second * ratio) ** 2 + rest**2
        above, below = f_quantile(chance, n - 1, free), f_quantile(chance, free, n - 1)
        other = k * float(self.msc) + (k * n - k - n) * mse
        found[1] = (
            n * (msr - above * mse) / (above * other + n * msr),
            n * (below * msr - mse) / (other + n * below * msr),
        )
        return found


def of_means(single: Floats, k: int) -> Floats:
    """The correlation of the mean over k raters, from that of one (Spearman and Brown)."""
    found: Floats = k * single / (1 + (k - 1) * single)
    return found


def spread_out(single: Floats, k: int) -> Floats:
    """A scale on which errors are alike: the logarithm of the ratio of mean squares that a correlation stands for."""
    known = np.clip(single, -_MOST / (k - 1), _MOST)
    found: Floats = np.log1p((k - 1) * known) - np.log1p(-known)
    return found


def from_spread(value: Floats, k: int) -> Floats:
    """The correlation of a place on that scale."""
    ratio = np.exp(value)
    found: Floats = (ratio - 1) / (ratio + k - 1)
    return found

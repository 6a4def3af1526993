"""A Gram matrix with noise of a known law: what linear models, correlations and components are made from.

Layer:       analytics.statistics, low; arithmetic of the analyst after the opening.
Terms:       of a *scaled design*, whose first column is 1 and whose others lie between -1 and 1: see gram_release.
Shapes:      m columns of the design, k opened sums, any number of simulated matrices before ``(m, m)``.
Guarantees:  what is simulated follows the public law of the noise and the answer alone.
Source:      ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from numpy.random import Generator  # noqa: TID251  a simulation after the opening

Floats = npt.NDArray[np.float64]
_FEWEST: Final = 2.0


@dataclass(frozen=True, kw_only=True)
class NoisyGram:
    """The matrix and its noise.

    Attributes:
        sums: the opened sums without their weights; shape ``(k,)``.
        sds: standard deviation of the noise on each.
        basis: how much of each sum enters each entry of the matrix; shape ``(k, m, m)``.
    """

    sums: Floats
    sds: Floats
    basis: Floats

    @cached_property
    def matrix(self) -> Floats:
        """The noisy matrix; shape ``(m, m)``."""
        return self._assembled(self.sums)

    @property
    def n(self) -> float:
        """Rows, noisy, at least 2."""
        return max(float(self.matrix[0, 0]), _FEWEST)

    @property
    def size_sd(self) -> float:
        """Standard deviation of the noise on the number of rows."""
        return float(self.sds[0])

    @cached_property
    def reach_of_noise(self) -> float:
        """About the largest eigenvalue that the noise alone has: the root of the mean squared noise of a row, doubled.

        For a symmetric matrix of independent entries of variance v it is ``2 sqrt(m v)``.
        """
        return float(2 * np.sqrt((self.entry_sds**2).sum(axis=1).max()))

    @cached_property
    def entry_sds(self) -> Floats:
        """Standard deviation of the noise on each entry; shape ``(m, m)``."""
        found: Floats = np.sqrt(np.einsum("k,kij->ij", self.sds**2, self.basis**2))
        return found

    def noise(self, size: int, generator: Generator) -> Floats:
        """Draw noise for whole matrices; shape ``(size, m, m)``.

        Args:
            size: how many.
            generator: of a simulation, see noise_law.
        """
        return self._assembled(self.sds * generator.standard_normal((size, self.sds.size)))

    def spread(self, rows: Floats) -> Floats:
        """Covariance of the noise on some linear forms of the matrix.

        Args:
            rows: each form's weights of the sums' noise; shape ``(..., k, p)``.

        Returns:
            Shape ``(..., p, p)``.
        """
        weighted = rows * self.sds[:, np.newaxis]
        found: Floats = np.swapaxes(weighted, -1, -2) @ weighted
        return found

    def _assembled(self, sums: Floats) -> Floats:
        found: Floats = np.tensordot(sums, self.basis, axes=1)
        return found

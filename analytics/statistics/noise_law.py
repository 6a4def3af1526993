"""The law of the noise on an opened figure, and draws from it for simulations after the opening.

Layer:       analytics.statistics; public arithmetic of the analyst.
Guarantees:  what is drawn here simulates a public law; it hides nothing and no site uses it. The seed follows from
             the answer, so that one answer gives one p-value.
See instead: the noise that protects (``analytics.disclosure.site_noise``).
Source:      the sum of n discrete Gaussians of a local standard deviation of 8 or more is the discrete Gaussian of n
             times the variance, up to 1e-50 (Kairouz, Liu, Steinke 2102.06387, theorem 15).
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from privacy_accounting.noise import discrete_gaussian

if TYPE_CHECKING:
    import numpy.typing as npt
    from numpy.random import Generator  # noqa: TID251  as below


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseLaw:
    """The noise on each figure of one block.

    Attributes:
        n_sites: sites that add noise.
        sigma2_local: integer variance parameter of each site's discrete Gaussian.
        weight: what the opened integer is divided by.
    """

    n_sites: int
    sigma2_local: int
    weight: int

    @property
    def sd(self) -> float:
        """Standard deviation, in unweighted steps."""
        return math.sqrt(self.n_sites * self.sigma2_local) / self.weight

    def draw(self, size: int, generator: Generator) -> npt.NDArray[np.float64]:
        """Draw noise, in unweighted steps.

        Args:
            size: how many.
            generator: see ``simulation``.

        Returns:
            Shape ``(size,)``.
        """
        return discrete_gaussian(self.n_sites * self.sigma2_local, size, generator) / self.weight

    def normal(self, shape: tuple[int, ...], generator: Generator) -> npt.NDArray[np.float64]:
        """Draw normal variables of the noise's standard deviation, in unweighted steps, for sums of many values.

        At a local standard deviation of 8 or more, its distribution function differs from that of the noise by less than
        one step's weight.

        Args:
            shape: of what is drawn.
            generator: see ``simulation``.
        """
        return self.sd * generator.standard_normal(shape)


def simulation(*opened: npt.NDArray[np.int64]) -> Generator:
    """A generator for simulations, whose seed follows from what was opened.

    Args:
        opened: the answer's integers.
    """
    digest = hashlib.sha256()
    for array in opened:
        digest.update(array.astype("<i8").tobytes())
    # a simulation at the analyst's end after the opening, not noise
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest.digest())))  # noqa: TID251

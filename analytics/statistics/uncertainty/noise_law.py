"""The law of the noise on an opened figure, and draws from it for simulations after the opening.

Layer:       analytics.statistics; public arithmetic of the analyst.
Guarantees:  what is drawn here simulates a public law; it hides nothing and no site uses it. The seed follows from
             the answer, so that one answer gives one p-value.
See instead: the noise that protects (``analytics.disclosure.site_noise``).
Source:      the sum of n discrete Gaussians of a local standard deviation of 8 or more is the discrete Gaussian of n
             times the variance, up to 1e-50 (Kairouz, Liu, Steinke 2102.06387, theorem 15). The sum of n shares of
             discrete Laplace noise, of which ``shares`` make one variable, is the difference of two negative binomial
             variables of shape ``n / shares``.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from privacy_accounting.noise import discrete_gaussian
from privacy_accounting.rdp import log_masses

if TYPE_CHECKING:
    import numpy.typing as npt
    from numpy.random import Generator  # noqa: TID251  as below


LEAST_SCALE: Final = (
    2.0**-5
)  # noise of a smaller scale is 0 but for once in 1e13; this one's tails are above its own
_REMEMBERED: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseLaw:
    """The noise on each figure of one block.

    Attributes:
        n_sites: sites that add noise.
        sigma2_local: integer variance parameter of each site's discrete Gaussian.
        weight: what the opened integer is divided by.
        scale: of discrete Laplace noise; None for Gaussian noise, 0 is not one.
        shares: of discrete Laplace noise: sites whose noise adds up to one variable of that scale.
    """

    n_sites: int
    sigma2_local: int
    weight: int
    scale: Fraction | None = None
    shares: int = 1

    @property
    def sd(self) -> float:
        """Standard deviation, in unweighted steps."""
        if self.scale is not None:
            return math.sqrt(2 * self.n_sites / self.shares * self._ratio) / -math.expm1(
                -1 / float(self.scale)
            )
        return math.sqrt(self.n_sites * self.sigma2_local) / self.weight

    def draw(self, size: int, generator: Generator) -> npt.NDArray[np.float64]:
        """Draw noise, in unweighted steps.

        Args:
            size: how many.
            generator: see ``simulation``.

        Returns:
            Shape ``(size,)``.
        """
        if self.scale is not None:
            shape, stop = self.n_sites / self.shares, 1 - self._ratio
            first, second = (generator.negative_binomial(shape, stop, size) for _ in range(2))
            return (first - second) / float(self.weight)
        return discrete_gaussian(self.n_sites * self.sigma2_local, size, generator) / self.weight

    def normal(self, shape: tuple[int, ...], generator: Generator) -> npt.NDArray[np.float64]:
        """Draw noise for sums of many values, in unweighted steps; in place of Gaussian noise, normal variables.

        At a local standard deviation of 8 or more, their distribution function differs from that of the noise by less than
        one step's weight.

        Args:
            shape: of what is drawn.
            generator: see ``simulation``.
        """
        if self.scale is not None:
            return self.draw(math.prod(shape), generator).reshape(shape)
        return self.sd * generator.standard_normal(shape)

    def deviations(self, width: float) -> float:
        """Standard deviations on each side that hold the noise as often as ``width`` of them hold Gaussian noise.

        Args:
            width: above 0.

        Returns:
            At least ``width``: heavier tails need more, and where they need less, nothing is taken off.
        """
        return width if self.scale is None else _deviations(self, width)

    @property
    def _ratio(self) -> float:
        return 0.0 if self.scale is None else math.exp(-1 / float(self.scale))


@lru_cache(maxsize=_REMEMBERED)
def _deviations(law: NoiseLaw, width: float) -> float:
    """See ``NoiseLaw.deviations``; an answer asks for the same again at every cell."""
    beyond = math.erfc(width / math.sqrt(2))
    logs = laplace_log_masses(law, 0)
    # the probability of more than k steps, on both sides, from the far end
    tails = 2 * np.cumsum(np.exp(logs[:0:-1]))[::-1]
    steps = int(np.searchsorted(-tails, -beyond))
    return max(width, steps / law.weight / law.sd)


def laplace_log_masses(law: NoiseLaw, most: int) -> npt.NDArray[np.float64]:
    """Logarithms of the masses of Laplace noise at 0, 1, 2 ... steps; below ``LEAST_SCALE`` those of that scale.

    Args:
        law: Laplace noise.
        most: the last step is at least this, and far into the tail.
    """
    scale = max(LEAST_SCALE, float(law.scale or 1))
    return log_masses(Fraction(law.n_sites, law.shares), scale, most)


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

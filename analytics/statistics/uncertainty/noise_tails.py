"""How often noise is larger than a limit: upper bounds, for promises of accuracy.

Layer:       analytics.statistics above noise_law; pure, public arithmetic.
Guarantees:  a bound is never below the true probability by more than rounding of floats. One block's noise is summed
             exactly, and so is Laplace noise of two blocks; of several blocks with Gaussian noise the Gaussian tail is
             taken half a step of each earlier, times ``DISCRETE``.
Source:      ours. Gaussian noise: the local variance is at least 64 steps squared, where the sum of the sites' discrete
             Gaussians is the discrete Gaussian of the summed variance up to 1e-50 (Kairouz, Liu, Steinke 2102.06387,
             theorem 15). Its mass at k > 0 is at most the Gaussian's over (k - 1, k). Laplace noise: the difference of
             two negative binomial variables of shape r and ratio p, whose masses fall by at least the factor
             ``p max(1, (k + r) / (k + 1))`` from k to k + 1, which itself falls with k; so what is behind the last
             mass that is enumerated is at most a geometric series.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from analytics.statistics.uncertainty.noise_law import LEAST_SCALE, laplace_log_masses

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from analytics.statistics.uncertainty.noise_law import NoiseLaw

SUMMED: Final = 4096  # steps of standard deviation up to which the tail is summed
REACH: Final = 12  # standard deviations beyond the limit; what is left is below 1e-32 of a tail
DISCRETE: Final = 1 + 2.0**-8
_SCALES: Final = 40  # of Laplace noise, up to which masses are enumerated; what is behind is bounded
_LEAST: Final = 64
_REMEMBERED: Final = 64


def beyond(law: NoiseLaw, limit: Fraction) -> float:
    """Bound the probability that one block's noise is larger than a limit, on either side.

    Args:
        law: the noise.
        limit: in unweighted steps, at least 0.
    """
    last = math.floor(limit * law.weight)
    if law.scale is not None:
        above = _upper_tails(law)
        return min(1.0, 2 * float(above[min(last + 1, len(above) - 1)]))
    sigma = math.sqrt(law.n_sites * law.sigma2_local)
    if sigma > SUMMED:
        return normal_beyond(last / sigma)  # half a step is nothing here
    steps = np.arange(last + 1, last + 1 + math.ceil(REACH * sigma), dtype=np.float64)
    tail = float(np.sum(np.exp(-(steps**2) / (2 * sigma**2)))) / (sigma * math.sqrt(2 * math.pi))
    return min(1.0, 2 * tail)


def combined_beyond(terms: Sequence[tuple[float, NoiseLaw]], limit: float) -> float:
    """Bound the probability that a weighted sum of several blocks' noise is larger than a limit, on either side.

    Args:
        terms: factor and law of each block; their noise is independent; two where it is Laplace noise.
        limit: in unweighted steps times factors, at least 0.
    """
    if any(law.scale is not None for _, law in terms):
        return _two_beyond(terms, limit)
    sd = math.hypot(*(factor * law.sd for factor, law in terms))
    half_steps = sum(abs(factor) / (2 * law.weight) for factor, law in terms)
    return min(1.0, DISCRETE * normal_beyond(max(0.0, limit - half_steps) / sd))


def _two_beyond(terms: Sequence[tuple[float, NoiseLaw]], limit: float) -> float:
    """Add up over every value of the one what the other must then reach; both are symmetric."""
    (one_factor, one), (other_factor, other) = terms
    masses, above = _masses(one), _upper_tails(other)
    last = len(masses) - 1
    steps = np.arange(-last, last + 1)
    if other_factor == 0:
        return beyond(one, Fraction(limit / abs(one_factor)))
    # a hair earlier, so that floats put no value on the wrong side
    needed = (
        (limit * (1 - 2.0**-40) - abs(one_factor) / one.weight * steps) / abs(other_factor) * other.weight
    )
    place = np.ceil(needed)
    reached = above[np.minimum(np.abs(place), len(above) - 1).astype(np.int64)]
    # P(Y >= -k) = 1 - P(Y >= k + 1)
    after = above[np.minimum(np.maximum(1 - place, 0), len(above) - 1).astype(np.int64)]
    reached = np.where(place > 0, reached, 1 - after + above[-1])
    here = np.concatenate([masses[:0:-1], masses])
    return min(1.0, 2 * (float(here @ reached) + float(_upper_tails(one)[-1])))


@lru_cache(maxsize=_REMEMBERED)
def _masses(law: NoiseLaw) -> npt.NDArray[np.float64]:
    """Masses of Laplace noise at 0, 1, 2 ... steps."""
    shape = law.n_sites / law.shares
    return np.exp(laplace_log_masses(law, math.ceil((_SCALES + 4 * shape) * float(law.scale or 1)) + _LEAST))


@lru_cache(maxsize=_REMEMBERED)
def _upper_tails(law: NoiseLaw) -> npt.NDArray[np.float64]:
    """Bound the probability of at least k steps, k = 0, 1, 2 ...; the last one bounds all that is behind."""
    masses, shape = _masses(law), law.n_sites / law.shares
    last = len(masses) - 1
    fall = math.exp(-1 / max(LEAST_SCALE, float(law.scale or 1))) * max(1.0, (last + shape) / (last + 1))
    behind = float(masses[-1]) * fall / (1 - fall)
    return np.append(np.cumsum(masses[::-1])[::-1] + behind, behind)


def normal_beyond(width: float) -> float:
    """Probability that a normal variable is more than so many standard deviations from its mean."""
    return math.erfc(width / math.sqrt(2))

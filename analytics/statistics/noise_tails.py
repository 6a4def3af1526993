"""How often noise is larger than a limit: upper bounds, for promises of accuracy.

Layer:       analytics.statistics above noise_law; pure, public arithmetic.
Guarantees:  a bound is never below the true probability by more than rounding of floats. One block's noise is summed
             exactly; of several blocks the Gaussian tail is taken half a step of each earlier, times ``DISCRETE``.
Source:      ours; the local variance is at least 64 steps squared (``analytics.plans.noise_calibration``), where the sum
             of the sites' discrete Gaussians is the discrete Gaussian of the summed variance up to 1e-50 (Kairouz, Liu,
             Steinke 2102.06387, theorem 15). Its mass at k > 0 is at most the Gaussian's over (k - 1, k).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from fractions import Fraction

    from analytics.statistics.noise_law import NoiseLaw

SUMMED: Final = 4096  # steps of standard deviation up to which the tail is summed
REACH: Final = 12  # standard deviations beyond the limit; what is left is below 1e-32 of a tail
DISCRETE: Final = 1 + 2.0**-8


def beyond(law: NoiseLaw, limit: Fraction) -> float:
    """Bound the probability that one block's noise is larger than a limit, on either side.

    Args:
        law: the noise.
        limit: in unweighted steps, at least 0.
    """
    last, sigma = math.floor(limit * law.weight), math.sqrt(law.n_sites * law.sigma2_local)
    if sigma > SUMMED:
        return normal_beyond(last / sigma)  # half a step is nothing here
    steps = np.arange(last + 1, last + 1 + math.ceil(REACH * sigma), dtype=np.float64)
    tail = float(np.sum(np.exp(-(steps**2) / (2 * sigma**2)))) / (sigma * math.sqrt(2 * math.pi))
    return min(1.0, 2 * tail)


def combined_beyond(terms: Sequence[tuple[float, NoiseLaw]], limit: float) -> float:
    """Bound the probability that a weighted sum of several blocks' noise is larger than a limit, on either side.

    Args:
        terms: factor and law of each block; their noise is independent.
        limit: in unweighted steps times factors, at least 0.
    """
    sd = math.hypot(*(factor * law.sd for factor, law in terms))
    half_steps = sum(abs(factor) / (2 * law.weight) for factor, law in terms)
    return min(1.0, DISCRETE * normal_beyond(max(0.0, limit - half_steps) / sd))


def normal_beyond(width: float) -> float:
    """Probability that a normal variable is more than so many standard deviations from its mean."""
    return math.erfc(width / math.sqrt(2))

"""Curves of noise added to sums.

Terms:       ``orders`` are float64 above 1, ascending; ``stretch`` multiplies sensitivities (1, or 2 under
             replace-one).
Shapes:      orders ``(n,)`` -> costs ``(n,)``, float64, never below the true divergence.
Accuracy: relative 1e-12, rounded up.
Source:      Gaussian: Mironov 1702.07476, Prop. 7. Laplace: the same, Prop. 6. Discrete Gaussian: Canonne, Kamath,
             Steinke 2004.00010, Theorem 14. Sum of discrete Gaussians: Kairouz, Liu, Steinke 2102.06387, Theorem 1
             (Theorem 5 as printed at ICML) and Prop. 14. Skellam: Agarwal, Kairouz, Liu 2110.04995, Corollary 3.6.
             Tree: Kairouz et al. 2103.00039, appendix D. Discrete Laplace: ours, below.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Final

import numpy as np

from privacy_accounting.rdp.special import ROUND_UP, chord, expm1_minus

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from privacy_accounting.events import (
        DiscreteGaussian,
        DiscreteLaplace,
        DistributedDiscreteGaussian,
        Gaussian,
        Laplace,
        Skellam,
        Tree,
    )

_OVERFLOW: Final = 500.0


def gaussian(event: Gaussian, orders: NDArray[np.float64], stretch: int) -> NDArray[np.float64]:
    """Compute ``order / (2 multiplier**2)``."""
    return orders * float(Fraction(stretch) ** 2 / (2 * event.noise_multiplier**2)) * ROUND_UP


def tree(event: Tree, orders: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute the cost of one root-to-leaf path.

    A leaf of a tree with T leaves lies in one complete block of each size ``2**j <= T`` at most, hence in at
    most ``bit_length(T)`` released nodes, and a unit is in one tree only.
    """
    depth = max(event.step_counts).bit_length()
    return orders * float(depth / (2 * event.noise_multiplier**2)) * ROUND_UP


def discrete_gaussian(
    event: DiscreteGaussian, orders: NDArray[np.float64], stretch: int
) -> NDArray[np.float64]:
    """Compute ``order * l2**2 / (2 sigma2)``: at most the cost of the continuous Gaussian, for integer shifts."""
    return orders * float((stretch * event.l2_sensitivity) ** 2 / (2 * event.sigma2)) * ROUND_UP


def distributed_discrete_gaussian(
    event: DistributedDiscreteGaussian, orders: NDArray[np.float64], stretch: int
) -> NDArray[np.float64]:
    """Compute the Gaussian cost of the honest noise, corrected for a sum not being one discrete Gaussian.

    With h honest parties, ``S**2 = h sigma2_local`` and
    ``tau = 10 * sum(exp(-2 pi**2 sigma2_local k / (k + 1)) for k in 1..h-1)``, the least of

        (a/2) (l2/S)**2 + tau dim
        (a/2) ((l2/S)**2 + 2 tau l1/S + tau**2 dim)
        (a/2) (l2/S + sqrt(dim) tau)**2
    """
    honest, total = event.honest, event.honest * event.sigma2_local
    square = float((stretch * event.l2) ** 2 / total)
    l1_over = float(stretch * event.l1) / math.sqrt(total)
    tau, dim = tau_of(honest, float(event.sigma2_local)), float(event.dim)
    half = orders / 2
    least = np.minimum(half * square + tau * dim, half * (square + 2 * tau * l1_over + tau**2 * dim))
    return np.minimum(least, half * (math.sqrt(square) + math.sqrt(dim) * tau) ** 2) * ROUND_UP


def tau_of(honest: int, sigma2_local: float) -> float:
    """Bound how far a sum of discrete Gaussians is from one, see ``distributed_discrete_gaussian``."""
    # exp(-2 pi^2 s2 k/(k+1)) <= exp(-2 pi^2 s2) exp(2 pi^2 s2/(k+1)); from the 10,000th on every term is
    # bounded by the first of the rest, since terms fall with k.
    exact = min(honest - 1, 10_000)
    k = np.arange(1, exact + 1, dtype=np.float64)
    decay = -2 * math.pi**2 * sigma2_local
    terms = np.exp(decay * k / (k + 1))
    rest = (honest - 1 - exact) * float(terms[-1]) if honest - 1 > exact else 0.0
    return 10 * (float(terms.sum()) + rest)


def skellam(event: Skellam, orders: NDArray[np.float64], stretch: int) -> NDArray[np.float64]:
    """Compute the bound for integer orders, and between them the chord of the log-moment, which is convex.

    ``a l2**2/(2 v) + min(((2a - 1) l2**2 + 6 l1) / (4 v**2), 3 l1 / (2 v))`` for integer a >= 2; the
    log-moment ``(a - 1) cost(a)`` is 0 at order 1.
    """
    l1, l2, variance = (float(each) for each in (stretch * event.l1, stretch * event.l2, event.variance))

    def at(integers: NDArray[np.float64]) -> NDArray[np.float64]:
        first = ((2 * integers - 1) * l2**2 + 6 * l1) / (4 * variance**2)
        bound: NDArray[np.float64] = integers * l2**2 / (2 * variance) + np.minimum(
            first, 3 * l1 / (2 * variance)
        )
        return np.where(integers > 1, bound, 0.0)

    return chord(at, orders) * ROUND_UP


def laplace(event: Laplace, orders: NDArray[np.float64], stretch: int) -> NDArray[np.float64]:
    """Compute the exact divergence of two Laplace distributions, x = L1 sensitivity over scale apart.

    ``log(a/(2a-1) exp((a-1) x) + (a-1)/(2a-1) exp(-a x)) / (a-1)``. The moment is a sum of exponentials in x,
    hence log-convex and 1 at 0: moving all of the L1 distance into one coordinate is the worst case in any
    dimension.
    """
    x = float(stretch / event.scale_over_l1_sensitivity)
    a, s = orders, (orders - 1) * x
    excess = (a * expm1_minus(np.minimum(s, _OVERFLOW)) + (a - 1) * expm1_minus(-a * x)) / (2 * a - 1)
    far = s + np.log(a / (2 * a - 1)) + np.log1p((a - 1) / a * np.exp(-(2 * a - 1) * x))
    return np.where(s < _OVERFLOW, np.log1p(excess), far) / (a - 1) * ROUND_UP


def discrete_laplace(
    event: DiscreteLaplace, orders: NDArray[np.float64], stretch: int
) -> NDArray[np.float64]:
    """Compute the exact divergence of two discrete Laplace distributions, an integer D apart.

    Summing the three geometric series of ``p(x)**o p(x - D)**(1-o)``, with T = tanh(a/2), w(y) = 1/(1 -
    exp(-y)) and v = w((2o - 1) a), gives the moment ``T ((w(a) + v - 1) exp((o-1) a D) + (w(a) - v) exp(-o a
    D))``: again positive exponentials in D, so one coordinate is the worst case. Written with ``exp(y) - 1 -
    y`` and h(y) = w(y) - 1/y - 1/2 so that nothing cancels for small a.
    """
    a, o = float(event.a), orders
    x = a * stretch * event.sensitivity
    width = (2 * o - 1) * a
    h_narrow, h_wide = _h(np.full_like(o, a)), _h(width)
    up = 1 / a + h_narrow + 1 / width + h_wide  # w(a) + v - 1
    down = (1 / a - 1 / width) + (h_narrow - h_wide)  # w(a) - v
    tanh, s = math.tanh(a / 2), (o - 1) * x
    excess = up * expm1_minus(np.minimum(s, _OVERFLOW)) + down * expm1_minus(-o * x)
    excess = tanh * (excess + x * ((2 * o - 1) * h_wide - h_narrow))
    far = s + np.log(tanh * up) + np.log1p(down / up * np.exp(-(2 * o - 1) * x))
    return np.where(s < _OVERFLOW, np.log1p(excess), far) / (o - 1) * ROUND_UP


def _h(y: NDArray[np.float64]) -> NDArray[np.float64]:
    # coth(y/2)/2 - 1/y; below 1/4 by its series, whose next term is y^13 * 1.1e-13 / 13 < 1e-20 of the first.
    t = np.minimum(y, 0.25)
    series = (
        t
        / 12
        * (1 - t**2 / 60 * (1 - t**2 / 42 * (1 - t**2 / 40 * (1 - t**2 * 10 / 396 * (1 - t**2 / 39.5)))))
    )
    with np.errstate(over="ignore"):
        direct = 0.5 / np.tanh(y / 2) - 1 / y
    return np.where(y < 0.25, series, direct)  # noqa: PLR2004

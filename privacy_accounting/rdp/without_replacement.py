"""Curve of the Gaussian mechanism on a random subset of fixed size, under replace-one.

Terms:       q = sample / population; s = noise multiplier, for the distance that replacing one unit moves the sum.
Guarantees:  an upper bound at every order; never above the cost of the mechanism without sampling (quasi-convexity).
Source:      Wang, Balle, Kasiviswanathan 1808.00087, Theorem 27 (integer orders) and Corollary 10 (between them). The
             central moments ``B(l) = E[(ratio - 1)**l]``, l even, are taken by quadrature instead of the paper's
             forward differences, which cancel.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from privacy_accounting.rdp.special import (
    LARGEST_FACTORIAL,
    ROUND_UP,
    chord,
    log_binomials,
    log_expm1,
    log_sum_exp,
)

if TYPE_CHECKING:
    from fractions import Fraction

    from numpy.typing import NDArray

_LARGEST_EXACT: Final = 256
"""Above this order the central moments are replaced by ``2 exp((l-1) rdp(l))``, as in dp-accounting."""
_STEP: Final = 0.2
_HALF_WIDTH: Final = 12.0
_SMALLEST_SIGMA: Final = 0.05


def without_replacement_gaussian(
    q: Fraction, multiplier2: Fraction, orders: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Compute the curve.

    Args:
        q: share of the population in the subset, 0 to 1.
        multiplier2: square of the noise multiplier, above 0.
        orders: float64 above 1, shape ``(n,)``.

    Returns:
        Cost at each order, shape ``(n,)``.
    """
    if q == 0:
        return np.zeros_like(orders)
    plain = orders * float(1 / (2 * multiplier2)) * ROUND_UP
    if q == 1:
        return plain
    known = orders <= LARGEST_FACTORIAL
    variance = float(multiplier2)
    largest = math.ceil(orders[known].max(initial=2.0))
    central = _log_central_moments(variance, min(largest, _LARGEST_EXACT))

    def at(integers: NDArray[np.float64]) -> NDArray[np.float64]:
        found = {n: _cost(math.log(q), variance, int(n), central) for n in set(integers.tolist()) if n > 1}
        return np.array([found.get(n, 0.0) for n in integers.tolist()])

    result = plain.copy()
    result[known] = chord(at, orders[known]) * ROUND_UP
    return np.minimum(result, plain)


def _log_central_moments(variance: float, largest: int) -> NDArray[np.float64]:
    """Compute ``log E[(exp(z/s - 1/(2 s**2)) - 1)**l]`` for even l; odd ones and l < 2 are left infinite.

    The integrand is positive and entire, so the trapezoid rule on step 0.2 errs by far less than 1e-15. For
    very small s the grid would be long: all stay infinite and the other bound is used.
    """
    sigma = math.sqrt(variance)
    result = np.full(largest + 2, np.inf)
    if sigma < _SMALLEST_SIGMA:
        return result
    for power in range(2, largest + 2, 2):
        side = math.sqrt(power) + _HALF_WIDTH
        z = np.arange(-side, power / sigma + side, _STEP)
        u = z / sigma - 1 / (2 * variance)
        with np.errstate(divide="ignore"):
            size = np.where(u > 0, log_expm1(np.maximum(u, 0.0)), np.log(-np.expm1(np.minimum(u, 0.0))))
        result[power] = log_sum_exp(power * size - z * z / 2) + math.log(_STEP / math.sqrt(2 * math.pi))
    return result


def _cost(log_q: float, variance: float, order: int, central: NDArray[np.float64]) -> float:
    """Compute the theorem's bound at one integer order.

    ``log(1 + q**2 C(a,2) min(4 (exp(r) - 1), 2 exp(r)) + sum(q**j C(a,j) min(4 sqrt(B B'), 2 exp((j-1) j/(2
    s**2))))) / (a - 1)`` with r = 1/s**2 and B, B' the central moments of the even numbers around j.
    """
    j = np.arange(2, order + 1)
    terms = math.log(2) + j * (j - 1) / (2 * variance)
    terms[0] = min(math.log(4) + float(log_expm1(np.array(1 / variance))), terms[0])
    if order <= _LARGEST_EXACT:
        below, above = central[2 * (j[1:] // 2)], central[2 * ((j[1:] + 1) // 2)]
        terms[1:] = np.minimum(terms[1:], math.log(4) + (below + above) / 2)
    return float(np.logaddexp(0.0, log_sum_exp(terms + j * log_q + log_binomials(order, j)))) / (order - 1)

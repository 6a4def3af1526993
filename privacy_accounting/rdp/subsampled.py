"""Curve of any mechanism on a Poisson sample.

Terms:       q sampling rate; ``inner`` the mechanism's own curve.
Guarantees:  an upper bound at every order; never above the cost of the mechanism without sampling.
See instead: the Gaussian mechanism, which has an exact curve (``subsampled_gaussian``).
Source:      Zhu and Wang, Poisson subsampled Rényi differential privacy (ICML 2019), Theorem 5, checked against exact
             enumeration in tests; between integers Wang, Balle, Kasiviswanathan 1808.00087, Corollary 10.
             ``mixture``: the moment is jointly convex, as ``x**a y**(1 - a)`` is.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from privacy_accounting.rdp.special import ROUND_UP, chord, log_binomials, log_expm1, log_sum_exp

if TYPE_CHECKING:
    from collections.abc import Callable
    from fractions import Fraction

    from numpy.typing import NDArray

_LARGEST_ORDER: Final = 256


def poisson(
    q: Fraction, inner: Callable[[NDArray[np.float64]], NDArray[np.float64]], orders: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Compute the curve where a unit outside the sample is as one that is not there.

    That is every mechanism under add-or-remove-one, and sums under replace-special.

    Args:
        q: sampling rate, 0 to 1.
        inner: cost of one use on the whole, at given orders.
        orders: float64 above 1, shape ``(n,)``.

    Returns:
        Cost at each order, shape ``(n,)``.
    """
    result, rate = mixture(q, inner(orders), orders), float(q)
    if not 0 < rate < 1:
        return result
    integers = np.arange(2, _LARGEST_ORDER + 1)
    log_moments = (integers - 1) * inner(integers.astype(np.float64))

    def at(wanted: NDArray[np.float64]) -> NDArray[np.float64]:
        found = {n: _cost(rate, int(n), log_moments) for n in set(wanted.tolist()) if n > 1}
        return np.array([found.get(n, 0.0) for n in wanted.tolist()])

    known = orders <= _LARGEST_ORDER
    result[known] = np.minimum(result[known], chord(at, orders[known]) * ROUND_UP)
    return result


def mixture(q: Fraction, costs: NDArray[np.float64], orders: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute ``log(1 + q (exp((a - 1) r(a)) - 1)) / (a - 1)``, whatever a unit outside the sample looks like.

    Both outputs are mixtures, ``(1-q) A + q B`` and ``(1-q) A + q C`` with the cost r between B and C; A may
    have nothing in common with them. The moment is jointly convex, hence at most ``(1-q) 1 + q exp((a-1) r)``.

    Args:
        q: sampling rate, 0 to 1.
        costs: of one use on the whole, at ``orders``.
        orders: float64 above 1, shape ``(n,)``.

    Returns:
        Cost at each order, shape ``(n,)``.
    """
    if q == 0:
        return np.zeros_like(orders)
    log_excess = math.log(float(q)) + log_expm1((orders - 1) * costs)
    return np.minimum(np.logaddexp(0.0, log_excess) / (orders - 1) * ROUND_UP, costs)


def _cost(q: float, order: int, log_moments: NDArray[np.float64]) -> float:
    """Compute the theorem's bound at one integer order a, with r(l) the inner cost.

    ``log((1-q)**(a-1) (a q - q + 1) + C(a,2) q**2 (1-q)**(a-2) exp(r(2))
    + 3 sum(C(a,l) q**l (1-q)**(a-l) exp((l-1) r(l)), l = 3..a)) / (a - 1)``; the binomial weights of 0, 1, 2,
    ... sum to 1, so what exceeds 1 is summed alone and a tiny cost keeps its digits.
    """
    k = np.arange(2, order + 1)
    weights = log_binomials(order, k) + k * math.log(q) + (order - k) * math.log1p(-q)
    factors = np.where(k == 2, 1.0, 3.0)  # noqa: PLR2004
    grown = log_moments[: order - 1]
    with np.errstate(divide="ignore"):  # an inner mechanism that costs nothing
        excess = np.log(-factors * np.expm1(-grown) + (factors - 1) * np.exp(-grown)) + grown
    return float(np.logaddexp(0.0, log_sum_exp(weights + excess))) / (order - 1)

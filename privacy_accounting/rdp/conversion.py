"""Conversion between a Rényi curve and (epsilon, delta).

Terms:       a order, r cost at it.
Guarantees:  results err on the expensive side: epsilon and delta up, allowances down, by a relative 1e-12.
See instead: the budget's exact decimal arithmetic for allowances (``budget``).
Source:      Canonne, Kamath, Steinke 2004.00010 v4, Prop. 12; also Asoodeh et al. 2001.05990, Eq. 20. Small costs: r
             bounds the Kullback-Leibler divergence from above (the divergence grows with the order), and the
             Bretagnolle-Huber inequality bounds delta at epsilon 0, the total variation, by ``sqrt(1 - exp(-KL))``
             (Canonne 2202.07198).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from privacy_accounting.errors import InvalidCostError
from privacy_accounting.rdp.special import ROUND_UP

if TYPE_CHECKING:
    from fractions import Fraction

    from numpy.typing import NDArray


def log_delta(delta: Fraction) -> float:
    """Compute ``log(delta)`` for a delta as small as a rational number can be; minus infinity at 0.

    Raises:
        InvalidCostError: delta is not in 0 <= delta < 1.
    """
    if not 0 <= delta < 1:
        raise InvalidCostError(what="delta", reason="must be at least 0 and below 1")
    return -math.inf if delta == 0 else math.log(delta.numerator) - math.log(delta.denominator)


def epsilons(costs: NDArray[np.float64], orders: NDArray[np.float64], delta: Fraction) -> NDArray[np.float64]:
    """Convert costs to the epsilon that each order alone implies.

    ``r + log(1 - 1/a) - (log(delta) + log(a)) / (a - 1)``, at least 0; 0 where ``1 - exp(-r) <= delta**2``.

    Args:
        costs: at each order, at least 0, infinite where unknown, shape ``(n,)``.
        orders: above 1, shape ``(n,)``.
        delta: 0 <= delta < 1.

    Returns:
        Epsilon per order, shape ``(n,)``, rounded up.
    """
    logarithm = log_delta(delta)
    with np.errstate(divide="ignore"):
        tiny = np.log(-np.expm1(-costs)) <= 2 * logarithm
    raw = costs + np.log1p(-1 / orders) - (logarithm + np.log(orders)) / (orders - 1)
    # the sum's terms may be far larger than the sum: pad by their size
    size = np.abs(np.where(np.isfinite(costs), costs, 0.0)) + np.abs(np.log1p(-1 / orders))
    pad = (ROUND_UP - 1) * (size + (abs(logarithm) + np.log(orders)) / (orders - 1))
    raised = np.where(np.isfinite(raw), np.maximum(raw + np.where(np.isfinite(pad), pad, 0.0), 0.0), np.inf)
    return np.where(tiny & (costs < np.inf), 0.0, raised)


def log_deltas(
    costs: NDArray[np.float64], orders: NDArray[np.float64], epsilon: float
) -> NDArray[np.float64]:
    """Convert costs to the logarithm of the delta that each order alone implies at one epsilon.

    ``(a - 1) (r - epsilon + log(1 - 1/a)) - log(a)``, or half ``log(1 - exp(-r))`` if that is less; at most
    0.

    Args:
        costs: at each order, at least 0, infinite where unknown, shape ``(n,)``.
        orders: above 1, shape ``(n,)``.
        epsilon: at least 0.

    Returns:
        Logarithm of delta per order, shape ``(n,)``, rounded up.
    """
    known = costs < np.inf
    safe = np.where(known, costs, 0.0)
    exponent = safe - epsilon + np.log1p(-1 / orders)
    pad = (ROUND_UP - 1) * ((orders - 1) * (safe + epsilon + 1 / orders) + np.log(orders))
    with np.errstate(divide="ignore"):
        total_variation = np.log(-np.expm1(-safe)) / 2
    least = np.minimum((orders - 1) * exponent - np.log(orders) + pad, total_variation)
    return np.where(known, np.minimum(least, 0.0), 0.0)


def rdp_allowance(epsilon: Fraction, delta: Fraction, order: Fraction) -> float:
    """Compute the largest cost at one order that implies (epsilon, delta); at least 0, rounded down.

    ``epsilon - log(1 - 1/a) + (log(delta) + log(a)) / (a - 1)``.
    """
    a = float(order)
    terms = (float(epsilon), -math.log1p(-1 / a), (log_delta(delta) + math.log(a)) / (a - 1))
    return max(0.0, sum(terms) - (ROUND_UP - 1) * sum(abs(term) for term in terms))

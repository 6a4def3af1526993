"""Curves of stated guarantees, randomized response and private selection.

Shapes:      orders ``(n,)``, float64 above 1 -> costs ``(n,)``, never below the true divergence.
Accuracy: relative 1e-12, rounded up.
Source:      pure epsilon: randomized response with two values dominates every epsilon-DP mechanism (Kairouz, Oh,
             Viswanath 1311.0776). Exponential: bounded range, ``order * epsilon**2 / 8``, Cesar and Rogers
             2004.07223, Lemmas 3.2 and 3.4; top-k in one shot equals k exponential mechanisms, Durfee and Rogers
             1905.04273, Lemma 4.2 and Corollary 4.1. Randomized response: the divergence of its two output
             distributions; for two values Mironov 1702.07476, Prop. 5.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from privacy_accounting.events import Relation
from privacy_accounting.rdp.special import ROUND_UP, expm1_minus, log1p_minus, log_expm1

if TYPE_CHECKING:
    from fractions import Fraction

    from numpy.typing import NDArray

    from privacy_accounting.events import ZCDP, RandomizedResponse

_OVERFLOW: Final = 500.0


def zcdp(event: ZCDP, orders: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute ``xi + rho * order``."""
    return (float(event.xi) + float(event.rho) * orders) * ROUND_UP


def pure(epsilon: Fraction, orders: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute the divergence of the worst epsilon-DP mechanism."""
    e = float(epsilon)
    return _two_point(e, -math.log1p(math.exp(-e)), orders)


def exponential(epsilon: Fraction, orders: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute the lesser of the bounded-range bound and the pure bound."""
    return np.minimum(orders * float(epsilon**2 / 8) * ROUND_UP, pure(epsilon, orders))


def randomized_response(
    event: RandomizedResponse, orders: NDArray[np.float64], relation: Relation
) -> NDArray[np.float64]:
    """Compute the divergence of two answers (replace-one), or of an answer and a uniform draw (special)."""
    if event.k == 1 or event.p == 1:
        return np.zeros_like(orders)
    if relation is Relation.REPLACE_ONE:
        ratio = math.log1p(float((1 - event.p) * event.k / event.p))
        return _two_point(ratio, math.log(float(1 - event.p + event.p / event.k)), orders)
    away, toward = _against_uniform(event, orders), _against_uniform(event, 1 - orders)
    return np.maximum(away, toward) / (orders - 1) * ROUND_UP


def _two_point(ratio: float, log_top: float, orders: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute the divergence when two outcomes of mass t and ``t exp(-ratio)`` swap and the others stay.

    The moment is ``1 + t (exp((a-1) ratio) - 1) (1 - exp(-a ratio))``: every factor is positive, nothing
    cancels.
    """
    if ratio == 0:
        return np.zeros_like(orders)
    log_excess = log_top + log_expm1((orders - 1) * ratio) + np.log(-np.expm1(-orders * ratio))
    result: NDArray[np.float64] = np.logaddexp(0.0, log_excess) / (orders - 1) * ROUND_UP
    return result


def _against_uniform(event: RandomizedResponse, power: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute ``log((A**power + (k - 1) p**power) / k)`` with A = k (1 - p) + p, which is at least 0.

    The linear terms of both powers cancel exactly, so each is written as ``(1 + y)**b - 1 - b y``.
    """
    k = float(event.k)
    y = np.array([float((event.k - 1) * (1 - event.p)), float(event.p - 1)])
    logs = np.array([math.log1p(y[0]), math.log(float(event.p))])
    remainders, weights = log1p_minus(y), np.array([1 / k, (k - 1) / k])
    exponents = power[:, None] * logs
    near = np.minimum(exponents, _OVERFLOW)
    excess = (weights * (expm1_minus(near) + power[:, None] * remainders)).sum(axis=1)
    far: NDArray[np.float64] = np.logaddexp(
        exponents[:, 0] + math.log(weights[0]), exponents[:, 1] + math.log(weights[1])
    )
    return np.where(exponents.max(axis=1) < _OVERFLOW, np.log1p(np.maximum(excess, 0.0)), far)

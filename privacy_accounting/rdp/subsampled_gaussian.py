"""Curve of the Gaussian mechanism on a Poisson sample.

Terms:       q sampling rate, s noise multiplier, a order; ``1 + x(z) = 1 - q + q exp(z/s - 1/(2 s**2))`` is the
             likelihood ratio at a standard normal z; the moment is ``E[(1 + x)**a]`` and the cost ``log(moment) / (a
             - 1)``.
Guarantees:  relative error at most 1e-9 against 30 digits, never below the truth; an order that cannot be computed
             within the work limit gets the cost without sampling, which is an upper bound (quasi-convexity of the
             divergence).
See instead: sampling of other mechanisms (``subsampled``).
Source:      Mironov, Talwar, Zhang 1908.10530: the mixture against the plain Gaussian is the worse of both directions
             (section 3; integrated both ways in tests), integer orders (section 3.3). Fractional orders: ours, by
             quadrature.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final

import numpy as np

from privacy_accounting.rdp.special import (
    expm1_minus,
    log1p_minus,
    log_binomials,
    log_expm1,
    log_sum_exp,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MARGIN: Final = 1.0 + 1e-10
"""Measured error is below 2e-12; the margin makes the result an upper bound."""
_LARGEST_BINOMIAL: Final = 1024
_HALF_WIDTH: Final = 12.0
_STEP: Final = 0.25
_MAX_POINTS: Final = 40_000
_FLOAT_LOG: Final = 690.0
_DIRECT: Final = 50.0
_NEGLIGIBLE: Final = 60.0
_LOW: Final = 16.0
_MANY: Final = 2_000
"""Orders whose grids are longer are summed one by one, each over the nodes that matter to it."""
_CERTAIN: Final = 1 - Fraction(1, 2**50)


def poisson_gaussian(
    rate: Fraction, multiplier2: Fraction, orders: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Compute the curve.

    Args:
        rate: sampling rate, 0 to 1.
        multiplier2: *square* of the noise multiplier, above 0.
        orders: float64 above 1, shape ``(n,)``.

    Returns:
        Cost at each order, shape ``(n,)``.
    """
    if rate == 0:
        return np.zeros_like(orders)
    plain = orders * float(1 / (2 * multiplier2)) * _MARGIN
    if rate >= _CERTAIN:
        return plain
    q, sigma = float(rate), math.sqrt(multiplier2)
    whole = (orders == np.floor(orders)) & (orders <= _LARGEST_BINOMIAL)
    moments = np.full_like(orders, np.inf)
    moments[whole] = [_integer_log_moment(q, float(multiplier2), int(order)) for order in orders[whole]]
    moments[~whole] = _log_moments(q, sigma, orders[~whole])
    return np.minimum(moments / (orders - 1) * _MARGIN, plain)


def _integer_log_moment(q: float, variance: float, order: int) -> float:
    """Compute ``log(1 + sum(binomial(a, k) q**k (1-q)**(a-k) (exp(k (k-1) / (2 s**2)) - 1), k = 2..a))``.

    The ones of the binomial expansion are split off, so that a tiny cost keeps its digits.
    """
    k = np.arange(2, order + 1)
    terms = log_binomials(order, k) + k * math.log(q) + (order - k) * math.log1p(-q)
    terms = terms + log_expm1(k * (k - 1) / (2 * variance))
    return float(np.logaddexp(0.0, log_sum_exp(terms)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Nodes:
    """Quadrature nodes and what does not depend on the order there, each of shape ``(m,)``.

    ``log_ratio`` is log(1 + x), ``log_size`` log|x|, ``remainder`` log(1 + x) - x, ``log_density`` -z**2 / 2.
    """

    log_ratio: NDArray[np.float64]
    log_size: NDArray[np.float64]
    x: NDArray[np.float64]
    remainder: NDArray[np.float64]
    log_density: NDArray[np.float64]

    def at(self, where: slice | NDArray[np.bool_]) -> _Nodes:
        """Keep some nodes."""
        return _Nodes(
            log_ratio=self.log_ratio[where],
            log_size=self.log_size[where],
            x=self.x[where],
            remainder=self.remainder[where],
            log_density=self.log_density[where],
        )


def _nodes(q: float, sigma: float, step: float, count: int) -> _Nodes:
    z = np.arange(count) * step - _HALF_WIDTH
    u = z / sigma - 1 / (2 * sigma**2)
    near = q * np.expm1(np.minimum(u, 1.0))
    log_ratio = np.where(
        u < 1, np.log1p(near), np.logaddexp(math.log1p(-q), math.log(q) + np.maximum(u, 1.0))
    )
    x = np.where(u < 1, near, np.expm1(np.minimum(log_ratio, _FLOAT_LOG)))
    with np.errstate(divide="ignore"):
        log_size = np.where(log_ratio < _FLOAT_LOG, np.log(np.abs(x)), log_ratio)
    return _Nodes(
        log_ratio=log_ratio, log_size=log_size, x=x, remainder=log1p_minus(x), log_density=-z * z / 2
    )


def _log_moments(q: float, sigma: float, orders: NDArray[np.float64]) -> NDArray[np.float64]:
    """Integrate ``((1 + x)**a - 1 - a x) phi(z)`` by the trapezoid rule: the moment minus 1, as E[x] = 0.

    Accuracy: the integrand is analytic in the strip ``abs(Im z) < pi s``, where it is at most
        ``exp(y**2/2)`` times larger than on the axis, so step h errs by about
        ``exp(y**2/2 - 2 pi y / h)`` for any y in the strip; with h = min(1, s) / 4 that is below
        ``exp(-70)``. Beyond z = a/s + 12 and below -12 lies less than ``exp(-70)``.

    Returns:
        ``log(moment)`` for each order, shape ``(n,)``; infinite where the grid would be too long.
    """
    result = np.full_like(orders, np.inf)
    step = _STEP * min(1.0, sigma)
    counts = np.ceil((2 * _HALF_WIDTH + orders / sigma) / step) + 1
    possible = counts <= _MAX_POINTS
    if not possible.any():
        return result
    nodes = _nodes(q, sigma, step, int(counts[possible].max()))
    low = possible & (orders <= _LOW) & (counts <= _MANY)
    if low.any():
        result[low] = _log_integrals(orders[low][:, None], nodes.at(slice(int(counts[low].max()))))
    for position in np.flatnonzero(possible & ~low):
        order = float(orders[position])
        kept = _worth_summing(order, nodes.at(slice(int(counts[position]))))
        result[position] = _log_integrals(np.array([[order]]), kept)[0]
    return np.logaddexp(0.0, result + math.log(step / math.sqrt(2 * math.pi)))


def _worth_summing(order: float, nodes: _Nodes) -> _Nodes:
    """Drop nodes whose summands are below ``exp(-60)`` of the largest.

    By Taylor's theorem a summand is ``a (a - 1) / 2 * x**2 (1 + y)**(a - 2)`` for some y between 0 and x, which
    bounds it from both sides however small it is; that ``1 + a x`` is also less than ``(1+x)**a`` by a part of
    it is used where the power is large.
    """
    tilt, square = (order - 2) * nodes.log_ratio, 2 * nodes.log_size + nodes.log_density
    bound = np.maximum(tilt, 0.0) + square
    sure = np.minimum(tilt, 0.0) + square
    power = order * nodes.log_ratio
    # above exp(50) the power exceeds 1 + a x by at least a fifth of itself for every order from 1.005 on
    large = np.where(
        power > _DIRECT, power - math.log(order * order / (order - 1)) - 2 + nodes.log_density, -np.inf
    )
    scale = math.log(order * (order - 1) / 2)
    largest = max(float(np.max(sure)), float(np.max(large)) - scale)
    return nodes.at(bound > largest - _NEGLIGIBLE)


def _log_integrals(a: NDArray[np.float64], nodes: _Nodes) -> NDArray[np.float64]:
    """Compute ``log(sum(((1 + x)**a - 1 - a x) exp(-z**2/2)))`` for each order, free of overflow."""
    power, log_density = a * nodes.log_ratio, nodes.log_density
    top = np.max(power + log_density, axis=1, keepdims=True)
    direct = expm1_minus(np.minimum(power, _DIRECT)) + a * nodes.remainder
    values = np.maximum(direct, 0.0) * np.exp(log_density - top)
    if (power > _DIRECT).any():
        linear = np.where(
            nodes.log_ratio < _FLOAT_LOG, np.log1p(a * np.maximum(nodes.x, 0.0)), np.log(a) + nodes.log_ratio
        )
        values = np.where(
            power > _DIRECT, np.exp(power + log_density - top) - np.exp(linear + log_density - top), values
        )
    with np.errstate(divide="ignore"):
        result: NDArray[np.float64] = top[:, 0] + np.log(values.sum(axis=1))
    return result

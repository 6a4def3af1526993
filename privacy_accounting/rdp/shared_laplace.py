"""Prices of discrete Laplace noise that parties draw in shares, at any number of honest parties.

Terms:       h honest parties of the ``shares`` that together draw one discrete Laplace variable leave noise of shape ``r =
             h / shares``: mass ``c(k)``, symmetric, with ``sum c(k) z**k`` proportional to ``((1 - p z)(1 - p /
             z))**-r`` and p = exp(-1/b). At r = 1 that is the discrete Laplace variable, whose price is a closed form;
             above, the surplus is more noise, which takes nothing from privacy. Below, masses are enumerated.
Shapes:      orders ``(n,)`` -> costs ``(n,)``, float64, never below the true divergence.
Guarantees:  what is cut off an enumeration is bounded and added; the errors of floats are bounded and added.
Source:      ours. For r <= 1, ``c(k) = E[U**k ...]`` is a sequence of moments of a Beta(r, 1 - r) variable, hence
             log-convex in k >= 0, with ratios ``c(k+1) / c(k) <= p`` that rise to p. So the tail behind N is at most
             ``c(N) p / (1 - p)``; the loss ``log c(k) - log c(k + d)`` falls with k; the largest is ``log c(0) - log
             c(d)``, concave in d: with L1 distance D over at most m coordinates it is largest where all m are as
             equal as integers can be. The divergence at distance d rises with d, since symmetric unimodal masses keep
             both properties under convolution. Masses follow ``(1 + p**2) k c(k) = p (k - 1 + r) c(k-1) + p (k + 1 -
             r) c(k+1)`` (differentiate the generating function), run downwards, where it is stable.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from privacy_accounting.events import DiscreteLaplace
from privacy_accounting.rdp.additive import discrete_laplace
from privacy_accounting.rdp.special import ROUND_UP

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from privacy_accounting.events import DistributedDiscreteLaplace

_TAIL: Final = 40  # masses are enumerated up to so many scales; what is behind is bounded
_NEAR_TAIL: Final = 25  # for a divergence, which takes longer
_LEAST_TAIL: Final = 64
_WIDEST: Final = 2**15  # above this L1 distance only the largest loss is used
_LONGEST: Final = 512  # above this scale likewise, where the distance may be spread over coordinates
_EPS: Final = 2.0**-52
_ABSOLUTE: Final = 2.0**-43
_REMEMBERED: Final = 64


def distributed_discrete_laplace(
    event: DistributedDiscreteLaplace, orders: NDArray[np.float64], stretch: int
) -> NDArray[np.float64]:
    """Price one use at given orders."""
    if event.honest >= event.shares:
        whole = DiscreteLaplace(a=1 / event.b, sensitivity=event.l1)
        return discrete_laplace(whole, orders, stretch)
    distance, touched = stretch * event.l1, _touched(event, stretch)
    largest = largest_loss(event, stretch)
    if distance > _WIDEST or (touched > 1 and event.b > _LONGEST):
        capped: NDArray[np.float64] = np.minimum(float(largest), orders * float(largest) ** 2 / 2) * ROUND_UP
        return capped
    one = [_divergence(_shape(event), float(event.b), each, orders) for each in _distances(distance, touched)]
    if touched == 1:
        return one[-1]
    steps = _distances(distance, touched)
    # a coordinate moved by d, s < d <= t, costs at most what t costs, and takes at least s + 1 of the distance
    rates = [cost / (below + 1) for cost, below in zip(one, (0, *steps[:-1]), strict=True)]
    spread: NDArray[np.float64] = np.minimum(distance * np.max(rates, axis=0), touched * one[-1]) * ROUND_UP
    return spread


def largest_loss(event: DistributedDiscreteLaplace, stretch: int) -> Fraction:
    """Bound the privacy loss with probability 1: pure epsilon, rounded up."""
    distance, touched = stretch * event.l1, _touched(event, stretch)
    if event.honest >= event.shares:
        return distance / event.b
    each, more = divmod(distance, touched)
    loss = (touched - more) * _loss_at(event, each) + more * _loss_at(event, each + 1)
    return Fraction(loss * (1 + (2 * _WIDEST + 64) * _EPS) * ROUND_UP)


def laplace_delta(event: DistributedDiscreteLaplace, epsilon: float, stretch: int) -> float:
    """Compute the profile of one use, rounded up: exact where the whole distance lies in one coordinate.

    ``sum over x of max(0, P(x) - exp(epsilon) P(x - d))``; elsewhere that of randomized response at the largest loss,
    which no mechanism of that pure epsilon exceeds (Kairouz, Oh, Viswanath 1311.0776).
    """
    largest = float(largest_loss(event, stretch)) * ROUND_UP
    if epsilon >= largest:
        return 0.0
    by_pure = min(1.0, -math.expm1(epsilon - largest) / (1 + math.exp(-largest)) * ROUND_UP)
    distance = stretch * event.l1
    if _touched(event, stretch) > 1 or distance > _WIDEST:
        return by_pure
    b = float(event.b)
    logs = log_masses(min(Fraction(1), _shape(event)), b, _reach(b, distance))
    last = len(logs) - 1
    here = np.concatenate([logs[last - distance : 0 : -1], logs])  # x from distance - last to last
    there = np.concatenate([logs[last:0:-1], logs[: last - distance + 1]])
    errors = (last + distance + 64) * 4 * _EPS * (1 + np.abs(here - there))
    shares = -np.expm1(np.minimum(0.0, epsilon - (here - there) - errors))
    behind = math.exp(logs[last - distance]) / math.expm1(1 / b)
    rounding = 1 + 2 * last * _EPS * abs(float(logs[-1]))
    enumerated = float((np.exp(here) * shares).sum()) * rounding * ROUND_UP + behind
    return min(by_pure, enumerated)


def _loss_at(event: DistributedDiscreteLaplace, distance: int) -> float:
    """``log c(0) - log c(d)``; far out, where a step costs ever less, each costs what the last one enumerated does."""
    known = min(distance, _WIDEST)
    logs = log_masses(_shape(event), float(event.b), known)
    beyond = (distance - known) * float(logs[known - 1] - logs[known]) if distance > known else 0.0
    return float(logs[0] - logs[known]) + beyond


def log_masses(shape: Fraction, b: float, most: int) -> NDArray[np.float64]:
    """Give logarithms of ``c(0) .. c(N)`` of any shape r above 0.

    Args:
        shape: honest parties over shares; the statements about tails above hold up to 1.
        b: scale.
        most: N is at least this, and far into the tail.
    """
    return _log_masses(shape, b, max(most, math.ceil(_TAIL * b) + _LEAST_TAIL))


def _touched(event: DistributedDiscreteLaplace, stretch: int) -> int:
    """Coordinates that can differ: one unit changes at most ``dim`` of them, replacing it twice as many."""
    return min(stretch * event.dim, stretch * event.l1)


def _shape(event: DistributedDiscreteLaplace) -> Fraction:
    return Fraction(event.honest, event.shares)


def _reach(b: float, distance: int) -> int:
    return math.ceil(_TAIL * b) + _LEAST_TAIL + 2 * distance


def _distances(distance: int, touched: int) -> tuple[int, ...]:
    """At one coordinate the distance alone; else 1, 2, 3, 4, 6, 8, 12 ... up to it."""
    if touched == 1:
        return (distance,)
    steps = {1, distance}
    step = 2
    while step < distance:
        steps |= {step, min(distance, step + step // 2)}
        step *= 2
    return tuple(sorted(steps))


@lru_cache(maxsize=_REMEMBERED)
def _log_masses(shape: Fraction, b: float, last: int) -> NDArray[np.float64]:
    if shape == 1:
        logs = math.log(math.tanh(1 / (2 * b))) - np.arange(last + 1) / b
        logs.setflags(write=False)
        return logs
    r, p = float(shape), math.exp(-1 / b)
    middle, ratio = 1 + p * p, p
    ratios = np.empty(last + 1)
    for k in range(2 * last + _LEAST_TAIL, 0, -1):
        ratio = p * (k - 1 + r) / (middle * k - p * (k + 1 - r) * ratio)
        if k <= last:
            ratios[k] = ratio
    ratios[0] = 1.0
    logs = np.cumsum(np.log(ratios))
    logs -= math.log(1 + 2 * math.fsum(np.exp(logs[1:]).tolist()))
    logs.setflags(write=False)
    return logs


def _divergence(shape: Fraction, b: float, distance: int, orders: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rényi divergence of the masses and the same, moved by a distance."""
    last = math.ceil(_NEAR_TAIL * b) + _LEAST_TAIL + distance
    logs = log_masses(shape, b, _reach(b, distance))[: last + 1]
    near, far, middle = logs[: last - distance + 1], logs[distance:], logs[1:distance]
    # x <= 0, then x >= d, then between
    losses = np.concatenate([near - far, far - near, middle - middle[::-1]])
    starts = np.concatenate([near, far, middle])
    # a logarithm of a mass is a sum of so many terms, each off by an ulp of itself
    errors = (last + 64) * _EPS * (1 + np.abs(starts))
    tail = -math.log(math.expm1(1 / b))
    behind = (float(near[-1]) + tail, float(near[-1] - far[-1]), float(far[-1]) + tail)
    moments = [_log_moment(starts + (2 * a + 1) * errors, losses, behind, a) for a in orders.tolist()]
    return np.array(moments) / (orders - 1) * ROUND_UP


def _log_moment(
    starts: NDArray[np.float64], losses: NDArray[np.float64], behind: tuple[float, float, float], order: float
) -> float:
    """Logarithm of ``E[exp((a - 1) loss)]``, rounded up; behind the enumeration both tails at their largest loss."""
    exponents = starts + (order - 1) * losses
    tails = (behind[0] + (order - 1) * behind[1], behind[2])
    top = max(float(exponents.max()), *tails)
    total = float(np.exp(exponents - top).sum()) + sum(math.exp(each - top) for each in tails)
    return max(0.0, top + math.log(total)) + (_ABSOLUTE + len(starts) * _EPS) * (1 + abs(top))

"""The smallest noise that meets a target.

Guarantees:  the scale returned meets the target as this accountant prices it, is the smallest of its grid that does,
             and has at most 20 significant bits, so that two mathematics libraries that differ in the last bit of a
             logarithm agree on it.
See instead: how a scale becomes noise (the caller builds the events).
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from privacy_accounting.errors import InvalidCostError
from privacy_accounting.rdp import EpsilonAt
from privacy_accounting.rdp import epsilon as epsilon_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from privacy_accounting.events import Event, Relation

    Price = Callable[[Iterable[Event], Fraction, Relation], EpsilonAt]

SIGNIFICANT_BITS: Final = 20
_LARGEST_EXPONENT: Final = 100
_FIRST_STEP: Final = 2
_ROUND_UP: Final = 1 + 2.0**-40


def smallest_scale(
    events_at: Callable[[Fraction], Sequence[Event]],
    epsilon: Fraction,
    delta: Fraction,
    relation: Relation,
    *,
    price: Price = epsilon_of,
) -> Fraction:
    """Find the smallest scale whose events together cost at most epsilon at delta.

    Args:
        events_at: the events at a scale above 0; their cost must not rise with the scale. It may raise
            ``InvalidCostError`` at scales that are too small to be priced.
        epsilon: target, above 0.
        delta: 0 <= delta < 1.
        relation: which datasets are neighbours.
        price: converts events into epsilon; by default from their Rényi costs.

    Returns:
        ``m * 2**e`` with ``2**19 <= m < 2**20``: the result of bisection rounded up to 20 significant bits.

    Raises:
        InvalidCostError: the target is out of range, or no scale up to ``2**100`` meets it.
    """
    if not epsilon > 0:
        raise InvalidCostError(what="epsilon", reason="must be above 0")
    if not 0 <= delta < 1:
        raise InvalidCostError(what="delta", reason="must be at least 0 and below 1")

    def meets(scale: Fraction) -> bool:
        try:
            found = price(events_at(scale), delta, relation).epsilon
        except InvalidCostError:
            return False  # too little noise to be priced at all
        return found < math.inf and Fraction(found) <= epsilon

    exponent = _octave(meets, events_at, delta, relation)
    # the answer lies in (2**(exponent - 1), 2**exponent]
    unit = Fraction(2) ** (exponent - SIGNIFICANT_BITS)
    low, high = 2 ** (SIGNIFICANT_BITS - 1), 2**SIGNIFICANT_BITS
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if meets(middle * unit) else (middle, high)
    return high * unit


def _octave(
    meets: Callable[[Fraction], bool],
    events_at: Callable[[Fraction], Sequence[Event]],
    delta: Fraction,
    relation: Relation,
) -> int:
    """Find e such that ``2**e`` meets the target and ``2**(e - 1)`` does not, stepping out from 1."""

    def met(exponent: int) -> bool:
        return meets(Fraction(2) ** exponent)

    low, high, step = 0, 0, _FIRST_STEP
    if met(0):
        while met(low):
            if low <= -_LARGEST_EXPONENT:
                raise InvalidCostError(
                    what="scale", reason="every scale meets the target; there is nothing to choose"
                )
            high, low, step = low, max(low - step, -_LARGEST_EXPONENT), 2 * step
    else:
        while not met(high):
            if high >= _LARGEST_EXPONENT:
                epsilon_of(
                    events_at(Fraction(2) ** high), delta, relation
                )  # raises with the name of the event that has no price
                raise InvalidCostError(what="epsilon", reason="no noise meets it at this delta")
            low, high, step = high, min(high + step, _LARGEST_EXPONENT), 2 * step
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if met(middle) else (middle, high)
    return high


def key_threshold(*, contribution: int, keys: int, total_sigma2: Fraction, delta: Fraction) -> int:
    """Find a threshold below which figures of undeclared keys are kept back.

    A discrete Gaussian, and a sum of independent ones, has tail ``P(X >= x) <= exp(-x**2 / (2 sigma2))`` with
    the parameters' sum (Canonne, Kamath, Steinke 2004.00010, Corollary 17: they are sub-Gaussian); the keys of
    one unit are taken together by the union bound.

    Args:
        contribution: the most that one unit adds to one key, at least 1.
        keys: the most keys that one unit touches, at least 1.
        total_sigma2: parameter sigma squared of *all* the noise in a figure, colluders' included.
        delta: the ``threshold`` event's own delta, above 0 and below 1.

    Returns:
        The smallest integer that this bound allows: show a key only if its noisy figure is at least that.

    Raises:
        InvalidCostError: a parameter is out of range.
    """
    if min(contribution, keys) < 1 or not total_sigma2 > 0 or not 0 < delta < 1:
        raise InvalidCostError(
            what="threshold",
            reason="needs contribution and keys of at least 1, variance above 0, 0 < delta < 1",
        )
    logarithm = math.log(keys) + math.log(delta.denominator) - math.log(delta.numerator)
    distance = math.sqrt(2 * float(total_sigma2) * logarithm) * _ROUND_UP
    return contribution + math.ceil(distance)

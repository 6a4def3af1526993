"""Ratios of shared numbers, rounded to a few significant digits before anything is opened.

Layer:       smpc.operations.numeric.significant. Over ``normalized``, ``comparison`` and ``arithmetic``.
Terms:       a *threshold* is the middle between two neighbours among the values that can be opened. A *slot* is one
             comparison; which threshold it holds follows from the difference of the exponents, on shares.
Guarantees:  halves go away from zero, and so does what lies below a half by less than ``2**-24`` of itself, which covers
             the errors of the mantissas: a ratio of integers that is a half exactly never goes down. Everything else
             is rounded as the exact ratio is. Equal inputs give equal digits. Nothing but the rounded value follows from
             the result; rounds and bytes depend on the rule and on the number of ratios alone.
Visible to:  the parties see masked values and masked bits, all uniform.
See instead: rounding of shared integers to up to six digits (``significant_integers``); opening (``reveal``).
Source:      no division: a ratio reaches a threshold where the numerator reaches the threshold times the denominator. Ours.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Final

import numpy as np

from smpc.errors import RingRangeError
from smpc.operations.arithmetic import (
    add,
    concatenate,
    matmul_public,
    multiply,
    multiply_public,
    reshape,
    subtract,
    subtract_from_public,
    take,
    total,
)
from smpc.operations.comparison import at_least_each, is_negative
from smpc.operations.numeric.normalized import EXPONENT_BITS, MANTISSA_BITS, NOTHING, Normalized
from smpc.ring import RING_BITS

if TYPE_CHECKING:
    from smpc.ring import RingArray
    from smpc.session import Session
    from smpc.sharing import Shared

MOST_DIGITS: Final = 4
LOWEST_MANTISSA: Final = 28
_TEN: Final = 10
_BAND: Final = 26  # thresholds are lowered by this power of two, relative
_MOST_PLACES: Final = 17  # of the largest value in the finest units
_PAD: Final = 1 << MANTISSA_BITS


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounding:
    """A rule of rounding.

    Attributes:
        digits: significant ones, 1 to 4.
        places: the finest unit is ``10**-places``; smaller values have fewer digits.
        decades: the largest value is ``10**decades``; what is above counts as this value.
        is_root: what is rounded is the square root of the ratio.
    """

    digits: int
    places: int
    decades: int
    is_root: bool = False

    def __post_init__(self) -> None:
        """Refuse what the ring cannot hold."""
        if not 1 <= self.digits <= MOST_DIGITS or not 0 < self.places + self.decades <= _MOST_PLACES:
            raise RingRangeError(what="rule of rounding")

    @property
    def values(self) -> tuple[int, ...]:
        """All values above 0 that can be opened, rising, in units of ``10**-places``."""
        top = self.places + self.decades
        found = list(range(1, min(_TEN**self.digits, _TEN**top) + 1))
        for decade in range(1, top - self.digits + 1):
            found += [
                mantissa * _TEN**decade
                for mantissa in range(_TEN ** (self.digits - 1) + 1, _TEN**self.digits + 1)
            ]
        return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Slots:
    """Public tables; of each difference of exponents from ``first`` on a column.

    Attributes:
        first: the least difference at which a value above 0 is possible.
        thresholds: multiples of the denominator's mantissa, shape ``(n_slots, n_differences)``.
        steps: what is added where a slot is reached, same shape.
        bases: what is reached before the first slot, shape ``(n_differences,)``.
        last: the largest value, for all larger differences.
    """

    first: int
    thresholds: RingArray = field(repr=False)
    steps: RingArray = field(repr=False)
    bases: RingArray = field(repr=False)
    last: int


def round_ratio(session: Session, numerator: Normalized, denominator: Normalized, rule: Rounding) -> Shared:
    """Return shares of ``numerator / denominator``, rounded; 0 where the numerator is 0.

    Of a denominator of 0 the result means nothing: the caller closes it, by ``normalized.is_positive``.

    Visible to: no party learns anything.
    Cost: 10 rounds and some 50 kB a peer for each ratio of three digits; see ``smpc.cost``.

    Args:
        session: an open session.
        numerator: shape ``(n,)``; its ``low`` is at least 28.
        denominator: likewise.
        rule: public.

    Returns:
        Integers in units of ``10**-rule.places``, shape ``(n,)``.

    Raises:
        RingRangeError: mantissas that have lost too many places; before anything is sent.
    """
    if min(numerator.low, denominator.low) < LOWEST_MANTISSA:
        raise RingRangeError(what="mantissas of a ratio")
    slots = _slots(rule, numerator.low, denominator.low)
    n_slots = len(slots.thresholds)
    lead, above = _differences(session, subtract(numerator.exponent, denominator.exponent), slots)
    tables = matmul_public(np.concatenate([slots.thresholds, slots.steps]), lead)
    thresholds, steps = take(tables, range(n_slots)), take(tables, range(n_slots, 2 * n_slots))
    scaled = multiply_public(reshape(numerator.mantissa, (1, -1)), 1 << denominator.low)
    shortfall = subtract(scaled, multiply(session, thresholds, reshape(denominator.mantissa, (1, -1))))
    reached = subtract_from_public(session, 1, is_negative(session, shortfall, RING_BITS))
    found = total(multiply(session, steps, reached), axis=0)
    base = matmul_public(np.array([[*slots.bases.tolist(), slots.last]]), concatenate([lead, above]))
    return add(found, reshape(base, found.shape))


def _differences(session: Session, difference: Shared, slots: _Slots) -> tuple[Shared, Shared]:
    """Return which difference of exponents it is, shape ``(n_differences, n)``, and whether it is above all of them."""
    count = slots.bases.size
    reached = at_least_each(
        session, difference, slots.first + np.arange(count + 1, dtype=np.int64), EXPONENT_BITS
    )
    lead = subtract(take(reached, range(count)), take(reached, range(1, count + 1)))
    return lead, take(reached, [count])


@functools.lru_cache(maxsize=32)
def _slots(rule: Rounding, low: int, low_below: int) -> _Slots:
    """The tables for mantissas from these powers of two to ``2**31``."""
    values = rule.values
    power = 2 if rule.is_root else 1
    middles = [
        Fraction(before + value, 2 * _TEN**rule.places) ** power
        for before, value in zip((0, *values), values, strict=False)
    ]
    least, most = Fraction(1, 2 ** (MANTISSA_BITS - low)), Fraction(2 ** (MANTISSA_BITS - low_below))
    first = math.floor(math.log2(middles[0] / most)) - 1
    last = math.ceil(math.log2(middles[-1] / least)) + 1
    if first <= NOTHING // 2 or last >= -NOTHING // 2:
        raise RingRangeError(what="rule of rounding")
    columns: list[tuple[int, list[int], list[int]]] = []
    lowered = (Fraction(1) - Fraction(1, 1 << _BAND)) * (1 << low_below)
    place = 0
    for difference in range(first, last + 1):
        shift = Fraction(2) ** -difference
        while place < len(middles) and middles[place] * shift < least:
            place += 1
        end = place
        thresholds: list[int] = []
        while end < len(middles) and middles[end] * shift <= most:
            thresholds.append(math.floor(middles[end] * shift * lowered))
            end += 1
        steps = [values[each] - (values[each - 1] if each else 0) for each in range(place, end)]
        columns.append((values[place - 1] if place else 0, thresholds, steps))
    width = max(len(thresholds) for _, thresholds, _ in columns)
    return _Slots(
        first=first,
        thresholds=np.array([each + [_PAD] * (width - len(each)) for _, each, _ in columns], np.int64).T,
        steps=np.array([each + [0] * (width - len(each)) for *_, each in columns], np.int64).T,
        bases=np.array([base for base, _, _ in columns], np.int64),
        last=values[-1],
    )

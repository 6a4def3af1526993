"""Exact discrete Gaussian noise.

Terms:       mass proportional to ``exp(-x**2 / (2 sigma2))`` at each integer x, sigma2 = n / d rational; t =
             floor(sigma) + 1; a discrete Laplace candidate y of scale t is kept with probability ``exp(-g)``, g =
             (|y| - sigma2/t)**2 / (2 sigma2).
Guarantees:  exact distribution from integers alone; no floating point, no seed, no table cut off.
See instead: how large sigma2 must be (``calibration``), shares of noise (each party simply draws its own).
Source:      Canonne, Kamath, Steinke 2004.00010, Algorithm 3. The 64-bit bounds on g are ours: where they do not
             decide, the candidate is decided with unbounded integers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final

import numpy as np

from privacy_accounting.decimals import as_fraction
from privacy_accounting.errors import InvalidCostError
from privacy_accounting.noise.bernoulli import WORD_BITS, bernoulli, bernoulli_exp, bernoulli_exps, geometrics
from privacy_accounting.noise.laplace import LARGEST_STEP, Draws, candidates, checked_size

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from privacy_accounting.noise.source import ByteSource

LARGEST_SIGMA2: Final = 2**80
SLOW_SIGMA2: Final = LARGEST_STEP**2  # from here on each value is drawn alone, some 100 times slower
_LARGEST_TURNS: Final = 44  # beyond, with probability exp(-45), a candidate is decided alone
_LARGEST_EXPONENT: Final = 64  # beyond, with probability about exp(-13), likewise
_SURPLUS: Final = 32
_BATCH: Final = 1 << 17


def discrete_gaussian(sigma2: int | Fraction, size: int, source: ByteSource) -> NDArray[np.int64]:
    """Draw independent discrete Gaussian variables.

    Cost: about 25 random bytes a value; 200,000 values a second and more for sigma from 0.5 up to ``2**31``.

    Args:
        sigma2: the parameter sigma squared, above 0, at most ``2**80``.
        size: how many, at least 0.
        source: uniform bytes.

    Returns:
        int64, shape ``(size,)``.

    Raises:
        InvalidCostError: a parameter is out of range.
    """
    variance = as_fraction(sigma2, what="sigma2")
    if not 0 < variance <= LARGEST_SIGMA2:
        raise InvalidCostError(what="sigma2", reason="must be above 0 and at most 2^80")
    missing = checked_size(size)
    t = math.isqrt(math.floor(variance)) + 1
    if t > LARGEST_STEP:
        return np.array([one_discrete_gaussian(variance, source) for _ in range(missing)], dtype=np.int64)
    plan, found = _Plan.of(variance, t), []
    while missing > 0:
        values = _some(plan, min(3 * missing + _SURPLUS, _BATCH), source)[:missing]
        found.append(values)
        missing -= len(values)
    return np.concatenate(found) if found else np.zeros(0, dtype=np.int64)


def one_discrete_gaussian(sigma2: Fraction, source: ByteSource) -> int:
    """Draw one variable with unbounded integers, Algorithms 2 and 3 as printed; the fast path's reference."""
    t = math.isqrt(math.floor(sigma2)) + 1
    while True:
        below = _one_below(t, source)
        if not bernoulli_exp(Fraction(below, t), source):
            continue
        turns = 0
        while bernoulli_exp(Fraction(1), source):
            turns += 1
        magnitude, negative = below + t * turns, bernoulli(Fraction(1, 2), source)
        if not (negative and magnitude == 0) and bernoulli_exp(_exponent(magnitude, sigma2, t), source):
            return -magnitude if negative else magnitude


def _one_below(t: int, source: ByteSource) -> int:
    """Draw a uniform integer in 0 .. t - 1 by rejection."""
    bits = (t - 1).bit_length()
    while True:
        drawn = int.from_bytes(source.bytes((bits + 7) // 8), "little") & ((1 << bits) - 1)
        if drawn < t:
            return drawn


def _exponent(magnitude: int, sigma2: Fraction, t: int) -> Fraction:
    return (magnitude - sigma2 / t) ** 2 / (2 * sigma2)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """Integer constants that bound ``g 2**32`` in 64 bits.

    With ``c = floor(2**point sigma2 / t)``, the distance ``|(y << point) - c|`` is off by at most 1. It is
    cut by ``shift`` to 31 bits, squared, and divided by ``2 sigma2 2**(2 point - 2 shift - 32)``, rounded
    both ways.
    """

    sigma2: Fraction
    t: int
    point: int
    center: int
    largest: int
    shift: int
    divisor_low: int
    divisor_high: int

    @staticmethod
    def of(sigma2: Fraction, t: int) -> _Plan:
        point = min(40, 53 - t.bit_length())  # (46 t) << point stays below 2**59
        scaled = 2 * sigma2 * 4**point
        largest = min(math.isqrt(math.floor(_LARGEST_EXPONENT * scaled)), 2**60)
        shift = max(0, largest.bit_length() - 31)
        divisor = scaled / 4**shift / 2**WORD_BITS
        return _Plan(
            sigma2=sigma2,
            t=t,
            point=point,
            center=math.floor(sigma2 * 2**point / t),
            largest=largest,
            shift=shift,
            divisor_low=math.floor(divisor),
            divisor_high=math.ceil(divisor),
        )


def _some(plan: _Plan, count: int, source: ByteSource) -> NDArray[np.int64]:
    """Draw as many values as survive of ``count`` candidates."""
    draws = candidates(plan.t, count, source)
    possible = ~(draws.negative & (draws.magnitude == 0))
    draws = Draws(
        magnitude=draws.magnitude[possible], turns=draws.turns[possible], negative=draws.negative[possible]
    )
    kept = _kept(plan, draws, source)
    return np.where(draws.negative, -draws.magnitude, draws.magnitude)[kept]


def _kept(plan: _Plan, draws: Draws, source: ByteSource) -> NDArray[np.bool_]:
    """Keep each candidate with probability ``exp(-g)``."""
    if plan.divisor_low == 0:
        return np.array([_one_kept(plan, int(each), source) for each in draws.magnitude], dtype=np.bool_)
    near = np.where(draws.turns <= _LARGEST_TURNS, draws.magnitude, 0) << plan.point
    # the true distance lies in [distance - 1, distance + 1]
    distance = np.abs(near - plan.center)
    alone = (draws.turns > _LARGEST_TURNS) | (distance >= plan.largest)
    distance = np.where(alone, 0, distance)
    low = (np.maximum(distance - 1, 0) >> plan.shift) ** 2 // plan.divisor_high
    high = ((distance + 1 >> plan.shift) + 1) ** 2 // plan.divisor_low + 1
    whole = low >> WORD_BITS
    alone |= high >> WORD_BITS != whole
    kept = np.zeros(len(distance), dtype=np.bool_)
    together = np.flatnonzero(~alone)
    together = together[_whole_part_allows(whole[together], source)]
    offset = whole[together] << WORD_BITS
    magnitude = draws.magnitude[together]

    def exact(place: int) -> Fraction:
        return _exponent(int(magnitude[place]), plan.sigma2, plan.t) % 1

    kept[together] = bernoulli_exps(low[together] - offset, high[together] - offset, exact, source)
    for place in np.flatnonzero(alone):
        kept[place] = _one_kept(plan, int(draws.magnitude[place]), source)
    return kept


def _whole_part_allows(whole: NDArray[np.int64], source: ByteSource) -> NDArray[np.bool_]:
    """Say yes with probability ``exp(-whole)``: a geometric variable reaches it."""
    result: NDArray[np.bool_] = whole == 0
    tested = np.flatnonzero(~result)
    result[tested] = geometrics(len(tested), source) >= whole[tested]
    return result


def _one_kept(plan: _Plan, magnitude: int, source: ByteSource) -> bool:
    return bernoulli_exp(_exponent(magnitude, plan.sigma2, plan.t), source)

"""Exact discrete Laplace noise.

Terms:       scale b = t / s: mass ``tanh(1/(2 b)) exp(-|x| / b)`` at each integer x; in the vocabulary of events, a =
             1/b.
Guarantees:  exact distribution from integers; no floating point, no seed.
See instead: which scale pays for what (``calibration``).
Source:      Canonne, Kamath, Steinke 2004.00010, Algorithm 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final

import numpy as np

from privacy_accounting.decimals import as_fraction
from privacy_accounting.errors import InvalidCostError
from privacy_accounting.noise.bernoulli import WORD_BITS, bernoulli_exps, geometrics, words

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from privacy_accounting.noise.source import ByteSource

LARGEST_STEP: Final = 2**31
"""Above it a uniform integer below t and its sign no longer come from one 32-bit word."""
_SURPLUS: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Draws:
    """Candidates of a discrete Laplace variable of scale t, each of shape ``(n,)``.

    ``magnitude`` is ``u + t v`` with 0 <= u < t; ``turns`` is v; ``negative`` is an independent fair coin.
    """

    magnitude: NDArray[np.int64]
    turns: NDArray[np.int64]
    negative: NDArray[np.bool_]


def candidates(t: int, count: int, source: ByteSource) -> Draws:
    """Draw about ``count`` magnitudes of mass proportional to ``exp(-x / t)`` from 0 on, and fair signs.

    Args:
        t: 1 .. 2**31.
        count: how many to try; rejected ones are missing from the result.
        source: uniform bytes.

    Returns:
        Independent candidates.
    """
    drawn = words(count, source)
    negative = drawn >> (WORD_BITS - 1) == 1
    below = drawn & ((1 << (t - 1).bit_length()) - 1)
    kept = below < t
    below, negative = below[kept], negative[kept]
    low = (below << WORD_BITS) // t
    stays = bernoulli_exps(low, low + 1, lambda place: Fraction(int(below[place]), t), source)
    below, negative = below[stays], negative[stays]
    turns = geometrics(len(below), source)
    return Draws(magnitude=below + t * turns, turns=turns, negative=negative)


def discrete_laplace(scale: int | Fraction, size: int, source: ByteSource) -> NDArray[np.int64]:
    """Draw independent discrete Laplace variables.

    Args:
        scale: b = 1/a, above 0, numerator at most ``2**31``.
        size: how many, at least 0.
        source: uniform bytes.

    Returns:
        int64, shape ``(size,)``.

    Raises:
        InvalidCostError: a parameter is out of range.
    """
    b = as_fraction(scale, what="scale")
    if not (b > 0 and b.numerator <= LARGEST_STEP and b.denominator < LARGEST_STEP):
        raise InvalidCostError(
            what="scale", reason="must be above 0, with numerator and denominator up to 2^31"
        )
    found: list[NDArray[np.int64]] = []
    missing = checked_size(size)
    while missing > 0:
        draws = candidates(b.numerator, 3 * missing + _SURPLUS, source)
        magnitude = draws.magnitude // b.denominator
        kept = ~(draws.negative & (magnitude == 0))  # zero would be drawn by both signs
        values = np.where(draws.negative, -magnitude, magnitude)[kept][:missing]
        found.append(values)
        missing -= len(values)
    return np.concatenate(found) if found else np.zeros(0, dtype=np.int64)


def checked_size(size: int) -> int:
    """Return ``size`` if it is an integer of at least 0."""
    if type(size) is not int or size < 0:
        raise InvalidCostError(what="size", reason="must be an integer of at least 0")
    return size

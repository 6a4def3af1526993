"""Fixed-point numbers on shares: encoding, products, squares and matrix products, rounded exactly.

Layer:       smpc.operations.numeric.fixed_point. Over ``arithmetic``, ``gram`` and ``truncation``.
Terms:       a fixed-point number is a ring integer, a whole number of units; a unit is ``2**-fraction``.
Guarantees:  every product is the exact product of its two operands rounded to the nearest unit, halves upwards; a sum
             of products is truncated once, so it too is off by half a unit at most, however long it is. True as long
             as results lie strictly within ``2**integer - 1``; beyond it they are wrong without a sign of it: bounds
             are enforced where the data come from. ``python -m benchmarks.smpc --only products_exact --products
             100000000`` counts: of 10^8 products up to 2^30 none wrong.
Visible to:  the parties see masked values and masked bits, all uniform.
See instead: functions (``functions``); sums and public integer factors (``arithmetic``, which keeps units).
Source:      eprint 2011/535 (products); delayed truncation: ours to the extent that it is exact.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from smpc.errors import RingRangeError
from smpc.operations import arithmetic
from smpc.operations.numeric.gram import gram as integer_gram
from smpc.operations.truncation import WIDEST, truncate
from smpc.sharing import Shared

if TYPE_CHECKING:
    from smpc.ring import RingArray
    from smpc.session import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedPoint:
    """A scale and a range.

    Attributes:
        fraction: binary places, at least 1.
        integer: results have an absolute value of at most ``2**integer - 1``; at least 1.
    """

    fraction: int
    integer: int

    def __post_init__(self) -> None:
        """Refuse a scale whose products do not fit the ring."""
        if any(type(places) is not int or places < 1 for places in (self.fraction, self.integer)):
            raise RingRangeError(what="places of a fixed-point scale")
        if self.wide_bits > WIDEST:
            raise RingRangeError(what="product of a fixed-point scale")

    @property
    def wide_bits(self) -> int:
        """Width of a product before its truncation: 64 at most."""
        return self.integer + 2 * self.fraction + 1

    def encode(self, values: npt.NDArray[np.float64]) -> RingArray:
        """Round public or a party's own numbers to units, halves to even.

        Raises:
            RingRangeError: not finite floats, or one beyond ``2**integer - 1``.
        """
        given: object = values
        if not isinstance(given, np.ndarray) or not np.issubdtype(values.dtype, np.floating):
            raise RingRangeError(what="fixed-point numbers are floats")
        with np.errstate(over="ignore"):
            floats = values.astype(np.float64)  # first: a bound that a narrower type rounds up lets more pass
        # the largest double that is no more than 2**integer - 1
        largest = min(2.0**self.integer - 1, math.nextafter(2.0**self.integer, 0.0))
        if not np.all(np.abs(floats) <= largest):  # false for what is not a number
            raise RingRangeError(what="fixed-point number")
        return np.atleast_1d(np.rint(np.ldexp(floats, self.fraction)).astype(np.int64))

    def decode(self, units: RingArray) -> npt.NDArray[np.float64]:
        """Return opened units as floats; exact below ``2**53`` units."""
        return np.ldexp(units.astype(np.float64), -self.fraction)


def multiply(session: Session, a: Shared, b: Shared, scale: FixedPoint) -> Shared:
    """Return shares of the elementwise product, with numpy's broadcasting.

    Cost: one product round and one truncation.

    Args:
        session: an open session.
        a: units of the scale.
        b: units of the scale.
        scale: bounds the product, not the operands.
    """
    return rescale(session, arithmetic.multiply(session, a, b), scale)


def square(session: Session, a: Shared, scale: FixedPoint) -> Shared:
    """Return shares of the elementwise square; cost and arguments as ``multiply``, with one mask."""
    return rescale(session, arithmetic.square(session, a), scale)


def matmul(session: Session, a: Shared, b: Shared, scale: FixedPoint) -> Shared:
    """Return shares of the matrix product, truncated once for each entry of the result.

    The scale bounds the results alone: what is summed may leave the range as long as the sum comes back.

    Cost: one product round and one truncation of the result's size.
    """
    return rescale(session, arithmetic.matmul(session, a, b), scale)


def gram(session: Session, a: Shared, scale: FixedPoint) -> Shared:
    """Return shares of ``a.T @ a`` for a matrix ``(n, d)``; the upper triangle alone is truncated.

    Cost: one round of ``8 * n * d`` bytes a peer and one truncation of ``d * (d + 1) / 2`` numbers.

    Raises:
        RingRangeError: not a matrix, before anything is sent.
    """
    if len(a.shape) != 2:  # noqa: PLR2004  a matrix has two axes
        raise RingRangeError(what="shape of a matrix")
    raw = integer_gram(session, a)
    d = raw.shape[-1]
    rows, columns = np.triu_indices(d)
    upper = rescale(session, Shared(share=raw.share[rows, columns]), scale)
    share = np.empty((d, d), dtype=np.int64)
    share[rows, columns] = upper.share
    share[columns, rows] = upper.share
    return Shared(share=share)


def rescale(session: Session, raw: Shared, scale: FixedPoint) -> Shared:
    """Return products, or sums of products, as units again: one truncation, rounded to the nearest.

    Args:
        session: an open session.
        raw: what ``arithmetic`` made of factors in units; its true value lies in the scale's range.
        scale: the factors' scale.
    """
    return truncate(session, raw, scale.fraction, scale.wide_bits, is_rounded=True)

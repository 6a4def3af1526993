"""Shared numbers as mantissa and exponent, so that products of wide integers stay in the ring.

Layer:       smpc.operations.numeric.normalized. Over ``arithmetic``, ``comparison`` and ``truncation``.
Terms:       a normalized number is ``mantissa * 2**exponent``, both shared; its mantissa is 0 or lies between
             ``2**low`` and ``2**31``. Its sign is apart.
Guarantees:  the relative error of ``normalize`` is at most ``2**-31``, that of ``multiply`` adds ``2**-(low + 1)``; none
             below 31 bits. No party learns length, sign or whether a number is 0. Of 0 the mantissa is 0 and the
             exponent so low that no product leads back.
Visible to:  the parties see masked values and masked bits, all uniform.
See instead: a scale that all numbers share (``fixed_point``), rounding to significant digits (``significant``).
Source:      the leading bit from comparisons with all powers of two, linear in public tables: ours.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from smpc.errors import RingRangeError
from smpc.operations import arithmetic
from smpc.operations.arithmetic import add, add_public, matmul_public, reshape, stack, subtract, take, total
from smpc.operations.comparison import at_least_each
from smpc.operations.truncation import truncate
from smpc.sharing import Shared

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smpc.session import Session

MANTISSA_BITS: Final = 31
WIDEST: Final = 61
NOTHING: Final = -512  # the exponent of 0
EXPONENT_BITS: Final = 14  # of a difference of exponents, those of 0 among them
_FULL: Final = MANTISSA_BITS - 1
_ALIGNED: Final = 30  # places by which a smaller number of a sum moves down before it is gone
_NONE: Final = np.array([NOTHING // 2])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Normalized:
    """Numbers that are not negative.

    Attributes:
        mantissa: shape ``(n,)``.
        exponent: shape ``(n,)``.
        low: every mantissa but 0 is at least ``2**low``.
    """

    mantissa: Shared = field(repr=False)
    exponent: Shared = field(repr=False)
    low: int

    def at(self, positions: Sequence[int]) -> Normalized:
        """Return the numbers at public positions; 0 rounds."""
        return Normalized(
            mantissa=take(self.mantissa, positions), exponent=take(self.exponent, positions), low=self.low
        )


def normalize(session: Session, x: Shared, bits: int) -> tuple[Normalized, Shared]:
    """Return absolute values as normalized numbers, and their signs.

    Visible to: no party learns anything.
    Cost: at most 9 rounds: one opening of ``x``, compared with ``2 * bits`` public numbers; one product; above 31 bits
        a truncation.

    Args:
        session: an open session.
        x: strictly between ``-2**bits`` and ``2**bits``, shape ``(n,)``.
        bits: 1 to 61.

    Returns:
        The numbers, and -1, 0 or 1 for each.

    Raises:
        RingRangeError: no such width, or not one axis; before anything is sent.
    """
    if isinstance(bits, bool) or not 1 <= bits <= WIDEST or len(x.shape) != 1:
        raise RingRangeError(what="width of a number to normalize")
    powers = np.int64(1) << np.arange(bits, dtype=np.int64)
    reached = at_least_each(session, x, np.concatenate([powers, 1 - powers]), bits + 2).share
    up, above = reached[:bits], reached[bits:]
    one = np.int64(1 if session.is_first else 0)
    down = one - above  # x is at most minus this power
    zeros = np.zeros((1, x.size), dtype=np.int64)
    positive = up - np.concatenate(
        [up[1:], zeros]
    )  # 1 where the leading bit of a positive number is this one
    negative = down - np.concatenate([down[1:], zeros])
    lead, signed = Shared(share=positive + negative), Shared(share=positive - negative)
    shifts = np.int64(1) << np.arange(bits - 1, -1, -1, dtype=np.int64)
    raw = arithmetic.multiply(session, x, matmul_public(shifts, signed))
    exponents = np.arange(bits, dtype=np.int64) - _FULL - NOTHING
    found = Normalized(
        mantissa=_to_mantissa(session, raw, bits),
        exponent=add_public(session, matmul_public(exponents, lead), NOTHING),
        low=_FULL,
    )
    return found, matmul_public(np.ones(bits, dtype=np.int64), signed)


def multiply(session: Session, a: Normalized, b: Normalized) -> Normalized:
    """Return the products of numbers, one by one.

    Visible to: no party learns anything.
    Cost: 5 rounds: a product and a truncation.

    Raises:
        RingRangeError: mantissas that have lost too many places already; before anything is sent.
    """
    low = a.low + b.low - MANTISSA_BITS
    if low < 1:
        raise RingRangeError(what="mantissas of a product")
    raw = arithmetic.multiply(session, a.mantissa, b.mantissa)
    cut = truncate(session, raw, MANTISSA_BITS, 2 * MANTISSA_BITS + 2, is_rounded=True)
    exponent = add_public(session, add(a.exponent, b.exponent), MANTISSA_BITS)
    return Normalized(mantissa=cut, exponent=exponent, low=low)


def sum_of(session: Session, a: Normalized, b: Normalized) -> Normalized:
    """Return the sums of numbers, one by one.

    Visible to: no party learns anything, the larger one included.
    Cost: 8 rounds: a comparison of the exponents, a product and a truncation.

    Returns:
        With one place less, as the sum of two mantissas may have one more.
    """
    apart = subtract(a.exponent, b.exponent)
    steps = np.arange(1 - _ALIGNED, _ALIGNED + 1, dtype=np.int64)  # how much larger the first exponent is
    reached = at_least_each(session, apart, steps, EXPONENT_BITS)
    halved = np.int64(1) << np.arange(_ALIGNED - 1, -1, -1, dtype=np.int64)
    # the number of the smaller exponent moves down by the difference, or away
    first = np.concatenate([np.diff(np.append(0, halved[::-1])), np.zeros(_ALIGNED, np.int64)])
    second = np.concatenate([np.zeros(_ALIGNED, np.int64), np.diff(np.append(halved, 0))])
    factors = [
        matmul_public(first, reached),
        add_public(session, matmul_public(second, reached), 1 << (_ALIGNED - 1)),
        reshape(take(reached, [_ALIGNED - 1]), apart.shape),
    ]
    moved = arithmetic.multiply(session, stack([a.mantissa, b.mantissa, apart]), stack(factors))
    both, above = total(take(moved, [0, 1]), axis=0), reshape(take(moved, [2]), apart.shape)
    return Normalized(
        mantissa=truncate(session, both, _ALIGNED, 2 * MANTISSA_BITS + 1, is_rounded=True),
        exponent=add_public(session, add(b.exponent, above), 1),
        low=min(a.low, b.low) - 1,
    )


def is_positive(session: Session, x: Normalized) -> Shared:
    """Return shares of 1 where a number is not 0; 2 or 3 rounds."""
    return reshape(at_least_each(session, x.exponent, _NONE, EXPONENT_BITS), x.exponent.shape)


def _to_mantissa(session: Session, raw: Shared, bits: int) -> Shared:
    if bits <= MANTISSA_BITS:
        return arithmetic.multiply_public(raw, 1 << (MANTISSA_BITS - bits))
    return truncate(session, raw, bits - MANTISSA_BITS, bits + 2, is_rounded=True)

"""Shared integers, rounded to significant digits before anything is opened.

Layer:       smpc.operations.numeric.significant_integers. Over ``comparison`` and ``arithmetic``.
Guarantees:  exact; halves go away from zero; 0 stays 0 and integers of no more digits stay as they are. Equal inputs give
             equal digits. Rounds and bytes depend on the digits, the bound and the number of integers alone.
Visible to:  the parties see masked values and masked bits, all uniform.
See instead: ratios (``significant``); fixed point, whose units are such integers (``fixed_point``).
Source:      comparison with all powers of ten, then with all values of some digits: ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from smpc.errors import RingRangeError
from smpc.operations.arithmetic import (
    add,
    matmul_public,
    multiply,
    multiply_public,
    reshape,
    subtract,
    take,
    total,
)
from smpc.operations.comparison import at_least_each
from smpc.sharing import Shared

if TYPE_CHECKING:
    from smpc.session import Session

MOST_DIGITS: Final = 6
MOST_DECADES: Final = 18
_AT_ONCE: Final = 3
_TEN: Final = 10


def round_integers(session: Session, x: Shared, digits: int, decades: int) -> Shared:
    """Return shares of ``x`` rounded to significant digits, halves away from zero.

    Visible to: no party learns anything, the number of digits and the sign included.
    Cost: 10 rounds up to three digits, 14 up to six; some 4 kB a peer for each integer and three digits.

    Args:
        session: an open session.
        x: strictly between ``-10**decades`` and ``10**decades``, shape ``(n,)``.
        digits: 1 to 6.
        decades: 1 to 18.

    Returns:
        Shape ``(n,)``.

    Raises:
        RingRangeError: no such digits or bound, or not one axis; before anything is sent.
    """
    if not 1 <= digits <= MOST_DIGITS or not 1 <= decades <= MOST_DECADES or len(x.shape) != 1:
        raise RingRangeError(what="digits or bound of a rounded integer")
    if x.size == 0 or decades <= digits:
        return x
    signed, lead = _leads(session, x, digits, decades)
    powers = np.arange(decades - digits, dtype=np.int64)
    up = matmul_public(_TEN ** powers[::-1], signed)  # moves the first digit of all to one place
    few = _public(session, x) - total(lead, axis=0).share
    moved = multiply(session, reshape(x, (1, -1)), Shared(share=np.stack([up.share, few])))
    mantissa = _digits(session, take(moved, [0]), lead, digits, decades)
    back = matmul_public(_TEN ** (powers + 1), signed)
    return add(multiply(session, mantissa, back), reshape(take(moved, [1]), x.shape))


def _public(session: Session, x: Shared) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.full(x.shape, int(session.is_first), dtype=np.int64)


def _leads(session: Session, x: Shared, digits: int, decades: int) -> tuple[Shared, Shared]:
    """Return of each number of digits above ``digits`` whether x has it: with its sign, and without."""
    powers = _TEN ** np.arange(digits, decades, dtype=np.int64)
    width = (2 * _TEN**decades).bit_length() + 1
    reached = at_least_each(session, x, np.concatenate([powers, 1 - powers]), width).share
    up, down = reached[: powers.size], _public(session, x) - reached[powers.size :]
    zeros = np.zeros((1, x.size), dtype=np.int64)
    positive, negative = (part - np.concatenate([part[1:], zeros]) for part in (up, down))
    return Shared(share=positive - negative), Shared(share=positive + negative)


def _digits(session: Session, y: Shared, lead: Shared, digits: int, decades: int) -> Shared:
    """Return the rounded digits of ``y``, which is 0 or has ``decades`` of them."""
    width = (2 * _TEN**decades).bit_length() + 1
    flat = reshape(y, (y.size,))
    is_there = total(lead, axis=0)
    first = min(digits, _AT_ONCE)
    unit, least = _TEN ** (decades - first), _TEN ** (first - 1)
    if digits <= _AT_ONCE:
        halves = np.arange(least + 1, _TEN**first + 1, dtype=np.int64) * unit - unit // 2
        return _counted(session, flat, halves, is_there, least, width)
    wholes = np.arange(least + 1, _TEN**first, dtype=np.int64) * unit
    head = _counted(session, flat, wholes, is_there, least, width)
    fine = _TEN ** (decades - digits)
    halves = np.arange(1, _TEN ** (digits - first) + 1, dtype=np.int64) * fine - fine // 2
    rest = subtract(flat, multiply_public(head, unit))
    tail = total(at_least_each(session, rest, halves, width), axis=0)
    return add(multiply_public(head, _TEN ** (digits - first)), tail)


def _counted(
    session: Session,
    flat: Shared,
    thresholds: np.ndarray[tuple[int, ...], np.dtype[np.int64]],
    is_there: Shared,
    least: int,
    width: int,
) -> Shared:
    reached = total(at_least_each(session, flat, thresholds, width), axis=0)
    return add(reached, multiply_public(is_there, least))

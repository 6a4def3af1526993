"""Quotients of shared counts, of thousands at once, in fixed point.

Layer:       smpc.operations.numeric.quotients. Over ``arithmetic``, ``comparison`` and ``truncation``.
Terms:       a piece is a public range of denominators, from 16 on a fifth of an octave; ``w`` is a line near the reciprocal
             there, and ``d`` what is missing: ``1 - w * denominator``.
Guarantees:  for ``0 <= numerator <= denominator < 2**22`` the result is within ``2**-31`` of the quotient. Of a
             denominator of 0 or less it is any number, or 0 where the numerator is 0 too: no error follows from data. No
             party learns the piece.
Visible to:  the parties see masked values and masked bits, all uniform.
Cost:        18 rounds up to 20 bits, 19 up to 22; some 400 bytes a peer for two quotients of one denominator.
See instead: ratios that are opened rounded (``significant``); reciprocals of fixed-point numbers (``functions``).
Source:      ``1 / (1 - d)`` as ``(1 + d) (1 + d * d)``; lines of least relative error: textbook.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Final

import numpy as np

from smpc.errors import RingRangeError
from smpc.operations.arithmetic import (
    add,
    add_public,
    broadcast,
    concatenate,
    matmul_public,
    multiply,
    multiply_public,
    reshape,
    stack,
    subtract,
    subtract_from_public,
    take,
)
from smpc.operations.comparison import at_least_each
from smpc.operations.truncation import truncate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smpc.ring import RingArray
    from smpc.session import Session
    from smpc.sharing import Shared

QUOTIENT_BITS: Final = 38  # binary places of the results
MOST_BITS: Final = 22
_LINE_BITS: Final = 52  # of numerator and denominator times w
_CUT: Final = 20
_WIDE: Final = 63
_ALONE: Final = 16  # denominators below this have a piece each
_PER_OCTAVE: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Pieces:
    """Public tables.

    Attributes:
        starts: first denominator of each piece but the first, shape ``(n,)``.
        factors: the power of two that brings the denominators of a piece to one length, shape ``(n + 1,)``.
        heights: of the lines at 0, for each offset, shape ``(n_offsets, n + 1)``.
        slopes: of the lines, falling, same shape.
    """

    starts: RingArray = field(repr=False)
    factors: RingArray = field(repr=False)
    heights: RingArray = field(repr=False)
    slopes: RingArray = field(repr=False)


def quotients(
    session: Session, numerators: Shared, denominator: Shared, offsets: Sequence[int], bits: int
) -> Shared:
    """Return shares of ``numerators[i] / (denominator - offsets[i])``.

    Visible to: no party learns anything.
    Cost: see the module.

    Args:
        session: an open session.
        numerators: shape ``(m, n)``.
        denominator: below ``2**bits``, shape ``(n,)``.
        offsets: m public integers, each 0 or 1.
        bits: 5 to 22.

    Returns:
        In units of ``2**-38``, shape ``(m, n)``.

    Raises:
        RingRangeError: no such width or offsets, or shapes that do not fit; before anything is sent.
    """
    shifts = np.array(offsets, dtype=np.int64)
    if not 5 <= bits <= MOST_BITS or not set(offsets) <= {0, 1}:  # noqa: PLR2004  one more than the lone pieces have
        raise RingRangeError(what="width or offsets of a quotient")
    if numerators.shape != (len(offsets), denominator.size) or len(denominator.shape) != 1:
        raise RingRangeError(what="shapes of a quotient")
    below = add_public(session, stack([denominator] * len(offsets)), -shifts[:, np.newaxis])
    factor, heights, slopes = _lines(session, denominator, _pieces(bits, tuple(offsets)), bits)
    scaled = multiply(
        session, stack([numerators, below, below]), stack([broadcast(factor, below.shape)] * 2 + [slopes])
    )
    line = subtract(heights, reshape(take(scaled, [2]), heights.shape))
    return _refined(session, multiply(session, take(scaled, [0, 1]), line))


def _lines(
    session: Session, denominator: Shared, pieces: _Pieces, bits: int
) -> tuple[Shared, Shared, Shared]:
    """Return the factor, shape ``(1, n)``, and height and slope of each offset's line, shape ``(m, n)``."""
    reached = at_least_each(session, denominator, pieces.starts, bits + 1)
    rows = np.concatenate([pieces.factors[np.newaxis], pieces.heights, pieces.slopes])
    chosen = add_public(session, matmul_public(np.diff(rows, axis=1), reached), rows[:, :1])
    m = len(pieces.heights)
    return take(chosen, [0]), take(chosen, range(1, m + 1)), take(chosen, range(m + 1, 2 * m + 1))


def _refined(session: Session, first: Shared) -> Shared:
    """Return the quotients from numerator and denominator times line, ``first``, in units of ``2**-52``."""
    near = multiply_public(take(first, [0]), 1 << (QUOTIENT_BITS + _CUT - _LINE_BITS))
    missing = subtract_from_public(session, 1 << _LINE_BITS, take(first, [1]))
    cut = truncate(session, concatenate([near, missing]), _CUT, _WIDE, is_rounded=True)
    near, missing = take(cut, [0]), take(cut, [1])
    rest = _LINE_BITS - _CUT
    products = truncate(session, multiply(session, cut, missing), rest, _WIDE, is_rounded=True)
    near = add(near, take(products, [0]))
    last = truncate(session, multiply(session, near, take(products, [1])), rest, _WIDE, is_rounded=True)
    return reshape(add(near, last), near.shape[1:])


@functools.lru_cache(maxsize=16)
def _pieces(bits: int, offsets: tuple[int, ...]) -> _Pieces:
    count = _PER_OCTAVE * (bits - 4)
    spread = {round(_ALONE * 2 ** (step / _PER_OCTAVE)) for step in range(count)}
    edges = [0, *range(2, _ALONE), *sorted(spread), 1 << bits]
    factors = [1 << (bits - max(1, start.bit_length())) for start in edges[:-1]]
    heights, slopes = [], []
    for offset in offsets:
        lines = [
            _line(max(1, start - offset), max(1, end - 1 - offset), factor)
            for start, end, factor in zip(edges, edges[1:], factors, strict=False)
        ]
        heights.append([height for height, _ in lines])
        slopes.append([slope for _, slope in lines])
    return _Pieces(
        starts=np.array(edges[1:-1], np.int64),
        factors=np.array(factors, np.int64),
        heights=np.array(heights, np.int64),
        slopes=np.array(slopes, np.int64),
    )


def _line(low: int, high: int, factor: int) -> tuple[int, int]:
    """Height and slope of ``2**52 / (factor * x)`` from ``low`` to ``high``; level where they are equal."""
    scale = Fraction(1 << _LINE_BITS, factor)
    if low == high:
        return round(scale / low), 0
    slope = 2 * scale / (low * high + Fraction((low + high) ** 2, 4))
    return round(slope * (low + high)), round(slope)

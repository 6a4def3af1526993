"""Whether sums of products tell of few: a comparison of every part of a Gram matrix with the whole, on shares.

Layer:       smpc.operations.numeric.leverage. Over ``arithmetic``, ``comparison`` and ``truncation``.
Terms:       the *whole* is the sum of the *parts*, each the Gram matrix of some rows. A part's *leverage* is the trace
             of the whole's inverse times the part: at least ``c @ part @ c / (c @ whole @ c)`` for every vector ``c``.
Guarantees:  a bit of 1 says that no part has more than ``1 / least`` of the whole in any direction; so every linear
             relation of the columns, known or not, fails in at least ``least`` parts, and in as many rows. The inverse is
             an approximation that is checked on shares: where ``whole @ inverse`` is not the identity up to 0.1 in
             Frobenius' norm the bit is 0, so a singular or badly conditioned whole (a smallest eigenvalue below some
             ``2**-15`` of the trace) never passes. A bit of 0 has no such meaning: leverages from some ``0.8 / least`` on
             may give it.
Visible to:  the parties see masked values and masked bits, all uniform.
Cost:        rounds do not depend on rows, parts or columns.
Source:      ours. The inverse is the geometric series of the identity less the whole, as a product of squarings; leverage
             as in Hoaglin and Welsch, The American Statistician 32, 1978. Errors: the whole is below 1 and off by
             ``2**-31`` an entry, the inverse is at most ``2**16``, the leverage then off by ``columns * 2**-15``.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Final

import numpy as np

from smpc.errors import RingRangeError
from smpc.operations.arithmetic import (
    add,
    concatenate,
    matmul,
    matmul_public,
    multiply,
    reshape,
    square,
    subtract_from_public,
    take,
    total,
)
from smpc.operations.comparison import at_least_each, is_negative
from smpc.operations.numeric.gram import from_triangle, triangle
from smpc.operations.truncation import truncate
from smpc.sharing import Shared

if TYPE_CHECKING:
    from smpc.session import Session

TRACE_BITS: Final = 57
_LEAD: Final = TRACE_BITS + 1
_FINE: Final = 30  # binary places of the whole, whose trace is then below 1
MOST_STEPS: Final = 16  # the series has 2**16 members
_COARSE: Final = 14  # binary places of the inverse
_WIDE: Final = 62
_OFF: Final = Fraction(1, 10)
_SHARE: Final = Fraction(4, 5)
_ERROR: Final = Fraction(1, 1 << 15)  # of a leverage, for each column


def leverage_at_most(session: Session, parts: Shared, least: int, steps: int = MOST_STEPS) -> Shared:
    """Return shares of 1 where no part has more than ``1 / least`` of the whole in any direction.

    Visible to: no party learns anything.
    Cost: some 100 rounds; some 30 bytes a peer for each entry of the parts; see ``smpc.cost``.

    Args:
        session: an open session.
        parts: of each part the upper half of its Gram matrix, row by row, integers; shape ``(n, d * (d + 1) / 2)``. The trace
            of their sum is below ``2**57``.
        least: at least 1.
        steps: squarings, 1 to 16; with fewer of them only a better conditioned whole passes.

    Returns:
        Shape ``(1,)``.

    Raises:
        RingRangeError: shapes that are no halves of matrices, or so many columns that no leverage is told from an error;
            before anything is sent.
    """
    count = _columns(parts)
    limit = _SHARE / least - count * _ERROR if least > 0 else Fraction(0)
    if limit <= 0 or not 1 <= steps <= MOST_STEPS:
        raise RingRangeError(what="share of a whole")
    scaled = _scaled(session, parts, count)
    whole = from_triangle(_row(scaled, len(parts.share)))
    inverse = _inverse(session, whole, count, steps)
    is_close = _is_inverse(session, whole, inverse, count)
    twice = 2 - np.eye(count, dtype=np.int64)  # an entry off the diagonal stands for two
    doubled = Shared(share=triangle(inverse.share * twice)[:, np.newaxis])
    found = matmul(session, take(scaled, range(len(parts.share))), doubled)
    most = int(limit * (1 << (_FINE + _COARSE)))
    above = is_negative(session, subtract_from_public(session, most, found), _WIDE)
    return multiply(session, is_close, _none(session, above))


def _columns(parts: Shared) -> int:
    if len(parts.shape) == 2 and parts.size:  # noqa: PLR2004  parts and entries
        count = int((8 * parts.shape[1] + 1) ** 0.5 - 1) // 2
        if count * (count + 1) // 2 == parts.shape[1]:
            return count
    raise RingRangeError(what="halves of Gram matrices")


def _scaled(session: Session, parts: Shared, count: int) -> Shared:
    """Return the parts and then the whole, in units in which the whole's trace is at least 1/2 and below 1."""
    whole = total(parts, axis=0)
    diagonal = np.flatnonzero(triangle(np.eye(count, dtype=np.int64)))
    trace = total(take(whole, diagonal.tolist()))
    powers = np.int64(1) << np.arange(TRACE_BITS, dtype=np.int64)
    reached = at_least_each(session, trace, powers, TRACE_BITS + 2).share
    lead = Shared(share=reached - np.concatenate([reached[1:], np.zeros((1, 1), dtype=np.int64)]))
    factor = matmul_public(np.int64(1) << np.arange(TRACE_BITS, 0, -1, dtype=np.int64), lead)
    both = concatenate([parts, reshape(whole, (1, whole.size))])
    moved = multiply(session, both, reshape(factor, (1, 1)))
    return truncate(session, moved, _LEAD - _FINE, _LEAD + 2, is_rounded=True)


def _inverse(session: Session, whole: Shared, count: int, steps: int) -> Shared:
    """Return the sum of the first powers of the identity less the whole; symmetric whatever the errors."""
    identity = np.eye(count, dtype=np.int64)
    rest = subtract_from_public(session, identity << _FINE, whole)
    found = Shared(share=(identity << _COARSE) * int(session.is_first))
    for _ in range(steps):
        raw = matmul(session, concatenate([found, rest]), rest).share
        halves = Shared(share=np.stack([triangle(raw[:count]), triangle(raw[count:])]))
        cut = truncate(session, halves, _FINE, _WIDE, is_rounded=True)
        found = add(found, from_triangle(_row(cut, 0)))
        rest = from_triangle(_row(cut, 1))
    return found


def _is_inverse(session: Session, whole: Shared, inverse: Shared, count: int) -> Shared:
    """Return 1 where whole times inverse is near enough to the identity."""
    identity = np.eye(count, dtype=np.int64) << (_FINE + _COARSE)
    off = subtract_from_public(session, identity, matmul(session, whole, inverse))
    cut = truncate(session, off, _FINE, _WIDE, is_rounded=True)
    distance = total(square(session, cut))
    most = int(_OFF**2 * (1 << (2 * _COARSE)))
    return subtract_from_public(
        session, 1, is_negative(session, subtract_from_public(session, most, distance), _WIDE)
    )


def _none(session: Session, bits: Shared) -> Shared:
    """Return 1 where no bit is 1, from their sum."""
    some = subtract_from_public(session, 0, total(bits))
    return subtract_from_public(session, 1, is_negative(session, some, bits.size.bit_length() + 1))


def _row(a: Shared, place: int) -> Shared:
    return reshape(take(a, [place]), (a.shape[1],))

"""Statistics on shares as ratios: chi-square of tables, odds ratio of four cells, correlation, t, from sums that stay hidden.

Layer:       analytics.statistics above revealed.
Guarantees:  before rounding the relative error is below ``2**-26`` (of t ``2**-25``), whatever the cells or sums within their
             public bounds; of ``chi_square_of_table`` see there. Rounds and bytes do not depend on data. No error is
             smaller: a product of two mantissas of 31 bits fills the ring's 64, and mantissas of two words would cost four
             products in place of each and a comparison of 128 bits, for digits that never open. Up to there numerator and
             denominator are exact integers; the tests keep them, whose ratio is the statistic to 1e-9.
Visible to:  the parties see masked values and masked bits, all uniform.
See instead: which counts guard them (the statistics), their rounding (revealed), the log-rank statistic (life_tables).
Source:      textbook formulas, over common denominators so that all factors are integers.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from analytics.errors import PlanRejectedError
from analytics.statistics.hidden.revealed import HiddenRatio
from smpc.operations.arithmetic import (
    add_public,
    concatenate,
    matmul_public,
    multiply,
    multiply_public,
    reshape,
    subtract,
    take,
    total,
)
from smpc.operations.numeric import normalized
from smpc.operations.numeric.normalized import WIDEST, Normalized, normalize
from smpc.operations.numeric.quotients import MOST_BITS, QUOTIENT_BITS, quotients
from smpc.operations.selection import keep_at_least
from smpc.operations.truncation import truncate
from smpc.sharing import Shared

if TYPE_CHECKING:
    from analytics.statistics.base import Limits
    from smpc.session import Session

MOST_GROUPS: Final = 8
MOST_CELLS: Final = 200
_LOW: Final = 30  # a mantissa of one
MARGINS: Final = np.array([[1, 1, 0, 0], [1, 0, 1, 0], [0, 0, 1, 1], [0, 1, 0, 1]], dtype=np.int64)


def rows_bits(limits: Limits) -> int:
    """Length of the largest number of rows at all sites."""
    return (limits.n_sites * limits.rows_max).bit_length()


def check_width(bits: int, position: str) -> int:
    """Refuse integers that the operations on shares cannot hold.

    Raises:
        PlanRejectedError: more than 61 bits.
    """
    if bits > WIDEST:
        reason = f"has integers of {bits} bits in its hidden statistic, of at most {WIDEST}"
        hint = "declare a coarser resolution, closer bounds or a smaller rows_max"
        raise PlanRejectedError(position=position, reason=reason, hint=hint)
    return bits


def check_two_by_two(shape: tuple[int, ...], position: str, limits: Limits) -> None:
    """Refuse a hidden table of another shape.

    Raises:
        PlanRejectedError: not two groups each, or more rows than the ratio holds.
    """
    if shape != (2, 2):
        reason = (
            f"makes a table of {' x '.join(map(str, shape))} groups: a statistic opens alone of 2 x 2 only"
        )
        raise PlanRejectedError(
            position=position, reason=reason, hint="leave reveal out, or ask with epsilon"
        )
    check_width(2 * rows_bits(limits) + 3, position)


def check_table(shape: tuple[int, int], position: str, limits: Limits) -> None:
    """Refuse a hidden table that ``chi_square_of_table`` does not hold.

    Raises:
        PlanRejectedError: too many groups or rows.
    """
    if min(shape) > MOST_GROUPS or math.prod(shape) > MOST_CELLS:
        reason = f"makes a table of {shape[0]} x {shape[1]} groups: a statistic opens alone of at most {MOST_CELLS} cells"
        raise PlanRejectedError(
            position=position, reason=f"{reason}, {MOST_GROUPS} groups of one of the columns"
        )
    if rows_bits(limits) > MOST_BITS:
        reason = f"allows {limits.n_sites * limits.rows_max} rows, of at most {(1 << MOST_BITS) - 1}"
        raise PlanRejectedError(position=position, reason=reason, hint="declare a smaller rows_max")


def chi_square_ratio(session: Session, cells: Shared, bits: int, *, has_correction: bool) -> HiddenRatio:
    """Pearson's chi-square of four cells a, b, c, d, row by row: ``n (ad - bc)**2`` over the margins.

    Args:
        session: of all sites.
        cells: shape ``(4,)``.
        bits: of their sum; at most 29.
        has_correction: Yates' correction: ``max(2 |ad - bc| - n, 0)**2 / 4`` in place of the square.
    """
    ends = matmul_public(MARGINS, cells)  # row 0, column 0, row 1, column 1
    left = concatenate([take(cells, [0, 1]), take(ends, [0, 1])])
    right = concatenate([take(cells, [3, 2]), take(ends, [2, 3])])
    found = multiply(session, left, right)
    apart, n = subtract(take(found, [0]), take(found, [1])), total(cells)
    if has_correction:
        twice = multiply_public(apart, 2)
        sides = concatenate([subtract(twice, n), subtract(multiply_public(twice, -1), n)])
        apart = total(keep_at_least(session, sides, 1, 2 * bits + 3))
    numbers, _ = normalize(session, concatenate([n, apart, take(found, [2, 3])]), 2 * bits + 2)
    both = normalized.multiply(session, numbers.at([1, 2]), numbers.at([1, 3]))
    return HiddenRatio(
        numerator=normalized.multiply(session, both.at([0]), numbers.at([0])),
        denominator=_scaled(session, both.at([1]), 2 if has_correction else 0),
    )


def chi_square_of_table(session: Session, cells: Shared, shape: tuple[int, int], bits: int) -> HiddenRatio:
    """Pearson's chi-square of a table: n times the sum of ``(o / r - c / n) (o / c - r / n)`` over its cells.

    Each factor is within ``2**-28``, so the statistic is within ``2**-27 n`` times the sum of their absolute values: some
    1e-6 of it for 2,000 people and even margins, 2e-5 for a million.

    Args:
        session: of all sites.
        cells: o, row by row, shape ``(rows * columns,)``; r and c are the sums of their row and column.
        shape: rows and columns, at most 8 of one of them.
        bits: of the sum n of all; 5 to 22.
    """
    rows, columns = shape
    table = cells.share.reshape(shape)
    at_row, at_column = table.sum(axis=1), table.sum(axis=0)
    ends, count = np.concatenate([at_row, at_column]), rows * columns
    above = np.concatenate([table.ravel(), table.ravel(), ends])
    everybody = np.broadcast_to(table.sum(), ends.shape)
    below = np.concatenate([np.repeat(at_row, columns), np.tile(at_column, rows), everybody])
    found = quotients(session, Shared(share=above[np.newaxis]), Shared(share=below), (0,), bits).share[0]
    in_row, in_column, shares = found[:count], found[count : 2 * count], found[2 * count :]
    apart = np.stack([in_row - np.tile(shares[rows:], rows), in_column - np.repeat(shares[:rows], columns)])
    most = (min(shape) - 1).bit_length()
    places = (WIDEST - most) // 2
    cut = truncate(session, Shared(share=apart), QUOTIENT_BITS - places, QUOTIENT_BITS + 2, is_rounded=True)
    squared = total(multiply(session, *(reshape(take(cut, [place]), (count,)) for place in (0, 1))))
    numbers, _ = normalize(session, concatenate([squared, Shared(share=table.sum().reshape(1))]), WIDEST)
    product = normalized.multiply(session, numbers.at([0]), numbers.at([1]))
    one = Shared(share=np.array([int(session.is_first)], dtype=np.int64))
    return HiddenRatio(
        numerator=_scaled(session, product, -2 * places),
        denominator=Normalized(
            mantissa=multiply_public(one, 1 << _LOW), exponent=multiply_public(one, -_LOW), low=_LOW
        ),
    )


def odds_ratio(session: Session, cells: Shared, bits: int) -> HiddenRatio:
    """The odds ratio ``ad / bc`` of four cells, row by row; arguments as ``chi_square_ratio``."""
    found = multiply(session, take(cells, [0, 1]), take(cells, [3, 2]))
    numbers, _ = normalize(session, found, 2 * bits)
    return HiddenRatio(numerator=numbers.at([0]), denominator=numbers.at([1]))


def correlation_ratio(session: Session, sums: Shared, bits: int) -> HiddenRatio:
    """The square of Pearson's correlation, with the correlation's sign.

    Args:
        session: of all sites.
        sums: the upper half of the Gram matrix of 1, x and y: ``n, x, y, xx, xy, yy``.
        bits: of ``n`` times a sum of squares, one more than it.
    """
    found = multiply(session, take(sums, [0, 0, 0, 1, 1, 2]), take(sums, [4, 3, 5, 2, 1, 2]))
    numbers, signs = normalize(session, subtract(take(found, [0, 1, 2]), take(found, [3, 4, 5])), bits)
    both = normalized.multiply(session, numbers.at([0, 1]), numbers.at([0, 2]))
    return HiddenRatio(numerator=both.at([0]), denominator=both.at([1]), sign=take(signs, [0]))


def t_ratio(session: Session, figures: Shared, bits: int, *, equal_var: bool) -> HiddenRatio:
    """The square of t for the difference of two means, with the difference's sign.

    Args:
        session: of all sites.
        figures: numbers, sums and sums of squares of two groups, shape ``(6,)``.
        bits: of every product of them, see ``t_bits``.
        equal_var: Student's; else Welch's.
    """
    n, sums, squares = (take(figures, places) for places in ([0, 1], [2, 3], [4, 5]))
    other = take(n, [1, 0])
    fewer = add_public(session, n, -1)
    everyone = concatenate([total(n), total(n)])
    found = multiply(
        session,
        concatenate([sums, n, sums, other, take(fewer, [0])]),
        concatenate([other, squares, sums, everyone if equal_var else other, take(fewer, [1])]),
    )
    apart = subtract(take(found, [0]), take(found, [1]))
    spreads, weights = subtract(take(found, [2, 3]), take(found, [4, 5])), take(found, [6, 7])
    degrees = add_public(session, total(n), -2) if equal_var else take(found, [8])
    if not equal_var:
        weights = multiply(session, weights, take(fewer, [1, 0]))
    numbers, signs = normalize(session, concatenate([apart, degrees, spreads, weights]), bits)
    products = normalized.multiply(session, numbers.at([0, 2, 3]), numbers.at([0, 4, 5]))
    return HiddenRatio(
        numerator=normalized.multiply(session, products.at([0]), numbers.at([1])),
        denominator=normalized.sum_of(session, products.at([1]), products.at([2])),
        sign=take(signs, [0]),
    )


def t_bits(bits: int, reach: int, *, equal_var: bool) -> int:
    """Length of the largest integer in ``t_ratio``, of so many rows and so large absolute values."""
    return max(2 * bits + 2 * reach.bit_length() + 1, 2 * bits + 1 if equal_var else 3 * bits)


def _scaled(session: Session, x: Normalized, places: int) -> Normalized:
    """Return a number times a public power of two."""
    return Normalized(mantissa=x.mantissa, exponent=add_public(session, x.exponent, places), low=x.low)

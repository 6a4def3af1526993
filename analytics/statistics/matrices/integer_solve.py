"""Linear equations with a symmetric matrix of integers, solved exactly.

Layer:       analytics.statistics, the lowest; pure.
Guarantees:  integers alone, so that every site gets the same bits.
Source:      elimination without fractions: E. H. Bareiss, Mathematics of Computation 22, 1968.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def solve_exactly(half: Sequence[int], wanted: Sequence[int], bits: int) -> tuple[int, ...] | None:
    """Solve ``matrix @ solution = wanted``.

    Args:
        half: the upper half of a symmetric matrix, row by row.
        wanted: the right side, length n, in the unit of the matrix.
        bits: binary places of the solution.

    Returns:
        The solution, rounded to integers of ``2^-bits``; None where the matrix is not positive definite.
    """
    count = len(wanted)
    rows = [[*row, value] for row, value in zip(symmetric(half, count), wanted, strict=True)]
    before = 1
    for step in range(count):
        pivot = rows[step][
            step
        ]  # the leading minor, which is positive for every step or the matrix is not definite
        if pivot <= 0:
            return None
        for place in range(count):
            if place != step:
                factor = rows[place][step]
                rows[place] = [
                    (pivot * value - factor * other) // before
                    for value, other in zip(rows[place], rows[step], strict=True)
                ]
        before = pivot
    # every diagonal entry is now the determinant
    return tuple(((row[count] << (bits + 1)) + before) // (2 * before) for row in rows)


def inverse(half: Sequence[int], count: int, bits: int) -> list[tuple[int, ...]]:
    """The inverse of a positive definite matrix, given by its upper half, in integers of ``2^-bits``; else nothing."""
    units = [[int(place == row) for place in range(count)] for row in range(count)]
    return [found for unit in units if (found := solve_exactly(half, unit, bits)) is not None]


def symmetric(half: Sequence[int], count: int) -> list[list[int]]:
    """The symmetric matrix of an upper half, ``count`` rows."""
    found = [[0] * count for _ in range(count)]
    values = iter(half)
    for row in range(count):
        for column in range(row, count):
            found[row][column] = found[column][row] = next(values)
    return found

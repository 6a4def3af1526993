"""Linear equations with a symmetric matrix of integers, solved exactly.

Layer:       analytics.statistics, the lowest; pure.
Guarantees:  integers alone, so that every site gets the same bits.
Source:      elimination without fractions: E. H. Bareiss, Mathematics of Computation 22, 1968.
"""

from __future__ import annotations

from operator import mul
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
    found = _solved(half, [wanted], len(wanted), bits)
    return found[0] if found else None


def inverse(half: Sequence[int], count: int, bits: int) -> list[tuple[int, ...]]:
    """The inverse of a positive definite matrix, given by its upper half, in integers of ``2^-bits``; else nothing."""
    units = [[int(place == row) for place in range(count)] for row in range(count)]
    return _solved(half, units, count, bits) or []


def symmetric(half: Sequence[int], count: int) -> list[list[int]]:
    """The symmetric matrix of an upper half, ``count`` rows."""
    found = [[0] * count for _ in range(count)]
    values = iter(half)
    for row in range(count):
        for column in range(row, count):
            found[row][column] = found[column][row] = next(values)
    return found


def _solved(
    half: Sequence[int], wanted: Sequence[Sequence[int]], count: int, bits: int
) -> list[tuple[int, ...]] | None:
    """The solution of each right side; None where the matrix is not positive definite."""
    upper = _eliminated(half, wanted, count)
    if upper is None:
        return None
    whole = upper[-1][0] if count else 1  # the determinant
    found = []
    for side in range(len(wanted)):
        scaled = [0] * count  # the determinant times the solution: integers, by Cramer's rule
        for place in reversed(range(count)):
            row = upper[place]
            known = sum(map(mul, row[1 : count - place], scaled[place + 1 :]))
            scaled[place] = (whole * row[count - place + side] - known) // row[0]
        found.append(tuple(((value << (bits + 1)) + whole) // (2 * whole) for value in scaled))
    return found


def _eliminated(half: Sequence[int], wanted: Sequence[Sequence[int]], count: int) -> list[list[int]] | None:
    """The equations without what is below the diagonal: each row from its diagonal on, then its right sides."""
    values = iter(half)
    rows = [
        [*(next(values) for _ in range(place, count)), *(side[place] for side in wanted)]
        for place in range(count)
    ]
    before = 1
    for step, chosen in enumerate(rows):
        # the leading minor, which is positive for every step or the matrix is not definite
        if (pivot := chosen[0]) <= 0:
            return None
        for place in range(step + 1, count):
            # what is left of the matrix stays symmetric: its column is the chosen row
            factor = chosen[place - step]
            rows[place] = [
                (pivot * value - factor * other) // before
                for value, other in zip(rows[place], chosen[place - step :], strict=True)
            ]
        before = pivot
    return rows

"""Windows of a column's values, for guards behind sums of squares.

Layer:       analytics.statistics, the lowest; pure.
Terms:       a *window* is two neighbouring pieces of a range that is cut into at most 32.
Source:      ours: with number, sum and squares of a column in hand, what is never negative and 0 at two neighbouring
             values is a sum over the few who have another value.
"""

from __future__ import annotations

from typing import Final

FEW_VALUES: Final = 7
_MOST_PIECES: Final = 32


def has_few_values(lower: int, upper: int) -> bool:
    """Whether a column between these bounds has so few values that each of them is guarded."""
    return upper - lower < FEW_VALUES


def windows(lower: int, upper: int) -> tuple[tuple[int, int], ...]:
    """The first and last value of each window of a range.

    Args:
        lower: smallest value.
        upper: largest value.
    """
    width = -(-(upper - lower + 1) // _MOST_PIECES)
    return tuple((start, start + 2 * width - 1) for start in range(lower, upper + 1 - width, width))

"""Sets of rows that sums of a column's values tell apart, for guards of statistics that read rows.

Layer:       analytics.statistics above value_windows; pure.
Terms:       an *atom* of a column is a set of rows that it tells apart beside another column.
Guarantees:  the number of sets follows from the column's declaration alone.
See instead: the same guards of sums in SQL (``plans.cell_guards``).
Source:      ours; docs/guarantees.md P8 and P21.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from analytics.schema import CategoricalColumn, NumericColumn
from analytics.statistics.guards.value_windows import has_few_values, windows

if TYPE_CHECKING:
    from analytics.sql.query import GroupColumn
    from analytics.statistics.base import Ints

Sets = list[npt.NDArray[np.bool_]]


def value_span(column: GroupColumn) -> tuple[int, int]:
    """The least and the largest integer that stands for a value of a column."""
    if isinstance(column, NumericColumn):
        return column.grid_lower, column.grid_upper
    return 0, len(column.domain) - 1 if isinstance(column, CategoricalColumn) else 1


def atoms(column: GroupColumn, values: Ints) -> Sets:
    """The rows that a column tells apart beside another one: its levels; of numbers those off each bound."""
    if isinstance(column, NumericColumn):
        return [values > column.grid_lower, values < column.grid_upper]
    n_levels = len(column.domain) if isinstance(column, CategoricalColumn) else 2
    return [values == level for level in range(n_levels)]


def alone(column: GroupColumn, values: Ints) -> Sets:
    """What number, sum and squares of a numeric column tell: see ``plans.cell_guards``."""
    if not isinstance(column, NumericColumn):
        return []
    return few_or_windows(column.grid_lower, column.grid_upper, values)


def few_or_windows(lower: int, upper: int, values: Ints) -> Sets:
    """What number, sum and squares of integers between two bounds tell: see ``plans.cell_guards``."""
    if has_few_values(lower, upper):
        return [values == value for value in range(lower, upper + 1)]
    inside = (values > lower) & (values < upper)
    return [inside, *((values < first) | (values > last) for first, last in windows(lower, upper))]


def off_two_windows(column: GroupColumn, values: Ints) -> Sets:
    """What up to five sums of functions of a numeric column tell, such as its logarithm beside number, sum and squares.

    A sum of such functions can be 0 at two pairs of neighbouring values and positive elsewhere, as a polynomial of fourth
    degree is. So the rows off each window, and those off each two windows, are sets; of few values each value is one.
    """
    if not isinstance(column, NumericColumn) or has_few_values(column.grid_lower, column.grid_upper):
        return alone(column, values)
    apart = windows(column.grid_lower, column.grid_upper)
    within = [(values >= first) & (values <= last) for first, last in apart]
    pairs = [~(one | other) for one, other in combinations(within, 2)]
    return [*alone(column, values), *pairs]


def counted(sets: Sets) -> Ints:
    """Rows of each set."""
    return np.array([int(np.count_nonzero(each)) for each in sets], dtype=np.int64)

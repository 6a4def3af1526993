"""The cells of a column: its public values or declared bins, and for nullable columns the rows without a value.

Layer:       analytics.statistics, above blocks.
Terms:       a *cell* is a range of a column's integers (grid indices, positions in the domain, 0 and 1); a row lies in
             one cell of each column.
Guarantees:  cells follow from the schema alone.
See instead: groups of GROUP BY, which are the same for one column (``analytics.sql.grouping``).
Source:      ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from analytics.schema import BooleanColumn, CategoricalColumn, NumericColumn
from analytics.sql.expressions import ColumnIndex, Flag, Integer, TruthValue
from analytics.sql.grouping import labels_of
from analytics.statistics.blocks import MISSING_CELL
from analytics.statistics.value_windows import has_few_values, windows

if TYPE_CHECKING:
    from analytics.sql.query import GroupColumn

Ints = npt.NDArray[np.int64]
Sets = npt.NDArray[np.bool_]
Cell = tuple[int, int]
_PAIR: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnCells:
    """One column of a profile.

    Attributes:
        column: its declaration.
    """

    column: GroupColumn

    @property
    def argument(self) -> Integer:
        """The column as an expression."""
        column = self.column
        if isinstance(column, NumericColumn):
            return ColumnIndex(name=column.name, lower=column.grid_lower, upper=column.grid_upper)
        if isinstance(column, CategoricalColumn):
            return ColumnIndex(name=column.name, lower=0, upper=len(column.domain) - 1)
        return TruthValue(condition=Flag(name=column.name))

    @property
    def numeric(self) -> NumericColumn | None:
        """The declaration of a number; None for other columns."""
        return self.column if isinstance(self.column, NumericColumn) else None

    @property
    def is_binned(self) -> bool:
        """Whether its cells are declared bins."""
        return self.numeric is not None and bool(self.numeric.bins)

    @property
    def labels(self) -> tuple[str, ...]:
        """What the cells of known values are called; one without a name for a number without bins."""
        if self.numeric is not None and not self.is_binned:
            return ("",)
        return tuple(str(label) for label in labels_of(self.column) if label is not None)

    @property
    def known(self) -> tuple[Cell, ...]:
        """The cells of known values."""
        column = self.column
        if isinstance(column, BooleanColumn):
            return (0, 0), (1, 1)
        if isinstance(column, CategoricalColumn):
            return tuple((code, code) for code in range(len(column.domain)))
        edges = [int(edge / column.resolution) for edge in column.bins] or [
            column.grid_lower,
            column.grid_upper,
        ]
        cells = [(first, after - 1) for first, after in pairwise(edges)]
        return (*cells[:-1], (cells[-1][0], column.grid_upper))

    @property
    def cells(self) -> tuple[Cell, ...]:
        """All cells; that of missing values is the last."""
        return (*self.known, MISSING_CELL) if self.column.nullable else self.known

    @property
    def tested(self) -> tuple[Cell, ...]:
        """Cells whose counts an opened profile tells: its own, and each value of a number of few values."""
        number = self.numeric
        if number is None or not has_few_values(number.grid_lower, number.grid_upper):
            return self.cells
        values = [(value, value) for value in range(number.grid_lower, number.grid_upper + 1)]
        return tuple(dict.fromkeys((*self.cells, *values)))

    @property
    def apart(self) -> tuple[Cell, ...]:
        """Cells to be held against those of another column: of two that make up all rows one is enough."""
        tested = self.tested
        if len(self.cells) == 1:
            return tested[1:]  # the one cell is all rows, which the schema says
        return tested[:1] if len(tested) == _PAIR else tested

    def members(self, values: Ints, cells: tuple[Cell, ...]) -> Sets:
        """Which rows lie in which cells; shape ``(n_cells, n_rows)``."""
        values = np.ascontiguousarray(values)
        found = np.empty((len(cells), len(values)), dtype=np.bool_)
        for place, (first, last) in enumerate(cells):
            np.logical_and(values >= first, values <= last, out=found[place])
        return found

    @property
    def center(self) -> int:
        """What is subtracted before values are added up: the middle of the range."""
        number = self.numeric
        return 0 if number is None else (number.grid_lower + number.grid_upper) // 2

    @property
    def reach(self) -> int:
        """The largest distance of a value from the center."""
        number = self.numeric
        return 0 if number is None else max(number.grid_upper - self.center, self.center - number.grid_lower)

    def behind_moments(self, values: Ints) -> list[int]:
        """Counts that number, sum and squares of a number of more than a few values tell, with its bins' counts.

        Who is above the lower and below the upper bound, strictly between them, and outside each window of the range, as
        for moments in SQL. With the counts of bins at hand a function that rises within each bin can be 0 at one end
        of every bin: so also who is strictly inside a bin, of all bins but each one.
        """
        number = self.numeric
        if number is None or has_few_values(number.grid_lower, number.grid_upper):
            return []
        lower, upper = number.grid_lower, number.grid_upper
        kept = values[values >= lower]
        above, below = kept > lower, kept < upper
        sets = [above, below, above & below]
        sets += [(kept < first) | (kept > last) for first, last in windows(lower, upper)]
        counts = [int(each.sum()) for each in sets]
        if len(self.known) > 1:
            inside = [int(((kept > first) & (kept < last)).sum()) for first, last in self.known]
            counts += [sum(inside) - each for each in inside]
        return counts

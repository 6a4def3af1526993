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
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from analytics.schema import BooleanColumn, CategoricalColumn, NumericColumn
from analytics.sql.grouping import labels_of
from analytics.sql.terms.expressions import ColumnIndex, Flag, Integer, TruthValue
from analytics.statistics.blocks import MISSING_CELL
from analytics.statistics.guards.value_windows import has_few_values, windows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.sql.query import GroupColumn

Ints = npt.NDArray[np.int64]
Sets = npt.NDArray[np.bool_]
Words = npt.NDArray[np.uint64]
Cell = tuple[int, int]
_PAIR: Final = 2
_WORD: Final = 64


@dataclass(frozen=True, kw_only=True)
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

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """What the cells of known values are called; one without a name for a number without bins."""
        if self.numeric is not None and not self.is_binned:
            return ("",)
        return tuple(str(label) for label in labels_of(self.column) if label is not None)

    @cached_property
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

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """All cells; that of missing values is the last."""
        return (*self.known, MISSING_CELL) if self.column.nullable else self.known

    @cached_property
    def tested(self) -> tuple[Cell, ...]:
        """Cells whose counts an opened profile tells: its own, and each value of a number of few values."""
        number = self.numeric
        if number is None or not has_few_values(number.grid_lower, number.grid_upper):
            return self.cells
        values = [(value, value) for value in range(number.grid_lower, number.grid_upper + 1)]
        return tuple(dict.fromkeys((*self.cells, *values)))

    @cached_property
    def apart(self) -> tuple[Cell, ...]:
        """Cells to be held against those of another column: of two that make up all rows one is enough."""
        return self.tested[self.apart_places]  # where the one cell is all rows, the schema says so

    @property
    def apart_places(self) -> slice:
        """The places of ``apart`` among ``tested``."""
        if len(self.cells) == 1:
            return slice(1, None)
        return slice(1) if len(self.tested) == _PAIR else slice(None)

    def members(self, values: Ints, cells: tuple[Cell, ...]) -> Sets:
        """Which rows lie in which cells; shape ``(n_cells, n_rows)``."""
        values = np.ascontiguousarray(values)
        found = np.empty((len(cells), len(values)), dtype=np.bool_)
        for place, (first, last) in enumerate(cells):
            np.logical_and(values >= first, values <= last, out=found[place])
        return found

    @cached_property
    def center(self) -> int:
        """What is subtracted before values are added up: the middle of the range."""
        number = self.numeric
        return 0 if number is None else (number.grid_lower + number.grid_upper) // 2

    @cached_property
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
        kept = np.sort(values[values >= lower])
        spans = [(lower + 1, upper), (lower, upper - 1), (lower + 1, upper - 1)]
        counts = _between(kept, spans)
        counts += [len(kept) - each for each in _between(kept, list(windows(lower, upper)))]
        if len(self.known) > 1:
            inside = _between(kept, [(first + 1, last - 1) for first, last in self.known])
            counts += [sum(inside) - each for each in inside]
        return counts


def packed(sets: Sets) -> Words:
    """Sets of rows as machine words, so that they are counted and compared 64 rows at a time.

    Args:
        sets: shape ``(n_sets, n_rows)``.

    Returns:
        Shape ``(n_sets, n_words)``; bits after the last row are 0.
    """
    n_bytes = -(-sets.shape[1] // _WORD) * (_WORD // 8)
    found = np.zeros((len(sets), n_bytes), dtype=np.uint8)
    bits = np.packbits(sets, axis=1)
    found[:, : bits.shape[1]] = bits
    return found.view(np.uint64)


def ones(words: Words) -> list[int]:
    """How many rows each packed set has."""
    return [int(each) for each in np.bitwise_count(words).sum(axis=-1, dtype=np.int64)]


def _between(ordered: Ints, spans: Sequence[Cell]) -> list[int]:
    """How many of some rising values lie in each span, both ends included."""
    firsts = np.searchsorted(ordered, [first for first, _ in spans], side="left")
    lasts = np.searchsorted(ordered, [last for _, last in spans], side="right")
    return [int(each) for each in np.maximum(lasts - firsts, 0)]

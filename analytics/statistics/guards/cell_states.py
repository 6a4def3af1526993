"""Valid, invalid and missing cells of a column: as an expression over a row, and as sets of one site's rows.

Layer:       analytics.statistics above blocks and column_cells.
Terms:       the *state* of a cell is 0 valid, 1 missing, 2 invalid.
Guarantees:  each row has one state in each column. What is tested of two columns is in how many rows two of their cells differ,
             and in how many they agree: with counts that are apart, no difference of two of them tells of few people.
Source:      ours; docs/guarantees.md P8.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from analytics.sql.terms.expressions import Choice, Flag, Literal, Missing
from analytics.statistics.blocks import MISSING, invalid_name
from analytics.statistics.guards.column_cells import ColumnCells

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from analytics.sql.query import GroupColumn
    from analytics.sql.terms.expressions import Integer
    from analytics.statistics.base import Ints

VALID, ABSENT, INVALID = 0, 1, 2
MISSING_STATE: Final = (ABSENT, ABSENT)
INVALID_CELL: Final = (INVALID, INVALID)
_COMPLETENESS, _VALIDITY = 0, 1


def state_of(column: GroupColumn) -> Integer:
    """The state of a row's cell; never NULL, and not the column itself, so that no row without a value is left out."""
    known = ColumnCells(column=column).argument
    return Choice(
        branches=(
            (Flag(name=invalid_name(column.name)), Literal(value=INVALID)),
            (Missing(argument=known), Literal(value=ABSENT)),
        ),
        default=Literal(value=VALID),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CellSets:
    """One column's cells at one site.

    Attributes:
        missing: which rows lack a value.
        invalid: which rows have one that is not allowed.
    """

    missing: npt.NDArray[np.bool_]
    invalid: npt.NDArray[np.bool_]

    @property
    def opened(self) -> tuple[int, int]:
        """Missing and invalid cells."""
        return int(self.missing.sum()), int(self.invalid.sum())

    @property
    def tested(self) -> list[int]:
        """Missing, known, invalid and valid cells."""
        missing, invalid = self.opened
        rows = len(self.missing)
        return [missing, rows - missing, invalid, rows - missing - invalid]

    @property
    def owners(self) -> tuple[int, ...]:
        """What each tested count can close: completeness or validity."""
        return _COMPLETENESS, _COMPLETENESS, _VALIDITY, _VALIDITY

    @property
    def sets(self) -> tuple[npt.NDArray[np.bool_], ...]:
        """Missing, invalid and valid rows."""
        return self.missing, self.invalid, ~(self.missing | self.invalid)

    @property
    def apart_owners(self) -> tuple[int, ...]:
        """What each count of ``apart_counts`` can close: of two missing cells completeness, of all others validity."""
        return (_COMPLETENESS,) * 2 + (_VALIDITY,) * 16


def own_counts(values: Ints, invalid: Ints) -> list[CellSets]:
    """The cells of each column.

    Args:
        values: shape ``(n_rows, n_columns)``, with ``MISSING``.
        invalid: likewise, 1 where a value was not allowed.
    """
    return [
        CellSets(missing=(known == MISSING) & (marked != 1), invalid=marked == 1)
        for known, marked in zip(values.T, invalid.T, strict=True)
    ]


def apart_counts(first: CellSets, second: CellSets) -> list[int]:
    """Of each two cells of two columns, in how many rows they differ and in how many they agree; two missing cells first."""
    found: list[int] = []
    for one in first.sets:
        for other in second.sets:
            differ = int((one ^ other).sum())
            found += [differ, len(one) - differ]
    return found

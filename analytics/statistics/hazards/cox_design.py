"""The columns of a Cox regression's design, and what is public about them.

Layer:       analytics.statistics.hazards above relation_guard and arguments; pure.
Terms:       numbers lie between -1 and 1, 0 in the middle of their bounds; a category has one column for each value but its
             first. A *point* is the parameters of the design, as integers of ``2^-POINT_BITS``.
Source:      ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from analytics.errors import InvalidRequestError
from analytics.schema import CategoricalColumn, NumericColumn
from analytics.sql.grouping import labels_of
from analytics.statistics.guards.relation_guard import design_of

if TYPE_CHECKING:
    import numpy.typing as npt

    from analytics.schema import Table
    from analytics.sql.query import GroupColumn
    from analytics.statistics.arguments import Arguments
    from analytics.statistics.base import Ints

POINT_BITS: Final = 40


@dataclass(frozen=True, slots=True)
class CoxDesign:
    """The design of some columns.

    Attributes:
        covariates: in the order asked.
    """

    covariates: tuple[GroupColumn, ...]

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the parameters."""
        return tuple(term for column in self.covariates for term in terms_of(column))

    @property
    def units(self) -> npt.NDArray[np.float64]:
        """From parameters of the design to those of the columns' own units."""
        return np.array(
            [
                2 / float(column.upper - column.lower) if isinstance(column, NumericColumn) else 1.0
                for column in self.covariates
                for _ in terms_of(column)
            ]
        )

    def rows(self, values: Ints) -> npt.NDArray[np.float64]:
        """Shape ``(n_rows, n_parameters)``, between -1 and 1.

        Args:
            values: shape ``(n_rows, len(covariates))``.
        """
        return design_of(self.covariates, values)[:, 1:]

    def spread(self, point: tuple[int, ...]) -> int:
        """Largest ``x b`` less the smallest one, over all values that the columns can have."""
        return sum(high - low for low, high in self._ends(point))

    def largest(self, point: tuple[int, ...]) -> float:
        """Largest ``x b``."""
        return sum(high for _, high in self._ends(point)) / 2.0**POINT_BITS

    def _ends(self, point: tuple[int, ...]) -> list[tuple[int, int]]:
        """The smallest and largest term of each column."""
        found, place = [], 0
        for column in self.covariates:
            mine = point[place : place + len(terms_of(column))]
            place += len(mine)
            ends = (-mine[0], mine[0]) if isinstance(column, NumericColumn) else (0, *mine)
            found.append((min(ends), max(ends)))
        return found


def terms_of(column: GroupColumn) -> tuple[str, ...]:
    """Names of a column's parameters."""
    if isinstance(column, CategoricalColumn):
        return tuple(f"{column.name}={value}" for value in column.domain[1:])
    return (column.name,)


def names_of(column: GroupColumn) -> tuple[str, ...]:
    """Names of a column's known groups."""
    return tuple(str(label) for label in labels_of(column) if label is not None)


def stratum_of(arguments: Arguments, table: Table, others: set[str]) -> GroupColumn | None:
    """The column of the argument ``strata``, if it is given.

    Args:
        arguments: with ``strata``.
        table: the table.
        others: names of the columns that it must not be.

    Raises:
        InvalidRequestError: it is one of the others, or a number.
        PlanRejectedError: no such column.
    """
    if not arguments.is_given("strata"):
        return None
    column = arguments.group_column("strata", table)
    if column.name in others or isinstance(column, NumericColumn):
        reason = "must be a category or a true-or-false column that is none of the others"
        raise InvalidRequestError(parameter="strata", reason=reason)
    return column

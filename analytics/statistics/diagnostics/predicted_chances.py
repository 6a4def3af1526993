"""Columns that hold predicted chances: numbers between 0 and 1.

Layer:       analytics.statistics above figure_table.
Source:      ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analytics.errors import PlanRejectedError
from analytics.statistics.figure_table import number_bins

if TYPE_CHECKING:
    from analytics.schema import NumericColumn, Table
    from analytics.statistics.arguments import Arguments


def check_chance(column: NumericColumn, position: str) -> None:
    """Refuse a column whose bounds are not those of a chance.

    Raises:
        PlanRejectedError: it may be below 0 or above 1.
    """
    if column.lower < 0 or column.upper > 1:
        reason = f"{column.name} must lie between 0 and 1 by its declared bounds"
        raise PlanRejectedError(position=position, reason=reason)


def chance_column(arguments: Arguments, name: str, table: Table) -> NumericColumn:
    """The column of chances that an argument names, on the bins of ``grid``.

    Raises:
        InvalidRequestError: the argument is no text, or the grid is none of declared edges.
        PlanRejectedError: no such column, no number between 0 and 1, or one without bins.
    """
    column = number_bins(arguments, name, table)
    check_chance(column, name)
    return column

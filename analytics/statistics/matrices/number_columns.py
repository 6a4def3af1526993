"""The argument of statistics that take several columns as numbers.

Layer:       analytics.statistics above arguments.
Source:      ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from analytics.errors import InvalidRequestError, PlanRejectedError
from analytics.schema import CategoricalColumn
from analytics.statistics.arguments import Arguments, Parameter, column_of

if TYPE_CHECKING:
    from analytics.schema import Table
    from analytics.sql.query import GroupColumn

COLUMNS: Final = Parameter(name="columns", meaning="a list of two or more columns, numeric or true or false")
_FEWEST: Final = 2


def read_columns(arguments: Arguments, table: Table) -> tuple[GroupColumn, ...]:
    """The columns that the argument ``columns`` names.

    Raises:
        InvalidRequestError: fewer than two.
        PlanRejectedError: it names no declared column, or one that is no number and not true or false.
    """
    columns = tuple(column_of(name, table, "columns") for name in arguments.texts("columns"))
    for column in columns:
        if isinstance(column, CategoricalColumn):
            reason = f"{column.name} must be numeric, or true or false"
            raise PlanRejectedError(position="columns", reason=reason)
    if len(columns) < _FEWEST:
        raise InvalidRequestError(parameter="columns", reason="must be at least two columns")
    return columns

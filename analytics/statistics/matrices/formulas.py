"""Formulas of models: an outcome and declared columns.

Layer:       analytics.statistics above arguments.
Guarantees:  a formula holds names of declared columns alone: no number, no function, no power, no interaction, since
             each of them would be a condition of the request's own choosing.
Source:      the notation of Wilkinson and Rogers 1973, its first part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from analytics.errors import InvalidRequestError
from analytics.statistics.arguments import Parameter, column_of

if TYPE_CHECKING:
    from analytics.schema import Table
    from analytics.sql.query import GroupColumn

MAX_TERMS: Final = 100
FORMULA: Final = Parameter(name="formula", meaning="as outcome ~ column + column, of declared columns alone")
_SIGNS: Final = "+-*:/()^|[]{}"


def read_formula(text: str, table: Table, parameter: str) -> tuple[GroupColumn, tuple[GroupColumn, ...]]:
    """Read ``outcome ~ column + column``.

    Args:
        text: the formula.
        table: whose columns it names.
        parameter: the argument that holds it.

    Returns:
        The outcome, and the others in their order.

    Raises:
        InvalidRequestError: another form, or a column comes twice.
        PlanRejectedError: it names no declared column, or the privacy unit.
    """
    outcome, *rest = (part.strip() for part in text.split("~"))
    if len(rest) != 1 or not outcome or not rest[0]:
        raise InvalidRequestError(parameter=parameter, reason="must be as outcome ~ column + column")
    names = [outcome, *(name.strip() for name in rest[0].split("+"))]
    if len(names) > MAX_TERMS:
        raise InvalidRequestError(parameter=parameter, reason=f"must have at most {MAX_TERMS} terms")
    for name in names:
        if table.column(name) is None and (not name or name.isdigit() or set(name) & set(_SIGNS)):
            reason = f"must hold declared columns alone, joined by +, not {name[:80]!r}"
            raise InvalidRequestError(parameter=parameter, reason=reason)
    columns = [column_of(name, table, parameter) for name in names]
    if len({column.name for column in columns}) < len(columns):
        raise InvalidRequestError(parameter=parameter, reason="must name each column once")
    return columns[0], tuple(columns[1:])

"""The value of an expression or condition at one row, computed here and not by a database.

Layer:       analytics.sql beside render; pure.
Guarantees:  SQL's logic of three values, as ``render`` writes it for the local database.
Source:      ours; a test compares it with DuckDB.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from analytics.sql.terms.expressions import (
    Both,
    Choice,
    ColumnIndex,
    Compare,
    Condition,
    Either,
    Flag,
    Integer,
    Is,
    Known,
    Literal,
    Member,
    Missing,
    Not,
    Product,
    Sum,
    TruthValue,
)

if TYPE_CHECKING:
    from collections.abc import Callable

Row = Mapping[str, int | None]
"""Grid index, category code, or 0 and 1, by column; None is NULL."""
_COMPARE: Final[Mapping[str, Callable[[int, int], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
    "<>": operator.ne,
}


def integer_at(expression: Integer, row: Row) -> int | None:
    """The value of an integer expression.

    Args:
        expression: any.
        row: a value for each of its columns.

    Returns:
        The integer; None for NULL.
    """
    match expression:
        case ColumnIndex(name=name):
            return row[name]
        case Literal(value=value):
            return value
        case TruthValue(condition=condition):
            truth = truth_at(condition, row)
            return None if truth is None else int(truth)
        case Choice(branches=branches, default=default):
            chosen = next((value for condition, value in branches if truth_at(condition, row)), default)
            return None if chosen is None else integer_at(chosen, row)
        case Sum(left=left, right=right) | Product(left=left, right=right):
            first, second = integer_at(left, row), integer_at(right, row)
            if first is None or second is None:
                return None
            return first + second if isinstance(expression, Sum) else first * second


def truth_at(condition: Condition, row: Row) -> bool | None:
    """The truth of a condition; arguments as ``integer_at``, None for NULL."""
    match condition:
        case Known(value=value):
            return value
        case Flag(name=name):
            flag = row[name]
            return None if flag is None else bool(flag)
        case Compare(operator=sign, left=left, right=right):
            first, second = integer_at(left, row), integer_at(right, row)
            return None if first is None or second is None else _COMPARE[sign](first, second)
        case Member(argument=argument, codes=codes):
            number = integer_at(argument, row)
            return None if number is None else number in codes
        case Missing(argument=argument):
            return integer_at(argument, row) is None
        case Is(condition=inner, value=value):
            return truth_at(inner, row) is value
        case Not(condition=inner):
            truth = truth_at(inner, row)
            return None if truth is None else not truth
        case Both(left=left_side, right=right_side):
            return _all(truth_at(left_side, row), truth_at(right_side, row))
        case Either(left=left_side, right=right_side):
            neither = _all(_negated(truth_at(left_side, row)), _negated(truth_at(right_side, row)))
            return _negated(neither)


def _negated(truth: bool | None) -> bool | None:
    return None if truth is None else not truth


def _all(first: bool | None, second: bool | None) -> bool | None:
    if first is False or second is False:
        return False
    return None if first is None or second is None else True

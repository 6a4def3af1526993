"""A row's group as one integer expression.

Layer:       analytics.plans beside block_layout.
Terms:       the index of a group is a mixed radix number over the keys of GROUP BY, the last one fastest.
Guarantees:  within 0 and the number of groups for every row that belongs to one.
Source:      ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analytics.schema import BooleanColumn, CategoricalColumn
from analytics.sql.terms.expressions import (
    Choice,
    ColumnIndex,
    Compare,
    Condition,
    Flag,
    Integer,
    Literal,
    Missing,
    Not,
    Product,
    Sum,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.sql.query import GroupKey


def group_index(keys: Sequence[GroupKey]) -> Integer:
    """Index of a row's group.

    Args:
        keys: those of GROUP BY, in order.

    Returns:
        An expression; 0 without keys. NULL, or any index, where the row belongs to no group.
    """
    index: Integer | None = None
    for key in keys:
        if len(key.labels) == 1:
            continue
        one = _key(key)
        radix = Literal(value=len(key.labels))
        index = one if index is None else Sum(left=Product(left=index, right=radix), right=one)
    return Literal(value=0) if index is None else index


def _key(key: GroupKey) -> Integer:
    """Index of a row's label within one key; that of NULL is the last."""
    column = key.column
    null = Literal(value=len(key.labels) - 1) if column.nullable else None
    if isinstance(column, CategoricalColumn):
        code = ColumnIndex(name=column.name, lower=0, upper=len(column.domain) - 1)
        if null is None:
            return code
        return Choice(branches=((Missing(argument=code), null),), default=code)
    if isinstance(column, BooleanColumn):
        flag = Flag(name=column.name)
        return _first_true((flag, 1), (Not(condition=flag), 0), default=null)
    value = ColumnIndex(name=column.name, lower=column.grid_lower, upper=column.grid_upper)
    edges = [int(edge / column.resolution) for edge in column.bins[1:-1]]
    steps = [
        (Compare(operator="<", left=value, right=Literal(value=edge)), number)
        for number, edge in enumerate(edges)
    ]
    known = Not(condition=Missing(argument=value))
    return _first_true(*steps, (known, len(edges)), default=null)


def _first_true(*branches: tuple[Condition, int], default: Integer | None) -> Choice:
    values = tuple((condition, Literal(value=number)) for condition, number in branches)
    return Choice(branches=values, default=default)

"""GROUP BY: the public groups of a column.

Layer:       analytics.sql above scope, below bind.
Guarantees:  groups are the declared domain, the two truth values or the declared bins, and for nullable columns one
             more for NULL; never what the data happen to hold.
Source:      ours.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from sqlglot import exp

from analytics.schema import BooleanColumn, CategoricalColumn, IdentifierColumn, NumericColumn
from analytics.schema.numbers import format_decimal
from analytics.sql.query import GroupColumn, GroupKey

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.sql.scope import Scope

Item = tuple[exp.Expr, str]
_MAX_ORDINAL_DIGITS = 4


def is_name(node: exp.Expr) -> bool:
    """Whether a node is a column's plain name.

    Args:
        node: the tree.

    Returns:
        False for ``*``.
    """
    return isinstance(node, exp.Column) and not isinstance(node.this, exp.Star)


def ordinal(scope: Scope, node: exp.Expr, count: int) -> int:
    """Index of the SELECT item that a number names.

    Args:
        scope: the question's scope.
        node: a literal.
        count: how many items there are.

    Returns:
        The index, from 0.

    Raises:
        PlanRejectedError: there is no such item.
    """
    text = str(node.this)
    if not text.isdecimal() or len(text) > _MAX_ORDINAL_DIGITS or not 1 <= int(text) <= count:
        raise scope.refusal(node, f"a column number is between 1 and {count}")
    return int(text) - 1


def group_key(scope: Scope, node: exp.Expr, items: Sequence[Item]) -> GroupKey:
    """One key of GROUP BY.

    Args:
        scope: the question's scope.
        node: a column's name, an alias of one, or the number of a SELECT item.
        items: the SELECT's items and their names.

    Returns:
        The key with its public groups.

    Raises:
        PlanRejectedError: not a column, or one without public groups.
    """
    target = _target(scope, node, items)
    if not isinstance(target, exp.Column) or not is_name(target):
        hint = "declare bins for a numeric column"
        raise scope.refusal(node, "GROUP BY takes columns of the table", hint)
    column = scope.use(target)
    if isinstance(column, IdentifierColumn):
        raise scope.refusal(node, "the privacy unit cannot be grouped by")
    if isinstance(column, NumericColumn) and not column.bins:
        hint = "only its declared bins can be groups"
        raise scope.refusal(node, f"{column.name} has no bins in the schema", hint)
    return GroupKey(column=column, labels=labels_of(column))


def _target(scope: Scope, node: exp.Expr, items: Sequence[Item]) -> exp.Expr:
    if isinstance(node, exp.Literal) and not node.is_string:
        return items[ordinal(scope, node, len(items))][0]
    if isinstance(node, exp.Column) and not node.table and scope.table.column(node.name) is None:
        return next((item for item, name in items if name.lower() == node.name.lower()), node)
    return node


def labels_of(column: GroupColumn) -> tuple[str | int | bool | None, ...]:
    """What the public groups of a column are called, in their order.

    Args:
        column: a number with declared bins, a category, or true or false.

    Returns:
        The labels; of a nullable column None, the NULL group, is the last.
    """
    labels: tuple[str | int | bool, ...]
    if isinstance(column, CategoricalColumn):
        labels = column.domain
    elif isinstance(column, BooleanColumn):
        labels = (False, True)
    else:
        pairs = list(pairwise(format_decimal(edge) for edge in column.bins))
        last = len(pairs) - 1
        labels = tuple(f"[{a}, {b}{']' if i == last else ')'}" for i, (a, b) in enumerate(pairs))
    return (*labels, None) if column.nullable else labels

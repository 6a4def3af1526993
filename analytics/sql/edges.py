"""Bin edges: whether a comparison with a constant cuts through a declared bin.

Layer:       analytics.sql above scope, below scalars.
Terms:       a comparison *cuts* at a grid index where its truth changes between the index below and it.
Guarantees:  what passes holds for all values of a bin or for none of them, so that no constant of a question can part
             the people of one bin.
Source:      ours; docs/guarantees.md P8.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analytics.schema import NumericColumn
from analytics.schema.numbers import format_decimal
from analytics.sql.terms.expressions import ColumnIndex, Compare, Literal

if TYPE_CHECKING:
    from sqlglot import exp

    from analytics.sql.scope import Scope
    from analytics.sql.terms.expressions import Condition

_SHOWN_EDGES = 20


def object_to_cuts(scope: Scope, node: exp.Expr, condition: Condition) -> None:
    """Note that a comparison is not for exact answers, where it cuts through a bin of its column.

    Args:
        scope: the question's scope.
        node: the comparison, for its place.
        condition: what it was bound to.
    """
    match condition:
        case Compare(operator=operator, left=ColumnIndex(name=name), right=Literal(value=value)):
            column = scope.table.column(name)
            if isinstance(column, NumericColumn) and column.bins and _cuts_a_bin(column, operator, value):
                edges = ", ".join(format_decimal(edge) for edge in column.bins[:_SHOWN_EDGES])
                reason = f"a comparison of {name} but at an edge of its declared bins"
                scope.object_in_exact(node, reason, f"edges of {name}: {edges}; or ask with epsilon")
        case _:
            return


def _cuts_a_bin(column: NumericColumn, operator: str, value: int) -> bool:
    cuts = {"<": (value,), ">=": (value,), "<=": (value + 1,), ">": (value + 1,)}.get(
        operator, (value, value + 1)
    )
    edges = {int(edge / column.resolution) for edge in column.bins[1:-1]}
    return any(column.grid_lower < cut <= column.grid_upper and cut not in edges for cut in cuts)

"""Views that do no more than choose and rename columns, as ``crossward init`` writes them.

Layer:       analytics.sources beside views.
Guarantees:  anything that sqlglot does not read as a bare choice of columns of ``source`` is none.
Source:      ours; sqlglot's expressions.
"""

from __future__ import annotations

import sqlglot
from sqlglot import exp

_BARE = frozenset({"expressions", "from", "from_"})


def chosen_columns(view: str) -> tuple[tuple[str, str], ...] | None:
    """The columns that a view chooses.

    Args:
        view: the administrator's SELECT over ``source``.

    Returns:
        Of each column its name and that of the column of ``source`` that it is, as they are written; None where the view does
        anything else.
    """
    try:
        tree = sqlglot.parse_one(view, dialect="duckdb")
    except sqlglot.errors.SqlglotError:
        return None
    if not isinstance(tree, exp.Select) or {key for key, value in tree.args.items() if value} - _BARE:
        return None
    origin = tree.args.get("from") or tree.args.get("from_")
    table = origin.this if isinstance(origin, exp.From) else None
    is_source = isinstance(table, exp.Table) and table.sql(dialect="duckdb").lower() == "source"
    found = [_chosen(each) for each in tree.expressions]
    whole = tuple(each for each in found if each is not None)
    return whole if is_source and len(whole) == len(found) else None


def _chosen(expression: exp.Expr) -> tuple[str, str] | None:
    column = expression.this if isinstance(expression, exp.Alias) else expression
    is_bare = isinstance(column, exp.Column) and isinstance(column.this, exp.Identifier)
    is_bare = is_bare and {key for key, value in column.args.items() if value} == {"this"}
    return (expression.alias_or_name, column.name) if is_bare else None

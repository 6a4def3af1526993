"""Comparisons of a text with a number in a site's view, which the database makes as texts: ``1`` is not ``1.0`` then.

Layer:       analytics.sources beside views.
Guarantees:  where sqlglot reads the view, no column of texts is compared with a number's literal: the view is refused
             with what to write. A view that it cannot read is left to the database.
See instead: other faults of a view (``views``).
Source:      ours; sqlglot's expressions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import sqlglot
from sqlglot import exp

from analytics.errors import SchemaMismatchError
from analytics.sources.cells import NUMBER_FUNCTION, base_type
from analytics.sources.spec import DEFAULT_VIEW

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_EQUALITIES: Final = (exp.EQ, exp.NEQ, exp.NullSafeEQ, exp.NullSafeNEQ)


def check_comparisons(view: str, types: Mapping[str, str], source: str) -> None:
    """Refuse a view that compares a text with a number.

    Args:
        view: the administrator's SELECT over ``source``; the database accepts it.
        types: DuckDB's type of each column of ``source``.
        source: the file's name, for messages.

    Raises:
        SchemaMismatchError: it does.
    """
    texts = {name.lower() for name, kind in types.items() if base_type(kind) == "VARCHAR"}
    if view == DEFAULT_VIEW or not texts:
        return
    try:
        tree = sqlglot.parse_one(view, dialect="duckdb")
    except sqlglot.errors.SqlglotError:
        return
    for one, others in _compared(tree):
        if isinstance(one, exp.Column) and one.name.lower() in texts and any(map(_is_number, others)):
            reason = (
                f"the site's view compares the text {one.name} with a number: write {NUMBER_FUNCTION}({one.name}), or the "
                "other side as a text in single quotes"
            )
            raise SchemaMismatchError(source=source, reason=reason)


def _compared(tree: exp.Expr) -> Iterator[tuple[object, list[object]]]:
    """Each side of a comparison with what it is compared with."""
    for node in tree.walk():
        if isinstance(node, _EQUALITIES):
            yield node.this, [node.expression]
            yield node.expression, [node.this]
        elif isinstance(node, exp.Nullif):
            yield node.this, [node.expression]
        elif isinstance(node, exp.In):
            yield node.this, list(node.expressions)
        elif isinstance(node, exp.Case) and node.this is not None:
            yield node.this, [branch.this for branch in node.args.get("ifs") or []]


def _is_number(node: object) -> bool:
    if isinstance(node, exp.Neg | exp.Paren):
        return _is_number(node.this)
    return isinstance(node, exp.Literal) and not node.is_string

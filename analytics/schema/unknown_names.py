"""What a person may have meant by a column's name that a table lacks.

Layer:       analytics.schema, above columns. Pure; reads the public schema alone.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Final

from analytics.schema.columns import CategoricalColumn

if TYPE_CHECKING:
    from analytics.schema.tables import Table

MOST_LISTED: Final = 12


def column_hint(table: Table, asked: str, *, is_sql: bool = False) -> str:
    """Return the hint of a refusal: the nearest column, the quotes that are missing, or the columns that there are.

    Args:
        table: of the schema.
        asked: the name that it lacks.
        is_sql: whether a text without its single quotes is read as a name.
    """
    if is_sql and any(
        asked in column.domain for column in table.columns.values() if isinstance(column, CategoricalColumn)
    ):
        return f"a text stands in single quotes: '{asked}'"
    near = difflib.get_close_matches(asked, list(table.columns), n=1)
    if near:
        return f"did you mean {near[0]}?"
    names = list(table.columns)
    more = f" and {len(names) - MOST_LISTED} more" if len(names) > MOST_LISTED else ""
    return f"{table.name} has {', '.join(names[:MOST_LISTED])}{more}"

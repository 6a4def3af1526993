"""Binds a question with the aggregates of this version.

Layer:       analytics.plans above statistics.aggregates and sql.
Source:      ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analytics.sql.bind import bind as bind_with
from analytics.statistics.aggregates import sql_functions

if TYPE_CHECKING:
    from analytics.schema import Schema
    from analytics.sql.query import BoundQuery


def bind(text: str, schema: Schema) -> BoundQuery:
    """Bind a question to a schema.

    Visible to: no party's data; runs at the analyst and, from the same text, at every site.

    Args:
        text: one SELECT over one table.
        schema: the consortium's schema.

    Returns:
        The bound question.

    Raises:
        PlanRejectedError: with the place of the first thing that cannot be asked.
    """
    return bind_with(text, schema, sql_functions())

"""The schema: all that is public about the data: tables, columns, bounds, domains, bins, privacy units.

Modules:     numbers (exact decimals), columns (the kinds), tables (Table and Schema), reading (all mistakes at once).
"""

from analytics.schema.columns import (
    BooleanColumn,
    CategoricalColumn,
    Column,
    IdentifierColumn,
    NumericColumn,
)
from analytics.schema.tables import Schema, Table

__all__ = [
    "BooleanColumn",
    "CategoricalColumn",
    "Column",
    "IdentifierColumn",
    "NumericColumn",
    "Schema",
    "Table",
]

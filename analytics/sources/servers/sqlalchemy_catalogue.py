"""What SQLAlchemy's inspector says of a table's columns, as far as its dialect can say it.

Layer:       analytics.sources.servers above catalogue_column and sqlalchemy_session.
Guarantees:  definitions alone, no row. A dialect that cannot say them gives none: the schema is then guessed from rows alone.
Source:      ours; SQLAlchemy 2's "Reflecting Database Objects".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analytics.sources.servers.catalogue_column import MOST_TABLES, CatalogueColumn
from analytics.sources.servers.sqlalchemy_session import session

if TYPE_CHECKING:
    from analytics.sources.servers.access import ServerAccess


def inspected_columns(access: ServerAccess, relation: str, source: str) -> dict[str, CatalogueColumn]:
    """Read the definitions of a table's columns; arguments and errors as ``catalogue.catalogue_columns``."""
    schema, _, table = relation.rpartition(".")
    with session(access, source) as opened:
        import sqlalchemy

        try:
            columns = sqlalchemy.inspect(opened).get_columns(table, schema=schema or None)
        except Exception:  # noqa: BLE001  a dialect of a third party may lack it
            return {}
    return {
        str(column["name"]): CatalogueColumn(
            is_nullable=bool(column.get("nullable", True)),
            levels=tuple(map(str, getattr(column["type"], "enums", None) or ())),
            decimals=getattr(column["type"], "scale", None)
            if isinstance(column["type"], sqlalchemy.Numeric)
            and not isinstance(column["type"], sqlalchemy.Float)
            else None,
        )
        for column in columns
    }


def inspected_tables(access: ServerAccess, source: str) -> list[str]:
    """The first tables and views of the login's own schema; errors as ``inspected_columns``."""
    with session(access, source) as opened:
        import sqlalchemy

        inspector = sqlalchemy.inspect(opened)
        found: list[str] = []
        for names in (inspector.get_table_names, inspector.get_view_names):
            try:
                found += names()
            except Exception:  # noqa: BLE001, S112  a dialect of a third party may lack it
                continue
    return sorted(found)[:MOST_TABLES]

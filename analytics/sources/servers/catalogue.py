"""What a server's catalogue says of a table's columns, for the person who writes a first schema.

Layer:       analytics.sources.servers above relation and sqlalchemy_catalogue.
Guarantees:  definitions alone, no row: levels of an enumeration, whether a column may be NULL, decimals of a number.
See instead: what the rows hold (``federation.setup.infer_schema``).
Source:      ours; PostgreSQL 15's manual, "System Catalogs".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from analytics.errors import SchemaMismatchError
from analytics.sources.servers.access import READ_ONLY, connect
from analytics.sources.servers.addresses import POSTGRESQL_SCHEMES, SPARK_SCHEMES
from analytics.sources.servers.catalogue_column import MOST_TABLES, CatalogueColumn
from analytics.sources.servers.sqlalchemy_catalogue import inspected_columns, inspected_tables

if TYPE_CHECKING:
    from analytics.sources.servers.access import ServerAccess

_COLUMNS: Final = """
SELECT a.attname, a.attnotnull,
       CASE WHEN t.typname = 'numeric' AND a.atttypmod >= 4 THEN (a.atttypmod - 4) & 65535 END,
       (SELECT array_agg(e.enumlabel::text ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid)
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     JOIN pg_type t ON t.oid = a.atttypid
WHERE n.nspname = %s AND c.relname = %s AND a.attnum > 0 AND NOT a.attisdropped
"""
_TABLES: Final = """
SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = ANY ('{r,p,v,m,f}') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND n.nspname NOT LIKE 'pg\\_toast%%' AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
ORDER BY 1 LIMIT %s
"""


def catalogue_columns(access: ServerAccess, relation: str, source: str) -> dict[str, CatalogueColumn]:
    """Read the definitions of a table's columns; a view has none but its types.

    Args:
        access: the server.
        relation: ``schema.table``, or a table of the schema ``public``.
        source: what messages call the source.

    Raises:
        SchemaMismatchError: the server is not reached, or does not answer.
    """
    if access.url.startswith(SPARK_SCHEMES):
        return {}  # what a cluster's catalogue says of a column is its type alone
    if not access.url.startswith(POSTGRESQL_SCHEMES):
        return inspected_columns(access, relation, source)
    schema, _, table = relation.rpartition(".")
    rows = _asked(access, source, _COLUMNS, [schema or "public", table])
    return {
        str(name): CatalogueColumn(
            is_nullable=not is_filled,
            levels=tuple(levels or ()),
            decimals=None if decimals is None else int(decimals),
        )
        for name, is_filled, decimals, levels in rows
    }


def readable_tables(access: ServerAccess, source: str) -> list[str]:
    """The first tables and views that the login may read; errors as ``catalogue_columns``."""
    if access.url.startswith(SPARK_SCHEMES):
        return []
    if not access.url.startswith(POSTGRESQL_SCHEMES):
        return inspected_tables(access, source)
    return [str(name) for (name,) in _asked(access, source, _TABLES, [MOST_TABLES])]


def _asked(access: ServerAccess, source: str, statement: str, values: list[object]) -> list[tuple[Any, ...]]:
    import psycopg

    session = connect(access, source)
    try:
        session.execute(READ_ONLY)
        return session.execute(statement.encode(), values).fetchall()
    except psycopg.Error as error:
        reason = f"the server's catalogue cannot be read (SQLSTATE {error.sqlstate or ''})"
        raise SchemaMismatchError(source=source, reason=reason) from None
    finally:
        session.close()

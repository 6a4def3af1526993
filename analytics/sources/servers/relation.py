"""What stands in a PostgreSQL database: a table or view, its columns and their types.

Layer:       analytics.sources.servers above access, found and view_text.
Guarantees:  what is missing is named: the schema, the table, the right to read it, a word of the site's view with its place.
             A message holds names that the site file has, and nothing of the data.
Source:      ours; PostgreSQL 15's manual, "System Catalogs", "PostgreSQL Error Codes".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from analytics.errors import SchemaMismatchError
from analytics.sources.servers.found import Found
from analytics.sources.servers.view_text import bare_view, word_place
from analytics.sql.terms.render import quoted

if TYPE_CHECKING:
    import psycopg

KINDS: Final = {
    "int2": "SMALLINT",
    "int4": "INTEGER",
    "int8": "BIGINT",
    "float4": "FLOAT",
    "float8": "DOUBLE",
    "numeric": "DECIMAL",
    "bool": "BOOLEAN",
    "text": "VARCHAR",
    "varchar": "VARCHAR",
    "bpchar": "VARCHAR",
    "uuid": "UUID",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "timestamptz": "TIMESTAMP WITH TIME ZONE",
    "time": "TIME",
    "interval": "INTERVAL",
    "bytea": "BLOB",
}
"""The kind that the cleaning stage knows for a type of the server; an enumeration is a text, any other type is none."""
_WORDS: Final = {
    "42703": "there is no column {}",
    "42P01": "there is no table {}",
    "42883": "there is no function {} for these types",
    "42601": "it is not valid SQL near {}",
    "42501": "the login may not read {}",
}


def quoted_relation(name: str) -> str:
    """``schema.table`` as an identifier; upper and lower case count."""
    return ".".join(quoted(part) for part in name.split("."))


def find_relation(connection: psycopg.Connection[Any], name: str, view: str, source: str) -> Found:
    """Find a table or view, and apply the site's view to it.

    Args:
        connection: a session, in a transaction whose state the answer holds for.
        name: ``schema.table``, or a table of the schema ``public``.
        view: one SELECT over ``source``, in the server's own SQL; empty: all columns.
        source: what messages call the source.

    Raises:
        SchemaMismatchError: there is none, it may not be read, or the view cannot be computed.
    """
    schema, _, table = name.rpartition(".")
    schema = schema or "public"
    reason = _missing(connection, schema, table)
    if reason:
        raise SchemaMismatchError(source=source, reason=reason)
    relation = f"{quoted(schema)}.{quoted(table)}"
    (kind,) = connection.execute(
        "SELECT relkind FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = %s AND relname = %s",
        [schema, table],
    ).fetchone() or ("",)
    selected = f"(WITH source AS (SELECT * FROM {relation}) {bare_view(view)})" if view else relation  # noqa: S608  the administrator's own SQL
    names, kinds = _described(connection, selected, view, source)
    return Found(sql=selected, names=names, kinds=kinds, is_fenced=bool(view) or kind in {"v", "f"})


def _missing(connection: psycopg.Connection[Any], schema: str, table: str) -> str:
    """What of a relation's name the database does not have; empty where it has all."""
    if connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", [schema]).fetchone() is None:
        return f"the database has no schema {schema}"
    known = connection.execute(
        "SELECT has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') FROM pg_class c JOIN "
        "pg_namespace n ON n.oid = relnamespace WHERE nspname = %s AND relname = %s AND relkind = ANY ('{r,p,v,m,f}')",
        [schema, table],
    ).fetchone()
    if known is None:
        return f"the schema {schema} has no table or view {table}; upper and lower case count"
    return "" if known[0] else f"the login may not read {schema}.{table}: GRANT SELECT"


def _described(
    connection: psycopg.Connection[Any], selected: str, view: str, source: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    import psycopg

    try:
        with connection.transaction():  # a fault ends a savepoint and not the transaction around it
            cursor = connection.execute(f"SELECT * FROM {selected} AS described LIMIT 0")  # noqa: S608
    except psycopg.Error as error:
        raise SchemaMismatchError(source=source, reason=view_fault(view, error)) from None
    columns = cursor.description or []
    kinds = dict(
        connection.execute(
            "SELECT oid::bigint, CASE typtype WHEN 'e' THEN 'text' ELSE typname END FROM pg_type WHERE oid = ANY(%s)",
            [[column.type_code for column in columns]],
        ).fetchall()
    )
    names = tuple(column.name for column in columns)
    return names, tuple(KINDS.get(kinds.get(column.type_code, ""), "") for column in columns)


def view_fault(view: str, error: psycopg.Error) -> str:
    """What is wrong with a view, as far as a word of the site's view itself says it.

    Args:
        view: its text; empty where the site has none, so that the fault is the database's own view's.
        error: what the server said.

    Returns:
        A reason without any text but the view's own.
    """
    code = error.sqlstate or ""
    if not view:
        return f"the table or view cannot be read (SQLSTATE {code})"
    for word in re.findall(r"\"([^\"\n]{1,200})\"", error.diag.message_primary or ""):
        place = word_place(view, word.rpartition(".")[2])
        if code in _WORDS and place:
            return f"the site's view cannot be computed: {_WORDS[code].format(word)} (first at {place})"
    unquoted = re.match(r"(?:column|function) ([\w.]{1,200})", error.diag.message_primary or "")
    place = word_place(view, unquoted[1].rpartition(".")[2]) if unquoted else ""
    if unquoted and code in _WORDS and place:
        return f"the site's view cannot be computed: {_WORDS[code].format(unquoted[1])} (first at {place})"
    return f"the site's view cannot be computed over this source (SQLSTATE {code})"

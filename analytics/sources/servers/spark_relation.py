"""What stands in a Spark cluster: a table or view of its catalogue, or a folder of Parquet files.

Layer:       analytics.sources.servers above access, found, spark_faults and view_text.
Guarantees:  what is missing is named: the schema, the table, the path, a word of the site's view with its place. A message
             holds names that the site file has, and nothing of the data.
Source:      ours; Spark 4's manual, "Data Types", "Data Sources".
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

from analytics.errors import SchemaMismatchError
from analytics.sources.servers.found import Found
from analytics.sources.servers.spark_faults import condition_of, view_fault
from analytics.sources.servers.view_text import bare_view
from analytics.sql.terms.render import quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

PARQUET: Final = "parquet:"
"""How a ``table`` begins that is a folder or file on the cluster."""
KINDS: Final = {
    "ByteType": "TINYINT",
    "ShortType": "SMALLINT",
    "IntegerType": "INTEGER",
    "LongType": "BIGINT",
    "FloatType": "FLOAT",
    "DoubleType": "DOUBLE",
    "DecimalType": "DECIMAL",
    "BooleanType": "BOOLEAN",
    "StringType": "VARCHAR",
    "VarcharType": "VARCHAR",
    "CharType": "VARCHAR",
    "DateType": "DATE",
    "TimestampType": "TIMESTAMP WITH TIME ZONE",
    "TimestampNTZType": "TIMESTAMP",
    "TimeType": "TIME",
    "BinaryType": "BLOB",
    "DayTimeIntervalType": "INTERVAL",
    "YearMonthIntervalType": "INTERVAL",
}
"""The kind that the cleaning stage knows for a type of Spark; any other type is none."""
SOURCE: Final = "crossward_source"  # Spark takes no number sign in a view's name
_NO_TABLE: Final = (
    "TABLE_OR_VIEW_NOT_FOUND",
    "SCHEMA_NOT_FOUND",
    "CATALOG_NOT_FOUND",
    "REQUIRES_SINGLE_PART",
)
_NO_RIGHT: Final = ("INSUFFICIENT_PERMISSIONS", "PERMISSION_DENIED", "UNAUTHORIZED", "42501")


def find_relation(session: Any, name: str, view: str, source: str) -> Found:
    """Find a table or folder, and apply the site's view to it.

    Args:
        session: as ``spark_session.connect`` opens it.
        name: ``SCHEMA.TABLE``, perhaps with the catalogue before it, or ``parquet:PATH``.
        view: one SELECT over ``source``, in Spark's own SQL; empty: all columns.
        source: what messages call the source.

    Raises:
        SchemaMismatchError: there is none, it may not be read, or the view cannot be computed.
    """
    try:
        relation = _relation(session, name)
        columns = session.sql(f"SELECT * FROM {relation}").schema.fields  # noqa: S608  quoted
    except Exception as error:  # noqa: BLE001  whatever it is, its text stays here
        raise SchemaMismatchError(source=source, reason=_missing(session, name, error)) from None
    if view:
        relation = f"(WITH source AS (SELECT * FROM {relation}) {bare_view(view)})"  # noqa: S608  the administrator's own SQL
        try:
            columns = session.sql(f"SELECT * FROM {relation} AS described").schema.fields  # noqa: S608
        except Exception as error:  # noqa: BLE001
            raise SchemaMismatchError(source=source, reason=view_fault(view, error)) from None
    kinds = tuple(KINDS.get(type(column.dataType).__name__, "") for column in columns)
    return Found(sql=relation, names=tuple(column.name for column in columns), kinds=kinds, is_fenced=False)


def fingerprint(session: Any, found: Found) -> str:
    """What a relation's present rows are called: equal for equal rows in any order; empty where a column has no hash.

    Args:
        session: as ``find_relation``.
        found: the relation.

    Returns:
        A digest of counts and of sums over a hash of each row, computed in the cluster.
    """
    if not all(found.kinds):
        return ""
    places = ", ".join(f"v{place}" for place in range(len(found.names)))
    cells = ", ".join(_hashed(place, kind) for place, kind in enumerate(found.kinds))
    row = session.sql(
        f"SELECT count(*), bit_xor(a), bit_xor(b), sum(CAST(a AS DECIMAL(20, 0))), sum(CAST(b AS DECIMAL(20, 0))) "  # noqa: S608
        f"FROM (SELECT xxhash64(1, {cells}) AS a, xxhash64(2, {cells}) AS b "
        f"FROM (SELECT * FROM {found.sql} AS found) AS viewed({places})) AS hashed"
    ).toArrow()
    figures = [str(column[0].as_py()) for column in row.columns]
    text = "\n".join([*found.names, *found.kinds, *figures])
    return hashlib.sha256(text.encode()).hexdigest()


def _hashed(place: int, kind: str) -> str:
    """A cell for the hash, which passes over NULL: so whether there is one stands before it."""
    cell = f"CAST(v{place} AS STRING) COLLATE UTF8_BINARY" if kind == "VARCHAR" else f"v{place}"
    return f"v{place} IS NULL, {cell}"


def _relation(session: Any, name: str) -> str:
    """What stands after FROM."""
    if not name.startswith(PARQUET):
        return ".".join(quoted(part) for part in name.split("."))
    frame = session.read.parquet(name.removeprefix(PARQUET))
    _ = frame.schema  # a path that is not there has a name of its own here, and none as a view
    frame.createOrReplaceTempView(SOURCE)
    return quoted(SOURCE)


def _missing(session: Any, name: str, error: Exception) -> str:
    """What of a relation's name the cluster does not have."""
    condition = condition_of(error)
    if condition.startswith("PATH_NOT_FOUND"):
        return "the cluster has no such path"
    if condition.startswith("UNABLE_TO_INFER_SCHEMA"):
        return "there is no Parquet file below this path"
    if condition.startswith("COLUMN_ALREADY_EXISTS"):
        return "two columns have one name but for upper and lower case: rename one"
    if condition.startswith(_NO_RIGHT):
        return f"the login may not read {name}"
    if condition.startswith(_NO_TABLE):
        schema, _, table = name.rpartition(".")
        if schema and not _has_schema(session, schema.split(".")):
            return f"the catalogue has no schema {schema}"
        return f"the schema {schema or 'default'} has no table or view {table}"
    return view_fault("", error)


def _has_schema(session: Any, parts: Sequence[str]) -> bool:
    try:
        return bool(session.catalog.databaseExists(".".join(f"`{part}`" for part in parts)))
    except Exception:  # noqa: BLE001  a catalogue that does not say
        return True

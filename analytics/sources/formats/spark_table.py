"""Tables, views and Parquet folders of a Spark cluster, read into the node as a file is.

Layer:       analytics.sources.formats above tables.
Guarantees:  rows come as Arrow in batches of a bounded size into the database's memory, typed as they are in the cluster; none
             reaches a disk here. Where the site declares no version, a digest of the rows is computed in the cluster before
             and after: rows that changed meanwhile refuse the source.
See instead: a table that stays in its cluster (``analytics.sources.pushed``).
Source:      ours; measured with PySpark 4.3.0 and DuckDB 2.0.1.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import duckdb

from analytics.errors import SchemaMismatchError
from analytics.sources.formats.tables import LOADED, loaded_table
from analytics.sources.servers.addresses import SPARK_SCHEMES
from analytics.sources.servers.spark_faults import view_fault
from analytics.sources.servers.spark_relation import PARQUET, find_relation, fingerprint
from analytics.sources.servers.spark_session import arrow_batches, close, connect

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from analytics.sources.formats.base import FileSpec, Relation
    from analytics.sources.servers.found import Found

_BATCH: Final = "#batch"
_AS_TEXT: Final = frozenset({"", "INTERVAL", "TIME", "VARCHAR"})
_EXPANDED: Final = frozenset("*?[]{}")


class SparkFormat:
    """A table or folder of a cluster; see ``SourceFormat``."""

    kind = "spark"
    endings = ()
    schemes = SPARK_SCHEMES
    takes_folder = False

    def mistake(self, relation: str) -> str:
        """As ``SourceFormat``."""
        if relation.startswith(PARQUET):
            path = relation.removeprefix(PARQUET)
            is_path = path and path == path.strip() and not _EXPANDED & set(path)
            return "" if is_path else "parquet: needs a path on the cluster, without any of * ? [ ] { }"
        is_named = relation and relation == relation.strip() and all(relation.split("."))
        is_named = is_named and relation.count(".") <= 2  # noqa: PLR2004  catalogue, schema, table
        return "" if is_named else "a spark source needs a table's name, SCHEMA.TABLE, or parquet:PATH"

    def files(self, path: Path) -> tuple[Path, ...]:
        """As ``SourceFormat``: there are none."""
        del path
        return ()

    @contextmanager
    def open(
        self,
        connection: duckdb.DuckDBPyConnection,
        spec: FileSpec,
        workplace: Path,
        *,
        is_hashed: bool = False,
        numbers: frozenset[str] = frozenset(),
    ) -> Iterator[Relation]:
        """As ``SourceFormat``; the rows are copied into the database's memory."""
        del workplace, is_hashed, numbers
        session, found = _opened(spec)
        try:
            state = _load(connection, session, found, spec)
        finally:
            close(session)
        with loaded_table(connection, found.names) as relation:
            yield replace(relation, digest=lambda: state)


def spark_state(spec: FileSpec) -> str:
    """What the rows of a table are called now; empty where it has a column that cannot be hashed.

    Args:
        spec: the source.

    Raises:
        SchemaMismatchError: the cluster is not reached, or has no such table.
    """
    session, found = _opened(spec)
    try:
        return _fingerprint(session, found, spec)
    finally:
        close(session)


def _opened(spec: FileSpec) -> tuple[Any, Found]:
    if spec.server is None:
        raise SchemaMismatchError(source=spec.name, reason="the address of the server is missing")
    session = connect(spec.server, spec.name)
    try:
        return session, find_relation(session, spec.relation, "", spec.name)
    except BaseException:
        close(session)
        raise


def _fingerprint(session: Any, found: Found, spec: FileSpec) -> str:
    try:
        return fingerprint(session, found)
    except Exception as error:  # noqa: BLE001  whatever it is, its text stays here
        raise SchemaMismatchError(source=spec.name, reason=view_fault("", error)) from None


def _load(connection: duckdb.DuckDBPyConnection, session: Any, found: Found, spec: FileSpec) -> str:
    """Copy the rows; what their state is called."""
    declared = spec.server.version if spec.server else ""
    before = "" if declared else _fingerprint(session, found, spec)
    try:
        _copy(connection, session, found)
    except duckdb.Error:
        reason = "a cell of the table cannot be read as its type"
        raise SchemaMismatchError(source=spec.name, reason=reason) from None
    except Exception as error:  # noqa: BLE001  whatever it is, its text stays here
        raise SchemaMismatchError(source=spec.name, reason=view_fault("", error)) from None
    if declared:
        return f"version {declared}"
    if _fingerprint(session, found, spec) != before:
        reason = "it changed while it was read: start again once it is written"
        raise SchemaMismatchError(source=spec.name, reason=reason)
    return before


def _copy(connection: duckdb.DuckDBPyConnection, session: Any, found: Found) -> None:
    places = ", ".join(f"v{place}" for place in range(len(found.names)))
    cells = ", ".join(
        f"CAST(v{place} AS STRING) COLLATE UTF8_BINARY AS c{place}"
        if kind in _AS_TEXT
        else f"v{place} AS c{place}"
        for place, kind in enumerate(found.kinds)
    )
    frame = session.sql(f"SELECT {cells} FROM (SELECT * FROM {found.sql} AS found) AS viewed({places})")  # noqa: S608  places
    begun = False
    for batch in arrow_batches(frame):
        connection.register(_BATCH, batch)
        into = f"INSERT INTO {LOADED}" if begun else f"CREATE TEMP TABLE {LOADED} AS"
        connection.execute(f'{into} SELECT * FROM "{_BATCH}"')  # noqa: S608  constants
        connection.unregister(_BATCH)
        begun = True
    if not begun:
        connection.register(_BATCH, frame.limit(0).toArrow())
        connection.execute(f'CREATE TEMP TABLE {LOADED} AS SELECT * FROM "{_BATCH}"')  # noqa: S608
        connection.unregister(_BATCH)

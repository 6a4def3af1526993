"""Tables and views in a PostgreSQL server, read into the node as a file is.

Layer:       analytics.sources.formats above tables.
Guarantees:  one read-only transaction reads one state of the table. Rows stream through a pipe of a bounded size, typed as
             they are in the server; none reaches a disk. A server that is lost on the way refuses the source.
See instead: a table that stays in its server (``analytics.sources.pushed``).
Source:      ours; PostgreSQL 15's manual, "COPY".
"""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import duckdb

from analytics.errors import SchemaMismatchError
from analytics.sources.formats.base import Heading, chosen_names
from analytics.sources.formats.tables import LOADED, loaded_table
from analytics.sources.servers.access import READ_ONLY, connect
from analytics.sources.servers.addresses import POSTGRESQL_SCHEMES
from analytics.sources.servers.relation import find_relation, view_fault
from analytics.sql.terms.render import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import psycopg

    from analytics.sources.formats.base import FileSpec, Relation
    from analytics.sources.servers.found import Found

_WIDEST: Final = 38  # digits of the database's widest decimal
_AS_THEY_ARE: Final = frozenset(
    {"SMALLINT", "INTEGER", "BIGINT", "FLOAT", "DOUBLE", "BOOLEAN", "UUID", "DATE", "TIMESTAMP"}
    | {"TIMESTAMP WITH TIME ZONE", "TIME"}
)
_LOST: Final = "the server was lost while the table was read, or ended the statement"


class PostgreSQLFormat:
    """A table or view of a server; see ``SourceFormat``."""

    kind = "postgresql"
    endings = ()
    schemes = POSTGRESQL_SCHEMES
    takes_folder = False

    def mistake(self, relation: str) -> str:
        """As ``SourceFormat``."""
        is_named = relation and relation == relation.strip() and all(relation.split("."))
        return (
            ""
            if is_named and relation.count(".") <= 1
            else "a postgresql source needs a table's name, SCHEMA.TABLE"
        )

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
        del is_hashed, numbers
        if spec.server is None:
            raise SchemaMismatchError(source=spec.name, reason="the address of the server is missing")
        session = connect(spec.server, spec.name)
        try:
            names = _load(connection, session, spec, workplace)
        finally:
            session.close()
        with loaded_table(connection, names) as relation:
            yield relation

    def heading(self, connection: duckdb.DuckDBPyConnection, spec: FileSpec) -> Heading | None:
        """As ``HasHeading``: from the server's catalogue."""
        del connection
        if spec.server is None:
            raise SchemaMismatchError(source=spec.name, reason="the address of the server is missing")
        session = connect(spec.server, spec.name)
        try:
            found, kinds = _described(session, spec)
        finally:
            session.close()
        return Heading(names=found.names, types=tuple(kinds))


def _load(
    connection: duckdb.DuckDBPyConnection,
    session: psycopg.Connection[Any],
    spec: FileSpec,
    workplace: Path,
) -> tuple[str, ...]:
    import psycopg

    found, kinds = _described(session, spec)
    pipe = workplace / "source.rows"
    copy = _Copy(
        session,
        f"COPY (SELECT * FROM {found.sql} AS found) TO STDOUT (FORMAT csv, FORCE_QUOTE *)",  # noqa: S608  quoted
        pipe,
    )
    failed = False
    try:
        connection.execute(_create(pipe, kinds))
    except duckdb.Error:
        failed = True
    copy.join()
    if copy.error is not None:
        code = getattr(copy.error, "sqlstate", None) or ""
        is_fault = code[:2] in {"22", "42", "XX"}
        reason = view_fault("", copy.error) if is_fault and isinstance(copy.error, psycopg.Error) else _LOST
        raise SchemaMismatchError(source=spec.name, reason=reason) from None
    if failed:
        raise SchemaMismatchError(source=spec.name, reason="a cell of the table cannot be read as its type")
    return found.names


def _described(session: psycopg.Connection[Any], spec: FileSpec) -> tuple[Found, list[str]]:
    """The table in a transaction of the session, and the database's type of each column."""
    import psycopg

    try:
        session.execute(READ_ONLY)
        found = find_relation(session, spec.relation, "", spec.name)
        if spec.columns:
            chosen = chosen_names(found.names, spec.columns)
            kinds = dict(zip(found.names, found.kinds, strict=True))
            read = f"SELECT {', '.join(map(quoted, chosen))} FROM {found.sql} AS whole"  # noqa: S608  quoted names
            read += _where(session, found, spec.condition)
            found = replace(found, sql=f"({read})", names=chosen, kinds=tuple(kinds[name] for name in chosen))
        described = session.execute(f"SELECT * FROM {found.sql} AS found LIMIT 0").description or ()  # noqa: S608  quoted
    except psycopg.Error as error:
        raise SchemaMismatchError(source=spec.name, reason=view_fault("", error)) from None
    return found, [_kind(kind, column) for kind, column in zip(found.kinds, described, strict=True)]


def _where(session: psycopg.Connection[Any], found: Found, condition: str) -> str:
    """The rows that a mapping can use; all where the server cannot plan the condition, for its columns have other types."""
    import psycopg

    if not condition:
        return ""
    where = f" WHERE {condition}"
    try:
        with session.transaction():
            session.execute(f"EXPLAIN SELECT 1 FROM {found.sql} AS whole{where}")  # noqa: S608  a mapping's own
    except psycopg.Error:
        return ""
    return where


def _kind(kind: str, column: psycopg.Column) -> str:
    """The database's type for a column; what it has no type for is a text."""
    if kind == "DECIMAL" and column.precision is not None and column.scale is not None:
        is_held = 0 <= column.scale <= column.precision <= _WIDEST
        return f"DECIMAL({column.precision},{column.scale})" if is_held else "VARCHAR"
    if kind == "BLOB":
        return kind
    return kind if kind in _AS_THEY_ARE else "VARCHAR"


def _create(pipe: Path, kinds: Sequence[str]) -> str:
    texts = ", ".join(f"'c{place}': 'VARCHAR'" for place in range(len(kinds)))
    path = str(pipe).replace("'", "''")
    typed = ", ".join(
        f"NULL::BLOB AS c{place}" if kind == "BLOB" else f"CAST(c{place} AS {kind}) AS c{place}"
        for place, kind in enumerate(kinds)
    )
    read = (
        f"read_csv('{path}', delim = ',', quote = '\"', escape = '\"', columns = {{{texts}}}, header = false, "
        "auto_detect = false, skip = 0, comment = '', null_padding = false, ignore_errors = false, strict_mode = true)"
    )
    return f"CREATE TEMP TABLE {LOADED} AS SELECT {typed} FROM {read}"  # noqa: S608  types and places


class _Copy:
    """One passage of a table through a pipe; a thread of its own writes while the database reads."""

    def __init__(self, session: psycopg.Connection[Any], statement: str, pipe: Path) -> None:
        os.mkfifo(pipe, 0o600)
        self._session, self._statement, self._pipe = session, statement, pipe
        self.error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="postgresql-copy", daemon=True)
        self._thread.start()

    def join(self) -> None:
        """Wait for the writer once the reader is done; a pipe that was never read is let go."""
        while self._thread.is_alive():
            os.close(os.open(self._pipe, os.O_RDONLY | os.O_NONBLOCK))
            self._thread.join(0.01)

    def _run(self) -> None:
        try:
            with (
                self._pipe.open("wb") as target,
                self._session.cursor() as cursor,
                cursor.copy(self._statement.encode()) as rows,
            ):
                for block in rows:
                    target.write(block)
        except Exception as error:  # noqa: BLE001  told by the thread that waits
            self.error = error

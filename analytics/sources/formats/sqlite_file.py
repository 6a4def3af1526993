"""Tables and views in SQLite's database files.

Layer:       analytics.sources.formats above cell_objects.
Guarantees:  the file is opened read-only, in one transaction. A cell is read as it stands: the declared type of a column
             decides nothing, since SQLite lets each cell have a type of its own.
Source:      ours; SQLite's manual, "Datatypes In SQLite" and "URI Filenames".
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote

from analytics.errors import SchemaMismatchError
from analytics.sources.formats.base import Heading, chosen_names
from analytics.sources.formats.cell_objects import load_texts
from analytics.sources.formats.tables import loaded_table
from analytics.sql.terms.render import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import duckdb

    from analytics.sources.formats.base import FileSpec, Relation

_BEGINNING = b"SQLite format 3\0"


class SQLiteFormat:
    """A table or view of a database file; see ``SourceFormat``."""

    kind = "sqlite"
    endings = (".sqlite", ".sqlite3")
    schemes = ()
    takes_folder = False

    def mistake(self, relation: str) -> str:
        """As ``SourceFormat``."""
        return (
            ""
            if relation and relation == relation.strip()
            else "a sqlite source needs relation, a table's name"
        )

    def files(self, path: Path) -> tuple[Path, ...]:
        """As ``SourceFormat``; rows can stand in a write-ahead log or need a journal's pages beside the file."""
        beside = (path.with_name(f"{path.name}{ending}") for ending in ("-wal", "-journal"))
        return (path, *(file for file in beside if file.is_file()))

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
        try:
            names = _load(connection, spec)
        except (sqlite3.Error, UnicodeError) as error:
            reason = f"this cannot be read as sqlite ({type(error).__name__})"
            raise SchemaMismatchError(source=spec.name, reason=reason) from None
        with loaded_table(connection, names) as relation:
            yield relation

    def heading(self, connection: duckdb.DuckDBPyConnection, spec: FileSpec) -> Heading | None:
        """As ``HasHeading``: every cell is read as a text."""
        del connection
        try:
            with _selected(spec, "LIMIT 0") as (names, _):
                return Heading(names=tuple(names), types=("VARCHAR",) * len(names))
        except (sqlite3.Error, UnicodeError) as error:
            reason = f"this cannot be read as sqlite ({type(error).__name__})"
            raise SchemaMismatchError(source=spec.name, reason=reason) from None


def is_sqlite(path: Path) -> bool:
    """Whether a file begins as SQLite's do."""
    try:
        with path.open("rb") as stream:
            return stream.read(len(_BEGINNING)) == _BEGINNING
    except OSError:
        return False


def _load(connection: duckdb.DuckDBPyConnection, spec: FileSpec) -> list[str]:
    with _selected(spec) as (names, rows):
        load_texts(connection, names, rows, spec.name)
    return names


@contextmanager
def _selected(spec: FileSpec, limit: str = "") -> Iterator[tuple[list[str], sqlite3.Cursor]]:
    """Names of the columns, and the rows."""
    # a database whose log was left behind needs a file of shared memory beside it, which read-only access may not make
    uri = f"file:{quote(str(spec.path.absolute()))}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as database:
        database.execute("PRAGMA query_only = ON")
        database.execute("PRAGMA trusted_schema = OFF")
        database.execute("BEGIN")
        known = "SELECT 1 FROM sqlite_schema WHERE type IN ('table', 'view') AND name = ? COLLATE NOCASE"
        if database.execute(known, [spec.relation]).fetchone() is None:
            reason = f"the file has no table or view {spec.relation}"
            raise SchemaMismatchError(source=spec.name, reason=reason)
        chosen = "*"
        if spec.columns:
            every = database.execute(f"SELECT * FROM {quoted(spec.relation)} LIMIT 0").description  # noqa: S608  quoted
            chosen = ", ".join(map(quoted, chosen_names([str(each[0]) for each in every], spec.columns)))
        rows = database.execute(f"SELECT {chosen} FROM {quoted(spec.relation)} {limit}")  # noqa: S608  quoted names
        yield [str(column[0]) for column in rows.description], rows

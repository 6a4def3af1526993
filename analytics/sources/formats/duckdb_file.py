"""Tables in DuckDB's database files.

Layer:       analytics.sources.formats above tables.
Source:      ours.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

import duckdb

from analytics.errors import SchemaMismatchError
from analytics.sources.formats.base import Heading, chosen_names, described
from analytics.sources.formats.tables import LOADED, loaded_table
from analytics.sql.terms.render import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from analytics.sources.formats.base import FileSpec, Relation

_RELATION = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?", re.ASCII)


class DuckDBFormat:
    """A table of a database file, opened read-only; see ``SourceFormat``."""

    kind = "duckdb"
    endings = (".duckdb", ".db")
    schemes = ()
    takes_folder = False

    def mistake(self, relation: str) -> str:
        """As ``SourceFormat``."""
        return "" if _RELATION.fullmatch(relation) else "a duckdb source needs relation, a table's name"

    def files(self, path: Path) -> tuple[Path, ...]:
        """As ``SourceFormat``; changes can still stand in a log beside the file."""
        log = path.with_name(f"{path.name}.wal")
        return (path, log) if log.is_file() else (path,)

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
        with _attached(connection, spec) as relation:
            chosen = "*"
            if spec.columns:
                chosen = ", ".join(
                    map(quoted, chosen_names(described(connection, relation)[0], spec.columns))
                )
            connection.execute(f"CREATE TEMP TABLE {LOADED} AS SELECT {chosen} FROM {relation}")  # noqa: S608
        with loaded_table(connection) as loaded:
            yield loaded

    def heading(self, connection: duckdb.DuckDBPyConnection, spec: FileSpec) -> Heading | None:
        """As ``HasHeading``: from the file's catalogue."""
        with _attached(connection, spec) as relation:
            names, types = described(connection, relation)
        return Heading(names=names, types=types)


@contextmanager
def _attached(connection: duckdb.DuckDBPyConnection, spec: FileSpec) -> Iterator[str]:
    """The table's name for SQL while the file is attached."""
    path = str(spec.path).replace("'", "''")
    try:
        connection.execute(f"ATTACH '{path}' AS site_file (READ_ONLY)")
        try:
            yield "site_file." + ".".join(quoted(part) for part in spec.relation.split("."))
        finally:
            connection.execute("DETACH site_file")
    except duckdb.CatalogException:
        reason = f"read as a duckdb file, it has no table or view {spec.relation}"
        raise SchemaMismatchError(source=spec.name, reason=reason) from None
    except (duckdb.Error, ValueError) as error:
        reason = f"this cannot be read as duckdb ({type(error).__name__})"
        raise SchemaMismatchError(source=spec.name, reason=reason) from None

"""Parquet files, and folders of them.

Layer:       analytics.sources.formats above tables.
Terms:       a *folder* is every file below it that ends in ``.parquet``, in the order of their paths, but those whose
             name, or a folder's on the way, begins with ``.`` or ``_``.
Guarantees:  nothing is guessed: the files of a folder have the same columns of the same types in the same order, or the
             folder is refused. A folder named ``key=value`` is refused too: its values stand in no file, and whether
             they are a column, and of what type, only a person knows.
Source:      ours. Measured with DuckDB 2.0.1, and the reason for comparing types: read together, later files take the
             types of the first one, so that 2.5 becomes 3 beside a file of whole numbers.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import duckdb

from analytics.errors import SchemaMismatchError
from analytics.sources.formats.base import Heading, described
from analytics.sources.formats.tables import LOADED, loaded_table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from analytics.sources.formats.base import FileSpec, Relation

ENDING = ".parquet"


class ParquetFormat:
    """One Parquet file or a folder of them; see ``SourceFormat``."""

    kind = "parquet"
    endings = (ENDING,)
    schemes = ()
    takes_folder = True

    def mistake(self, relation: str) -> str:
        """As ``SourceFormat``."""
        return "relation is for databases: leave it out" if relation else ""

    def files(self, path: Path) -> tuple[Path, ...]:
        """As ``SourceFormat``."""
        if not path.is_dir():
            return (path,)
        found = sorted(file for file in path.rglob("*") if file.is_file() and file.suffix.lower() == ENDING)
        return tuple(file for file in found if not _is_hidden(file.relative_to(path)))

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
        files = self.files(spec.path)
        _check_folder(spec, files)
        texts = [str(file) for file in files]
        try:
            if len(files) > 1:
                _check_types(connection, spec, files)
            connection.execute(
                f"CREATE TEMP TABLE {LOADED} AS SELECT * FROM read_parquet(?, hive_partitioning = false)",  # noqa: S608  a constant
                [texts],
            )
        except (duckdb.Error, ValueError) as error:
            reason = f"this cannot be read as parquet ({type(error).__name__})"
            raise SchemaMismatchError(source=spec.name, reason=reason) from None
        with loaded_table(connection) as relation:
            yield relation

    def heading(self, connection: duckdb.DuckDBPyConnection, spec: FileSpec) -> Heading | None:
        """As ``HasHeading``: from the files' footers."""
        files = self.files(spec.path)
        _check_folder(spec, files)
        try:
            _check_types(connection, spec, files)
            names, types = described(connection, _selected(files[0]))
        except (duckdb.Error, ValueError) as error:
            reason = f"this cannot be read as parquet ({type(error).__name__})"
            raise SchemaMismatchError(source=spec.name, reason=reason) from None
        return Heading(names=names, types=types)


def _is_hidden(path: Path) -> bool:
    return any(part.startswith((".", "_")) for part in path.parts)


def _check_folder(spec: FileSpec, files: tuple[Path, ...]) -> None:
    if not files:
        raise SchemaMismatchError(source=spec.name, reason=f"the folder holds no {ENDING} file")
    for file in files:
        if any("=" in part for part in file.relative_to(spec.path).parts[:-1]):
            reason = (
                "the folder has subfolders named key=value, whose values stand in no file: write the key into the files as a "
                "column, or rename the subfolders where it does not matter"
            )
            raise SchemaMismatchError(source=spec.name, reason=reason)


def _check_types(connection: duckdb.DuckDBPyConnection, spec: FileSpec, files: tuple[Path, ...]) -> None:
    """Refuse files of unlike columns, with the number of the first such file."""
    first: object = None
    for number, file in enumerate(files, start=1):
        found = described(connection, _selected(file))
        first = first or found
        if found != first:
            reason = (
                f"file {number} of the folder, in order of names, has other columns than the first, or other types: "
                "write all files with the same ones"
            )
            raise SchemaMismatchError(source=spec.name, reason=reason)


def _selected(file: Path) -> str:
    path = str(file).replace("'", "''")
    return f"SELECT * FROM read_parquet('{path}', hive_partitioning = false)"  # noqa: S608

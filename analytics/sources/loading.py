"""An in-memory DuckDB that holds one site's rows and can reach nothing else.

Layer:       analytics.sources above formats.
Guarantees:  after ``shut`` no statement reads or writes a file but those of the workplace, loads an extension, spills to
             disk, sees a Python variable or changes a setting; once the workplace is gone, none reads or writes any
             file. No text of a DuckDB error goes on: it can quote data.
Source:      ours; DuckDB's manual, "Securing DuckDB".
"""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from analytics.errors import SchemaMismatchError
from analytics.sources.cells import text_literal
from analytics.sources.formats import FORMATS
from analytics.sources.formats.contents import state_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from analytics.sources.formats.base import Relation
    from analytics.sources.spec import SourceSpec


def connect(threads: int | None) -> duckdb.DuckDBPyConnection:
    """Open an empty in-memory database.

    Args:
        threads: threads for its queries; None leaves DuckDB's choice.

    Returns:
        The connection.
    """
    config: dict[str, Any] = {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "python_enable_replacements": "false",
    }
    if threads is not None:
        config["threads"] = str(threads)
    connection = duckdb.connect(":memory:", config=config)
    connection.execute("SET temp_directory = ''")  # patients' rows are never spilled to a disk
    return connection


@contextmanager
def opened(
    connection: duckdb.DuckDBPyConnection,
    spec: SourceSpec,
    *,
    workplace: Path,
    is_hashed: bool = False,
    numbers: frozenset[str] = frozenset(),
) -> Iterator[Relation]:
    """Open a site's source.

    Args:
        connection: an open database that is not yet shut.
        spec: the site's source.
        workplace: an empty folder for this alone.
        is_hashed: whether the relation's digest will be asked for.
        numbers: columns that may be read as numbers where that makes no difference.

    Yields:
        The relation.

    Raises:
        SchemaMismatchError: the file is missing, cannot be read, is not of its kind, or changed meanwhile.
    """
    spec.check_file()
    kind = FORMATS[spec.kind]
    try:
        before = state_of(kind.files(spec.path))
        with kind.open(connection, spec, workplace, is_hashed=is_hashed, numbers=numbers) as relation:
            yield _hashed(relation, spec) if is_hashed else relation
            if state_of(kind.files(spec.path)) != before:
                reason = "it changed while it was read: start again once it is written"
                raise SchemaMismatchError(source=spec.name, reason=reason)
    except OSError as error:
        reason = f"the file cannot be read: {error.strerror}"
        raise SchemaMismatchError(source=spec.name, reason=reason) from None


def _hashed(relation: Relation, spec: SourceSpec) -> Relation:
    """The relation with a digest: its own where it was hashed on the way, else that of the files, which do not change."""
    return replace(relation, digest=lambda: relation.digest() or spec.digest())


@contextmanager
def workplace_in(folder: Path | None) -> Iterator[Path]:
    """A new folder that only this process's user can enter; it is removed with all that it holds.

    Args:
        folder: where; None: the system's place for temporary files.
    """
    try:
        made = tempfile.TemporaryDirectory(prefix=".work-", dir=folder)
    except OSError as error:
        reason = f"no working folder can be made: {error.strerror}"
        raise SchemaMismatchError(source=str(folder or "temporary files"), reason=reason) from None
    with made as path:
        yield Path(path)


def shut(connection: duckdb.DuckDBPyConnection, paths: Sequence[str] = ()) -> None:
    """Close every way out of the database but some paths, for good.

    Args:
        connection: the database, with its rows loaded or registered.
        paths: of a workplace; they need not exist yet.
    """
    if paths:
        connection.execute(f"SET allowed_paths = [{', '.join(map(text_literal, paths))}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")

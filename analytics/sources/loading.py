"""An in-memory DuckDB that holds one site's rows and can reach nothing else.

Layer:       analytics.sources above spec; with local_table the only importer of duckdb.
Guarantees:  after ``shut`` no statement reads or writes a file, loads an extension, spills to disk, sees a Python
             variable or changes a setting. No text of a DuckDB error goes on: it can quote data.
Source:      ours; DuckDB's manual, "Securing DuckDB".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb

from analytics.errors import SchemaMismatchError
from analytics.sources.csv_faults import is_empty, read_strictly
from analytics.sql.render import quoted

if TYPE_CHECKING:
    from analytics.sources.spec import SourceSpec

RAW = "source"


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


def load(connection: duckdb.DuckDBPyConnection, spec: SourceSpec) -> None:
    """Load a file as the temporary table ``source``.

    Args:
        connection: an open database that is not yet shut.
        spec: the site's source.

    Raises:
        SchemaMismatchError: the file is missing, or not of its kind.
    """
    spec.check_file()
    path = str(spec.path)
    try:
        if spec.kind == "csv":
            _load_csv(connection, spec)
        elif spec.kind == "parquet":
            connection.execute(f"CREATE TEMP TABLE {RAW} AS SELECT * FROM read_parquet(?)", [path])  # noqa: S608
        else:
            _load_database(connection, spec)
    except OSError as error:
        raise SchemaMismatchError(
            source=spec.name, reason=f"the file cannot be read: {error.strerror}"
        ) from None
    except (duckdb.Error, ValueError) as error:
        kind = type(error).__name__
        reason = f"this cannot be read as {spec.kind} ({kind})"
        raise SchemaMismatchError(source=spec.name, reason=reason) from None


def _load_csv(connection: duckdb.DuckDBPyConnection, spec: SourceSpec) -> None:
    """Load a CSV file; what the strict reader refuses for its mixed line ends alone is read all the same."""
    if is_empty(spec.path):
        raise SchemaMismatchError(source=spec.name, reason="the file is empty")
    try:
        _read_csv(connection, spec, is_strict=True)
    except (duckdb.Error, UnicodeError):
        found = read_strictly(spec.path, spec.delimiter)
        if found.fault or not found.has_mixed_ends:
            raise SchemaMismatchError(
                source=spec.name, reason=f"this cannot be read as csv{found.fault and ': '}{found.fault}"
            ) from None
        _read_csv(connection, spec, is_strict=False)
        row = connection.execute(f"SELECT count(*) FROM {RAW}").fetchone()  # noqa: S608
        if row != (found.n_rows,):
            reason = "its lines end in two ways (CR LF and LF): write it anew with one of them"
            raise SchemaMismatchError(source=spec.name, reason=reason) from None


def _read_csv(connection: duckdb.DuckDBPyConnection, spec: SourceSpec, *, is_strict: bool) -> None:
    strict = "true" if is_strict else "false"
    connection.execute(
        f"CREATE TEMP TABLE {RAW} AS SELECT * FROM read_csv(?, delim = ?, header = true, "  # noqa: S608  constants
        "quote = '\"', escape = '\"', skip = 0, comment = '', sample_size = -1, null_padding = false, "
        f"ignore_errors = false, strict_mode = {strict})",
        [str(spec.path), spec.delimiter],
    )


def shut(connection: duckdb.DuckDBPyConnection) -> None:
    """Close every way out of the database, for good.

    Args:
        connection: the database, with its rows loaded or registered.
    """
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _load_database(connection: duckdb.DuckDBPyConnection, spec: SourceSpec) -> None:
    path = str(spec.path).replace("'", "''")
    relation = ".".join(quoted(part) for part in spec.relation.split("."))
    connection.execute(f"ATTACH '{path}' AS site_file (READ_ONLY)")
    connection.execute(f"CREATE TEMP TABLE {RAW} AS SELECT * FROM site_file.{relation}")  # noqa: S608
    connection.execute("DETACH site_file")

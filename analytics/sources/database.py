"""An in-memory DuckDB that holds one site's rows and can reach nothing else.

Floor:    analytics.sources above spec; with source the only importer of duckdb.
Promise:  after ``shut`` no statement reads or writes a file, loads an extension, spills to disk, sees a
          Python variable or changes a setting. No text of a DuckDB error goes on: it can quote data.
Source:   ours; DuckDB's manual, "Securing DuckDB".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb

from analytics.errors import SchemaMismatchError
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
            connection.execute(
                f"CREATE TEMP TABLE {RAW} AS SELECT * FROM read_csv(?, delim = ?, header = true, "  # noqa: S608  a constant
                "quote = '\"', escape = '\"', sample_size = -1, null_padding = false, "
                "ignore_errors = false, strict_mode = true)",
                [path, spec.delimiter],
            )
        elif spec.kind == "parquet":
            connection.execute(f"CREATE TEMP TABLE {RAW} AS SELECT * FROM read_parquet(?)", [path])  # noqa: S608
        else:
            _load_database(connection, spec)
    except (duckdb.Error, UnicodeError) as error:
        kind = type(error).__name__
        reason = f"this cannot be read as {spec.kind} ({kind})"
        raise SchemaMismatchError(source=spec.name, reason=reason) from None


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

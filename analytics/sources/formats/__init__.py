"""Kinds of source: one file a kind, and one line of ``FORMATS``.

Modules:     base (what a kind must do), csv_file with csv_pipe and csv_faults, parquet_file, duckdb_file, sqlite_file,
             excel_file with excel_cells, statistics_file, fhir (resources in NDJSON), postgresql_table, spark_table,
             sqlalchemy_table; tables and cell_objects (rows that the database copies), contents (whether files changed).
"""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from analytics.sources.formats.csv_file import CsvFormat
from analytics.sources.formats.duckdb_file import DuckDBFormat
from analytics.sources.formats.excel_file import ExcelFormat
from analytics.sources.formats.fhir import FhirFormat
from analytics.sources.formats.parquet_file import ParquetFormat
from analytics.sources.formats.postgresql_table import PostgreSQLFormat
from analytics.sources.formats.spark_table import SparkFormat, spark_state
from analytics.sources.formats.sqlalchemy_table import SQLAlchemyFormat
from analytics.sources.formats.sqlite_file import SQLiteFormat, is_sqlite
from analytics.sources.formats.statistics_file import SAS, SPSS, STATA
from analytics.sources.servers.addresses import ANY_SCHEME

if TYPE_CHECKING:
    from collections.abc import Mapping

    from analytics.sources.formats.base import FileSpec, SourceFormat

FORMATS: Final[Mapping[str, SourceFormat]] = MappingProxyType(
    {
        each.kind: each
        for each in (
            CsvFormat(),
            ParquetFormat(),
            DuckDBFormat(),
            SQLiteFormat(),
            ExcelFormat(),
            SPSS,
            STATA,
            SAS,
            FhirFormat(),
            PostgreSQLFormat(),
            SparkFormat(),
            SQLAlchemyFormat(),
        )
    }
)
ENDINGS: Final[Mapping[str, str]] = MappingProxyType(
    {ending: kind for kind, each in FORMATS.items() for ending in each.endings}
)

FOLDERS: Final = tuple(each for each in FORMATS.values() if each.takes_folder)


def kind_of(path: Path, *, is_fhir: bool = False) -> str | None:
    """The kind of a file by its ending, in upper or lower case, or of a folder; None where no kind has it.

    DuckDB and SQLite share the ending ``.db``; the file's first bytes part them. A folder is of the first kind of which it
    holds a file, and else of the first kind that takes folders, which then says what is missing.

    Args:
        path: the file or folder.
        is_fhir: whether a ViewDefinition is given for it: a folder then holds FHIR resources, whatever else lies in it.
    """
    kind = ENDINGS.get(path.suffix.lower())
    if is_fhir and path.is_dir():
        return FhirFormat.kind
    if kind is None and path.is_dir():
        return next((each.kind for each in FOLDERS if each.files(path)), FOLDERS[0].kind)
    return SQLiteFormat.kind if kind == DuckDBFormat.kind and is_sqlite(path) else kind


def server_kind_of(address: str) -> str | None:
    """The kind of a server by the beginning of its address; None for a path, which has no scheme."""
    kinds = (kind for kind, each in FORMATS.items() if each.schemes and address.startswith(each.schemes))
    return next(kinds, SQLAlchemyFormat.kind if ANY_SCHEME in address else None)


def server_state(spec: FileSpec) -> str:
    """What the present rows of a server's table are called where its server computes that; empty where it does not.

    Raises:
        SchemaMismatchError: the server is not reached, or has no such table.
    """
    is_spark = spec.server is not None and spec.server.url.startswith(SparkFormat.schemes)
    return spark_state(spec) if is_spark else ""


def named_source(text: str) -> tuple[Path, str]:
    """A source as people name it: a path, or ``PATH#TABLE`` for a table in a database and a sheet in a workbook.

    Args:
        text: what they wrote.

    Returns:
        The path, and the table's name; empty where none is named.
    """
    path, _, relation = text.partition("#")
    is_whole = not relation or kind_of(Path(text)) is not None
    return (Path(text), "") if is_whole else (Path(path), relation)


__all__ = ["ENDINGS", "FORMATS", "kind_of", "named_source", "server_kind_of", "server_state"]

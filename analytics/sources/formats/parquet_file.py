"""Parquet files.

Layer:       analytics.sources.formats above tables.
Source:      ours.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import duckdb

from analytics.errors import SchemaMismatchError
from analytics.sources.formats.tables import LOADED, loaded_table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from analytics.sources.formats.base import FileSpec, Relation


class ParquetFormat:
    """One Parquet file; see ``SourceFormat``."""

    kind = "parquet"
    endings = (".parquet",)
    is_one_file = True

    def mistake(self, relation: str) -> str:
        """As ``SourceFormat``."""
        return "relation is for databases: leave it out" if relation else ""

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
            connection.execute(
                f"CREATE TEMP TABLE {LOADED} AS SELECT * FROM read_parquet(?)",  # noqa: S608  a constant
                [str(spec.path)],
            )
        except (duckdb.Error, ValueError) as error:
            reason = f"this cannot be read as parquet ({type(error).__name__})"
            raise SchemaMismatchError(source=spec.name, reason=reason) from None
        with loaded_table(connection) as relation:
            yield relation

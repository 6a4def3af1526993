"""Kinds of source: one file a kind, and one line of ``FORMATS``.

Modules:     base (what a kind must do), csv_file with csv_pipe and csv_faults, parquet_file, duckdb_file.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from analytics.sources.formats.csv_file import CsvFormat
from analytics.sources.formats.duckdb_file import DuckDBFormat
from analytics.sources.formats.parquet_file import ParquetFormat

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from analytics.sources.formats.base import SourceFormat

FORMATS: Final[Mapping[str, SourceFormat]] = MappingProxyType(
    {each.kind: each for each in (CsvFormat(), ParquetFormat(), DuckDBFormat())}
)
ENDINGS: Final[Mapping[str, str]] = MappingProxyType(
    {ending: kind for kind, each in FORMATS.items() for ending in each.endings}
)


def kind_of(path: Path) -> str | None:
    """The kind of a file by its ending, in upper or lower case; None where no kind has it."""
    return ENDINGS.get(path.suffix.lower())


__all__ = ["ENDINGS", "FORMATS", "kind_of"]

"""The source that a site's own file declares.

Layer:       analytics.sources, the lowest.
Source:      ours.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from analytics.errors import SchemaMismatchError

if TYPE_CHECKING:
    from pathlib import Path

_RELATION = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?", re.ASCII)
_GLOB = re.compile(r"[*?\[\]{}]")
DEFAULT_VIEW = "SELECT * FROM source"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSpec:
    """Where a site's rows are and how its administrator looks at them.

    Attributes:
        kind: csv (UTF-8, header row), parquet or duckdb (a database file, opened read-only).
        path: the file.
        view: one SELECT over ``source``, the site administrator's own SQL; it makes the schema's columns.
        relation: for duckdb the table in the file, perhaps with its schema before it.
        delimiter: for csv.
    """

    kind: Literal["csv", "parquet", "duckdb"]
    path: Path
    view: str = DEFAULT_VIEW
    relation: str = ""
    delimiter: str = ","

    def __post_init__(self) -> None:
        if self.kind not in {"csv", "parquet", "duckdb"}:
            raise SchemaMismatchError(source=self.name, reason="the kind must be csv, parquet or duckdb")
        if self.kind == "duckdb" and not _RELATION.fullmatch(self.relation):
            raise SchemaMismatchError(
                source=self.name, reason="a duckdb source needs relation, a table's name"
            )
        if len(self.delimiter) != 1:
            raise SchemaMismatchError(source=self.name, reason="the delimiter must be one character")

    @property
    def name(self) -> str:
        """The file's name, for messages."""
        return self.path.name

    def check_file(self) -> None:
        """Refuse a path that is no plain file.

        Raises:
            SchemaMismatchError: missing, not a file, or with characters that the reader would expand.
        """
        if _GLOB.search(str(self.path)):
            raise SchemaMismatchError(source=self.name, reason="the path may not hold any of * ? [ ] { }")
        if not self.path.is_file():
            raise SchemaMismatchError(source=self.name, reason="there is no such file")

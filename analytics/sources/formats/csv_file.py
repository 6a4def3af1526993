"""CSV files: every cell a text, as it stands in the file.

Layer:       analytics.sources.formats above csv_pipe and csv_faults.
Guarantees:  the database finds out nothing by itself: no type, no header, no delimiter. No row is skipped; a row of
             another width than the header refuses the file with the line's number.
See instead: what becomes of a cell (``analytics.sources.cleaning``).
Source:      ours; RFC 4180.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import duckdb

from analytics.errors import SchemaMismatchError
from analytics.sources.formats.base import Relation
from analytics.sources.formats.csv_faults import header_of, is_empty, read_strictly
from analytics.sources.formats.csv_pipe import CsvPipe

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from analytics.sources.formats.base import FileSpec


_PLANNING: Final = (duckdb.BinderException, duckdb.ParserException, duckdb.CatalogException)


class CsvFormat:
    """One CSV file with a header row; see ``SourceFormat``."""

    kind = "csv"
    endings = (".csv",)
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
    ) -> Iterator[Relation]:
        """As ``SourceFormat``; the relation can be read once."""
        del connection
        names = header_names(spec)
        pipe = CsvPipe(
            spec.path,
            pipe=workplace / "source.csv",
            encoding=spec.encoding,
            delimiter=spec.delimiter,
            quote=spec.quote,
            is_hashed=is_hashed,
        )

        def fault(error: BaseException | None) -> str:
            pipe.join()
            if isinstance(pipe.error, OSError):
                return f"the file cannot be read: {pipe.error.strerror}"
            is_suspect = pipe.error or (isinstance(error, duckdb.Error) and not isinstance(error, _PLANNING))
            if not is_suspect and pipe.has_even_rows(len(names)):
                return ""
            found = read_strictly(spec.path, spec.delimiter, spec.quote, spec.encoding)
            return found and f"this cannot be read as csv: {found}"

        try:
            yield Relation(
                names=names,
                types=("VARCHAR",) * len(names),
                sql=_read(workplace / "source.csv", spec, len(names)),
                empty=_empty(len(names)),
                paths=(str(workplace / "source.csv"),),
                fault=fault,
                digest=lambda: pipe.digest,
            )
        finally:
            pipe.join()


def header_names(spec: FileSpec) -> tuple[str, ...]:
    """The names in a file's header row; a column without one is called after its place.

    Args:
        spec: the source.

    Raises:
        SchemaMismatchError: the file is empty, its first line is blank, or another delimiter parts its header.
        OSError: it cannot be read.
    """
    if is_empty(spec.path):
        raise SchemaMismatchError(source=spec.name, reason="the file is empty")
    names, fault = header_of(spec.path, spec.delimiter, spec.quote, spec.encoding)
    if fault:
        raise SchemaMismatchError(source=spec.name, reason=fault)
    return tuple(name.strip() or f"column_{place}" for place, name in enumerate(names, start=1))


def _read(pipe: Path, spec: FileSpec, width: int) -> str:
    """The reader's call; nothing in it is left to a guess."""
    columns = ", ".join(f"'c{place}': 'VARCHAR'" for place in range(width))
    return (
        f"read_csv({_text(str(pipe))}, delim = {_text(spec.delimiter)}, quote = {_text(spec.quote)}, "
        f"escape = {_text(spec.quote)}, columns = {{{columns}}}, header = true, auto_detect = false, skip = 0, "
        "comment = '', null_padding = false, ignore_errors = false, strict_mode = true)"
    )


def _empty(width: int) -> str:
    columns = ", ".join(f"NULL::VARCHAR AS c{place}" for place in range(width))
    return f"(SELECT {columns} LIMIT 0)"


def _text(text: str) -> str:
    doubled = text.replace("'", "''")
    return f"'{doubled}'"

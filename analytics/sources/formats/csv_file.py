"""CSV files: every cell a text, as it stands in the file.

Layer:       analytics.sources.formats above csv_pipe and csv_faults.
Guarantees:  the database finds out nothing by itself: no type, no header, no delimiter. No row is skipped; a row of
             another width than the header refuses the file with the line's number.
See instead: what becomes of a cell (``analytics.sources.cleaning``).
Source:      ours; RFC 4180.
"""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import duckdb

from analytics.errors import SchemaMismatchError
from analytics.sources.formats.base import Heading, Relation
from analytics.sources.formats.csv_faults import first_line_names, header_of, is_empty, read_strictly
from analytics.sources.formats.csv_pipe import CsvPipe

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from analytics.sources.formats.base import FileSpec


_SAMPLE_BYTES: Final = 1 << 20
_UNDERSCORE: Final = "a cell with an underscore cannot be read as a number at once"
_PLANNING: Final = (duckdb.BinderException, duckdb.ParserException, duckdb.CatalogException)


class CsvFormat:
    """One CSV file with a header row; see ``SourceFormat``."""

    kind = "csv"
    endings = (".csv",)
    schemes = ()
    takes_folder = False

    def mistake(self, relation: str) -> str:
        """As ``SourceFormat``."""
        return "relation is for databases: leave it out" if relation else ""

    def files(self, path: Path) -> tuple[Path, ...]:
        """As ``SourceFormat``."""
        return (path,)

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
        """As ``SourceFormat``; the relation can be read once."""
        del connection
        names = header_names(spec)
        kinds = _kinds(spec, names, numbers)
        is_typed = "DOUBLE" in kinds
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
            if is_typed and pipe.n_underscores != "".join(names).count("_"):
                return _UNDERSCORE
            if not is_suspect and pipe.has_even_rows(len(names)):
                return ""
            found = read_strictly(spec.path, spec.delimiter, spec.quote, spec.encoding)
            return found and f"this cannot be read as csv: {found}"

        try:
            yield Relation(
                names=names,
                types=kinds,
                sql=_read(workplace / "source.csv", spec, kinds),
                empty=_empty(kinds),
                paths=(str(workplace / "source.csv"),),
                fault=fault,
                digest=lambda: pipe.digest,
            )
        finally:
            pipe.join()

    def heading(self, connection: duckdb.DuckDBPyConnection, spec: FileSpec) -> Heading | None:
        """As ``HasHeading``: from the bytes of the first line alone; None where its names go on in a second line."""
        del connection
        with spec.path.open("rb") as stream:
            found = first_line_names(stream, spec.delimiter, spec.quote, spec.encoding)
        if found is None:
            return None
        names, fault = found
        if fault:
            raise SchemaMismatchError(source=spec.name, reason=fault)
        return Heading(names=_named(names), types=("VARCHAR",) * len(names))


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
    return _named(names)


def _named(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(name.strip() or f"column_{place}" for place, name in enumerate(names, start=1))


def _kinds(spec: FileSpec, names: tuple[str, ...], numbers: frozenset[str]) -> tuple[str, ...]:
    """The types in which columns are read: texts, or numbers where the caller allows it.

    The reader makes the same numbers of the same texts as a cast does, and stops at any other text; only ``1_2`` is 12 for
    it, so that a file with an underscore below its header is read as texts.
    """
    if not numbers or _has_underscore(spec.path):
        return ("VARCHAR",) * len(names)
    folded = Counter(name.lower() for name in names)
    return tuple("DOUBLE" if name in numbers and folded[name.lower()] == 1 else "VARCHAR" for name in names)


def _has_underscore(path: Path) -> bool:
    """Whether the file's start has one below its first line: then its reading as numbers would be in vain."""
    with path.open("rb") as stream:
        stream.readline(_SAMPLE_BYTES)
        return b"_" in stream.read(_SAMPLE_BYTES)


def _read(pipe: Path, spec: FileSpec, kinds: tuple[str, ...]) -> str:
    """The reader's call; nothing in it is left to a guess."""
    columns = ", ".join(f"'c{place}': '{kind}'" for place, kind in enumerate(kinds))
    return (
        f"read_csv({_text(str(pipe))}, delim = {_text(spec.delimiter)}, quote = {_text(spec.quote)}, "
        f"escape = {_text(spec.quote)}, columns = {{{columns}}}, header = true, auto_detect = false, skip = 0, "
        "comment = '', null_padding = false, ignore_errors = false, strict_mode = true)"
    )


def _empty(kinds: tuple[str, ...]) -> str:
    columns = ", ".join(f"NULL::{kind} AS c{place}" for place, kind in enumerate(kinds))
    return f"(SELECT {columns} LIMIT 0)"


def _text(text: str) -> str:
    doubled = text.replace("'", "''")
    return f"'{doubled}'"

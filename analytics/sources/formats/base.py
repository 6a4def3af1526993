"""What a kind of source must do: say its endings, and open a file as a relation that SQL reads.

Layer:       analytics.sources.formats.base, the lowest of sources.
Guarantees:  a relation that is open needs no path but those in ``paths``; once it is closed, the database reaches no
             file through it.
See instead: names and texts of the columns (``projection``), the site's view (``ingest``).
Source:      ours.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    import duckdb

    from analytics.sources.servers.access import ServerAccess


def _no_fault(_: BaseException | None) -> str:
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """The rows of an open source.

    Attributes:
        names: the source's own column names, in order; two may be equal.
        types: the database's type of each column.
        sql: what stands after FROM; its columns are called c0, c1, ... in order.
        empty: the same columns without a row, for finding out types; reads no file.
        paths: files that stay readable while the relation is open.
        fault: given the error of the statement that read it, or None, says what is wrong with the file; empty where
            nothing is. Holds no text of the file.
        digest: once it is read to its end, the SHA-256 of the file as it was read; empty where that is not known.
    """

    names: tuple[str, ...]
    types: tuple[str, ...]
    sql: str
    empty: str
    paths: tuple[str, ...] = ()
    fault: Callable[[BaseException | None], str] = field(default=_no_fault)
    digest: Callable[[], str] = field(default=str)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """The columns of a source as far as no row can change them.

    Attributes:
        names: the source's own column names, in order.
        types: the database's type of each column.
    """

    names: tuple[str, ...]
    types: tuple[str, ...]

    def relation(self) -> Relation:
        """The source without its rows."""
        columns = ", ".join(f"NULL::{kind} AS c{place}" for place, kind in enumerate(self.types))
        empty = f"(SELECT {columns} LIMIT 0)"
        return Relation(names=self.names, types=self.types, sql=empty, empty=empty)


class ResourceView(Protocol):
    """What the kind ``fhir`` needs of a ``ViewDefinition``, which says what each means."""

    @property
    def name(self) -> str:
        """Its file's name, for messages."""
        ...

    @property
    def resource(self) -> str:
        """The type of the resources that it reads."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """Of its columns."""
        ...

    @property
    def types(self) -> tuple[str, ...]:
        """Of its columns, in the database."""
        ...

    @property
    def condition(self) -> str:
        """SQL of whether a resource belongs to it."""
        ...

    @property
    def rows(self) -> str:
        """SQL of a resource's rows."""
        ...

    @property
    def places(self) -> tuple[str, ...]:
        """Where each expression stands."""
        ...


class FileSpec(Protocol):
    """What a kind of source needs of a ``SourceSpec``, which says what each means."""

    @property
    def path(self) -> Path:
        """The file."""
        ...

    @property
    def name(self) -> str:
        """The file's name, for messages."""
        ...

    @property
    def relation(self) -> str:
        """The table in a database."""
        ...

    @property
    def server(self) -> ServerAccess | None:
        """Where a server is; None for files."""
        ...

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of a table in a database that are read; empty: all."""
        ...

    @property
    def condition(self) -> str:
        """Of a table in a PostgreSQL server, which rows are used; empty: all."""
        ...

    @property
    def delimiter(self) -> str:
        """Between fields of a CSV file."""
        ...

    @property
    def quote(self) -> str:
        """Around fields of a CSV file; empty: none."""
        ...

    @property
    def encoding(self) -> str:
        """Of a CSV file."""
        ...

    @property
    def view_definition(self) -> ResourceView | None:
        """What the columns of FHIR resources are."""
        ...


class SourceFormat(Protocol):
    """One kind of source."""

    @property
    def kind(self) -> str:
        """The word for it in a ``SourceSpec``."""
        ...

    @property
    def endings(self) -> tuple[str, ...]:
        """Endings of its files, lower case, with their dots."""
        ...

    @property
    def schemes(self) -> tuple[str, ...]:
        """How addresses of its servers begin, ``://`` for those of no other kind; empty for files."""
        ...

    @property
    def takes_folder(self) -> bool:
        """Whether a folder of its files is a source too."""
        ...

    def mistake(self, relation: str) -> str:
        """What is wrong with a spec's ``relation`` for this kind; empty where nothing is."""
        ...

    def files(self, path: Path) -> tuple[Path, ...]:
        """All files whose bytes decide the rows, in a fixed order: equal names and bytes mean equal rows.

        Raises:
            OSError: the path cannot be looked at.
        """
        ...

    def open(
        self,
        connection: duckdb.DuckDBPyConnection,
        spec: FileSpec,
        workplace: Path,
        *,
        is_hashed: bool = False,
        numbers: frozenset[str] = frozenset(),
    ) -> AbstractContextManager[Relation]:
        """Open a source.

        Args:
            connection: a database that is not yet shut off.
            spec: the source.
            workplace: an empty folder that only this process's user can enter; it ends with the relation.
            is_hashed: whether the relation's digest will be asked for.
            numbers: columns that may be read as numbers where that makes no difference; the caller reads the source
                again without them where anything is refused.

        Returns:
            The relation, until the context ends.

        Raises:
            SchemaMismatchError: the file is not of this kind.
            OSError: it cannot be read.
        """
        ...


@runtime_checkable
class HasHeading(Protocol):
    """A kind of source whose columns can be told without its rows."""

    def heading(self, connection: duckdb.DuckDBPyConnection, spec: FileSpec) -> Heading | None:
        """Read names and types from what describes the source; the answer is the same whatever rows it holds.

        Args:
            connection: a database that is not yet shut off; nothing of the source is left in it.
            spec: the source.

        Returns:
            The columns; None where they cannot be told without rows.

        Raises:
            SchemaMismatchError: the source is not of this kind, or is not reached.
            OSError: it cannot be read.
        """
        ...


def chosen_names(names: Sequence[str], wanted: Sequence[str]) -> tuple[str, ...]:
    """The columns of a table that are read, in its order.

    Args:
        names: the table's columns.
        wanted: names in any case of letters; one that the table lacks is left to the reader of the relation, who knows what
            asks for it. Where the table has none of them, its first column stands for the rows.
    """
    known = {name.lower() for name in wanted}
    return tuple(name for name in names if name.lower() in known) or tuple(names[:1])


def described(connection: duckdb.DuckDBPyConnection, table: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names and types of a table's columns.

    Args:
        connection: the database.
        table: quoted for SQL.
    """
    rows: list[tuple[Any, ...]] = connection.execute(f"DESCRIBE {table}").fetchall()
    return tuple(str(row[0]) for row in rows), tuple(str(row[1]) for row in rows)

"""Tables and views of any database that SQLAlchemy reaches, read into the node: the slow general way.

Layer:       analytics.sources.formats above cell_objects.
Guarantees:  one statement reads the table, in batches of a bounded number of rows. A cell is the driver's object of that cell:
             its text depends on no other row, decimals and integers of any size keep every digit, a moment with a time zone
             is written in UTC. An object without such a text (bytes, a list) refuses the source by its column's name. A server
             that is lost on the way, or beyond its time, refuses the source.
See instead: PostgreSQL (``postgresql_table``) and Spark (``spark_table``), which are faster and can keep the table.
Source:      ours; SQLAlchemy 2's "Working with Engines and Connections".
"""

from __future__ import annotations

import datetime as dt
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from analytics.errors import SchemaMismatchError
from analytics.sources.formats.base import Heading, chosen_names
from analytics.sources.formats.cell_objects import load_texts
from analytics.sources.formats.tables import loaded_table
from analytics.sources.servers.addresses import ANY_SCHEME
from analytics.sources.servers.sqlalchemy_session import session, within_time

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import duckdb
    import sqlalchemy

    from analytics.sources.formats.base import FileSpec, Relation

_BATCH_ROWS: Final = 5_000
_UNREADABLE: Final = "the table or view cannot be read by this login"
_LOST: Final = "the server was lost while the table was read, or ended the statement"
_LATE: Final = "the table could not be read in time"


class SQLAlchemyFormat:
    """A table or view of a database; see ``SourceFormat``."""

    kind = "sqlalchemy"
    endings = ()
    schemes = (ANY_SCHEME,)
    takes_folder = False

    def mistake(self, relation: str) -> str:
        """As ``SourceFormat``."""
        is_named = relation and relation == relation.strip() and all(relation.split("."))
        return (
            ""
            if is_named and relation.count(".") <= 1
            else "a sqlalchemy source needs a table's name, TABLE or SCHEMA.TABLE"
        )

    def files(self, path: Path) -> tuple[Path, ...]:
        """As ``SourceFormat``: there are none."""
        del path
        return ()

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
        with _table(spec) as (opened, names, selected), within_time(opened) as is_over:
            failed: Exception | None = None
            try:
                load_texts(connection, names, _rows(opened, selected, is_over), spec.name)
            except SchemaMismatchError:
                raise
            except Exception as error:  # noqa: BLE001  drivers raise what they like; its text stays here
                failed = error
            if failed is not None:
                reason = _LATE if is_over.is_set() else _LOST
                raise SchemaMismatchError(source=spec.name, reason=reason)
        with loaded_table(connection, names) as relation:
            yield relation

    def heading(self, connection: duckdb.DuckDBPyConnection, spec: FileSpec) -> Heading | None:
        """As ``HasHeading``: every cell is read as a text."""
        del connection
        with _table(spec) as (_, names, _selected):
            return Heading(names=tuple(names), types=("VARCHAR",) * len(names))


@contextmanager
def _table(
    spec: FileSpec,
) -> Iterator[tuple[sqlalchemy.Connection, Sequence[str], sqlalchemy.Select[Any]]]:
    """A session, the columns that are read, and the statement that reads them.

    Raises:
        SchemaMismatchError: there is no such table, or it cannot be read.
    """
    if spec.server is None:
        raise SchemaMismatchError(source=spec.name, reason="the address of the server is missing")
    with session(spec.server, spec.name) as opened:
        import sqlalchemy as alchemy

        schema, _, name = spec.relation.rpartition(".")
        try:
            is_there = alchemy.inspect(opened).has_table(name, schema=schema or None)
        except Exception:  # noqa: BLE001  some dialects raise for a schema that is not there
            is_there = False
        if not is_there:
            reason = f"the database has no table or view {spec.relation}; upper and lower case may count"
            raise SchemaMismatchError(source=spec.name, reason=reason)
        table = alchemy.table(name, schema=schema or None)
        try:
            every = alchemy.select(alchemy.text("*")).select_from(table).where(alchemy.false())
            names = list(opened.execute(every).keys())
        except Exception:  # noqa: BLE001  drivers raise what they like
            raise SchemaMismatchError(source=spec.name, reason=_UNREADABLE) from None
        if spec.columns:
            names = list(chosen_names(names, spec.columns))
        # columns without a type: SQLAlchemy hands the driver's own objects on
        columns: list[Any] = [alchemy.column(each).label(f"c{place}") for place, each in enumerate(names)]
        yield opened, names, alchemy.select(*columns).select_from(table)


def _rows(
    opened: sqlalchemy.Connection, selected: sqlalchemy.Select[Any], is_over: threading.Event
) -> Iterator[list[object]]:
    """The cells of each row.

    Raises:
        TimeoutError: the time is over between two batches, where no statement runs that could be ended.
    """
    streamed = opened.execution_options(stream_results=True, max_row_buffer=_BATCH_ROWS)
    with streamed.execute(selected) as result:
        for batch in result.partitions(_BATCH_ROWS):
            if is_over.is_set():
                raise TimeoutError
            for row in batch:
                yield [_plain(value) for value in row]


def _plain(value: object) -> object:
    """The cell as an object that has a text."""
    if isinstance(value, dt.datetime) and value.tzinfo is not None:
        return value.astimezone(dt.UTC).isoformat(" ")
    return value.isoformat() if isinstance(value, dt.time) else value

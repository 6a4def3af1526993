"""A clean table inside a PostgreSQL server: a view of one snapshot, computed anew for each statement.

Layer:       analytics.sources.engines above base.
Terms:       the *keeper* is a session with one open transaction; all statements see what that transaction sees.
Guarantees:  as ``base``. No statement sees a row that was written after the keeper began, in whichever session it runs:
             a table that changes does so between two starts of the node, never within a run. Where the keeper is lost,
             the source is lost, and nothing is read of a later state. Every transaction is read-only. A statement ends
             at its time limit by the server's own clock, by a cancellation from here, and where neither is heard by
             closing its socket.
See instead: checks of the rows, once for each snapshot (``analytics.sources.pushed.postgresql_table``).
Source:      ours; PostgreSQL 15's manual, "SET TRANSACTION", "Snapshot Synchronization Functions"; psycopg 3.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np

from analytics.errors import LocalTimeoutError, SchemaMismatchError, SourceLostError
from analytics.plans.local_query import UNIT_COLUMN
from analytics.sources.servers.access import READ_ONLY
from analytics.sql.terms.render import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import numpy.typing as npt
    import psycopg

    from analytics.sources.engines.base import Row

    Connection = psycopg.Connection[Any]

T = TypeVar("T")

CLOSE_LIMIT_S = 10.0
CANCEL_EVERY_S = 0.1
CANCEL_LIMIT_S = 2.0
"""How long a cancellation may take on its way, and how long after its limit a statement's socket is closed."""
BATCH_ROWS: Final = 50_000
_LOST: Final = ("08", "57P")  # SQLSTATE: connection exceptions, and a server that ends sessions
_CANCELLED: Final = "57014"


class _StaleSessionError(Exception):
    """A session that was kept for later statements has ended meanwhile: another one takes its place."""


class PostgreSQLEngine:
    """A clean table in a server; see ``Engine``."""

    dialect = "postgres"

    def __init__(
        self,
        keeper: Connection,
        connect: Callable[[], Connection],
        *,
        table: str,
        clean: str,
        source: str,
    ) -> None:
        """Take over a session.

        Args:
            keeper: in a transaction as ``READ_ONLY`` begins it, with its first statement done.
            connect: opens another session.
            table: the clean table's name.
            clean: the SELECT that makes it.
            source: what errors call the table.

        Raises:
            SourceLostError: the server is gone.
        """
        self._keeper, self._connect, self._source = keeper, connect, source
        self._with = f"WITH {quoted(table)} AS NOT MATERIALIZED (\n{clean}\n)\n"
        self._lock = threading.Condition()
        self._running: set[Connection] = set()
        self._idle: list[Connection] = []
        self._is_closed = False
        import psycopg

        try:
            row = keeper.execute("SELECT pg_export_snapshot()").fetchone()
        except psycopg.Error:
            raise SourceLostError(source=source) from None
        self._snapshot = str(row[0]) if row else ""

    @property
    def version(self) -> str:
        """As ``Engine``."""
        number = self._keeper.info.server_version
        return f"PostgreSQL {number // 10_000}.{number % 10_000}"

    def numbered_units(self, table: str) -> tuple[str, str]:
        """As ``Engine``; the numbers are those of the identifiers' texts in order of their bytes."""
        unit = f'dense_rank() OVER (ORDER BY CAST({quoted(UNIT_COLUMN)} AS TEXT) COLLATE "C") AS "#number"'
        return f'(SELECT *, {unit} FROM {quoted(table)}) AS "#numbered"', '"#number"'  # noqa: S608  a quoted name

    def rows(self, statement: str, limit_s: float | None) -> list[Row]:
        """As ``Engine``."""

        def fetch(connection: Connection) -> list[Row]:
            found = connection.execute(self._with + statement).fetchall()
            return [(None if group is None else int(group), *map(int, values)) for group, *values in found]

        return self._run(fetch, limit_s)

    def columns(self, statement: str, limit_s: float | None) -> Mapping[str, npt.NDArray[np.int64]]:
        """As ``Engine``; rows come in batches of a bounded size."""

        def fetch(connection: Connection) -> Mapping[str, npt.NDArray[np.int64]]:
            with connection.cursor("scan") as cursor:
                cursor.execute(self._with + statement)
                names = [column.name for column in cursor.description or ()]
                parts = [np.empty((0, len(names)), dtype=np.int64)]
                while batch := cursor.fetchmany(BATCH_ROWS):
                    parts.append(np.array(batch, dtype=np.int64))
            found = np.concatenate(parts)
            return {name: np.ascontiguousarray(found[:, place]) for place, name in enumerate(names)}

        return self._run(fetch, limit_s)

    def cancel(self) -> None:
        """As ``Engine``."""
        with self._lock:
            running = tuple(self._running)
        for connection in running:
            _cancel(connection)

    def close(self) -> None:
        """As ``Engine``; waits ``CLOSE_LIMIT_S`` at most, after which sockets are closed whatever runs there."""
        until = time.monotonic() + CLOSE_LIMIT_S
        with self._lock:
            self._is_closed = True
        while self._is_busy() and time.monotonic() < until:
            self.cancel()
        with self._lock:
            for connection in (*self._running, *self._idle, self._keeper):
                _hang_up(connection) if connection in self._running else _close(connection)
            self._idle.clear()

    def _is_busy(self) -> bool:
        with self._lock:
            return bool(self._running) and not self._lock.wait_for(lambda: not self._running, CANCEL_EVERY_S)

    def _run(self, fetch: Callable[[Connection], T], limit_s: float | None) -> T:
        import psycopg

        started = time.monotonic()
        try:
            while True:
                with suppress(_StaleSessionError), self._session(limit_s) as connection:
                    return fetch(connection)
        except psycopg.Error as error:
            if self._is_closed:
                raise SourceLostError(source=self._source) from None
            is_late = limit_s is not None and time.monotonic() - started >= limit_s
            if error.sqlstate == _CANCELLED or (is_late and error.sqlstate is None):
                raise LocalTimeoutError(limit_s=limit_s or 0.0) from None
            if error.sqlstate is None and isinstance(
                error, psycopg.OperationalError | psycopg.InterfaceError
            ):
                raise SourceLostError(source=self._source) from None
            if error.sqlstate and error.sqlstate.startswith(_LOST):
                raise SourceLostError(source=self._source) from None
            raise

    @contextmanager
    def _session(self, limit_s: float | None) -> Iterator[Connection]:
        """A session of the keeper's snapshot, for one statement; kept for the next one where it ends well."""
        with self._lock:
            if self._is_closed:
                raise SourceLostError(source=self._source)
            kept = self._idle.pop() if self._idle else None
        try:
            connection = kept or self._connect()
        except SchemaMismatchError:
            raise SourceLostError(source=self._source) from None
        with self._lock:
            self._running.add(connection)
        is_well = False
        try:
            with _deadline(connection, limit_s):
                self._begin(connection, limit_s, is_kept=kept is not None)
                yield connection
                connection.execute("ROLLBACK")
            is_well = True
        finally:
            with self._lock:
                self._running.discard(connection)
                if is_well and not self._is_closed:
                    self._idle.append(connection)
                else:
                    _close(connection)
                self._lock.notify_all()

    def _begin(self, connection: Connection, limit_s: float | None, *, is_kept: bool) -> None:
        import psycopg

        started = time.monotonic()
        try:
            connection.execute(READ_ONLY)
        except psycopg.OperationalError:
            is_late = limit_s is not None and time.monotonic() - started >= limit_s
            if is_kept and not is_late and not self._is_closed:
                raise _StaleSessionError from None
            raise
        try:
            connection.execute(f"SET TRANSACTION SNAPSHOT '{self._snapshot}'")
        except psycopg.Error as error:
            if error.sqlstate == _CANCELLED:
                raise
            raise SourceLostError(
                source=self._source
            ) from None  # the keeper is gone, and its snapshot with it
        milliseconds = 0 if limit_s is None else max(1, round(limit_s * 1000))
        connection.execute(f"SET LOCAL statement_timeout = {milliseconds}")


@contextmanager
def _deadline(connection: Connection, limit_s: float | None) -> Iterator[None]:
    """Cancel the session's statement when time is up, and close its socket where that is not heard."""
    if limit_s is None:
        yield
        return
    timers = [
        threading.Timer(limit_s, _cancel, (connection,)),
        threading.Timer(limit_s + CANCEL_LIMIT_S, _hang_up, (connection,)),
    ]
    for timer in timers:
        timer.daemon = True
        timer.start()
    try:
        yield
    finally:
        for timer in timers:
            timer.cancel()
        for timer in timers:
            timer.join()


def _cancel(connection: Connection) -> None:
    import psycopg

    with suppress(psycopg.Error):  # the session ended: there is nothing left to cancel
        connection.cancel_safe(timeout=CANCEL_LIMIT_S)


def _hang_up(connection: Connection) -> None:
    """End a session whose server does not answer: whoever waits for it gets an error."""
    with (
        suppress(Exception),
        socket.socket(fileno=os.dup(connection.pgconn.socket)) as line,
    ):  # closed meanwhile
        line.shutdown(socket.SHUT_RDWR)


def _close(connection: Connection) -> None:
    with suppress(Exception):  # whatever its state, nothing is asked of it any more
        connection.close()

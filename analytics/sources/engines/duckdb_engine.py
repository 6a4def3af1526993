"""DuckDB in this process's memory, shut off from files and network.

Layer:       analytics.sources.engines above base.
Guarantees:  as ``base``; each statement has a cursor of its own. Measured with DuckDB 2.0.1, and the reason for ``close``:
             closing a connection closes its cursors first, and a cursor that executes or fetches in another thread
             makes that raise ``ResourceInUseException``, however soon after an interrupt. An interrupt of a cursor
             between two statements is lost; an interrupt of a closed one raises ``ConnectionException``. A cursor
             that is closed between execute and fetch raises ``InvalidInputException`` at the fetch.
See instead: loading a file and shutting the database off (``analytics.sources.loading``).
Source:      ours.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TypeVar, cast

import duckdb
import numpy as np

from analytics.errors import LocalTimeoutError, SourceLostError
from analytics.plans.local_query import UNIT_COLUMN
from analytics.sql.terms.render import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import numpy.typing as npt

    from analytics.sources.engines.base import Row

T = TypeVar("T")

CLOSE_LIMIT_S = 10.0
"""How long ``close`` waits for statements that it has interrupted; they end within milliseconds unless the machine hangs."""
INTERRUPT_EVERY_S = 0.05
"""An interrupt is repeated, since one that arrives just before a statement begins is lost."""


class DuckDBEngine:
    """An open in-memory database; see ``Engine``."""

    dialect = "duckdb"

    def __init__(self, connection: duckdb.DuckDBPyConnection, *, source: str) -> None:
        """Take over a connection.

        Args:
            connection: shut, with the clean table.
            source: what errors call it.
        """
        self._connection, self._source = connection, source
        self._lock = threading.Condition()
        self._running: set[duckdb.DuckDBPyConnection] = set()
        self._is_closed = False

    @property
    def version(self) -> str:
        """As ``Engine``."""
        return f"DuckDB {duckdb.__version__}"

    def numbered_units(self, table: str) -> tuple[str, str]:
        """As ``Engine``: ingest has numbered them."""
        return quoted(table), quoted(UNIT_COLUMN)

    def rows(self, statement: str, limit_s: float | None) -> list[Row]:
        """As ``Engine``."""
        return self._run(statement, limit_s, lambda cursor: cast("list[Row]", cursor.fetchall()))

    def columns(self, statement: str, limit_s: float | None) -> Mapping[str, npt.NDArray[np.int64]]:
        """As ``Engine``."""
        found = self._run(statement, limit_s, lambda cursor: cursor.fetchnumpy())
        return {name: np.asarray(column, dtype=np.int64) for name, column in found.items()}

    def cancel(self) -> None:
        """As ``Engine``."""
        with self._lock:
            self._interrupt_all()

    def close(self) -> None:
        """As ``Engine``; waits ``CLOSE_LIMIT_S`` at most, after which the last statement to end closes the database."""
        until = time.monotonic() + CLOSE_LIMIT_S
        with self._lock:
            self._is_closed = True
            while self._running and time.monotonic() < until:
                self._interrupt_all()
                self._lock.wait(INTERRUPT_EVERY_S)
            self._close_if_unused()

    def _interrupt_all(self) -> None:
        for cursor in self._running:
            _interrupt(cursor)

    def _close_if_unused(self) -> None:
        if self._is_closed and not self._running:
            self._connection.close()

    def _run(
        self, statement: str, limit_s: float | None, fetch: Callable[[duckdb.DuckDBPyConnection], T]
    ) -> T:
        try:
            with self._cursor() as cursor, _deadline(cursor, limit_s):
                return fetch(cursor.execute(statement))
        except duckdb.Error as error:
            if self._is_closed or isinstance(error, duckdb.ConnectionException):
                raise SourceLostError(source=self._source) from None
            if isinstance(error, duckdb.InterruptException):
                raise LocalTimeoutError(limit_s=limit_s or 0.0) from None
            raise

    @contextmanager
    def _cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with self._lock:
            if self._is_closed:
                raise SourceLostError(source=self._source)
            cursor = self._connection.cursor()
            self._running.add(cursor)
        try:
            yield cursor
        finally:
            with self._lock:  # a cursor that ``close`` or ``cancel`` can see is open
                cursor.close()
                self._running.discard(cursor)
                self._close_if_unused()
                self._lock.notify_all()


@contextmanager
def _deadline(cursor: duckdb.DuckDBPyConnection, limit_s: float | None) -> Iterator[None]:
    """Interrupt the cursor's statement when time is up; the timer is gone before the cursor is."""
    if limit_s is None:
        yield
        return
    timer = threading.Timer(limit_s, _interrupt, (cursor,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


def _interrupt(cursor: duckdb.DuckDBPyConnection) -> None:
    with suppress(duckdb.Error):  # the connection was lost: there is nothing left to end
        cursor.interrupt()

"""DuckDB in this process's memory, shut off from files and network.

Layer:       analytics.sources.engines above base.
Guarantees:  as ``base``; each statement has a cursor of its own.
See instead: loading a file and shutting the database off (``analytics.sources.loading``).
Source:      ours.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar, cast

import duckdb
import numpy as np

from analytics.errors import LocalTimeoutError, SourceLostError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import numpy.typing as npt

    from analytics.sources.engines.base import Row

T = TypeVar("T")


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
        self._lock = threading.Lock()
        self._running: set[duckdb.DuckDBPyConnection] = set()

    @property
    def version(self) -> str:
        """As ``Engine``."""
        return f"DuckDB {duckdb.__version__}"

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
            running = tuple(self._running)
        for cursor in running:
            cursor.interrupt()

    def close(self) -> None:
        """As ``Engine``."""
        with self._lock:
            self._connection.close()

    def _run(
        self, statement: str, limit_s: float | None, fetch: Callable[[duckdb.DuckDBPyConnection], T]
    ) -> T:
        try:
            with self._cursor() as cursor, _deadline(cursor, limit_s):
                return fetch(cursor.execute(statement))
        except duckdb.InterruptException:
            raise LocalTimeoutError(limit_s=limit_s or 0.0) from None
        except duckdb.ConnectionException:
            raise SourceLostError(source=self._source) from None

    @contextmanager
    def _cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with self._lock:
            cursor = self._connection.cursor()
            self._running.add(cursor)
        try:
            with cursor:
                yield cursor
        finally:
            with self._lock:
                self._running.discard(cursor)


@contextmanager
def _deadline(cursor: duckdb.DuckDBPyConnection, limit_s: float | None) -> Iterator[None]:
    """Interrupt the cursor's statement when time is up; the timer is gone before the cursor is."""
    if limit_s is None:
        yield
        return
    timer = threading.Timer(limit_s, cursor.interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()

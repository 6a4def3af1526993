"""A clean table inside a Spark cluster: rows that the cluster keeps for one session, asked in Spark's SQL.

Layer:       analytics.sources.engines above base.
Terms:       the *kept* rows are a local checkpoint: the cleaned cells as they were at one moment, held by the executors. A
             *tag* is the name under which one statement is interrupted.
Guarantees:  as ``base``. No statement sees a row that was written after the checkpoint, and none is computed anew from the
             table: where kept rows are lost, with an executor or the session, the source is lost. A statement ends at its
             time limit or a cancellation by an interrupt in the cluster, repeated until it is heard; where nothing answers
             it is left to itself and the caller goes on. No text of Spark's goes on.
See instead: how the rows are kept (``analytics.sources.pushed.spark_table``).
Source:      ours; Spark 4's manual, "Spark Connect"; measured with PySpark 4.3.0: an interrupt between two statements is
             lost; a session without a call for an hour is ended by its server.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

import numpy as np

from analytics.errors import LocalTimeoutError, SourceLostError
from analytics.plans.local_query import UNIT_COLUMN
from analytics.sources.servers import spark_session
from analytics.sources.servers.spark_faults import is_cancelled, is_lost
from analytics.sql.terms.render import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy.typing as npt

    from analytics.sources.engines.base import Row

T = TypeVar("T")

CLOSE_LIMIT_S = 10.0
CANCEL_LIMIT_S = 10.0
"""How long after its limit a statement may go on until it is left to itself."""
INTERRUPT_EVERY_S = 0.2
KEEP_EVERY_S = 300.0


class SparkEngine:
    """A clean table in a cluster; see ``Engine``."""

    dialect = "spark"

    def __init__(self, session: Any, *, source: str, kept: object = None) -> None:
        """Take over a session.

        Args:
            session: with the clean table as a temporary view, its units numbered.
            source: what errors call the table.
            kept: what must live as long as the view.
        """
        self._session, self._source, self._kept = session, source, kept
        self._version = str(session.version)
        self._lock = threading.Condition()
        self._running: set[_Statement] = set()
        self._is_closed = False
        self._ended = threading.Event()
        threading.Thread(target=self._keep, name="spark-session", daemon=True).start()

    @property
    def version(self) -> str:
        """As ``Engine``."""
        return f"Spark {self._version}"

    def numbered_units(self, table: str) -> tuple[str, str]:
        """As ``Engine``: they were numbered when the rows were kept."""
        return quoted(table), quoted(UNIT_COLUMN)

    def rows(self, statement: str, limit_s: float | None) -> list[Row]:
        """As ``Engine``."""

        def fetch() -> list[Row]:
            table = self._session.sql(statement).toArrow()
            cells = [column.to_pylist() for column in table.columns]
            found = zip(*cells, strict=True)
            return [(None if group is None else int(group), *map(int, values)) for group, *values in found]

        return self._run(fetch, limit_s)

    def columns(self, statement: str, limit_s: float | None) -> Mapping[str, npt.NDArray[np.int64]]:
        """As ``Engine``; rows come in batches of a bounded size."""

        def fetch() -> Mapping[str, npt.NDArray[np.int64]]:
            frame = self._session.sql(statement)
            names = list(frame.columns)
            parts = [np.empty((len(names), 0), dtype=np.int64)]
            for batch in spark_session.arrow_batches(frame):
                if any(column.null_count for column in batch.columns):
                    raise ValueError("a column of integers holds NULL")
                cells = [column.to_numpy() for column in batch.columns]
                parts.append(np.array(cells, dtype=np.int64).reshape(len(names), -1))
            found = np.concatenate(parts, axis=1)
            return {name: np.ascontiguousarray(found[place]) for place, name in enumerate(names)}

        return self._run(fetch, limit_s)

    def cancel(self) -> None:
        """As ``Engine``."""
        with self._lock:
            for statement in self._running:
                statement.stop()

    def close(self) -> None:
        """As ``Engine``; waits ``CLOSE_LIMIT_S`` at most, after which the session is ended whatever runs there."""
        with self._lock:
            self._is_closed = True
            is_first = not self._ended.is_set()
            self._ended.set()
        self.cancel()
        with self._lock:
            self._lock.wait_for(lambda: not self._running, CLOSE_LIMIT_S)
        if is_first:
            spark_session.close(self._session)

    def _run(self, fetch: Callable[[], T], limit_s: float | None) -> T:
        statement = _Statement(self._session, fetch)
        with self._lock:
            if self._is_closed:
                raise SourceLostError(source=self._source)
            self._running.add(statement)
        try:
            found: T = statement.run(limit_s)
        except Exception as error:
            if self._is_closed:
                raise SourceLostError(source=self._source) from None
            if statement.is_stopped or is_cancelled(error):
                raise LocalTimeoutError(limit_s=limit_s or 0.0) from None
            if is_lost(error):
                raise SourceLostError(source=self._source) from None
            raise
        finally:
            with self._lock:
                self._running.discard(statement)
                self._lock.notify_all()
        return found

    def _keep(self) -> None:
        """Call the session now and then, so that its server does not end it as unused."""
        while not self._ended.wait(KEEP_EVERY_S):
            with suppress(Exception):  # a session that is gone is told by the next statement
                self._session.conf.get("spark.sql.session.timeZone")


class _Statement:
    """One statement, in a thread of its own: what waits for a cluster that does not answer would wait for ever."""

    def __init__(self, session: Any, fetch: Callable[[], Any]) -> None:
        self._session, self._fetch, self._tag = session, fetch, f"crossward-{uuid4().hex}"
        self._done, self._stopping = threading.Event(), threading.Event()
        self._found: list[Any] = []
        self._error: BaseException | None = None

    @property
    def is_stopped(self) -> bool:
        """Whether it was to end before it was done."""
        return self._stopping.is_set()

    def stop(self) -> None:
        """Interrupt it, until it has ended."""
        if not self._stopping.is_set():
            self._stopping.set()
            threading.Thread(target=self._interrupt, name="spark-interrupt", daemon=True).start()

    def run(self, limit_s: float | None) -> Any:
        """Wait for its result.

        Args:
            limit_s: seconds after which it is stopped; None: never.

        Raises:
            TimeoutError: it was stopped, and nothing answered.
            Exception: what the statement raised.
        """
        threading.Thread(target=self._ask, name="spark-statement", daemon=True).start()
        until = None if limit_s is None else time.monotonic() + limit_s
        while not self._done.wait(0.05 if until is None else max(0.0, min(0.05, until - time.monotonic()))):
            if self._stopping.is_set() or (until is not None and time.monotonic() >= until):
                self.stop()
                self._done.wait(CANCEL_LIMIT_S)
                break
        if self._error is not None:
            raise self._error
        if not self._found:
            raise TimeoutError
        return self._found[0]

    def _ask(self) -> None:
        try:
            self._session.addTag(self._tag)
            self._found.append(self._fetch())
        except BaseException as error:  # noqa: BLE001  raised again where it is waited for
            self._error = error
        finally:
            self._done.set()

    def _interrupt(self) -> None:
        while not self._done.is_set():
            with suppress(Exception):  # the session is gone: there is nothing left to interrupt
                self._session.interruptTag(self._tag)
            self._done.wait(INTERRUPT_EVERY_S)

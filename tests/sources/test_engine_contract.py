"""What every engine of a site's clean table must do; a new engine is one more line of ``ENGINES``."""

import threading
import time

import numpy as np
import pytest

from analytics.errors import LocalTimeoutError, SourceFailedError, SourceLostError
from analytics.sources.engines.duckdb_engine import DuckDBEngine
from analytics.sources.engines.postgresql_engine import PostgreSQLEngine
from analytics.sources.engines.spark_engine import SparkEngine
from analytics.sources.loading import connect, shut
from analytics.sources.local_table import LocalTable
from analytics.sources.reports.report import IngestReport
from analytics.sources.servers import spark_session
from analytics.sources.servers.access import READ_ONLY
from analytics.sources.servers.access import connect as server_session

LONG = {
    "duckdb": "SELECT 0, count(*) FROM range(1000000) a, range(1000000) b WHERE a.range + b.range < 0",
    "postgres": "SELECT 0, count(*) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b WHERE a + b < 0",
    "spark": "SELECT 0, count(*) FROM range(1000000) a, range(1000000) b WHERE a.id + b.id < 0",
}
MANY = {
    "duckdb": "SELECT range AS x FROM range(20000)",
    "postgres": "SELECT x FROM generate_series(1, 20000) AS many(x)",
    "spark": "SELECT id AS x FROM range(20000)",
}


def duckdb_engine(_request):
    connection = connect(2)
    connection.execute("CREATE TABLE t AS SELECT range AS x, range % 3 AS g FROM range(9)")
    shut(connection)
    return DuckDBEngine(connection, source="t.csv")


def postgresql_engine(request):
    server = request.getfixturevalue("server")
    access = server.access()
    keeper = server_session(access, "t")
    keeper.execute(READ_ONLY)
    return PostgreSQLEngine(
        keeper,
        lambda: server_session(access, "t"),
        table="t",
        clean="SELECT x::bigint AS x, (x % 3)::bigint AS g FROM generate_series(0, 8) AS s(x)",
        source="t",
    )


def spark_engine(request):
    session = spark_session.connect(request.getfixturevalue("cluster").access(), "t")
    kept = spark_session.keep(session, "SELECT id AS x, id % 3 AS g FROM range(9)")
    kept.createOrReplaceTempView("t")
    return SparkEngine(session, source="t", kept=kept)


ENGINES = (
    duckdb_engine,
    pytest.param(postgresql_engine, marks=pytest.mark.slow),
    pytest.param(spark_engine, marks=[pytest.mark.slow, pytest.mark.timeout(300)]),
)


@pytest.fixture(params=ENGINES)
def engine(request):
    opened = request.param(request)
    yield opened
    opened.close()


def test_rows_are_a_group_and_integers(engine):
    found = engine.rows("SELECT g, count(*), sum(x)::BIGINT FROM t GROUP BY g ORDER BY g", None)
    assert found == [(0, 3, 9), (1, 3, 12), (2, 3, 15)]
    assert engine.rows("SELECT NULL, 1", 5) == [(None, 1)]


def test_columns_are_integer_arrays_in_order(engine):
    found = engine.columns("SELECT x AS second, x + 1 AS first FROM t ORDER BY x", 5)
    assert list(found) == ["second", "first"]
    assert all(column.dtype == np.int64 for column in found.values())
    assert found["first"].tolist() == list(range(1, 10))


def test_a_time_limit_ends_one_statement_and_no_other(engine):
    others = []
    thread = threading.Thread(target=lambda: others.append(engine.rows("SELECT 0, count(*) FROM t", None)))
    with pytest.raises(LocalTimeoutError):
        thread.start()
        engine.rows(LONG[engine.dialect], 0.2)
    thread.join()
    assert others == [[(0, 9)]]
    assert engine.rows("SELECT 0, 1", 5) == [(0, 1)]


def test_cancel_ends_every_statement_that_runs_and_none_later(engine):
    ended = []

    def ask():
        try:
            engine.rows(LONG[engine.dialect], None)
        except LocalTimeoutError as error:
            ended.append(error)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):  # a statement that has not begun yet is not cancelled
        engine.cancel()
        time.sleep(0.05)
    assert len(ended) == 2
    assert engine.rows("SELECT 0, 1", 5) == [(0, 1)]


def test_a_closed_engine_is_a_lost_source(engine):
    engine.close()
    with pytest.raises(SourceLostError):
        engine.rows("SELECT 0, 1", None)


def begun(engine, n_statements):
    """Threads that run long statements, and how each statement ended."""
    ended = []

    def ask():
        try:
            engine.rows(LONG[engine.dialect], None)
        except Exception as error:  # whatever it is, the test looks at it
            ended.append(type(error))

    threads = [threading.Thread(target=ask) for _ in range(n_statements)]
    for thread in threads:
        thread.start()
    while len(engine._running) < n_statements:
        time.sleep(0.01)
    time.sleep(0.2)  # they are registered; now they are in the database too, where a bare close is refused
    return threads, ended


@pytest.mark.parametrize("n_statements", [1, 3])
def test_close_ends_what_runs_and_raises_nothing_of_the_database(engine, n_statements):
    threads, ended = begun(engine, n_statements)
    engine.close()
    assert not engine._running  # it waited for them
    for thread in threads:
        thread.join()
    assert set(ended) <= {SourceLostError, LocalTimeoutError}
    assert len(ended) == n_statements
    with pytest.raises(SourceLostError):
        engine.rows("SELECT 0, 1", None)


def test_many_may_close_at_once_and_again_while_statements_come(engine):
    """Statements of every phase: before execution, in it, and at the fetch."""
    ended, closed = set(), []

    def ask():
        while True:
            try:
                engine.columns(MANY[engine.dialect], 5)
            except Exception as error:
                ended.add(type(error))
                return

    def end():
        try:
            engine.close()
            closed.append(None)
        except Exception as error:
            closed.append(error)

    asking = [threading.Thread(target=ask) for _ in range(3)]
    closing = [threading.Thread(target=end) for _ in range(2)]
    for thread in (*asking, *closing):
        thread.start()
    for thread in (*asking, *closing):
        thread.join()
    engine.close()
    assert closed == [None, None]
    assert ended <= {SourceLostError, LocalTimeoutError}


def test_close_gives_up_waiting_for_a_statement_that_cannot_be_ended(monkeypatch):
    monkeypatch.setattr("analytics.sources.engines.duckdb_engine.CLOSE_LIMIT_S", 0.2)
    connection, proceed = StuckConnection(), threading.Event()
    connection.execute = lambda _statement: proceed.wait() and connection
    engine, ended = DuckDBEngine(connection, source="t.csv"), []

    def ask():
        try:
            ended.append(engine.rows("SELECT 0, 1", None))
        except SourceLostError as error:
            ended.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    while not engine._running:
        time.sleep(0.01)
    engine.close()
    assert connection.n_closed == 0  # DuckDB would refuse it as busy
    assert connection.n_interrupts > 1
    proceed.set()
    thread.join()
    assert ended == [[(0, 1)]]
    assert connection.n_closed == 2  # the cursor, then the database behind it


class StuckConnection:
    """A connection that is its own cursor and ignores interrupts, as on a machine whose disk hangs."""

    n_closed = n_interrupts = 0

    def cursor(self):
        return self

    def interrupt(self):
        self.n_interrupts += 1

    def fetchall(self):
        return [(0, 1)]

    def close(self):
        self.n_closed += 1


def test_it_names_its_dialect_and_version(engine):
    from sqlglot import Dialect

    assert Dialect.get(engine.dialect)
    assert any(letter.isdigit() for letter in engine.version)


class FailingEngine:
    """An engine whose statements fail with a text that quotes a row."""

    dialect, version = "duckdb", "1"
    error: Exception = ValueError("PATIENT-4711")

    def rows(self, _statement, _limit_s):
        raise self.error

    columns = rows

    def cancel(self):
        """Nothing runs."""

    close = cancel


def test_only_time_and_loss_leave_a_table_in_service():
    engine = FailingEngine()
    report = IngestReport(
        source="t.csv",
        table="t",
        rows_read=0,
        rows_without_unit=0,
        rows_over_cap=0,
        rows_kept=0,
        near_duplicates=0,
        exact_allowed=True,
        columns=(),
    )
    table = LocalTable(engine=engine, table=None, report=report)
    for error in (LocalTimeoutError(limit_s=1.0), SourceLostError(source="t.csv")):
        engine.error = error
        with pytest.raises(type(error)):
            table.local_words("SELECT 1")
        assert table.is_in_service
    engine.error = ValueError("PATIENT-4711")
    for _ in range(2):
        with pytest.raises(SourceFailedError) as failed:
            table.local_words("SELECT 1")
        assert "4711" not in str(failed.value)
    assert not table.is_in_service

"""What every engine of a site's clean table must do; a new engine is one more line of ``ENGINES``."""

import threading
import time

import numpy as np
import pytest

from analytics.errors import LocalTimeoutError, SourceFailedError, SourceLostError
from analytics.sources.engines.duckdb_engine import DuckDBEngine
from analytics.sources.loading import connect, shut
from analytics.sources.local_table import LocalTable
from analytics.sources.report import IngestReport

LONG = "SELECT 0, count(*) FROM range(1000000) a, range(1000000) b WHERE a.range + b.range < 0"


def duckdb_engine():
    connection = connect(2)
    connection.execute("CREATE TABLE t AS SELECT range AS x, range % 3 AS g FROM range(9)")
    shut(connection)
    return DuckDBEngine(connection, source="t.csv")


ENGINES = (duckdb_engine,)


@pytest.fixture(params=ENGINES)
def engine(request):
    opened = request.param()
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
        engine.rows(LONG, 0.2)
    thread.join()
    assert others == [[(0, 9)]]
    assert engine.rows("SELECT 0, 1", 5) == [(0, 1)]


def test_cancel_ends_every_statement_that_runs_and_none_later(engine):
    ended = []

    def ask():
        try:
            engine.rows(LONG, None)
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

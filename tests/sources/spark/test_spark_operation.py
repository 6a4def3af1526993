"""A Spark cluster in operation: logging in, tables that change, time, cancellation, and a cluster that is gone."""

import threading
import time

import pytest

from analytics.errors import LocalTimeoutError, SchemaMismatchError, SourceLostError
from analytics.sources import local_table, open_table
from tests.sources.spark.test_spark import number, opened
from tests.sources.spark_cluster import TOKEN, free_port, running
from tests.sources.test_format_contract import KEY, rows, table_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

LONG = "SELECT 0, count(*) FROM range(1000000) a, range(1000000) b WHERE a.id + b.id < 0"


@pytest.fixture(scope="module")
def small(cluster) -> str:
    return cluster.made("small", "pid INT, n INT", "(1, 1), (2, 999)")


def test_tokens_come_from_a_private_file_or_a_variable(cluster, small, tmp_path, monkeypatch) -> None:
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    path.chmod(0o640)
    monkeypatch.setenv("WARD_TOKEN", TOKEN)
    by_name = {"password_file": None, "password_env": "WARD_TOKEN"}
    opened(cluster, small, {"n": number()}, access=by_name).close()
    monkeypatch.setenv("WARD_TOKEN", "wrong")
    refused = (
        ({"password_file": path}, "token can be read by others: chmod 600"),
        (by_name, "refused the token"),
        ({"password_file": None}, "refused the token, or asks for one"),
        ({"url": f"sc://localhost:{free_port()}"}, "cannot be reached"),
        ({"url": f"sc://nowhere.invalid:{cluster.port}/;use_ssl=true"}, "cannot be reached"),
        ({"url": f"sc://127.0.0.1:{cluster.port}/;use_ssl=true"}, "cannot be reached"),
    )
    for changes, reason in refused:
        with pytest.raises(SchemaMismatchError, match=reason) as caught:
            opened(cluster, small, {"n": number()}, access=changes)
        assert TOKEN not in str(caught.value)


def test_a_table_that_changes_does_so_between_starts_alone(cluster) -> None:
    relation = cluster.made("growing", "pid INT, n INT", "(1, 1), (2, 999)")
    with opened(cluster, relation, {"n": number()}) as there:
        assert there.every_row(["n"]).tolist() == [[1, 1], [2, 100]]
        cluster.run(f"INSERT OVERWRITE {relation} VALUES (3, -7)")
        assert there.every_row(["n"]).tolist() == [[1, 1], [2, 100]]
        cluster.made("growing", "pid INT, other STRING")
        assert there.every_row(["n"]).tolist() == [[1, 1], [2, 100]]
    cluster.made("growing", "pid INT, n INT", "(3, -7)")
    with opened(cluster, relation, {"n": number()}) as there:
        assert there.every_row(["n"]).tolist() == [[1, 0]]


def test_the_typed_copy_is_used_while_the_rows_or_the_declared_version_stay(
    cluster, tmp_path, monkeypatch
) -> None:
    relation = cluster.made("versions", "pid INT, n INT", "(1, 1), (2, NULL)")
    reads = []
    read = local_table._read
    monkeypatch.setattr(local_table, "_read", lambda *args: reads.append(1) or read(*args))

    def found(version: str) -> list:
        spec = cluster.spec(relation, engine="", access={"version": version})
        return rows(open_table(spec, table_of({"n": number()}), site_key=KEY, threads=1, copies=tmp_path))

    assert found("") == found("") == [(1, 1), (None, 2)]
    assert len(reads) == 1
    cluster.run(
        f"INSERT OVERWRITE {relation} VALUES (1, NULL), (2, 1)"
    )  # a hash that passes over NULL sees no change
    assert found("") == [(None, 1), (1, 2)]
    assert found("a") == [(None, 1), (1, 2)]
    cluster.run(f"INSERT OVERWRITE {relation} VALUES (1, 5)")
    assert found("a") == [(None, 1), (1, 2)]
    assert found("b") == [(5, 1)]


def test_nothing_but_select_is_sent(cluster, small, monkeypatch) -> None:
    sent = []
    kind = type(cluster.session())
    ask = kind.sql
    monkeypatch.setattr(
        kind, "sql", lambda self, text, *more, **kw: sent.append(text) or ask(self, text, *more, **kw)
    )
    for engine in ("", "spark"):
        with opened(cluster, small, {"n": number()}, engine=engine) as there:
            there.every_row(["n"])
    assert len(sent) > 5
    assert all(text.startswith("SELECT ") for text in sent)


def test_a_time_limit_and_a_cancellation_end_the_statement_in_the_cluster(cluster, small) -> None:
    with opened(cluster, small, {"n": number()}) as there:
        with pytest.raises(LocalTimeoutError):
            there.engine.rows(LONG, 2)
        ended = []

        def ask() -> None:
            try:
                there.engine.rows(LONG, None)
            except LocalTimeoutError as error:
                ended.append(error)

        thread = threading.Thread(target=ask)
        thread.start()
        time.sleep(3)
        there.engine.cancel()
        thread.join(30)
        assert len(ended) == 1
        # both workers are free again: while one of the long statements ran this one would wait behind it
        assert there.engine.rows("SELECT 0, count(*) FROM range(0, 1000, 1, 4)", 30) == [(0, 1000)]
        log = (cluster.folder / "server.log").read_text(errors="replace")
        assert log.count("cancelled") >= 2
        assert there.is_in_service


def test_rows_that_are_lost_with_an_executor_are_a_lost_source(cluster) -> None:
    with running() as other:
        relation = other.made("small", "pid INT, n INT", "(1, 1), (2, 999)")
        with opened(other, relation, {"n": number()}) as there:
            assert there.every_row(["n"]).tolist() == [[1, 1], [2, 100]]
            other.run(f"INSERT OVERWRITE {relation} VALUES (3, -7)")
            executors = other.executors()
            assert len(executors) == 2
            for each in executors:
                each.kill()
            with pytest.raises(SourceLostError):  # and no later state in the place of the lost one
                there.every_row(["n"], 120)
            assert there.is_in_service


def test_a_server_that_is_gone_in_the_middle() -> None:
    with running() as gone:
        relation = gone.made("small", "pid INT, n INT", "(1, 1)")
        with opened(gone, relation, {"n": number()}) as there:
            threading.Timer(2.0, gone.kill).start()
            with pytest.raises(SourceLostError) as caught:
                there.engine.rows(LONG, 60)
            assert str(gone.port) not in str(caught.value)
            with pytest.raises(SourceLostError):
                there.every_row(["n"], 60)
        with pytest.raises(SchemaMismatchError, match="cannot be reached"):
            opened(gone, relation, {"n": number()})

"""A table in a real PostgreSQL server: the same answers as in the node, or a refusal when it is opened."""

import datetime as dt
import os
import threading
import time
from contextlib import contextmanager
from decimal import Decimal

import pytest
from hypothesis import given, settings

from analytics.errors import LocalTimeoutError, SchemaMismatchError, SourceLostError
from analytics.quality.running import check_table
from analytics.quality.thresholds import Thresholds
from analytics.schema import Schema
from analytics.sources import CellRules, SourceSpec, open_table
from analytics.sources.engines import postgresql_engine
from analytics.sources.servers.access import ServerAccess
from analytics.statistics.blocks import MISSING, invalid_name
from tests.analytics import sql_grammar as grammar
from tests.analytics.sources.test_analytics_scans import ARGUMENTS, LAW, check_law, planned, schema_of
from tests.sources.servers import OWNER, READER, running
from tests.sources.test_format_contract import COLUMNS, KEY, rows, table_of
from tests.sources.writers import BIG, ROWS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

TYPES = "pid text, n int, price numeric(8,2), code bigint, day date, flag boolean, word text"
CANARY = "CANARY73519"


@pytest.fixture(scope="module")
def visits(server):
    server.run(f"CREATE TABLE research.visits ({TYPES})")
    with server.session() as session, session.cursor() as cursor:
        cursor.executemany(f"INSERT INTO research.visits VALUES ({', '.join(['%s'] * 7)})", ROWS)
    server.run(
        "CREATE VIEW research.plain AS SELECT btrim(pid) AS pid, n, price, code, day, flag, word FROM research.visits"
    )
    return server


def number(**changes: object) -> dict:
    return {"type": "numeric", "lower": 0, "upper": 100, "resolution": 1} | changes


def opened(server, relation: str, columns: dict | None = None, table: dict | None = None, **changes: object):
    return open_table(
        server.spec(relation, **changes), table_of(columns, **(table or {})), site_key=KEY, threads=1
    )


def made(server, name: str, body: str, *inserts: str) -> str:
    server.run(f"DROP TABLE IF EXISTS research.{name}", f"CREATE TABLE research.{name} ({body})")
    server.run(*(f"INSERT INTO research.{name} VALUES {values}" for values in inserts))
    return f"research.{name}"


# -- equal answers -------------------------------------------------------------------------------------------------


def test_the_node_reads_the_same_rows_as_from_every_kind_of_file(visits) -> None:
    assert rows(opened(visits, "research.visits", engine="")) == [
        (40, 125, 1, 1, True, 0, 1),
        (0, 9999, 0, 0, False, 1, 2),
        (100, None, None, None, None, None, 2),
        (None, 0, None, None, None, None, 3),
    ]


def test_the_quality_of_a_table_in_a_server_is_that_of_its_rows(visits) -> None:
    cards = [
        check_table(
            visits.spec("research.plain", engine=engine),
            table_of(None),
            Thresholds(),
            today=dt.date(2026, 1, 1),
        )
        for engine in ("postgresql", "")
    ]
    assert cards[0].rows == len(ROWS)
    first, second = ([*card.rows_of_frame(), card.columns] for card in cards)
    assert [each for each in first[:-1] if each["state"] == "failed"]
    assert first[:-1] == second[:-1]
    assert first[-1] == second[-1]


def test_a_table_that_stays_has_the_same_rows_and_the_same_report(visits) -> None:
    with opened(visits, "research.plain") as there, opened(visits, "research.plain", engine="") as here:
        names = list(COLUMNS)
        assert sorted(there.every_row(names).tolist()) == sorted(here.every_row(names).tolist())
        assert sorted(there.complete_cases(["n", "flag"]).tolist()) == sorted(
            here.complete_cases(["n", "flag"]).tolist()
        )
        marks = [invalid_name(name) for name in names]
        invalid = sorted(there.every_row([*names, *marks]).tolist())
        assert invalid == sorted(here.every_row([*names, *marks]).tolist())
        assert any(any(row[1 + len(names) :]) for row in invalid)
        assert there.report.columns == here.report.columns
        assert there.report == here.report
        assert there.engine.version.startswith("PostgreSQL ")


@pytest.fixture(scope="module")
def corners(server):
    """The corners of the domain of the grammar's columns, in the server."""
    found = grammar.rows()
    body = "pid bigint, w bigint, f float8, m numeric(8,2), d boolean, k text, c bigint"
    relation = made(server, "corners", body)
    with server.session() as session, session.cursor() as cursor:
        cells = [
            (
                place,
                *(None if row[name] is None else float(row[name]) for name in "wf"),
                row["m"] and Decimal(row["m"].numerator) / row["m"].denominator,
                row["d"],
                row["k"],
                row["c"],
            )
            for place, row in enumerate(found)
        ]
        cursor.executemany(
            f"INSERT INTO {relation} VALUES (%s, %s::float8::bigint, %s, %s, %s, %s, %s)", cells
        )
    schema = schema_of(grammar.COLUMNS)
    with open_table(server.spec(relation), schema.tables["t"], site_key=KEY) as source:
        yield schema, found, source


@settings(max_examples=150, **LAW)
@given(*ARGUMENTS)
def test_law_no_row_makes_a_planned_scan_fail_and_sums_are_exact(
    corners, tree, other, where, grouped
) -> None:
    """P5 in the server: any plan over the corners of its domain, against plain fractions."""
    check_law(corners, tree, other, where, grouped)


SQL = (
    "SELECT COUNT(*), COUNT(DISTINCT pid), SUM(n), AVG(price), VAR_SAMP(price) FROM t",
    "SELECT flag, word, COUNT(*), AVG(n * n) FROM t WHERE n > 20 OR word IS NULL GROUP BY flag, word",
    "SELECT day, SUM(CASE WHEN flag THEN n ELSE 2 END), COUNT(n) FROM t WHERE NOT (code = '9007199254740993') GROUP BY day",
)


@pytest.mark.parametrize("sql", SQL)
def test_questions_have_equal_figures_in_both_engines(visits, sql: str) -> None:
    schema = Schema.from_dict({"tables": {"t": table_of().to_dict() | {"columns": dict(COLUMNS)}}})
    plan = planned(sql, schema)
    with opened(visits, "research.plain") as there, opened(visits, "research.plain", engine="") as here:
        assert there.local_figures(plan, 30).tolist() == here.local_figures(plan, 30).tolist()
        assert any(there.local_figures(plan, 30))


def test_figures_of_more_blocks_than_a_select_has_columns(visits, monkeypatch) -> None:
    from dataclasses import replace

    from analytics.sources import local_table

    schema = Schema.from_dict({"tables": {"t": table_of().to_dict() | {"columns": dict(COLUMNS)}}})
    plan = planned("SELECT word, COUNT(n), SUM(n), SUM(price) FROM t GROUP BY word", schema)
    few = {name: replace(each, most_columns=2) for name, each in local_table.DIALECTS.items()}
    with opened(visits, "research.plain") as there:
        whole = there.local_figures(plan).tolist()
        monkeypatch.setattr(local_table, "DIALECTS", few)
        assert len(plan.statements(few["postgres"])) == len(plan.blocks) > 1
        assert there.local_figures(plan).tolist() == whole


def test_rounding_bounds_and_values_that_are_not_finite_are_those_of_the_node(server) -> None:
    values = [
        0.25,
        0.75,
        1.25,
        99.75,
        100,
        100.0000001,
        -0.0000001,
        0,
        1e300,
        -1e300,
        0.1 + 0.2,
        49.999999999999996,
    ]
    texts = [*map(repr, values), "'NaN'", "'Infinity'", "'-Infinity'", "NULL"]
    for kind in ("float8", "numeric", "float4"):
        kept = [text for text in texts if "e" not in text or kind == "float8"]
        relation = made(
            server,
            "rounded",
            f"pid int, n {kind}",
            ", ".join(f"({place}, {text})" for place, text in enumerate(kept)),
        )
        for resolution in ("0.5", "0.03", "1", "4"):
            columns = {
                "n": number(lower=0, upper=100, resolution=resolution)
                if resolution != "0.03"
                else number(lower=0, upper=99, resolution="0.03")
            }
            many = {"rows_max": 1000}
            rules = CellRules(most_misfits=1)
            with (
                opened(server, relation, columns, many, cells=rules, engine="") as here,
                opened(server, relation, columns, many, cells=rules) as there,
            ):
                assert sorted(there.every_row(["n"]).tolist()) == sorted(here.every_row(["n"]).tolist())
                assert there.report.columns == here.report.columns


def test_words_of_a_domain_are_compared_by_their_letters_whatever_the_collation(server) -> None:
    server.run(
        "CREATE COLLATION IF NOT EXISTS research.loose (provider = icu, locale = 'und-u-ks-level1', deterministic = false)"
    )
    relation = made(
        server,
        "words",
        "pid int, word text COLLATE research.loose",
        "(1, 'a'), (2, 'A'), (3, 'ä'), (4, ' a '), (5, ''), (6, '  '), (7, NULL)",
    )
    columns = {"word": {"type": "categorical", "domain": ["a", "ä"]}}
    with opened(server, relation, columns) as there:
        assert [row[1] for row in there.every_row(["word"]).tolist()] == [
            0,
            MISSING,
            1,
            0,
            MISSING,
            MISSING,
            MISSING,
        ]
        assert (there.report.columns[0].missing, there.report.columns[0].outside_domain) == (3, 1)


# -- refused when it is opened -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "values", "column", "reason"),
    [
        ("pid int, n text", "(1, '2')", number(), "column n: is no number in the server"),
        ("pid int, n timestamptz", "(1, now())", number(), "column n: was read as a date or time"),
        ("pid int, n date", "(1, now())", number(), "column n: was read as a date or time"),
        ("pid int, n numeric", "(1, 2)", {"type": "categorical", "domain": ["2"]}, "column n: is a fraction in the server"),
        ("pid int, n text", "(1, '2')", {"type": "categorical", "domain": [2]}, "column n: is a text in the server, and integers"),
        ("pid int, n text", "(1, 'yes')", {"type": "boolean"}, "column n: is neither boolean nor integer"),
        ("pid int, n bytea", "(1, 'x')", {"type": "categorical", "domain": ["x"]}, "column n: is neither text"),
        ("pid float8, n int", "(1, 1)", number(), "column pid: must be an integer, a UUID or a text"),
        ("pid text, n int", "('Zoë', 1)", number(), "column pid: holds blanks at the ends, or letters beyond"),
        ("pid text, n int", "('a ', 1)", number(), "column pid: holds blanks at the ends, or letters beyond"),
        ("pid int, n int", "(1, 1), (1, 2), (1, 3), (1, 4), (1, 5), (1, 6)", number(), "column pid: one identifier has more rows"),
        ("pid text, n int", "(NULL, 1), ('n/a', 1)", number(), "column pid: no row has a privacy unit"),
        ("pid int, other int", "(1, 1)", number(), "column n: is missing from the site's view"),
        ("pid int, n int", "(1, 1), (2, 2)", {"type": "categorical", "domain": ["x"]}, "column n: none of its values is in the domain"),
    ],
)  # fmt: skip
def test_what_only_the_node_can_clean_is_refused(
    server, body: str, values: str, column: dict, reason: str
) -> None:
    relation = made(server, "refused", body, values)
    with pytest.raises(SchemaMismatchError) as caught:
        opened(server, relation, {"n": column})
    assert reason in str(caught.value)


def test_what_is_missing_is_named_for_the_administrator(visits) -> None:
    for relation, reason in (
        ("nothing.t", "the database has no schema nothing"),
        ("research.Visits", "the schema research has no table or view Visits; upper and lower case count"),
        ("visits", "the schema public has no table or view visits"),
    ):
        for engine in ("", "postgresql"):
            with pytest.raises(SchemaMismatchError, match=reason):
                opened(visits, relation, engine=engine)
    visits.run(
        "CREATE TABLE IF NOT EXISTS research.closed (pid int)", "REVOKE ALL ON research.closed FROM reader"
    )
    with pytest.raises(SchemaMismatchError, match=r"may not read research\.closed: GRANT SELECT"):
        opened(visits, "research.closed")


@pytest.mark.parametrize(
    ("view", "reason"),
    [
        ("SELECT pid,\n agee AS n FROM source", r"there is no column agee \(first at 2:2\)"),
        ("SELECT pid, n FROM visitors", r"there is no table visitors \(first at 1:20\)"),
        (
            "SELECT pid, len(pid) AS n FROM source",
            r"there is no function len for these types \(first at 1:13\)|over this source",
        ),
        ("SELEC pid FROM source", r"it is not valid SQL near SELEC \(first at 1:1\)"),
        ("SELECT pid, 1 / (n - n) AS n FROM source", r"over this source \(SQLSTATE 22012\)"),
        (f"SELECT pid, ('{CANARY}' || pid)::int AS n FROM source", r"over this source \(SQLSTATE 22P02\)"),
        ("DELETE FROM source", "the site's view cannot be computed"),
    ],
)
def test_a_view_with_a_mistake_is_named_with_its_place(visits, view: str, reason: str) -> None:
    with pytest.raises(SchemaMismatchError, match=reason) as caught:
        opened(visits, "research.plain", {"n": number()}, view=view)
    assert CANARY not in str(caught.value)


def test_a_view_in_the_servers_own_sql(visits) -> None:
    view = "SELECT pid, CASE WHEN n > 40 THEN NULL ELSE n END AS n FROM source -- all others"
    with opened(visits, "research.plain", {"n": number()}, view=view) as there:
        assert sorted(row[1] for row in there.every_row(["n"]).tolist()) == [MISSING, MISSING, 0, 40]


def test_words_for_missing_are_for_a_view_there(visits) -> None:
    with pytest.raises(SchemaMismatchError, match="type the columns in a view"):
        opened(visits, "research.plain", cells=CellRules(missing=("-9",)))


# -- logging in ----------------------------------------------------------------------------------------------------


def test_passwords_come_from_a_private_file_or_a_variable(visits, tmp_path, monkeypatch) -> None:
    path = tmp_path / "password"
    path.write_text(f"{READER}\n")
    path.chmod(0o640)
    monkeypatch.setenv("WARD_PASSWORD", READER)
    by_name = {"password_file": None, "password_env": "WARD_PASSWORD"}
    opened(visits, "research.plain", access=by_name).close()
    monkeypatch.delenv("WARD_PASSWORD")
    refused = (
        ({"password_file": path}, "password can be read by others: chmod 600"),
        ({"password_file": tmp_path / "none"}, "cannot be read from none"),
        (by_name, "variable WARD_PASSWORD .* is not set"),
        ({"password_file": None}, "asks for a password"),
        ({"url": visits.url("stranger")}, "refused the password"),
        ({"url": "postgresql://reader@127.0.0.1:1/postgres"}, "cannot be reached"),
        ({"url": visits.url(sslmode="verify-full")}, "TLS|certificate"),
        ({"url": visits.url().replace("/postgres", "/other")}, "no such login or database"),
    )
    for changes, reason in refused:
        with pytest.raises(SchemaMismatchError, match=reason) as caught:
            opened(visits, "research.plain", access=changes)
        assert READER not in str(caught.value)
    path.write_text(OWNER)
    path.chmod(0o600)
    with pytest.raises(SchemaMismatchError, match="refused the password"):
        opened(visits, "research.plain", access={"password_file": path})


def test_libpqs_own_variable_is_enough(visits, monkeypatch) -> None:
    monkeypatch.setenv("PGPASSWORD", READER)
    opened(visits, "research.plain", access={"password_file": None}).close()


def test_sessions_cannot_write(visits, tmp_path) -> None:
    path = tmp_path / "owner"
    path.write_text(OWNER)
    path.chmod(0o600)
    import psycopg

    with opened(
        visits, "research.plain", access={"url": visits.url("owner"), "password_file": path}
    ) as there:
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            there.engine._keeper.execute("CREATE TABLE research.written (x int)")


# -- changes, time, and a server that is gone ----------------------------------------------------------------------


def test_a_table_that_changes_does_so_between_starts_alone(server) -> None:
    relation = made(server, "growing", "pid int, n int", "(1, 1), (2, 999)")
    with opened(server, relation, {"n": number()}) as there:
        assert there.every_row(["n"]).tolist() == [[1, 1], [2, 100]]
        server.run(
            f"INSERT INTO {relation} SELECT 1, 5 FROM generate_series(1, 50)",
            f"UPDATE {relation} SET n = -7",
            "ANALYZE research.growing",
        )
        assert there.every_row(["n"]).tolist() == [[1, 1], [2, 100]]
        server.run(f"DELETE FROM {relation} WHERE pid = 1")
    with opened(server, relation, {"n": number()}) as there:
        assert there.every_row(["n"]).tolist() == [[1, 0]]


def test_a_declared_version_that_stays_is_read_from_its_copy(server, tmp_path, monkeypatch) -> None:
    relation = made(server, "versions", "pid int, n int", "(1, 1)")

    def read(version: str) -> list:
        spec = server.spec(relation, engine="", access={"version": version})
        return rows(open_table(spec, table_of({"n": number()}), site_key=KEY, threads=1, copies=tmp_path))

    assert read("2026-11") == [(1, 1)]
    server.run(f"UPDATE {relation} SET n = 2")
    assert read("2026-11") == [(1, 1)]
    assert read("2026-12") == [(2, 1)]
    assert read("") == [(2, 1)]
    assert not list(tmp_path.glob("*.parquet"))


def slow_view(server) -> str:
    server.run(
        "CREATE OR REPLACE VIEW research.slow AS SELECT s AS pid, 1 AS n FROM generate_series(1, 2000) s WHERE current_setting('crossward.sleep', true) IS NULL "
        "OR pg_sleep(current_setting('crossward.sleep')::float8) IS NOT NULL"
    )
    return "research.slow"


@contextmanager
def slowed(source):
    """Sessions of an engine whose view sleeps in every row."""
    connect = source.engine._connect

    def slow():
        connection = connect()
        connection.execute("SET crossward.sleep = '0.05'")
        return connection

    source.engine._connect = slow
    yield source


def running_statements(server) -> int:
    with server.session() as session:
        asked = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'reader' AND state = 'active'"
        return session.execute(asked).fetchone()[0]


def test_a_time_limit_and_a_cancellation_end_the_statement_in_the_server(server) -> None:
    columns = {"n": number()}
    with opened(server, slow_view(server), columns, {"rows_max": 5000}) as there, slowed(there):
        with pytest.raises(LocalTimeoutError):
            there.every_row(["n"], 0.5)
        assert running_statements(server) == 0
        ended = []

        def ask() -> None:
            try:
                there.every_row(["n"])
            except LocalTimeoutError as error:
                ended.append(error)

        thread = threading.Thread(target=ask)
        thread.start()
        while not running_statements(server):
            time.sleep(0.02)
        while thread.is_alive():  # a cancellation between two statements finds nothing
            there.engine.cancel()
            thread.join(0.1)
        assert len(ended) == 1
        assert running_statements(server) == 0
        assert there.is_in_service


def test_a_session_that_the_server_ends_is_a_lost_source_for_good(server) -> None:
    relation = made(server, "lost", "pid int, n int", "(1, 1)")
    with opened(server, relation, {"n": number()}) as there:
        assert there.every_row(["n"]).tolist() == [[1, 1]]
        server.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'reader'")
        server.run(f"UPDATE {relation} SET n = 2")
        for _ in range(2):  # no later state is read in the place of the lost one
            with pytest.raises(SourceLostError):
                there.every_row(["n"])
        assert there.is_in_service


def test_a_session_that_ended_while_it_was_idle_is_replaced(server) -> None:
    relation = made(server, "idle", "pid int, n int", "(1, 1)")
    with opened(server, relation, {"n": number()}) as there:
        there.every_row(["n"])
        keeper = there.engine._keeper.info.backend_pid
        ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'reader' AND pid <> "
        server.run(f"{ended}{keeper}", f"UPDATE {relation} SET n = 2")
        assert there.every_row(["n"]).tolist() == [[1, 1]]


def test_a_server_that_stops_answering_ends_a_statement_in_time() -> None:
    with running() as server:
        relation = made(server, "frozen", "pid int, n int", "(1, 1)")
        with opened(server, relation, {"n": number()}) as there:
            there.every_row(["n"])
            stopped = [server.process.pid, *children(server.process.pid)]
            for pid in stopped:
                os.kill(pid, 19)  # SIGSTOP
            started = time.monotonic()
            try:
                with pytest.raises(LocalTimeoutError):
                    there.every_row(["n"], 0.5)
            finally:
                for pid in stopped:
                    os.kill(pid, 18)
            assert time.monotonic() - started < 60


def children(pid: int) -> list[int]:
    import psutil

    return [child.pid for child in psutil.Process(pid).children(recursive=True)]


def test_a_server_that_is_gone_in_the_middle(server) -> None:
    with running() as gone:
        relation = made(gone, "gone", "pid int, n int", "(1, 1)")
        there = opened(gone, relation, {"n": number()})
    with there, pytest.raises(SourceLostError) as caught:
        there.every_row(["n"], 5)
    assert "127.0.0.1" not in str(caught.value)
    with pytest.raises(SchemaMismatchError, match=r"cannot be reached|cannot be read"):
        opened(gone, relation, {"n": number()})


def test_a_server_that_is_lost_while_the_node_reads_refuses_the_source(server) -> None:
    relation = made(server, "big", "pid int, n int", "(1, 1)")
    server.run(
        "CREATE OR REPLACE VIEW research.endless AS SELECT s AS pid, 1 AS n, repeat('x', 10000) AS w FROM generate_series(1, 10000000) s"
    )
    threading.Timer(
        1.0,
        lambda: server.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'reader'"),
    ).start()
    with pytest.raises(SchemaMismatchError, match="lost while the table was read"):
        opened(server, "research.endless", {"n": number()}, engine="")
    assert relation


def test_the_engine_and_the_address_go_together() -> None:
    access = ServerAccess(url="postgresql://a@b/c")
    for bad in (
        {"kind": "postgresql", "relation": "t"},
        {"kind": "csv", "server": access},
        {"kind": "postgresql", "relation": "t", "server": access, "engine": "duckdb"},
        {"kind": "postgresql", "relation": "t", "server": ServerAccess(url="postgresql://a:pw@b/c")},
        {"kind": "postgresql", "relation": "t", "server": ServerAccess(url="postgresql://b/c?password=x")},
        {"kind": "postgresql", "relation": "t", "server": ServerAccess(url="mysql://b/c")},
        {"kind": "postgresql", "relation": "a.b.c", "server": access},
    ):
        with pytest.raises(SchemaMismatchError):
            SourceSpec(**bad)
    assert postgresql_engine.CLOSE_LIMIT_S > 0
    assert BIG > 2**53

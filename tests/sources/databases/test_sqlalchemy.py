"""Tables that SQLAlchemy reaches: the contract of every kind of source, with SQLite, DuckDB, PostgreSQL and MariaDB."""

import sqlite3
import sys
from contextlib import closing
from dataclasses import replace

import duckdb
import pytest

from analytics.errors import SchemaMismatchError
from analytics.sources import CellRules, SourceSpec
from analytics.sources.formats import FORMATS, server_kind_of, sqlalchemy_table
from analytics.sources.inspection import inspected
from analytics.sources.servers import sqlalchemy_session
from analytics.sources.servers.access import ServerAccess
from analytics.sources.spec import DEFAULT_VIEW
from federation.errors import ConfigError
from federation.setup.infer_schema import guess_table
from federation.setup.site_rows import site_rows
from tests.sources import mariadb_server, servers
from tests.sources.test_format_contract import COLUMNS, opened, rows, table_of
from tests.sources.writers import NAMES, ROWS, TYPES, duckdb_file, sqlite_file

CANARY = "CANARY73519"
FORMAT = FORMATS["sqlalchemy"]


class Database:
    """Makes tables as their owner, and gives sources that a reader opens."""

    url = ""
    types = TYPES
    secret = None

    def __init__(self, folder):
        self.folder = folder

    def spec(self, relation="v", **changes):
        access = {"url": self.url}
        if self.secret:
            path = self.folder / "password"
            path.write_text(self.secret + "\n")
            path.chmod(0o600)
            access["password_file"] = path
        return SourceSpec(kind="sqlalchemy", server=ServerAccess(**(access | changes)), relation=relation)

    def table(self, names=NAMES, types=None, cells=ROWS):
        raise NotImplementedError

    def run(self, statement):
        raise NotImplementedError


class OfSQLite(Database):
    types = ("VARCHAR", "INTEGER", "NUMERIC", "BIGINT", "DATE", "BOOLEAN", "VARCHAR")

    @property
    def url(self):
        return f"sqlite:///{self.folder}/rows.sqlite"

    def table(self, names=NAMES, types=None, cells=ROWS):
        (self.folder / "rows.sqlite").unlink(missing_ok=True)
        sqlite_file(self.folder, names, types or self.types, cells)
        return self.spec()

    def run(self, statement):
        with closing(sqlite3.connect(self.folder / "rows.sqlite")) as database:
            database.executescript(statement)


class OfDuckDB(Database):
    @property
    def url(self):
        return f"duckdb:///{self.folder}/rows.duckdb"

    def table(self, names=NAMES, types=None, cells=ROWS):
        (self.folder / "rows.duckdb").unlink(missing_ok=True)
        duckdb_file(self.folder, names, types or self.types, cells)
        return self.spec()

    def run(self, statement):
        with duckdb.connect(str(self.folder / "rows.duckdb")) as database:
            database.execute(statement)


class OfServer(Database):
    quote = '"'

    def __init__(self, folder, server):
        super().__init__(folder)
        self.server = server

    def run(self, statement):
        self.server.run(*(part for part in statement.split(";\n") if part.strip()))

    def filled(self, place, names, types, cells):
        columns = ", ".join(
            f"{self.quote}{name}{self.quote} {kind}" for name, kind in zip(names, types, strict=True)
        )
        self.server.run(f"DROP TABLE IF EXISTS {place}", f"CREATE TABLE {place} ({columns})")
        for row in cells:
            self.server.run(f"INSERT INTO {place} VALUES ({', '.join(map(self.literal, row))})")

    @staticmethod
    def literal(value):
        if value is None or isinstance(value, bool):
            return {None: "NULL", True: "TRUE", False: "FALSE"}[value]
        text = str(value).replace("'", "''")
        return f"'{text}'"


class OfPostgreSQL(OfServer):
    secret = servers.READER

    @property
    def url(self):
        return self.server.url().replace("postgresql://", "postgresql+psycopg://")

    def table(self, names=NAMES, types=None, cells=ROWS):
        self.filled("research.v", names, types or self.types, cells)
        return self.spec()

    def spec(self, relation="research.v", **changes):
        return super().spec(relation, **changes)


class OfMariaDB(OfServer):
    quote = "`"
    secret = mariadb_server.SECRET
    types = ("VARCHAR(20)", "INTEGER", "DECIMAL(8,2)", "BIGINT", "DATE", "BOOLEAN", "VARCHAR(40)")

    @property
    def url(self):
        return self.server.url

    def table(self, names=NAMES, types=None, cells=ROWS):
        self.filled("registry.v", names, types or self.types, cells)
        return self.spec()


DIALECTS = {
    "sqlite": lambda request, folder: OfSQLite(folder),
    "duckdb": lambda request, folder: OfDuckDB(folder),
    "postgresql": lambda request, folder: OfPostgreSQL(folder, request.getfixturevalue("server")),
    "mariadb": lambda request, folder: OfMariaDB(folder, request.getfixturevalue("mariadb")),
}
SERVED = [pytest.param(name, marks=pytest.mark.slow) for name in ("postgresql", "mariadb")]


@pytest.fixture(params=["sqlite", "duckdb", *SERVED])
def database(request, tmp_path):
    return DIALECTS[request.param](request, tmp_path)


@pytest.fixture(params=SERVED)
def served(request, tmp_path):
    return DIALECTS[request.param](request, tmp_path)


def refused(spec, table=None):
    with pytest.raises(SchemaMismatchError) as caught:
        opened(spec, table)
    assert CANARY not in str(caught.value)
    return str(caught.value)


def test_equal_cells_become_equal_rows(database):
    source = opened(database.table())
    assert [
        (each.name, each.missing, each.clipped, each.outside_domain) for each in source.report.columns
    ] == [
        ("n", 1, 2, 0),
        ("price", 1, 1, 0),
        ("code", 1, 0, 1),
        ("day", 1, 0, 1),
        ("flag", 2, 0, 0),
        ("word", 2, 0, 0),
    ]
    assert source.report.rows_without_unit == 1
    assert rows(source) == [
        (40, 125, 1, 1, True, 0, 1),
        (0, 9999, 0, 0, False, 1, 2),
        (100, None, None, None, None, None, 2),
        (None, 0, None, None, None, None, 3),
    ]


def test_a_view_and_words_for_missing_are_those_of_every_kind(database):
    view = "SELECT pid, as_number(n) + 1 AS n, CASE WHEN as_boolean(flag) THEN 'y' END AS word FROM source"
    columns = {"n": COLUMNS["n"], "word": {"type": "categorical", "domain": ["y"]}}
    spec = replace(database.table(), view=view, cells=CellRules(missing=("40", "999")))
    assert rows(opened(spec, table_of(columns))) == [
        (None, 0, 1),
        (0, None, 2),
        (None, None, 2),
        (None, None, 3),
    ]


def test_it_is_inspected_before_there_is_a_schema_and_columns_are_chosen(database):
    spec = database.table()
    with inspected(spec, name="a", view=DEFAULT_VIEW, cells=CellRules()) as connection:
        assert connection.execute("SELECT count(*) FROM source").fetchall() == [(5,)]
    with duckdb.connect() as connection:
        assert FORMAT.heading(connection, spec).names == NAMES
        with FORMAT.open(connection, replace(spec, columns=("N", "pid")), database.folder) as found:
            assert found.names == ("pid", "n")
            assert connection.execute(f"SELECT count(c1) FROM {found.sql}").fetchall() == [(4,)]


def test_every_digit_stays_and_more_rows_than_a_batch(database, monkeypatch):
    monkeypatch.setattr(sqlalchemy_table, "_BATCH_ROWS", 2)
    big, small = 2**63 - 1, "12345678901234567890.12"
    wide = "TEXT" if isinstance(database, OfSQLite) else "DECIMAL(30,2)"
    spec = database.table(("i", "An other"), ("BIGINT", wide), tuple((big - k, small) for k in range(5)))
    with duckdb.connect() as connection, FORMAT.open(connection, spec, database.folder) as found:
        assert found.names == ("i", "An other")
        cells = connection.execute(f"SELECT c0, c1 FROM {found.sql} ORDER BY c0").fetchall()
    assert cells == [(str(big - k), small) for k in range(4, -1, -1)]


def test_a_moment_is_written_in_utc_and_bytes_are_refused_by_their_column(request, tmp_path):
    database = OfDuckDB(tmp_path)
    spec = database.table(("t", "u"), ("TIMESTAMPTZ", "TIME"), (("2020-01-01 00:30:00+02", "08:00:00"),))
    with duckdb.connect() as connection, FORMAT.open(connection, spec, tmp_path) as found:
        cells = connection.execute(f"SELECT c0, c1 FROM {found.sql}").fetchall()
    assert cells == [("2019-12-31 22:30:00+00:00", "08:00:00")]
    spec = database.table(("pid", "picture"), ("VARCHAR", "BLOB"), (("a", CANARY.encode()),))
    assert "picture" in refused(spec)


def test_the_session_cannot_write(database):
    spec = database.table()
    if isinstance(database, OfPostgreSQL):
        database.run("GRANT DELETE ON research.v TO reader")
    with sqlalchemy_session.session(spec.server, "v") as session, pytest.raises(Exception) as caught:
        session.exec_driver_sql(f"DELETE FROM {spec.relation}")
    assert any(word in str(caught.value).lower() for word in ("read-only", "read only", "readonly"))


def test_a_missing_table_or_schema_is_named_and_a_broken_view_is_said(database):
    spec = database.table()
    assert "no table or view nothing" in refused(replace(spec, relation="nothing"))
    assert "no table or view none.v" in refused(replace(spec, relation="none.v"))
    schema = "registry" if isinstance(database, OfMariaDB) else spec.relation.rpartition(".")[0]
    gone, view = (f"{schema}.{name}" if schema else name for name in ("gone", "broken"))
    database.run(f"CREATE TABLE {gone} (x INTEGER);\n")
    if isinstance(database, OfPostgreSQL):
        return  # it does not let a table go that a view needs
    database.run(f"CREATE VIEW {view} AS SELECT x FROM {gone};\n")
    database.run(f"DROP TABLE {gone};\n")
    reason = refused(replace(spec, relation=view))
    assert "cannot be read" in reason or "no table or view" in reason


def test_a_word_of_the_site_s_view_is_named(database):
    spec = replace(database.table(), view="SELECT pid, n, pricee AS price FROM source")
    assert "pricee" in refused(spec)


def test_a_stream_beyond_its_time_is_refused(database, monkeypatch):
    spec = database.table()
    monkeypatch.setattr(sqlalchemy_table, "_BATCH_ROWS", 1)
    within = sqlalchemy_session.within_time

    def soon(connection):
        return within(connection, 0.05)

    def slowly(opened_, selected, over, read=sqlalchemy_table._rows):
        for row in read(opened_, selected, over):
            assert over.wait(10)
            yield row

    monkeypatch.setattr(sqlalchemy_table, "within_time", soon)
    monkeypatch.setattr(sqlalchemy_table, "_rows", slowly)
    assert "in time" in refused(spec)


def test_a_server_that_is_gone_in_the_middle_refuses_the_source(database, monkeypatch):
    spec = database.table()

    def broken(opened_, selected, over, read=sqlalchemy_table._rows):
        for row in read(opened_, selected, over):
            yield row
            raise OSError(CANARY)

    monkeypatch.setattr(sqlalchemy_table, "_rows", broken)
    assert "the server was lost" in refused(spec)


def test_a_wrong_password_is_said_and_not_shown(served):
    spec = served.table()
    wrong = served.folder / "wrong"
    wrong.write_text(CANARY)
    wrong.chmod(0o600)
    bad = replace(spec, server=replace(spec.server, password_file=wrong))
    assert "refused the login or its password" in refused(bad)
    wrong.chmod(0o644)
    assert "chmod 600" in refused(bad)


def test_a_server_that_is_not_there_is_said(served):
    spec = served.table()
    closed = replace(
        spec.server, url=spec.server.url.replace(str(served.server.port), str(servers.free_port()))
    )
    assert "cannot be reached" in refused(replace(spec, server=closed))


@pytest.mark.parametrize(
    "url",
    [
        f"mysql+pymysql://reader:{CANARY}@db/registry",
        f"oracle+oracledb://reader:{CANARY}/x@db/registry",
        f"mysql+pymysql://reader@db/registry?password={CANARY}",
        f"mssql+pyodbc://reader@db/registry?odbc_connect=PWD%3D{CANARY}",
        f"mssql+pyodbc://reader@db/registry?x=PWD%3D{CANARY}",
        f"snowflake://reader@db/registry?TOKEN={CANARY}",
        f"mysql+pymysql://reader:{CANARY}?x@db/registry",
    ],
)
def test_an_address_with_a_password_is_refused_without_its_text(url):
    with pytest.raises(SchemaMismatchError, match="no password may stand") as caught:
        SourceSpec(kind="sqlalchemy", server=ServerAccess(url=url), relation="v")
    assert CANARY not in str(caught.value)


def test_what_is_not_installed_is_said(tmp_path, monkeypatch):
    def of(url):
        return refused(SourceSpec(kind="sqlalchemy", server=ServerAccess(url=url), relation="v"))

    assert "no such dialect or driver" in of(f"nodialect{CANARY}://reader@db/registry")
    assert "not installed" in of("oracle+cx_oracle://reader@db/registry")
    assert "no database file" in of(f"sqlite:///{tmp_path}/none.sqlite")
    assert not (tmp_path / "none.sqlite").exists()
    assert "no database file" in of("sqlite://")
    assert "no URL" in of("mysql+pymysql://reader@db:port/registry")
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    assert "crossward[sqlalchemy]" in of("mysql+pymysql://reader@db/registry")


def test_addresses_and_kinds():
    assert server_kind_of("mysql+pymysql://db/x") == "sqlalchemy"
    assert server_kind_of("postgresql+psycopg://db/x") == "sqlalchemy"
    assert server_kind_of("postgresql://db/x") == "postgresql"
    assert server_kind_of("sc://db") == "spark"
    assert server_kind_of("C:/rows.csv") is None
    access = ServerAccess(url="mysql+pymysql://db/x")
    assert FORMAT.mistake("a.b.c")
    with pytest.raises(SchemaMismatchError, match="go together"):
        SourceSpec(kind="postgresql", server=access, relation="v")
    with pytest.raises(SchemaMismatchError, match="cannot stay"):
        SourceSpec(kind="sqlalchemy", server=access, relation="v", engine="sqlalchemy")


def test_a_first_schema_is_guessed_and_a_table_asked_for(database):
    spec = database.table()
    settings = {"password_file": str(spec.server.password_file)} if spec.server.password_file else {}
    found = guess_table(
        site_rows("anna", f"{database.url}#{spec.relation}", settings=settings, view=DEFAULT_VIEW), "t"
    )
    assert "pid" in found.schema
    assert "price = " in found.schema
    with pytest.raises(ConfigError, match="name the table") as caught:
        site_rows("anna", database.url, settings=settings, view=DEFAULT_VIEW)
    if isinstance(database, OfSQLite | OfMariaDB):
        assert "v" in str(caught.value).rpartition("may read")[2]

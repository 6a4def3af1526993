"""A session in any database that SQLAlchemy reaches: read-only and timed where its dialect has words for it.

Layer:       analytics.sources.servers above access.
Guarantees:  a password is joined to the address in memory alone. Nothing but SELECT is sent besides the words of ``_DIALECTS``.
             A statement beyond its time is ended by the server where its dialect can do that, and by this side where its driver
             can cancel one; between two batches this side stops in any case. No text of the server's or a driver's goes on.
See instead: PostgreSQL and Spark, whose tables can stay where they are (``access``, ``spark_session``).
Source:      ours; SQLAlchemy 2's "Engine Configuration"; the manuals of SQLite, MySQL 8, MariaDB 10.11, PostgreSQL 15, Oracle 19.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from analytics.errors import SchemaMismatchError
from analytics.sources.servers.access import password_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import sqlalchemy
    from sqlalchemy.engine import URL

    from analytics.sources.servers.access import ServerAccess

LIMIT_S: Final = 3600
_CONNECT_S: Final = 10
_SILENCE_S: Final = 600  # of a server, where the driver cannot cancel


@dataclass(frozen=True, slots=True, kw_only=True)
class _Dialect:
    """How a session of one dialect is made.

    Attributes:
        words: statements at its beginning, each a transaction of its own: they hold from the next one on.
        begin: a statement that begins the transaction which reads; empty: the first SELECT does.
        limits: statements that set its time limit, with ``{s}`` and ``{ms}``; the first that the server takes holds.
        is_file: whether its database is a file that must be there.
    """

    words: tuple[str, ...] = ()
    begin: str = ""
    limits: tuple[str, ...] = ()
    is_file: bool = False


_MYSQL: Final = _Dialect(
    words=("SET SESSION TRANSACTION READ ONLY", "SET time_zone = '+00:00'"),
    limits=("SET SESSION max_statement_time = {s}", "SET SESSION max_execution_time = {ms}"),
)
_DIALECTS: Final[Mapping[str, _Dialect]] = {
    "sqlite": _Dialect(words=("PRAGMA query_only = ON", "PRAGMA trusted_schema = OFF"), is_file=True),
    "duckdb": _Dialect(is_file=True),
    "mysql": _MYSQL,
    "mariadb": _MYSQL,
    "postgresql": _Dialect(
        words=("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", "SET timezone = 'UTC'"),
        limits=("SET statement_timeout = {ms}",),
    ),
    "oracle": _Dialect(begin="SET TRANSACTION READ ONLY"),
}
_TIMES: Final = {"connect_timeout": _CONNECT_S}
_SILENCES: Final = {**_TIMES, "read_timeout": _SILENCE_S}
_ARGUMENTS: Final[Mapping[str, Mapping[str, Any]]] = {  # by driver: they have no common names
    "duckdb_engine": {"read_only": True},
    "psycopg": _TIMES,
    "psycopg2": _TIMES,
    "pymysql": _SILENCES,
    "mysqldb": _SILENCES,
}
_REFUSED: Final = ("access denied", "password", "authentication", "login failed", "ora-01017")
_ENDS: Final = ("cancel", "interrupt")


@contextmanager
def session(access: ServerAccess, source: str) -> Iterator[sqlalchemy.Connection]:
    """A session until the context ends.

    Args:
        access: the address and its password.
        source: what messages call the source.

    Raises:
        SchemaMismatchError: no such dialect, driver or file, the login is refused, or the server is not reached.
    """
    alchemy = _sqlalchemy(source)
    url = _address(access, source, alchemy)
    own = _DIALECTS.get(url.get_backend_name(), _Dialect())
    if own.is_file and not (url.database and Path(url.database).is_file()):
        raise SchemaMismatchError(source=source, reason="the address names no database file that is there")
    try:
        engine = alchemy.create_engine(
            url,
            poolclass=alchemy.NullPool,
            hide_parameters=True,
            connect_args=dict(_ARGUMENTS.get(url.get_driver_name(), {})),
        )
    except ImportError:
        reason = f"the driver of {url.drivername} is not installed"
        raise SchemaMismatchError(source=source, reason=reason) from None
    except Exception:  # noqa: BLE001  of a third party's dialect; its text can hold the address
        raise SchemaMismatchError(
            source=source, reason="the address is none of its SQLAlchemy dialect"
        ) from None
    try:
        connection = engine.connect()
    except Exception as error:  # noqa: BLE001  drivers raise what they like; its text can quote data
        said = str(error).lower()
        is_refused = any(word in said for word in _REFUSED)
        reason = (
            "the server refused the login or its password" if is_refused else "the server cannot be reached"
        )
        raise SchemaMismatchError(source=source, reason=reason) from None
    with connection:
        _begin(connection, own, source)
        yield connection


@contextmanager
def within_time(connection: sqlalchemy.Connection, limit_s: float = LIMIT_S) -> Iterator[threading.Event]:
    """End what the session does once the time is over, from another thread.

    Args:
        connection: the session.
        limit_s: seconds.

    Yields:
        Whether the time was over.
    """
    over = threading.Event()
    driver = connection.connection.driver_connection

    def end() -> None:
        over.set()
        for name in _ENDS:
            if (act := getattr(driver, name, None)) is not None:
                with suppress(Exception):  # it ended meanwhile
                    act()
                return

    timer = threading.Timer(limit_s, end)
    timer.daemon = True
    timer.start()
    try:
        yield over
    finally:
        timer.cancel()


def _begin(connection: sqlalchemy.Connection, own: _Dialect, source: str) -> None:
    """Say the dialect's words.

    Raises:
        SchemaMismatchError: the server does not take one.
    """
    try:
        for word in own.words:
            connection.exec_driver_sql(word)
            connection.commit()
        for limit in own.limits:
            if _is_taken(connection, limit.format(s=LIMIT_S, ms=LIMIT_S * 1000)):
                break
        if own.begin:
            connection.exec_driver_sql(own.begin)
    except Exception:  # noqa: BLE001  drivers raise what they like
        reason = "the server does not let the session be read-only"
        raise SchemaMismatchError(source=source, reason=reason) from None


def _is_taken(connection: sqlalchemy.Connection, limit: str) -> bool:
    """Whether the server takes a time limit; where it takes none, this side's own holds alone."""
    try:
        connection.exec_driver_sql(limit)
    except Exception:  # noqa: BLE001  drivers raise what they like
        connection.rollback()
        return False
    connection.commit()
    return True


def _address(access: ServerAccess, source: str, alchemy: Any) -> URL:
    password = password_of(access, source)
    try:
        url: URL = alchemy.make_url(access.url)
        url.get_dialect()
    except ImportError:  # a dialect's module that needs its driver
        raise SchemaMismatchError(
            source=source, reason="the driver of the address is not installed"
        ) from None
    except alchemy.exc.NoSuchModuleError:
        reason = "SQLAlchemy has no such dialect or driver here: install its package"
        raise SchemaMismatchError(source=source, reason=reason) from None
    except Exception:  # noqa: BLE001  its text holds the address
        raise SchemaMismatchError(source=source, reason="the address is no URL of SQLAlchemy") from None
    return url if password is None else url.set(password=password)


def _sqlalchemy(source: str) -> Any:
    try:
        import sqlalchemy
    except ImportError:
        reason = "this address needs an extra of the installation: pip install 'crossward[sqlalchemy]'"
        raise SchemaMismatchError(source=source, reason=reason) from None
    return sqlalchemy

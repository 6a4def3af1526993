"""How a site's node reaches a server: its address and secret; for PostgreSQL a session that cannot write.

Layer:       analytics.sources.servers above addresses.
Guarantees:  no password stands in a site file or an address: it comes from a variable that the site file names, from a
             file that its owner alone can read, or from where libpq itself looks (``PGPASSWORD``, ``~/.pgpass``). Every
             session is read-only, speaks UTC and ISO dates, and its server ends a statement that is beyond its time. No
             text of the server's goes on: it can quote data.
See instead: a Spark cluster's session (``spark_session``).
Source:      ours; PostgreSQL 15's manual, "Connection Strings", "Client Connection Defaults"; psycopg 3.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from analytics.errors import SchemaMismatchError
from analytics.sources.servers.addresses import address_mistakes

if TYPE_CHECKING:
    from pathlib import Path

    import psycopg

READ_ONLY: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
OLDEST: Final = 120_000  # the first version whose common table expressions are not computed as a whole
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_SESSION: Final = (
    "-c default_transaction_read_only=on -c idle_in_transaction_session_timeout=0 -c timezone=UTC -c datestyle=ISO "
    "-c extra_float_digits=1 -c lock_timeout=10000"
)
_DEFAULTS: Final = {
    "connect_timeout": "10",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "application_name": "crossward",
}
_SAID: Final = (
    ("password authentication failed", "the server refused the password"),
    (
        "no password supplied",
        "the server asks for a password: name password_file or password_env in the site file",
    ),
    ("does not exist", "the server knows no such login or database"),
    ("no pg_hba.conf entry", "the server allows no such login from this machine, or not without TLS"),
    ("certificate", "the server's certificate could not be verified"),
    ("SSL", "the server and this machine could not agree on TLS"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerAccess:
    """Where a server is and how to log in.

    Attributes:
        url: ``postgresql://USER@HOST:PORT/DATABASE?sslmode=verify-full&sslrootcert=FILE``, libpq's options after the ``?``; or
            ``sc://HOST:PORT/;use_ssl=true;user_id=USER`` of Spark Connect; or any URL of SQLAlchemy.
        password_env: name of the environment variable that holds the password, for Spark its token; empty: none.
        password_file: a file that holds it in its first line, mode 0600 or less; None: none.
        version: what the administrator calls the present state of the table; a copy of the clean table is used while it stays.
    """

    url: str
    password_env: str = ""
    password_file: Path | None = None
    version: str = ""

    def mistakes(self) -> list[str]:
        """What is wrong with the address, in sentences."""
        found = address_mistakes(self.url, has_secret=bool(self.password_env or self.password_file))
        if self.password_env and self.password_file:
            found.append("password_env and password_file: name one of them")
        return found


def password_of(access: ServerAccess, source: str) -> str | None:
    """The password that the site file points to; None where libpq shall look for itself.

    Args:
        access: the server.
        source: what messages call the source.

    Raises:
        SchemaMismatchError: the variable is not set, or the file cannot be read or can be read by others.
    """
    if access.password_env:
        found = os.environ.get(access.password_env)
        if not found:
            reason = f"the environment variable {access.password_env} (password_env) is not set"
            raise SchemaMismatchError(source=source, reason=reason)
        return found
    if access.password_file is None:
        return None
    try:
        with access.password_file.open(encoding="utf-8") as stream:
            if os.fstat(stream.fileno()).st_mode & _OTHERS:
                reason = f"{access.password_file.name} can be read by others: chmod 600"
                raise SchemaMismatchError(source=source, reason=reason)
            return stream.readline().rstrip("\r\n")
    except (OSError, UnicodeError):
        reason = f"the password cannot be read from {access.password_file.name} (password_file)"
        raise SchemaMismatchError(source=source, reason=reason) from None


def connect(access: ServerAccess, source: str) -> psycopg.Connection[Any]:
    """Open a session; every statement is a transaction of its own unless one is begun.

    Args:
        access: the server.
        source: what messages call the source.

    Raises:
        SchemaMismatchError: the server is not reached, or refuses.
    """
    driver = _psycopg(source)
    password = password_of(access, source)
    try:
        given = driver.conninfo.conninfo_to_dict(access.url)
        options = f"{given.pop('options', '')} {_SESSION}".strip()
        named = _DEFAULTS | given | ({} if password is None else {"password": password})
        connection: psycopg.Connection[Any] = driver.connect(
            **named, options=options, client_encoding="utf8", autocommit=True, prepare_threshold=None
        )
    except driver.Error as error:
        said = str(error)
        reason = next((meaning for text, meaning in _SAID if text in said), "the server cannot be reached")
        raise SchemaMismatchError(source=source, reason=reason) from None
    wrong = ""
    if connection.info.server_version < OLDEST:
        wrong = f"PostgreSQL {OLDEST // 10_000} or newer is needed"
    elif connection.info.parameter_status("server_encoding") != "UTF8":
        wrong = "the database's encoding must be UTF8"
    if wrong:
        connection.close()
        raise SchemaMismatchError(source=source, reason=wrong)
    return connection


def _psycopg(source: str) -> Any:
    try:
        import psycopg
        import psycopg.conninfo
    except ImportError:
        reason = "PostgreSQL needs an extra of the installation: pip install 'crossward[postgres]'"
        raise SchemaMismatchError(source=source, reason=reason) from None
    return psycopg

"""The storage of a site's ledger, as its site file states: its node opens it to write, its administrator to read.

Layer:       federation.node.ledger.storage.
Guarantees:  no message contains the connection data of the database server, such as its password.
See instead: the stored content (``privacy_accounting.ledger``).
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Final

from federation.errors import ConfigError
from privacy_accounting.errors import LedgerRefusedError
from privacy_accounting.ledger.storage.sqlite import SqliteStore

if TYPE_CHECKING:
    from pathlib import Path

    from federation.consortium.site_file import SiteConfig
    from privacy_accounting.ledger.storage.postgres import PostgresStore
    from privacy_accounting.ledger.storage.store import Store

LEDGER: Final = "ledger.sqlite"


def ledger_file(config: SiteConfig) -> Path:
    """The path of the ledger file, for a ledger in a file."""
    return config.state / LEDGER


def is_in_postgres(config: SiteConfig) -> bool:
    """Whether the ledger is in a database server."""
    return config.file.ledger.postgres is not None


def describe_ledger(config: SiteConfig) -> str:
    """The place of the ledger, as text."""
    if is_in_postgres(config):
        return f"schema {schema_of(config)} of the PostgreSQL server"
    return str(ledger_file(config))


def schema_of(config: SiteConfig) -> str:
    """The ledger's schema in the database server."""
    return config.file.ledger.schema_name or f"crossward_{config.file.site.replace('-', '_')}"[:40]


def open_ledger(config: SiteConfig) -> Store:
    """Open a site's ledger to write; there is one writer at a time.

    Args:
        config: the site's configuration.

    Returns:
        The store; empty at the first start.

    Raises:
        ConfigError: the extra ``postgres`` is not installed.
        LedgerRefusedError: the ledger belongs to another site, is in use, or cannot be reached.
    """
    if is_in_postgres(config):
        kind = _postgres()
        return kind(conninfo(config), owner=config.file.site, schema=schema_of(config))
    config.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    return SqliteStore(ledger_file(config), owner=config.file.site)


def read_ledger(config: SiteConfig) -> PostgresStore | SqliteStore:
    """Open a site's ledger to read, also beside the running node; errors as ``open_ledger``.

    Raises:
        LedgerRefusedError: also if there is no ledger yet.
    """
    if is_in_postgres(config):
        store: PostgresStore | SqliteStore = _postgres().read_only(conninfo(config), schema=schema_of(config))
    else:
        store = SqliteStore.read_only(ledger_file(config))
    if store.owner != config.file.site:
        store.close()
        raise LedgerRefusedError(reason=f"this is the ledger of {store.owner}, not of {config.file.site}")
    return store


def conninfo(config: SiteConfig) -> str:
    """The connection string of the server; only for the driver.

    Raises:
        ConfigError: the ledger is in a file.
    """
    secret = config.file.ledger.postgres
    if secret is None:
        raise ConfigError(mistakes=["ledger: the site file names no PostgreSQL server"])
    return secret.get_secret_value()


def _postgres() -> type[PostgresStore]:
    """The store's class; its driver is an extra.

    Raises:
        ConfigError: the driver is not installed.
    """
    if importlib.util.find_spec("psycopg") is None:
        raise ConfigError(mistakes=["ledger.postgres: needs the extra: pip install 'crossward[postgres]'"])
    from privacy_accounting.ledger.storage.postgres import PostgresStore

    return PostgresStore

"""Addresses of servers, as a site file writes them: what is wrong with one, before anything is asked.

Layer:       analytics.sources.servers, the lowest of the package.
Guarantees:  an address that holds a password or a token is refused, and one over which rows of a Spark cluster would travel
             unencrypted to another machine.
Source:      ours; PostgreSQL 15's manual, "Connection Strings"; Spark's "Client Connection String";
             SQLAlchemy 2, "Database URLs".
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import parse_qsl, urlsplit

POSTGRESQL_SCHEMES: Final = ("postgresql://", "postgres://")
SPARK_SCHEMES: Final = ("sc://",)
ANY_SCHEME: Final = "://"  # of no other kind: a dialect and driver of SQLAlchemy stand before it
_HERE: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_SPARK_KEYS: Final = frozenset({"use_ssl", "user_id", "user_agent", "grpc_max_message_size"})
_DIALECT: Final = re.compile(r"[a-z][a-z0-9_.-]*(\+[a-z0-9_]+)?://", re.IGNORECASE)
_SECRET_KEY: Final = re.compile(r"pass|pwd|token|secret|odbc_connect|credential", re.IGNORECASE)
_SECRET_VALUE: Final = re.compile(r"(pwd|password|token|secret)\s*=", re.IGNORECASE)
_HOLDS_ONE: Final = "no password may stand in the address: name password_file or password_env"


def address_mistakes(url: str, *, has_secret: bool) -> list[str]:
    """What is wrong with an address, in sentences without its text.

    Args:
        url: as the site file has it.
        has_secret: whether a password or token is sent.
    """
    if url.startswith(SPARK_SCHEMES):
        return _spark_mistakes(url, has_secret=has_secret)
    if not url.startswith(POSTGRESQL_SCHEMES):
        return _other_mistakes(url)
    holds_password = ":" in url.partition("://")[2].partition("@")[0] and "@" in url
    return [_HOLDS_ONE] if holds_password or "password=" in url else []


def _other_mistakes(url: str) -> list[str]:
    """Of an address of SQLAlchemy."""
    if not _DIALECT.match(url):
        return ["the address of a server begins with postgresql://, sc:// or DIALECT+DRIVER:// of SQLAlchemy"]
    rest, _, options = url.partition("://")[2].partition("?")
    holds_password = "@" in rest and ":" in rest.rpartition("@")[0]
    # an "@" behind the question mark: part of the password, since SQLAlchemy reads the login up to the last one
    holds_password = holds_password or ("@" in options and ":" in rest)
    secrets = any(
        _SECRET_KEY.search(key) or _SECRET_VALUE.search(value)
        for key, value in parse_qsl(options, keep_blank_values=True)
    )
    return [_HOLDS_ONE] if holds_password or secrets else []


def _spark_mistakes(url: str, *, has_secret: bool) -> list[str]:
    address, _, options = url.partition("/;")
    pairs = [option.partition("=") for option in options.split(";") if option]
    keys = {key: value for key, _, value in pairs}
    if "token" in keys or "password" in keys or ":" in address.partition("://")[2].rpartition("@")[0]:
        return [_HOLDS_ONE]
    found = []
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
        is_plain = (
            bool(host) and port != 0 and not (parts.query or parts.fragment) and parts.path in {"", "/"}
        )
    except ValueError:
        host, is_plain = "", False
    if not is_plain or "@" in address or ";" in address:
        found.append("the address of a Spark cluster is sc://HOST:PORT/;key=value")
    if unknown := sorted(set(keys) - _SPARK_KEYS):
        found.append(
            f"keys of a Spark cluster's address are {', '.join(sorted(_SPARK_KEYS))}, not {unknown[0][:40]}"
        )
    if keys.get("use_ssl", "false").lower() not in {"true", "false"}:
        found.append("use_ssl is true or false")
    is_encrypted = keys.get("use_ssl", "").lower() == "true" or has_secret
    if host and host not in _HERE and not is_encrypted:
        found.append("without use_ssl=true rows would travel unencrypted to this machine")
    return found

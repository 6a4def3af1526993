"""The texts of the requests that a site has signed, for its administrator and for auditors.

Layer:       federation.node.records.request_texts, below site_node. One SQLite file beside the ledger; memory without a path.
Guarantees:  a text is written before the site signs its charge. Where it cannot be written, or an analyst's texts
             reach their limit, the site signs nothing for that request: no request is answered of which the site keeps
             no text. The end of the program loses no text; a power failure may lose those of the last seconds, which
             the other sites have. The bytes are those that the analyst signed; no row, share or answer is ever written here. The
             ledger never reads this file, and verifies without it.
See instead: refused requests (``refusals``), showing the texts (``federation.audit``).
Source:      ours; docs/accounting.md, "What was asked".
"""

from __future__ import annotations

import os
import sqlite3
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from federation.errors import ConfigError, PolicyRefusedError, SiteUnavailableError

if TYPE_CHECKING:
    from pathlib import Path

FILE: Final = "requests.sqlite"
PAGE_BYTES: Final = 1 << 20
PAGE_TEXTS: Final = 1_000
BUSY_S: Final = 1.0
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS texts (
    place INTEGER PRIMARY KEY AUTOINCREMENT, digest TEXT NOT NULL UNIQUE, analyst TEXT NOT NULL,
    time INTEGER NOT NULL, request BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS texts_of_analysts ON texts (analyst, place);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextPage:
    """Some kept texts.

    Attributes:
        texts: the requests' bytes by the request hash under which they were kept. A reader checks one against the other.
        next_after: ask for the texts after this place; None at the end.
    """

    texts: dict[str, bytes]
    next_after: int | None


class RequestTexts:
    """The kept texts of one site. Safe for several threads."""

    def __init__(self, path: Path | None, *, site: str, limit_bytes: int) -> None:
        """Open or create the file with mode 0600.

        Args:
            path: the file; None: memory, for a consortium inside one process.
            site: the name of this site, for errors.
            limit_bytes: of one analyst's texts (bytes).

        Raises:
            ConfigError: the file is damaged, or cannot be opened.
        """
        self._site, self._limit = site, limit_bytes
        self._lock = threading.Lock()
        self._connection = open_records(path, _SCHEMA)
        # NORMAL: one more wait for the disk would delay every question, and every site keeps a copy
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._bytes: dict[str, int] = dict(
            self._connection.execute("SELECT analyst, SUM(LENGTH(request)) FROM texts GROUP BY analyst")
        )

    def keep(self, digest: str, request: bytes, *, analyst: str, time: int) -> None:
        """Keep the text of a request, once; it is written when this returns.

        Args:
            digest: the request hash.
            request: canonical bytes, signed by the analyst.
            analyst: who signed it.
            time: seconds since 1970.

        Raises:
            PolicyRefusedError: the analyst's texts reach the limit of this site.
            SiteUnavailableError: the text cannot be written.
        """
        with self._lock:
            try:
                if self._has(digest):
                    return
                total = self._bytes.get(analyst, 0) + len(request)
                if total > self._limit:
                    rule = (
                        f"limits.request_text_bytes: at most {self._limit} bytes of request texts are kept for an "
                        "analyst, and this one has no space left; its administrator can move them away"
                    )
                    raise PolicyRefusedError(site=self._site, rule=rule)
                self._connection.execute(
                    "INSERT INTO texts (digest, analyst, time, request) VALUES (?, ?, ?, ?)",
                    (digest, analyst, time, request),
                )
            except sqlite3.Error as error:
                reason = "the text of the request cannot be kept on its disk, so it signs nothing"
                raise SiteUnavailableError(site=self._site, reason=reason) from error
            self._bytes[analyst] = total

    def page(self, after: int = 0, *, analyst: str | None = None) -> TextPage:
        """Return the next texts, in the order in which they came; at least one while there are any.

        Args:
            after: the place behind which to begin; 0 at first.
            analyst: only this analyst's; None: all.

        Raises:
            SiteUnavailableError: the file cannot be read.
        """
        with self._lock:
            try:
                return _page(self._connection, after, analyst)
            except sqlite3.Error as error:
                raise SiteUnavailableError(
                    site=self._site, reason="its request texts cannot be read"
                ) from error

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def _has(self, digest: str) -> bool:
        found = self._connection.execute("SELECT 1 FROM texts WHERE digest = ?", (digest,))
        return found.fetchone() is not None


def _page(connection: sqlite3.Connection, after: int, analyst: str | None) -> TextPage:
    rows = connection.execute(
        "SELECT place, digest, request FROM texts WHERE place > ? AND (? IS NULL OR analyst = ?) ORDER BY place",
        (after, analyst, analyst),
    )
    texts: dict[str, bytes] = {}
    n_bytes, last = 0, after
    for place, digest, request in rows:
        data = bytes(request) if isinstance(request, bytes) else str(request).encode()
        n_bytes += len(data)
        if texts and (n_bytes > PAGE_BYTES or len(texts) >= PAGE_TEXTS):
            return TextPage(texts=texts, next_after=last)
        texts[str(digest)] = data
        last = place
    return TextPage(texts=texts, next_after=None)


def read_texts(path: Path) -> dict[str, bytes]:
    """Read every text of a file, also beside the running node.

    Args:
        path: of the file.

    Returns:
        The requests' bytes by the hash under which they were kept; nothing is compared here.

    Raises:
        ConfigError: there is no such file, or it holds no request texts.
    """
    connection = read_records(path)
    try:
        texts: dict[str, bytes] = {}
        after: int | None = 0
        while after is not None:
            page = _page(connection, after, None)
            texts |= page.texts
            after = page.next_after
    except sqlite3.Error as error:
        raise ConfigError(mistakes=[f"{path.name} holds no request texts: {error}"]) from error
    finally:
        connection.close()
    return texts


def open_records(path: Path | None, schema: str) -> sqlite3.Connection:
    """Open or create a file of records with mode 0600; None: memory.

    Raises:
        ConfigError: it is damaged, or cannot be opened.
    """
    try:
        if path is not None:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600))
            path.chmod(0o600)
        connection = sqlite3.connect(
            ":memory:" if path is None else path,
            check_same_thread=False,
            isolation_level=None,
            timeout=BUSY_S,
        )
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(schema)
    except (sqlite3.Error, OSError) as error:
        name = "memory" if path is None else path.name
        mistake = f"{name} cannot be opened: {error}; move it away to begin a new one, and keep it"
        raise ConfigError(mistakes=[mistake]) from error
    return connection


def read_records(path: Path) -> sqlite3.Connection:
    """Open a file of records to read.

    Raises:
        ConfigError: there is no such file, or it cannot be opened.
    """
    if not path.is_file():
        raise ConfigError(mistakes=[f"cannot read {path}: there is no such file"])
    try:
        return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=BUSY_S)
    except sqlite3.Error as error:
        raise ConfigError(mistakes=[f"cannot read {path}: {error}"]) from error

"""The durable store of the sums that a key holder opened, or a site, so that a run goes on after it was started again.

Layer:       federation.aggregation.opened_sums. One SQLite file; no key, no ciphertext in it.
Guarantees:  a sum is on the disk before a receiver gets it. It is stored with its receivers, who get the same numbers
             whenever they ask; there is one sum for an attempt, for ever. A sum is deleted after ``KEPT_DAYS``, or
             earlier where all sums together need more than ``MOST_BYTES``: the oldest first. Only its owner may read the file.
See instead: which attempts were answered, whatever the outcome (``claims``): that record is never deleted.
Source:      rules P14, P15.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from federation.aggregation.manifest import Attempt

KEPT_DAYS: Final = 30
MOST_BYTES: Final = 1 << 30
_DAY_S: Final = 86_400
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS sums (
    run TEXT NOT NULL, round INTEGER NOT NULL, attempt INTEGER NOT NULL, manifest TEXT NOT NULL, sent BLOB NOT NULL,
    receivers TEXT NOT NULL, total BLOB NOT NULL, opened_s REAL NOT NULL, PRIMARY KEY (run, round, attempt));
CREATE TRIGGER IF NOT EXISTS sums_no_update BEFORE UPDATE ON sums
    BEGIN SELECT RAISE(ABORT, 'a sum is written once'); END;
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedSum:
    """One opened sum.

    Attributes:
        manifest: digest of its manifest.
        sent: hash of the encrypted sum that the aggregator sent.
        receivers: who may have it.
        values: little-endian int64.
    """

    manifest: str
    sent: bytes
    receivers: frozenset[str]
    values: bytes

    def __repr__(self) -> str:
        return f"OpenedSum({len(self.values)} bytes)"


class OpenedSums:
    """The sums in one file; may be used by any thread."""

    def __init__(self, path: Path | None, *, clock: Callable[[], float] = time.time) -> None:
        """Open or create the file with mode 0600; None keeps the sums in memory, until this process ends."""
        if path is not None:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600))
            path.chmod(0o600)
        self._connection = sqlite3.connect(path or ":memory:", check_same_thread=False, isolation_level=None)
        self._clock, self._lock = clock, threading.Lock()
        self._is_closed = False
        # EXTRA: the commit is durable, and so is the removal of the journal from its directory
        self._connection.execute("PRAGMA journal_mode = DELETE")
        self._connection.execute("PRAGMA synchronous = EXTRA")
        self._connection.execute("PRAGMA secure_delete = ON")
        self._connection.executescript(_SCHEMA)

    def keep(self, attempt: Attempt, opened: OpenedSum) -> None:
        """Store the sum of an attempt, and delete what is too old or too much.

        Raises:
            sqlite3.IntegrityError: there is a sum of this attempt.
        """
        now = self._clock()
        row = (
            attempt.run,
            attempt.round_number,
            attempt.attempt,
            opened.manifest,
            opened.sent,
            json.dumps(sorted(opened.receivers)),
            opened.values,
            now,
        )
        with self._lock:
            self._connection.execute("DELETE FROM sums WHERE opened_s < ?", (now - KEPT_DAYS * _DAY_S,))
            self._make_space(len(opened.values))
            self._connection.execute("INSERT INTO sums VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)

    def find(self, run: str, round_number: int, attempt: int) -> OpenedSum | None:
        """Return the sum of an attempt; None where there is none, or none any more."""
        found = (
            "SELECT manifest, sent, receivers, total FROM sums WHERE run = ? AND round = ? AND attempt = ?"
        )
        with self._lock:
            if self._is_closed:
                return None
            row = self._connection.execute(found, (run, round_number, attempt)).fetchone()
        if row is None:
            return None
        manifest, sent, receivers, values = row
        return OpenedSum(
            manifest=manifest, sent=sent, receivers=frozenset(json.loads(receivers)), values=values
        )

    def close(self) -> None:
        """Close the file; a thread that still asks gets None."""
        with self._lock:  # SQLite does not allow a connection to be closed while another thread uses it
            self._is_closed = True
            self._connection.close()

    def _make_space(self, wanted: int) -> None:
        (held,) = self._connection.execute("SELECT COALESCE(SUM(LENGTH(total)), 0) FROM sums").fetchone()
        while held and held + wanted > MOST_BYTES:
            oldest = "SELECT rowid, LENGTH(total) FROM sums ORDER BY opened_s, rowid LIMIT 1"
            row, size = self._connection.execute(oldest).fetchone()
            self._connection.execute("DELETE FROM sums WHERE rowid = ?", (row,))
            held -= size

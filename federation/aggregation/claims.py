"""The key holder's durable record of the attempts that it has answered.

Layer:       federation.aggregation.claims. One SQLite file; no key, no plaintext, no ciphertext in it.
Terms:       to claim an attempt is to spend the key holder's one answer for it, whatever its outcome.
Guarantees:  a claim is on the disk before ``claim`` returns. For each run, (round, attempt) only rises: the database
             itself refuses an equal or lower one for ever. Rows are never changed or deleted. Only its owner may read
             the file.
See instead: restoring a key holder's directory from an old backup loses the claims since: make a new key then.
Source:      rule P14; sqlite.org/pragma.html (synchronous), sqlite.org/lang_createtrigger.html (RAISE).
"""

from __future__ import annotations

import os
import sqlite3
import threading
from typing import TYPE_CHECKING, Final

from federation.errors import UpdateRejectedError

if TYPE_CHECKING:
    from pathlib import Path

    from federation.aggregation.manifest import Attempt

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS claims (
    run TEXT NOT NULL, round INTEGER NOT NULL, attempt INTEGER NOT NULL, manifest TEXT NOT NULL,
    PRIMARY KEY (run, round, attempt));
CREATE TRIGGER IF NOT EXISTS claims_only_rise BEFORE INSERT ON claims
    WHEN EXISTS (SELECT 1 FROM claims WHERE run = NEW.run AND (round, attempt) >= (NEW.round, NEW.attempt))
    BEGIN SELECT RAISE(ABORT, 'attempts only rise'); END;
CREATE TRIGGER IF NOT EXISTS claims_no_update BEFORE UPDATE ON claims
    BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER IF NOT EXISTS claims_no_delete BEFORE DELETE ON claims
    BEGIN SELECT RAISE(ABORT, 'append-only'); END;
"""


class Claims:
    """The claims in one file; may be used by any thread."""

    def __init__(self, path: Path) -> None:
        """Open or create the file with mode 0600."""
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600))
        path.chmod(0o600)
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._lock = threading.Lock()
        # EXTRA: the commit is durable, and so is the removal of the journal from its directory
        self._connection.execute("PRAGMA journal_mode = DELETE")
        self._connection.execute("PRAGMA synchronous = EXTRA")
        self._connection.executescript(_SCHEMA)

    def claim(self, attempt: Attempt, *, manifest_digest: str, sender: str) -> None:
        """Spend the one answer for an attempt.

        Args:
            attempt: the attempt.
            manifest_digest: kept for the audit.
            sender: the requesting party, for the error.

        Raises:
            UpdateRejectedError: this attempt, or a later one of its run, was claimed before.
        """
        row = (attempt.run, attempt.round_number, attempt.attempt, manifest_digest)
        with self._lock:
            try:
                self._connection.execute("INSERT INTO claims VALUES (?, ?, ?, ?)", row)
            except sqlite3.IntegrityError as error:
                reason = f"{attempt} was answered before, or a later one was"
                raise UpdateRejectedError(site=sender, reason=reason) from error

    def claimed(self) -> list[tuple[str, int, int, str]]:
        """List all claims as (run, round, attempt, manifest digest), in the order of their making."""
        with self._lock:
            rows = self._connection.execute("SELECT run, round, attempt, manifest FROM claims ORDER BY rowid")
            return list(rows.fetchall())

    def close(self) -> None:
        """Close the file."""
        with self._lock:  # SQLite does not allow a connection to be closed while another thread uses it
            self._connection.close()

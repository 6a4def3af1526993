"""The requests that a site has refused: who asked what, which rule refused it, and when.

Layer:       federation.node.records.refusals, beside request_texts. One SQLite file beside the ledger; memory without a path.
Terms:       the *sender* is the analyst on whose channel a request came; of a request that came with a proposal, the
             analyst who signed it.
Guarantees:  only requests that a present or former analyst of the consortium has signed are recorded; all others are
             counted. The file keeps at most ``MOST`` requests for each sender and drops the oldest; the number dropped is
             kept. A rule is recorded in the words that the analyst gets, which hold public facts alone; the text is the
             analyst's own. A record that cannot be written is logged, and the request stays refused.
See instead: the texts of signed requests (``request_texts``).
Source:      ours; docs/guarantees.md P19.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Final

from analytics.errors import AnalyticsError
from federation.errors import ConfigError, FederationError, SiteUnavailableError
from federation.node.records.request_texts import open_records, read_records
from federation.protocol.error_codes import is_ours, to_wire
from federation.protocol.request import request_hash
from federation.requests.planning import check_author
from privacy_accounting.errors import AccountingError, ClockDiffersError, EntriesArchivedError
from smpc.errors import PeerRejectedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import pandas as pd

    from federation.consortium.consortium_file import Consortium
    from federation.protocol.messages import Ask

LOG: Final = logging.getLogger(__name__)
FILE: Final = "refusals.sqlite"
MOST: Final = 1_000
TEXT_BYTES: Final = 16 << 10
RULE_LETTERS: Final = 500
REFUSED: Final = (AccountingError, AnalyticsError, FederationError, PeerRejectedError)
NOT_DECISIONS: Final = (SiteUnavailableError, ClockDiffersError, EntriesArchivedError)
UNSIGNED: Final = "unsigned"
_DROPPED: Final = "dropped:"
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS refusals (
    place INTEGER PRIMARY KEY AUTOINCREMENT, sender TEXT NOT NULL, analyst TEXT NOT NULL, digest TEXT NOT NULL,
    code TEXT NOT NULL, rule TEXT NOT NULL, times INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    request BLOB, UNIQUE (sender, digest, code));
CREATE TABLE IF NOT EXISTS counts (name TEXT PRIMARY KEY, number INTEGER NOT NULL);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedRequest:
    """One request that this site has refused by one rule.

    Attributes:
        sender: on whose channel it came, or who signed it where it came with a proposal.
        analyst: who signed it.
        digest: the request hash.
        code: the error's name.
        rule: the error's sentence, at the last refusal.
        times: how often; the analyst's own message and the proposal of another site count each.
        first: seconds since 1970.
        last: seconds since 1970.
        request: its canonical bytes; None where they are too long to be kept.
    """

    sender: str
    analyst: str
    digest: str
    code: str
    rule: str
    times: int
    first: int
    last: int
    request: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalReport:
    """All that a site has recorded of refusals.

    Attributes:
        refusals: oldest first.
        dropped: by sender, how many older records were dropped.
        unsigned: refused requests that no analyst of the consortium had signed.
    """

    refusals: tuple[RefusedRequest, ...]
    dropped: dict[str, int]
    unsigned: int

    @property
    def frame(self) -> pd.DataFrame:
        """The refusals as a frame."""
        import pandas as pd

        names = [each.name for each in fields(RefusedRequest)]
        return pd.DataFrame([asdict(each) for each in self.refusals], columns=names)

    def to_dict(self) -> dict[str, object]:
        """For machines; a request's bytes as text."""
        rows = [
            asdict(each)
            | {"request": None if each.request is None else each.request.decode("ascii", "replace")}
            for each in self.refusals
        ]
        return {"refusals": rows, "dropped": dict(self.dropped), "unsigned": self.unsigned}


class RefusalLog:
    """The refusals of one site. Safe for several threads; recording never raises."""

    def __init__(
        self, path: Path | None, *, consortium: Consortium, site: str, clock: Callable[[], int]
    ) -> None:
        """Open or create the file with mode 0600.

        Args:
            path: the file; None: memory.
            consortium: the analysts and their keys.
            site: the name of this site.
            clock: seconds since 1970.

        Raises:
            ConfigError: the file is damaged, or cannot be opened.
        """
        self._consortium, self._site, self._clock = consortium, site, clock
        self._lock = threading.Lock()
        self._connection = open_records(path, _SCHEMA)
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._failed = False

    @contextmanager
    def noting(self, ask: Ask, sender: str) -> Iterator[None]:
        """Record a refusal that ends the block, and let it through.

        Args:
            ask: the request that the block decides on.
            sender: on whose channel it came.
        """
        try:
            yield
        except REFUSED as error:
            self.record(ask, error, sender=sender)
            raise

    def record(self, ask: Ask, error: BaseException, *, sender: str = "") -> None:
        """Record one refusal; what is no decision of a site, such as load or a lost site, is left out.

        Args:
            ask: the request.
            error: why it is refused.
            sender: on whose channel it came; empty: with a proposal.
        """
        if not is_ours(error) or isinstance(error, NOT_DECISIONS):
            return
        try:
            request = check_author(ask.request, ask.signature, self._consortium, site=self._site)
        except REFUSED:
            self._write(lambda: self._count(UNSIGNED))
            return
        code, _ = to_wire(error, site=self._site)
        kept = ask.request if len(ask.request) <= TEXT_BYTES else None
        who = (sender or request.analyst, request.analyst, request_hash(ask.request))
        now = self._clock()
        self._write(lambda: self._add((*who, code, str(error)[:RULE_LETTERS], now, now, kept)))

    def report(self) -> RefusalReport:
        """Return what is recorded."""
        with self._lock:
            return _report(self._connection)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def _add(self, row: tuple[object, ...]) -> None:
        sender = row[0]
        self._connection.execute(
            "INSERT INTO refusals (sender, analyst, digest, code, rule, times, first, last, request) "
            "VALUES (?, ?, ?, ?, ?, 1, ?, ?, ?) ON CONFLICT (sender, digest, code) "
            "DO UPDATE SET times = times + 1, last = excluded.last, rule = excluded.rule",
            row,
        )
        (held,) = self._connection.execute(
            "SELECT COUNT(*) FROM refusals WHERE sender = ?", (sender,)
        ).fetchone()
        if held > MOST:
            self._connection.execute(
                "DELETE FROM refusals WHERE place IN (SELECT place FROM refusals WHERE sender = ? ORDER BY place LIMIT ?)",
                (sender, held - MOST),
            )
            self._count(f"{_DROPPED}{sender}", held - MOST)

    def _count(self, name: str, number: int = 1) -> None:
        self._connection.execute(
            "INSERT INTO counts VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET number = number + excluded.number",
            (name, number),
        )

    def _write(self, work: Callable[[], None]) -> None:
        """Write in one transaction; a failure is logged once, since the request is refused in any case."""
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                work()
                self._connection.execute("COMMIT")
                self._failed = False
            except sqlite3.Error as error:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                if not self._failed:
                    LOG.warning("%s: a refusal cannot be recorded: %s", self._site, error)
                self._failed = True


def read_refusals(path: Path) -> RefusalReport:
    """Read a site's refusals, also beside its running node.

    Raises:
        ConfigError: there is no such file, or it holds no refusals.
    """
    connection = read_records(path)
    try:
        return _report(connection)
    except sqlite3.Error as error:
        raise ConfigError(mistakes=[f"{path.name} holds no refusals: {error}"]) from error
    finally:
        connection.close()


def _report(connection: sqlite3.Connection) -> RefusalReport:
    rows = connection.execute(
        "SELECT sender, analyst, digest, code, rule, times, first, last, request FROM refusals ORDER BY place"
    )
    names = ("sender", "analyst", "digest", "code", "rule", "times", "first", "last", "request")
    refusals = tuple(RefusedRequest(**dict(zip(names, row, strict=True))) for row in rows)
    counts = dict(connection.execute("SELECT name, number FROM counts").fetchall())
    dropped = {
        name.removeprefix(_DROPPED): number for name, number in counts.items() if name.startswith(_DROPPED)
    }
    return RefusalReport(refusals=refusals, dropped=dropped, unsigned=counts.get(UNSIGNED, 0))

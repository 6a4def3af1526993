"""A ledger on this machine, read and verified in the background, so that no page waits for ten thousand entries.

Layer:       federation.dashboard.ledger_view, above audit.
Guarantees:  a page is given the last complete reading, at once; the file is read again when it has changed, once at a time.
             Entries, prices and words are those of ``crossward audit``; the verdict is that of ``audit verify``.
"""

from __future__ import annotations

import threading
import time
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from crossward.base_error import CrosswardError
from federation.audit.account import Account, account_of
from federation.audit.kept_texts import load_texts, texts_beside
from federation.consortium.genesis import genesis_body
from federation.display.error_text import sentence
from privacy_accounting.audit.chain_reader import open_file
from privacy_accounting.audit.statement import statement
from privacy_accounting.audit.verify import VerifyReport, verify
from privacy_accounting.ledger.entries import Entry
from privacy_accounting.report.figures import ReportFigures, report_figures

if TYPE_CHECKING:
    from pathlib import Path

    from federation.audit.account import AskedLine
    from federation.consortium.consortium_file import Consortium

WAIT_S: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One complete reading.

    Attributes:
        account: what was asked; None before the first reading, or where it failed.
        report: whether the ledger is whole.
        figures: the spend over time.
        problem: why it cannot be read; empty where it can.
        time_s: when it was read, seconds since 1970; 0 before.
        searched: each line in lower case, for searching.
    """

    account: Account | None = None
    report: VerifyReport | None = None
    figures: ReportFigures | None = field(default=None, repr=False)
    problem: str = ""
    time_s: float = 0.0
    searched: tuple[str, ...] = field(default=(), repr=False)


class LedgerView:
    """Reads a ledger file. Safe for several threads."""

    def __init__(self, path: Path, consortium: Consortium | None = None) -> None:
        """Take a site's file, or an export of one, and the agreement it should begin with."""
        self.path, self._consortium = path, consortium
        self._lock = threading.Lock()
        self._reading = Reading()
        self._state: tuple[tuple[int, int], ...] | None = None
        self._running: threading.Thread | None = None
        self.n_readings = 0

    def look(self, wait_s: float = WAIT_S) -> Reading:
        """Return the last reading, and read again where the file has changed; wait at most so long for the first."""
        state = self._file_state()
        with self._lock:
            if state != self._state and self._running is None:
                self._state = state
                self._running = threading.Thread(target=self._read, name="dashboard ledger", daemon=True)
                self._running.start()
            running = self._running
        if running is not None and wait_s:
            running.join(wait_s)
        with self._lock:
            return self._reading

    @property
    def is_reading(self) -> bool:
        """Whether the file is being read now."""
        with self._lock:
            return self._running is not None

    def entry(self, number: int) -> Entry | None:
        """Return one entry with its signatures, as the file holds it; None where there is none."""
        with closing(open_file(self.path)) as store:
            found = store.entries(first=number, limit=1)
        entry = Entry.from_bytes(found[0]) if found else None
        return entry if entry is not None and entry.body.number == number else None

    def _file_state(self) -> tuple[tuple[int, int], ...]:
        found = []
        for path in (self.path, self.path.with_name(f"{self.path.name}-wal")):
            try:
                stat = path.stat()
            except OSError:
                continue
            found.append((stat.st_mtime_ns, stat.st_size))
        return tuple(found)

    def _read(self) -> None:
        try:
            reading = self._whole()
        except CrosswardError as error:
            reading = Reading(problem=sentence(error), time_s=time.time())
        except OSError as error:
            reading = Reading(problem=f"{self.path.name}: {error.strerror}", time_s=time.time())
        with self._lock:
            self.n_readings += 1
            self._reading, self._running = reading, None

    def _whole(self) -> Reading:
        consortium = self._consortium
        account = account_of(statement(self.path), load_texts(texts_beside(self.path)), consortium=consortium)
        genesis = None if consortium is None else genesis_body(consortium)
        report = verify([self.path], genesis=genesis)
        with closing(open_file(self.path)) as store:
            figures = report_figures(store)
        return Reading(
            account=account,
            report=report,
            figures=figures,
            time_s=time.time(),
            searched=tuple(map(_searched, account.lines)),
        )


def _searched(line: AskedLine) -> str:
    parts = (
        f"{line.number}",
        line.kind,
        line.population,
        line.sub_budget,
        line.analyst,
        line.purpose,
        line.question,
        line.remark,
    )
    return " ".join(parts).lower()

"""Submissions: requests and amendments on their way into the ledger, until they have an entry or an error.

Layer:       federation.node.ledger.submissions, below replication.
Guarantees:  the ledger's thread takes what waits together, an amendment alone, in the order of arrival. A waiting
             caller wakes when its submission has an entry or an error, or when the queue is closed; never by polling.
See instead: the thread that runs them (``replication``), how sites agree
             (``privacy_accounting.ledger.replication.agreement``).
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from federation.errors import ApprovalMissingError, SiteUnavailableError
from federation.protocol.error_codes import from_refusal
from privacy_accounting.errors import ClockDiffersError, EntriesArchivedError, LedgerRefusedError
from privacy_accounting.ledger.entries import MAX_ENTRIES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from federation.protocol.messages import Ask
    from privacy_accounting.ledger.entries import Entry
    from privacy_accounting.ledger.replication.agreement import Agreement
    from privacy_accounting.ledger.replication.sequencer import Draft


@dataclass(slots=True)
class Submission:
    """One request, or one amendment (``ask`` is None), on its way into the ledger."""

    draft: Draft
    ask: Ask | None
    done: threading.Event = field(default_factory=threading.Event)
    entry: Entry | None = None
    error: Exception | None = None

    def fail(self, error: Exception) -> None:
        """Give the error to the waiting caller."""
        self.error = error
        self.done.set()

    @property
    def is_alone(self) -> bool:
        """Whether this is an amendment, which is proposed alone."""
        return self.ask is None


class SubmissionQueue:
    """Submissions of many callers for one thread."""

    def __init__(self, site: str) -> None:
        """Start empty; ``site`` is named in errors."""
        self._site = site
        self._changed = threading.Condition()
        self._waiting: deque[Submission] = deque()
        self._taken: list[Submission] = []
        self._closed = ""

    def __len__(self) -> int:
        """How many wait and are not taken yet."""
        return len(self._waiting)

    def enter(self, submission: Submission) -> Entry:
        """Hand a submission to the thread and wait for its entry.

        Raises:
            AccountingError, AnalyticsError, FederationError: the error of the first site that refused.
            SiteUnavailableError: the queue is closed; the entry may or may not become complete.
        """
        with self._changed:
            if self._closed:
                raise SiteUnavailableError(site=self._site, reason=self._closed)
            self._waiting.append(submission)
            self._changed.notify()
        submission.done.wait()
        if submission.entry is None:
            raise submission.error or SiteUnavailableError(site=self._site, reason="the charge failed")
        return submission.entry

    def take(self) -> list[Submission]:
        """Wait for submissions; those that are proposed together, or none once the queue is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            batch: list[Submission] = []
            while self._waiting and not self._closed and len(batch) < MAX_ENTRIES:
                if batch and (self._waiting[0].is_alone or batch[0].is_alone):
                    break
                batch.append(self._waiting.popleft())
            self._taken = [*(each for each in self._taken if not each.done.is_set()), *batch]
            return batch

    def close(self, reason: str) -> None:
        """Refuse submissions from now on; those without an outcome fail. The first reason holds."""
        with self._changed:
            self._closed = self._closed or reason
            unfinished = [each for each in (*self._taken, *self._waiting) if not each.done.is_set()]
            self._waiting.clear()
            self._changed.notify_all()
        for submission in unfinished:
            submission.fail(SiteUnavailableError(site=self._site, reason=self._closed))


def complete(submissions: Sequence[Submission], entries: Mapping[int, Entry]) -> None:
    """Give each submission its entry; its caller need not wait until all sites have the entry."""
    for place, entry in entries.items():
        submissions[place].entry = entry
        submissions[place].done.set()


def refusal_reason(agreement: Agreement, place: int, *, sequencer: str = "", others: int = 0) -> Exception:
    """The reason why a draft was not entered, as an error for its caller.

    Args:
        agreement: the outcome of the proposal.
        place: the position of the draft.
        sequencer: the current sequencer.
        others: the number of sites that it asked.
    """
    refusals = agreement.refusals.get(place, {})
    errors = {site: from_refusal(refusals[site], site=site) for site in sorted(refusals)}
    lacking = [site for site, error in errors.items() if isinstance(error, ApprovalMissingError)]
    clocks = [error for error in errors.values() if isinstance(error, ClockDiffersError)]
    if clocks and len(clocks) == len(errors):
        return _clock_of(clocks, sequencer, others)
    for error in errors.values():
        if isinstance(error, ApprovalMissingError):
            return ApprovalMissingError(site=", ".join(lacking), motion=error.motion)
        return error
    if agreement.silent:
        site = agreement.silent[0]
        cause = agreement.causes.get(site)
        if isinstance(cause, EntriesArchivedError):
            reason = f"it lacks entries, and {cause}; give it a copy of that archive with crossward ledger catch-up"
        else:
            reason = "it did not answer in time; nothing was charged"
        return SiteUnavailableError(site=site, reason=reason)
    return LedgerRefusedError(
        reason="the sites did not agree on an entry; nothing was charged; send the request again"
    )


def _clock_of(clocks: Sequence[ClockDiffersError], sequencer: str, others: int) -> Exception:
    """Name the site whose clock differs from most: the sequencer, if all other sites say so."""
    if sequencer and others > 1 and len(clocks) == others:
        seconds = sorted(-error.seconds for error in clocks)[len(clocks) // 2]
        way = "ahead of" if seconds > 0 else "behind"
        reason = (
            f"its clock is {abs(seconds)} s {way} those of all other sites; correct it. Nothing was charged"
        )
        return SiteUnavailableError(site=sequencer, reason=reason)
    return clocks[0]

"""Takes every request that sites answer on shares through its states: from the analyst or a proposal to the answer.

Layer:       federation.node.query_service, above execution and request_state.
Guarantees:  a site decides on a request when it is proposed, once for each proposal, whether the analyst's own message
             has arrived or not. It starts its part as soon as the complete entry is in its ledger, whichever way the
             entry came, after the durable note and once: no message of the analyst is waited for, since the other
             sites depend on it. The answer goes to a channel of the analyst named in the request, once.
See instead: the states (``request_state``), the decision (``admission.queries``), the run (``execution.query_run``),
             channels (``request_handler``).
Source:      docs/guarantees.md P1, P3.
"""

from __future__ import annotations

import logging
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Final

import msgspec

from federation.errors import RequestRejectedError, SiteUnavailableError
from federation.node.budget_report import quote_rows
from federation.protocol.error_codes import is_ours
from federation.requests.ledger_content import asked_of
from privacy_accounting.errors import LedgerRefusedError
from privacy_accounting.ledger.contents import Charge, Exact
from privacy_accounting.ledger.session_id import session_id_of_entry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from federation.node.admission.checked_request import CheckedRequest
    from federation.node.admission.queries import AdmittedRequest, QueryAdmission
    from federation.node.execution.background import BackgroundRunner
    from federation.node.execution.query_run import QueryRunner
    from federation.node.request_state import OpenRequest, RequestStates
    from federation.protocol.messages import Ask, Share
    from privacy_accounting.ledger.entries import Body, Entry
    from privacy_accounting.ledger.replication.replica import Replica

LOG: Final = logging.getLogger(__name__)


class QueryService:
    """One site's requests on shares. Safe for several threads; also what its ledger reports to."""

    def __init__(
        self,
        *,
        admission: QueryAdmission,
        runner: QueryRunner,
        replica: Replica,
        states: RequestStates,
        background: BackgroundRunner,
    ) -> None:
        """Wire the parts; the caller has the replica report to this object."""
        self.site, self._admission, self._runner = replica.name, admission, runner
        self._replica, self._states, self._background = replica, states, background
        self._has_settled = False

    # -- the analyst's channel -----------------------------------------------------------------------------

    def open(self, ask: Ask, *, caller: str) -> OpenRequest:
        """Take a request from an analyst's own channel, which then waits for the answer.

        Args:
            ask: the signed request.
            caller: the name in the certificate of the channel.

        Raises:
            RequestRejectedError: the request is another analyst's, not signed, waits on another channel, or this site
                derives another plan.
            PolicyRefusedError: a rule of this site forbids it, whatever was asked before.
            LedgerRefusedError: the request was entered before, and no answer to it is kept here.
            AnalyticsError: the question is not allowed.
        """
        known = self._admission.learn(ask)
        if known.planned.request.analyst != caller:
            raise RequestRejectedError(
                site=self.site, reason="the request names an analyst other than its sender"
            )
        self._admission.check_rules(known)
        self._settle(known)
        if self._states.find(known.planned.digest) is None and self._was_entered(known):
            raise LedgerRefusedError(reason="this request was entered before")
        return self._states.attach(known)

    def accept(
        self, ask: Ask, *, caller: str, patience_s: float, has_left: Callable[[], bool]
    ) -> OpenRequest:
        """Reserve a place for a request, before it is sent to all sites; errors as ``open``.

        Raises:
            SiteBusyError: no place became free in that time.
        """
        request = self.open(ask, caller=caller)
        try:
            self._states.reserve(request, patience_s=patience_s, has_left=has_left)
        except BaseException:
            self._states.leave(request)
            raise
        return request

    def refused(self, request: OpenRequest) -> None:
        """This site was to propose the charge, and the charge has failed."""
        self._runner.discard(self._states.refused(request))

    def leave(self, request: OpenRequest) -> None:
        """The channel waits for the request no more."""
        self._states.leave(request)

    def deliver(self, request: OpenRequest, timeout_s: float) -> Share | None:
        """The answer for the caller, given once; None if it is not there in time.

        Raises:
            Exception: the error of the run.
        """
        try:
            request.answer.exception(timeout_s)
        except TimeoutError:
            return None
        self._states.delivered(request)
        return request.answer.result()

    def quote(self, requests: Sequence[bytes], *, caller: str) -> list[dict[str, str | bool]]:
        """Quote requests one after the other; see ``quote_rows``."""
        return quote_rows(requests, self._admission.consortium, self._replica, analyst=caller)

    def check_unsigned(self, request: bytes, *, caller: str) -> CheckedRequest:
        """See ``QueryAdmission.check_unsigned``."""
        return self._admission.check_unsigned(request, caller=caller)

    def _was_entered(self, known: AdmittedRequest) -> bool:
        asked = asked_of(known.planned, known.ask.signature)
        return asked.once in self._replica.core.state.used

    # -- the ledger ----------------------------------------------------------------------------------------

    def ask_of(self, digest: str) -> Ask | None:
        """The signed bytes of a request that this site has received, also of an invalid one."""
        return self._admission.ask_of(digest)

    def cache(self, ask: Ask) -> None:
        """Derive a request sent with a proposal, before the ledger is locked; an invalid one is refused with its entry."""
        known = self._admission.cache(ask)
        if known is not None:
            self._settle(known)

    def _settle(self, known: AdmittedRequest) -> None:
        """Once after the start, give the dealer's heartbeat time to arrive; the decision follows at the proposal."""
        if known.planned.work.has_products and not self._has_settled:
            with suppress(SiteUnavailableError):
                self._runner.check_dealer(known)
            self._has_settled = True

    def admit(self, body: Body) -> None:
        """Decide on a request's entry before this site signs it, and reserve its place.

        Raises:
            SiteBusyError: every place of this site is in use.
            SiteUnavailableError: the dealer is not heard, or the table is out of service.
            The errors of ``QueryAdmission.admit``.
        """
        known = self._admission.admit(body)
        if known is None:
            return
        self._runner.check_dealer(known, settle_s=0.0)
        cost = self._admission.exact_use(known.planned, body.number)
        self._states.admit(known, number=body.number, cost=cost)

    def signed(self, body: Body) -> None:
        """This site has signed an entry, or proposed it: open its session meanwhile."""
        content = body.content
        if isinstance(content, Charge | Exact) and not content.asked.run:
            known = self._admission.known(content.asked.request)
            if known is not None:
                session = session_id_of_entry(body)
                self._states.signed(known.planned.digest, session)
                self._runner.prepare(known, session)

    def completed(self, entries: Sequence[Entry]) -> None:
        """The ledger holds new complete entries: start the run of each that this site has admitted."""
        for entry in entries:
            content = entry.body.content
            if isinstance(content, Charge | Exact) and not content.asked.run:
                self._charged(content.asked.request, entry)
            self._void(entry.body.number, entry.body.number)  # of another request proposed for its number

    def withdrawn(self, number: int) -> None:
        """What was proposed from this number on, and is not complete, never will be."""
        self._void(number)

    def _void(self, first: int, last: int | None = None) -> None:
        for session in self._states.void(first, last):
            self._runner.discard(session)

    def _charged(self, digest: str, entry: Entry) -> None:
        if not self._replica.has_signed(entry):
            return
        request = self._states.find(digest)
        known = self._admission.known(digest) if request is None else request.known
        request = None if known is None else self._states.charged(known, number=entry.body.number)
        if request is not None:
            self._start(request, entry)

    def _start(self, request: OpenRequest, entry: Entry) -> None:
        def work(report: Callable[[Share], None]) -> None:
            self._run(request, entry, report)

        self._background.start(work, request.answer)

    def _run(self, request: OpenRequest, entry: Entry, report: Callable[[Share], None]) -> None:
        """Run in a thread of its own: the durable note first; the place is free once the answer is there."""
        with ExitStack() as place:
            if request.place is not None:
                place.enter_context(request.place.running())

            def answered(share: Share) -> None:
                place.close()
                self._admission.gates.keep(request.known.planned, entry.body.number, share.values)
                self._states.answered(request)
                report(msgspec.structs.replace(share, cost=dict(request.cost)))

            try:
                session = self._replica.start(entry)
                self._states.started(request)
                self._runner.run(request.known, session, answered)
            except BaseException as error:
                if not request.answer.done():
                    self._states.answered(request)
                if is_ours(error):
                    LOG.info("%s: the run of entry %d failed: %s", self.site, entry.body.number, error)
                raise

"""Decides whether a query may be charged at this site: when its entry is proposed, before the site signs.

Layer:       federation.node.admission.queries. No socket; reads the site's replica of the ledger.
Guarantees:  the site derives a request from its own bytes (P3), once, and checks policy and budget before it signs. A
             refusal names the rule and its limit and costs nothing. The site signs no entry for a request that it has
             not received with the analyst's signature.
See instead: messages (``request_handler``), the ledger's own rules (``privacy_accounting.ledger``).
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from weakref import WeakValueDictionary

from federation.errors import PolicyRefusedError, RequestRejectedError
from federation.node.admission.checked_request import REFUSALS, CheckedRequest, refusals_of
from federation.node.admission.exact_limits import ExactLimit
from federation.node.admission.linkage import check_linkable
from federation.node.admission.quality_gates import QualityGates
from federation.node.in_service import check_in_service
from federation.protocol.messages import Ask
from federation.protocol.request import request_hash
from federation.requests import site_policy as policies
from federation.requests.ledger_content import check_content, content_of
from federation.requests.planning import AnyPlanned, check_signature, plan_request
from federation.requests.site_policy import NOTHING_EXACT, ExactSoFar
from privacy_accounting.ledger.contents import Charge, Exact

if TYPE_CHECKING:
    from collections.abc import Mapping

    from analytics.sources import LocalTable
    from federation.consortium.consortium_file import Consortium
    from federation.consortium.limits import Limits
    from federation.consortium.site_file import Policy
    from federation.requests.kinds.base import SessionNeeds
    from privacy_accounting.ledger.entries import Body
    from privacy_accounting.ledger.replication.replica import Replica

CACHED: Final = 1024
SIGNATURE_BYTES: Final = 64
Hold = Callable[["AdmittedRequest"], None]
"""Raises ``RequestHeldError`` for a request that a person of this site must look at first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmittedRequest:
    """A request that this site has received, derived and found signed."""

    planned: AnyPlanned
    ask: Ask
    needs: SessionNeeds


class _Turn:
    """Lets one thread at a time derive a request."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


class QueryAdmission:
    """The admission check of one site, with its cache of requests. Safe for several threads."""

    def __init__(  # noqa: PLR0913 - independent parts, by keyword
        self,
        *,
        site: str,
        consortium: Consortium,
        policy: Policy,
        limits: Limits,
        sources: Mapping[str, LocalTable],
        replica: Replica,
        exact_limit: ExactLimit | None = None,
        gates: QualityGates | None = None,
        hold: Hold = lambda _: None,
    ) -> None:
        """Create the admission check.

        Args:
            site: the name of this site.
            consortium: its own copy of the agreement.
            policy: its own policy.
            limits: the load that its node accepts.
            sources: its tables.
            replica: its ledger.
            exact_limit: what counts exact disclosures at this site, the same for trainings; default: one of its own.
            gates: what decides the policy's requirements on quality, the same for trainings; default: one in memory.
            hold: asked after every other rule, before this site signs.
        """
        self.site, self.consortium, self.policy, self.limits = site, consortium, policy, limits
        self._sources, self._replica = sources, replica
        self._lock = threading.Lock()
        self._known: OrderedDict[str, AdmittedRequest] = OrderedDict()
        self._invalid: OrderedDict[str, tuple[Ask, Exception]] = OrderedDict()
        self._turns: WeakValueDictionary[str, _Turn] = WeakValueDictionary()
        self._exact_limit, self._hold = exact_limit or ExactLimit(replica), hold
        self.gates = gates or QualityGates(site=site, consortium=consortium, replica=replica)

    def learn(self, ask: Ask) -> AdmittedRequest:
        """Derive a signed request, once for each request; nothing is decided.

        Raises:
            RequestRejectedError: it is not signed by its analyst, or this site derives another plan.
            PeerRejectedError: the bytes are not a request.
            AnalyticsError: the question is not allowed.
        """
        digest = request_hash(ask.request)
        with self._turn_of(digest):  # the analyst's message and the proposal arrive at about the same time
            known = self.known(digest)
            if known is None or known.ask.signature != ask.signature:
                known = self._derived(ask)
                with self._lock:
                    self._known[digest] = known
                    while len(self._known) > CACHED:
                        self._known.popitem(last=False)
            return known

    def cache(self, ask: Ask) -> AdmittedRequest | None:
        """Derive a request sent with a proposal; the site decides on it together with its entry.

        An invalid request is not raised here: the site then refuses its entry for the same reason.
        """
        try:
            return self.learn(ask)
        except REFUSALS as error:
            with self._lock:
                self._invalid[request_hash(ask.request)] = (ask, error)
                while len(self._invalid) > CACHED:
                    self._invalid.popitem(last=False)
            return None

    def known(self, digest: str) -> AdmittedRequest | None:
        """A request by its hash, if this site has received it."""
        with self._lock:
            return self._known.get(digest)

    def ask_of(self, digest: str) -> Ask | None:
        """The signed bytes of a request that this site has received, also of an invalid one."""
        with self._lock:
            known, invalid = self._known.get(digest), self._invalid.get(digest)
        if known is not None:
            return known.ask
        return None if invalid is None else invalid[0]

    def admit(self, body: Body) -> AdmittedRequest | None:
        """Decide on a ledger entry before this site signs it: the ledger's callback.

        Returns:
            The request behind the entry; None if the entry is of another kind.

        Raises:
            RequestRejectedError: this site has not received the request, or the entry does not match it.
            RequestHeldError: a person of this site must look at it first.
            PolicyRefusedError: the policy of this site forbids it.
            AnalyticsError: the question is not allowed.
        """
        content = body.content
        if not isinstance(content, Charge | Exact):
            return None
        known = self.known(content.asked.request)
        if known is None:
            raise self._unknown(content.asked.request)
        planned = known.planned
        if tuple(body.cohort) != self.consortium.names:
            raise RequestRejectedError(site=self.site, reason="the cohort of a question must be all sites")
        before = self._exact_limit.count(planned.population, planned.request.analyst, body.number)
        self.check_rules(known, before if planned.is_exact else NOTHING_EXACT)
        check_content(content, planned, known.ask.signature, self._replica.privacy_filter, site=self.site)
        self._hold(known)
        if isinstance(content, Exact):
            self._exact_limit.add_pending(body.number, content)
        return known

    def _unknown(self, digest: str) -> Exception:
        with self._lock:
            invalid = self._invalid.get(digest)
        if invalid is not None:
            return invalid[1]
        return RequestRejectedError(
            site=self.site, reason="this site has not received the request behind this entry"
        )

    def exact_use(self, planned: AnyPlanned, number: int) -> dict[str, str]:
        """For an exact request: its analyst's exact requests before entry ``number``, and the limit of this site."""
        if not planned.is_exact:
            return {}
        before = self._exact_limit.count(planned.population, planned.request.analyst, number)
        return {
            "exact_before": str(before.requests),
            "exact_limit": str(self.policy.exact_requests_per_analyst),
        }

    def source(self, planned: AnyPlanned) -> LocalTable:
        """This site's own table for a request."""
        return self._sources[planned.work.table.name]

    def _turn_of(self, digest: str) -> _Turn:
        with self._lock:
            return self._turns.setdefault(digest, _Turn())

    def check_unsigned(self, data: bytes, *, caller: str) -> CheckedRequest:
        """Say why this site would refuse a request, by every rule; nothing is decided, kept or charged.

        Args:
            data: the request's canonical bytes, without the analyst's signature, so that no site can have it charged.
            caller: the requesting analyst, who can only ask about requests made in their own name.
        """
        try:
            known = self._planned(Ask(request=data, signature=bytes(SIGNATURE_BYTES)))
            if known.planned.request.analyst != caller:
                reason = "an analyst can only check requests made in their own name"
                raise RequestRejectedError(site=self.site, reason=reason)
        except REFUSALS as error:
            return CheckedRequest(refusals=(error,))
        planned = known.planned
        before = self._exact_limit.count(planned.population, planned.request.analyst)
        rules = self._rules(known, before if planned.is_exact else NOTHING_EXACT)
        limit_s = float(self.consortium.file.local_limit_s)
        return CheckedRequest(
            refusals=refusals_of((*rules, lambda: self._check_budget(known))),
            table=planned.work.table.name,
            scan=lambda table: planned.work.scan(table, limit_s),
        )

    def _check_budget(self, known: AdmittedRequest) -> None:
        privacy_filter = self._replica.privacy_filter
        content = content_of(known.planned, known.ask.signature, privacy_filter)
        if isinstance(content, Charge):
            privacy_filter.check(content.spend)

    def _derived(self, ask: Ask) -> AdmittedRequest:
        check_signature(ask.request, ask.signature, self.consortium, site=self.site)
        return self._planned(ask)

    def _planned(self, ask: Ask) -> AdmittedRequest:
        planned = plan_request(ask.request, self.consortium)
        if planned.work.digest() != planned.request.plan:
            raise RequestRejectedError(
                site=self.site, reason="this site derives another plan from the request"
            )
        return AdmittedRequest(planned=planned, ask=ask, needs=planned.work.session_needs())

    def check_rules(self, known: AdmittedRequest, exact: ExactSoFar = NOTHING_EXACT) -> None:
        """Check the rules of this site.

        Args:
            known: the request.
            exact: the exact disclosures before it; none while no entry is proposed, since what is signed and not
                complete may be the request itself.

        Raises:
            PolicyRefusedError: a rule forbids it.
            SiteUnavailableError: the table is out of service.
        """
        for check in self._rules(known, exact):
            check()

    def _rules(self, known: AdmittedRequest, exact: ExactSoFar) -> tuple[Callable[[], None], ...]:
        """The rules of this site, each as a check."""
        planned = known.planned
        return (
            lambda: check_in_service(self.source(planned), site=self.site),
            lambda: self._check_memory(known),
            lambda: policies.check(
                planned.request, planned.work.facts, self.policy, site=self.site, exact=exact
            ),
            lambda: self._check_quality(known),
            lambda: check_linkable(planned.work.facts, self.source(planned), site=self.site),
        )

    def _check_quality(self, known: AdmittedRequest) -> None:
        work = known.planned.work
        if not work.facts.releases_quality:
            self.gates.check(work.table.name, self.policy)

    def _check_memory(self, known: AdmittedRequest) -> None:
        limit, needed = self.limits.session_bytes, known.needs.memory_bytes
        if needed > limit:
            rule = f"limits.session_bytes: at most {limit} bytes, this question takes {needed}"
            raise PolicyRefusedError(site=self.site, rule=rule)

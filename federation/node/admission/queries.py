"""Decides whether a query may be charged at this site: on receipt, and again before the site signs its entry.

Layer:       federation.node.admission.queries. No socket; reads the site's replica of the ledger.
Guarantees:  the site derives a request anew from its own bytes (P3) and checks policy and budget before it signs. A
             refusal names the rule and its limit and costs nothing. The site signs no entry for a request that it has
             not received with the analyst's signature.
See instead: messages (``request_handler``), the ledger's own rules (``privacy_accounting.ledger``).
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from analytics.errors import AnalyticsError
from federation.errors import FederationError, PolicyRefusedError, RequestRejectedError
from federation.node.admission.exact_limits import ExactLimit
from federation.node.in_service import check_in_service
from federation.protocol.request import request_hash
from federation.requests import site_policy as policies
from federation.requests.ledger_content import check_content, content_of
from federation.requests.planning import AnyPlanned, check_signature, plan_request
from privacy_accounting.errors import AccountingError
from privacy_accounting.ledger.contents import Charge, Exact
from smpc.errors import PeerRejectedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from analytics.sources import LocalTable
    from federation.consortium.consortium_file import Consortium
    from federation.consortium.limits import Limits
    from federation.consortium.site_file import Policy
    from federation.protocol.messages import Ask
    from federation.requests.kinds.base import SessionNeeds
    from privacy_accounting.ledger.entries import Body
    from privacy_accounting.ledger.replication.replica import Replica

CACHED: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmittedRequest:
    """A request that this site has received, derived and found signed."""

    planned: AnyPlanned
    ask: Ask
    needs: SessionNeeds


class QueryAdmission:
    """The admission check of one site, with its cache of requests. Safe for several threads."""

    def __init__(
        self,
        *,
        site: str,
        consortium: Consortium,
        policy: Policy,
        limits: Limits,
        sources: Mapping[str, LocalTable],
        replica: Replica,
        exact_limit: ExactLimit | None = None,
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
        """
        self.site, self.consortium, self.policy, self.limits = site, consortium, policy, limits
        self._sources, self._replica = sources, replica
        self._lock = threading.Lock()
        self._known: OrderedDict[str, AdmittedRequest] = OrderedDict()
        self._exact_limit = exact_limit or ExactLimit(replica)

    def check(self, ask: Ask, *, caller: str) -> AdmittedRequest:
        """Make every check on a request from an analyst's own channel; nothing is spent.

        Args:
            ask: the signed request.
            caller: the name in the certificate of the channel.

        Returns:
            The request as derived by this site.

        Raises:
            RequestRejectedError: the request is another analyst's, or not signed.
            PolicyRefusedError: the policy of this site forbids it.
            SiteUnavailableError: the table of this site is out of service.
            BudgetExceededError: the remaining budget does not pay for it.
            AnalyticsError: the question is not allowed.
        """
        known = self._learn(ask)
        if known.planned.request.analyst != caller:
            raise RequestRejectedError(
                site=self.site, reason="the request names an analyst other than its sender"
            )
        self._check_policy(known)
        content = content_of(known.planned, ask.signature, self._replica.privacy_filter)
        if isinstance(content, Charge):
            self._replica.privacy_filter.check(content.spend)
        return known

    def cache(self, ask: Ask) -> None:
        """Cache a request sent with a proposal; the site decides on it together with its entry.

        An invalid request is ignored: the site then refuses its entry.
        """
        try:
            self._learn(ask)
        except (AccountingError, AnalyticsError, FederationError, PeerRejectedError):
            return

    def known(self, digest: str) -> AdmittedRequest | None:
        """A request by its hash, if this site has received it."""
        with self._lock:
            return self._known.get(digest)

    def admit(self, body: Body) -> None:
        """Decide on a ledger entry before this site signs it: the ledger's callback.

        Raises:
            RequestRejectedError: this site has not received the request, or the entry does not match it.
            PolicyRefusedError: the policy of this site forbids it.
            AnalyticsError: the question is not allowed.
        """
        content = body.content
        if not isinstance(content, Charge | Exact):
            return
        known = self.known(content.asked.request)
        if known is None:
            raise RequestRejectedError(
                site=self.site, reason="this site has not received the request behind this entry"
            )
        planned = known.planned
        if tuple(body.cohort) != self.consortium.names:
            raise RequestRejectedError(site=self.site, reason="the cohort of a question must be all sites")
        self._check_policy(known, number=body.number)
        check_content(content, planned, known.ask.signature, self._replica.privacy_filter, site=self.site)
        if isinstance(content, Exact):
            self._exact_limit.add_pending(body.number, content)

    def exact_use(self, planned: AnyPlanned) -> dict[str, str]:
        """For an exact request: the earlier exact requests of its analyst, and the limit of this site."""
        if not planned.is_exact:
            return {}
        before = self._exact_limit.count(planned.population, planned.request.analyst)
        return {
            "exact_before": str(before.requests),
            "exact_limit": str(self.policy.exact_requests_per_analyst),
        }

    def source(self, planned: AnyPlanned) -> LocalTable:
        """This site's own table for a request."""
        return self._sources[planned.work.table.name]

    def _learn(self, ask: Ask) -> AdmittedRequest:
        digest = request_hash(ask.request)
        known = self.known(digest)
        if known is not None and known.ask.signature == ask.signature:
            return known
        check_signature(ask.request, ask.signature, self.consortium, site=self.site)
        planned = plan_request(ask.request, self.consortium)
        known = AdmittedRequest(planned=planned, ask=ask, needs=planned.work.session_needs())
        with self._lock:
            self._known[digest] = known
            while len(self._known) > CACHED:
                self._known.popitem(last=False)
        return known

    def _check_policy(self, known: AdmittedRequest, *, number: int | None = None) -> None:
        planned = known.planned
        limit = self.limits.session_bytes
        check_in_service(self.source(planned), site=self.site)
        if known.needs.memory_bytes > limit:
            rule = (
                f"limits.session_bytes: at most {limit} bytes, this question takes {known.needs.memory_bytes}"
            )
            raise PolicyRefusedError(site=self.site, rule=rule)
        policies.check(
            planned.request,
            planned.work.facts,
            self.policy,
            site=self.site,
            exact=self._exact_limit.count(planned.population, planned.request.analyst, number)
            if planned.is_exact
            else policies.NOTHING_EXACT,
        )

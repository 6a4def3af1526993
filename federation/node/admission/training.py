"""Decides whether an attempt of a training may be charged at this site.

Layer:       federation.node.admission.training, beside queries.
Guarantees:  as ``queries``: the site plans the run anew from the signed request's bytes; the entry of an attempt must
             equal the one that this site derives for its round, attempt and cohort; the site checks its policy before
             it signs. A run is refused before its first round if the budget does not pay for all rounds. A training
             without noise needs every site of the agreement as a member, and all sites as its cohort.
See instead: the attempt itself (``federation.training.site_worker``).
Source:      docs/guarantees.md P3, P13, P14, P16.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from federation.errors import ConfigError, RequestRejectedError
from federation.node.admission.checked_request import REFUSALS, CheckedRequest, refusals_of
from federation.node.admission.exact_limits import ExactLimit, PendingCounts
from federation.node.admission.quality_gates import QualityGates
from federation.node.in_service import check_in_service
from federation.node.run_quote import RunQuote, run_quote
from federation.protocol.messages import Ask
from federation.protocol.request import request_hash
from federation.requests import site_policy as policies
from federation.requests.ledger_content import check_stated
from federation.requests.planning import check_signature
from federation.requests.site_policy import NOTHING_EXACT
from federation.training.local_update import load_cases
from privacy_accounting.errors import BudgetExceededError
from privacy_accounting.ledger import contents
from privacy_accounting.ledger.budgets import event_text
from privacy_accounting.ledger.pricing import stated_price

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from analytics.sources import LocalTable
    from federation.consortium.consortium_file import Consortium
    from federation.consortium.site_file import Policy
    from federation.protocol.request import Request
    from federation.training.rounds.entry_check import EntryCheck
    from federation.training.rounds.round_plan import RoundPlan, RunPlan
    from privacy_accounting.budget import PrivacyFilter
    from privacy_accounting.budget.totals import Spend
    from privacy_accounting.ledger.entries import Body
    from privacy_accounting.ledger.replication.replica import Replica

SUB_BUDGET: Final = "training"
CACHED: Final = 256
SIGNATURE_BYTES: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmittedRun:
    """A training that this site has received, planned and found signed."""

    request: Request
    ask: Ask
    plan: RunPlan

    @property
    def digest(self) -> str:
        """The request hash, which also identifies the run."""
        return request_hash(self.ask.request)


class TrainingAdmission:
    """The admission check of one site for trainings, with its cache. Safe for several threads."""

    def __init__(
        self,
        *,
        site: str,
        consortium: Consortium,
        policy: Policy,
        sources: Mapping[str, LocalTable],
        replica: Replica,
        agreement: EntryCheck,
        exact_limit: ExactLimit | None = None,
        gates: QualityGates | None = None,
    ) -> None:
        """Create the admission check; arguments as ``QueryAdmission``, and the plan check of this site."""
        self.site, self.consortium, self.policy = site, consortium, policy
        self._sources, self._replica, self._agreement = sources, replica, agreement
        self._lock = threading.Lock()
        self._known: OrderedDict[str, AdmittedRun] = OrderedDict()
        self._accepted: OrderedDict[str, None] = OrderedDict()
        self._gates = gates or QualityGates(site=site, consortium=consortium, replica=replica)
        self._exact_limit, self._attempts = exact_limit or ExactLimit(replica), PendingCounts(replica)

    def check(self, ask: Ask, *, caller: str) -> AdmittedRun:
        """Make every check on a training from an analyst's own channel; nothing is spent.

        Raises:
            RequestRejectedError: the training is another analyst's, not signed, or cannot be planned.
            PolicyRefusedError: the policy of this site forbids it.
            BudgetExceededError: the budget does not pay for all rounds.
        """
        known = self.learn(ask)
        if known.request.analyst != caller:
            raise RequestRejectedError(
                site=self.site, reason="the request names an analyst other than its sender"
            )
        self._check_policy(known, n_rounds=max(1, self._rounds_left(known)))
        self._check_budget(known)
        with self._lock:
            self._accepted[known.digest] = None
            while len(self._accepted) > CACHED:
                self._accepted.popitem(last=False)
        return known

    def has_accepted(self, digest: str) -> bool:
        """Whether this site accepted the training with this request hash, since its last start."""
        with self._lock:
            return digest in self._accepted

    def quote(self, data: bytes, *, caller: str) -> RunQuote:
        """Quote a whole training; free, nothing is stored.

        Args:
            data: the request's bytes, unsigned.
            caller: the requesting analyst, who can only quote their own trainings.

        Raises:
            RequestRejectedError: the training is another analyst's, has no noise, or cannot be planned.
        """
        request, plan = self._agreement.plan_of(data)
        if request.analyst != caller:
            raise RequestRejectedError(
                site=self.site, reason="an analyst can only quote requests made in their own name"
            )
        known = AdmittedRun(
            request=request, ask=Ask(request=data, signature=bytes(SIGNATURE_BYTES)), plan=plan
        )
        spend = self._attempt_spend(known)
        if spend is None:
            raise RequestRejectedError(site=self.site, reason="a training without noise costs no epsilon")
        return run_quote(self._replica.privacy_filter, spend, rounds=plan.task.rounds)

    def check_unsigned(self, data: bytes, *, caller: str) -> CheckedRequest:
        """As ``QueryAdmission.check_unsigned``, for a whole training."""
        try:
            request, plan = self._agreement.plan_of(data)
            if request.analyst != caller:
                reason = "an analyst can only check requests made in their own name"
                raise RequestRejectedError(site=self.site, reason=reason)
        except REFUSALS as error:
            return CheckedRequest(refusals=(error,))
        ask = Ask(request=data, signature=bytes(SIGNATURE_BYTES))
        known = AdmittedRun(request=request, ask=ask, plan=plan)
        limit_s = float(self.consortium.file.local_limit_s)
        return CheckedRequest(
            refusals=refusals_of(
                (
                    lambda: check_in_service(self._sources[plan.table.name], site=self.site),
                    lambda: self._check_policy(known, n_rounds=plan.task.rounds),
                    lambda: self._check_budget(known),
                )
            ),
            table=plan.table.name,
            scan=lambda table: load_cases(plan, table, limit_s),
        )

    def _attempt_spend(self, known: AdmittedRun) -> Spend | None:
        """The cost of one attempt of all sites; None without noise."""
        first = known.plan.attempt(
            run=known.digest, round_number=0, attempt=0, cohort=known.plan.usual_cohort
        )
        content = attempt_content(known, first, self._replica.privacy_filter)
        return content.spend if isinstance(content, contents.Charge) else None

    def _check_budget(self, known: AdmittedRun) -> None:
        """Refuse a run if the budget does not pay for all rounds: part of a run costs budget for a poor model."""
        spend = self._attempt_spend(known)
        if spend is None:
            return
        privacy_filter = self._replica.privacy_filter
        rounds = self._rounds_left(known)
        if rounds <= 0:
            return  # a run that goes on, with nothing left to charge
        quoted = run_quote(privacy_filter, spend, rounds=rounds)
        if not quoted.fits:
            raise BudgetExceededError(
                requested=quoted.units,
                spent=quoted.spent,
                remaining=quoted.remaining,
                population=spend.population,
                sub_budget=f"{quoted.scope} (all {rounds} rounds of this run, of which {quoted.rounds_that_fit} fit)",
                largest_epsilon=quoted.largest_epsilon,
            )
        privacy_filter.check(spend)

    def _rounds_left(self, known: AdmittedRun) -> int:
        """Attempts that the run may still charge: fewer than its rounds where an interrupted run goes on."""
        return known.plan.task.rounds - self._replica.core.state.attempts_of(known.digest)

    def learn(self, ask: Ask) -> AdmittedRun:
        """Plan a signed training.

        Raises:
            RequestRejectedError: the named analyst has not signed it, or it has another configuration.
            InvalidRequestError: it cannot be planned.
        """
        digest = request_hash(ask.request)
        with self._lock:
            known = self._known.get(digest)
        if known is not None and known.ask.signature == ask.signature:
            return known
        check_signature(ask.request, ask.signature, self.consortium, site=self.site)
        request, plan = self._agreement.plan_of(ask.request)
        plan.model.check_site(plan.encoding)
        known = AdmittedRun(request=request, ask=ask, plan=plan)
        with self._lock:
            self._known[digest] = known
            while len(self._known) > CACHED:
                self._known.popitem(last=False)
        return known

    def ask_of(self, digest: str) -> Ask | None:
        """The signed bytes of a training that this site has received."""
        with self._lock:
            known = self._known.get(digest)
        return None if known is None else known.ask

    def admit(self, body: Body) -> None:
        """Decide on an attempt's entry before this site signs it.

        Raises:
            RequestRejectedError: this site has not received the training, or the entry does not match it.
            PolicyRefusedError: the policy of this site forbids it.
        """
        content = body.content
        if not isinstance(content, contents.Charge | contents.Exact):
            return
        with self._lock:
            known = self._known.get(content.asked.request)
        if known is None:
            raise RequestRejectedError(
                site=self.site, reason="this site has not received the request behind this entry"
            )
        self._check_policy(known, n_rounds=1, number=body.number)
        asked = content.asked
        pending = self._attempts.count(known.digest, body.number)
        if known.plan.is_used_up(self._replica.core.state.attempts_of(known.digest) + pending):
            raise RequestRejectedError(site=self.site, reason="all attempts of this run are used up")
        try:
            planned = known.plan.attempt(
                run=known.digest, round_number=asked.round, attempt=asked.attempt, cohort=body.cohort
            )
        except ConfigError as error:
            raise RequestRejectedError(site=self.site, reason="; ".join(error.mistakes)) from error
        check_stated(content, attempt_content(known, planned, self._replica.privacy_filter), site=self.site)
        self._attempts.add_pending(body.number, known.digest)
        if isinstance(content, contents.Exact):
            self._exact_limit.add_pending(body.number, content)

    def content_of(
        self, known: AdmittedRun, *, round_number: int, attempt: int, cohort: Sequence[str]
    ) -> contents.Charge | contents.Exact:
        """The ledger content of an attempt; for the sequencer.

        Raises:
            RequestRejectedError: the run has no such attempt.
        """
        try:
            planned = known.plan.attempt(
                run=known.digest, round_number=round_number, attempt=attempt, cohort=tuple(cohort)
            )
        except ConfigError as error:
            raise RequestRejectedError(site=self.site, reason="; ".join(error.mistakes)) from error
        return attempt_content(known, planned, self._replica.privacy_filter)

    def _check_policy(self, known: AdmittedRun, *, n_rounds: int, number: int | None = None) -> None:
        check_in_service(self._sources[known.plan.table.name], site=self.site)
        is_exact = known.request.mode == "exact"
        population, analyst = known.plan.table.population, known.request.analyst
        members = self._replica.members
        if is_exact and members != self.consortium.names:
            reason = "a site has left: a training without noise needs every site of the agreement, so it needs a new agreement"
            raise RequestRejectedError(site=self.site, reason=reason)
        policies.check_training(
            known.request,
            self.policy,
            site=self.site,
            exact=self._exact_limit.count(population, analyst, number) if is_exact else NOTHING_EXACT,
            numbers=known.plan.length * n_rounds,
            n_rounds=n_rounds,
            members=members,
        )
        self._gates.check(known.plan.table.name, self.policy)


def attempt_content(
    known: AdmittedRun, planned: RoundPlan, privacy_filter: PrivacyFilter
) -> contents.Charge | contents.Exact:
    """The ledger content of one attempt, equal at every site.

    Raises:
        LedgerRefusedError: the ledger has no training budget for the population.
        InvalidCostError: the attempt has no finite cost at the sub-budget's order.
    """
    request, attempt = known.request, planned.manifest.attempt
    asked = contents.Request(
        population=known.plan.table.population,
        analyst=request.analyst,
        purpose=request.purpose,
        request=known.digest,
        nonce=request.nonce,
        request_signature=known.ask.signature.hex(),
        run=attempt.run,
        round=attempt.round_number,
        attempt=attempt.attempt,
    )
    if planned.event is None:
        receivers = known.plan.receivers(request.analyst)
        return contents.Exact(asked=asked, receivers=receivers, numbers=known.plan.length)
    order = privacy_filter.sub_budget(asked.population, SUB_BUDGET).order
    price = stated_price([planned.event], order, privacy_filter.relation)
    return contents.Charge(
        asked=asked,
        sub_budget=SUB_BUDGET,
        events=(event_text(planned.event),),
        order=order,
        cost=price.cost,
        cost_all_but_one=price.cost_all_but_one,
        pure_epsilon=price.pure_epsilon,
    )

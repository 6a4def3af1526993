"""A site's desk for trainings: may this attempt be charged here.

Layer:       federation.node.admission.training, beside admission.
Guarantees:  as ``desk``: the run is planned anew from the signed request's bytes, an attempt's entry must say exactly
             what this site derives for its round, attempt and cohort, and policy is asked before anything is signed.
             A run that the budget does not pay for as a whole is refused before its first round. Without noise every
             site of the agreement has to be a member still, and the plan refuses any other cohort than all of them.
See instead: the attempt itself (``federation.training.site_worker``).
Source:      PRIVACY P3, P13, P14, P16.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from federation.errors import ConfigError, RequestRejectedError
from federation.node.admission.exact_limits import ExactLimit, PendingCounts
from federation.node.in_service import check_in_service
from federation.node.run_quote import RunQuote, run_quote
from federation.protocol.messages import Ask
from federation.protocol.request import request_hash
from federation.requests import site_policy as policies
from federation.requests.ledger_content import check_stated
from federation.requests.planning import check_signature
from federation.requests.site_policy import NOTHING_EXACT
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
    from federation.training.entry_check import EntryCheck
    from federation.training.round_plan import RoundPlan, RunPlan
    from privacy_accounting.budget import PrivacyFilter
    from privacy_accounting.budget.totals import Spend
    from privacy_accounting.ledger.entries import Body
    from privacy_accounting.ledger.replication.replica import Replica

SUB_BUDGET: Final = "training"
CACHED: Final = 256
SIGNATURE_BYTES: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmittedRun:
    """A training that this site has seen, planned and found signed."""

    request: Request
    ask: Ask
    plan: RunPlan

    @property
    def digest(self) -> str:
        """The request hash, which also names the run."""
        return request_hash(self.ask.request)


class TrainingAdmission:
    """What one site knows of trainings. Safe for several threads."""

    def __init__(
        self,
        *,
        site: str,
        consortium: Consortium,
        policy: Policy,
        sources: Mapping[str, LocalTable],
        replica: Replica,
        agreement: EntryCheck,
    ) -> None:
        """Sit down; arguments as ``Desk``, and this site's own way from request to plan."""
        self.site, self.consortium, self.policy = site, consortium, policy
        self._sources, self._replica, self._agreement = sources, replica, agreement
        self._lock = threading.Lock()
        self._known: OrderedDict[str, AdmittedRun] = OrderedDict()
        self._exact_limit, self._attempts = ExactLimit(replica), PendingCounts(replica)

    def check(self, ask: Ask, *, caller: str) -> AdmittedRun:
        """Take a training from an analyst's own line: every check, nothing spent.

        Raises:
            RequestRejectedError: somebody else's, not signed, or not to be planned.
            PolicyRefusedError: against this site's rules.
            BudgetExceededError: the budget does not pay for all rounds.
        """
        known = self.learn(ask)
        if known.request.analyst != caller:
            raise RequestRejectedError(
                site=self.site, reason="it names another analyst than the one who asks"
            )
        self._check_policy(known, n_rounds=known.plan.task.rounds)
        self._check_budget(known)
        return known

    def quote(self, data: bytes, *, caller: str) -> RunQuote:
        """Say whether the budget pays for a whole training; free, nothing is kept.

        Args:
            data: the request's bytes, unsigned.
            caller: who asks; only the own trainings are quoted.

        Raises:
            RequestRejectedError: another analyst's, one without noise, which costs no epsilon, or not to be planned.
        """
        request, plan = self._agreement.plan_of(data)
        if request.analyst != caller:
            raise RequestRejectedError(site=self.site, reason="only the own requests are quoted")
        known = AdmittedRun(
            request=request, ask=Ask(request=data, signature=bytes(SIGNATURE_BYTES)), plan=plan
        )
        spend = self._attempt_spend(known)
        if spend is None:
            raise RequestRejectedError(site=self.site, reason="a training without noise costs no epsilon")
        return run_quote(self._replica.book, spend, rounds=plan.task.rounds)

    def _attempt_spend(self, known: AdmittedRun) -> Spend | None:
        """What one attempt of all sites costs; None without noise."""
        first = known.plan.attempt(run=known.digest, round_number=0, attempt=0, cohort=self.consortium.names)
        content = attempt_content(known, first, self._replica.book)
        return content.spend if isinstance(content, contents.Charge) else None

    def _check_budget(self, known: AdmittedRun) -> None:
        """Refuse a run of which the budget does not pay all rounds: half a run spends and teaches little."""
        spend = self._attempt_spend(known)
        if spend is None:
            return
        book, rounds = self._replica.book, known.plan.task.rounds
        quoted = run_quote(book, spend, rounds=rounds)
        if not quoted.fits:
            raise BudgetExceededError(
                requested=quoted.units,
                spent=quoted.spent,
                remaining=quoted.remaining,
                population=spend.population,
                sub_budget=f"{quoted.scope} (all {rounds} rounds of this run, of which {quoted.rounds_that_fit} fit)",
                largest_epsilon=quoted.largest_epsilon,
            )
        book.check(spend)

    def learn(self, ask: Ask) -> AdmittedRun:
        """Plan a signed training.

        Raises:
            RequestRejectedError: not signed by the analyst that it names, or of another configuration.
            InvalidRequestError: it cannot be planned.
        """
        digest = request_hash(ask.request)
        with self._lock:
            known = self._known.get(digest)
        if known is not None and known.ask.signature == ask.signature:
            return known
        check_signature(ask.request, ask.signature, self.consortium, site=self.site)
        request, plan = self._agreement.plan_of(ask.request)
        known = AdmittedRun(request=request, ask=ask, plan=plan)
        with self._lock:
            self._known[digest] = known
            while len(self._known) > CACHED:
                self._known.popitem(last=False)
        return known

    def admit(self, body: Body) -> None:
        """Decide on an attempt's entry before this site signs it.

        Raises:
            RequestRejectedError: the training was not seen here, or the entry is not what it asks for.
            PolicyRefusedError: against this site's rules.
        """
        content = body.content
        if not isinstance(content, contents.Charge | contents.Exact):
            return
        with self._lock:
            known = self._known.get(content.asked.request)
        if known is None:
            raise RequestRejectedError(site=self.site, reason="its text was not shown to this site")
        self._check_policy(known, n_rounds=1, number=body.number)
        asked = content.asked
        pending = self._attempts.count(known.digest, body.number)
        if self._replica.core.state.attempts_of(known.digest) + pending >= known.plan.task.rounds:
            # the run's epsilon pays for so many attempts, lost ones included
            raise RequestRejectedError(site=self.site, reason="all attempts of this run are used up")
        try:
            planned = known.plan.attempt(
                run=known.digest, round_number=asked.round, attempt=asked.attempt, cohort=body.cohort
            )
        except ConfigError as error:
            raise RequestRejectedError(site=self.site, reason="; ".join(error.mistakes)) from error
        check_stated(content, attempt_content(known, planned, self._replica.book), site=self.site)
        self._attempts.add_pending(body.number, known.digest)
        if isinstance(content, contents.Exact):
            self._exact_limit.add_pending(body.number, content)

    def content_of(
        self, known: AdmittedRun, *, round_number: int, attempt: int, cohort: Sequence[str]
    ) -> contents.Charge | contents.Exact:
        """What is entered for an attempt; for the sequencer.

        Raises:
            RequestRejectedError: no such attempt can be.
        """
        try:
            planned = known.plan.attempt(
                run=known.digest, round_number=round_number, attempt=attempt, cohort=tuple(cohort)
            )
        except ConfigError as error:
            raise RequestRejectedError(site=self.site, reason="; ".join(error.mistakes)) from error
        return attempt_content(known, planned, self._replica.book)

    def _check_policy(self, known: AdmittedRun, *, n_rounds: int, number: int | None = None) -> None:
        check_in_service(self._sources[known.plan.table.name], site=self.site)
        is_exact = known.request.mode == "exact"
        population, analyst = known.plan.table.population, known.request.analyst
        members = self._replica.members
        if is_exact and members != self.consortium.names:
            reason = "a site has left: without noise all sites of the agreement take part, so this waits for a new agreement"
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


def attempt_content(
    known: AdmittedRun, planned: RoundPlan, book: PrivacyFilter
) -> contents.Charge | contents.Exact:
    """What the ledger says of one attempt, as every site writes it.

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
    order = book.sub_budget(asked.population, SUB_BUDGET).order
    price = stated_price([planned.event], order, book.relation)
    return contents.Charge(
        asked=asked,
        sub_budget=SUB_BUDGET,
        events=(event_text(planned.event),),
        order=order,
        cost=price.cost,
        cost_all_but_one=price.cost_all_but_one,
        pure_epsilon=price.pure_epsilon,
    )

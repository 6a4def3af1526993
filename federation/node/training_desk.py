"""A site's desk for trainings: may this attempt be charged here.

Floor:    federation.node.training_desk, beside desk.
Promise:  as ``desk``: the run is planned anew from the signed request's bytes, an attempt's entry must say exactly what this
          site derives for its round, attempt and cohort, and policy is asked before anything is signed.
Not here: the attempt itself (``federation.training.site``).
Source:   PRIVACY P3, P13, P14, P16.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from federation import policy as policies
from federation.errors import ConfigError, RequestRejectedError
from federation.messages import request_hash
from federation.node.exact_cap import ExactCap, Promised
from federation.node.in_service import check_in_service
from federation.planning import check_signature, check_stated
from federation.policy import NOTHING_EXACT
from privacy_accounting.ledger import contents
from privacy_accounting.ledger.budgets import event_text
from privacy_accounting.ledger.pricing import stated_price

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from analytics.sources import Source
    from federation.config import Consortium
    from federation.messages import Ask, Request
    from federation.site_file import Policy
    from federation.training.agreement import Agreement
    from federation.training.plan import RoundPlan, RunPlan
    from privacy_accounting.budget import Book
    from privacy_accounting.ledger.entries import Body
    from privacy_accounting.ledger.replica import Replica

SUB_BUDGET: Final = "training"
REMEMBERED: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownRun:
    """A training that this site has seen, planned and found signed."""

    request: Request
    ask: Ask
    plan: RunPlan

    @property
    def digest(self) -> str:
        """The request hash, which also names the run."""
        return request_hash(self.ask.request)


class TrainingDesk:
    """What one site knows of trainings. Safe for several threads."""

    def __init__(
        self,
        *,
        site: str,
        consortium: Consortium,
        policy: Policy,
        sources: Mapping[str, Source],
        replica: Replica,
        agreement: Agreement,
    ) -> None:
        """Sit down; arguments as ``Desk``, and this site's own way from request to plan."""
        self.site, self.consortium, self.policy = site, consortium, policy
        self._sources, self._replica, self._agreement = sources, replica, agreement
        self._lock = threading.Lock()
        self._known: OrderedDict[str, KnownRun] = OrderedDict()
        self._cap, self._attempts = ExactCap(replica), Promised(replica)

    def consider(self, ask: Ask, *, caller: str) -> KnownRun:
        """Take a training from an analyst's own line: every check, nothing spent.

        Raises:
            RequestRejectedError: somebody else's, not signed, or not to be planned.
            PolicyRefusedError: against this site's rules.
            BudgetExceededError: the budget pays for less than one round.
        """
        known = self.learn(ask)
        if known.request.analyst != caller:
            raise RequestRejectedError(
                site=self.site, reason="it names another analyst than the one who asks"
            )
        self._check(known)
        first = known.plan.attempt(run=known.digest, round_number=0, attempt=0, cohort=self.consortium.names)
        content = attempt_content(known, first, self._replica.book)
        if isinstance(content, contents.Charge):
            self._replica.book.check(content.spend)
        return known

    def learn(self, ask: Ask) -> KnownRun:
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
        known = KnownRun(request=request, ask=ask, plan=plan)
        with self._lock:
            self._known[digest] = known
            while len(self._known) > REMEMBERED:
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
        self._check(known, number=body.number)
        asked = content.asked
        pending = self._attempts.before(known.digest, body.number)
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
        self._attempts.signed(body.number, known.digest)
        if isinstance(content, contents.Exact):
            self._cap.signed(body.number, content)

    def content_of(
        self, known: KnownRun, *, round_number: int, attempt: int, cohort: Sequence[str]
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

    def _check(self, known: KnownRun, *, number: int | None = None) -> None:
        source = self._sources[known.plan.table.name]
        check_in_service(source, site=self.site)
        is_exact = known.request.mode == "exact"
        population, analyst = known.plan.table.population, known.request.analyst
        policies.check_training(
            known.request,
            self.policy,
            site=self.site,
            exact=self._cap.before(population, analyst, number) if is_exact else NOTHING_EXACT,
            numbers=known.plan.length,
        )


def attempt_content(known: KnownRun, planned: RoundPlan, book: Book) -> contents.Charge | contents.Exact:
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

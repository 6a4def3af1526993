"""The analyst's session: asks all sites, has the request charged, gathers the shares, assembles the answer.

Layer:       federation.client.session. Never imports torch; sees no row and no single site's share on its own.
Terms:       a *question* holds one channel to every site while it runs; the session keeps channels for the next
             question.
Guarantees:  the client's own plan is only an estimate: every site derives plan, price and policy again (P3). Every
             wait has a deadline, and every error names the site or the rule.
See instead: the command line (``federation.cli``), parties as threads of this process (``federation.client.local``).
"""

from __future__ import annotations

import secrets
import time
from contextlib import suppress
from dataclasses import replace
from operator import sub
from typing import TYPE_CHECKING, Any, Never, Self, TypeVar

from federation.client.administration import Administered
from federation.client.arguments import check_fresh, epsilon_or_exact, mechanism_of
from federation.client.described import Described
from federation.client.kept.kept_answers import KeptAnswers
from federation.client.linking.links import Links
from federation.client.progress import Telling
from federation.client.questions.by_accuracy import goal_if_any, promise
from federation.client.questions.cubes import Cubes
from federation.client.questions.named_statistic import PURPOSE, NamedStatistic
from federation.client.questions.preflight import Preflights
from federation.client.questions.quotes import Quoting
from federation.client.queueing import QuestionQueue
from federation.client.spending import is_spent, noting_what_is_spent
from federation.client.table import TableView
from federation.client.trains import Trains
from federation.client.visit import Visit
from federation.consortium.membership import check_known, restrict_to_members
from federation.errors import RequestRejectedError, SiteUnavailableError
from federation.protocol.channel_pool import ChannelPool
from federation.protocol.messages import (
    Ask,
    BudgetAnswer,
    BudgetAsk,
    Charged,
    Share,
)
from federation.protocol.request import REQUEST_TAG, Request
from federation.requests.kinds.registry import mining_kind, query_kind, statistic_kind
from federation.requests.planning import NO_PLAN, new_request
from federation.requests.receipt import exact_requests, make_receipt
from federation.requests.trust import TrustModel, trust_model_of
from privacy_accounting.errors import LedgerRefusedError
from privacy_accounting.ledger.entries import Entry
from smpc.errors import PartyLostError

if TYPE_CHECKING:
    from collections.abc import Callable
    from fractions import Fraction

    import pandas as pd

    from analytics.mining.request import MiningRequest
    from analytics.mining.result import MiningResult
    from analytics.results.result import Result
    from analytics.statistics.base import Answer
    from federation.client.progress import Stage
    from federation.client.spending import Spending
    from federation.consortium.consortium_file import Consortium
    from federation.identity.certificates import Identity
    from federation.network.channel import Network
    from federation.protocol.channel_pool import Exchange
    from federation.requests.explanation import Explanation
    from federation.requests.kinds.base import AnyWork, Kind
    from federation.requests.planning import AnyPlanned, Planned

T = TypeVar("T")
A = TypeVar("A")
EXTRA_S = 5.0


class Session(Described, Links, Trains, Cubes, Administered, Quoting, Preflights):
    """An open session with every site of a consortium; a context manager. Safe for several threads.

    Attributes:
        consortium: the agreement, restricted to the sites that this session knows as members.
        analyst: name of the analyst.
        on_progress: called with each stage of a question, from the thread that asks; None: nothing is shown.
    """

    on_progress: Callable[[Stage], None] | None = None

    def __init__(self, *, consortium: Consortium, identity: Identity, network: Network) -> None:
        """Take the parts that ``federation.connect`` and ``federation.local`` create."""
        self.consortium = self._founded = consortium
        self.analyst = identity.name
        self._identity = identity
        self._kept = KeptAnswers(identity, self._declared)
        self._network = network
        deadline_s = float(consortium.file.deadline_s)
        self._pool = ChannelPool(network, consortium.names)
        self._sequencer = consortium.file.sequencer
        self._answer_s = deadline_s + EXTRA_S
        self._queue = QuestionQueue(answer_s=self._answer_s)
        self._run_s = 2 * deadline_s + float(consortium.file.local_limit_s) + EXTRA_S

    def __enter__(self) -> Self:
        """Return itself; channels are opened when they are needed."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def __reduce__(self) -> Never:
        """Refuse to be pickled or copied."""
        raise TypeError(
            "a session holds open connections and a private key and cannot be pickled; open one in each process"
        )

    def close(self) -> None:
        """Close every channel and stop all runs. In a forked process, leave the parent's channels alone."""
        if not self._pool.is_of_this_process:
            return
        self._pool.close()
        self._network.close()

    # -- questions -----------------------------------------------------------------------------------------

    def sql(  # noqa: PLR0913 - each is a term of the question
        self,
        text: str,
        *,
        epsilon: object = None,
        within: object = None,
        confidence: object = None,
        expected_units: object = None,
        exact: bool = False,
        fresh: bool = False,
        purpose: str = PURPOSE,
        mechanism: str | None = None,
    ) -> Result:
        """Ask a question of all sites together: say an epsilon, an accuracy, or ``exact=True``.

        A private question whose blocks were all released to this analyst, with at most the noise that ``epsilon`` would
        leave, is answered from the analyst's own store; the receipt then says so (``from_store``).

        Visible to: the analyst alone sees the answer.
        Cost: ``epsilon`` of the population's query budget, or an exact disclosure; nothing from the store. With ``within``
            the least epsilon that reaches it; ``quote`` and ``explain`` show it before.

        Args:
            text: one SELECT over one table of the schema.
            epsilon: a number above 0: private, the answer carries noise.
            within: private: noise moves each figure by at most this, in the units of the answer.
            confidence: how often at least, for each figure by itself; default 0.95.
            expected_units: for means within a distance: so many privacy units with a value each group has at least;
                default: what a released count of the same rows says.
            exact: no noise; only where every site's policy allows it.
            fresh: pay for a release of the rows as they are now, and make the answer from it alone.
            purpose: written to the ledger.
            mechanism: ``gaussian``, the noise where none is named; ``auto``: the least noise at the same charge;
                ``laplace``: at the same epsilon less noise for a larger charge, see ``explain``. Beside ``within``,
                ``auto`` takes the noise that reaches the accuracy at the smaller charge.

        Returns:
            The answer with its cost and receipt. Private values lie in their public range; cells over too few rows for
            this epsilon are flagged (``too_few``, ``flags``).

        Raises:
            PlanRejectedError: the question cannot be answered.
            ConfigError: the analyst's store was altered; nothing was spent.
            PolicyRefusedError: a site's rule forbids it; nothing was spent.
            BudgetExceededError: it costs more than is left; nothing was spent.
            SiteUnavailableError: a site cannot take part; nothing was spent.
            PartyLostError: a site was lost during the run; if the run had begun, its cost is spent.
        """
        check_fresh(fresh=fresh, exact=exact)
        goal = goal_if_any(epsilon, within, exact=exact, confidence=confidence, units=expected_units)
        if exact:
            return self._answered(
                lambda: self._planned(text, epsilon, exact=exact, purpose=purpose, mechanism=mechanism)
            )
        aimed = goal

        def asked() -> Result | tuple[Planned[Result], list[bytes], dict[str, Any]]:
            nonlocal aimed
            if goal is None:
                planned = self._planned(text, epsilon, exact=False, purpose=purpose, mechanism=mechanism)
                kept = self._kept.answer(planned, self.consortium, fresh=fresh)
                return (planned, *self._ask(planned)) if kept is None else kept
            planned, aimed, kept = self._aimed(text, goal, purpose=purpose, mechanism=mechanism, fresh=fresh)
            if kept is not None:
                return kept
            self._check_payable(text, aimed, planned)
            return (planned, *self._ask(planned))

        found = self._among_members(asked)
        # a count that chose the epsilon must not be a part of the answer too
        alone = fresh or aimed is not goal
        result = self._kept.paid(*found, self.consortium, fresh=alone) if isinstance(found, tuple) else found
        shown = {} if aimed is None else {"promise": promise(aimed)}
        return replace(result, receipt={**result.receipt, **shown})

    def explain(
        self,
        text: str,
        *,
        epsilon: object = None,
        within: object = None,
        confidence: object = None,
        expected_units: object = None,
        exact: bool = False,
        purpose: str = PURPOSE,
        mechanism: str | None = None,
    ) -> Explanation:
        """Return plan, recipients and price of a question, and what other noise would cost; nothing is spent.

        Raises:
            PlanRejectedError, InvalidRequestError: as ``sql``.
        """
        goal = goal_if_any(epsilon, within, exact=exact, confidence=confidence, units=expected_units)
        if goal is not None:
            return self._explained(self._cheapest(text, goal, purpose=purpose, mechanism=mechanism)[0])
        return self._explained(
            self._planned(text, epsilon, exact=exact, purpose=purpose, mechanism=mechanism)
        )

    def mine(self, request: MiningRequest, *, epsilon: object = None, purpose: str = PURPOSE) -> MiningResult:
        """Mine association rules over all sites: an exact disclosure, or private with epsilon.

        Visible to: exact: the analyst sees the supports of frequent itemsets; every site sees one bit for each candidate.
        Private: every site sees noisy counts of items and pairs, the analyst noisy counts of larger itemsets too.
        Cost: one exact disclosure, or ``epsilon`` of the mining budget.

        Args:
            request: table, items, thresholds.
            epsilon: of a private run, at the mining budget's delta; None: exact.
            purpose: written to the ledger.

        Returns:
            Itemsets and rules with cost and receipt; of a private run with intervals.

        Raises:
            InvalidRequestError, PlanRejectedError: the request cannot be answered.
            PolicyRefusedError, BudgetExceededError: a site's rule forbids it or the budget does not allow it; nothing was spent.
            SiteUnavailableError, PartyLostError: as ``sql``.
        """
        return self._answered(lambda: self._planned_mining(request, purpose, epsilon))

    def explain_mining(
        self, request: MiningRequest, *, epsilon: object = None, purpose: str = PURPOSE
    ) -> Explanation:
        """Return plan, recipients and price of a mining run; nothing is spent."""
        return self._explained(self._planned_mining(request, purpose, epsilon))

    def statistic(self, name: str, *arguments: object, table: str, **options: object) -> Answer:
        """Compute a statistic by its name; ``session.table(t).NAME(...)`` is the same; errors as ``sql``.

        Visible to: the analyst sees the answer; all sites see what steps open to them (``explain_statistic``).
        Cost: its epsilon of the population's query budget, or an exact disclosure.

        Args:
            name: the statistic.
            *arguments: the statistic's own, in its order.
            table: of the schema.
            **options: ``epsilon`` or ``exact``, ``purpose``, and the statistic's own arguments by name.
        """
        asked = NamedStatistic.of(name, table, arguments, options)
        return self._answered(lambda: self._plan(statistic_kind(), **asked.request))

    def explain_statistic(self, name: str, *arguments: object, table: str, **options: object) -> Explanation:
        """Return plan, recipients and price of a statistic; nothing is spent."""
        asked = NamedStatistic.of(name, table, arguments, options)
        return self._explained(self._plan(statistic_kind(), **asked.request))

    def table(self, name: str = "") -> TableView:
        """Return one table of the schema, for statistics and mining; the only one needs no name.

        Raises:
            InvalidRequestError: there is no such table.
        """
        return TableView(self, name)

    def budget_rows(self) -> list[dict[str, Any]]:
        """Return the spent and the remaining budget by the sequencer's replica, or by the longest replica where it is down.

        Raises:
            SiteUnavailableError: no site can be reached.
        """
        try:
            answer = self._ask_budget(self._sequencer)
        except (SiteUnavailableError, PartyLostError):
            answer = self._longest()
        return [dict(row) for row in answer.rows]

    def budget(self) -> pd.DataFrame:
        """``budget_rows`` as a frame."""
        import pandas as pd

        return pd.DataFrame(self.budget_rows())

    def _ask_budget(self, site: str) -> BudgetAnswer:
        with self._pool.question([site]) as exchange:
            return exchange.ask_one(site, BudgetAsk(), BudgetAnswer, timeout_s=self._answer_s)

    def _longest(self) -> BudgetAnswer:
        """Return the budget answer of the site with the most entries, of those that answer."""
        found = []
        for site in self._founded.names:
            with suppress(SiteUnavailableError, PartyLostError):
                found.append(self._ask_budget(site))
        if not found:
            raise SiteUnavailableError(site=", ".join(self._founded.names))
        return max(found, key=lambda answer: answer.number)

    def _declared(self, table: str) -> int:
        """Return the number of the entry that last declared a table's version; 0 where none did."""
        return self._longest().declared.get(table, 0)

    def _among_members(self, ask: Callable[[], T]) -> T:
        """Ask; where the other sites have removed a lost site, plan again without it. Nothing was spent by then."""
        self._pool.check_process()
        try:
            return ask()
        except (SiteUnavailableError, RequestRejectedError) as error:
            try:
                present = self._longest()
            except SiteUnavailableError:
                raise error from None
            if not is_spent(error):
                check_known(self._founded, present.members)
            left_out = set(self.consortium.names).difference(present.members)
            # the remaining sites derive another plan than this client, which still counts the removed one
            is_other_plan = isinstance(error, RequestRejectedError) and bool(left_out)
            if is_spent(error) or not (is_other_plan or left_out.intersection(error.site.split(", "))):
                raise
            self.consortium = restrict_to_members(self._founded, present.members, sequencer=present.sequencer)
            self._sequencer = present.sequencer
        return ask()

    def _planned(
        self, text: str, epsilon: object, *, exact: bool, purpose: str, mechanism: str | None = None
    ) -> Planned[Result]:
        price = epsilon_or_exact(epsilon, exact=exact)
        return self._plan(query_kind(), {"sql": text}, epsilon=price, purpose=purpose, mechanism=mechanism)

    def _planned_mining(
        self, request: MiningRequest, purpose: str, epsilon: object = None
    ) -> Planned[MiningResult]:
        price = epsilon_or_exact(epsilon, exact=epsilon is None)
        return self._plan(mining_kind(), request.to_dict(), epsilon=price, purpose=purpose)

    def _plan(
        self,
        kind: Kind[A],
        question: dict[str, Any],
        *,
        epsilon: Fraction | None,
        purpose: str,
        mechanism: str | None = None,
    ) -> Planned[A]:
        """Plan a fresh request of one kind; no epsilon: exact."""
        request = Request(
            kind=kind.name,
            mode="exact" if epsilon is None else "private",
            epsilon=epsilon,
            analyst=self.analyst,
            purpose=purpose,
            nonce=secrets.token_hex(16),
            configuration=self.consortium.configuration(),
            plan=NO_PLAN,
            question=question,
            mechanism=mechanism_of(mechanism),
        )
        return new_request(kind, request, self.consortium)

    def _explained(self, planned: AnyPlanned) -> Explanation:
        work = planned.work
        from federation.requests.explanation import with_requirements  # loads mining, which SQL does not need

        explained = work.explain(self._trust(work))
        floor = self.consortium.file.floor
        rules = [] if floor is None or work.facts.releases_quality else floor.require.get(work.table.name, [])
        return with_requirements(explained, rules)

    def _trust(self, work: AnyWork) -> TrustModel:
        return trust_model_of(self.consortium, has_products=work.has_products, linked=work.facts.linked)

    def _answered(self, plan: Callable[[], Planned[A]]) -> A:
        """Plan, ask, charge, run and finish; plan again where a lost site has been removed meanwhile."""

        def asked() -> tuple[Planned[A], list[bytes], dict[str, Any]]:
            planned = plan()
            return planned, *self._ask(planned)

        planned, answers, receipt = self._among_members(asked)
        return planned.work.finish(answers, receipt=receipt)

    def _ask(self, planned: AnyPlanned) -> tuple[list[bytes], dict[str, Any]]:
        """Have it charged and run in one visit; return every site's share, and the receipt."""
        ask = Ask(request=planned.data, signature=self._identity.sign(REQUEST_TAG + planned.data))
        names = self.consortium.names
        secrecy = self._trust(planned.work)
        telling = Telling(self.on_progress, self._run_s)
        with (
            telling.until_answered(planned, secrecy, len(names)),
            noting_what_is_spent() as spending,
            self._queue.own(),
            self._pool.question(names) as exchange,
        ):
            marks = list[float]()

            def visit() -> tuple[Charged, list[Share]]:
                marks[:] = [time.monotonic()]
                visit, charged = self._charged(exchange, ask, spending)
                telling.charged(charged.entry)
                marks.append(time.monotonic())
                return charged, visit.shares(charged, run_s=self._run_s + planned.work.seconds())

            charged, shares = self._queue.answered(exchange, ask, visit)
        marks.append(time.monotonic())
        answers = dict(zip(names, shares, strict=True))
        receipt = make_receipt(
            planned,
            Entry.from_bytes(charged.entry),
            secrecy=secrecy,
            seconds=dict(zip(("charge", "run"), map(sub, marks[1:], marks), strict=True)),
            rounds=max(share.rounds for share in shares),
            bytes_sent=max(share.bytes_sent for share in shares),
            engines={site: share.engine for site, share in answers.items()},
        ) | exact_requests({site: share.cost for site, share in answers.items()})
        return [bytes(share.values) for share in shares], receipt

    def _charged(self, exchange: Exchange, ask: Ask, spending: Spending) -> tuple[Visit, Charged]:
        """Have the request charged once, also where the sequencer has changed since the last question."""
        sequencer = self._sequencer
        try:
            return self._visited(exchange, ask, spending, sequencer)
        except LedgerRefusedError:
            self._sequencer = self._longest().sequencer
            if self._sequencer in {sequencer, *set(self._founded.names).difference(exchange.channels)}:
                raise
            return self._visited(exchange, ask, spending, self._sequencer)

    def _visited(
        self, exchange: Exchange, ask: Ask, spending: Spending, sequencer: str
    ) -> tuple[Visit, Charged]:
        visit = Visit(exchange, ask, sequencer=sequencer)
        return visit, visit.charged(spending, charge_s=self._run_s, answer_s=self._answer_s)

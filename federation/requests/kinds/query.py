"""SQL questions: one local statement at each site, one opening.

Layer:       federation.requests.kinds.query, above analytics.
Guarantees:  as ``base``; a private answer whose scan was late is zero plus this site's noise (P19).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from analytics.disclosure.recombine import recombine_answer
from analytics.errors import InvalidRequestError
from analytics.plans.plan import Plan, make_plan
from analytics.plans.question import bind
from analytics.results.assemble import finish, plan_cost
from federation.requests.kinds.base import JointPart, Mode, PolicyFacts, SessionNeeds
from federation.requests.kinds.plan_context import context_of, mechanism_of
from federation.requests.noise_alternatives import alternatives_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    import numpy.typing as npt

    from analytics.plans.populations import Population
    from analytics.results.result import Result
    from analytics.schema import Table
    from analytics.sources import LocalTable
    from federation.consortium.consortium_file import Consortium
    from federation.protocol.request import Request
    from federation.requests.explanation import Explanation
    from federation.requests.trust import TrustModel
    from privacy_accounting.events import Event
    from smpc.cost import Cost

MAX_SQL: Final = 100_000


@dataclass(frozen=True, kw_only=True)
class QueryWork:
    """A planned SQL question.

    Attributes:
        plan: what runs.
        consortium: the agreement, by whose budget alternatives are explained.
    """

    plan: Plan
    consortium: Consortium

    @property
    def mode(self) -> Mode:
        """As the plan."""
        return self.plan.mode

    @property
    def table(self) -> Table:
        """The table of FROM."""
        return self.plan.query.table

    @property
    def events(self) -> tuple[Event, ...]:
        """One for each block of a private plan."""
        return self.plan.cost

    @property
    def facts(self) -> PolicyFacts:
        """The minimum cell, and the opened figures."""
        return PolicyFacts(minimum_cell=self.plan.context.minimum_cell, numbers=self.plan.most_opened)

    @property
    def has_products(self) -> bool:
        """Guards compare; sums need no material."""
        return self.plan.has_products

    def digest(self) -> str:
        """See ``Plan.digest``."""
        return self.plan.digest()

    @cached_property
    def _cost(self) -> Cost:
        from analytics.disclosure.release import joint_cost

        return joint_cost(self.plan)

    def session_needs(self) -> SessionNeeds:
        """All material at once."""
        cost = self._cost
        return SessionNeeds(
            requests=cost.requests if self.has_products else (), memory_bytes=cost.memory_bytes
        )

    def seconds(self) -> int:
        """Nothing more."""
        return 0

    def scan(self, table: LocalTable, limit_s: float) -> JointPart:
        """Run the local statement."""
        return self._joint(table.local_figures(self.plan, limit_s))

    def without_scan(self) -> JointPart:
        """Zero and noise; the joint part of an exact question refuses."""
        return self._joint(None)

    def _joint(self, figures: npt.NDArray[np.int64] | None) -> JointPart:
        from analytics.disclosure.release import send_answer

        return lambda session, source: send_answer(session, self.plan, figures, source)

    def cost(self) -> Mapping[str, object]:
        """The plan's cost; of private answers also at ``t`` and at ``n - 1`` colluding sites."""
        cost, context = plan_cost(self.plan), self.plan.context
        if self.mode == "exact":
            return cost
        from federation.requests.private_terms import private_terms

        return cost | private_terms(
            self.events, delta=context.delta, relation=context.relation, n_sites=context.n_sites
        )

    def noise(self) -> Mapping[str, float]:
        """By the columns of the answer."""
        from analytics.results.explain import noise_by_column

        return noise_by_column(self.plan)

    def quality_seen(self, values: bytes) -> None:
        """Nothing: it opens no figure of quality to sites."""
        del values

    def populations(self) -> tuple[Population, ...]:
        """Those of the question."""
        from analytics.plans.populations import populations_of

        return populations_of(self.plan.query)

    def explain(self, trust: TrustModel) -> Explanation:
        """Explain the plan with rounds and bytes of its run."""
        from federation.requests.explanation import explain_query

        return explain_query(self.plan, self._cost, trust, self.alternatives())

    def alternatives(self, quoted: Mapping[str, Any] | None = None) -> list[dict[str, str]]:
        """Say what other noise would cost; by a site's quote, or by the budget as it was founded. Empty for exact."""
        return alternatives_of(self.plan, self.consortium, QueryKind().sub_budget, quoted)

    def finish(self, answers: Sequence[bytes], *, receipt: Mapping[str, object]) -> Result:
        """Recombine the shares and assemble the rows."""
        opened = recombine_answer(self.plan, answers)
        return finish(self.plan, opened, cost=self.cost(), receipt=receipt)


@dataclass(frozen=True, slots=True)
class QueryKind:
    """SQL questions."""

    name: str = "query"
    sub_budget: str = "query"
    names_noise: bool = True

    def work(self, request: Request, consortium: Consortium) -> QueryWork:
        """Bind and plan a question."""
        if set(request.question) != {"sql"} or not isinstance(request.question["sql"], str):
            raise InvalidRequestError(parameter="question", reason="must hold the SQL text and nothing else")
        if len(request.question["sql"]) > MAX_SQL:
            raise InvalidRequestError(parameter="question", reason=f"is longer than {MAX_SQL} characters")
        query = bind(request.question["sql"], consortium.schema)
        is_exact = request.mode == "exact"
        mechanism, population = mechanism_of(request), query.table.population
        context = context_of(consortium, population, self.sub_budget, is_exact=is_exact, mechanism=mechanism)
        mode: Mode = "exact" if is_exact else "private"
        plan = make_plan(query, mode=mode, epsilon=request.epsilon, context=context, mechanism=mechanism)
        return QueryWork(plan=plan, consortium=consortium)


KIND: Final = QueryKind()

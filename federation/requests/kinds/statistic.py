"""Statistics that are asked by name: one scan, then the statistic's steps on shares.

Layer:       federation.requests.kinds.statistic, above analytics.
Guarantees:  as ``base``; knows no statistic. A private answer whose scan was late is zero plus this site's noise (P19).
See instead: the statistics (``analytics.statistics.registry``).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np

from analytics.disclosure.recombine import recombine_statistic
from analytics.plans.statistic_plan import StatisticPlan, make_statistic_plan, read_question
from analytics.results.explain_statistic import statistic_price
from federation.requests.kinds.base import JointPart, Mode, PolicyFacts, SessionNeeds
from federation.requests.kinds.plan_context import context_of, mechanism_of
from federation.requests.noise_alternatives import alternatives_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from analytics.plans.populations import Population
    from analytics.schema import Table
    from analytics.sources import LocalTable
    from analytics.statistics.base import Answer
    from analytics.statistics.profiles.quality_answer import QualityAnswer
    from federation.consortium.consortium_file import Consortium
    from federation.protocol.request import Request
    from federation.requests.explanation import Explanation
    from federation.requests.trust import TrustModel
    from privacy_accounting.events import Event
    from smpc.cost import Cost


@dataclass(frozen=True, kw_only=True)
class StatisticWork:
    """A planned statistic.

    Attributes:
        plan: what runs.
        consortium: the agreement, by whose budget alternatives are explained.
    """

    plan: StatisticPlan
    consortium: Consortium

    @property
    def mode(self) -> Mode:
        """As the plan."""
        return self.plan.mode

    @property
    def table(self) -> Table:
        """The table that it is asked over."""
        return self.plan.table

    @property
    def events(self) -> tuple[Event, ...]:
        """Those of its counts."""
        return self.plan.cost

    @property
    def facts(self) -> PolicyFacts:
        """The minimum cell, the numbers of all steps, and whether some are about one site alone."""
        return PolicyFacts(
            minimum_cell=self.plan.context.minimum_cell,
            numbers=self.plan.most_opened,
            opens_site_results=self.plan.statistic.opens_site_results,
            releases_quality=self.plan.statistic.decides_policies,
        )

    @property
    def has_products(self) -> bool:
        """Whether a step compares or multiplies."""
        return self.plan.has_products

    def digest(self) -> str:
        """See ``StatisticPlan.digest``."""
        return self.plan.digest()

    @cached_property
    def _cost(self) -> Cost:
        from analytics.disclosure.release import statistic_cost

        return statistic_cost(self.plan)

    def session_needs(self) -> SessionNeeds:
        """The material of all steps at once."""
        cost = self._cost
        return SessionNeeds(
            requests=cost.requests if self.has_products else (), memory_bytes=cost.memory_bytes
        )

    def seconds(self) -> int:
        """Nothing more."""
        return 0

    def scan(self, table: LocalTable, limit_s: float) -> JointPart:
        """Count groups, or read rows."""
        if self.plan.counts is not None:
            return self._joint(table.local_figures(self.plan.counts, limit_s))
        statistic = self.plan.statistic
        read = table.every_row if statistic.keeps_missing else table.complete_cases
        return self._joint(read(statistic.columns, limit_s))

    def without_scan(self) -> JointPart:
        """Zero and noise; the joint part of an exact statistic refuses."""
        return self._joint(None)

    def _joint(self, scanned: npt.NDArray[np.int64] | None) -> JointPart:
        from analytics.disclosure.release import send_statistic

        return lambda session, source: send_statistic(session, self.plan, scanned, source)

    def cost(self) -> Mapping[str, object]:
        """The plan's price; of private answers also at ``t`` and at ``n - 1`` colluding sites."""
        cost, context = statistic_price(self.plan), self.plan.context
        if self.mode == "exact":
            return cost
        from federation.requests.private_terms import private_terms

        return cost | private_terms(
            self.events, delta=context.delta, relation=context.relation, n_sites=context.n_sites
        )

    def noise(self) -> Mapping[str, float]:
        """By the meanings of the counts; equal ones once."""
        counts, laws = self.plan.counts, self.plan.noise
        return (
            {}
            if counts is None
            else {block.meaning: law.sd for block, law in zip(counts.blocks, laws, strict=False)}
        )

    def quality_seen(self, values: bytes) -> QualityAnswer | None:
        """The estimate from what opened to all sites, where policies decide by it."""
        if not self.plan.statistic.decides_policies:
            return None
        opened = np.frombuffer(values, dtype="<i8").astype(np.int64)
        return cast("QualityAnswer", self.plan.statistic.estimate((opened,), self.plan.noise))

    def populations(self) -> tuple[Population, ...]:
        """Those of its counts; none where rows are fitted."""
        from analytics.plans.populations import populations_of

        return () if self.plan.counts is None else populations_of(self.plan.counts.query)

    def explain(self, trust: TrustModel) -> Explanation:
        """Explain the plan with rounds and bytes of its longest run."""
        from federation.requests.explanation import explain_named

        return explain_named(self.plan, self._cost, trust, self.alternatives())

    def alternatives(self, quoted: Mapping[str, Any] | None = None) -> list[dict[str, str]]:
        """Say what other noise would cost its counts; empty for exact."""
        plan = self.plan.counts
        if plan is None or not self.plan.statistic.any_noise:
            return []
        return alternatives_of(plan, self.consortium, StatisticKind().sub_budget, quoted)

    def finish(self, answers: Sequence[bytes], *, receipt: Mapping[str, object]) -> Answer:
        """Follow the steps and estimate."""
        found = recombine_statistic(self.plan, answers, cost=self.cost(), receipt=receipt)
        return found.named(self.consortium.names)


@dataclass(frozen=True, slots=True)
class StatisticKind:
    """Statistics by name."""

    name: str = "statistic"
    sub_budget: str = "query"
    names_noise: bool = True

    def work(self, request: Request, consortium: Consortium) -> StatisticWork:
        """Read, bind and plan a statistic."""
        _, table, _ = read_question(request.question, consortium.schema)
        is_exact, mechanism = request.mode == "exact", mechanism_of(request)
        plan = make_statistic_plan(
            request.question,
            mode="exact" if is_exact else "private",
            epsilon=request.epsilon,
            schema=consortium.schema,
            context=context_of(
                consortium, table.population, self.sub_budget, is_exact=is_exact, mechanism=mechanism
            ),
            mechanism=mechanism,
        )
        return StatisticWork(plan=plan, consortium=consortium)


KIND: Final = StatisticKind()

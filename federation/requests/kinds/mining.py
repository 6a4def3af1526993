"""Mining requests: one scan into bitmaps, then a level of candidates after the other on shares.

Layer:       federation.requests.kinds.mining, above analytics.
Guarantees:  as ``base``. The joint part fetches its material for each level: how many candidates a level has follows
             from the bits that the level before it opened.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from analytics.disclosure.recombine import recombine_mined
from analytics.errors import InvalidRequestError, ReleaseRefusedError
from analytics.mining.plan import MiningPlan, make_mining_plan
from analytics.mining.request import MiningRequest
from federation.requests.kinds.base import JointPart, Mode, PolicyFacts, SessionNeeds, Work
from federation.requests.kinds.plan_context import context_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from analytics.mining.result import MiningResult
    from analytics.plans.populations import Population
    from analytics.schema import Table
    from analytics.sources import LocalTable
    from federation.consortium.consortium_file import Consortium
    from federation.protocol.request import Request
    from federation.requests.explanation import Explanation
    from federation.requests.trust import TrustModel
    from privacy_accounting.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class MiningWork:
    """A planned mining request.

    Attributes:
        plan: what runs.
    """

    plan: MiningPlan

    @property
    def mode(self) -> Mode:
        """Always exact."""
        return self.plan.mode

    @property
    def table(self) -> Table:
        """The table of the items."""
        return self.plan.table

    @property
    def events(self) -> tuple[Event, ...]:
        """None."""
        return ()

    @property
    def facts(self) -> PolicyFacts:
        """The minimum cell, the candidates' cap, and whether nested supports open without a guard."""
        return PolicyFacts(
            minimum_cell=self.plan.context.minimum_cell,
            numbers=self.plan.most_opened,
            opens_nested_supports=self.plan.nested_supports == "allow",
        )

    @property
    def has_products(self) -> bool:
        """Every level compares."""
        return True

    def digest(self) -> str:
        """See ``MiningPlan.digest``."""
        return self.plan.digest()

    def session_needs(self) -> SessionNeeds:
        """Each level fetches its own material."""
        from analytics.mining.site_run import most_memory

        return SessionNeeds(requests=(), memory_bytes=most_memory(self.plan))

    def seconds(self) -> int:
        """Nothing more."""
        return 0

    def scan(self, table: LocalTable, limit_s: float) -> JointPart:
        """Read the items' bitmaps."""
        from analytics.disclosure.release import send_mined
        from analytics.mining.bitmaps import local_bitmaps

        bitmaps = local_bitmaps(self.plan, table, limit_s)
        return lambda session, _source: send_mined(session, self.plan, bitmaps)

    def without_scan(self) -> JointPart:
        """Refuse: an exact disclosure needs every site's rows."""
        raise ReleaseRefusedError(rule="figures", reason="an exact answer needs every site's figures")

    def cost(self) -> Mapping[str, object]:
        """See ``MiningPlan.cost``."""
        return self.plan.cost()

    def noise(self) -> Mapping[str, float]:
        """None."""
        return {}

    def quality_seen(self, values: bytes) -> None:
        """Nothing: it opens no figure of quality to sites."""
        del values

    def populations(self) -> tuple[Population, ...]:
        """None: which itemsets open follows from the bits of a run."""
        return ()

    def alternatives(self, quoted: Mapping[str, Any] | None = None) -> list[dict[str, str]]:
        """Return nothing: a mining run has no noise."""
        del quoted
        return []

    def explain(self, trust: TrustModel) -> Explanation:
        """Explain the plan; how long a run is depends on the bits that it opens."""
        from federation.requests.explanation import explain_miner

        return explain_miner(self.plan, trust)

    def finish(self, answers: Sequence[bytes], *, receipt: Mapping[str, object]) -> MiningResult:
        """Recombine the supports of open itemsets and derive the rules."""
        return recombine_mined(self.plan, answers, cost=self.cost(), receipt=receipt)


@dataclass(frozen=True, slots=True)
class MiningKind:
    """Mining requests."""

    name: str = "mine"
    sub_budget: str = "mining"
    names_noise: bool = False

    def work(self, request: Request, consortium: Consortium) -> Work[MiningResult]:
        """Plan a mining request, exact or private."""
        asked = MiningRequest.from_dict(request.question)
        table = consortium.schema.table(asked.table)
        if table is None:
            known = ", ".join(consortium.schema.tables)
            reason = f"is not one of this consortium, which has {known}"
            raise InvalidRequestError(parameter="table", reason=reason)
        is_exact = request.epsilon is None
        context = context_of(consortium, table.population, self.sub_budget, is_exact=is_exact)
        if request.epsilon is None:
            return MiningWork(plan=make_mining_plan(asked, consortium.schema, context))
        from analytics.mining.private.plan import make_private_plan
        from federation.requests.kinds.private_mining import PrivateMiningWork

        plan = make_private_plan(asked, request.epsilon, consortium.schema, context)
        return PrivateMiningWork(plan=plan)


KIND: Final = MiningKind()

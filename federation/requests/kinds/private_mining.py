"""Private mining requests: one scan into bitmaps, then three noisy releases.

Layer:       federation.requests.kinds.private_mining, above analytics.
Guarantees:  as ``base``; one charge, complete before anything is shared, pays for all releases.
See instead: the kind (mining), which also answers exact requests.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from analytics.disclosure.recombine import recombine_privately_mined
from federation.requests.kinds.base import JointPart, Mode, PolicyFacts, SessionNeeds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from analytics.mining.bitmaps import Bitmaps
    from analytics.mining.private.plan import PrivateMiningPlan
    from analytics.mining.private.result import PrivateMiningResult
    from analytics.plans.populations import Population
    from analytics.schema import Table
    from analytics.sources import LocalTable
    from federation.requests.explanation import Explanation
    from federation.requests.trust import TrustModel
    from privacy_accounting.events import Event

_FRAMES = 6  # copies of what is opened that a session holds: shares, masks, frames of its peers


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivateMiningWork:
    """A planned private mining request.

    Attributes:
        plan: what runs.
    """

    plan: PrivateMiningPlan

    @property
    def mode(self) -> Mode:
        """Always private."""
        return self.plan.mode

    @property
    def table(self) -> Table:
        """The table of the items."""
        return self.plan.table

    @property
    def events(self) -> tuple[Event, ...]:
        """One for each release."""
        return self.plan.events

    @property
    def facts(self) -> PolicyFacts:
        """The minimum cell, and the numbers of all releases."""
        return PolicyFacts(minimum_cell=self.plan.context.minimum_cell, numbers=self.plan.most_opened)

    @property
    def has_products(self) -> bool:
        """Noisy sums need no material."""
        return False

    def digest(self) -> str:
        """See ``PrivateMiningPlan.digest``."""
        return self.plan.digest()

    def session_needs(self) -> SessionNeeds:
        """No material."""
        size = 8 * self.plan.most_opened * self.plan.context.n_sites * _FRAMES
        return SessionNeeds(requests=(), memory_bytes=size)

    def seconds(self) -> int:
        """Nothing more."""
        return 0

    def scan(self, table: LocalTable, limit_s: float) -> JointPart:
        """Read the items' bitmaps."""
        from analytics.mining.bitmaps import local_bitmaps

        return self._joint(local_bitmaps(self.plan.base, table, limit_s))

    def without_scan(self) -> JointPart:
        """Zero and noise."""
        return self._joint(None)

    def _joint(self, bitmaps: Bitmaps | None) -> JointPart:
        from analytics.disclosure.release import send_privately_mined

        return lambda session, source: send_privately_mined(session, self.plan, bitmaps, source)

    def cost(self) -> Mapping[str, object]:
        """The plan's price, also at ``t`` and at ``n - 1`` colluding sites."""
        from federation.requests.private_terms import private_terms

        context = self.plan.context
        return self.plan.cost() | private_terms(
            self.events, delta=context.delta, relation=context.relation, n_sites=context.n_sites
        )

    def noise(self) -> Mapping[str, float]:
        """By release."""
        from analytics.mining.private.explain import noise_of

        return noise_of(self.plan)

    def quality_seen(self, values: bytes) -> None:
        """Nothing: it opens no figure of quality to sites."""
        del values

    def populations(self) -> tuple[Population, ...]:
        """None: its counts have noise."""
        return ()

    def alternatives(self, quoted: Mapping[str, Any] | None = None) -> list[dict[str, str]]:
        """Return nothing: its noise is Gaussian."""
        del quoted
        return []

    def explain(self, trust: TrustModel) -> Explanation:
        """Explain the plan with its noise and price."""
        from federation.requests.explanation import explain_private_miner

        return explain_private_miner(self.plan, trust)

    def finish(self, answers: Sequence[bytes], *, receipt: Mapping[str, object]) -> PrivateMiningResult:
        """Recombine the cells and estimate."""
        return recombine_privately_mined(self.plan, answers, cost=self.cost(), receipt=receipt)

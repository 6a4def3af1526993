"""Linkage requests: two sites find which patients they share, by set intersection; the others wait.

Layer:       federation.requests.kinds.link, above analytics.
Guarantees:  as ``base``. The entry names both sites and the analyst as receivers. A site that takes no part reads no row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from analytics.disclosure.recombine import recombine_linked
from analytics.errors import InvalidRequestError, ReleaseRefusedError
from analytics.linkage.plan import LinkPlan, make_link_plan
from analytics.linkage.request import LinkRequest
from federation.requests.kinds.base import JointPart, Mode, PolicyFacts, SessionNeeds
from federation.requests.kinds.plan_context import context_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from analytics.linkage.result import LinkResult
    from analytics.plans.populations import Population
    from analytics.schema import Table
    from analytics.sources import LocalTable
    from federation.consortium.consortium_file import Consortium
    from federation.protocol.request import Request
    from federation.requests.explanation import Explanation
    from federation.requests.trust import TrustModel
    from privacy_accounting.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkWork:
    """A planned linkage.

    Attributes:
        plan: what runs.
        names: the members, in the order of their answers.
    """

    plan: LinkPlan
    names: tuple[str, ...]

    @property
    def mode(self) -> Mode:
        """Always exact."""
        return "exact"

    @property
    def table(self) -> Table:
        """The linked table."""
        return self.plan.table

    @property
    def events(self) -> tuple[Event, ...]:
        """None."""
        return ()

    @property
    def facts(self) -> PolicyFacts:
        """The minimum cell, one number, and the two sites."""
        return PolicyFacts(
            minimum_cell=self.plan.context.minimum_cell, numbers=1, linked=self.plan.request.sites
        )

    @property
    def has_products(self) -> bool:
        """Nothing is computed on shares."""
        return False

    def digest(self) -> str:
        """See ``LinkPlan.digest``."""
        return self.plan.digest()

    def session_needs(self) -> SessionNeeds:
        """No material; the elements of both sets."""
        return SessionNeeds(requests=(), memory_bytes=self.plan.memory_bytes)

    def seconds(self) -> int:
        """See ``LinkPlan.seconds``."""
        return self.plan.seconds

    def scan(self, table: LocalTable, limit_s: float) -> JointPart:
        """Read the digests of this site's identifiers."""
        from analytics.disclosure.release import send_linked
        from analytics.linkage.site_run import digests_at_site

        digests = digests_at_site(self.plan, table, limit_s)
        return lambda session, _source: send_linked(session, self.plan, table.links, digests)

    def without_scan(self) -> JointPart:
        """Refuse: a linkage needs the rows of both sites."""
        raise ReleaseRefusedError(rule="linkage", reason="a linkage needs the rows of both sites")

    def cost(self) -> Mapping[str, object]:
        """See ``LinkPlan.cost``."""
        return self.plan.cost()

    def noise(self) -> Mapping[str, float]:
        """None."""
        return {}

    def quality_seen(self, values: bytes) -> None:
        """Nothing: it opens no figure of quality to sites."""
        del values

    def populations(self) -> tuple[Population, ...]:
        """None: the common patients are not a group by columns."""
        return ()

    def alternatives(self, quoted: Mapping[str, Any] | None = None) -> list[dict[str, str]]:
        """Return nothing: a linkage has no noise."""
        del quoted
        return []

    def explain(self, trust: TrustModel) -> Explanation:
        """Explain who learns what."""
        from federation.requests.explanation import explain_linkage

        return explain_linkage(self.plan, trust)

    def finish(self, answers: Sequence[bytes], *, receipt: Mapping[str, object]) -> LinkResult:
        """Read the number of common patients, or that it is closed."""
        by_site = dict(zip(self.names, answers, strict=True))
        return recombine_linked(self.plan, by_site, cost=self.cost(), receipt=receipt)


@dataclass(frozen=True, slots=True)
class LinkKind:
    """Linkage requests."""

    name: str = "link"
    sub_budget: str = "query"
    names_noise: bool = False

    def work(self, request: Request, consortium: Consortium) -> LinkWork:
        """Plan a linkage."""
        if request.mode != "exact" or request.epsilon is not None:
            raise InvalidRequestError(parameter="mode", reason="must be exact: a linkage has no noise")
        asked = LinkRequest.from_dict(request.question)
        table = consortium.schema.table(asked.table)
        if table is None:
            known = ", ".join(consortium.schema.tables)
            reason = f"is not one of this consortium, which has {known}"
            raise InvalidRequestError(parameter="table", reason=reason)
        context = context_of(consortium, table.population, self.sub_budget, is_exact=True)
        plan = make_link_plan(asked, table, context, consortium.names)
        return LinkWork(plan=plan, names=consortium.names)


KIND: Final = LinkKind()

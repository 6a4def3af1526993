"""Statistics by columns: two columns of the same patients at two sites that have linked them.

Layer:       federation.requests.kinds.by_columns, above statistic.
Guarantees:  as ``base``. Exact alone, where the policy of both sites has ``exact_vertical``.
See instead: the statistics (``analytics.statistics.registry``), the wrapper (``analytics.linkage.by_columns``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from analytics.errors import InvalidRequestError, ReleaseRefusedError
from analytics.linkage.by_columns import COLUMNS, ByColumns, over_two_sites, table_of_two
from analytics.plans.mode_rules import check_dimensions, check_exact_sites, check_table
from analytics.plans.statistic_plan import StatisticPlan, read_question
from analytics.statistics.arguments import Arguments
from analytics.statistics.base import Limits
from analytics.statistics.registry import STATISTICS
from federation.requests.kinds.plan_context import context_of
from federation.requests.kinds.statistic import StatisticWork

if TYPE_CHECKING:
    from collections.abc import Mapping

    from analytics.schema import Table
    from analytics.sources import LocalTable
    from analytics.statistics.counts import CountStatistic
    from federation.consortium.consortium_file import Consortium
    from federation.protocol.request import Request
    from federation.requests.kinds.base import JointPart, PolicyFacts


@dataclass(frozen=True, kw_only=True)
class ByColumnsWork(StatisticWork):
    """A planned statistic by columns.

    Attributes:
        statistic: what runs.
    """

    statistic: ByColumns

    @property
    def facts(self) -> PolicyFacts:
        """As those of a statistic, with the two sites."""
        return replace(super().facts, by_columns=tuple(sorted(self.statistic.sites)))

    def scan(self, table: LocalTable, limit_s: float) -> JointPart:
        """Read this site's column of the linked patients."""
        from analytics.linkage.column_groups import linked_bits

        return self._joint(linked_bits(self.statistic, table, limit_s))

    def cost(self) -> Mapping[str, object]:
        """The price, with the linkage by which a patient counts once."""
        first, second = sorted(self.statistic.sites)
        return {
            **super().cost(),
            "max_sites_per_unit": 1,
            "linkage_key": f"{self.table.privacy_unit} in the form {list(self.table.link_form or ())}, {first} and {second}",
        }


@dataclass(frozen=True, slots=True)
class ByColumnsKind:
    """Statistics by columns."""

    name: str = "by_columns"
    sub_budget: str = "query"
    names_noise: bool = False

    def work(self, request: Request, consortium: Consortium) -> ByColumnsWork:
        """Read, bind and plan."""
        if request.mode != "exact" or request.epsilon is not None:
            reason = "must be exact: a private statistic by columns needs a linkage of which no site learns the members"
            raise InvalidRequestError(parameter="mode", reason=reason)
        question = dict(request.question)
        at = question.pop("at", None)
        name, table, values = read_question(question, consortium.schema)
        if table.link_form is None:
            reason = f"{table.name} declares no form for linkage (link_form in the schema)"
            raise InvalidRequestError(parameter="table", reason=reason)
        kind = STATISTICS[name]
        context = context_of(consortium, table.population, self.sub_budget, is_exact=True)
        check_table(table)
        check_exact_sites(context)
        if context.minimum_cell < 1:
            raise ReleaseRefusedError(
                rule="exact_vertical", reason="statistics by columns need a minimum cell of 1 or more"
            )
        if "exact" not in kind.modes:
            raise InvalidRequestError(parameter="mode", reason=kind.no_exact)
        limits = Limits(
            n_sites=context.n_sites,
            sites_per_unit=1,
            minimum_cell=context.minimum_cell,
            rows_max=table.rows_max,
        )
        inner = table_of_two(kind.bind(table, Arguments(values, kind.parameters, name), "exact", limits))
        statistic = over_two_sites(inner, _places(at, inner, table, consortium.names), limits)
        check_dimensions(table, statistic.dimensions)
        plan = StatisticPlan(statistic=statistic, context=context, epsilon=None, counts=None)
        return ByColumnsWork(plan=plan, consortium=consortium, statistic=statistic)


def _places(at: object, inner: CountStatistic, table: Table, names: tuple[str, ...]) -> tuple[str, str]:
    """Where the first and the second column are.

    Raises:
        InvalidRequestError: not two columns of the statistic at two members.
    """
    keys = [column.name for _, column in inner.keys]
    found = dict(at) if isinstance(at, dict) else {}
    by_name = {
        column: site for name, site in found.items() for column in keys if str(name).lower() == column.lower()
    }
    sites = [str(by_name.get(name, "")) for name in keys]
    if (
        len(found) != COLUMNS
        or len(sites) != COLUMNS
        or len(set(sites)) != COLUMNS
        or not set(sites) <= set(names)
    ):
        reason = f"must name, for each of the two columns of {table.name} another site: {', '.join(names)}"
        raise InvalidRequestError(parameter="at", reason=reason)
    return sites[0], sites[1]


KIND: Final = ByColumnsKind()

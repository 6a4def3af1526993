"""The plan of a statistic: what every site derives again from a request, with its noise and its price.

Layer:       analytics.plans above plan and statistics.registry.
Terms:       ``counts`` is the plan of the counts that the statistic is made from: its local statement, clamps, noise and
             events.
Guarantees:  every site derives the equal plan from the request, the schema and the context; no floats in its digest.
             What is planned runs: every limit that public numbers decide is checked here, before any charge.
See instead: running it (``analytics.disclosure.statistic_run``).
Source:      ours.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from analytics.errors import InvalidRequestError, OverflowRiskError, PlanRejectedError
from analytics.plans.mode_rules import check_dimensions, check_exact_sites, check_table
from analytics.plans.plan import Plan, make_plan
from analytics.plans.size_limits import RING_BITS
from analytics.statistics.arguments import Arguments
from analytics.statistics.base import AnyStatistic, Limits, Mode
from analytics.statistics.register import why_unknown
from analytics.statistics.registry import STATISTICS
from privacy_accounting.decimals import format_decimal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from fractions import Fraction

    from analytics.plans.context import PlanContext
    from analytics.plans.noise.mechanisms import Mechanism
    from analytics.schema import Schema, Table
    from analytics.statistics.uncertainty.noise_law import NoiseLaw
    from privacy_accounting.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class StatisticPlan:
    """A statistic, ready to run.

    Attributes:
        statistic: bound to its table, arguments and mode.
        context: the consortium's parameters.
        epsilon: stand-alone epsilon of a private release; None in exact mode.
        counts: the plan of its counts; None for a statistic over rows.
    """

    statistic: AnyStatistic
    context: PlanContext
    epsilon: Fraction | None
    counts: Plan | None

    @property
    def table(self) -> Table:
        """The table."""
        return self.statistic.table

    @property
    def mode(self) -> Mode:
        """Private or exact."""
        return self.statistic.mode

    @property
    def cost(self) -> tuple[Event, ...]:
        """The events that are charged; empty in exact mode."""
        return () if self.counts is None else self.counts.cost

    @property
    def threshold(self) -> int:
        """What guarded counts must reach."""
        return self.statistic.limits.threshold

    @property
    def most_opened(self) -> int:
        """How many numbers are opened at most, to the analyst and to sites."""
        return sum(
            step.n_opened if step.to == "sites" else step.n_values for step in self.statistic.every_step()
        )

    @property
    def most_sent(self) -> int:
        """How many integers a site sends to the analyst at most."""
        return sum(step.n_opened for step in self.statistic.every_step())

    @property
    def has_products(self) -> bool:
        """Whether a step compares or multiplies on shares."""
        return any(step.has_products for step in self.statistic.every_step())

    @property
    def noise(self) -> tuple[NoiseLaw, ...]:
        """The noise of each block of the counts; empty in exact mode."""
        if self.counts is None or self.mode == "exact":
            return ()
        return tuple(self.counts.noise_law(number) for number in range(len(self.counts.blocks)))

    def to_dict(self) -> dict[str, object]:
        """Canonical form: integers, texts and decimal strings only."""
        context = self.context
        return {
            "format": 1,
            "kind": "statistic",
            "statistic": self.statistic.name,
            "arguments": self.statistic.describe(),
            "mode": self.mode,
            "table": self.table.name,
            "schema": self.table.to_dict(),
            "context": {
                "n_sites": context.n_sites,
                "colluding": context.colluding,
                "relation": context.relation,
                "delta": format_decimal(context.delta),
                "minimum_cell": context.minimum_cell,
                "has_three_sites": context.has_three_sites,
            },
            "epsilon": None if self.epsilon is None else format_decimal(self.epsilon),
            "counts": None if self.counts is None else self.counts.to_dict(),
            "columns": list(self.statistic.columns),
            "steps": [step.to_dict() for step in self.statistic.every_step()],
            "threshold": self.threshold,
        }

    def digest(self) -> str:
        """SHA-256 of the canonical form, in hexadecimal."""
        canonical = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(canonical.encode("ascii")).hexdigest()


def make_statistic_plan(
    question: Mapping[str, object],
    *,
    mode: Mode,
    epsilon: Fraction | None,
    schema: Schema,
    context: PlanContext,
    mechanism: Mechanism | None = None,
) -> StatisticPlan:
    """Plan a statistic that is asked by name.

    Visible to: no party's data. Cost: none is spent here; ``plan.cost`` says what running it costs.

    Args:
        question: ``statistic``, ``table`` and ``arguments``, as ``read_question`` checks them.
        mode: private or exact.
        epsilon: stand-alone epsilon of a private release; None in exact mode.
        schema: the consortium's schema.
        context: the consortium's parameters.
        mechanism: the noise of a private answer; None is Gaussian noise.

    Returns:
        The plan, equal at every site.

    Raises:
        InvalidRequestError: no such statistic or table, an argument, epsilon or the mode does not fit it.
        PlanRejectedError: the table or a column cannot be used for it.
        OverflowRiskError: a sum could leave the ring.
        ReleaseRefusedError: too few sites for exact answers.
    """
    name, table, values = read_question(question, schema)
    kind = STATISTICS[name]
    if mode not in kind.modes:
        reason = kind.no_private if mode == "private" else kind.no_exact
        raise InvalidRequestError(parameter="mode", reason=reason)
    check_table(table)
    if mode == "exact":
        check_exact_sites(context)
        if epsilon is not None:
            raise InvalidRequestError(parameter="epsilon", reason="has no meaning for an exact answer")
        if mechanism is not None:
            raise InvalidRequestError(parameter="mechanism", reason="has no meaning for an exact answer")
    limits = Limits(
        n_sites=context.n_sites,
        sites_per_unit=table.sites_per_unit(context.n_sites),
        minimum_cell=context.minimum_cell,
        rows_max=table.rows_max,
    )
    statistic = kind.bind(table, Arguments(values, kind.parameters, name), mode, limits)
    if mode == "exact":
        check_dimensions(table, statistic.dimensions)
    if mechanism not in {None, "gaussian"} and not statistic.any_noise:
        raise InvalidRequestError(
            parameter="mechanism",
            reason=f"must be gaussian for {name}: its intervals hold for that noise alone",
        )
    _check_sites_see_noise(statistic, context)
    query = statistic.query
    counts = (
        None
        if query is None
        else make_plan(
            query,
            mode=mode,
            epsilon=epsilon,
            context=context,
            mechanism=mechanism,
            figures=statistic.figures,
            norm=statistic.norm,
        )
    )
    plan = StatisticPlan(statistic=statistic, context=context, epsilon=epsilon, counts=counts)
    _check_ring(plan)
    return plan


def read_question(question: Mapping[str, object], schema: Schema) -> tuple[str, Table, Mapping[str, object]]:
    """Read a request's question strictly.

    Returns:
        Name of the statistic, the table, and the arguments as they came.

    Raises:
        InvalidRequestError: another shape, or no such statistic or table.
    """
    if set(question) != {"statistic", "table", "arguments"}:
        raise InvalidRequestError(
            parameter="question", reason="must hold statistic, table and arguments alone"
        )
    name, asked, values = question["statistic"], question["table"], question["arguments"]
    if not isinstance(name, str) or name not in STATISTICS:
        raise InvalidRequestError(parameter="statistic", reason=why_unknown(name))
    table = schema.table(asked) if isinstance(asked, str) else None
    if table is None:
        known = ", ".join(schema.tables)
        raise InvalidRequestError(
            parameter="table", reason=f"is not one of this consortium, which has {known}"
        )
    if not isinstance(values, dict):
        raise InvalidRequestError(parameter="arguments", reason="must be a mapping of names to values")
    return name, table, values


def _check_sites_see_noise(statistic: AnyStatistic, context: PlanContext) -> None:
    """Refuse private figures that open to sites where no site may collude: each knows its own part of the noise."""
    is_open = any(step.to == "sites" for step in statistic.every_step())
    if statistic.mode == "private" and is_open and context.colluding < 1:
        reason = (
            "figures that open to sites need an agreement in which a site may collude (colluding at least 1): a site "
            "takes its own part of the noise away, and the noise is sized for that only there"
        )
        raise PlanRejectedError(position=statistic.name, reason=reason)


def _check_ring(plan: StatisticPlan) -> None:
    """Refuse sums that need more than 62 bits; those of counts are checked with their noise."""
    for step in plan.statistic.every_step():
        largest = plan.context.n_sites * max(step.clamps, default=0)
        if largest >= 2**RING_BITS:
            raise OverflowRiskError(figure=step.name, bits=largest.bit_length(), limit_bits=RING_BITS)

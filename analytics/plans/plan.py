"""The plan of a question: one local query, a fixed vector of integers, and the part of it that is opened.

Layer:       analytics.plans, above the package's other modules and sql.
Terms:       figure ``block * n_groups + group`` is one integer; a site's vector has all figures in that order.
Shapes:      figures ``(n_figures,)`` int64 at every site, whatever its data.
Guarantees:  every site derives the equal plan from the request, the schema and the context; no floats in its
             digest. What is planned runs: every limit that public numbers decide (ring, sampler, figures, the local
             statement) is checked here, so before any charge.
             Private: every figure is opened, clamped, weighted and noised. Exact: the opened blocks come first, the
             others serve guards and never leave shares.
See instead: running the statement (sources), opening (release), turning integers into an answer (finish).
Source:      ours.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from analytics.errors import InvalidRequestError, OverflowRiskError, PlanRejectedError
from analytics.plans.block_layout import lay_out
from analytics.plans.cell_guards import Guard, add_guards
from analytics.plans.context import PlanContext, check_decimal
from analytics.plans.local_query import local_statement
from analytics.plans.mode_rules import check_exact, check_opened_blocks, check_private, check_table
from analytics.plans.noise_calibration import BlockNoise, Calibration, calibrate
from analytics.sql.extent import ExpressionLimitError
from analytics.sql.render import describe_integer
from analytics.statistics.base import Mode
from analytics.statistics.blocks import BlockSpec, Measure
from analytics.statistics.noise_law import NoiseLaw
from privacy_accounting.decimals import format_decimal
from privacy_accounting.events import Event, event_to_dict
from privacy_accounting.noise.gaussian import LARGEST_SIGMA2, SLOW_SIGMA2

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.sql.query import BoundQuery, GroupKey, OrderItem
    from analytics.statistics.aggregate import PlanColumn

__all__ = ["Block", "Mode", "Plan", "PlanContext", "make_plan"]

RING_BITS = 62
ELEMENT_BYTES = 8
SAFETY_DEVIATIONS = 12
MAX_FIGURES = 100_000
MAX_BLOCKS = 200  # pricing takes time by the block
MAX_SLOW_FIGURES = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One aggregate over all groups, as the plan fixes it.

    Attributes:
        measure: what is added up.
        meaning: the same in words, for people.
        bound: what one row (or unit) adds to a figure at most.
        clamp: each site's figure is clamped to plus or minus this.
        weight: public factor after the clamp and before noise; 1 in exact mode.
        sigma2_local: integer variance of each site's discrete Gaussian; 0 in exact mode.
        opened: whether its figures are opened.
    """

    measure: Measure
    meaning: str
    bound: int
    clamp: int
    weight: int
    sigma2_local: int
    opened: bool

    def to_dict(self) -> dict[str, object]:
        """Canonical form."""
        return {
            "measure": self.measure.value,
            "meaning": self.meaning,
            "bound": self.bound,
            "clamp": self.clamp,
            "weight": self.weight,
            "sigma2_local": self.sigma2_local,
            "opened": self.opened,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A question ready to run.

    Attributes:
        mode: private or exact.
        query: the bound question.
        context: the consortium's parameters.
        epsilon: stand-alone epsilon of this release; None in exact mode.
        noise_multiplier: noise over sensitivity of the whole release; None in exact mode.
        local_sql: the statement each site runs over its clean table.
        blocks: the vector's blocks.
        columns: how the answer's columns are made.
        guards: what must hold on shares, one per opened figure; empty in private mode and without a minimum
            cell.
        cost: the events that are charged; empty in exact mode.
    """

    mode: Mode
    query: BoundQuery
    context: PlanContext
    epsilon: Fraction | None
    noise_multiplier: Fraction | None
    local_sql: str
    blocks: tuple[Block, ...]
    columns: tuple[PlanColumn, ...]
    guards: tuple[Guard, ...]
    cost: tuple[Event, ...]

    @property
    def n_groups(self) -> int:
        """Rows of the unsorted answer."""
        return self.query.n_groups

    @property
    def n_figures(self) -> int:
        """Length of a site's vector."""
        return len(self.blocks) * self.n_groups

    @property
    def groups(self) -> tuple[GroupKey, ...]:
        """The keys of GROUP BY."""
        return self.query.groups

    @property
    def order(self) -> tuple[OrderItem, ...]:
        """How the finished answer is sorted."""
        return self.query.order

    @property
    def limit(self) -> int | None:
        """Rows of the finished answer, or None."""
        return self.query.limit

    @property
    def opened(self) -> tuple[int, ...]:
        """The figures that are opened to the analyst, in order; all others stay in shares."""
        return tuple(
            number * self.n_groups + group
            for number, block in enumerate(self.blocks)
            if block.opened
            for group in range(self.n_groups)
        )

    @property
    def most_opened(self) -> int:
        """How many numbers are opened at most."""
        return len(self.opened)

    @property
    def has_products(self) -> bool:
        """Whether the joint stage compares or multiplies. Private answers and unguarded ones do neither."""
        return bool(self.guards)

    @property
    def answer_bytes(self) -> int:
        """Length of one site's answer share (bytes): the opened figures, then with a guard their flags."""
        return ELEMENT_BYTES * len(self.opened) * (2 if self.guards else 1)

    @property
    def clamps(self) -> tuple[int, ...]:
        """Per figure: the site's integer is clamped to plus or minus this."""
        return self._per_figure([block.clamp for block in self.blocks])

    @property
    def weights(self) -> tuple[int, ...]:
        """Per figure: the public factor after the clamp."""
        return self._per_figure([block.weight for block in self.blocks])

    @property
    def sigma2_local(self) -> tuple[int, ...]:
        """Per figure: integer variance of the noise that each site adds after the weight."""
        return self._per_figure([block.sigma2_local for block in self.blocks])

    @property
    def threshold(self) -> int:
        """What guarded counts must reach: minimum cell times sites per unit."""
        return self.context.minimum_cell * self.query.table.sites_per_unit(self.context.n_sites)

    @property
    def guard_bits(self) -> int:
        """Width of a guard's comparison: a count, and its distance to the threshold, with a sign."""
        bound = self.context.n_sites * self.query.table.rows_max
        return max(bound, self.threshold).bit_length() + 1

    def noise_sd(self, block: int) -> float:
        """Standard deviation of all sites' noise on one block, in unweighted integer steps."""
        chosen = self.blocks[block]
        return math.sqrt(self.context.n_sites * chosen.sigma2_local) / chosen.weight

    def noise_law(self, block: int) -> NoiseLaw:
        """Law of all sites' noise on one block of a private plan."""
        chosen = self.blocks[block]
        return NoiseLaw(n_sites=self.context.n_sites, sigma2_local=chosen.sigma2_local, weight=chosen.weight)

    def to_dict(self) -> dict[str, object]:
        """Canonical form: integers, texts and decimal strings only."""
        query, context = self.query, self.context
        return {
            "format": 1,
            "mode": self.mode,
            "table": query.table.name,
            "schema": query.table.to_dict(),
            "context": {
                "n_sites": context.n_sites,
                "colluding": context.colluding,
                "relation": context.relation,
                "delta": _text(context.delta),
                "minimum_cell": context.minimum_cell,
                "has_three_sites": context.has_three_sites,
            },
            "epsilon": None if self.epsilon is None else _text(self.epsilon),
            "noise_multiplier": None if self.noise_multiplier is None else _text(self.noise_multiplier),
            "local_sql": self.local_sql,
            "groups": [{"column": key.column.name, "labels": list(key.labels)} for key in query.groups],
            "blocks": [block.to_dict() for block in self.blocks],
            "columns": [column.to_dict() for column in self.columns],
            "opened_to": "analyst",
            "guards": [guard.to_dict() for guard in self.guards],
            "threshold": self.threshold,
            "order": [[item.output, item.descending, item.nulls_first] for item in self.order],
            "limit": self.limit,
            "events": [event_to_dict(event) for event in self.cost],
        }

    def digest(self) -> str:
        """SHA-256 of the canonical form, in hexadecimal."""
        canonical = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(canonical.encode("ascii")).hexdigest()

    def _per_figure(self, values: Sequence[int]) -> tuple[int, ...]:
        return tuple(value for value in values for _ in range(self.n_groups))


def make_plan(query: BoundQuery, *, mode: Mode, epsilon: Fraction | None, context: PlanContext) -> Plan:
    """Plan a bound question.

    Visible to: no party's data. Cost: none is spent here; ``plan.cost`` says what running it costs.

    Args:
        query: the bound question.
        mode: private or exact.
        epsilon: stand-alone epsilon of a private release at the context's delta; None in exact mode.
        context: the consortium's parameters.

    Returns:
        The plan, equal at every site.

    Raises:
        PlanRejectedError: the mode does not allow this question, or the table waits for a person.
        InvalidRequestError: epsilon is out of range, or this is too much for one question.
        OverflowRiskError: a sum could leave the ring, or its noise the sampler.
        ReleaseRefusedError: too few sites for exact answers.
    """
    check_table(query.table)
    try:
        if mode == "private":
            plan = _private(query, _checked(epsilon), context)
        else:
            if epsilon is not None:
                raise InvalidRequestError(parameter="epsilon", reason="has no meaning for an exact answer")
            plan = _exact(query, context)
    except ExpressionLimitError as error:
        raise PlanRejectedError(position="1:1", reason=error.reason) from error
    _check_ring(plan)
    _check_noise(plan)
    return plan


def _checked(epsilon: Fraction | None) -> Fraction:
    if not isinstance(epsilon, Fraction):
        raise InvalidRequestError(parameter="epsilon", reason="must be a fraction")
    if epsilon <= 0:
        raise InvalidRequestError(parameter="epsilon", reason="must be above 0")
    check_decimal("epsilon", epsilon)
    return epsilon


def _private(query: BoundQuery, epsilon: Fraction, context: PlanContext) -> Plan:
    check_private(query)
    layout = lay_out(query, centered=True)
    _check_blocks(layout.figures)
    _check_size(query, layout.figures)
    _check_clamps(query, layout.figures, context)
    noise = calibrate(
        layout.figures, table=query.table, n_groups=query.n_groups, epsilon=epsilon, context=context
    )
    return Plan(
        mode="private",
        query=query,
        context=context,
        epsilon=epsilon,
        noise_multiplier=noise.noise_multiplier,
        local_sql=local_statement(query, layout.figures, filtered=True),
        blocks=_noisy_blocks(query, layout.figures, noise),
        columns=layout.columns,
        guards=(),
        cost=noise.events,
    )


def _exact(query: BoundQuery, context: PlanContext) -> Plan:
    check_exact(query, context)
    layout = lay_out(query, centered=False)
    check_opened_blocks(layout.figures)
    _check_blocks(layout.figures)
    figures: tuple[BlockSpec, ...] = layout.figures
    guards: tuple[Guard, ...] = ()
    if context.minimum_cell > 0:
        figures, guards = add_guards(query, layout.figures)
    _check_size(query, figures)
    _check_clamps(query, figures, context)
    return Plan(
        mode="exact",
        query=query,
        context=context,
        epsilon=None,
        noise_multiplier=None,
        local_sql=local_statement(query, figures, filtered=False),
        blocks=tuple(
            _block(query, block, None, opened=number < len(layout.figures))
            for number, block in enumerate(figures)
        ),
        columns=layout.columns,
        guards=guards,
        cost=(),
    )


def _noisy_blocks(query: BoundQuery, figures: Sequence[BlockSpec], noise: Calibration) -> tuple[Block, ...]:
    pairs = zip(figures, noise.blocks, strict=True)
    return tuple(_block(query, block, blur, opened=True) for block, blur in pairs)


def _block(query: BoundQuery, figures: BlockSpec, noise: BlockNoise | None, *, opened: bool) -> Block:
    return Block(
        measure=figures.measure,
        meaning=_meaning(figures),
        bound=figures.bound,
        clamp=query.table.rows_max * figures.bound,
        weight=1 if noise is None else noise.weight,
        sigma2_local=0 if noise is None else noise.sigma2_local,
        opened=opened,
    )


def _meaning(figures: BlockSpec) -> str:
    argument = "" if figures.argument is None else describe_integer(figures.argument)
    shift = f" - {figures.center}" if figures.center else ""
    words = {
        Measure.ROWS: "rows",
        Measure.COUNT: f"rows where {argument} is known",
        Measure.UNITS: "privacy units" + (f" where {argument} is known" if argument else ""),
        Measure.SUM: f"sum of {argument}{shift}",
        Measure.SQUARES: f"sum of squares of {argument}{shift}"
        + (f", less {figures.offset} each" if figures.offset else ""),
    }
    return words[figures.measure] + (" outside the filter" if figures.outside else "")


def _check_blocks(figures: Sequence[BlockSpec]) -> None:
    if len(figures) > MAX_BLOCKS:
        reason = (
            f"needs {len(figures)} different sums and counts of at most {MAX_BLOCKS}: ask for fewer columns"
        )
        raise InvalidRequestError(parameter="question", reason=reason)


def _check_size(query: BoundQuery, figures: Sequence[BlockSpec]) -> None:
    count = len(figures) * query.n_groups
    if count > MAX_FIGURES:
        reason = f"makes {count} figures of at most {MAX_FIGURES}: ask for fewer groups or columns"
        raise InvalidRequestError(parameter="question", reason=reason)


def _check_clamps(query: BoundQuery, figures: Sequence[BlockSpec], context: PlanContext) -> None:
    """Refuse sums that the ring cannot hold even without noise, before anything is priced or written."""
    for block in figures:
        largest = context.n_sites * query.table.rows_max * block.bound
        if largest >= 2**RING_BITS:
            raise _risk(_meaning(block), largest, RING_BITS)


def _check_ring(plan: Plan) -> None:
    """Refuse a plan whose opened sum, or a count of its guards, could need more than 62 bits."""
    n_sites = plan.context.n_sites
    for block in plan.blocks:
        noise = SAFETY_DEVIATIONS * (math.isqrt(n_sites * block.sigma2_local) + 1)
        largest = n_sites * block.clamp * block.weight + (noise if block.sigma2_local else 0)
        if largest >= 2**RING_BITS:
            raise _risk(block.meaning, largest, RING_BITS)
    if plan.guards and plan.guard_bits > RING_BITS:
        raise OverflowRiskError(figure="the minimum cell", bits=plan.guard_bits, limit_bits=RING_BITS)


def _check_noise(plan: Plan) -> None:
    """Refuse noise that the sampler cannot draw, or could not draw in the time of an answer."""
    for block in plan.blocks:
        if block.sigma2_local > LARGEST_SIGMA2:
            raise _risk(f"the noise on {block.meaning}", block.sigma2_local, LARGEST_SIGMA2.bit_length() - 1)
    count = sum(plan.n_groups for block in plan.blocks if block.sigma2_local >= SLOW_SIGMA2)
    if count > MAX_SLOW_FIGURES:
        reason = (
            f"makes {count} figures with noise of more than 2^31 steps, of at most {MAX_SLOW_FIGURES}: "
            "ask for fewer groups, coarsen the resolution or give more epsilon"
        )
        raise InvalidRequestError(parameter="question", reason=reason)


def _risk(figure: str, largest: int, limit_bits: int) -> OverflowRiskError:
    return OverflowRiskError(figure=figure, bits=largest.bit_length(), limit_bits=limit_bits)


def _text(value: Fraction) -> str:
    return format_decimal(value)

"""The plan of a question: one local query, a fixed vector of integers, and the part of it that is opened.

Layer:       analytics.plans, above the package's other modules and sql.
Terms:       figure ``block * n_groups + group`` is one integer; a site's vector has all figures in that order. Of a
             question with grouping sets a block counts the groups of one set, and blocks of one aggregate follow each
             other, set after set.
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
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import accumulate
from typing import TYPE_CHECKING

from analytics.errors import InvalidRequestError, PlanRejectedError
from analytics.plans.block import Block
from analytics.plans.block_layout import Layout, lay_out
from analytics.plans.cell_guards import Guard, add_guards
from analytics.plans.context import PlanContext, check_decimal
from analytics.plans.grouping_sets import over_sets
from analytics.plans.local_query import LocalQuery, local_statement
from analytics.plans.mode_rules import check_exact, check_opened_blocks, check_private, check_table
from analytics.plans.noise.mechanisms import Mechanism, choose
from analytics.plans.noise.noise_split import Portion
from analytics.plans.size_limits import (
    check_blocks,
    check_clamps,
    check_noise,
    check_ring,
    check_size,
    meaning_of,
)
from analytics.sql.terms.extent import ExpressionLimitError
from analytics.sql.terms.render import DUCKDB
from analytics.statistics.base import Mode
from privacy_accounting.decimals import format_decimal
from privacy_accounting.events import Event, event_to_dict

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from analytics.plans.noise.noise_calibration import BlockNoise, Calibration
    from analytics.sql.query import BoundQuery, GroupKey, OrderItem
    from analytics.sql.terms.render import Dialect
    from analytics.statistics.aggregate import PlanColumn
    from analytics.statistics.blocks import BlockSpec, JointNorm
    from analytics.statistics.uncertainty.noise_law import NoiseLaw

__all__ = ["Block", "Mode", "Plan", "PlanContext", "make_plan"]

ELEMENT_BYTES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A question ready to run.

    Attributes:
        mode: private or exact.
        query: the bound question.
        context: the consortium's parameters.
        epsilon: stand-alone epsilon of this release; None in exact mode.
        noise_multiplier: noise over sensitivity of the whole release; None in exact mode.
        local_sql: the canonical statement that each site runs over its clean table.
        blocks: the vector's blocks.
        columns: how the answer's columns are made.
        guards: what must hold on shares, one per opened figure; empty in private mode and without a minimum
            cell.
        cost: the events that are charged; empty in exact mode.
        mechanism: the noise that the request asks for; None where it names none, which is Gaussian noise.
        local: what ``local_sql`` is made of.
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
    mechanism: Mechanism | None = None
    local: LocalQuery | None = None

    def statements(self, to: Dialect, never_null: Collection[str] = ()) -> list[str]:
        """The statements that a site runs, in the words of its own database; one for most.

        Args:
            to: the database.
            never_null: columns that have a value in every row of the site's table.

        Returns:
            Statements whose blocks, one statement after the other, are the vector's.
        """
        if self.local is None:
            return [self.local_sql]
        if to is DUCKDB:
            # the canonical statement, but for its counts of cells: DuckDB adds zeros and ones faster than it filters counts
            return self.local.statements(replace(DUCKDB, adds_cells=True))
        return self.local.statements(to, never_null)

    @property
    def n_groups(self) -> int:
        """Rows of the unsorted answer."""
        return self.query.n_groups

    @property
    def n_figures(self) -> int:
        """Length of a site's vector."""
        return sum(self.sizes)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Figures of each block."""
        return tuple(self.n_groups if block.cells is None else block.cells for block in self.blocks)

    @property
    def slices(self) -> tuple[slice, ...]:
        """Where the figures of each block stand."""
        ends = tuple(accumulate(self.sizes))
        return tuple(slice(end - size, end) for end, size in zip(ends, self.sizes, strict=True))

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
            figure
            for block, place in zip(self.blocks, self.slices, strict=True)
            if block.opened
            for figure in range(place.start, place.stop)
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

    @property
    def noise_name(self) -> str:
        """The noise that is added: gaussian or laplace."""
        return "laplace" if any(block.scale is not None for block in self.blocks) else "gaussian"

    def noise_law(self, block: int) -> NoiseLaw:
        """The law of all sites' noise on one block."""
        return self.blocks[block].law(n_sites=self.context.n_sites, honest=self.context.honest)

    def noise_sd(self, block: int) -> float:
        """Standard deviation of all sites' noise on one block, in unweighted integer steps."""
        return self.noise_law(block).sd

    def to_dict(self) -> dict[str, object]:
        """Canonical form: integers, texts and decimal strings only."""
        query, context = self.query, self.context
        return (
            {
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
            | self._asked_noise()
            | self._grouping_sets()
        )

    def _grouping_sets(self) -> dict[str, object]:
        """What a question with grouping sets adds; nothing for others, so that their digests stay."""
        sets = self.query.grouping_sets
        return {"grouping_sets": [[list(each.keys), each.weight] for each in sets]} if sets else {}

    def _asked_noise(self) -> dict[str, object]:
        """What a request that names its noise adds; nothing for others, so that their digests stay."""
        if self.mechanism is None:
            return {}
        order = self.context.order
        return {"mechanism": self.mechanism, "order": None if order is None else _text(order)}

    def digest(self) -> str:
        """SHA-256 of the canonical form, in hexadecimal."""
        canonical = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(canonical.encode("ascii")).hexdigest()

    def _per_figure(self, values: Sequence[int]) -> tuple[int, ...]:
        return tuple(value for value, size in zip(values, self.sizes, strict=True) for _ in range(size))


def make_plan(
    query: BoundQuery,
    *,
    mode: Mode,
    epsilon: Fraction | None,
    context: PlanContext,
    figures: Sequence[BlockSpec] = (),
    norm: JointNorm | None = None,
    mechanism: Mechanism | None = None,
) -> Plan:
    """Plan a bound question.

    Visible to: no party's data. Cost: none is spent here; ``plan.cost`` says what running it costs.

    Args:
        query: the bound question.
        mode: private or exact.
        epsilon: stand-alone epsilon of a private release at the context's delta; None in exact mode.
        context: the consortium's parameters.
        figures: the blocks of a private release, where they are not those of the query's outputs.
        norm: what one row can change in all of them together; without it, what it can change in each counts.
        mechanism: the noise of a private answer; None is Gaussian noise.

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
            plan = _private(query, _checked(epsilon), context, mechanism, _given(figures, norm))
        else:
            if epsilon is not None:
                raise InvalidRequestError(parameter="epsilon", reason="has no meaning for an exact answer")
            if mechanism is not None:
                raise InvalidRequestError(parameter="mechanism", reason="has no meaning for an exact answer")
            plan = _exact(query, context)
    except ExpressionLimitError as error:
        raise PlanRejectedError(position="1:1", reason=error.reason) from error
    check_ring(plan.blocks, context.n_sites, plan.guard_bits if plan.guards else 0)
    check_noise(plan.blocks, plan.sizes)
    return plan


def _checked(epsilon: Fraction | None) -> Fraction:
    if not isinstance(epsilon, Fraction):
        raise InvalidRequestError(parameter="epsilon", reason="must be a fraction")
    if epsilon <= 0:
        raise InvalidRequestError(parameter="epsilon", reason="must be above 0")
    check_decimal("epsilon", epsilon)
    return epsilon


def _private(
    query: BoundQuery,
    epsilon: Fraction,
    context: PlanContext,
    mechanism: Mechanism | None,
    given: Layout | None,
) -> Plan:
    check_private(query)
    layout = given or lay_out(query, centered=True)
    check_blocks(layout.figures, layout.portions)
    check_size(query, layout.figures)
    check_clamps(query, layout.figures, context)
    spread = over_sets(query, layout)
    noise = choose(
        spread.figures,
        table=query.table,
        n_groups=query.n_groups if not query.grouping_sets else max(query.set_sizes),
        epsilon=epsilon,
        context=context,
        mechanism=mechanism or "gaussian",
        portions=spread.portions,
    )
    return Plan(
        mode="private",
        query=query,
        context=context,
        epsilon=epsilon,
        noise_multiplier=noise.noise_multiplier,
        local_sql=local_statement(query, layout.figures, filtered=True, known=layout.known),
        local=LocalQuery(
            query=query, figures=tuple(layout.figures), filtered=True, known=tuple(layout.known)
        ),
        blocks=_noisy_blocks(query, spread.figures, noise),
        columns=layout.columns,
        guards=(),
        cost=noise.events,
        mechanism=mechanism,
    )


def _given(figures: Sequence[BlockSpec], norm: JointNorm | None) -> Layout | None:
    """The layout of blocks that are not those of a query's outputs."""
    if not figures:
        return None
    whole = () if norm is None else (Portion.whole(norm),)
    return Layout(figures=tuple(figures), columns=(), portions=whole)


def _exact(query: BoundQuery, context: PlanContext) -> Plan:
    check_exact(query, context)
    layout = lay_out(query, centered=False)
    check_opened_blocks(layout.figures)
    check_blocks(layout.figures)
    figures: tuple[BlockSpec, ...] = layout.figures
    guards: tuple[Guard, ...] = ()
    if context.minimum_cell > 0:
        figures, guards = add_guards(query, layout.figures)
    check_size(query, figures)
    check_clamps(query, figures, context)
    return Plan(
        mode="exact",
        query=query,
        context=context,
        epsilon=None,
        noise_multiplier=None,
        local_sql=local_statement(query, figures, filtered=False),
        local=LocalQuery(query=query, figures=tuple(figures), filtered=False),
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
    blocks = tuple(_block(query, block, blur, opened=True) for block, blur in pairs)
    sizes = query.set_sizes
    if not sizes:
        return blocks
    return tuple(replace(block, cells=sizes[number % len(sizes)]) for number, block in enumerate(blocks))


def _block(query: BoundQuery, figures: BlockSpec, noise: BlockNoise | None, *, opened: bool) -> Block:
    return Block(
        measure=figures.measure,
        meaning=meaning_of(figures),
        bound=figures.bound,
        clamp=query.table.rows_max * figures.bound,
        weight=1 if noise is None else noise.weight,
        sigma2_local=0 if noise is None else noise.sigma2_local,
        opened=opened,
        scale=None if noise is None else noise.scale,
    )


def _text(value: Fraction) -> str:
    return format_decimal(value)

"""Limits of a plan that public numbers decide: blocks, figures, the ring, the sampler.

Layer:       analytics.plans, below plan.
Guarantees:  what passes here runs; nothing that passes overflows, up to a probability of 1e-32 a figure.
Source:      ours.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from analytics.errors import InvalidRequestError, OverflowRiskError
from analytics.sql.terms.render import describe_integer
from analytics.statistics.blocks import MISSING_CELL, BlockSpec, Measure, disjoint_runs
from privacy_accounting.noise.gaussian import LARGEST_SIGMA2, SLOW_SIGMA2

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.plans.block import Block
    from analytics.plans.context import PlanContext
    from analytics.plans.noise.noise_split import Portion
    from analytics.sql.query import BoundQuery

RING_BITS = 62
SAFETY_DEVIATIONS = 12
SAFETY_SCALES = 80  # of each site's Laplace share; beyond with probability exp(-80)
MAX_FIGURES = 100_000
MAX_BLOCKS = 200  # pricing takes time by the block
MAX_SLOW_FIGURES = 2_000


def meaning_of(figures: BlockSpec) -> str:
    """What a block adds up, in words for people."""
    argument = "" if figures.argument is None else describe_integer(figures.argument)
    shift = f" - {figures.center}" if figures.center else ""
    words = {
        Measure.ROWS: "rows",
        Measure.COUNT: f"rows where {argument} is known",
        Measure.CELL: _cell_meaning(argument, figures),
        Measure.UNITS: "privacy units" + (f" where {argument} is known" if argument else ""),
        Measure.SUM: f"sum of {argument}{shift}",
        Measure.SQUARES: f"sum of squares of {argument}{shift}"
        + (f", less {figures.offset} each" if figures.offset else ""),
    }
    return words[figures.measure] + (" outside the filter" if figures.outside else "")


def _cell_meaning(argument: str, figures: BlockSpec) -> str:
    if figures.cell is None:
        return ""
    if figures.cell == MISSING_CELL:
        return f"rows where {argument} is missing"
    return f"rows where {argument} is from {figures.cell[0]} to {figures.cell[1]}"


def check_blocks(figures: Sequence[BlockSpec], portions: Sequence[Portion] = ()) -> None:
    """Refuse more blocks than can be priced in the time of an answer; blocks that are one portion are priced once."""
    count = len(portions) if len(portions) == 1 else len(disjoint_runs(figures))
    if count > MAX_BLOCKS:
        reason = f"needs {count} different sums and counts of at most {MAX_BLOCKS}: ask for fewer columns"
        raise InvalidRequestError(parameter="question", reason=reason)


def check_size(query: BoundQuery, figures: Sequence[BlockSpec]) -> None:
    """Refuse more figures than one question may have."""
    count = len(figures) * query.n_groups
    if count > MAX_FIGURES:
        reason = f"makes {count} figures of at most {MAX_FIGURES}: ask for fewer groups or columns"
        raise InvalidRequestError(parameter="question", reason=reason)


def check_clamps(query: BoundQuery, figures: Sequence[BlockSpec], context: PlanContext) -> None:
    """Refuse sums that the ring cannot hold even without noise, before anything is priced or written."""
    for block in figures:
        largest = context.n_sites * query.table.rows_max * block.bound
        if largest >= 2**RING_BITS:
            raise _risk(meaning_of(block), largest, RING_BITS)


def check_ring(blocks: Sequence[Block], n_sites: int, guard_bits: int) -> None:
    """Refuse a plan whose opened sum, or a count of its guards, could need more than 62 bits; 0 bits for no guards."""
    for block in blocks:
        noise = (
            SAFETY_DEVIATIONS * (math.isqrt(n_sites * block.sigma2_local) + 1) if block.sigma2_local else 0
        )
        if block.scale is not None:
            noise = SAFETY_SCALES * n_sites * math.ceil(block.scale)
        largest = n_sites * block.clamp * block.weight + noise
        if largest >= 2**RING_BITS:
            raise _risk(block.meaning, largest, RING_BITS)
    if guard_bits > RING_BITS:
        raise OverflowRiskError(figure="the minimum cell", bits=guard_bits, limit_bits=RING_BITS)


def check_noise(blocks: Sequence[Block], sizes: Sequence[int]) -> None:
    """Refuse noise that the sampler cannot draw, or could not draw in the time of an answer."""
    for block in blocks:
        if block.sigma2_local > LARGEST_SIGMA2:
            raise _risk(f"the noise on {block.meaning}", block.sigma2_local, LARGEST_SIGMA2.bit_length() - 1)
    count = sum(size for block, size in zip(blocks, sizes, strict=True) if block.sigma2_local >= SLOW_SIGMA2)
    if count > MAX_SLOW_FIGURES:
        reason = (
            f"makes {count} figures with noise of more than 2^31 steps, of at most {MAX_SLOW_FIGURES}: "
            "ask for fewer groups, coarsen the resolution or give more epsilon"
        )
        raise InvalidRequestError(parameter="question", reason=reason)


def _risk(figure: str, largest: int, limit_bits: int) -> OverflowRiskError:
    return OverflowRiskError(figure=figure, bits=largest.bit_length(), limit_bits=limit_bits)

"""Noise calibration of a private plan: weights, variances and the events to charge.

Layer:       analytics.plans above statistics.blocks; the only module here that prices.
Terms:       the noise multiplier z is the noise's standard deviation over the L2 sensitivity of the whole release,
             without unit. Block j of K gets ``sigma_j = l2_j z sqrt(K)``, so that ``sum (l2_j / sigma_j)^2 = 1 /
             z^2``. Each site adds ``sigma_j^2 / (n - t)``, an integer variance, to integers multiplied by a public
             weight.
Guarantees:  the events' epsilon is at most the requested one, with every rounding against us; sigma_local is at least
             8 steps, where a sum of discrete Gaussians is a Gaussian to 1e-50.
Source:      Kairouz, Liu, Steinke 2102.06387 section 3 for the sum; equal split over blocks is ours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING

from analytics.errors import InvalidRequestError
from analytics.statistics.blocks import disjoint_runs
from privacy_accounting.calibration import smallest_scale
from privacy_accounting.errors import AccountingError
from privacy_accounting.events import DistributedDiscreteGaussian, Event, Relation
from privacy_accounting.rdp import standalone_epsilon

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.plans.context import PlanContext
    from analytics.schema import Table
    from analytics.statistics.blocks import BlockSpec

MIN_SIGMA_LOCAL = 8
_REMEMBERED = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockNoise:
    """The public weight and the noise of one block's figures.

    Attributes:
        weight: public factor of every figure, before noise.
        sigma2_local: integer variance of one site's discrete Gaussian, in weighted steps.
        l1: what one unit can change in the weighted block, L1.
        l2: the same, L2.
    """

    weight: int
    sigma2_local: int
    l1: int
    l2: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """The noise of a plan and its price.

    Attributes:
        noise_multiplier: z.
        blocks: per block.
        events: the events to charge, one for each block, or run of counts of one column's cells.
    """

    noise_multiplier: Fraction
    blocks: tuple[BlockNoise, ...]
    events: tuple[Event, ...]


def calibrate(
    figures: Sequence[BlockSpec],
    *,
    table: Table,
    n_groups: int,
    epsilon: Fraction,
    context: PlanContext,
) -> Calibration:
    """Find the least noise that pays for a release.

    Cost: none is spent here.

    Args:
        figures: the blocks.
        table: bounds rows and sites of a unit.
        n_groups: groups of the question.
        epsilon: the release's stand-alone epsilon at the context's delta.
        context: the consortium's parameters.

    Returns:
        Weights, variances and events.

    Raises:
        InvalidRequestError: no noise fits this epsilon and delta, or the relation is unknown.
    """
    sensitivities = tuple(
        (
            block.l1(table, n_groups=n_groups, n_sites=context.n_sites),
            block.l2(table, n_groups=n_groups, n_sites=context.n_sites),
        )
        for block in figures
    )
    lengths = disjoint_runs(figures)
    starts = tuple(sum(lengths[:place]) for place in range(len(lengths)))
    parts = tuple((*sensitivities[start], length) for start, length in zip(starts, lengths, strict=True))
    found = _calibrated(parts, n_groups, epsilon, context)
    blocks = tuple(block for block, length in zip(found.blocks, lengths, strict=True) for _ in range(length))
    return replace(found, blocks=blocks)


@lru_cache(maxsize=_REMEMBERED)
def _calibrated(
    parts: tuple[tuple[int, int, int], ...], n_groups: int, epsilon: Fraction, context: PlanContext
) -> Calibration:
    """Calibrate from public numbers alone; questions of the same shape are calibrated once.

    Args:
        parts: of each block, or of each run of counts of one column's cells: its L1 and L2, and how many blocks it is.
        n_groups: as for ``calibrate``.
        epsilon: likewise.
        context: likewise.
    """

    def blocks_at(scale: Fraction) -> list[BlockNoise]:
        return [_block_noise((l1, l2), scale, len(parts), context.honest) for l1, l2, _ in parts]

    def events_at(scale: Fraction) -> list[Event]:
        pairs = zip(blocks_at(scale), parts, strict=True)
        return [_event(block, context, n_groups * length) for block, (_, _, length) in pairs]

    relation = _relation(context.relation)
    try:
        scale = smallest_scale(events_at, epsilon, context.delta, relation, price=standalone_epsilon)
    except AccountingError as error:
        reason = "no noise level reaches it at this delta: choose an epsilon nearer to 1"
        raise InvalidRequestError(parameter="epsilon", reason=reason) from error
    events = tuple(events_at(scale))
    if Fraction(standalone_epsilon(events, context.delta, relation).epsilon) > epsilon:
        raise InvalidRequestError(parameter="epsilon", reason="could not be met by the calibrated noise")
    return Calibration(noise_multiplier=scale, blocks=tuple(blocks_at(scale)), events=events)


def _relation(name: str) -> Relation:
    try:
        return Relation(name)
    except ValueError as error:
        raise InvalidRequestError(parameter="relation", reason="is not one of the known ones") from error


def _block_noise(sensitivity: tuple[int, int], scale: Fraction, n_blocks: int, honest: int) -> BlockNoise:
    l1, l2 = sensitivity
    variance = (l2 * scale) ** 2 * n_blocks / honest
    weight = _root_above(MIN_SIGMA_LOCAL**2 / variance)
    return BlockNoise(
        weight=weight, sigma2_local=math.ceil(variance * weight**2), l1=l1 * weight, l2=l2 * weight
    )


def _root_above(square: Fraction) -> int:
    """Smallest positive integer whose square is at least this."""
    return max(1, math.isqrt(math.ceil(square) - 1) + 1) if square > 0 else 1


def _event(block: BlockNoise, context: PlanContext, n_figures: int) -> Event:
    return DistributedDiscreteGaussian(
        parties=context.n_sites,
        colluding=context.colluding,
        sigma2_local=Fraction(block.sigma2_local),
        l1=Fraction(block.l1),
        l2=Fraction(block.l2),
        dim=n_figures,
    )

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
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from analytics.errors import InvalidRequestError
from analytics.statistics.noise_law import NoiseLaw
from privacy_accounting.calibration import smallest_scale
from privacy_accounting.errors import AccountingError
from privacy_accounting.events import DistributedDiscreteGaussian, Event, Relation
from privacy_accounting.rdp import standalone_epsilon

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.plans.context import PlanContext
    from analytics.schema import Table
    from analytics.statistics.blocks import BlockSpec

Noise = Literal["gaussian", "laplace"]
MIN_SIGMA_LOCAL = 8
_REMEMBERED = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockNoise:
    """The public weight and the noise of one block's figures.

    Attributes:
        weight: public factor of every figure, before noise.
        sigma2_local: integer variance of one site's discrete Gaussian, in weighted steps; 0 for Laplace noise.
        l1: what one unit can change in the weighted block, L1.
        l2: the same, L2.
        scale: of the discrete Laplace variable that the honest sites' shares add up to; None for Gaussian noise.
    """

    weight: int
    sigma2_local: int
    l1: int
    l2: int
    scale: Fraction | None = None

    def law(self, context: PlanContext) -> NoiseLaw:
        """The noise of all sites together on one of the block's figures."""
        return NoiseLaw(
            n_sites=context.n_sites,
            sigma2_local=self.sigma2_local,
            weight=self.weight,
            scale=self.scale,
            shares=context.honest,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """The noise of a plan and its price.

    Attributes:
        noise_multiplier: z; of Laplace noise the scale over the L1 sensitivity of the whole release.
        blocks: per block.
        events: the events to charge, one for each block.
        mechanism: the noise that was chosen.
    """

    noise_multiplier: Fraction
    blocks: tuple[BlockNoise, ...]
    events: tuple[Event, ...]
    mechanism: Noise = "gaussian"


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
    return _calibrated(sensitivities_of(figures, table, n_groups, context), n_groups, epsilon, context)


def sensitivities_of(
    figures: Sequence[BlockSpec], table: Table, n_groups: int, context: PlanContext
) -> tuple[tuple[int, int], ...]:
    """L1 and L2 sensitivity of each block."""
    return tuple(
        (
            block.l1(table, n_groups=n_groups, n_sites=context.n_sites),
            block.l2(table, n_groups=n_groups, n_sites=context.n_sites),
        )
        for block in figures
    )


@lru_cache(maxsize=_REMEMBERED)
def _calibrated(
    sensitivities: tuple[tuple[int, int], ...], n_groups: int, epsilon: Fraction, context: PlanContext
) -> Calibration:
    """Calibrate from public numbers alone; questions of the same shape are calibrated once."""

    def blocks_at(scale: Fraction) -> list[BlockNoise]:
        return [_block_noise(pair, scale, len(sensitivities), context.honest) for pair in sensitivities]

    def events_at(scale: Fraction) -> list[Event]:
        return [_event(block, context, n_groups) for block in blocks_at(scale)]

    relation = relation_of(context.relation)
    try:
        scale = smallest_scale(events_at, epsilon, context.delta, relation, price=standalone_epsilon)
    except AccountingError as error:
        reason = "no noise level reaches it at this delta: choose an epsilon nearer to 1"
        raise InvalidRequestError(parameter="epsilon", reason=reason) from error
    events = tuple(events_at(scale))
    if Fraction(standalone_epsilon(events, context.delta, relation).epsilon) > epsilon:
        raise InvalidRequestError(parameter="epsilon", reason="could not be met by the calibrated noise")
    return Calibration(noise_multiplier=scale, blocks=tuple(blocks_at(scale)), events=events)


def relation_of(name: str) -> Relation:
    """Read a relation.

    Raises:
        InvalidRequestError: there is none of this name.
    """
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


def _event(block: BlockNoise, context: PlanContext, n_groups: int) -> Event:
    return DistributedDiscreteGaussian(
        parties=context.n_sites,
        colluding=context.colluding,
        sigma2_local=Fraction(block.sigma2_local),
        l1=Fraction(block.l1),
        l2=Fraction(block.l2),
        dim=n_groups,
    )

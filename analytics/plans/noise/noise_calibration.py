"""Noise calibration of a private plan: weights, variances and the events to charge.

Layer:       analytics.plans above statistics.blocks; the only module here that prices.
Terms:       the noise multiplier z is the noise's standard deviation over the L2 sensitivity of the whole release,
             without unit. A portion of the release gets ``sigma = l2 z / sqrt(share)``, so that ``sum (l2 / sigma)^2 =
             1 / z^2``; blocks of one portion share one event. Each site adds ``sigma^2 / (n - t)``, an integer
             variance, to integers multiplied by a public weight.
Guarantees:  the events' epsilon is at most the requested one, with every rounding against us; sigma_local is at least
             8 steps, where a sum of discrete Gaussians is a Gaussian to 1e-50.
See instead: the portions and their shares (noise_split), other noise (mechanisms).
Source:      Kairouz, Liu, Steinke 2102.06387 section 3 for the sum.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from analytics.errors import InvalidRequestError
from analytics.plans.noise.noise_split import Portion, by_runs, norm_above
from analytics.statistics.uncertainty.noise_law import NoiseLaw
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
        events: the events to charge, one for each portion of Gaussian noise or block of Laplace noise.
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
    portions: tuple[Portion, ...] = (),
) -> Calibration:
    """Find the least noise that pays for a release.

    Cost: none is spent here.

    Args:
        figures: the blocks.
        table: bounds rows and sites of a unit.
        n_groups: groups of the question.
        epsilon: the release's stand-alone epsilon at the context's delta.
        context: the consortium's parameters.
        portions: how it is divided; without them every block, or run of counts of one column's cells, has the same share.

    Returns:
        Weights, variances and events.

    Raises:
        InvalidRequestError: no noise fits this epsilon and delta, or the relation is unknown.
    """
    release = _Release(
        sensitivities=sensitivities_of(figures, table, n_groups, context),
        portions=portions or by_runs(figures),
        rows=table.sites_per_unit(context.n_sites) * table.max_rows_per_unit,
        n_groups=n_groups,
        context=context,
    )
    return _calibrated(release, epsilon)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Release:
    """Public numbers that a calibration follows from: sensitivities, portions, rows of one unit at all its sites."""

    sensitivities: tuple[tuple[int, int], ...]
    portions: tuple[Portion, ...]
    rows: int
    n_groups: int
    context: PlanContext


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
def _calibrated(release: _Release, epsilon: Fraction) -> Calibration:
    """Calibrate from public numbers alone; questions of the same shape are calibrated once."""
    context = release.context

    def parts_at(scale: Fraction) -> list[tuple[dict[int, BlockNoise], Event]]:
        return [_portion_noise(release, portion, scale) for portion in release.portions]

    def events_at(scale: Fraction) -> list[Event]:
        return [event for _, event in parts_at(scale)]

    relation = relation_of(context.relation)
    try:
        scale = smallest_scale(events_at, epsilon, context.delta, relation, price=standalone_epsilon)
    except AccountingError as error:
        reason = "no noise level reaches it at this delta: choose an epsilon nearer to 1"
        raise InvalidRequestError(parameter="epsilon", reason=reason) from error
    parts = parts_at(scale)
    events = tuple(event for _, event in parts)
    if Fraction(standalone_epsilon(events, context.delta, relation).epsilon) > epsilon:
        raise InvalidRequestError(parameter="epsilon", reason="could not be met by the calibrated noise")
    blocks = {place: noise for found, _ in parts for place, noise in found.items()}
    return Calibration(
        noise_multiplier=scale,
        blocks=tuple(blocks[place] for place in range(len(release.sensitivities))),
        events=events,
    )


def relation_of(name: str) -> Relation:
    """Read a relation.

    Raises:
        InvalidRequestError: there is none of this name.
    """
    try:
        return Relation(name)
    except ValueError as error:
        raise InvalidRequestError(parameter="relation", reason="is not one of the known ones") from error


def _portion_noise(
    release: _Release, portion: Portion, scale: Fraction
) -> tuple[dict[int, BlockNoise], Event]:
    """Weights and variance of a portion's blocks, by their places, and its event."""
    context = release.context
    weights = portion.weights or (1,)
    norms = [release.sensitivities[place] for place in portion.places]
    each = [weight * norm for weight, (norm, _) in zip(weights, norms, strict=True)]
    l1 = max(each) if portion.is_disjoint else sum(each)
    l2 = release.rows * norm_above(portion.square) if portion.weights else norms[0][1]
    variance = (l2 * scale) ** 2 / portion.share / context.honest
    factor = _root_above(MIN_SIGMA_LOCAL**2 / variance)
    sigma2_local = math.ceil(variance * factor**2)
    blocks = {
        place: BlockNoise(
            weight=weight * factor,
            sigma2_local=sigma2_local,
            l1=norm1 * weight * factor,
            l2=norm2 * weight * factor,
        )
        for place, weight, (norm1, norm2) in zip(portion.places, weights, norms, strict=True)
    }
    event = DistributedDiscreteGaussian(
        parties=context.n_sites,
        colluding=context.colluding,
        sigma2_local=Fraction(sigma2_local),
        l1=Fraction(max(l1, l2) * factor),
        l2=Fraction(l2 * factor),
        dim=len(portion.places) * release.n_groups,
    )
    return blocks, event


def _root_above(square: Fraction) -> int:
    """Smallest positive integer whose square is at least this."""
    return max(1, math.isqrt(math.ceil(square) - 1) + 1) if square > 0 else 1

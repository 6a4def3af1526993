"""What one privacy unit changes in the three releases of private mining, their noise and their price.

Layer:       analytics.mining.private, the lowest; with ``analytics.plans.noise.noise_calibration`` the only place that prices.
Terms:       a *release* is a vector of counts of baskets. One basket adds at most 1 to at most ``counts`` of its entries, so
             a unit of b baskets changes it by ``b sqrt(counts)`` in L2, all its baskets being alike. The noise of a
             release is fixed; a release in which a basket changes fewer entries than planned gets a larger public
             weight instead, with the same L2 norm: the same event at less noise a count.
Guarantees:  the events' epsilon is at most the requested one; every rounding is against us; each site's noise has a
             standard deviation of at least 8 steps. Adaptive composition: each weight follows from releases before it.
See instead: drawing noise (``privacy_accounting.noise``).
Source:      Kairouz, Liu, Steinke 2102.06387 section 3 for the sum; docs/guarantees.md P6, P7.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from analytics.errors import InvalidRequestError, OverflowRiskError
from analytics.plans.noise.noise_calibration import MIN_SIGMA_LOCAL, relation_of
from analytics.plans.noise.noise_split import norm_above
from privacy_accounting.calibration import smallest_scale
from privacy_accounting.errors import AccountingError
from privacy_accounting.events import DistributedDiscreteGaussian, Event
from privacy_accounting.noise.gaussian import SLOW_SIGMA2
from privacy_accounting.rdp import standalone_epsilon

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.mining.items import Item
    from analytics.plans.context import PlanContext

RING_BITS: Final = 62
_SAFETY_DEVIATIONS: Final = 12
_LEAST_WEIGHT: Final = 256  # so that rounding a norm to integers costs less than 1 % of noise


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One vector of counts before its noise is known.

    Attributes:
        name: items, pairs or bases.
        counts: entries that one basket changes at most.
        size: entries at most.
        share: part of the budget.
    """

    name: str
    counts: int
    size: int
    share: Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseNoise:
    """The noise of one release.

    Attributes:
        name: of the release.
        baskets: baskets of one unit at all its sites.
        l2: bound on what one unit changes, in weighted steps.
        sigma2_local: integer variance parameter of one site's discrete Gaussian, in weighted steps.
        event: what is charged.
    """

    name: str
    baskets: int
    l2: int
    sigma2_local: int
    event: Event

    def weight(self, counts: int) -> int:
        """Largest public factor of counts, of which one basket changes so many, that keeps the L2 norm."""
        return math.isqrt(self.l2**2 // (self.baskets**2 * max(1, counts)))

    def sd(self, n_sites: int, counts: int) -> float:
        """Standard deviation of the noise of all sites on one count (rows)."""
        return math.sqrt(n_sites * self.sigma2_local) / self.weight(counts)


def most_held(items: Sequence[Item], *, is_one_row: bool) -> int:
    """Most items that one basket can hold, by the schema alone.

    Args:
        items: of the request.
        is_one_row: whether a basket is made of one row, so that it holds one value of a column.
    """
    if not is_one_row:
        return len(items)
    columns: dict[str, list[Item]] = {}
    for item in items:
        columns.setdefault(item.column, []).append(item)
    return sum(_of_column(alike) for alike in columns.values())


def _of_column(items: Sequence[Item]) -> int:
    """Most of one column's items that one value, or its absence, holds."""
    codes = {code for item in items for code in (item.codes or (item.low, item.high + 1))} | {-(1 << 62)}
    return max(
        sum(_holds(item, code) != item.is_negated for item in items)
        for code in codes | {c - 1 for c in codes}
    )


def _holds(item: Item, code: int) -> bool:
    return code in item.codes if item.codes else item.low <= code <= item.high


def calibrate_releases(
    releases: Sequence[Release], *, baskets: int, epsilon: Fraction, context: PlanContext
) -> tuple[ReleaseNoise, ...]:
    """Find the least noise that pays for all releases together.

    Args:
        releases: their shares add up to 1.
        baskets: of one unit at all its sites.
        epsilon: stand-alone epsilon at the context's delta.
        context: the consortium's parameters.

    Raises:
        InvalidRequestError: no noise fits this epsilon and delta.
    """

    def at(scale: Fraction) -> list[ReleaseNoise]:
        return [_noise(release, baskets, scale, context) for release in releases]

    def events_at(scale: Fraction) -> list[Event]:
        return [noise.event for noise in at(scale)]

    relation = relation_of(context.relation)
    try:
        scale = smallest_scale(events_at, epsilon, context.delta, relation, price=standalone_epsilon)
    except AccountingError as error:
        reason = "no noise level reaches it at this delta: choose an epsilon nearer to 1"
        raise InvalidRequestError(parameter="epsilon", reason=reason) from error
    if Fraction(standalone_epsilon(events_at(scale), context.delta, relation).epsilon) > epsilon:
        raise InvalidRequestError(parameter="epsilon", reason="could not be met by the calibrated noise")
    return tuple(at(scale))


def check_ring(noises: Sequence[ReleaseNoise], n_rows_max: int, n_sites: int) -> None:
    """Refuse sums that the ring cannot hold with their noise, and noise that is too wide to be drawn.

    Raises:
        OverflowRiskError: one could leave it.
    """
    for noise in noises:
        if noise.sigma2_local > SLOW_SIGMA2:
            figure = f"the noise of {noise.name}"
            raise OverflowRiskError(
                figure=figure, bits=noise.sigma2_local.bit_length(), limit_bits=SLOW_SIGMA2.bit_length()
            )
        largest = n_rows_max * noise.weight(1) + n_sites * _SAFETY_DEVIATIONS * math.isqrt(
            noise.sigma2_local + 1
        )
        if largest.bit_length() > RING_BITS:
            figure = f"noisy counts of {noise.name}"
            raise OverflowRiskError(figure=figure, bits=largest.bit_length(), limit_bits=RING_BITS)


def _noise(release: Release, baskets: int, scale: Fraction, context: PlanContext) -> ReleaseNoise:
    square = baskets**2 * release.counts
    variance = Fraction(square) * scale**2 / release.share / context.honest
    factor = max(_LEAST_WEIGHT, math.isqrt(math.ceil(MIN_SIGMA_LOCAL**2 / variance) - 1) + 1)
    sigma2_local = math.ceil(variance * factor**2)
    l2 = norm_above(square * factor**2)
    event = DistributedDiscreteGaussian(
        parties=context.n_sites,
        colluding=context.colluding,
        sigma2_local=Fraction(sigma2_local),
        l1=Fraction(norm_above(release.counts) * l2),
        l2=Fraction(l2),
        dim=release.size,
    )
    return ReleaseNoise(name=release.name, baskets=baskets, l2=l2, sigma2_local=sigma2_local, event=event)

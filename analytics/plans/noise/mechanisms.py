"""The choice of noise for a private plan: Gaussian, Laplace, or the less noisy of both at one charge.

Layer:       analytics.plans above noise_calibration.
Terms:       a *mechanism* is what a request asks for. ``gaussian`` and ``laplace`` have the request's epsilon as their
             stand-alone epsilon. ``auto`` has the charge of the Gaussian release at that epsilon, at the order that the
             sub-budget was founded with. A block of a share (noise_split) gets Laplace noise of scale ``l1 m /
             share``, m the multiplier, so that ``sum l1 / scale = 1 / m``.
Guarantees:  ``auto`` never has more noise on any block than ``gaussian``, never a larger charge at the order, and never a
             larger stand-alone epsilon. It takes no Laplace noise whose charge with all sites but one colluding is more
             than three times the stated one, which is what it is for Gaussian noise at four sites and one colluding.
             Scales are multiples of ``2**-16``, rounded up; a Laplace release that the sampler could not draw in the
             time of an answer is none.
See instead: the prices (``privacy_accounting.rdp``), the sampler (``privacy_accounting.noise.polya``).
Source:      ours; docs/guarantees.md P4, P7.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal

from analytics.errors import InvalidRequestError
from analytics.plans.noise.noise_calibration import (
    BlockNoise,
    Calibration,
    calibrate,
    relation_of,
    sensitivities_of,
)
from analytics.plans.noise.noise_split import Portion, by_runs
from privacy_accounting.calibration import smallest_scale
from privacy_accounting.errors import AccountingError
from privacy_accounting.events import DiscreteLaplace, DistributedDiscreteLaplace, Event, Relation
from privacy_accounting.noise.polya import FINEST_SCALE, LARGEST_SCALE
from privacy_accounting.rdp import EpsilonAt, cost_units, standalone_epsilon, with_colluding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from analytics.plans.context import PlanContext
    from analytics.schema import Table
    from analytics.statistics.blocks import BlockSpec

Mechanism = Literal["auto", "gaussian", "laplace"]
MECHANISMS: Final[tuple[Mechanism, ...]] = ("auto", "gaussian", "laplace")
MOST_WITH_ONE_HONEST: Final = 3
MOST_DRAWS: Final = 2**21  # figures times scale, some seconds of a site
_UNITS: Final = 2**40
_REMEMBERED: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """What is asked of the noise.

    Attributes:
        sensitivities: L1 and L2 of each block.
        shares: of each block, summing to 1.
        n_groups: figures of a block.
        touched: figures of a block of which one unit changes any at all.
        epsilon: stand-alone epsilon.
        context: the consortium's parameters.
    """

    sensitivities: tuple[tuple[int, int], ...]
    shares: tuple[Fraction, ...]
    n_groups: int
    touched: int
    epsilon: Fraction
    context: PlanContext


def choose(
    figures: Sequence[BlockSpec],
    *,
    table: Table,
    n_groups: int,
    epsilon: Fraction,
    context: PlanContext,
    mechanism: Mechanism,
    portions: tuple[Portion, ...] = (),
) -> Calibration:
    """Find the noise of a release by the mechanism that is asked for.

    Cost: none is spent here.

    Args:
        figures: the blocks.
        table: bounds rows and sites of a unit.
        n_groups: groups of the question.
        epsilon: of the request.
        context: the consortium's parameters; ``auto`` needs its order.
        mechanism: what is asked for.
        portions: how the release is divided; without them as ``by_runs`` does.

    Returns:
        Weights, noise and events.

    Raises:
        InvalidRequestError: no noise fits, the relation is unknown, Laplace noise is asked for by name and cannot be
            drawn, or there is no order to compare at.
    """
    portions = portions or by_runs(figures)
    gaussian = calibrate(
        figures, table=table, n_groups=n_groups, epsilon=epsilon, context=context, portions=portions
    )
    if mechanism == "gaussian":
        return gaussian
    rows = table.sites_per_unit(context.n_sites) * table.max_rows_per_unit
    release = Release(
        sensitivities=sensitivities_of(figures, table, n_groups, context),
        shares=_by_block(portions, len(figures)),
        n_groups=n_groups,
        touched=min(n_groups, rows),
        epsilon=epsilon,
        context=context,
    )
    if mechanism == "laplace":
        found = _by_epsilon(release)
        if found is None:
            reason = (
                f"has a scale above {LARGEST_SCALE} steps or too many figures for it here: ask with gaussian"
            )
            raise InvalidRequestError(parameter="mechanism", reason=reason)
        return found
    found = _at_charge(release, gaussian)
    return gaussian if found is None else found


@lru_cache(maxsize=_REMEMBERED)
def _by_epsilon(release: Release) -> Calibration | None:
    """Laplace noise whose stand-alone epsilon is the request's."""
    return _smallest(release, release.epsilon, standalone_epsilon)


@lru_cache(maxsize=_REMEMBERED)
def _at_charge(release: Release, gaussian: Calibration) -> Calibration | None:
    """Laplace noise at the charge of a Gaussian release; None where the Gaussian is to be taken."""
    context, order = release.context, release.context.order
    if order is None:
        raise InvalidRequestError(parameter="mechanism", reason="auto needs the order of a sub-budget")
    relation = relation_of(context.relation)

    def price(events: Iterable[Event], delta: Fraction, relation: Relation) -> EpsilonAt:
        del delta
        return EpsilonAt(epsilon=cost_units(events, order, relation) / _UNITS, order=order)

    charge = cost_units(gaussian.events, order, relation)
    found = _smallest(release, Fraction(charge, _UNITS), price)
    if found is not None and _epsilon(release, found) > release.epsilon:
        found = _by_epsilon(release)  # more noise, so a smaller charge
    if found is None or cost_units(found.events, order, relation) > charge:
        return None
    pairs = zip(found.blocks, gaussian.blocks, strict=True)
    if not all(ours.law(context).sd < theirs.law(context).sd for ours, theirs in pairs):
        return None
    stated, worst = cost_units(found.events, order, relation), worst_units(found.events, order, relation)
    return None if worst > MOST_WITH_ONE_HONEST * stated else found


def is_cheaper(laplace: Sequence[Event], gaussian: Sequence[Event], context: PlanContext) -> bool:
    """Whether Laplace noise may stand in for Gaussian noise of the same accuracy without having been named.

    Args:
        laplace: the events of the one.
        gaussian: of the other.
        context: the consortium's parameters, with the order of the sub-budget.

    Returns:
        Its charge is smaller, and with all sites but one colluding at most ``MOST_WITH_ONE_HONEST`` times the stated one.

    Raises:
        InvalidRequestError: the order is not known.
    """
    if context.order is None:
        raise InvalidRequestError(parameter="mechanism", reason="auto needs the order of a sub-budget")
    relation = relation_of(context.relation)
    charge, other = (cost_units(each, context.order, relation) for each in (laplace, gaussian))
    return charge < other and worst_units(laplace, context.order, relation) <= MOST_WITH_ONE_HONEST * charge


def _epsilon(release: Release, found: Calibration) -> Fraction:
    relation = relation_of(release.context.relation)
    return Fraction(standalone_epsilon(found.events, release.context.delta, relation).epsilon)


def worst_units(events: Sequence[Event], order: Fraction, relation: Relation) -> int:
    """The charge if all sites but one collude."""
    return cost_units([with_one_honest(event) for event in events], order, relation)


def with_one_honest(event: Event) -> Event:
    """Re-state an event with all its parties but one colluding; one without parties stays."""
    parties = getattr(event, "parties", None)
    return event if parties is None else with_colluding(event, parties - 1)


def _smallest(
    release: Release, target: Fraction, price: Callable[[Iterable[Event], Fraction, Relation], EpsilonAt]
) -> Calibration | None:
    """The smallest multiplier that meets a target; None where its noise cannot be drawn."""

    def undrawn(multiplier: Fraction) -> list[Event]:
        # priced as it is planned, without the limits of a sampler
        return [
            DiscreteLaplace(a=1 / scale, sensitivity=l1)
            for (l1, _), scale in zip(release.sensitivities, _scales(release, multiplier), strict=True)
        ]

    try:
        relation = relation_of(release.context.relation)
        multiplier = smallest_scale(undrawn, target, release.context.delta, relation, price=price)
        scales = _scales(release, multiplier)
        if max(scales) > LARGEST_SCALE or release.n_groups * sum(scales) > MOST_DRAWS:
            return None
        return _calibration(release, multiplier, scales)
    except AccountingError:
        return None


def _scales(release: Release, multiplier: Fraction) -> list[Fraction]:
    return [
        Fraction(math.ceil(l1 / share * multiplier * FINEST_SCALE), FINEST_SCALE)
        for (l1, _), share in zip(release.sensitivities, release.shares, strict=True)
    ]


def _by_block(portions: Sequence[Portion], n_blocks: int) -> tuple[Fraction, ...]:
    """Each block's share; blocks of one portion have equal ones."""
    shares = {place: part.share / len(part.places) for part in portions for place in part.places}
    return tuple(shares[place] for place in range(n_blocks))


def _calibration(release: Release, multiplier: Fraction, scales: Sequence[Fraction]) -> Calibration:
    context = release.context
    pairs = list(zip(release.sensitivities, scales, strict=True))
    blocks = tuple(
        BlockNoise(weight=1, sigma2_local=0, l1=l1, l2=l2, scale=scale) for (l1, l2), scale in pairs
    )
    events = tuple(
        DistributedDiscreteLaplace(
            parties=context.n_sites,
            colluding=context.colluding,
            shares=context.honest,
            b=scale,
            l1=l1,
            dim=release.touched,
        )
        for (l1, _), scale in pairs
    )
    return Calibration(noise_multiplier=multiplier, blocks=blocks, events=events, mechanism="laplace")

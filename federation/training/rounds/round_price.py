"""Noise and price of a round: the cheapest attempt of which a whole run costs at most its epsilon.

Layer:       federation.training.rounds.round_price. Pure.
Terms:       s is the number of sites at which one unit may have rows, K the number of contributors, t that of
             colluding sites; a *sum* has sensitivity ``l2`` at one site.
Guarantees:  in the form ``ONE_SUM`` the K - t honest sites' noise together pays for a sum of sensitivity ``s l2``. In
             the form ``LOCAL_STEPS`` every site's noise alone pays: a unit is in the sums of s sites, each with noise
             of its own, so that one step of all sites costs as much as one sum of sensitivity ``sqrt(s) l2``, and each
             step is charged.
Source:      docs/guarantees.md P4, P6, P7, P13.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from analytics.errors import InvalidRequestError
from federation.training.strategies.base import PrivateForm
from privacy_accounting.calibration import smallest_scale
from privacy_accounting.errors import InvalidCostError
from privacy_accounting.events import DiscreteGaussian, DistributedDiscreteGaussian, Event, Relation

_CACHED: Final = 256
RoundEvent = DistributedDiscreteGaussian | DiscreteGaussian


@dataclass(frozen=True, slots=True, kw_only=True)
class Priced:
    """All that the noise of a round depends on.

    Attributes:
        form: of the strategy.
        contributors: K.
        colluding: t.
        sites_per_unit: s.
        l2: most that one unit adds to one sum of one site, L2, in grid units.
        length: numbers in a sum.
        n_sums: sums of a site in a round.
        rounds: of the run.
        epsilon: of the run.
        delta: at which epsilon is meant.
        relation: the neighbouring relation.
    """

    form: PrivateForm
    contributors: int
    colluding: int
    sites_per_unit: int
    l2: int
    length: int
    n_sums: int
    rounds: int
    epsilon: Fraction
    delta: Fraction
    relation: Relation


@functools.lru_cache(maxsize=_CACHED)
def calibrated(priced: Priced) -> RoundEvent:
    """Return the event of one attempt, with the least noise at which all rounds cost at most epsilon.

    Raises:
        InvalidRequestError: no noise reaches this epsilon.
    """
    event_at = _one_sum if priced.form is PrivateForm.ONE_SUM else _local_steps

    def all_rounds(scale: Fraction) -> list[Event]:
        return [event_at(priced, scale, priced.rounds)]

    try:
        scale = smallest_scale(all_rounds, priced.epsilon, priced.delta, priced.relation)
    except InvalidCostError as error:
        reason = "lies outside the range that noise can give at this delta: choose one nearer to 1"
        raise InvalidRequestError(parameter="epsilon", reason=reason) from error
    return event_at(priced, scale, 1)


def variance_of(event: RoundEvent) -> int:
    """Return the variance of the noise that one site adds to each coordinate of a sum, squared grid units."""
    return int(event.sigma2_local if isinstance(event, DistributedDiscreteGaussian) else event.sigma2)


def _one_sum(priced: Priced, scale: Fraction, rounds: int) -> DistributedDiscreteGaussian:
    l2 = priced.sites_per_unit * priced.l2
    l1 = priced.sites_per_unit * root_up(priced.length * priced.l2**2)
    return DistributedDiscreteGaussian(
        parties=priced.contributors,
        colluding=priced.colluding,
        sigma2_local=Fraction(math.ceil((l2 * scale) ** 2 / (priced.contributors - priced.colluding))),
        l1=Fraction(l1),
        l2=Fraction(l2),
        dim=priced.length,
        count=rounds * priced.n_sums,
    )


def _local_steps(priced: Priced, scale: Fraction, rounds: int) -> DiscreteGaussian:
    l2 = root_up(priced.sites_per_unit * priced.l2**2)
    return DiscreteGaussian(
        sigma2=Fraction(math.ceil((l2 * scale) ** 2)),
        l2_sensitivity=Fraction(l2),
        count=rounds * priced.n_sums,
    )


def root_up(square: int) -> int:
    """Return the root of a whole number, rounded up."""
    root = math.isqrt(square)
    return root + (root * root < square)

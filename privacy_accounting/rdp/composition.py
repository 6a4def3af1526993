"""Sums over events: integer cost units at one order, and epsilon over all orders.

Terms:       a unit is ``2**-40``; ``INFINITE_UNITS`` stands for infinite, sums stop there.
Guarantees:  units are rounded up once per event; composing in any order gives the same integer; more events never
             cost less. ``epsilon`` is the least over all orders and the sum of pure epsilons.
See instead: whether the sum may be spent (``budget``). The minimum over orders is a figure, not a filter: a budget
             that is spent adaptively is held at one order fixed beforehand.
Source:      adaptive composition: Mironov 1702.07476, Prop. 1; at a fixed order with adaptive parameters: Feldman and
             Zrnic 2008.11193, Theorems 3.1 and 4.3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Final

import numpy as np

from privacy_accounting.errors import InvalidCostError
from privacy_accounting.events import (
    DistributedDiscreteGaussian,
    DistributedDiscreteLaplace,
    Event,
    Poisson,
    Relation,
    RepeatAndSelect,
    Threshold,
)
from privacy_accounting.rdp.conversion import epsilons, log_delta
from privacy_accounting.rdp.curves import at_order, curve, exact_pure_epsilon, float_above, own_delta
from privacy_accounting.rdp.orders import ORDERS, order_floats

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

UNITS_PER_ONE: Final = 2**40
INFINITE_UNITS: Final = 2**62
_FINEST: Final = 2**256
_LONGEST: Final = 2**512


@dataclass(frozen=True, slots=True, kw_only=True)
class EpsilonAt:
    """What a list of events costs in the end.

    Attributes:
        epsilon: at the delta asked for, rounded up; infinite when no order helps.
        order: the Rényi order that gave it; None when the sum of pure epsilons did, or nothing.
    """

    epsilon: float
    order: Fraction | None


def total_curve(events: Iterable[Event], relation: Relation) -> NDArray[np.float64]:
    """Add up the curves of events.

    Returns:
        Cost at each of ``ORDERS``, shape ``(len(ORDERS),)``.

    Raises:
        InvalidCostError: an event has no price under the relation.
    """
    total = np.zeros(len(ORDERS))
    for event in events:
        total += curve(event, relation)
    return total


def cost_units(events: Iterable[Event], order: Fraction, relation: Relation) -> int:
    """Add up what events cost at one order.

    Args:
        events: each with its count.
        order: above 1.
        relation: which datasets are neighbours.

    Returns:
        Units of ``2**-40``, rounded up for each event, at most ``2**62`` (infinite).

    Raises:
        InvalidCostError: an event has no price under the relation.
    """
    return min(INFINITE_UNITS, sum(_units(at_order(event, order, relation)) for event in events))


def pure_units(events: Iterable[Event], relation: Relation) -> int:
    """Add up the pure epsilons of events.

    Returns:
        Units of ``2**-40``, rounded up for each event, at most ``2**62`` (infinite, as for Gaussian noise).

    Raises:
        InvalidCostError: an event has no price under the relation.
    """
    total = 0
    for event in events:
        exact = exact_pure_epsilon(event, relation)
        total += INFINITE_UNITS if exact is None else math.ceil(exact * UNITS_PER_ONE)
    return min(INFINITE_UNITS, total)


def pure_sum(events: Iterable[Event], relation: Relation) -> float:
    """Add up the pure epsilons of events as one figure to show.

    Exact as long as the sum has a short denominator (any number of decimal parameters); beyond that it is
    rounded up to a multiple of ``2**-256``, so that many odd denominators cost no more time than few.

    Returns:
        Pure epsilon, rounded up; infinite where one event has none.

    Raises:
        InvalidCostError: an event has no price under the relation.
    """
    total, unbounded = Fraction(0), False
    for event in events:
        exact = exact_pure_epsilon(event, relation)
        unbounded = unbounded or exact is None
        total += exact or 0
        if total.denominator > _LONGEST:
            total = Fraction(math.ceil(total * _FINEST), _FINEST)
    return math.inf if unbounded else float_above(total)


def epsilon(events: Iterable[Event], delta: Fraction, relation: Relation) -> EpsilonAt:
    """Convert what events cost together into epsilon.

    Args:
        events: each with its count.
        delta: 0 <= delta < 1; at 0 only the sum of pure epsilons counts. What events need of it for
            themselves (``own_delta``) is taken off first.
        relation: which datasets are neighbours.

    Returns:
        The least epsilon and where it was found.

    Raises:
        InvalidCostError: an event has no price under the relation, or delta is out of range.
    """
    listed = list(events)
    log_delta(delta)
    curve_sum, spent = total_curve(listed, relation), sum((own_delta(event) for event in listed), Fraction(0))
    if spent > 0 and spent >= delta:
        return EpsilonAt(epsilon=math.inf, order=None)
    per_order = epsilons(curve_sum, order_floats(), delta - spent)
    best = int(np.argmin(per_order))
    pure = pure_sum(listed, relation)
    if pure <= per_order[best]:
        return EpsilonAt(epsilon=pure, order=None)
    return EpsilonAt(epsilon=float(per_order[best]), order=ORDERS[best])


def with_colluding(event: Event, colluding: int) -> Event:
    """Re-state an event at another number of colluding parties.

    Args:
        event: any event; those without distributed noise are returned as they are.
        colluding: 0 up to the number of parties minus 1.

    Returns:
        The same event with less or more honest noise, events inside events included.

    Raises:
        InvalidCostError: no honest party would be left.
    """
    if isinstance(event, DistributedDiscreteGaussian | DistributedDiscreteLaplace):
        return replace(event, colluding=colluding)
    if isinstance(event, Poisson | RepeatAndSelect | Threshold):
        return replace(event, inner=with_colluding(event.inner, colluding))
    return event


def _units(cost: float) -> int:
    if math.isnan(cost) or cost < 0:
        raise InvalidCostError(what="cost", reason="must be a number of at least 0")
    # scaling by a power of two is exact
    return INFINITE_UNITS if cost >= INFINITE_UNITS / UNITS_PER_ONE else math.ceil(cost * UNITS_PER_ONE)

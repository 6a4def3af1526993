"""The price of a charge: the figure that a proposer states, and the lowest one that a site accepts.

Layer:       privacy_accounting.ledger, above ``contents``. Pure.
Guarantees:  a proposer rounds up by the slack between two mathematics libraries (1e-9 of the cost and one unit); a
             site signs only what is not lower than its own figure minus that slack. So an honest price is always
             accepted, and a lower one never.
See instead: the curves (``rdp``), which events a plan has (the caller).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from privacy_accounting.errors import InvalidCostError
from privacy_accounting.rdp import INFINITE_UNITS, cost_units, pure_units, with_colluding

if TYPE_CHECKING:
    from collections.abc import Sequence
    from fractions import Fraction

    from privacy_accounting.events import Event, Relation
    from privacy_accounting.ledger.contents import Charge

SLACK: Final = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """Three figures in units of ``2**-40``.

    Attributes:
        cost: at the events' own number of colluders; this is charged.
        cost_all_but_one: if all sites but one collude.
        pure_epsilon: ``2**62`` where there is none.
    """

    cost: int
    cost_all_but_one: int
    pure_epsilon: int

    def covers(self, own: Price) -> bool:
        """Say whether no figure is lower than one's own, up to the slack."""
        pairs = (
            (self.cost, own.cost),
            (self.cost_all_but_one, own.cost_all_but_one),
            (self.pure_epsilon, own.pure_epsilon),
        )
        return all(stated >= lowest_accepted(mine) for stated, mine in pairs)


def lowest_accepted(own: int) -> int:
    """Give the lowest figure that a site still signs: its own less 1e-9 of it and one unit."""
    return own - own // SLACK - 1


def _raised(units: int) -> int:
    return min(INFINITE_UNITS, units + -(-units // SLACK) + 1)


def all_but_one(event: Event) -> Event:
    """Re-state a distributed event, also one inside another, as if all its sites but one colluded.

    Any other event stays as it is.
    """
    innermost = event
    while (inner := getattr(innermost, "inner", None)) is not None:
        innermost = inner
    parties = getattr(innermost, "parties", None)
    return event if parties is None else with_colluding(event, parties - 1)


def own_price(events: Sequence[Event], order: Fraction, relation: Relation) -> Price:
    """Price events as this machine computes them.

    Args:
        events: what is released.
        order: the sub-budget's order.
        relation: neighboring relation.
    """
    pessimistic = [all_but_one(event) for event in events]
    return Price(
        cost=cost_units(events, order, relation),
        cost_all_but_one=cost_units(pessimistic, order, relation),
        pure_epsilon=pure_units(events, relation),
    )


def stated_price(events: Sequence[Event], order: Fraction, relation: Relation) -> Price:
    """Price events as a proposer writes them down: its own price, raised by the slack.

    Raises:
        InvalidCostError: the events cost nothing, or have no finite cost at this order.
    """
    own = own_price(events, order, relation)
    if not 0 < own.cost < INFINITE_UNITS:
        raise InvalidCostError(what="events", reason="have no finite positive cost at this order")
    return Price(
        cost=_raised(own.cost),
        cost_all_but_one=_raised(own.cost_all_but_one),
        pure_epsilon=_raised(own.pure_epsilon),
    )


def price_of(charge: Charge) -> Price:
    """Give the figures that a charge states."""
    return Price(cost=charge.cost, cost_all_but_one=charge.cost_all_but_one, pure_epsilon=charge.pure_epsilon)

"""Allowances: a population's (epsilon, delta), split into sub-budgets that each have one fixed order.

Layer:       privacy_accounting.budget. Pure.
Terms:       a sub-budget gets the share ``s`` of its population's (epsilon, delta) (basic composition); its *order*
             is fixed when the budget is written down, from the events that are *planned*; its *allowance* ``B`` is
             the Rényi cost at that order which implies ``(s epsilon, s delta)``, in units of ``2**-40``, rounded
             down.
Guarantees:  a ``SubBudget`` with an allowance above what its (epsilon, delta) permits at its order cannot be built.
             The arithmetic is decimal with correctly rounded logarithms, so every machine derives the same integer.
See instead: what was spent (``privacy_filter``), how the budget is written in the ledger (``ledger.budgets``).
Source:      conversion: Canonne, Kamath, Steinke, arXiv 2004.00010 v4, Proposition 12, solved for the Rényi cost; one
             fixed order for adaptively chosen events: Feldman and Zrnic, arXiv 2008.11193, Theorem 4.3.
"""

from __future__ import annotations

import decimal
import functools
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from privacy_accounting.errors import InvalidCostError
from privacy_accounting.rdp import INFINITE_UNITS, ORDERS, cost_units, own_delta

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from privacy_accounting.events import Event, Relation

UNIT_BITS: Final = 40
ANY_NAME: Final = "*"
_PRECISION: Final = 60
_RATIO_DIGITS: Final = 10**9
_KEPT: Final = (
    4_096  # a budget converts its epsilon at hundreds of orders, again at every member and every start
)


def _ln(value: Fraction, context: decimal.Context) -> decimal.Decimal:
    """Natural logarithm of a positive fraction, the same on every machine."""
    quotient = context.divide(decimal.Decimal(value.numerator), decimal.Decimal(value.denominator))
    return context.ln(quotient)


@functools.lru_cache(maxsize=_KEPT)
def allowance_units(epsilon: Fraction, delta: Fraction, order: Fraction) -> int:
    """Convert (epsilon, delta) to the largest Rényi cost at one order that implies it.

    ``B = epsilon - log(1 - 1/a) + log(a delta) / (a - 1)``, rounded down.

    Args:
        epsilon: above 0, no unit.
        delta: strictly between 0 and 1.
        order: Rényi order ``a > 1``.

    Returns:
        ``B`` in units of ``2**-40``; 0 where the order allows nothing.

    Raises:
        InvalidCostError: a parameter is outside its range.
    """
    if not (epsilon > 0 and 0 < delta < 1 and order > 1):
        raise InvalidCostError(
            what="allowance", reason="an allowance needs epsilon > 0, 0 < delta < 1 and an order above 1"
        )
    context = decimal.Context(prec=_PRECISION, rounding=decimal.ROUND_HALF_EVEN)
    tail = _ln(order * delta, context)
    slope = context.divide(decimal.Decimal((order - 1).denominator), decimal.Decimal((order - 1).numerator))
    budget = context.divide(decimal.Decimal(epsilon.numerator), decimal.Decimal(epsilon.denominator))
    budget = context.subtract(budget, _ln(1 - 1 / order, context))
    budget = context.add(budget, context.multiply(tail, slope))
    units = context.multiply(budget, decimal.Decimal(2**UNIT_BITS))
    return max(0, min(int(units.to_integral_value(decimal.ROUND_FLOOR)), INFINITE_UNITS - 1))


def reserved(plan: Iterable[Event]) -> Fraction:
    """Add up the own delta of planned events."""
    return sum((own_delta(event) for event in plan), Fraction(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class SubBudget:
    """One filter: what may be spent on one kind of work, at one order.

    Attributes:
        share: part of the population's (epsilon, delta), above 0, at most 1.
        epsilon: ``share`` times the population's epsilon.
        delta: ``share`` times the population's delta; requests are calibrated at it.
        plan: the events expected, each with its count; empty means Gaussian releases of any size.
        order: the Rényi order at which every charge is counted.
        allowance: ``B`` in units of ``2**-40``.
    """

    share: Fraction
    epsilon: Fraction
    delta: Fraction
    plan: tuple[Event, ...] = ()
    order: Fraction
    allowance: int

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise InvalidCostError(
                what="sub_budget.share", reason="the share of a sub-budget lies above 0 and is at most 1"
            )
        left = self.delta - self.reserved_delta
        if not left > 0:
            raise InvalidCostError(what="sub_budget.plan", reason="its thresholds need the whole delta")
        if not 0 < self.allowance <= allowance_units(self.epsilon, left, self.order):
            raise InvalidCostError(
                what="sub_budget.allowance",
                reason="the allowance is not what (epsilon, delta) permits at this order",
            )

    @property
    def reserved_delta(self) -> Fraction:
        """The part of delta that the plan's thresholds may spend for themselves; the filter has the rest."""
        return reserved(self.plan)


@dataclass(frozen=True, slots=True, kw_only=True)
class PopulationBudget:
    """The whole privacy budget of one population of patients, for all analysts together.

    Attributes:
        epsilon: of the whole population, above 0.
        delta: of the whole population.
        sub_budgets: each under its name; their shares sum to at most 1.
        purpose_caps: largest part of each sub-budget's allowance for one purpose; ``"*"`` holds for others.
        analyst_caps: the same for one analyst.
    """

    epsilon: Fraction
    delta: Fraction
    sub_budgets: Mapping[str, SubBudget]
    purpose_caps: Mapping[str, Fraction] = field(default_factory=dict)
    analyst_caps: Mapping[str, Fraction] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if sum((part.share for part in self.sub_budgets.values()), Fraction(0)) > 1:
            raise InvalidCostError(
                what="sub_budgets", reason="the shares of the sub-budgets sum to more than 1"
            )
        for part in self.sub_budgets.values():
            if part.epsilon != part.share * self.epsilon or part.delta != part.share * self.delta:
                raise InvalidCostError(
                    what="sub_budgets",
                    reason="a sub-budget is not its share of the population's epsilon and delta",
                )
        for cap in (*self.purpose_caps.values(), *self.analyst_caps.values()):
            if not 0 <= cap <= 1:
                raise InvalidCostError(what="caps", reason="a cap is a fraction from 0 to 1")

    def purpose_cap(self, purpose: str, allowance: int) -> int:
        """Give the units that one purpose may spend of an allowance, rounded down."""
        return _cap(self.purpose_caps, purpose, allowance)

    def analyst_cap(self, analyst: str, allowance: int) -> int:
        """Give the units that one analyst may spend of an allowance, rounded down."""
        return _cap(self.analyst_caps, analyst, allowance)


def _cap(caps: Mapping[str, Fraction], name: str, allowance: int) -> int:
    fraction = caps.get(name, caps.get(ANY_NAME, Fraction(1)))
    return int(allowance * fraction)


def _fit(allowance: int, plan: Sequence[Event], order: Fraction, relation: Relation) -> Fraction:
    """Say how many times the plan fits into an allowance at one order; 0 when it cannot be priced there."""
    if allowance == 0:
        return Fraction(0)
    if not plan:
        # Gaussian cost is the order times a constant; the constant does not move the best order.
        return Fraction(allowance) / order
    cost = cost_units(plan, order, relation)
    return Fraction(0) if cost >= INFINITE_UNITS else Fraction(allowance, cost)


def plan_sub_budget(
    *,
    epsilon: Fraction,
    delta: Fraction,
    share: Fraction,
    plan: Sequence[Event] = (),
    relation: Relation,
    orders: Iterable[Fraction] | None = None,
) -> SubBudget:
    """Fix the order of a sub-budget so that its planned events fit as often as possible.

    Args:
        epsilon: of the population.
        delta: of the population.
        share: the sub-budget's part of both.
        plan: events expected, each with its count; empty means Gaussian releases.
        relation: neighboring relation of the consortium.
        orders: grid to choose from; the accountant's own by default.

    Returns:
        The sub-budget, its order and allowance fixed.

    Raises:
        InvalidCostError: no order of the grid allows anything, or a parameter is outside its range.
    """
    grid = [Fraction(order) for order in (ORDERS if orders is None else orders)]
    if not (epsilon > 0 and 0 < delta < 1 and 0 < share <= 1):
        raise InvalidCostError(
            what="sub_budget", reason="a sub-budget needs epsilon > 0, 0 < delta < 1 and a share from 0 to 1"
        )
    part_epsilon, part_delta = share * epsilon, share * delta
    filtered = part_delta - reserved(plan)
    if not filtered > 0:
        raise InvalidCostError(what="plan", reason="its thresholds need more than the whole delta")
    best: tuple[int, Fraction, int] | None = None
    for order in sorted(grid):
        allowance = allowance_units(part_epsilon, filtered, order)
        fit = _fit(allowance, plan, order, relation)
        # Two mathematics libraries may differ in the last bit; nine digits decide, the lower order wins.
        rounded = _nine_digits(fit)
        if fit > 0 and (best is None or rounded > best[0]):
            best = (rounded, order, allowance)
    if best is None:
        raise InvalidCostError(
            what="plan", reason="no order leaves an allowance for this epsilon, delta and plan"
        )
    return SubBudget(
        share=share,
        epsilon=part_epsilon,
        delta=part_delta,
        plan=tuple(plan),
        order=best[1],
        allowance=best[2],
    )


def _nine_digits(value: Fraction) -> int:
    """Scale a positive ratio to an integer and keep its nine leading digits."""
    scaled = int(value * _RATIO_DIGITS)
    surplus = max(0, scaled.bit_length() - 30)
    return (scaled >> surplus) << surplus

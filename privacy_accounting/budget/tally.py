"""Running totals of charges, and what is left of a limit.

Floor:    privacy_accounting.budget, below ``book``. Pure: integers and fractions.
Promise:  adding and taking back are each other's inverse; nothing is rounded but what is shown to people.
Not here: whether a charge fits (``book``).
"""

from __future__ import annotations

import decimal
from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from privacy_accounting.budget.allowance import UNIT_BITS
from privacy_accounting.rdp import INFINITE_UNITS, own_delta

if TYPE_CHECKING:
    from privacy_accounting.events import Event

_SHOWN_DIGITS: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Spend:
    """The part of a charge that the book counts.

    Attributes:
        population: whose patients.
        sub_budget: which filter.
        purpose: as declared by the analyst.
        analyst: who asked.
        units: Rényi cost at the sub-budget's order, in units of ``2**-40``, above 0.
        pure_units: pure-epsilon cost in the same unit, saturating at ``2**62``.
        events: what was released, for the informational epsilon.
    """

    population: str
    sub_budget: str
    purpose: str
    analyst: str
    units: int
    pure_units: int = INFINITE_UNITS
    events: tuple[Event, ...] = ()

    @property
    def own_delta(self) -> Fraction:
        """What the events need of delta for themselves."""
        return sum((own_delta(event) for event in self.events), Fraction(0))


@dataclass(slots=True)
class Tally:
    """Running totals of one sub-budget."""

    units: int = 0
    pure_units: int = 0
    own_delta: Fraction = Fraction(0)
    purposes: Counter[str] = field(default_factory=Counter)
    analysts: Counter[str] = field(default_factory=Counter)
    events: Counter[tuple[str, str, Event]] = field(default_factory=Counter)

    def add(self, spend: Spend, sign: int) -> None:
        """Count a charge, or with sign -1 take it back."""
        self.units += sign * spend.units
        self.pure_units += sign * spend.pure_units
        self.own_delta += sign * spend.own_delta
        self.purposes[spend.purpose] += sign * spend.units
        self.analysts[spend.analyst] += sign * spend.units
        for event in spend.events:
            self.events[spend.purpose, spend.analyst, event] += sign


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """One limit that binds a charge: its name for people, its size and what is gone of it, in units."""

    scope: str
    allowance: int
    spent: int

    @property
    def remaining(self) -> int:
        """Units left, never below 0."""
        return max(0, self.allowance - self.spent)


def readable(units: int, rounding: str = decimal.ROUND_UP) -> str:
    """Write units of ``2**-40`` as a decimal of six significant digits, without exponent."""
    if units >= INFINITE_UNITS:
        return "infinite"
    context = decimal.Context(prec=_SHOWN_DIGITS, rounding=rounding)
    value = context.divide(decimal.Decimal(units), decimal.Decimal(2**UNIT_BITS))
    return f"{value:f}"

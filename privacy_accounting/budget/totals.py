"""Running totals of charges, and the remainder of a limit.

Layer:       privacy_accounting.budget, below ``privacy_filter``. Pure: integers and fractions.
Guarantees:  adding and taking back are each other's inverse; nothing is rounded but what is shown to people. Events
             are kept as text, so that a start reads a hundred thousand different ones without making any of them.
See instead: whether a charge fits (``privacy_filter``).
"""

from __future__ import annotations

import decimal
import functools
import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from privacy_accounting.budget.allowance import UNIT_BITS
from privacy_accounting.events import event_from_dict, event_to_dict
from privacy_accounting.rdp import INFINITE_UNITS, own_delta

if TYPE_CHECKING:
    from collections.abc import Iterator

    from privacy_accounting.events import Event

_SHOWN_DIGITS: Final = 6
_CACHED_EVENTS: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Spend:
    """The part of a charge that the privacy filter counts.

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
class SpendTotals:
    """Running totals of one sub-budget.

    Attributes:
        units: Rényi cost at the sub-budget's order, in units of ``2**-40``.
        pure_units: pure-epsilon cost in the same unit.
        own_delta: what thresholds spent of delta.
        purposes: units by purpose.
        analysts: units by analyst.
        events: how often each analyst released an event for a purpose; the event as text.
    """

    units: int = 0
    pure_units: int = 0
    own_delta: Fraction = Fraction(0)
    purposes: Counter[str] = field(default_factory=Counter)
    analysts: Counter[str] = field(default_factory=Counter)
    events: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    def add(self, spend: Spend, sign: int) -> None:
        """Count a charge, or with sign -1 take it back."""
        self.units += sign * spend.units
        self.pure_units += sign * spend.pure_units
        self.own_delta += sign * spend.own_delta
        self.purposes[spend.purpose] += sign * spend.units
        self.analysts[spend.analyst] += sign * spend.units
        for event in spend.events:
            self.events[spend.purpose, spend.analyst, _spelled(event)] += sign

    def released(self) -> Iterator[tuple[str, str, Event, int]]:
        """Give purpose, analyst and event of what was released and not taken back, and how often."""
        for (purpose, analyst, text), number in self.events.items():
            if number > 0:
                yield purpose, analyst, _read(text), number

    def pinned(self) -> dict[str, object]:
        """Give every total that decides or is reported, in one canonical form: what a snapshot pins.

        A total that is left out here could be lowered in a file whose older entries are archived.
        """
        lines = [
            json.dumps([purpose, analyst, text, number])
            for (purpose, analyst, text), number in self.events.items()
            if number
        ]
        return {
            "purposes": {key: units for key, units in self.purposes.items() if units},
            "analysts": {key: units for key, units in self.analysts.items() if units},
            "units": str(self.units),
            "pure_units": str(self.pure_units),
            "own_delta": str(self.own_delta),
            "events": hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest(),
        }


@functools.lru_cache(maxsize=_CACHED_EVENTS)
def _spelled(event: Event) -> str:
    return json.dumps(event_to_dict(event), sort_keys=True, separators=(",", ":"))


@functools.lru_cache(maxsize=_CACHED_EVENTS)
def _read(text: str) -> Event:
    event: Event = event_from_dict(json.loads(text))
    return event


@dataclass(frozen=True, slots=True, kw_only=True)
class RemainingAllowance:
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

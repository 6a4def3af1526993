"""A sub-budget at another Rényi order, with all that it ever released priced anew.

Layer:       privacy_accounting.ledger, below ``contents``. Pure.
See instead: the prices that a site checks it against (``entry_validation``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from privacy_accounting.decimals import format_decimal
from privacy_accounting.ledger.budgets import decimal_field
from privacy_accounting.ledger.canonical_json import Fields

if TYPE_CHECKING:
    from collections.abc import Mapping
    from fractions import Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderChange:
    """Moves a sub-budget to another order; all it ever released is priced anew at that order.

    Attributes:
        population: whose patients.
        sub_budget: which filter.
        order: the new order.
        allowance: the new allowance in units.
        purposes: units spent at the new order, by purpose.
        analysts: units spent at the new order, by analyst.
    """

    population: str
    sub_budget: str
    order: Fraction
    allowance: int
    purposes: Mapping[str, int]
    analysts: Mapping[str, int]

    def to_json(self) -> dict[str, object]:
        """Write the fields."""
        return {
            "population": self.population,
            "sub_budget": self.sub_budget,
            "order": format_decimal(self.order),
            "allowance": self.allowance,
            "purposes": dict(self.purposes),
            "analysts": dict(self.analysts),
        }

    @classmethod
    def read(cls, fields: Fields) -> OrderChange:
        """Take the fields."""
        return cls(
            population=fields.text("population"),
            sub_budget=fields.text("sub_budget"),
            order=decimal_field(fields, "order"),
            allowance=fields.integer("allowance", low=1),
            purposes=_units(fields.mapping("purposes")),
            analysts=_units(fields.mapping("analysts")),
        )


def _units(mapping: dict[str, object]) -> dict[str, int]:
    fields = Fields(mapping, "units")
    return {name: fields.integer(name) for name in mapping}

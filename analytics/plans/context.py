"""The consortium's parameters that every plan depends on.

Layer:       analytics.plans, the lowest.
Source:      ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from analytics.errors import InvalidRequestError
from privacy_accounting.decimals import format_decimal
from privacy_accounting.errors import AccountingError

if TYPE_CHECKING:
    from fractions import Fraction


def guard_text(minimum_cell: int, sites: int) -> str:
    """Return what guarded counts must reach, and why it is that number.

    Args:
        minimum_cell: fewest privacy units behind an exact figure; 0 for no guard.
        sites: sites at which one unit may be; each counts it, so a sum over them may count it so many times.
    """
    if not minimum_cell:
        return "no guard: the minimum cell is 0"
    places = "site" if sites == 1 else "sites"
    return f"guard {minimum_cell * sites} = minimum cell {minimum_cell} x {sites} {places}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanContext:
    """The public parameters that a plan depends on besides the question and the schema.

    Attributes:
        n_sites: sites that compute.
        colluding: sites that may pool what they know with the analyst.
        relation: which data sets are neighbors: add_or_remove_one, replace_one or replace_special.
        delta: the sub-budget's delta, at which private requests are calibrated.
        minimum_cell: fewest privacy units behind an exact figure; 0 for no guard.
        has_three_sites: comparisons and products are computed by three of the sites, without a dealer.
        order: the Rényi order that the sub-budget was founded with, at which mechanisms are compared; None where none is
            chosen between.
    """

    n_sites: int
    colluding: int
    relation: str
    delta: Fraction
    minimum_cell: int
    has_three_sites: bool = False
    order: Fraction | None = None

    def __post_init__(self) -> None:
        if self.n_sites < 1:
            raise InvalidRequestError(parameter="n_sites", reason="must be at least 1")
        if not 0 <= self.colluding < self.n_sites:
            raise InvalidRequestError(parameter="colluding", reason="must be at least 0 and below n_sites")
        if not 0 < self.delta < 1:
            raise InvalidRequestError(parameter="delta", reason="must be a fraction above 0 and below 1")
        check_decimal("delta", self.delta)
        if self.minimum_cell < 0:
            raise InvalidRequestError(parameter="minimum_cell", reason="must be at least 0")

    @property
    def honest(self) -> int:
        """Sites whose noise no colluding party knows."""
        return self.n_sites - self.colluding


def check_decimal(parameter: str, value: Fraction) -> None:
    """Refuse a fraction that no decimal string denotes: it could not stand in a ledger.

    Args:
        parameter: its name, for the message.
        value: the fraction.

    Raises:
        InvalidRequestError: its decimal expansion does not end.
    """
    try:
        format_decimal(value)
    except AccountingError as error:
        raise InvalidRequestError(
            parameter=parameter, reason="must have a decimal expansion that ends"
        ) from error

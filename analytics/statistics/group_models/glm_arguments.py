"""The arguments of glm that both modes read: outcome and covariates, and the exposure.

Layer:       analytics.statistics.linear_models above formulas and families.
Source:      ours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from analytics.errors import InvalidRequestError
from analytics.statistics.arguments import Arguments, column_of
from analytics.statistics.matrices.formulas import read_formula

if TYPE_CHECKING:
    from analytics.schema import NumericColumn, Table
    from analytics.sql.query import GroupColumn
    from analytics.statistics.base import Ints
    from analytics.statistics.linear_models.families import Family
    from analytics.statistics.linear_models.newton_fit import Floats

_LONGEST: Final = 16  # an exposure is at least e^-16 of the largest


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """A column that is added to the odds.

    Attributes:
        column: the column.
        is_log: whether it is so as it is; else its logarithm.
    """

    column: NumericColumn
    is_log: bool

    def log(self, values: Ints) -> Floats:
        """What is added, less its largest value."""
        found = values * float(self.column.resolution)
        upper = float(self.column.upper)
        logs: Floats = np.asarray(found - upper if self.is_log else np.log(found / upper), dtype=np.float64)
        return logs

    @property
    def largest(self) -> float:
        """What ``log`` subtracts."""
        upper = float(self.column.upper)
        return upper if self.is_log else math.log(upper)

    @property
    def span(self) -> float:
        """From the least to the largest."""
        low, high = float(self.column.lower), float(self.column.upper)
        if self.is_log:
            return high - low
        return math.log(high / low) if low > 0 else math.inf


def columns_of(table: Table, arguments: Arguments) -> tuple[GroupColumn, tuple[GroupColumn, ...]]:
    """Outcome and covariates, by a formula or by name.

    Raises:
        InvalidRequestError: both, none, or columns that come twice.
        PlanRejectedError: no such column.
    """
    by_name = arguments.is_given("outcome") or arguments.is_given("covariates")
    if arguments.is_given("formula") == by_name:
        raise InvalidRequestError(
            parameter="formula", reason="is missing: give a formula, or outcome and covariates"
        )
    if not by_name:
        return read_formula(arguments.text("formula"), table, "formula")
    outcome = column_of(arguments.text("outcome"), table, "outcome")
    covariates = tuple(column_of(name, table, "covariates") for name in arguments.texts("covariates"))
    names = [column.name for column in covariates]
    if outcome.name in names or len(set(names)) < len(names):
        raise InvalidRequestError(
            parameter="covariates", reason="must be different columns, without the outcome"
        )
    return outcome, covariates


def exposure_of(table: Table, arguments: Arguments, family: Family, taken: set[str]) -> Exposure | None:
    """The exposure or offset, if one is given.

    Args:
        table: the table.
        arguments: with ``exposure`` and ``offset``.
        family: of the outcome.
        taken: names of the formula's columns.

    Raises:
        InvalidRequestError: both, one that the family does not have, or one of too wide a range.
        PlanRejectedError: no such column.
    """
    given = [name for name in ("exposure", "offset") if arguments.is_given(name)]
    if not given:
        return None
    name = given[0]
    if len(given) > 1:
        raise InvalidRequestError(parameter=name, reason="must stand alone: not with an offset")
    if not family.has_exposure:
        raise InvalidRequestError(parameter=name, reason=f"has no meaning for {family.name}")
    column = arguments.number_column(name, table)
    if column.name in taken:
        raise InvalidRequestError(parameter=name, reason="must be another column than those of the formula")
    found = Exposure(column=column, is_log=name == "offset")
    if found.span > _LONGEST:
        reason = f"{column.name} must be declared between bounds above 0 whose ratio is at most e^{_LONGEST}"
        if found.is_log:
            reason = f"{column.name} must be declared between bounds that differ by at most {_LONGEST}"
        raise InvalidRequestError(parameter=name, reason=reason)
    return found

"""Lasso regression by a formula of declared columns.

Layer:       analytics.statistics.regression above penalised_fit.
Guarantees:  the objective is scikit-learn's: half of the mean squared residual plus alpha times the sum of absolute parameters.
             Everything else: penalised_fit.
Source:      Tibshirani 1996.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Self

from analytics.statistics.base import BOTH, EXACT, PRIVATE
from analytics.statistics.linear_models.penalised_fit import (
    PARAMETERS,
    PenalisedRelease,
    PenalisedRows,
    number_above_0,
)
from analytics.statistics.linear_models.penalties import Penalty

if TYPE_CHECKING:
    from analytics.schema import Table
    from analytics.statistics.arguments import Arguments
    from analytics.statistics.base import Limits, Mode

NAME: Final = "lasso"
SUMMARY: Final = "lasso regression by a formula of declared columns"


@dataclass(frozen=True, kw_only=True)
class PrivateLasso(PenalisedRelease):
    """The fit from one release with noise."""

    name: ClassVar[str] = NAME
    summary: ClassVar[str] = SUMMARY
    modes: ClassVar = PRIVATE
    parameters: ClassVar = PARAMETERS

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """See ``Statistic``."""
        return cls.of(table, arguments, mode, limits, _penalty(arguments))


@dataclass(frozen=True, kw_only=True)
class Lasso(PenalisedRows):
    """The fit; of ``modelled`` the outcome is the last."""

    name: ClassVar[str] = NAME
    summary: ClassVar[str] = SUMMARY
    modes: ClassVar = BOTH
    promoted: ClassVar = EXACT
    parameters: ClassVar = PARAMETERS

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self | PrivateLasso:
        """See ``Statistic``."""
        if mode == "private":
            return PrivateLasso.bind(table, arguments, mode, limits)
        return cls.of(table, arguments, mode, limits, _penalty(arguments))


def _penalty(arguments: Arguments) -> Penalty:
    return Penalty(alpha=number_above_0(arguments, "alpha"), l1_ratio=1.0)

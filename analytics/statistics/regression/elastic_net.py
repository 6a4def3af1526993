"""Elastic net regression by a formula of declared columns.

Layer:       analytics.statistics.regression above penalised_fit.
Guarantees:  the objective is scikit-learn's: half of the mean squared residual, plus alpha times ``l1_ratio`` times the
             sum of absolute parameters, plus alpha times ``(1 - l1_ratio) / 2`` times the sum of their squares.
             Everything else: penalised_fit.
Source:      Zou and Hastie 2005.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Self

from analytics.statistics.arguments import Parameter
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

NAME: Final = "elastic_net"
SUMMARY: Final = "elastic net regression by a formula of declared columns"
L1_RATIO: Final = Parameter(
    name="l1_ratio", meaning="the part of absolute values in the penalty, above 0 and at most 1", default=0.5
)


@dataclass(frozen=True, kw_only=True)
class PrivateElasticNet(PenalisedRelease):
    """The fit from one release with noise."""

    name: ClassVar[str] = NAME
    summary: ClassVar[str] = SUMMARY
    modes: ClassVar = PRIVATE
    parameters: ClassVar = (*PARAMETERS, L1_RATIO)

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """See ``Statistic``."""
        return cls.of(table, arguments, mode, limits, _penalty(arguments))


@dataclass(frozen=True, kw_only=True)
class ElasticNet(PenalisedRows):
    """The fit; of ``modelled`` the outcome is the last."""

    name: ClassVar[str] = NAME
    summary: ClassVar[str] = SUMMARY
    modes: ClassVar = BOTH
    promoted: ClassVar = EXACT
    parameters: ClassVar = (*PARAMETERS, L1_RATIO)

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self | PrivateElasticNet:
        """See ``Statistic``."""
        if mode == "private":
            return PrivateElasticNet.bind(table, arguments, mode, limits)
        return cls.of(table, arguments, mode, limits, _penalty(arguments))


def _penalty(arguments: Arguments) -> Penalty:
    return Penalty(
        alpha=number_above_0(arguments, "alpha"), l1_ratio=number_above_0(arguments, "l1_ratio", most=1)
    )

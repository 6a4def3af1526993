"""The test of two proportions: whether an outcome is as frequent in one group as in another.

Layer:       analytics.statistics.tables above figure_table and independence.
Terms:       ``statistic`` is z, the first group's proportion less the second's over the pooled standard error.
Guarantees:  exact: as ``statsmodels.stats.proportion.proportions_ztest``; Wilson's interval of each proportion, Wald's
             of their difference. Equal outcomes of all rows are undefined. The whole table opens, or nothing does.
             Private: one release; the p-value is a parametric bootstrap over the mechanism under equal proportions, seeded
             by the answer; intervals hold sampling and noise.
Visible to:  the analyst: the table.
See instead: ratios of two risks (crosstab); more groups (chi_square, cochran_armitage); planning (planning).
Source:      K. Pearson 1900; Wilson 1927; bootstrap: independence.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Self

import numpy as np
import numpy.typing as npt

from analytics.errors import InvalidRequestError
from analytics.statistics.arguments import Arguments, Parameter, chosen_groups
from analytics.statistics.base import BOTH
from analytics.statistics.figure_table import (
    UNDEFINED,
    FigureTable,
    TableAnswer,
    alternative_of,
    two_groups,
)
from analytics.statistics.tables.independence import noisy_pvalue
from analytics.statistics.uncertainty.delta_method import Complex, figure, share

if TYPE_CHECKING:
    from analytics.schema import Table
    from analytics.statistics.base import Ints, Limits, Mode
    from analytics.statistics.uncertainty.noise_law import NoiseLaw

Floats = npt.NDArray[np.float64]
_OUTCOME: Final = np.array([[False, True], [False, True]])
_FIRST: Final = np.array([[True, True], [False, False]])


@dataclass(frozen=True, kw_only=True)
class TwoProportions(FigureTable):
    """The test; rows of the table are the two groups, columns those of the outcome.

    Attributes:
        alternative: what is tested against.
    """

    name: ClassVar[str] = "two_proportions"
    summary: ClassVar[str] = "z test of an outcome's proportions in two groups"
    modes: ClassVar = BOTH
    promoted: ClassVar = BOTH
    parameters: ClassVar = (
        Parameter(name="outcome", meaning="a column with two public groups; the second one is counted"),
        Parameter(name="by", meaning="a column with public groups"),
        Parameter(name="groups", meaning="the two groups to compare, where by has more", default=None),
        Parameter(name="alternative", meaning="two-sided, less or greater", default="two-sided"),
    )
    alternative: str

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """See ``Statistic``."""
        by = arguments.group_column("by", table)
        axes = [("by", by), ("outcome", two_groups(arguments, "outcome", table))]
        chosen = chosen_groups(by, arguments)
        if len(chosen) != 2:  # noqa: PLR2004  two proportions
            reason = f"must name two groups of {by.name}, which has {len(chosen)}"
            raise InvalidRequestError(parameter="groups", reason=reason)
        own = {"alternative": alternative_of(arguments)}
        return cls.bind_axes(table, mode, limits, axes, {"by": chosen}, **own)

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        return super().describe() | {"alternative": self.alternative}

    def answer(self, cells: Floats, law: NoiseLaw | None, opened: Ints) -> TableAnswer:
        """See ``FigureTable``."""
        sd = 0.0 if law is None else law.sd
        rows = (_FIRST, ~_FIRST)
        figures = {
            f"proportion_{place}": share(each & _OUTCOME, each, cells, sd)
            for place, each in enumerate(rows, 1)
        }
        figures["difference"] = figure(_difference, cells, sd, needs=rows, least=-1.0, most=1.0)
        known = np.maximum(cells, self.least)
        distance = float(_z(known[np.newaxis])[0])
        if math.isnan(distance):
            return TableAnswer(figures=figures, closed=UNDEFINED)
        pvalue = _normal_tail(distance, self.alternative)
        if law is not None:
            pvalue = noisy_pvalue(known, self._measure, law, opened)
        return TableAnswer(statistic=distance, pvalue=pvalue, figures=figures)

    def _measure(self, tables: Floats) -> Floats:
        found = _z(np.maximum(tables, self.least))
        if self.alternative == "two-sided":
            return np.abs(found)
        return found if self.alternative == "greater" else -found


def _difference(tables: Complex) -> Complex:
    shares = tables[:, :, 1] / tables.sum(axis=2)
    found: Complex = shares[:, 0] - shares[:, 1]
    return found


def _z(tables: Floats) -> Floats:
    """Of each table; NaN where all rows have one outcome, or a group has no row."""
    sizes, cases = tables.sum(axis=2), tables[:, :, 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = cases / sizes
        pooled = cases.sum(axis=1) / sizes.sum(axis=1)
        found = (shares[:, 0] - shares[:, 1]) / np.sqrt(pooled * (1 - pooled) * (1 / sizes).sum(axis=1))
    return np.where(np.isfinite(found), found, np.nan)


def _normal_tail(distance: float, alternative: str) -> float:
    if alternative == "two-sided":
        return math.erfc(abs(distance) / math.sqrt(2))
    return math.erfc((distance if alternative == "greater" else -distance) / math.sqrt(2)) / 2

"""The G test of independence of two columns: the likelihood ratio in place of Pearson's statistic.

Layer:       analytics.statistics.tables above figure_table and independence.
Terms:       the *table* has a row for each group of ``a`` and a column for each group of ``b``.
Guarantees:  exact: as ``scipy.stats.chi2_contingency(lambda_="log-likelihood")``, with Yates' correction of a table with
             one degree of freedom by default; the whole table opens, or nothing does. A table with an empty row or column
             is undefined. Private: noisy counts below one half count as one half; the p-value is a parametric bootstrap
             over the mechanism under independence, seeded by the answer; no correction and no classical p-value.
Visible to:  the analyst: the table.
See instead: Pearson's statistic (chi_square).
Source:      Wilks 1938; Sokal, Rohlf 1981; bootstrap: independence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
import numpy.typing as npt

from analytics.statistics.arguments import Arguments, Parameter
from analytics.statistics.base import BOTH
from analytics.statistics.figure_table import UNDEFINED, FigureTable, TableAnswer
from analytics.statistics.tables.independence import likelihood_ratio, noisy_pvalue
from analytics.statistics.uncertainty.distributions import chi_square_tail

if TYPE_CHECKING:
    from analytics.schema import Table
    from analytics.statistics.base import Ints, Limits, Mode
    from analytics.statistics.uncertainty.noise_law import NoiseLaw

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class GTest(FigureTable):
    """The test.

    Attributes:
        correction: Yates' correction of a table with one degree of freedom; of exact answers alone.
    """

    name: ClassVar[str] = "g_test"
    any_noise: ClassVar[bool] = True
    summary: ClassVar[str] = "G test (likelihood ratio) of independence of two columns"
    modes: ClassVar = BOTH
    promoted: ClassVar = BOTH
    parameters: ClassVar = (
        Parameter(name="a", meaning="a column with public groups: the table's rows"),
        Parameter(name="b", meaning="another one: the table's columns"),
        Parameter(name="correction", meaning="Yates' correction where dof is 1, as in scipy", default=True),
    )
    correction: bool = True

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """See ``Statistic``."""
        axes = [(name, arguments.group_column(name, table)) for name in ("a", "b")]
        return cls.bind_axes(table, mode, limits, axes, correction=arguments.flag("correction"))

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        return super().describe() | {"correction": self.correction}

    def answer(self, cells: Floats, law: NoiseLaw | None, opened: Ints) -> TableAnswer:
        """See ``FigureTable``."""
        dof = (cells.shape[0] - 1) * (cells.shape[1] - 1)
        correction = 0.5 if self.correction and dof == 1 and law is None else 0.0
        known = np.maximum(cells, self.least)
        statistic = float(likelihood_ratio(known[np.newaxis], correction)[0])
        if np.isnan(statistic):
            return TableAnswer(dof=dof, closed=UNDEFINED)
        if law is None:
            return TableAnswer(statistic=statistic, pvalue=chi_square_tail(statistic, dof), dof=dof)
        pvalue = noisy_pvalue(
            known, lambda tables: likelihood_ratio(np.maximum(tables, self.least)), law, opened
        )
        return TableAnswer(statistic=statistic, pvalue=pvalue, dof=dof)

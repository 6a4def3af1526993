"""Fisher's exact test of a 2 x 2 table.

Layer:       analytics.statistics.tables above figure_table and table_measures.
Terms:       the table's rows are the groups of ``a``, its columns those of ``b``; false stands before true.
Guarantees:  exact alone, as ``scipy.stats.fisher_exact``: two sides sum the tables that are at most as likely. The odds
             ratio is ``ad / bc`` of the sample, not the conditional one, with Woolf's interval. The whole table opens, or
             nothing does.
Visible to:  the analyst: the table.
See instead: a private test of the same question (chi_square, g_test); tables with closed cells (crosstab).
Source:      R. A. Fisher 1934; Woolf 1955; docs/guarantees.md P8.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from analytics.statistics.arguments import Arguments, Parameter
from analytics.statistics.base import EXACT
from analytics.statistics.figure_table import FigureTable, TableAnswer, alternative_of, two_groups
from analytics.statistics.tables.table_measures import fisher, odds_ratio
from analytics.statistics.uncertainty.delta_method import Figure

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from analytics.schema import Table
    from analytics.statistics.base import Ints, Limits, Mode
    from analytics.statistics.uncertainty.noise_law import NoiseLaw


@dataclass(frozen=True, kw_only=True)
class FisherExact(FigureTable):
    """The test.

    Attributes:
        alternative: of the odds ratio.
    """

    name: ClassVar[str] = "fisher_exact"
    summary: ClassVar[str] = "Fisher's exact test of two columns of two groups"
    modes: ClassVar = EXACT
    promoted: ClassVar = EXACT
    no_private: ClassVar[str] = (
        "must be exact: the test conditions on margins that noise hides; chi_square and g_test have a private form"
    )
    parameters: ClassVar = (
        Parameter(name="a", meaning="a column with two public groups: the table's rows"),
        Parameter(name="b", meaning="another one: the table's columns"),
        Parameter(name="alternative", meaning="two-sided, less or greater", default="two-sided"),
    )
    alternative: str = "two-sided"

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """See ``Statistic``."""
        axes = [(name, two_groups(arguments, name, table)) for name in ("a", "b")]
        return cls.bind_axes(table, mode, limits, axes, alternative=alternative_of(arguments))

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        return super().describe() | {"alternative": self.alternative}

    def answer(self, cells: npt.NDArray[np.float64], law: NoiseLaw | None, opened: Ints) -> TableAnswer:
        """See ``FigureTable``; the statistic is the odds ratio."""
        del law, opened
        ratio = odds_ratio(cells)
        found = Figure(
            value=ratio.value,
            sampling_error=ratio.sampling_error,
            noise_error=ratio.noise_error,
            kind="ratio",
        )
        return TableAnswer(
            statistic=ratio.value, pvalue=fisher(cells, self.alternative), figures={"odds_ratio": found}
        )

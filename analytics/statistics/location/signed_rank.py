"""Wilcoxon's signed-rank test of two paired columns over the same declared bins.

Layer:       analytics.statistics.location above figure_table and independence.
Terms:       a row's *difference* is the middle of its bin in ``a`` less that in ``b``; rows without one are left out, and
             equal sizes share their mean rank.
Guarantees:  exact: ``statistic`` is the sum of ranks of positive differences, or with two sides the smaller of both
             sums, and the p-value that of the normal approximation with ties, without a continuity correction, as
             ``scipy.stats.wilcoxon(method="asymptotic")`` over the middles. The whole table opens, or nothing does.
             Without any difference the p-value is 1. Private: one release; noisy counts below one half count as one half;
             the p-value is a parametric bootstrap over the mechanism under exchangeable columns, seeded by the answer.
Visible to:  the analyst: the table of both columns' bins.
See instead: two groups (mann_whitney); two columns of yes and no (mcnemar).
Source:      Wilcoxon 1945; Pratt 1959 on zeros; bootstrap: independence.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
import numpy.typing as npt

from analytics.schema import NumericColumn
from analytics.statistics.arguments import Arguments, Parameter
from analytics.statistics.base import BOTH
from analytics.statistics.figure_table import (
    FigureTable,
    TableAnswer,
    alternative_of,
    check_same_groups,
    middles,
    number_bins,
)
from analytics.statistics.tables.independence import noisy_pvalue

if TYPE_CHECKING:
    from analytics.schema import Table
    from analytics.statistics.base import Ints, Limits, Mode
    from analytics.statistics.uncertainty.noise_law import NoiseLaw

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class SignedRank(FigureTable):
    """The test.

    Attributes:
        alternative: of the differences.
    """

    name: ClassVar[str] = "signed_rank"
    any_noise: ClassVar[bool] = True
    summary: ClassVar[str] = "Wilcoxon signed-rank test of two paired columns over the same bins"
    modes: ClassVar = BOTH
    promoted: ClassVar = BOTH
    parameters: ClassVar = (
        Parameter(name="a", meaning="a numeric column with declared bins"),
        Parameter(name="b", meaning="another one with the same bins"),
        Parameter(name="alternative", meaning="two-sided, less or greater", default="two-sided"),
        Parameter(name="grid", meaning="edges of the declared bins that make coarser bins", default=None),
    )
    alternative: str

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """See ``Statistic``."""
        axes = [(name, number_bins(arguments, name, table)) for name in ("a", "b")]
        own = {"alternative": alternative_of(arguments)}
        bound = cls.bind_axes(table, mode, limits, axes, None, **own)
        check_same_groups(bound)
        return bound

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        return super().describe() | {"alternative": self.alternative}

    def answer(self, cells: Floats, law: NoiseLaw | None, opened: Ints) -> TableAnswer:
        """See ``FigureTable``; ``tests`` holds z, 0 without any difference."""
        known = np.maximum(cells, self.least)[np.newaxis]
        positive, negative, distances = self._sums(known)
        z, sums = float(distances[0]), (float(positive[0]), float(negative[0]))
        statistic = min(sums) if self.alternative == "two-sided" else sums[0]
        if law is None:
            pvalue = _tail(z, self.alternative) if sum(sums) > 0 else 1.0
        else:
            both = (known[0] + known[0].T) / 2
            pvalue = noisy_pvalue(known[0], self._measure, law, opened, (both / both.sum()).ravel())
        return TableAnswer(statistic=statistic, pvalue=pvalue, tests={"z": z})

    def _measure(self, tables: Floats) -> Floats:
        _, _, found = self._sums(np.maximum(tables, self.least))
        if self.alternative == "two-sided":
            return np.abs(found)
        return found if self.alternative == "greater" else -found

    def _sums(self, tables: Floats) -> tuple[Floats, Floats, Floats]:
        """Sums of ranks of positive and of negative differences, and z, of each table."""
        column = self.keys[0][1]
        middle = middles(column) if isinstance(column, NumericColumn) else np.zeros(1)
        apart = np.round(middle[:, np.newaxis] - middle, 9)
        sizes = np.unique(np.abs(apart[apart != 0]))
        above = np.stack([tables[:, apart == size].sum(axis=1) for size in sizes], axis=1)
        below = np.stack([tables[:, apart == -size].sum(axis=1) for size in sizes], axis=1)
        tied = above + below
        ranks = np.cumsum(tied, axis=1) - (tied - 1) / 2
        positive, negative = (above * ranks).sum(axis=1), (below * ranks).sum(axis=1)
        n = tied.sum(axis=1)
        variance = n * (n + 1) * (2 * n + 1) / 24 - (tied**3 - tied).sum(axis=1) / 48
        with np.errstate(divide="ignore", invalid="ignore"):
            found = (positive - n * (n + 1) / 4) / np.sqrt(variance)
        return positive, negative, np.where(variance > 0, found, 0.0)


def _tail(z: float, alternative: str) -> float:
    if alternative == "two-sided":
        return math.erfc(abs(z) / math.sqrt(2))
    return math.erfc((z if alternative == "greater" else -z) / math.sqrt(2)) / 2

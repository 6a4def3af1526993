"""The test of Levene, or of Brown and Forsythe, over declared bins: whether groups vary alike.

Layer:       analytics.statistics.location above figure_table.
Terms:       every row counts with the middle of its bin; its *deviation* is the distance from its group's centre.
Guarantees:  exact alone: as ``scipy.stats.levene`` over the middles; ``center`` median is Brown and Forsythe's form.
             Groups without any spread of deviations, or a group without a row, are undefined. The whole table opens, or
             nothing does.
Visible to:  the analyst: the table of groups and bins.
See instead: means (anova); distributions (ks_test).
Source:      Levene 1960; Brown, Forsythe 1974; docs/guarantees.md P8.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Self

import numpy as np
import numpy.typing as npt

from analytics.errors import InvalidRequestError
from analytics.schema import NumericColumn
from analytics.statistics.arguments import Arguments, Parameter, chosen_groups
from analytics.statistics.base import EXACT
from analytics.statistics.figure_table import UNDEFINED, FigureTable, TableAnswer, middles, number_bins
from analytics.statistics.uncertainty.distributions import f_tail

if TYPE_CHECKING:
    from analytics.schema import Table
    from analytics.statistics.base import Ints, Limits, Mode
    from analytics.statistics.uncertainty.noise_law import NoiseLaw

Floats = npt.NDArray[np.float64]
_CENTERS: Final = ("median", "mean")


@dataclass(frozen=True, kw_only=True)
class Levene(FigureTable):
    """The test; rows of the table are the groups, columns the bins.

    Attributes:
        center: median or mean.
    """

    name: ClassVar[str] = "levene"
    summary: ClassVar[str] = "Levene's or Brown and Forsythe's test of equal variances over declared bins"
    modes: ClassVar = EXACT
    promoted: ClassVar = EXACT
    no_private: ClassVar[str] = (
        "must be exact: its null leaves each group's centre free, and a bootstrap that keeps it under noise is not known here"
    )
    parameters: ClassVar = (
        Parameter(name="column", meaning="a numeric column with declared bins"),
        Parameter(name="by", meaning="a column with public groups"),
        Parameter(name="groups", meaning="the groups to compare; all by default", default=None),
        Parameter(name="center", meaning="median or mean", default="median"),
        Parameter(name="grid", meaning="edges of the declared bins that make coarser bins", default=None),
    )
    center: str

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """See ``Statistic``."""
        center = arguments.text("center")
        if center not in _CENTERS:
            raise InvalidRequestError(parameter="center", reason="must be median or mean")
        by = arguments.group_column("by", table)
        axes = [("by", by), ("column", number_bins(arguments, "column", table))]
        chosen = {"by": chosen_groups(by, arguments)}
        return cls.bind_axes(table, mode, limits, axes, chosen, center=center)

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        return super().describe() | {"center": self.center}

    def answer(self, cells: Floats, law: NoiseLaw | None, opened: Ints) -> TableAnswer:
        """See ``FigureTable``; ``tests`` holds the degrees of freedom."""
        del law, opened
        column = self.keys[1][1]
        middle = middles(column) if isinstance(column, NumericColumn) else np.zeros(1)
        sizes, count = cells.sum(axis=1), len(cells)
        above, below = count - 1, float(sizes.sum()) - count
        if (sizes <= 0).any() or below <= 0:
            return TableAnswer(closed=UNDEFINED)
        centers = np.array([self._center(row, middle) for row in cells])
        apart = np.abs(middle - centers[:, np.newaxis])
        means = (cells * apart).sum(axis=1) / sizes
        whole = float((sizes * means).sum() / sizes.sum())
        within = float((cells * (apart - means[:, np.newaxis]) ** 2).sum())
        if within <= 0:
            return TableAnswer(closed=UNDEFINED)
        statistic = float((sizes * (means - whole) ** 2).sum()) / above / (within / below)
        tests: dict[str, float | None] = {"df_between": float(above), "df_within": below}
        return TableAnswer(statistic=statistic, pvalue=f_tail(statistic, above, below), tests=tests)

    def _center(self, row: Floats, middle: Floats) -> float:
        if self.center == "mean":
            return float((row * middle).sum() / row.sum())
        total, until = row.sum(), np.cumsum(row)
        first = int(np.searchsorted(until, total / 2))
        second = int(np.searchsorted(until, total / 2, side="right"))
        return float(middle[first] + middle[min(second, len(row) - 1)]) / 2

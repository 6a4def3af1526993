"""The test of Kolmogorov and Smirnov over declared bins: whether two groups have the same distribution.

Layer:       analytics.statistics.location above figure_table and independence.
Terms:       ``statistic`` is the largest distance of the two groups' distribution functions at the edges of the bins.
Guarantees:  exact: as ``scipy.stats.ks_2samp(method="asymp")`` over the bins' places. What happens inside a bin is not
             seen, so the distance is at most that of the values and the p-value errs to the large side. The whole table
             opens, or nothing does. A group without a row is undefined. Private: one release; noisy counts below one half
             count as one half; the p-value is a parametric bootstrap over the mechanism under equal distributions, seeded
             by the answer, and ties of bins are in it.
Visible to:  the analyst: the table of groups and bins.
See instead: shifts (mann_whitney); means (t_test).
Source:      Smirnov 1939; Hodges 1958; bootstrap: independence.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
import numpy.typing as npt

from analytics.errors import InvalidRequestError
from analytics.statistics.arguments import Arguments, Parameter, chosen_groups
from analytics.statistics.base import BOTH
from analytics.statistics.figure_table import UNDEFINED, FigureTable, TableAnswer, gridded
from analytics.statistics.tables.independence import noisy_pvalue
from analytics.statistics.uncertainty.distributions import kolmogorov_tail

if TYPE_CHECKING:
    from analytics.schema import Table
    from analytics.statistics.base import Ints, Limits, Mode
    from analytics.statistics.uncertainty.noise_law import NoiseLaw

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class KsTest(FigureTable):
    """The test; rows of the table are the two groups, columns the bins."""

    name: ClassVar[str] = "ks_test"
    any_noise: ClassVar[bool] = True
    summary: ClassVar[str] = "Kolmogorov-Smirnov test of two groups over declared bins"
    modes: ClassVar = BOTH
    promoted: ClassVar = BOTH
    parameters: ClassVar = (
        Parameter(name="column", meaning="a column with declared bins or ordered public groups"),
        Parameter(name="by", meaning="a column with public groups"),
        Parameter(name="groups", meaning="the two groups to compare, where by has more", default=None),
        Parameter(name="grid", meaning="edges of the declared bins that make coarser bins", default=None),
    )

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """See ``Statistic``."""
        by = arguments.group_column("by", table)
        chosen = chosen_groups(by, arguments)
        if len(chosen) != 2:  # noqa: PLR2004  two samples
            reason = f"must name two groups of {by.name}, which has {len(chosen)}"
            raise InvalidRequestError(parameter="groups", reason=reason)
        axes = [("by", by), ("column", gridded(arguments, "column", table))]
        return cls.bind_axes(table, mode, limits, axes, {"by": chosen})

    def answer(self, cells: Floats, law: NoiseLaw | None, opened: Ints) -> TableAnswer:
        """See ``FigureTable``."""
        known = np.maximum(cells, self.least)
        statistic = float(_distance(known[np.newaxis])[0])
        if math.isnan(statistic):
            return TableAnswer(closed=UNDEFINED)
        if law is None:
            first, second = cells.sum(axis=1).tolist()
            return TableAnswer(statistic=statistic, pvalue=kolmogorov_tail(first, second, statistic))
        pvalue = noisy_pvalue(known, lambda each: _distance(np.maximum(each, self.least)), law, opened)
        return TableAnswer(statistic=statistic, pvalue=pvalue)


def _distance(tables: Floats) -> Floats:
    """Of each table, shape ``(n, 2, bins)`` to ``(n,)``; NaN where a group has no row."""
    with np.errstate(divide="ignore", invalid="ignore"):
        below = np.cumsum(tables, axis=2) / tables.sum(axis=2, keepdims=True)
    found: Floats = np.abs(below[:, 0] - below[:, 1]).max(axis=1)
    return found

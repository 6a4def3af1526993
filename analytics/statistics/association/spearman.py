"""Spearman's rank correlation of two columns over their public groups or declared bins.

Layer:       analytics.statistics.association above figure_table and independence.
Terms:       groups stand in the order of the schema, bins in that of their edges; rows of one group are tied.
Guarantees:  exact: as ``scipy.stats.spearmanr`` over the groups' places, with Student's approximation of the p-value;
             the interval's standard error holds away from 0 too. The whole table opens, or nothing does. A column in one
             group alone is undefined. Private: one release; noisy counts below one half count as one half in the test; the
             p-value is a parametric bootstrap over the mechanism under independence, seeded by the answer; the interval
             holds sampling and noise.
Visible to:  the analyst: the table.
See instead: values instead of ranks (correlation); concordant pairs (kendall).
Source:      Spearman 1904; delta_method.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
import numpy.typing as npt

from analytics.statistics.arguments import Arguments, Parameter
from analytics.statistics.base import BOTH
from analytics.statistics.figure_table import UNDEFINED, FigureTable, TableAnswer
from analytics.statistics.tables.independence import noisy_pvalue
from analytics.statistics.uncertainty.delta_method import figure
from analytics.statistics.uncertainty.distributions import student_tail

if TYPE_CHECKING:
    from typing import Any

    from analytics.schema import Table
    from analytics.statistics.base import Ints, Limits, Mode
    from analytics.statistics.uncertainty.noise_law import NoiseLaw

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Spearman(FigureTable):
    """The correlation of ranks."""

    name: ClassVar[str] = "spearman"
    summary: ClassVar[str] = "Spearman's rank correlation of two columns over their bins"
    modes: ClassVar = BOTH
    promoted: ClassVar = BOTH
    parameters: ClassVar = (
        Parameter(name="a", meaning="a column with ordered public groups or declared bins"),
        Parameter(name="b", meaning="another one"),
    )

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """See ``Statistic``."""
        axes = [(name, arguments.group_column(name, table)) for name in ("a", "b")]
        return cls.bind_axes(table, mode, limits, axes)

    def answer(self, cells: Floats, law: NoiseLaw | None, opened: Ints) -> TableAnswer:
        """See ``FigureTable``; the statistic is rho."""
        sd, everyone = 0.0 if law is None else law.sd, np.ones(cells.shape, dtype=np.bool_)
        known = np.maximum(cells, self.least)
        with np.errstate(divide="ignore", invalid="ignore"):
            rho = float(rank_correlation(known[np.newaxis])[0])
        if math.isnan(rho):
            return TableAnswer(closed=UNDEFINED)
        rho = min(max(rho, -1.0), 1.0)
        figures = {"rho": figure(rank_correlation, cells, sd, needs=[everyone], least=-1.0, most=1.0)}
        if law is None:
            return TableAnswer(statistic=rho, pvalue=_tail(rho, float(cells.sum()) - 2), figures=figures)
        pvalue = noisy_pvalue(
            known, lambda each: np.abs(rank_correlation(np.maximum(each, self.least))), law, opened
        )
        return TableAnswer(statistic=rho, pvalue=pvalue, figures=figures)


def rank_correlation(tables: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The correlation of mean ranks in each table, shape ``(n, rows, columns)`` to ``(n,)``; NaN without a spread."""
    rows, columns = tables.sum(axis=2), tables.sum(axis=1)
    n = rows.sum(axis=1)[:, np.newaxis]
    first = np.cumsum(rows, axis=1) - rows / 2 - n / 2
    second = np.cumsum(columns, axis=1) - columns / 2 - n / 2
    together = np.einsum("nr,nrc,nc->n", first, tables, second)
    found: npt.NDArray[Any] = (
        together / np.sqrt((rows * first**2).sum(axis=1)) / np.sqrt((columns * second**2).sum(axis=1))
    )
    return found


def _tail(rho: float, degrees: float) -> float | None:
    if degrees <= 0:
        return None
    left = 1 - rho**2
    return min(1.0, 2 * student_tail(abs(rho) * math.sqrt(degrees / left), degrees)) if left > 0 else 0.0

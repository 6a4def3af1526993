"""Kendall's tau-b of two columns over their public groups or declared bins.

Layer:       analytics.statistics.association above figure_table and independence.
Terms:       two rows are *concordant* where the one with the larger place in ``a`` has the larger one in ``b``,
             *discordant* where it has the smaller one, else *tied*. ``gamma`` leaves ties out.
Guarantees:  exact: tau and p-value as ``scipy.stats.kendalltau(method="asymptotic")`` over the groups' places. The whole
             table opens, or nothing does. A column in one group alone is undefined. Private: one release; noisy counts
             below one half count as one half in the test; the p-value is a parametric bootstrap over the mechanism under
             independence, seeded by the answer; intervals hold sampling and noise.
Visible to:  the analyst: the table.
See instead: ranks (spearman).
Source:      Kendall 1945, 1970 for the variance with ties; Goodman, Kruskal 1954; delta_method.
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

if TYPE_CHECKING:
    from typing import Any

    from analytics.schema import Table
    from analytics.statistics.base import Ints, Limits, Mode
    from analytics.statistics.uncertainty.noise_law import NoiseLaw

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Kendall(FigureTable):
    """The correlation of orders."""

    name: ClassVar[str] = "kendall"
    summary: ClassVar[str] = "Kendall's tau-b of two columns over their bins"
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
        """See ``FigureTable``; the statistic is tau-b."""
        sd, everyone = 0.0 if law is None else law.sd, np.ones(cells.shape, dtype=np.bool_)
        known = np.maximum(cells, self.least)
        with np.errstate(divide="ignore", invalid="ignore"):
            tau = float(_tau(known[np.newaxis])[0])
        if math.isnan(tau):
            return TableAnswer(closed=UNDEFINED)
        figures = {
            "tau": figure(_tau, cells, sd, needs=[everyone], least=-1.0, most=1.0),
            "gamma": figure(_gamma, cells, sd, needs=[everyone], least=-1.0, most=1.0),
        }
        if law is None:
            return TableAnswer(statistic=tau, pvalue=_tail(cells), figures=figures)
        pvalue = noisy_pvalue(known, lambda each: np.abs(_tau(np.maximum(each, self.least))), law, opened)
        return TableAnswer(statistic=tau, pvalue=pvalue, figures=figures)


def _pairs(tables: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Concordant and discordant pairs of each table."""
    total = np.cumsum(np.cumsum(tables, axis=1), axis=2)
    # cells before in both; before in the rows and after in the columns
    same = total[:, :-1, :-1]
    other = total[:, :-1, -1:] - total[:, :-1]
    return (tables[:, 1:, 1:] * same).sum(axis=(1, 2)), (tables[:, 1:] * other).sum(axis=(1, 2))


def _tau(tables: npt.NDArray[Any]) -> npt.NDArray[Any]:
    same, other = _pairs(tables)
    n = tables.sum(axis=(1, 2))
    apart = [(n**2 - (tables.sum(axis=axis) ** 2).sum(axis=1)) / 2 for axis in (2, 1)]
    found: npt.NDArray[Any] = (same - other) / np.sqrt(apart[0]) / np.sqrt(apart[1])
    return found


def _gamma(tables: npt.NDArray[Any]) -> npt.NDArray[Any]:
    same, other = _pairs(tables)
    found: npt.NDArray[Any] = (same - other) / (same + other)
    return found


def _tail(cells: Floats) -> float | None:
    """P-value with two sides by the normal approximation with ties."""
    n = float(cells.sum())
    pairs = n * (n - 1)
    if n <= 2:  # noqa: PLR2004  the variance divides by n - 2
        return None
    first, second = cells.sum(axis=1), cells.sum(axis=0)
    once = [float((each * (each - 1)).sum()) / 2 for each in (first, second)]
    twice = [float((each * (each - 1) * (each - 2)).sum()) for each in (first, second)]
    weighted = [float((each * (each - 1) * (2 * each + 5)).sum()) for each in (first, second)]
    variance = (pairs * (2 * n + 5) - sum(weighted)) / 18 + 2 * once[0] * once[1] / pairs
    variance += twice[0] * twice[1] / (9 * pairs * (n - 2))
    same, other = _pairs(cells[np.newaxis])
    return math.erfc(abs(float(same[0] - other[0])) / math.sqrt(variance) / math.sqrt(2))

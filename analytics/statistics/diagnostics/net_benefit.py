"""Net benefit of acting on a predicted chance, at the edges of its declared bins: a decision curve.

Layer:       analytics.statistics.diagnostics above figure_table.
Terms:       at a *threshold* t all rows whose score is at least t are treated; their net benefit is the share of true
             positives less the share of false positives times ``t / (1 - t)``. ``treat_all`` treats everybody.
Guarantees:  thresholds are the lower edges of the bins above 0 and below 1, so that no request cuts between people of
             one bin. A score outside 0 to 1 is refused. The whole table opens, or nothing does; private: one release, its
             intervals hold sampling and noise.
Visible to:  the analyst: the table of bins and truth.
See instead: the ROC curve (roc_auc); how true the chances are (calibration, brier).
Source:      Vickers, Elkin 2006; the interval is that of a multinomial table by delta_method.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
import numpy.typing as npt

from analytics.schema.numbers import format_decimal
from analytics.statistics.arguments import Arguments, Parameter
from analytics.statistics.base import BOTH
from analytics.statistics.diagnostics.predicted_chances import chance_column
from analytics.statistics.figure_table import FigureTable, TableAnswer, two_groups
from analytics.statistics.uncertainty.delta_method import Complex, Figure, figure

if TYPE_CHECKING:
    from collections.abc import Callable
    from fractions import Fraction

    from analytics.schema import Table
    from analytics.statistics.base import Ints, Limits, Mode
    from analytics.statistics.uncertainty.noise_law import NoiseLaw

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class NetBenefit(FigureTable):
    """The curve; rows of the table are the score's bins, columns the truth.

    Attributes:
        edges: of the bins, from the lowest on.
    """

    name: ClassVar[str] = "net_benefit"
    summary: ClassVar[str] = "net benefit of a predicted chance at the edges of its bins"
    modes: ClassVar = BOTH
    promoted: ClassVar = BOTH
    parameters: ClassVar = (
        Parameter(name="score", meaning="a predicted chance between 0 and 1, with declared bins"),
        Parameter(name="truth", meaning="a column with two public groups; the second has the condition"),
        Parameter(name="grid", meaning="edges of the declared bins that make coarser bins", default=None),
    )
    edges: tuple[Fraction, ...]

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """See ``Statistic``."""
        score = chance_column(arguments, "score", table)
        axes = [("score", score), ("truth", two_groups(arguments, "truth", table))]
        return cls.bind_axes(table, mode, limits, axes, None, edges=score.bins)

    def answer(self, cells: Floats, law: NoiseLaw | None, opened: Ints) -> TableAnswer:
        """See ``FigureTable``; a figure for each threshold, and treat_all beside it."""
        del opened
        sd, everyone = 0.0 if law is None else law.sd, np.ones(cells.shape, dtype=np.bool_)
        found: dict[str, Figure] = {}
        for place, edge in enumerate(self.edges[:-1]):
            if not 0 < edge < 1:
                continue
            for name, first in (("net_benefit", place), ("treat_all", 0)):
                function = _benefit(first, float(edge / (1 - edge)), cells.shape)
                found[f"{name}_{format_decimal(edge)}"] = figure(
                    function, cells, sd, needs=[everyone], most=1.0
                )
        return TableAnswer(figures=found)


def _benefit(first: int, odds: float, shape: tuple[int, ...]) -> Callable[[Complex], Complex]:
    """The net benefit of treating all bins from one on."""
    weights = np.zeros(shape)
    weights[first:] = [-odds, 1.0]

    def function(tables: Complex) -> Complex:
        found: Complex = (tables * weights).sum(axis=(1, 2)) / tables.sum(axis=(1, 2))
        return found

    return function

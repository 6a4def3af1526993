"""Whether predicted chances are as frequent as they say: the observed share in each declared bin.

Layer:       analytics.statistics.diagnostics above figure_table.
Terms:       a bin is *calibrated* where the observed share of the condition lies between its edges.
Guarantees:  one observed share with Wilson's interval for each bin, beside the bin's own edges in its name; the mean
             prediction of a bin is not opened, since sums in bins tell more of single people than counts do. The whole
             table opens, or nothing does; private: one release, intervals hold sampling and noise.
Visible to:  the analyst: the table of bins and truth.
See instead: calibration as a whole by sums of the predictions (brier).
Source:      ours; Wilson 1927; docs/guarantees.md P8.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
import numpy.typing as npt

from analytics.statistics.arguments import Arguments, Parameter
from analytics.statistics.base import BOTH
from analytics.statistics.diagnostics.predicted_chances import chance_column
from analytics.statistics.figure_table import FigureTable, TableAnswer, two_groups
from analytics.statistics.uncertainty.delta_method import share

if TYPE_CHECKING:
    from analytics.schema import Table
    from analytics.statistics.base import Ints, Limits, Mode
    from analytics.statistics.uncertainty.noise_law import NoiseLaw

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Calibration(FigureTable):
    """Observed shares by bins of the prediction; rows of the table are the bins, columns the truth."""

    name: ClassVar[str] = "calibration"
    summary: ClassVar[str] = "observed share of a condition in each bin of a predicted chance"
    modes: ClassVar = BOTH
    promoted: ClassVar = BOTH
    parameters: ClassVar = (
        Parameter(name="score", meaning="a predicted chance between 0 and 1, with declared bins"),
        Parameter(name="truth", meaning="a column with two public groups; the second has the condition"),
        Parameter(name="grid", meaning="edges of the declared bins that make coarser bins", default=None),
    )

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """See ``Statistic``."""
        score = chance_column(arguments, "score", table)
        axes = [("score", score), ("truth", two_groups(arguments, "truth", table))]
        return cls.bind_axes(table, mode, limits, axes)

    def answer(self, cells: Floats, law: NoiseLaw | None, opened: Ints) -> TableAnswer:
        """See ``FigureTable``; a share for each bin, by the bin's label."""
        del opened
        sd, (bins, truth) = 0.0 if law is None else law.sd, np.indices(cells.shape)
        figures = {
            label: share((bins == place) & (truth == 1), bins == place, cells, sd)
            for place, label in enumerate(self.labels[0])
        }
        return TableAnswer(figures=figures)

"""The mutual information of two columns over their public groups or declared bins, with the test of independence.

Layer:       analytics.statistics.association above figure_table and independence.
Terms:       in nats; ``normalised`` divides it by the mean of both columns' entropies. ``statistic`` is G, which is 2 n
             times the information.
Guarantees:  exact: as ``sklearn.metrics.mutual_info_score``; p-value of G by its chi-square law. The whole table opens,
             or nothing does. An empty row or column is undefined. Private: one release; noisy counts below one half count
             as one half; the information of a noisy table is too large, and more so the smaller the counts, so it is
             reported beside what the noise leads to expect under independence (``expected_information``); the p-value is a
             parametric bootstrap over the mechanism under independence, seeded by the answer. No interval is given: at
             independence the information has no normal law.
Visible to:  the analyst: the table.
See instead: G alone (g_test); signs and order (spearman, kendall).
Source:      Shannon 1948; Kvalseth 1987 for the mean of the entropies; bootstrap: independence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
import numpy.typing as npt

from analytics.statistics.arguments import Arguments, Parameter
from analytics.statistics.base import BOTH
from analytics.statistics.figure_table import UNDEFINED, FigureTable, TableAnswer
from analytics.statistics.tables.independence import likelihood_ratio, noisy_replicates
from analytics.statistics.uncertainty.distributions import chi_square_tail

if TYPE_CHECKING:
    from analytics.schema import Table
    from analytics.statistics.base import Ints, Limits, Mode
    from analytics.statistics.uncertainty.noise_law import NoiseLaw

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class MutualInformation(FigureTable):
    """The information."""

    name: ClassVar[str] = "mutual_information"
    any_noise: ClassVar[bool] = True
    summary: ClassVar[str] = "mutual information of two columns over their bins"
    modes: ClassVar = BOTH
    promoted: ClassVar = BOTH
    parameters: ClassVar = (
        Parameter(name="a", meaning="a column with public groups or declared bins"),
        Parameter(name="b", meaning="another one"),
    )

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """See ``Statistic``."""
        axes = [(name, arguments.group_column(name, table)) for name in ("a", "b")]
        return cls.bind_axes(table, mode, limits, axes)

    def answer(self, cells: Floats, law: NoiseLaw | None, opened: Ints) -> TableAnswer:
        """See ``FigureTable``."""
        known = np.maximum(cells, self.least)
        statistic, total = float(likelihood_ratio(known[np.newaxis])[0]), float(known.sum())
        dof = (cells.shape[0] - 1) * (cells.shape[1] - 1)
        if np.isnan(statistic):
            return TableAnswer(dof=dof, closed=UNDEFINED)
        information = statistic / (2 * total)
        mean = (_entropy(known.sum(axis=1)) + _entropy(known.sum(axis=0))) / 2
        tests: dict[str, float | None] = {
            "information": information,
            "normalised": information / mean if mean > 0 else None,
        }
        pvalue = chi_square_tail(statistic, dof)
        if law is not None:
            drawn = np.maximum(noisy_replicates(known, law, opened), self.least)
            found = likelihood_ratio(drawn)
            pvalue = (1 + int(np.count_nonzero(~(found < statistic)))) / (1 + len(found))
            tests["expected_information"] = float((found / (2 * drawn.sum(axis=(1, 2)))).mean())
        return TableAnswer(statistic=statistic, pvalue=pvalue, dof=dof, tests=tests)


def _entropy(counts: Floats) -> float:
    shares = counts[counts > 0] / counts.sum()
    return -float((shares * np.log(shares)).sum())

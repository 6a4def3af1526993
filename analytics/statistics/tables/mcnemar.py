"""McNemar's test of two paired yes-or-no columns.

Layer:       analytics.statistics.tables above figure_table and independence.
Terms:       *discordant* rows have one group in ``a`` and the other in ``b``; ``n01`` have the first group in ``a``
             and the second in ``b``, ``n10`` the other way round.
Guarantees:  exact: chi-square with one degree of freedom, by default with the continuity correction, as
             ``statsmodels.stats.contingency_tables.mcnemar(exact=False)``, and the binomial p-value in ``tests``; without a
             discordant row both p-values are 1. The odds ratio is ``n01 / n10``, the difference that of the shares of the
             second group in ``b`` and in ``a``. The whole table opens, or nothing does. Private: one release; the p-value
             is a parametric bootstrap over the mechanism under equal discordant chances, seeded by the answer.
Visible to:  the analyst: the table.
See instead: agreement (cohens_kappa).
Source:      McNemar 1947; Edwards 1948 for the correction; bootstrap: independence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Self

import numpy as np
import numpy.typing as npt

from analytics.statistics.arguments import Arguments, Parameter
from analytics.statistics.base import BOTH
from analytics.statistics.figure_table import FigureTable, TableAnswer, check_same_groups, two_groups
from analytics.statistics.tables.independence import noisy_pvalue
from analytics.statistics.uncertainty.delta_method import Complex, Figure, figure
from analytics.statistics.uncertainty.distributions import binomial_test, chi_square_tail

if TYPE_CHECKING:
    from analytics.schema import Table
    from analytics.statistics.base import Ints, Limits, Mode
    from analytics.statistics.uncertainty.noise_law import NoiseLaw

Floats = npt.NDArray[np.float64]
_N01: Final = np.array([[False, True], [False, False]])
_N10: Final = np.array([[False, False], [True, False]])
_ALL: Final = np.ones((2, 2), dtype=np.bool_)


@dataclass(frozen=True, kw_only=True)
class McNemar(FigureTable):
    """The test.

    Attributes:
        correction: the continuity correction; of exact answers alone.
    """

    name: ClassVar[str] = "mcnemar"
    summary: ClassVar[str] = "McNemar's test of two paired columns of the same two groups"
    modes: ClassVar = BOTH
    promoted: ClassVar = BOTH
    parameters: ClassVar = (
        Parameter(name="a", meaning="a column with two public groups"),
        Parameter(name="b", meaning="another one with the same groups"),
        Parameter(name="correction", meaning="the continuity correction", default=True),
    )
    correction: bool = True

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """See ``Statistic``."""
        axes = [(name, two_groups(arguments, name, table)) for name in ("a", "b")]
        bound = cls.bind_axes(table, mode, limits, axes, correction=arguments.flag("correction"))
        check_same_groups(bound)
        return bound

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        return super().describe() | {"correction": self.correction}

    def answer(self, cells: Floats, law: NoiseLaw | None, opened: Ints) -> TableAnswer:
        """See ``FigureTable``."""
        sd = 0.0 if law is None else law.sd
        figures: dict[str, Figure] = {
            "odds_ratio": figure(_odds, cells, sd, kind="ratio", needs=[_N01, _N10], least=0.0),
            "difference": figure(_difference, cells, sd, needs=[_ALL], least=-1.0, most=1.0),
        }
        if law is None:
            n01, n10 = float(cells[0, 1]), float(cells[1, 0])
            apart = max(abs(n01 - n10) - (1.0 if self.correction else 0.0), 0.0)
            statistic = apart**2 / (n01 + n10) if n01 + n10 > 0 else 0.0
            tests = {"binomial_pvalue": binomial_test(int(min(n01, n10)), int(n01 + n10))}
            return TableAnswer(
                statistic=statistic,
                pvalue=chi_square_tail(statistic, 1),
                dof=1,
                tests=tests,
                figures=figures,
            )
        known = np.maximum(cells, 0.5)
        both = (known + known.T) / 2
        chances = (both / both.sum()).ravel()
        pvalue = noisy_pvalue(known, _distance, law, opened, chances)
        statistic = float(_distance(known[np.newaxis])[0])
        return TableAnswer(statistic=statistic, pvalue=pvalue, dof=1, figures=figures)


def _odds(tables: Complex) -> Complex:
    found: Complex = tables[:, 0, 1] / tables[:, 1, 0]
    return found


def _difference(tables: Complex) -> Complex:
    found: Complex = (tables[:, 0, 1] - tables[:, 1, 0]) / tables.sum(axis=(1, 2))
    return found


def _distance(tables: Floats) -> Floats:
    """McNemar's statistic of noisy tables; discordant counts below one half count as one half."""
    known = np.maximum(tables, 0.5)
    found: Floats = (known[:, 0, 1] - known[:, 1, 0]) ** 2 / (known[:, 0, 1] + known[:, 1, 0])
    return found

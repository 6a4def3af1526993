"""The test of Kruskal and Wallis: whether several groups have the same distribution, by their mean ranks.

Layer:       analytics.statistics.location above rank_table and distributions.
Guarantees:  H with ties corrected and its chi-square tail, as ``scipy.stats.kruskal`` over the bins' places. Rows that all
             lie in one bin, and an empty group, are undefined. Guards and the release: module rank_table; one small cell
             closes the whole test. Private: the p-value is a parametric bootstrap over the mechanism under equal
             distributions, seeded by the answer.
Visible to:  the analyst: the table of groups and bins.
Source:      Kruskal, Wallis 1952.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Self

import numpy as np
import numpy.typing as npt

from analytics.errors import InvalidRequestError
from analytics.statistics.arguments import Arguments, Parameter
from analytics.statistics.base import BOTH
from analytics.statistics.comparisons.rank_table import RankAnswer, RankTable, midranks
from analytics.statistics.tables.independence import noisy_pvalue
from analytics.statistics.uncertainty.distributions import chi_square_tail

if TYPE_CHECKING:
    from analytics.schema import Table
    from analytics.statistics.base import Ints, Limits, Mode
    from analytics.statistics.uncertainty.noise_law import NoiseLaw

Floats = npt.NDArray[np.float64]
UNDEFINED: Final = "undefined"
_FEWEST_GROUPS: Final = 2


@dataclass(frozen=True, kw_only=True)
class KruskalWallisAnswer(RankAnswer):
    """The test; see ``RankAnswer``.

    Attributes:
        dof: groups less one.
    """

    dof: int = 0

    def values(self) -> dict[str, object]:
        """Its fields as plain data."""
        return {**super().values(), "dof": self.dof}


@dataclass(frozen=True, kw_only=True)
class KruskalWallis(RankTable):
    """The test of several groups."""

    name: ClassVar[str] = "kruskal_wallis"
    any_noise: ClassVar[bool] = True
    summary: ClassVar[str] = "Kruskal-Wallis test of several groups over declared bins"
    modes: ClassVar = BOTH
    promoted: ClassVar = BOTH
    parameters: ClassVar = (
        Parameter(name="column", meaning="a numeric column with declared bins"),
        Parameter(name="by", meaning="a column with public groups"),
        Parameter(name="groups", meaning="the groups to compare; all by default", default=None),
        Parameter(name="grid", meaning="edges of the declared bins that make coarser bins", default=None),
    )

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """See ``Statistic``."""
        bound = cls.bind_ranks(table, arguments, mode, limits)
        if len(bound.chosen) < _FEWEST_GROUPS:
            raise InvalidRequestError(parameter="groups", reason="must be at least two groups")
        return bound

    def closed_answer(self, reason: str) -> KruskalWallisAnswer:
        """See ``RankTable``."""
        return KruskalWallisAnswer(
            statistic=None, labels=self.labels, bins=self.bins, dof=len(self.chosen) - 1, closed=reason
        )

    def answer(self, table: Floats, law: NoiseLaw | None, opened: Ints) -> KruskalWallisAnswer:
        """See ``RankTable``."""
        statistic, dof = float(self._statistic(table[np.newaxis])[0]), len(self.chosen) - 1
        if np.isnan(statistic):
            return self.closed_answer(UNDEFINED)
        by_noise = None if law is None else noisy_pvalue(table, self._statistic, law, opened)
        return KruskalWallisAnswer(
            statistic=statistic,
            pvalue=chi_square_tail(statistic, dof) if by_noise is None else by_noise,
            labels=self.labels,
            bins=self.bins,
            table=tuple(map(tuple, table.tolist())),
            noise_sd=0.0 if law is None else law.sd,
            dof=dof,
        )

    def _statistic(self, tables: Floats) -> Floats:
        """H of each table of a stack, shape ``(n,)``; NaN where it is undefined."""
        known = np.maximum(tables, self.least)
        ranks, ties = midranks(known)
        n = known.sum(axis=2)
        total = n.sum(axis=1)
        sums = (known * ranks[:, np.newaxis]).sum(axis=2)
        with np.errstate(divide="ignore", invalid="ignore"):
            apart = (sums - n * (total[:, np.newaxis] + 1) / 2) ** 2 / n
            found = 12 / (total * (total + 1)) * apart.sum(axis=1) / ties
        return np.where((n > 0).all(axis=1) & (ties > 0), found, np.nan)

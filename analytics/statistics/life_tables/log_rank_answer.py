"""The answer of a log-rank test.

Layer:       analytics.statistics.life_tables above base.
See instead: the test of a table (log_rank_cells), the statistic (survival.log_rank).
Source:      ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from analytics.statistics.base import Answer

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class LogRankAnswer(Answer):
    """The test.

    Attributes:
        statistic: chi-square of the noisy counts.
        pvalue: from the bootstrap.
        dof: groups less one; 1 for a trend.
        labels: of the groups.
        n: rows of each group, with noise.
        observed: events of each group, with noise, none below 0.
        expected: events under one hazard for all.
        noise_sd: standard deviation of the noise on each cell.
    """

    statistic: float
    pvalue: float
    dof: int
    labels: tuple[str, ...]
    n: tuple[float, ...]
    observed: tuple[float, ...]
    expected: tuple[float, ...]
    noise_sd: float

    @property
    def frame(self) -> pd.DataFrame:
        """One row a group."""
        import pandas as pd

        columns = {"n": self.n, "observed": self.observed, "expected": self.expected}
        return pd.DataFrame(columns, index=list(self.labels), dtype="Float64")

    def values(self) -> dict[str, object]:
        """Its fields as plain data."""
        return {
            "statistic": self.statistic,
            "pvalue": self.pvalue,
            "dof": self.dof,
            "groups": list(self.labels),
            "n": list(self.n),
            "observed": list(self.observed),
            "expected": list(self.expected),
            "noise_sd": self.noise_sd,
        }

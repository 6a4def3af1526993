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
        statistic: chi-square: private of the noisy counts; exact rounded to three digits, None where it is closed.
        pvalue: private: from the bootstrap; exact: the upper tail at the rounded statistic.
        dof: groups less one; 1 for a trend.
        labels: of the groups.
        n: private: rows of each group, with noise.
        observed: private: events of each group, with noise, none below 0.
        expected: private: events under one hazard for all.
        noise_sd: standard deviation of the noise on each cell; 0 in exact mode.
    """

    statistic: float | None
    pvalue: float | None
    dof: int
    labels: tuple[str, ...]
    n: tuple[float, ...] = ()
    observed: tuple[float, ...] = ()
    expected: tuple[float, ...] = ()
    noise_sd: float = 0.0

    @property
    def frame(self) -> pd.DataFrame:
        """One row a group; of an exact test one row with the statistic."""
        import pandas as pd

        if not self.n:
            found = {"statistic": [self.statistic], "dof": [self.dof], "pvalue": [self.pvalue]}
            return pd.DataFrame(found, dtype="Float64")
        columns = {"n": self.n, "observed": self.observed, "expected": self.expected}
        return pd.DataFrame(columns, index=list(self.labels), dtype="Float64")

    def values(self) -> dict[str, object]:
        """Its fields as plain data; of an exact test those that it has."""
        found: dict[str, object] = {
            "statistic": self.statistic,
            "pvalue": self.pvalue,
            "dof": self.dof,
            "groups": list(self.labels),
        }
        if not self.n:
            return found
        return {
            **found,
            "n": list(self.n),
            "observed": list(self.observed),
            "expected": list(self.expected),
            "noise_sd": self.noise_sd,
        }

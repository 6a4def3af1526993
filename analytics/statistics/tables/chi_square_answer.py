"""The answer of Pearson's chi-square test of independence.

Layer:       analytics.statistics above base.
See instead: the test (``analytics.statistics.tables.chi_square``), its arithmetic (independence).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from analytics.statistics.base import Answer
from analytics.statistics.tables.independence import REPLICATES

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class ChiSquareAnswer(Answer):
    """The test.

    Attributes:
        statistic: chi-square; None where it is closed, or in exact mode undefined (an empty row or column of the table).
        pvalue: exact: the upper tail; private: from the noise's law, see ``pvalue_from``.
        dof: degrees of freedom.
        observed: the table, with noise in private mode; shape ``(rows, columns)``.
        expected: counts under independence, same shape.
        labels: of rows and of columns.
        noise_sd: standard deviation of the noise on each cell; 0 in exact mode.
    """

    statistic: float | None
    pvalue: float | None
    dof: int
    observed: tuple[tuple[float, ...], ...] = ()
    expected: tuple[tuple[float, ...], ...] = ()
    labels: tuple[tuple[str, ...], tuple[str, ...]] = field(default=((), ()))
    noise_sd: float = 0.0

    @property
    def pvalue_from(self) -> str:
        """What law the p-value is taken from; empty where there is none."""
        if self.pvalue is None:
            return ""
        return (
            f"the noise's law, {REPLICATES} simulated tables" if self.noise_sd else "chi-square's upper tail"
        )

    @property
    def frame(self) -> pd.DataFrame:
        """The observed table, with the groups as its labels."""
        import pandas as pd

        rows, columns = self.labels
        cells = self.observed or [[None] * len(columns)] * len(rows)
        return pd.DataFrame(cells, index=list(rows), columns=list(columns), dtype="Float64")

    def values(self) -> dict[str, object]:
        """Its fields as plain data."""
        return {
            "statistic": self.statistic,
            "pvalue": self.pvalue,
            "pvalue_from": self.pvalue_from,
            "dof": self.dof,
            "observed": [list(row) for row in self.observed],
            "expected": [list(row) for row in self.expected],
            "rows": list(self.labels[0]),
            "columns": list(self.labels[1]),
            "noise_sd": self.noise_sd,
        }

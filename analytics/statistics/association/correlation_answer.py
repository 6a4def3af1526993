"""The answer of exact correlations, and what follows from sums of products around the means.

Layer:       analytics.statistics above base and distributions; below association.
Guarantees:  correlations are rational numbers, rounded once under the root; of a column without any spread they are None.
Visible to:  the analyst.
Source:      Pearson 1896; R. A. Fisher 1921 for the interval.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from fractions import Fraction
from statistics import NormalDist
from typing import TYPE_CHECKING, Final

from analytics.errors import InvalidRequestError
from analytics.pictures import Cells
from analytics.statistics.base import Answer
from analytics.statistics.uncertainty.distributions import student_tail

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

Matrix = tuple[tuple[float | None, ...], ...]
UNDEFINED: Final = "undefined"
_LEVEL: Final = 0.95
_PAIR: Final = 2
_FEWEST: Final = 3  # of the interval


@dataclass(frozen=True, kw_only=True)
class CorrelationAnswer(Answer):
    """The correlations.

    Attributes:
        names: of the columns.
        n: rows that lack none of them.
        means: of each column.
        covariance: over ``n - 1``, row by row.
        correlation: likewise; None where it is undefined.
        pvalues: of the test that two columns are uncorrelated, with two sides; None on the diagonal.
        n_fixed: columns of the design that are held fixed, as partial_correlation has them.
    """

    names: tuple[str, ...]
    n: int = 0
    means: tuple[float, ...] = ()
    covariance: Matrix = ()
    correlation: Matrix = ()
    pvalues: Matrix = ()
    n_fixed: int = 0

    @property
    def statistic(self) -> float | None:
        """The correlation of the first two columns."""
        return self.correlation[0][1] if self.correlation else None

    @property
    def pvalue(self) -> float | None:
        """The p-value of the first two columns."""
        return self.pvalues[0][1] if self.pvalues else None

    def confidence_interval(
        self, level: float = _LEVEL, *, first: int = 0, second: int = 1
    ) -> tuple[float | None, float | None]:
        """Fisher's interval of the correlation of two columns, by their places."""
        if not 0 < level < 1:
            raise InvalidRequestError(parameter="level", reason="must be a number above 0 and below 1")
        value = self.correlation[first][second] if self.correlation else None
        n = self.n - self.n_fixed
        if value is None or n <= _FEWEST or abs(value) >= 1:
            return None, None
        width = NormalDist().inv_cdf((1 + level) / 2) / math.sqrt(n - _FEWEST)
        return math.tanh(math.atanh(value) - width), math.tanh(math.atanh(value) + width)

    @property
    def frame(self) -> pd.DataFrame:
        """The correlations."""
        import pandas as pd

        names = list(self.names)
        rows = [list(row) for row in self.correlation]
        return pd.DataFrame(rows, index=names if rows else [], columns=names, dtype="Float64")

    def picture(self) -> Cells:
        """The correlations."""
        return Cells(rows=self.names, columns=self.names, values=self.correlation, is_signed=True, places=2)

    def values(self) -> dict[str, object]:
        """Its fields as plain data; of two columns also their correlation with its interval at 95 %."""
        others = {each.name for each in fields(Answer)} | {"n_fixed"}
        own = [each.name for each in fields(self) if each.name not in others]
        found: dict[str, object] = {name: plain(getattr(self, name)) for name in own}
        if len(self.names) == _PAIR:
            low, high = self.confidence_interval()
            found |= {"statistic": self.statistic, "pvalue": self.pvalue, "low": low, "high": high}
        return found


def correlations(apart: Sequence[Sequence[int | Fraction]]) -> Matrix:
    """From sums of products around the means, rounded once under the root; None where a column has no spread."""
    places = range(len(apart))
    return tuple(tuple(_correlation(apart, i, j) for j in places) for i in places)


def pvalues_of(correlation: Matrix, n: int) -> Matrix:
    """Of each pair, by Student's t with ``n - 2`` degrees of freedom; None on the diagonal."""
    return tuple(
        tuple(None if i == j else _pvalue(value, n) for j, value in enumerate(row))
        for i, row in enumerate(correlation)
    )


def _correlation(apart: Sequence[Sequence[int | Fraction]], i: int, j: int) -> float | None:
    spread = apart[i][i] * apart[j][j]
    if spread == 0:
        return None
    return math.copysign(math.sqrt(Fraction(apart[i][j] ** 2) / spread), apart[i][j])


def _pvalue(correlation: float | None, n: int) -> float | None:
    if correlation is None or n <= _PAIR:
        return None
    left = 1 - correlation**2
    if left <= 0:
        return 0.0
    return min(1.0, 2 * student_tail(abs(correlation) * math.sqrt((n - _PAIR) / left), n - _PAIR))


def plain(value: object) -> object:
    """Lists in place of tuples."""
    return [plain(each) for each in value] if isinstance(value, tuple) else value

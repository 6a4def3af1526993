"""Pearson's correlations and covariances of several columns.

Layer:       analytics.statistics.association above gram_rows and distributions.
Terms:       columns are numbers, or true-or-false columns as 0 and 1.
Guarantees:  over the rows that lack none of the columns (pandas drops rows pair by pair, which would open one more table
             for each pair). Covariances are over ``n - 1``. P-values are those of Student's t with ``n - 2`` degrees of
             freedom and the interval is Fisher's, as ``scipy.stats.pearsonr``. What a column without any spread is
             compared with is undefined, not 0. From exact integers. Guards: module gram_rows. With ``reveal="statistic"``
             the sums of two columns stay hidden, and their correlation opens alone, rounded on shares (module revealed);
             one column without spread, or a failed guard, closes it by one code.
Visible to:  the analyst: number, sums and sums of products of all columns.
Source:      Pearson 1896; R. A. Fisher 1921 for the interval.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from statistics import NormalDist
from typing import TYPE_CHECKING, ClassVar, Final, Self

from analytics.errors import InvalidRequestError
from analytics.pictures import Cells
from analytics.schema import NumericColumn
from analytics.statistics.arguments import Arguments, check_one_row_a_unit
from analytics.statistics.base import BOTH, PRIVATE, Answer
from analytics.statistics.distributions import student_tail
from analytics.statistics.gram_rows import GramRows, middle_of
from analytics.statistics.hidden_ratios import check_width, correlation_ratio, rows_bits
from analytics.statistics.integer_solve import symmetric
from analytics.statistics.number_columns import COLUMNS, read_columns
from analytics.statistics.released_correlation import ReleasedCorrelation
from analytics.statistics.revealed import DIGITS, REVEAL, Hidden, is_hidden
from smpc.operations.arithmetic import take
from smpc.operations.numeric.significant import Rounding

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from analytics.schema import Table
    from analytics.statistics.base import Limits, Mode

Matrix = tuple[tuple[float | None, ...], ...]
NAME: Final = "correlation"
SUMMARY: Final = "Pearson's correlations and covariances of columns"
UNDEFINED: Final = "undefined"
ROUNDING: Final = Rounding(digits=DIGITS, places=4, decades=0, is_root=True)
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
        found: dict[str, object] = {
            "names": list(self.names),
            "n": self.n,
            "means": list(self.means),
            "covariance": [list(row) for row in self.covariance],
            "correlation": [list(row) for row in self.correlation],
            "pvalues": [list(row) for row in self.pvalues],
        }
        if len(self.names) == _PAIR:
            low, high = self.confidence_interval()
            found |= {"statistic": self.statistic, "pvalue": self.pvalue, "low": low, "high": high}
        return found


@dataclass(frozen=True, kw_only=True)
class PrivateCorrelation(ReleasedCorrelation):
    """The correlations from one release with noise."""

    name: ClassVar[str] = NAME
    summary: ClassVar[str] = SUMMARY
    modes: ClassVar = PRIVATE
    parameters: ClassVar = (COLUMNS,)


@dataclass(frozen=True, kw_only=True)
class Correlation(GramRows):
    """The correlations of all pairs of some columns.

    Attributes:
        reveal: whether the correlation of two columns opens alone.
    """

    name: ClassVar[str] = NAME
    summary: ClassVar[str] = SUMMARY
    modes: ClassVar = BOTH
    promoted: ClassVar = BOTH
    parameters: ClassVar = (COLUMNS, REVEAL)
    reveal: bool = False

    @classmethod
    def bind(
        cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits
    ) -> Self | PrivateCorrelation:
        """See ``Statistic``."""
        reveal = is_hidden(arguments, mode)
        if mode == "private":
            return PrivateCorrelation.bind(table, arguments, mode, limits)
        check_one_row_a_unit(table, cls.name)
        bound = cls(
            table=table, mode=mode, limits=limits, modelled=read_columns(arguments, table), reveal=reveal
        )
        bound.check_size("columns")
        if reveal and len(bound.columns) != _PAIR:
            raise InvalidRequestError(
                parameter="columns", reason="must be two where the statistic opens alone"
            )
        if reveal:
            check_width(bound.product_bits, "columns")
        return bound

    @property
    def opens_alone(self) -> bool:
        """See ``GramRows``."""
        return self.reveal

    @property
    def hidden(self) -> Hidden | None:
        """See ``GramRows``."""
        if not self.reveal:
            return None
        places = range(self.n_sums)
        return Hidden(
            quantity="correlation",
            rule=ROUNDING,
            limits=self.limits,
            guards=lambda figures: take(figures, range(self.n_sums, figures.size)),
            ratio=lambda session, figures: correlation_ratio(
                session, take(figures, places), self.product_bits
            ),
            least=tuple(self.least),
        )

    @property
    def product_bits(self) -> int:
        """Of n times a sum of squares, and a sign."""
        return 2 * rows_bits(self.limits) + 2 * max(each.bit_length() for each in self.reaches) + 1

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        found = super().describe()
        return found if self.hidden is None else {**found, **self.hidden.describe()}

    def closed_answer(self, reason: str) -> CorrelationAnswer:
        """See ``GramRows``."""
        return CorrelationAnswer(names=self.columns, closed=reason)

    def answer(self, gram: tuple[int, ...]) -> CorrelationAnswer:
        """See ``GramRows``."""
        (n, *sums), *rows = symmetric(gram, self.n_parameters)
        if n < _PAIR:
            return self.closed_answer(UNDEFINED)
        units = [
            column.resolution if isinstance(column, NumericColumn) else Fraction(1)
            for column in self.modelled
        ]
        middles = [middle_of(column) for column in self.modelled]
        count = len(units)
        # n times the sums of products around the means, in steps: integers
        apart = [[n * rows[i][j + 1] - sums[i] * sums[j] for j in range(count)] for i in range(count)]
        correlation = correlations(apart)
        scale = Fraction(1, n * (n - 1))
        return CorrelationAnswer(
            names=self.columns,
            n=n,
            means=tuple(
                float(unit * (Fraction(total, n) + middle))
                for unit, total, middle in zip(units, sums, middles, strict=True)
            ),
            covariance=tuple(
                tuple(float(units[i] * units[j] * scale * apart[i][j]) for j in range(count))
                for i in range(count)
            ),
            correlation=correlation,
            pvalues=pvalues_of(correlation, n),
        )


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

"""Pearson's correlations and covariances of several columns.

Layer:       analytics.statistics.association above gram_rows and correlation_answer.
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

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar, Final, Self

from analytics.errors import InvalidRequestError
from analytics.schema import NumericColumn
from analytics.statistics.arguments import Arguments, check_one_row_a_unit
from analytics.statistics.association.correlation_answer import (
    UNDEFINED,
    CorrelationAnswer,
    correlations,
    pvalues_of,
)
from analytics.statistics.association.released_correlation import ReleasedCorrelation
from analytics.statistics.base import BOTH, PRIVATE
from analytics.statistics.hidden.hidden_ratios import check_width, correlation_ratio, rows_bits
from analytics.statistics.hidden.revealed import DIGITS, REVEAL, Hidden, is_hidden
from analytics.statistics.matrices.gram_rows import GramRows, middle_of
from analytics.statistics.matrices.integer_solve import symmetric
from analytics.statistics.matrices.number_columns import COLUMNS, read_columns
from smpc.operations.arithmetic import take
from smpc.operations.numeric.significant import Rounding

if TYPE_CHECKING:
    from analytics.schema import Table
    from analytics.statistics.base import Limits, Mode

NAME: Final = "correlation"
SUMMARY: Final = "Pearson's correlations and covariances of columns"
ROUNDING: Final = Rounding(digits=DIGITS, places=4, decades=0, is_root=True)
_PAIR: Final = 2


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

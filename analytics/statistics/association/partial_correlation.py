"""Partial correlations: of columns with others held fixed.

Layer:       analytics.statistics.association above correlation and conditional.
Terms:       *held fixed* are the columns of ``controls``: numbers, true-or-false columns, and categories, which enter by one
             column of 0 and 1 for each but the first. A partial correlation is that of the residuals of two columns
             after least squares on them.
Guarantees:  over the rows that lack none of the columns. With q columns held fixed, p-values are those of Student's t with
             ``n - 2 - q`` degrees of freedom and the interval is Fisher's of ``n - q`` rows, as ``pingouin.partial_corr``;
             covariances are those of the residuals over ``n - 1 - q``. What is undefined has the code ``undefined``: no more
             rows than that, or controls that are a linear combination of each other. Guards of exact answers: module gram_rows,
             over all columns. Private: the release of ``correlation`` over all columns; p-values and intervals as there, with
             the residuals of the found controls.
Visible to:  the analyst: number, sums and sums of products of all columns, as for ``correlation`` and ``ols``.
See instead: plain correlations (correlation); slopes (ols).
Source:      Fisher 1924 for the distribution; module conditional.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar, Final, Self

from analytics.errors import InvalidRequestError
from analytics.schema import NumericColumn
from analytics.statistics.arguments import Arguments, Parameter, check_one_row_a_unit, column_of
from analytics.statistics.association.correlation_answer import (
    UNDEFINED,
    CorrelationAnswer,
    correlations,
    pvalues_of,
)
from analytics.statistics.association.released_correlation import ReleasedCorrelation
from analytics.statistics.base import BOTH, PRIVATE
from analytics.statistics.matrices.gram_rows import GramRows, middle_of
from analytics.statistics.matrices.integer_solve import symmetric
from analytics.statistics.matrices.number_columns import COLUMNS, read_columns
from analytics.statistics.uncertainty.conditional import left_over

if TYPE_CHECKING:
    from analytics.schema import Table
    from analytics.sql.query import GroupColumn
    from analytics.statistics.base import Limits, Mode

NAME: Final = "partial_correlation"
SUMMARY: Final = "correlations of columns with others held fixed"
CONTROLS: Final = Parameter(name="controls", meaning="a list of columns that are held fixed")
_PAIR: Final = 2


@dataclass(frozen=True, kw_only=True)
class PrivatePartialCorrelation(ReleasedCorrelation):
    """The correlations from one release with noise.

    Attributes:
        n_columns: how many of the columns are correlated, the first ones.
    """

    name: ClassVar[str] = NAME
    summary: ClassVar[str] = SUMMARY
    modes: ClassVar = PRIVATE
    parameters: ClassVar = (COLUMNS, CONTROLS)
    n_columns: int

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """See ``Statistic``."""
        columns, controls = _read(arguments, table)
        bound = cls(
            table=table, mode=mode, limits=limits, modelled=(*columns, *controls), n_columns=len(columns)
        )
        bound.check_size("controls")
        return bound

    @property
    def n_shown(self) -> int:
        """See ``ReleasedCorrelation``."""
        return self.n_columns

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        return _described(self.modelled, self.n_columns)


@dataclass(frozen=True, kw_only=True)
class PartialCorrelation(GramRows):
    """The correlations of all pairs of some columns, others held fixed.

    Attributes:
        n_columns: how many of the columns are correlated, the first ones.
    """

    name: ClassVar[str] = NAME
    summary: ClassVar[str] = SUMMARY
    modes: ClassVar = BOTH
    promoted: ClassVar = BOTH
    parameters: ClassVar = (COLUMNS, CONTROLS)
    n_columns: int

    @classmethod
    def bind(
        cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits
    ) -> Self | PrivatePartialCorrelation:
        """See ``Statistic``."""
        if mode == "private":
            return PrivatePartialCorrelation.bind(table, arguments, mode, limits)
        columns, controls = _read(arguments, table)
        bound = cls(
            table=table, mode=mode, limits=limits, modelled=(*columns, *controls), n_columns=len(columns)
        )
        bound.check_size("controls")
        return bound

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        fewest = super().describe()["fewest_rows"]
        return _described(self.modelled, self.n_columns) | {"fewest_rows": fewest}

    def closed_answer(self, reason: str) -> CorrelationAnswer:
        """See ``GramRows``."""
        return CorrelationAnswer(names=self.columns[: self.n_columns], closed=reason)

    def answer(self, gram: tuple[int, ...]) -> CorrelationAnswer:
        """See ``GramRows``."""
        (n, *sums), *rows = symmetric(gram, self.n_parameters)
        n_fixed = len(sums) - self.n_columns
        if n - n_fixed <= _PAIR:
            return self.closed_answer(UNDEFINED)
        places, shown = range(len(sums)), range(self.n_columns)
        # n times the sums of products around the means, in steps: integers
        apart = [[n * rows[i][j + 1] - sums[i] * sums[j] for j in places] for i in places]
        left = left_over(apart, self.n_columns)
        if left is None:
            return self.closed_answer(UNDEFINED)
        units = [
            column.resolution if isinstance(column, NumericColumn) else Fraction(1)
            for column in self.modelled[: self.n_columns]
        ]
        correlation = correlations(left)
        scale = Fraction(1, n * (n - 1 - n_fixed))
        return CorrelationAnswer(
            names=self.columns[: self.n_columns],
            n=n,
            means=tuple(
                float(unit * (Fraction(total, n) + middle_of(column)))
                for unit, total, column in zip(units, sums, self.modelled, strict=False)
            ),
            covariance=tuple(
                tuple(float(units[i] * units[j] * scale * left[i][j]) for j in shown) for i in shown
            ),
            correlation=correlation,
            pvalues=pvalues_of(correlation, n - n_fixed),
            n_fixed=n_fixed,
        )


def _read(arguments: Arguments, table: Table) -> tuple[tuple[GroupColumn, ...], tuple[GroupColumn, ...]]:
    """Columns and controls.

    Raises:
        InvalidRequestError: fewer than two columns, or a control that is one of them.
        PlanRejectedError: no such column, a category among the columns, or several rows of a unit.
    """
    check_one_row_a_unit(table, NAME)
    columns = read_columns(arguments, table)
    controls = tuple(column_of(name, table, "controls") for name in arguments.texts("controls"))
    if {column.name for column in columns} & {column.name for column in controls}:
        raise InvalidRequestError(parameter="controls", reason="must not hold one of columns")
    return columns, controls


def _described(modelled: tuple[GroupColumn, ...], count: int) -> dict[str, object]:
    names = [column.name for column in modelled]
    return {"columns": names[:count], "controls": names[count:]}

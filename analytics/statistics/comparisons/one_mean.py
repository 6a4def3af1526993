"""The t tests of one mean: of one sample against a given mean, and of the differences of two columns of the same rows.

Layer:       analytics.statistics above group_moments and gram_rows, below t_test, which hands over to it.
Terms:       a *difference* of a pair is the first column's value less the second's, over rows that have both.
Guarantees:  Student's distribution with ``n - 1`` degrees of freedom, as ``scipy.stats.ttest_1samp`` and ``ttest_rel``. No
             spread or fewer than two rows are undefined, not 0. Exact: one sample opens number, sum and squares behind the
             guard of group_moments; pairs open the sums of products of both columns behind that of gram_rows, with each
             value of the difference of up to seven, else those strictly between its bounds and outside every window.
             Private: number, sum and squares, of pairs those of the difference, are one release; the p-value is a parametric
             bootstrap over the mechanism with the given mean, of the mean's distance from it in errors of sampling and noise,
             seeded by the answer.
Visible to:  the analyst: three numbers; of exact pairs the sums of products of both columns.
See instead: two groups (t_test); ranks of differences (signed_rank).
Source:      Student 1908. Parametric bootstrap: group_samples.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt

from analytics.errors import InvalidRequestError
from analytics.sql.terms.expressions import ColumnIndex
from analytics.sql.terms.numeric import Numeric, add, negate
from analytics.statistics.arguments import check_one_row_a_unit
from analytics.statistics.comparisons.group_moments import GroupMoments
from analytics.statistics.comparisons.group_samples import REPLICATES, Mechanism, Sample
from analytics.statistics.comparisons.t_test_answer import UNDEFINED, TTestAnswer, share_farther, tail
from analytics.statistics.figure_table import alternative_of
from analytics.statistics.guards.value_guards import counted, few_or_windows
from analytics.statistics.matrices.gram_rows import GramRows, middle_of
from analytics.statistics.matrices.integer_solve import symmetric
from analytics.statistics.uncertainty.bounded import FEW
from analytics.statistics.uncertainty.noise_law import simulation

if TYPE_CHECKING:
    from analytics.schema import NumericColumn, Table
    from analytics.sql.terms.expressions import Integer
    from analytics.statistics.arguments import Arguments
    from analytics.statistics.base import Ints, Limits, Mode

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class OneMean(GroupMoments):
    """The test of one sample; in private mode also of the differences of pairs.

    Attributes:
        popmean: the mean that is tested, in the column's unit.
        alternative: what is tested against.
        second: what is subtracted from the column; None for one sample.
    """

    popmean: Fraction
    alternative: str
    second: NumericColumn | None = None

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """See ``Statistic``."""
        column = arguments.number_column("column", table)
        second, popmean = None, Fraction(0)
        if arguments.is_given("paired"):
            second = _second(column, arguments, table)
        else:
            popmean = arguments.number("popmean")
        return cls.bind_cells(
            table,
            mode,
            limits,
            column,
            (),
            (0,),
            popmean=popmean,
            alternative=alternative_of(arguments),
            second=second,
        )

    @property
    def unit(self) -> Fraction:
        """Of one step; of pairs the largest that both columns' steps are multiples of."""
        return self.column.resolution if self.second is None else difference(self.column, self.second).unit

    @property
    def _value(self) -> Integer:
        if self.second is None:
            return super()._value
        return difference(self.column, self.second).expression

    @property
    def labels(self) -> tuple[str, ...]:
        """The column, or both."""
        return (self.column.name if self.second is None else f"{self.column.name} - {self.second.name}",)

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        found: dict[str, object] = {"column": self.column.name, "alternative": self.alternative}
        return found | (
            {"popmean": str(self.popmean)} if self.second is None else {"paired": self.second.name}
        )

    def closed_answer(self, reason: str) -> TTestAnswer:
        """See ``GroupMoments``."""
        return TTestAnswer(statistic=None, labels=self.labels, alternative=self.alternative, closed=reason)

    def answer(self, sample: Sample, mechanism: Mechanism | None, opened: Ints) -> TTestAnswer:
        """See ``GroupMoments``."""
        unit, n = float(self.unit), float(sample.n[0])
        expected = float(self.popmean / self.unit) - self._center
        mean, variance = float(sample.mean[0]), float(sample.variance[0])
        if not variance > 0:  # NaN with fewer than two rows
            return self.closed_answer(UNDEFINED)
        error = math.sqrt(variance / n)
        statistic = (mean - expected) / error
        by_noise = None if mechanism is None else self._bootstrap(expected, sample, mechanism, opened)
        return TTestAnswer(
            statistic=statistic,
            pvalue=tail(statistic, n - 1, self.alternative) if by_noise is None else by_noise,
            df=n - 1,
            alternative=self.alternative,
            labels=self.labels,
            n=(n,),
            means=(unit * (mean + self._center),),
            sds=(unit * math.sqrt(variance),),
            difference=unit * (mean - expected),
            sampling_error=unit * error,
            noise_error=0.0 if mechanism is None else unit * float(mechanism.error_of_means(sample)[0]),
            popmean=float(self.popmean) if self.second is None else None,
            too_few=mechanism is not None and n < FEW * mechanism.count.sd,
        )

    def _bootstrap(self, expected: float, sample: Sample, mechanism: Mechanism, opened: Ints) -> float:
        """The share of releases with the given mean, fresh rows and fresh noise that are at least as far out."""
        own = float(self._distance(sample, expected, mechanism))
        null = Sample(n=sample.n, mean=np.array([expected]), variance=sample.variance)
        drawn = mechanism.redraw(null, REPLICATES, simulation(opened))
        return share_farther(self._distance(drawn, expected, mechanism), own, self.alternative)

    @staticmethod
    def _distance(sample: Sample, expected: float, mechanism: Mechanism) -> Floats:
        """The distance of each mean in errors of sampling and noise together, which no small noisy variance makes large."""
        errors = np.hypot(np.sqrt(sample.variance / sample.n), mechanism.error_of_means(sample))
        found: Floats = ((sample.mean - expected) / errors)[..., 0]
        return found


@dataclass(frozen=True, kw_only=True)
class PairedMeans(GramRows):
    """The exact test of pairs.

    Attributes:
        alternative: what is tested against.
    """

    alternative: str
    pair: tuple[NumericColumn, NumericColumn]

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """See ``Statistic``."""
        check_one_row_a_unit(table, cls.name)
        column = arguments.number_column("column", table)
        pair = column, _second(column, arguments, table)
        alternative = alternative_of(arguments)
        bound = cls(table=table, mode=mode, limits=limits, modelled=pair, pair=pair, alternative=alternative)
        bound.check_size("paired")
        return bound

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        first, second = self.columns
        found: dict[str, object] = {"column": first, "paired": second, "alternative": self.alternative}
        return found | {"fewest_rows": super().describe()["fewest_rows"]}

    def closed_answer(self, reason: str) -> TTestAnswer:
        """See ``GramRows``."""
        return TTestAnswer(statistic=None, labels=self._labels, alternative=self.alternative, closed=reason)

    def answer(self, gram: tuple[int, ...]) -> TTestAnswer:
        """See ``GramRows``; by integers, rounded once."""
        (n, *sums), *rows = symmetric(gram, self.n_parameters)
        if n < 2:  # noqa: PLR2004  a variance has two rows
            return self.closed_answer(UNDEFINED)
        units = [column.resolution for column in self.pair]
        means = [
            unit * (Fraction(total, n) + middle_of(column))
            for unit, total, column in zip(units, sums, self.pair, strict=True)
        ]
        products = [
            [
                units[i] * units[j] * Fraction(n * rows[i][j + 1] - sums[i] * sums[j], n * (n - 1))
                for j in (0, 1)
            ]
            for i in (0, 1)
        ]
        spread = products[0][0] - 2 * products[0][1] + products[1][1]
        if spread <= 0:
            return self.closed_answer(UNDEFINED)
        error = math.sqrt(spread / n)
        apart = means[0] - means[1]
        statistic = float(apart) / error
        variances = (products[0][0], products[1][1], spread)
        return TTestAnswer(
            statistic=statistic,
            pvalue=tail(statistic, n - 1.0, self.alternative),
            df=n - 1.0,
            alternative=self.alternative,
            labels=self._labels,
            n=(float(n),) * 3,
            means=(float(means[0]), float(means[1]), float(apart)),
            sds=tuple(math.sqrt(each) for each in variances),
            difference=float(apart),
            sampling_error=error,
        )

    def _tested(self, rows: Ints) -> Ints:
        """The guard of the sums of products, and what number, sum and squares of the difference tell of few."""
        first, second = self.pair
        unit = difference(first, second).unit
        scales = [int(column.resolution / unit) for column in self.pair]
        apart = scales[0] * rows[:, 1] - scales[1] * rows[:, 2]
        lower = scales[0] * first.grid_lower - scales[1] * second.grid_upper
        upper = scales[0] * first.grid_upper - scales[1] * second.grid_lower
        own = counted(few_or_windows(lower, upper, apart))
        return np.concatenate([own, super()._tested(rows)])

    @property
    def _labels(self) -> tuple[str, ...]:
        first, second = self.columns
        return first, second, f"{first} - {second}"


def _second(column: NumericColumn, arguments: Arguments, table: Table) -> NumericColumn:
    second = arguments.number_column("paired", table)
    if second.name == column.name:
        raise InvalidRequestError(parameter="paired", reason="must be another column")
    return second


def difference(first: NumericColumn, second: NumericColumn) -> Numeric:
    """The first column less the second, on the largest grid that both lie on."""
    one, other = (
        Numeric(
            expression=ColumnIndex(name=each.name, lower=each.grid_lower, upper=each.grid_upper),
            unit=each.resolution,
        )
        for each in (first, second)
    )
    return add(one, negate(other))

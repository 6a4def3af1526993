"""Intraclass correlation: how far several columns agree that measure the same thing, such as raters or occasions.

Layer:       analytics.statistics.association above gram_rows, released_correlation and intraclass.
Terms:       as in intraclass. Columns are raters and have one unit.
Guarantees:  over the rows that lack none of the columns. All six forms with F, p-value and interval, as
             ``pingouin.intraclass_corr``. Undefined, with the code ``undefined``: no spread between rows, or none of what is
             left. Guards of exact answers: module gram_rows; columns that differ by little of their bounds are closed there.
             Private: the release of ``correlation``; intervals hold sampling and noise: the quantile of the distance of samples
             of the found means and covariances, drawn from a normal distribution, with fresh noise, for these
             columns as they are (ICC2's exact interval also holds that other raters would differ); p-values are those of
             uncorrelated columns of the found variances, likewise. Where the noise hides a column's variance, the answer is
             flagged ``too_few``.
Visible to:  the analyst: number, sums and sums of products of all columns.
See instead: pairs of columns (correlation); categories (cohens_kappa).
Source:      Shrout, Fleiss 1979; parametric bootstrap over the mechanism as in released_correlation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar, Final, Self

import numpy as np
import numpy.typing as npt

from analytics.errors import InvalidRequestError
from analytics.schema import NumericColumn
from analytics.statistics.arguments import Arguments, Parameter, check_one_row_a_unit
from analytics.statistics.association.intraclass import (
    KINDS,
    SINGLE,
    MeanSquares,
    from_spread,
    of_means,
    spread_out,
)
from analytics.statistics.association.released_correlation import (
    REPLICATES,
    Moments,
    least_variances,
    redrawn,
)
from analytics.statistics.base import BOTH, PRIVATE, Answer
from analytics.statistics.matrices.gram_release import GramRelease
from analytics.statistics.matrices.gram_rows import GramRows, middle_of
from analytics.statistics.matrices.integer_solve import symmetric
from analytics.statistics.matrices.number_columns import read_columns
from analytics.statistics.uncertainty.bounded import FEW
from analytics.statistics.uncertainty.conditional import nearest_positive
from analytics.statistics.uncertainty.noise_law import simulation

if TYPE_CHECKING:
    import pandas as pd

    from analytics.schema import Table
    from analytics.sql.query import GroupColumn
    from analytics.statistics.base import Ints, Limits, Mode
    from analytics.statistics.matrices.noisy_gram import NoisyGram

Floats = npt.NDArray[np.float64]
NAME: Final = "icc"
SUMMARY: Final = "intraclass correlation of columns that measure the same thing"
PARAMETERS: Final = (
    Parameter(name="columns", meaning="a list of two or more columns: one for each rater or occasion"),
)
UNDEFINED: Final = "undefined"
_LEVEL: Final = 0.95


@dataclass(frozen=True, kw_only=True)
class IccAnswer(Answer):
    """The correlations.

    Attributes:
        names: of the columns.
        n: rows that lack none of them; noisy in private mode.
        icc: of ``ICC1``, ``ICC2``, ``ICC3``, then of the mean over the columns; empty where it is closed or undefined.
        pvalues: of no correlation, likewise.
        squares: the mean squares; None where there is no answer.
        distances: private: of the replicates, of the three single kinds; shape ``(replicates, 3)``.
        too_few: private: whether the noise hides the variance of a column.
    """

    names: tuple[str, ...]
    n: float = 0.0
    icc: tuple[float, ...] = ()
    pvalues: tuple[float, ...] = ()
    squares: MeanSquares | None = None
    distances: Floats | None = field(default=None, compare=False)
    too_few: bool = False

    @property
    def statistic(self) -> float | None:
        """``ICC2``: absolute agreement of single raters."""
        return self.icc[1] if self.icc else None

    @property
    def pvalue(self) -> float | None:
        """The p-value of ``ICC2``."""
        return self.pvalues[1] if self.pvalues else None

    def interval(self, level: float = _LEVEL) -> tuple[tuple[float, float], ...]:
        """Low and high of each kind; in private mode of sampling and noise together.

        Raises:
            InvalidRequestError: the level is not between 0 and 1.
        """
        if not 0 < level < 1:
            raise InvalidRequestError(parameter="level", reason="must be a number above 0 and below 1")
        if self.squares is None:
            return ()
        k = self.squares.k
        if self.distances is None:
            single = np.array(self.squares.intervals(level))
        else:
            drawn = np.sort(np.abs(self.distances), axis=0)
            width = drawn[min(math.ceil(level * (len(drawn) + 1)), len(drawn)) - 1]
            middle = spread_out(np.array(self.icc[: len(SINGLE)]), k)
            single = from_spread(np.stack([middle - width, middle + width], axis=-1), k)
        return tuple((low, high) for low, high in np.concatenate([single, of_means(single, k)]).tolist())

    @property
    def frame(self) -> pd.DataFrame:
        """One row a kind, with its interval at 95 %."""
        import pandas as pd

        kinds = list(KINDS) if self.icc else []
        ends = self.interval()
        columns = {
            "ICC": self.icc,
            "pval": self.pvalues,
            "low": [low for low, _ in ends],
            "high": [high for _, high in ends],
        }
        return pd.DataFrame(columns, index=kinds, dtype="Float64")

    def values(self) -> dict[str, object]:
        """Its fields as plain data, with the intervals at 95 %."""
        found: dict[str, object] = {"columns": list(self.names), "n": self.n, "statistic": self.statistic}
        found |= {"pvalue": self.pvalue, "too_few": self.too_few}
        for kind, value, pvalue, (low, high) in zip(
            KINDS if self.icc else (), self.icc, self.pvalues, self.interval(), strict=True
        ):
            found |= {kind: value, f"{kind}_pvalue": pvalue, f"{kind}_low": low, f"{kind}_high": high}
        return found


@dataclass(frozen=True, kw_only=True)
class PrivateIcc(GramRelease):
    """The correlations from one release with noise."""

    name: ClassVar[str] = NAME
    summary: ClassVar[str] = SUMMARY
    modes: ClassVar = PRIVATE
    parameters: ClassVar = PARAMETERS

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """See ``Statistic``."""
        check_one_row_a_unit(table, cls.name)
        bound = cls(table=table, mode=mode, limits=limits, modelled=read_columns(arguments, table))
        bound.check_size("columns")
        return bound

    def answer(self, gram: NoisyGram, opened: Ints) -> IccAnswer:
        """See ``GramRelease``."""
        least = least_variances(self.design)
        own = Moments.of(gram.matrix, least)
        sds = np.sqrt(np.diagonal(own.covariance))
        covariance = nearest_positive(own.correlation) * np.outer(sds, sds)
        generator, k = simulation(opened), len(self.modelled)
        squares = self._squares(Moments(n=own.n, means=own.means, covariance=covariance))
        single = squares.single()
        near = spread_out(single, k)
        again = spread_out(self._squares(redrawn(own, covariance, gram, least, generator)).single(), k)
        null = redrawn(own, np.diag(np.diagonal(covariance)), gram, least, generator)
        farther = (spread_out(self._squares(null).single(), k) >= near).sum(axis=0)
        pvalues = (1 + farther) / (1 + REPLICATES)
        hidden = gram.n * sds**2 < FEW * np.diagonal(gram.entry_sds)[1:]
        return IccAnswer(
            names=tuple(column.name for column in self.modelled),
            n=gram.n,
            icc=_every(single, k),
            pvalues=(*pvalues.tolist(), *pvalues.tolist()),
            squares=squares,
            distances=again - near,
            too_few=bool(hidden.any()),
        )

    def _squares(self, moments: Moments) -> MeanSquares:
        """In the columns' own unit."""
        steps = [_unit(self.modelled[term.column]) for term in self.design]
        units = np.array([term.reach * float(step) for term, step in zip(self.design, steps, strict=True)])
        centers = np.array([term.center * float(step) for term, step in zip(self.design, steps, strict=True)])
        return MeanSquares.of(
            moments.n, moments.means * units + centers, moments.covariance * np.outer(units, units)
        )


@dataclass(frozen=True, kw_only=True)
class Icc(GramRows):
    """The correlations from exact sums."""

    name: ClassVar[str] = NAME
    summary: ClassVar[str] = SUMMARY
    modes: ClassVar = BOTH
    promoted: ClassVar = BOTH
    parameters: ClassVar = PARAMETERS

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self | PrivateIcc:
        """See ``Statistic``."""
        if mode == "private":
            return PrivateIcc.bind(table, arguments, mode, limits)
        check_one_row_a_unit(table, cls.name)
        bound = cls(table=table, mode=mode, limits=limits, modelled=read_columns(arguments, table))
        bound.check_size("columns")
        return bound

    def closed_answer(self, reason: str) -> IccAnswer:
        """See ``GramRows``."""
        return IccAnswer(names=self.columns, closed=reason)

    def answer(self, gram: tuple[int, ...]) -> IccAnswer:
        """See ``GramRows``."""
        (n, *sums), *rows = symmetric(gram, self.n_parameters)
        if n <= 1:
            return self.closed_answer(UNDEFINED)
        units, places = [_unit(column) for column in self.modelled], range(len(sums))
        means = [
            unit * (Fraction(total, n) + middle_of(column))
            for unit, total, column in zip(units, sums, self.modelled, strict=True)
        ]
        covariance = [
            [
                units[i] * units[j] * Fraction(n * rows[i][j + 1] - sums[i] * sums[j], n * (n - 1))
                for j in places
            ]
            for i in places
        ]
        squares = _exact_squares(n, means, covariance)
        if not (squares.msr > 0 and squares.mse > 0):
            return self.closed_answer(UNDEFINED)
        pvalues = tuple(pvalue for *_, pvalue in squares.tests())
        return IccAnswer(
            names=self.columns,
            n=float(n),
            icc=_every(squares.single(), len(sums)),
            pvalues=(*pvalues, *pvalues),
            squares=squares,
        )


def _exact_squares(n: int, means: list[Fraction], covariance: list[list[Fraction]]) -> MeanSquares:
    """By fractions, each rounded once."""
    k = len(means)
    shared = sum(map(sum, covariance), Fraction(0)) / k
    left = sum((covariance[place][place] for place in range(k)), Fraction(0)) - shared
    middle = sum(means, Fraction(0)) / k
    apart = sum(((mean - middle) ** 2 for mean in means), Fraction(0))
    figures = (float(n), float(shared), float(n * apart / (k - 1)), float(left / (k - 1)))
    size, msr, msc, mse = map(np.array, figures)
    return MeanSquares(n=size, k=k, msr=msr, msc=msc, mse=mse)


def _every(single: Floats, k: int) -> tuple[float, ...]:
    return (*single.tolist(), *of_means(single, k).tolist())


def _unit(column: GroupColumn) -> Fraction:
    return column.resolution if isinstance(column, NumericColumn) else Fraction(1)

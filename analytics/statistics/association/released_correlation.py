"""Pearson's correlations with noise, from one release of all sums of products.

Layer:       analytics.statistics above gram_release; below association.
Terms:       columns are numbers, or true-or-false columns as 0 and 1; the *shown* ones are correlated, others are held
             fixed (none in correlation, see partial_correlation); z is Fisher's transformation of a correlation.
Guarantees:  over the rows that lack none of the columns. A noisy variance counts as at least a twelfth of a squared step,
             a correlation as at most 0.999999. Intervals hold sampling and noise: the quantile of the distance in z of
             samples of the found correlations, drawn from a normal distribution, with fresh noise. P-values are those
             of uncorrelated columns of the found variances, likewise. Where a noisy variance is within four standard
             deviations of its noise, the correlations of that column are flagged ``too_few``.
Visible to:  the analyst: the noisy sums.
Source:      Fisher 1921; parametric bootstrap over the mechanism as in released_fit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Final, Self

import numpy as np
import numpy.typing as npt

from analytics.errors import InvalidRequestError
from analytics.pictures import Cells
from analytics.schema import NumericColumn
from analytics.statistics.arguments import Arguments, check_one_row_a_unit
from analytics.statistics.association.correlation_answer import plain
from analytics.statistics.base import Answer
from analytics.statistics.matrices.gram_release import GramRelease
from analytics.statistics.matrices.number_columns import read_columns
from analytics.statistics.uncertainty.bounded import FEW
from analytics.statistics.uncertainty.conditional import conditional, nearest_positive, scaled
from analytics.statistics.uncertainty.noise_law import simulation

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.random import Generator  # noqa: TID251  a simulation after the opening

    from analytics.schema import Table
    from analytics.statistics.base import Ints, Limits, Mode
    from analytics.statistics.matrices.gram_release import Term
    from analytics.statistics.matrices.noisy_gram import NoisyGram

Floats = npt.NDArray[np.float64]
REPLICATES: Final = 999
_LEVEL: Final = 0.95
_LEAST_STEPS: Final = 1 / 12
_MOST: Final = 0.999999
_FEWEST: Final = 4.0


@dataclass(frozen=True, kw_only=True)
class ReleasedCorrelationAnswer(Answer):
    """The correlations; matrices row by row.

    Attributes:
        names: of the columns.
        n: rows that lack none of them, noisy.
        means: of each column.
        covariance: over ``n - 1``.
        correlation: between -1 and 1.
        pvalues: of the test that two columns are uncorrelated, with two sides; None on the diagonal.
        too_few: whether the noise hides the spread of one of the two columns.
        distances: of the replicates in z, for intervals; shape ``(replicates, columns, columns)``.
    """

    names: tuple[str, ...]
    n: float
    means: tuple[float, ...]
    covariance: tuple[tuple[float, ...], ...]
    correlation: tuple[tuple[float, ...], ...]
    pvalues: tuple[tuple[float | None, ...], ...]
    too_few: tuple[tuple[bool, ...], ...]
    distances: Floats = field(compare=False)

    @property
    def statistic(self) -> float:
        """The correlation of the first two columns."""
        return self.correlation[0][1]

    @property
    def pvalue(self) -> float | None:
        """The p-value of the first two columns."""
        return self.pvalues[0][1]

    def confidence_interval(
        self, level: float = _LEVEL, *, first: int = 0, second: int = 1
    ) -> tuple[float, float]:
        """The interval of the correlation of two columns, by their places, with sampling and noise."""
        if not 0 < level < 1:
            raise InvalidRequestError(parameter="level", reason="must be a number above 0 and below 1")
        drawn = np.sort(np.abs(self.distances[:, first, second]))
        width = float(drawn[min(math.ceil(level * (drawn.size + 1)), drawn.size) - 1])
        middle = math.atanh(min(max(self.correlation[first][second], -_MOST), _MOST))
        return math.tanh(middle - width), math.tanh(middle + width)

    @property
    def frame(self) -> pd.DataFrame:
        """The correlations."""
        import pandas as pd

        names = list(self.names)
        return pd.DataFrame(
            [list(row) for row in self.correlation], index=names, columns=names, dtype="Float64"
        )

    def lines(self) -> list[str]:
        """See ``Answer``; with the columns whose spread the noise hides."""
        hidden = [name for place, name in enumerate(self.names) if self.too_few[place][place]]
        flag = (
            [f"too few for this epsilon: the noise hides the spread of {', '.join(hidden)}"] if hidden else []
        )
        return [*super().lines(), *flag]

    def picture(self) -> Cells:
        """The correlations."""
        return Cells(rows=self.names, columns=self.names, values=self.correlation, is_signed=True, places=2)

    def values(self) -> dict[str, object]:
        """Its fields as plain data, with the interval of the first two columns at 95 %."""
        inherited = {each.name for each in fields(Answer)} | {"distances"}
        own = {each.name: getattr(self, each.name) for each in fields(self) if each.name not in inherited}
        low, high = self.confidence_interval()
        return {name: plain(value) for name, value in own.items()} | {"low": low, "high": high}


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """Means and covariances of the scaled columns; leading axes are replicates.

    Attributes:
        n: rows, at least 4.
        means: shape ``(..., q)``.
        covariance: over ``n - 1``, variances at least what rounding leaves; shape ``(..., q, q)``.
    """

    n: Floats
    means: Floats
    covariance: Floats

    @classmethod
    def of(cls, matrix: Floats, least: Floats) -> Moments:
        """Read them from matrices of the scaled design."""
        n = np.maximum(matrix[..., 0, 0], _FEWEST)
        means = np.clip(matrix[..., 0, 1:] / n[..., np.newaxis], -1.0, 1.0)
        outer = means[..., :, np.newaxis] * means[..., np.newaxis, :]
        covariance = (matrix[..., 1:, 1:] - n[..., np.newaxis, np.newaxis] * outer) / (
            n[..., np.newaxis, np.newaxis] - 1
        )
        places = np.arange(covariance.shape[-1])
        covariance[..., places, places] = np.maximum(covariance[..., places, places], least)
        return cls(n=n, means=means, covariance=covariance)

    @property
    def correlation(self) -> Floats:
        """Between -0.999999 and 0.999999 off the diagonal."""
        return _limited(scaled(self.covariance))


@dataclass(frozen=True, kw_only=True)
class ReleasedCorrelation(GramRelease):
    """The correlations of the modelled columns."""

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """See ``Statistic``."""
        check_one_row_a_unit(table, cls.name)
        bound = cls(table=table, mode=mode, limits=limits, modelled=read_columns(arguments, table))
        bound.check_size("columns")
        return bound

    @property
    def n_shown(self) -> int:
        """How many columns are correlated, the first ones; the others are held fixed."""
        return len(self.modelled)

    def answer(self, gram: NoisyGram, opened: Ints) -> ReleasedCorrelationAnswer:
        """See ``GramRelease``."""
        count = self.n_shown
        reaches = np.array([term.reach for term in self.design], dtype=np.float64)
        least = least_variances(self.design)
        own = Moments.of(gram.matrix, least)
        found = self._shown(own.correlation)
        generator = simulation(opened)
        near = _transformed(found)
        again = redrawn(own, own.covariance, gram, least, generator)
        drawn = _transformed(self._shown(again.correlation)) - near
        left = self._left(own)
        null = own.covariance.copy()
        null[:count, :count] += np.diag(np.diagonal(left)) - left
        apart = _transformed(self._shown(redrawn(own, null, gram, least, generator).correlation))
        farther = (np.abs(apart) >= np.abs(near)).sum(axis=0)
        hidden = gram.n * np.diagonal(left) < FEW * np.diagonal(gram.entry_sds)[1 : count + 1]
        units = (reaches * [self._step(term.column) for term in self.design])[:count]
        centers = [term.center * self._step(term.column) for term in self.design[:count]]
        pvalues = (1 + farther) / (1 + REPLICATES)
        places = range(count)
        return ReleasedCorrelationAnswer(
            names=tuple(column.name for column in self.modelled[:count]),
            n=gram.n,
            means=tuple((own.means[:count] * units + centers).tolist()),
            covariance=_rows(left * np.outer(units, units)),
            correlation=_rows(found),
            pvalues=tuple(
                tuple(None if row == other else float(pvalues[row, other]) for other in places)
                for row in places
            ),
            too_few=tuple(tuple(bool(hidden[row] or hidden[other]) for other in places) for row in places),
            distances=drawn,
        )

    def _shown(self, correlation: Floats) -> Floats:
        """Correlations of the shown columns with the others held fixed; between -0.999999 and 0.999999."""
        if self.n_shown == correlation.shape[-1]:
            return correlation
        return _limited(scaled(conditional(nearest_positive(correlation), self.n_shown)))

    def _left(self, own: Moments) -> Floats:
        """The covariance of the shown columns with the others held fixed; over ``n - 1``."""
        if self.n_shown == len(own.means):
            return own.covariance
        sds = np.sqrt(np.diagonal(own.covariance))
        found: Floats = conditional(nearest_positive(own.correlation), self.n_shown) * np.outer(
            sds[: self.n_shown], sds[: self.n_shown]
        )
        return found

    def _step(self, place: int) -> float:
        column = self.modelled[place]
        return float(column.resolution) if isinstance(column, NumericColumn) else 1.0


def _limited(correlation: Floats) -> Floats:
    found: Floats = np.clip(correlation, -_MOST, _MOST)
    places = np.arange(found.shape[-1])
    found[..., places, places] = 1.0
    return found


def least_variances(design: Sequence[Term]) -> Floats:
    """Of each part of the scaled design, the least variance that it counts as: a twelfth of a squared step."""
    reaches = np.array([term.reach for term in design], dtype=np.float64)
    found: Floats = _LEAST_STEPS / reaches**2
    return found


def redrawn(
    own: Moments, covariance: Floats, gram: NoisyGram, least: Floats, generator: Generator
) -> Moments:
    """Moments of fresh samples of normal columns with these means and this covariance, with fresh noise.

    Args:
        own: rows and means.
        covariance: shape ``(q, q)``; negative eigenvalues count as 0.
        gram: whose noise.
        least: the least variance of each column.
        generator: of a simulation, see noise_law.
    """
    q, n = covariance.shape[0], float(own.n)
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    means = own.means + generator.standard_normal((REPLICATES, q)) @ root.T / math.sqrt(n)
    scatter = _scatter(root, n, generator)
    matrix = np.empty((REPLICATES, q + 1, q + 1))
    matrix[:, 0, 0] = n
    matrix[:, 0, 1:] = matrix[:, 1:, 0] = n * means
    matrix[:, 1:, 1:] = scatter + n * means[:, :, np.newaxis] * means[:, np.newaxis, :]
    return Moments.of(matrix + gram.noise(REPLICATES, generator), least)


def _scatter(root: Floats, n: float, generator: Generator) -> Floats:
    """Sums of squares and products around the mean of samples of n rows (Bartlett's decomposition)."""
    q = root.shape[0]
    lower = np.zeros((REPLICATES, q, q))
    for row in range(q):
        lower[:, row, :row] = generator.standard_normal((REPLICATES, row))
        lower[:, row, row] = np.sqrt(generator.chisquare(max(n - 1 - row, 1.0), size=REPLICATES))
    parts = root @ lower
    found: Floats = parts @ np.swapaxes(parts, -1, -2)
    return found


def _transformed(correlation: Floats) -> Floats:
    """Fisher's z; 0 on the diagonal."""
    found = correlation.copy()
    places = np.arange(found.shape[-1])
    found[..., places, places] = 0.0
    result: Floats = np.arctanh(found)
    return result


def _rows(matrix: Floats) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(row) for row in matrix.tolist())

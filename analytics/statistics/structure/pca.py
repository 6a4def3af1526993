"""Principal components with noise, from one release of all sums of products.

Layer:       analytics.statistics.structure above gram_release.
Terms:       columns are numbers, or true-or-false columns as 0 and 1. Components are the eigenvectors of the noisy
             covariance matrix, or of the correlation matrix with ``standardize``, from the largest variance down, under
             the names of ``sklearn.decomposition.PCA``; the largest entry of each is positive, as there.
Guarantees:  over the rows that lack none of the columns. A variance below 0, which noise can make, counts as 0. The
             standard error of a variance is that of the noise: of the found matrix with fresh noise. A component is
             ``hidden`` where noise alone reaches its variance in 5 of 100 releases; its direction then means nothing.
Visible to:  the analyst: the noisy sums.
Source:      Dwork, Talwar, Thakurta, Zhang 2014 ("Analyze Gauss").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Self

import numpy as np
import numpy.typing as npt

from analytics.pictures import Bars
from analytics.schema import NumericColumn
from analytics.statistics.arguments import Arguments, Parameter, check_one_row_a_unit
from analytics.statistics.base import PRIVATE, Answer
from analytics.statistics.matrices.gram_release import GramRelease
from analytics.statistics.matrices.number_columns import COLUMNS, read_columns
from analytics.statistics.uncertainty.noise_law import simulation

if TYPE_CHECKING:
    import pandas as pd

    from analytics.schema import Table
    from analytics.statistics.base import Ints, Limits, Mode
    from analytics.statistics.matrices.noisy_gram import NoisyGram

Floats = npt.NDArray[np.float64]
REPLICATES: Final = 499
_LEAST_STEPS: Final = 1 / 12
_FEWEST: Final = 4.0
_RARE: Final = 0.95


@dataclass(frozen=True, kw_only=True)
class PcaAnswer(Answer):
    """The components.

    Attributes:
        names: of the columns.
        n: rows that lack none of them, noisy.
        mean_: of each column.
        scale_: what each column is divided by: 1, or its standard deviation where columns are standardised.
        components_: one row a component, one number a column.
        explained_variance_: of each component, over ``n - 1``.
        explained_variance_ratio_: their shares of the variance of all components.
        noise_errors: standard errors of the variances, of the noise alone.
        hidden: whether noise alone could make the component.
    """

    names: tuple[str, ...]
    n: float
    mean_: tuple[float, ...]
    scale_: tuple[float, ...]
    components_: tuple[tuple[float, ...], ...]
    explained_variance_: tuple[float, ...]
    explained_variance_ratio_: tuple[float, ...]
    noise_errors: tuple[float, ...]
    hidden: tuple[bool, ...]

    @property
    def frame(self) -> pd.DataFrame:
        """One row a component: its variance, its share, then its entries."""
        import pandas as pd

        rows = [
            [variance, share, error, is_hidden, *entries]
            for variance, share, error, is_hidden, entries in zip(
                self.explained_variance_,
                self.explained_variance_ratio_,
                self.noise_errors,
                self.hidden,
                self.components_,
                strict=True,
            )
        ]
        labels = [f"PC{place}" for place in range(1, len(rows) + 1)]
        columns = ["variance", "share", "noise error", "hidden", *self.names]
        return pd.DataFrame(rows, index=labels, columns=columns)

    def transform(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Scores of the caller's own rows: each column less its mean, over its scale, times the components.

        Args:
            frame: with the columns ``names``.
        """
        import pandas as pd

        rows = frame[list(self.names)].to_numpy(dtype=np.float64) - np.array(self.mean_)
        scores = rows / np.array(self.scale_) @ np.array(self.components_).T
        labels = [f"PC{place}" for place in range(1, scores.shape[1] + 1)]
        return pd.DataFrame(scores, index=frame.index, columns=labels)

    def picture(self) -> Bars:
        """The variance of each component, with its noise."""
        name, width = "variance", 2.0
        pairs = list(zip(self.explained_variance_, self.noise_errors, strict=True))
        return Bars(
            labels=[f"PC{place}" for place in range(1, len(pairs) + 1)],
            series={name: [value for value, _ in pairs]},
            low={name: [max(value - width * error, 0.0) for value, error in pairs]},
            high={name: [value + width * error for value, error in pairs]},
            y_name="variance, with two standard errors of the noise",
        )

    def values(self) -> dict[str, object]:
        """Its fields as plain data."""
        return {
            "names": list(self.names),
            "n": self.n,
            "mean_": list(self.mean_),
            "scale_": list(self.scale_),
            "components_": [list(row) for row in self.components_],
            "explained_variance_": list(self.explained_variance_),
            "explained_variance_ratio_": list(self.explained_variance_ratio_),
            "noise_errors": list(self.noise_errors),
            "hidden": list(self.hidden),
        }


@dataclass(frozen=True, kw_only=True)
class Pca(GramRelease):
    """The components of the modelled columns.

    Attributes:
        n_components: how many are given.
        standardize: whether each column is divided by its standard deviation first.
    """

    name: ClassVar[str] = "pca"
    summary: ClassVar[str] = "principal components of columns"
    modes: ClassVar = PRIVATE
    no_exact: ClassVar[str] = (
        "must be private: the components tell the sums of products of all columns, see correlation for the exact ones"
    )
    parameters: ClassVar = (
        COLUMNS,
        Parameter(name="n_components", meaning="how many; all by default", default=None),
        Parameter(name="standardize", meaning="divide by the standard deviations first", default=False),
    )
    n_components: int
    standardize: bool

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """See ``Statistic``."""
        check_one_row_a_unit(table, cls.name)
        columns = read_columns(arguments, table)
        count = len(columns)
        if arguments.is_given("n_components"):
            count = arguments.whole("n_components", low=1, high=len(columns))
        bound = cls(
            table=table,
            mode=mode,
            limits=limits,
            modelled=columns,
            n_components=count,
            standardize=arguments.flag("standardize"),
        )
        bound.check_size("columns")
        return bound

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        own = {"n_components": self.n_components, "standardize": self.standardize}
        return super().describe() | own

    def answer(self, gram: NoisyGram, opened: Ints) -> PcaAnswer:
        """See ``GramRelease``."""
        steps = np.array([self._step(term.column) for term in self.design])
        reaches = np.array([term.reach for term in self.design], dtype=np.float64)
        units, n = reaches * steps, max(gram.n, _FEWEST)
        means = np.clip(gram.matrix[0, 1:] / n, -1.0, 1.0)
        scaled = (gram.matrix[1:, 1:] - n * np.outer(means, means)) / (n - 1)
        sds = np.sqrt(np.maximum(np.diagonal(scaled), _LEAST_STEPS / reaches**2))
        factors = 1 / sds if self.standardize else units
        found = scaled * np.outer(factors, factors)
        variances, vectors = np.linalg.eigh(found)
        order = np.argsort(variances)[::-1][: self.n_components]
        noise = _around_means(gram.noise(REPLICATES, simulation(opened)), means, n)
        noise = noise * np.outer(factors, factors)
        alone = np.quantile(np.linalg.eigvalsh(noise)[:, -1], _RARE)
        again = np.linalg.eigvalsh(found + noise)[:, order]
        kept = np.maximum(variances, 0.0)
        components = vectors[:, order].T
        largest = np.take_along_axis(components, np.abs(components).argmax(axis=1)[:, np.newaxis], axis=1)
        components = components * np.where(largest < 0, -1.0, 1.0)
        total = float(kept.sum()) or 1.0
        centers = np.array([term.center for term in self.design]) * steps
        return PcaAnswer(
            names=tuple(column.name for column in self.modelled),
            n=gram.n,
            mean_=tuple((means * units + centers).tolist()),
            scale_=tuple((sds * units if self.standardize else np.ones_like(units)).tolist()),
            components_=tuple(tuple(row) for row in components.tolist()),
            explained_variance_=tuple(kept[order].tolist()),
            explained_variance_ratio_=tuple((kept[order] / total).tolist()),
            noise_errors=tuple(again.std(axis=0, ddof=1).tolist()),
            hidden=tuple((variances[order] < alone).tolist()),
        )

    def _step(self, place: int) -> float:
        column = self.modelled[place]
        return float(column.resolution) if isinstance(column, NumericColumn) else 1.0


def _around_means(noise: Floats, means: Floats, n: float) -> Floats:
    """What noise on the sums adds to a covariance, first order; shape ``(..., q, q)``."""
    count, sums = noise[:, 0, 0], noise[:, 0, 1:]
    cross = sums[:, :, np.newaxis] * means
    outer = count[:, np.newaxis, np.newaxis] * np.outer(means, means)
    found: Floats = (noise[:, 1:, 1:] - cross - np.swapaxes(cross, -1, -2) + outer) / (n - 1)
    return found

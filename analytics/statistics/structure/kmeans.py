"""Private k-means clustering of one released table over declared bins.

Layer:       analytics.statistics.structure above counts.
Terms:       each row counts at the middles of its bins, divided by the columns' declared ranges; *scaled* distances and
             ``inertia_`` are in these units. A *start* is k points; Lloyd's steps move them to the means of the
             cells that are nearest to them. Names are those of ``sklearn.cluster.KMeans``.
Guarantees:  one row is in one cell, so the table costs what one count costs, whatever k and however many steps. Starts are
             public points of Halton's sequence in the declared bounds, and points of that sequence that the noisy table
             finds far apart; no request chooses one. Sums and counts of a cluster hold the noisy cells as they are, so
             that noise moves no mean on average. Errors of centres and sizes are of the noise alone, for the cells
             that are nearest in the answer. A cluster whose size the noise could make is ``hidden``. Rows that lack a
             value are left out.
Visible to:  the analyst: the cells with noise.
See instead: an exact one is refused: two steps of it differ by the few people who changed their cluster.
Source:      Lloyd 1982; Su, Cao, Li, Bertino, Jin 2016 ("Differentially private k-means clustering": one noisy grid
             in place of noisy steps); Halton 1960.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Self

import numpy as np
import numpy.typing as npt

from analytics.errors import InvalidRequestError, PlanRejectedError
from analytics.schema import NumericColumn
from analytics.statistics.arguments import Arguments, Parameter
from analytics.statistics.base import PRIVATE, Answer
from analytics.statistics.counts import CountStatistic
from analytics.statistics.figure_table import middles
from analytics.statistics.life_tables.curves import width_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from analytics.schema import Table
    from analytics.statistics.base import Ints, Limits, Mode
    from analytics.statistics.uncertainty.noise_law import NoiseLaw

Floats = npt.NDArray[np.float64]
MAX_COLUMNS: Final = 4
MAX_CELLS: Final = 10_000
MAX_CLUSTERS: Final = 20
MAX_STEPS: Final = 100
N_STARTS: Final = 8
_PRIMES: Final = (2, 3, 5, 7)
_LEAST: Final = 4.0  # standard deviations of its noise that a cluster's size must have


@dataclass(frozen=True, kw_only=True)
class KMeansAnswer(Answer):
    """The clusters, the largest first.

    Attributes:
        names: of the columns.
        cluster_centers_: one row a cluster, in the columns' own units.
        noise_errors: standard errors of the centres, of the noise alone.
        sizes: rows of each cluster, noisy.
        size_errors: their standard errors.
        hidden: whether the noise could make the cluster; its centre then means nothing.
        inertia_: noisy sum of squared scaled distances of bins to their centres; within bins nothing is known.
        n_iter_: Lloyd's steps of the start that was taken.
        ranges: of each column, what its distances are divided by.
    """

    names: tuple[str, ...]
    cluster_centers_: tuple[tuple[float, ...], ...]
    noise_errors: tuple[tuple[float, ...], ...]
    sizes: tuple[float, ...]
    size_errors: tuple[float, ...]
    hidden: tuple[bool, ...]
    inertia_: float
    n_iter_: int
    ranges: tuple[float, ...]

    @property
    def frame(self) -> pd.DataFrame:
        """One row a cluster: its size and centre, with the noise's errors."""
        import pandas as pd

        columns: dict[str, list[object]] = {"size": list(self.sizes), "size error": list(self.size_errors)}
        columns["hidden"] = list(self.hidden)
        for place, name in enumerate(self.names):
            columns[name] = [row[place] for row in self.cluster_centers_]
            columns[f"{name} error"] = [row[place] for row in self.noise_errors]
        return pd.DataFrame(columns)

    def interval(self, level: float = 0.95) -> tuple[tuple[tuple[float, float], ...], ...]:
        """Limits of each centre's coordinates by the noise, for the cells that are nearest to it.

        Args:
            level: between 0 and 1.

        Raises:
            InvalidRequestError: the level is out of range.
        """
        if not 0 < level < 1:
            raise InvalidRequestError(parameter="level", reason="must be a number above 0 and below 1")
        width = width_of(level)
        return tuple(
            tuple(
                (value - width * error, value + width * error)
                for value, error in zip(row, errors, strict=True)
            )
            for row, errors in zip(self.cluster_centers_, self.noise_errors, strict=True)
        )

    def predict(self, frame: pd.DataFrame) -> Ints:
        """The nearest cluster of each of the caller's own rows.

        Args:
            frame: with the columns ``names``.
        """
        scaled = frame[list(self.names)].to_numpy(dtype=np.float64) / np.array(self.ranges)
        return nearest(scaled, np.array(self.cluster_centers_) / np.array(self.ranges))

    def values(self) -> dict[str, object]:
        """Its fields as plain data."""
        return {
            "names": list(self.names),
            "cluster_centers_": [list(row) for row in self.cluster_centers_],
            "noise_errors": [list(row) for row in self.noise_errors],
            "sizes": list(self.sizes),
            "size_errors": list(self.size_errors),
            "hidden": list(self.hidden),
            "inertia_": self.inertia_,
            "n_iter_": self.n_iter_,
            "ranges": list(self.ranges),
        }


@dataclass(frozen=True, kw_only=True)
class KMeans(CountStatistic):
    """The clustering; the keys are the columns.

    Attributes:
        n_clusters: k.
        max_iter: most steps of a start.
    """

    name: ClassVar[str] = "kmeans"
    summary: ClassVar[str] = "k-means clustering of numeric columns over their declared bins"
    modes: ClassVar = PRIVATE
    no_exact: ClassVar[str] = (
        "must be private: two steps of k-means differ by the few people who changed their cluster, and steps whose centres "
        "stay on shares would compare every person with every centre there, which no operation does"
    )
    parameters: ClassVar = (
        Parameter(name="columns", meaning=f"a list of 1 to {MAX_COLUMNS} numeric columns with declared bins"),
        Parameter(name="k", meaning=f"how many clusters, 2 to {MAX_CLUSTERS}"),
        Parameter(name="max_iter", meaning="most steps from each start", default=MAX_STEPS),
    )
    n_clusters: int
    max_iter: int

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """See ``Statistic``."""
        columns = arguments.group_columns("columns", table)
        for column in columns:
            if not isinstance(column, NumericColumn):
                raise PlanRejectedError(position="columns", reason=f"{column.name} must be numeric")
        bound = cls(
            table=table,
            mode=mode,
            limits=limits,
            keys=tuple(("columns", column) for column in columns),
            n_clusters=arguments.whole("k", low=2, high=MAX_CLUSTERS),
            max_iter=arguments.whole("max_iter", low=1, high=MAX_STEPS),
        )
        if len(columns) > MAX_COLUMNS or len(bound.places) > MAX_CELLS:
            reason = f"must be at most {MAX_COLUMNS} columns whose bins make at most {MAX_CELLS} cells"
            raise InvalidRequestError(parameter="columns", reason=reason)
        if bound.n_clusters > len(bound.places):
            raise InvalidRequestError(parameter="k", reason="must be at most the number of cells")
        return bound

    @property
    def _columns(self) -> tuple[NumericColumn, ...]:
        return tuple(column for _, column in self.keys if isinstance(column, NumericColumn))

    @property
    def ranges(self) -> Floats:
        """What the distances of each column are divided by."""
        return np.array([float(column.bins[-1] - column.bins[0]) for column in self._columns])

    @property
    def points(self) -> Floats:
        """The scaled middles of each cell; shape ``(cells, columns)``."""
        axes = np.meshgrid(*(middles(column) for column in self._columns), indexing="ij")
        return np.stack([axis.ravel() for axis in axes], axis=1) / self.ranges

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        return {
            "columns": [column.name for column in self._columns],
            "k": self.n_clusters,
            "max_iter": self.max_iter,
        }

    def starts(self, counts: Floats) -> Floats:
        """Scaled starts, shape ``(n, k, columns)``: public ones, then those that a noisy table finds far apart.

        Args:
            counts: of the cells.
        """
        lower = np.array([float(column.bins[0]) for column in self._columns]) / self.ranges
        half = N_STARTS // 2
        spread = lower + halton(half * self.n_clusters, len(lower)).reshape(half, self.n_clusters, -1)
        weights, points = np.maximum(counts, 0.0), self.points
        found = []
        for first in lower + halton(N_STARTS - half, len(lower)):
            chosen = [first]
            while len(chosen) < self.n_clusters:
                apart = ((points[:, np.newaxis] - np.array(chosen)) ** 2).sum(axis=2).min(axis=1)
                chosen.append(points[int(np.argmax(weights * apart))])
            found.append(chosen)
        return np.concatenate([spread, np.array(found)])

    def estimate(self, opened: Sequence[Ints], noise: Sequence[NoiseLaw]) -> KMeansAnswer:
        """See ``Statistic``."""
        (values,), (law,) = opened, noise
        counts, points = values / law.weight, self.points
        runs = [lloyd(points, counts, start, law.sd, self.max_iter) for start in self.starts(counts)]
        best = min(runs, key=lambda run: run.inertia)
        own = nearest(points, best.centers)
        sizes = np.bincount(own, counts, self.n_clusters)
        cells = np.bincount(own, minlength=self.n_clusters)
        size_errors = law.sd * np.sqrt(cells)
        hidden = sizes < np.maximum(_LEAST * size_errors, 1.0)
        squares = np.zeros_like(best.centers)
        np.add.at(squares, own, (points - best.centers[own]) ** 2)
        errors = law.sd * np.sqrt(squares) / np.maximum(sizes, 1.0)[:, np.newaxis]
        order = np.argsort(-sizes, kind="stable")
        ranges = self.ranges
        return KMeansAnswer(
            names=tuple(column.name for column in self._columns),
            cluster_centers_=tuple(tuple(row) for row in (best.centers * ranges)[order].tolist()),
            noise_errors=tuple(tuple(row) for row in (errors * ranges)[order].tolist()),
            sizes=tuple(sizes[order].tolist()),
            size_errors=tuple(size_errors[order].tolist()),
            hidden=tuple(hidden[order].tolist()),
            inertia_=best.inertia,
            n_iter_=best.n_steps,
            ranges=tuple(ranges.tolist()),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a start led to.

    Attributes:
        centers: scaled, shape ``(k, columns)``.
        inertia: weighted sum of squared distances.
        n_steps: steps until nothing moved.
    """

    centers: Floats
    inertia: float
    n_steps: int


def lloyd(points: Floats, counts: Floats, start: Floats, noise_sd: float, max_iter: int) -> Run:
    """Lloyd's steps over weighted points.

    A centre whose cells have less than two standard deviations of their noise, or none, stays where it is.

    Args:
        points: shape ``(cells, columns)``.
        counts: of each; with noise also below 0.
        start: shape ``(k, columns)``.
        noise_sd: of each count.
        max_iter: most steps.
    """
    centers, before, n_steps = start.astype(np.float64), None, 0
    lowest, highest = points.min(axis=0), points.max(axis=0)
    for _ in range(max_iter):
        n_steps += 1
        own = nearest(points, centers)
        if before is not None and np.array_equal(own, before):
            break
        before = own
        sizes = np.bincount(own, counts, len(centers))
        cells = np.bincount(own, minlength=len(centers))
        sums = np.stack([np.bincount(own, counts * axis, len(centers)) for axis in points.T], axis=1)
        enough = sizes > np.maximum(2 * noise_sd * np.sqrt(cells), 0.0)
        means = np.clip(sums / np.where(enough, sizes, 1.0)[:, np.newaxis], lowest, highest)
        centers = np.where(enough[:, np.newaxis], means, centers)
    own = nearest(points, centers)
    inertia = float((counts * ((points - centers[own]) ** 2).sum(axis=1)).sum())
    return Run(centers=centers, inertia=inertia, n_steps=n_steps)


def nearest(points: Floats, centers: Floats) -> Ints:
    """The nearest centre of each point, the first of several."""
    found: Ints = ((points[:, np.newaxis] - centers) ** 2).sum(axis=2).argmin(axis=1)
    return found


def halton(count: int, size: int) -> Floats:
    """The first points of Halton's sequence between 0 and 1; shape ``(count, size)``, size at most 4."""
    found = np.zeros((count, size))
    for axis, base in enumerate(_PRIMES[:size]):
        left, scale = np.arange(1, count + 1), 1.0
        while left.any():
            scale /= base
            found[:, axis] += scale * (left % base)
            left = left // base
    return found

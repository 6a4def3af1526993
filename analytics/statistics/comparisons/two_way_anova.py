"""Two-way analysis of variance with interaction, of sums of squares of type II.

Layer:       analytics.statistics above group_moments, below anova, which hands over to it.
Terms:       a *cell* is a group of the first column with one of the second. The *squares* of a column are what the fit of the
             other column leaves less what the fit of both without interaction leaves; those of the interaction are what that
             fit leaves less those within the cells.
Guarantees:  the classical F tests of one variance, as ``statsmodels.stats.anova.anova_lm(typ=2)`` of ``y ~ C(a) * C(b)``. No
             spread within cells, an empty cell, or no more rows than cells are undefined, not 0. Each cell is a group of
             group_moments, with its guards and release, so a small cell closes all. Private: each p-value is a parametric
             bootstrap over the mechanism with one variance and the means of the fit without the tested effect, seeded by the
             answer.
Visible to:  the analyst: number, sum and squares of each cell.
See instead: one column (anova); more columns and numbers beside them (ols).
Source:      R. A. Fisher 1925; Yates 1934, whose sums of squares SAS calls type II. Parametric bootstrap: group_samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

import numpy as np
import numpy.typing as npt

from analytics.errors import InvalidRequestError
from analytics.sql.grouping import labels_of
from analytics.statistics.base import Answer
from analytics.statistics.comparisons.group_moments import GroupMoments
from analytics.statistics.comparisons.group_samples import (
    REPLICATES,
    Mechanism,
    Sample,
    pooled_null,
    squares_within,
)
from analytics.statistics.uncertainty.bounded import FEW
from analytics.statistics.uncertainty.distributions import f_tail
from analytics.statistics.uncertainty.noise_law import simulation

if TYPE_CHECKING:
    import pandas as pd

    from analytics.schema import Table
    from analytics.statistics.arguments import Arguments
    from analytics.statistics.base import Ints, Limits, Mode

Floats = npt.NDArray[np.float64]
UNDEFINED: Final = "undefined"
RESIDUAL: Final = "Residual"


@dataclass(frozen=True, kw_only=True)
class TwoWayAnswer(Answer):
    """The tests, with the names that ``statsmodels`` uses.

    Attributes:
        effects: both columns, then their interaction; empty where it is closed or undefined.
        sum_sq: sums of squares of the effects, then those within the cells.
        df: degrees of freedom, likewise.
        statistics: F of the effects.
        pvalues: exact: of the F distribution; private: of the bootstrap.
        levels: the groups of both columns; the cells are their combinations, the second column's fastest.
        n: rows of each cell; noisy in private mode, at least 2.
        means: of each cell.
        sds: standard deviations, over ``n - 1``.
        too_few: private: whether the noise leaves the size of a cell open (below 4 of its standard deviations).
    """

    effects: tuple[str, ...] = ()
    sum_sq: tuple[float, ...] = ()
    df: tuple[float, ...] = ()
    statistics: tuple[float, ...] = ()
    pvalues: tuple[float, ...] = ()
    levels: tuple[tuple[str, ...], ...] = ()
    n: tuple[float, ...] = ()
    means: tuple[float, ...] = ()
    sds: tuple[float, ...] = ()
    too_few: bool = False

    @property
    def frame(self) -> pd.DataFrame:
        """One row an effect, the residual last."""
        import pandas as pd

        empty = [None] * bool(self.effects)
        columns = {
            "sum_sq": self.sum_sq,
            "df": self.df,
            "F": [*self.statistics, *empty],
            "PR(>F)": [*self.pvalues, *empty],
        }
        names = [*self.effects, RESIDUAL] if self.effects else []
        return pd.DataFrame(columns, index=names, dtype="Float64")

    def values(self) -> dict[str, object]:
        """Its fields as plain data."""
        return {
            "effects": list(self.effects),
            "sum_sq": list(self.sum_sq),
            "df": list(self.df),
            "statistics": list(self.statistics),
            "pvalues": list(self.pvalues),
            "levels": [list(each) for each in self.levels],
            "n": list(self.n),
            "means": list(self.means),
            "sds": list(self.sds),
            "too_few": self.too_few,
        }


@dataclass(frozen=True, kw_only=True)
class TwoWayMoments(GroupMoments):
    """The tests of two columns and their interaction."""

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """See ``Statistic``."""
        bys = arguments.group_columns("by", table)
        if len(bys) != 2 or arguments.is_given("groups"):  # noqa: PLR2004  two-way
            raise InvalidRequestError(parameter="by", reason="must be one column, or two without groups")
        bound = cls.bind_cells(table, mode, limits, arguments.number_column("column", table), bys)
        if min(map(len, bound.levels)) < 2:  # noqa: PLR2004  a comparison
            raise InvalidRequestError(parameter="by", reason="must be columns of at least two groups each")
        return bound

    def closed_answer(self, reason: str) -> TwoWayAnswer:
        """See ``GroupMoments``."""
        return TwoWayAnswer(closed=reason)

    def answer(self, sample: Sample, mechanism: Mechanism | None, opened: Ints) -> TwoWayAnswer:
        """See ``GroupMoments``."""
        if not (sample.n > 0).all():
            return self.closed_answer(UNDEFINED)
        effects, within = self._squares(sample)
        below = float(sample.n.sum()) - len(self.chosen)
        if not (float(within) > 0 and below > 0):
            return self.closed_answer(UNDEFINED)
        statistics = effects / self._degrees / (float(within) / below)
        if mechanism is None:
            pairs = zip(statistics, self._degrees, strict=True)
            pvalues = [f_tail(float(each), float(above), below) for each, above in pairs]
        else:
            pvalues = self._bootstrap(statistics, sample, mechanism, opened)
        unit, names = float(self.unit), [by.name for by in self.bys]
        return TwoWayAnswer(
            effects=(*names, ":".join(names)),
            sum_sq=tuple((unit**2 * np.append(effects, within)).tolist()),
            df=tuple(np.append(self._degrees, below).tolist()),
            statistics=tuple(statistics.tolist()),
            pvalues=tuple(pvalues),
            levels=tuple(map(tuple, self.levels)),
            n=tuple(sample.n.tolist()),
            means=tuple(self.means(sample)),
            sds=tuple((unit * np.sqrt(np.nan_to_num(sample.variance))).tolist()),
            too_few=mechanism is not None and bool((sample.n < FEW * mechanism.count.sd).any()),
        )

    def _bootstrap(
        self, statistics: Floats, sample: Sample, mechanism: Mechanism, opened: Ints
    ) -> list[float]:
        """Of each effect the share of releases without it that are at least as far out."""
        generator, found = simulation(opened), []
        first, second = self._designs
        without = (second, first, np.hstack([first, second[:, 1:]]))
        for place, design in enumerate(without):
            null = pooled_null(sample, _fitted(sample.n, sample.mean, design))
            drawn = mechanism.redraw(null, REPLICATES, generator)
            effects, within = self._squares(drawn)
            below = np.maximum(drawn.n.sum(axis=-1) - len(self.chosen), 1.0)
            each = effects[..., place] / self._degrees[place] / (within / below)
            farther = np.count_nonzero(each >= statistics[place])
            found.append(float(1 + farther) / (1 + REPLICATES))
        return found

    def _squares(self, sample: Sample) -> tuple[Floats, Floats]:
        """Squares of the three effects along the last axis, and those within the cells, in steps squared."""
        first, second = self._designs
        left = [
            (sample.n * (sample.mean - _fitted(sample.n, sample.mean, design)) ** 2).sum(axis=-1)
            for design in (second, first, np.hstack([first, second[:, 1:]]))
        ]
        effects = np.stack([left[0] - left[2], left[1] - left[2], left[2]], axis=-1)
        return np.maximum(effects, 0.0), squares_within(sample)

    @property
    def levels(self) -> list[list[str]]:
        """The groups of both columns."""
        return [[str(label) for label in labels_of(by) if label is not None] for by in self.bys]

    @property
    def _degrees(self) -> Floats:
        first, second = (len(each) - 1.0 for each in self.levels)
        return np.array([first, second, first * second])

    @property
    def _designs(self) -> tuple[Floats, Floats]:
        """Of each column one indicator a group, over the cells."""
        first, second = map(len, self.levels)
        return np.repeat(np.eye(first), second, axis=0), np.tile(np.eye(second), (first, 1))


def _fitted(n: Floats, mean: Floats, design: Floats) -> Floats:
    """Means of the cells by the least squares of a design of full rank; the cells along the last axis."""
    middle = (n * mean).sum(axis=-1, keepdims=True) / n.sum(axis=-1, keepdims=True)
    weighted = design * n[..., np.newaxis]
    products = weighted.swapaxes(-1, -2) @ design
    right = weighted.swapaxes(-1, -2) @ (mean - middle)[..., np.newaxis]
    found: Floats = (design @ np.linalg.solve(products, right))[..., 0] + middle
    return found

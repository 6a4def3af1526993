"""The test of Jarque and Bera: whether skewness and kurtosis of a column are those of a normal distribution.

Layer:       analytics.statistics.location above power_sums.
Terms:       as of power_sums; the *kurtosis* is 0 for a normal distribution.
Guarantees:  exact: statistic and p-value of the chi-square distribution with 2 degrees of freedom, as
             ``scipy.stats.jarque_bera``; number and sums of four powers open, or nothing does, by one flag: whether all rows,
             those off each bound, and what power_sums guards reach the threshold; no party learns which did not. A column
             without any spread is undefined. Private: the five figures are one release without any guard; the p-value is a
             parametric bootstrap over the mechanism of normal rows of the released mean and variance, seeded by the answer.
             Sums of fourth powers are large, so a private test needs many rows: see ``noise_errors``.
Visible to:  the analyst: number and sums of four powers.
See instead: two groups over bins (ks_test); known shares of bins (goodness_of_fit).
Source:      Jarque, Bera 1980. Bootstrap: sums of powers of n normal values are taken as normal themselves.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar, Final, Self

import numpy as np
import numpy.typing as npt

from analytics.sql.terms.expressions import ColumnIndex
from analytics.statistics.arguments import Arguments, Parameter, check_one_row_a_unit
from analytics.statistics.base import BOTH, Answer
from analytics.statistics.blocks import BlockSpec, Measure
from analytics.statistics.comparisons.power_sums import (
    POWERS,
    Shape,
    center_of,
    exact_shape,
    far_counts,
    noisy_shape,
    offsets_of,
    power_blocks,
    power_sums,
    reach_of,
)
from analytics.statistics.comparisons.row_sums import RowSums
from analytics.statistics.guards.value_guards import atoms, counted
from analytics.statistics.uncertainty.bounded import FEW
from analytics.statistics.uncertainty.noise_law import simulation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from numpy.random import Generator  # noqa: TID251  a simulation after the opening

    from analytics.schema import NumericColumn, Table
    from analytics.sql.query import GroupColumn
    from analytics.statistics.base import Ints, Limits, Mode
    from analytics.statistics.uncertainty.noise_law import NoiseLaw

Floats = npt.NDArray[np.float64]
REPLICATES: Final = 1_999
UNDEFINED: Final = "undefined"
_FIGURES: Final = 1 + len(POWERS)
# moments of a standard normal value from 0 to 8
_NORMAL: Final = (1, 0, 1, 0, 3, 0, 15, 0, 105)


@dataclass(frozen=True, kw_only=True)
class JarqueBeraAnswer(Answer):
    """The test.

    Attributes:
        statistic: None where it is closed or undefined.
        pvalue: exact: of the chi-square distribution; private: of the bootstrap.
        n: rows; noisy in private mode, at least 4.
        mean: of the column.
        sd: over n.
        skewness: of moments over n.
        kurtosis: likewise, less 3.
        noise_errors: of mean, skewness and kurtosis, by name: what the noise alone moves them; empty in exact mode.
        too_few: private: whether the noise leaves the number of rows open (below 4 of its standard deviations).
    """

    statistic: float | None = None
    pvalue: float | None = None
    n: float | None = None
    mean: float | None = None
    sd: float | None = None
    skewness: float | None = None
    kurtosis: float | None = None
    noise_errors: Mapping[str, float] = field(default_factory=dict)
    too_few: bool = False

    @property
    def frame(self) -> pd.DataFrame:
        """One row."""
        import pandas as pd

        names = ("statistic", "pvalue", "n", "mean", "sd", "skewness", "kurtosis")
        rows = [] if self.statistic is None else [[getattr(self, name) for name in names]]
        return pd.DataFrame(rows, columns=list(names), dtype="Float64")

    def values(self) -> dict[str, object]:
        """Its fields as plain data."""
        errors = {f"{name}_noise": each for name, each in self.noise_errors.items()}
        return {
            "statistic": self.statistic,
            "pvalue": self.pvalue,
            "n": self.n,
            "mean": self.mean,
            "sd": self.sd,
            "skewness": self.skewness,
            "kurtosis": self.kurtosis,
            **errors,
            "too_few": self.too_few,
        }


@dataclass(frozen=True, kw_only=True)
class JarqueBera(RowSums):
    """The test of one column.

    Attributes:
        column: which.
    """

    name: ClassVar[str] = "jarque_bera"
    summary: ClassVar[str] = "test of a normal distribution by skewness and kurtosis"
    modes: ClassVar = BOTH
    promoted: ClassVar = BOTH
    parameters: ClassVar = (Parameter(name="column", meaning="a numeric column"),)
    column: NumericColumn

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """See ``Statistic``."""
        check_one_row_a_unit(table, cls.name)
        return cls(table=table, mode=mode, limits=limits, column=arguments.number_column("column", table))

    @property
    def read(self) -> tuple[GroupColumn, ...]:
        """See ``RowSums``."""
        return (self.column,)

    @property
    def figures(self) -> tuple[BlockSpec, ...]:
        """Number, then sums of four powers."""
        column = self.column
        value = ColumnIndex(name=column.name, lower=column.grid_lower, upper=column.grid_upper)
        return (BlockSpec(measure=Measure.COUNT, argument=value), *power_blocks(column))

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        return {"column": self.column.name}

    @property
    def sum_clamps(self) -> tuple[int, ...]:
        """See ``RowSums``."""
        rows = self.limits.rows_max
        return rows, *(rows * reach_of(self.column) ** power for power in POWERS)

    def sums_of(self, values: Ints) -> list[int]:
        """See ``RowSums``."""
        return [len(values), *power_sums(self.column, values[:, 0])]

    def tested_of(self, values: Ints) -> list[int]:
        """See ``RowSums``."""
        each = values[:, 0]
        near = counted([np.ones(each.shape, dtype=np.bool_), *atoms(self.column, each)])
        return [*near.tolist(), *far_counts(self.column, each).tolist()]

    def closed_answer(self, reason: str) -> JarqueBeraAnswer:
        """See ``RowSums``."""
        return JarqueBeraAnswer(closed=reason)

    def answer(self, sums: Floats, noise: Sequence[NoiseLaw], opened: Ints) -> JarqueBeraAnswer:
        """See ``RowSums``."""
        if noise:
            return self._noisy(sums[0], noise, opened)
        n, *powers = sums[0].tolist()
        shape = exact_shape(n, powers)
        if shape is None:
            return self.closed_answer(UNDEFINED)
        return self._answer(shape, math.exp(-float(shape.jarque_bera) / 2), {})

    def _noisy(self, figures: Floats, noise: Sequence[NoiseLaw], opened: Ints) -> JarqueBeraAnswer:
        reach, generator = reach_of(self.column), simulation(opened)
        figures[1:] += np.array(offsets_of(self.column)) * figures[0]
        shape = noisy_shape(figures[0], figures[1:], reach)
        null = self._normal_sums(shape, generator)
        drawn = self._with_noise(np.broadcast_to(shape.n, null.shape[:1]), null, noise, generator)
        farther = np.count_nonzero(drawn.jarque_bera >= float(shape.jarque_bera))
        moved = self._with_noise(
            np.broadcast_to(figures[0], (REPLICATES,)),
            np.broadcast_to(figures[1:], (REPLICATES, len(POWERS))),
            noise,
            generator,
        )
        unit = float(self.column.resolution)
        errors = {
            "mean": unit * float(moved.mean.std()),
            "skewness": float(moved.skewness.std()),
            "kurtosis": float(moved.kurtosis.std()),
        }
        found = self._answer(shape, float(1 + farther) / (1 + REPLICATES), errors)
        return replace(found, too_few=bool(figures[0] < FEW * noise[0].sd))

    def _with_noise(self, n: Floats, sums: Floats, noise: Sequence[NoiseLaw], generator: Generator) -> Shape:
        """Shapes of figures with fresh noise; of each the offsets are taken off and added with the noisy number."""
        drawn = np.stack([law.normal(n.shape, generator) for law in noise], axis=-1)
        noisy = sums + drawn[:, 1:] + drawn[:, :1] * np.array(offsets_of(self.column))
        return noisy_shape(n + drawn[:, 0], noisy, reach_of(self.column))

    def _normal_sums(self, shape: Shape, generator: Generator) -> Floats:
        """Sums of powers of normal rows of this number, mean and variance; shape ``(replicates, 4)``."""
        n, mean, sd = float(shape.n), float(shape.mean), math.sqrt(float(shape.variance))
        moments = np.array([_NORMAL[power] for power in POWERS])
        spread = np.array([[_NORMAL[i + j] - _NORMAL[i] * _NORMAL[j] for j in POWERS] for i in POWERS])
        root = np.linalg.cholesky(spread)
        of_normal = n * moments + math.sqrt(n) * generator.standard_normal((REPLICATES, len(POWERS))) @ root.T
        every = np.concatenate([np.full((REPLICATES, 1), n), of_normal], axis=1)
        back = np.array(
            [
                [math.comb(i, j) * mean ** (i - j) * sd**j if j <= i else 0.0 for j in range(_FIGURES)]
                for i in POWERS
            ]
        )
        found: Floats = every @ back.T
        return found

    def _answer(self, shape: Shape, pvalue: float, errors: dict[str, float]) -> JarqueBeraAnswer:
        unit = float(self.column.resolution)
        return JarqueBeraAnswer(
            statistic=float(shape.jarque_bera),
            pvalue=pvalue,
            n=float(shape.n),
            mean=unit * (float(shape.mean) + center_of(self.column)),
            sd=unit * math.sqrt(float(shape.variance)),
            skewness=float(shape.skewness),
            kurtosis=float(shape.kurtosis),
            noise_errors=errors,
        )

"""Friedman's test of several columns of the same rows over the same declared bins.

Layer:       analytics.statistics.location above row_sums.
Terms:       in each row the columns are *ranked* by their bins, equal ones by their mean rank. A row's *ties* are its pairs of
             equal columns and its threes of equal columns.
Guarantees:  exact: statistic, corrected for ties, and p-value of the chi-square distribution as
             ``scipy.stats.friedmanchisquare`` over the bins. Rows, ranks and ties open, or nothing does, by one flag: whether
             all rows reach the threshold, and no linear relation of ranks and ties holds for all but few (leverage_guard), such
             as no ties at all, or one column that is last in all rows but few. All columns tied everywhere are undefined.
             Private: one release, calibrated as one, since a row with ties has smaller ranks; the p-value is a parametric
             bootstrap over the mechanism under exchangeable columns, seeded by the answer.
Visible to:  the analyst: rows, the sum of ranks of each column, and the number of ties.
See instead: two columns (signed_rank); groups of rows (kruskal_wallis).
Source:      Friedman 1937; the covariance of ranks given their ties. With t equal columns ``t**3 - t`` is six times the sum
             of their pairs and threes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, ClassVar, Final, Self

import numpy as np
import numpy.typing as npt

from analytics.errors import InvalidRequestError, PlanRejectedError
from analytics.schema import NumericColumn
from analytics.sql.terms.expressions import (
    Both,
    ColumnIndex,
    Compare,
    Integer,
    Literal,
    Product,
    Sum,
    TruthValue,
)
from analytics.statistics.arguments import Arguments, Parameter, check_one_row_a_unit, column_of
from analytics.statistics.base import BOTH, Answer
from analytics.statistics.blocks import BlockSpec, JointNorm, Measure, all_known
from analytics.statistics.comparisons.group_moments import group_places
from analytics.statistics.comparisons.row_sums import RowSums
from analytics.statistics.grids import coarser
from analytics.statistics.uncertainty.bounded import FEW
from analytics.statistics.uncertainty.distributions import chi_square_tail
from analytics.statistics.uncertainty.noise_law import simulation

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from analytics.schema import Table
    from analytics.sql.query import GroupColumn
    from analytics.sql.terms.expressions import Condition
    from analytics.statistics.base import Ints, Limits, Mode
    from analytics.statistics.uncertainty.noise_law import NoiseLaw

Floats = npt.NDArray[np.float64]
REPLICATES: Final = 1_999
UNDEFINED: Final = "undefined"
_COLUMNS: Final = (3, 8)
_MOST_BINS: Final = 20
_RANK_WEIGHT: Final = 4  # against ties, of which a row has more than it has ranks


@dataclass(frozen=True, kw_only=True)
class FriedmanAnswer(Answer):
    """The test.

    Attributes:
        statistic: corrected for ties; None where it is closed or undefined.
        pvalue: exact: of the chi-square distribution; private: of the bootstrap.
        dof: columns less one.
        names: of the columns.
        n: rows; noisy in private mode, at least 2.
        mean_ranks: of each column.
        concordance: Kendall's W: the statistic over its largest value.
        noise_error: standard error of the noise on each mean rank; 0 in exact mode.
        too_few: private: whether the noise leaves the number of rows open (below 4 of its standard deviations).
    """

    statistic: float | None = None
    pvalue: float | None = None
    dof: int = 0
    names: tuple[str, ...] = ()
    n: float | None = None
    mean_ranks: tuple[float, ...] = ()
    concordance: float | None = None
    noise_error: float = 0.0
    too_few: bool = False

    @property
    def frame(self) -> pd.DataFrame:
        """One row a column."""
        import pandas as pd

        return pd.DataFrame(
            {"mean_rank": self.mean_ranks}, index=list(self.names) if self.mean_ranks else [], dtype="Float64"
        )

    def values(self) -> dict[str, object]:
        """Its fields as plain data."""
        return {
            "statistic": self.statistic,
            "pvalue": self.pvalue,
            "dof": self.dof,
            "names": list(self.names),
            "n": self.n,
            "mean_ranks": list(self.mean_ranks),
            "concordance": self.concordance,
            "noise_error": self.noise_error,
            "too_few": self.too_few,
        }


@dataclass(frozen=True, kw_only=True)
class Friedman(RowSums):
    """The test.

    Attributes:
        ranked: the columns, on the bins of ``grid``.
    """

    name: ClassVar[str] = "friedman"
    summary: ClassVar[str] = "Friedman's test of three to eight columns of the same rows over the same bins"
    modes: ClassVar = BOTH
    promoted: ClassVar = BOTH
    parameters: ClassVar = (
        Parameter(name="columns", meaning="a list of numeric columns with the same declared bins"),
        Parameter(name="grid", meaning="edges of the declared bins that make coarser bins", default=None),
    )
    ranked: tuple[NumericColumn, ...]

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """See ``Statistic``."""
        check_one_row_a_unit(table, cls.name)
        names, (fewest, most) = arguments.texts("columns"), _COLUMNS
        if not fewest <= len(names) <= most:
            raise InvalidRequestError(parameter="columns", reason=f"must be {fewest} to {most} columns")
        found = []
        for column in (column_of(name, table, "columns") for name in names):
            if not isinstance(column, NumericColumn):
                raise PlanRejectedError(position="columns", reason=f"{column.name} must be numeric")
            found.append(replace(column, bins=coarser(arguments, column, "columns", _MOST_BINS)))
        if len({column.bins for column in found}) > 1:
            raise PlanRejectedError(
                position="columns", reason="must have the same bins; grid makes coarser ones"
            )
        bound = cls(table=table, mode=mode, limits=limits, ranked=tuple(found))
        if mode == "exact" and limits.threshold > 0:
            bound.check_relations("columns")
        return bound

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        return {
            "columns": [column.name for column in self.ranked],
            "bins": [str(edge) for edge in self.ranked[0].bins],
        }

    @property
    def read(self) -> tuple[GroupColumn, ...]:
        """See ``RowSums``."""
        return self.ranked

    @property
    def dimensions(self) -> tuple[str, ...]:
        """The columns, whose bins are compared."""
        return tuple(column.name for column in self.ranked)

    @property
    def most_ties(self) -> int:
        """Ties of a row whose columns are all equal."""
        count = len(self.ranked)
        return math.comb(count, 2) + math.comb(count, 3)

    # -- exact ---------------------------------------------------------------------------------------------------

    @property
    def sum_clamps(self) -> tuple[int, ...]:
        """See ``RowSums``."""
        rows, count = self.limits.rows_max, len(self.ranked)
        return rows, *((rows * (count - 1),) * count), rows * self.most_ties

    def sums_of(self, values: Ints) -> list[int]:
        """Rows; of each column how many others are before it less those after it; ties."""
        ranks, ties = self._ranks(values)
        return [len(values), *(int(each) for each in ranks.sum(axis=0)), int(ties.sum())]

    def tested_of(self, values: Ints) -> list[int]:
        """All rows: the relations hold the rest."""
        return [len(values)]

    @property
    def n_related(self) -> int:
        """1, the ranks of all columns but the last, and ties."""
        return len(self.ranked) + 1

    def design_of(self, values: Ints) -> Floats:
        """See ``RowSums``."""
        ranks, ties = self._ranks(values)
        others = ranks[:, :-1] / (len(self.ranked) - 1)
        ones = np.ones((len(values), 1))
        return np.concatenate([ones, others, 2 * ties[:, np.newaxis] / self.most_ties - 1], axis=1)

    def _ranks(self, values: Ints) -> tuple[Ints, Ints]:
        """Twice each rank less ``k + 1``, shape ``(n, k)``, and each row's ties."""
        columns = zip(self.ranked, values.T, strict=True)
        bins = np.stack([group_places(column, each) for column, each in columns], axis=1)
        ranks = np.zeros(bins.shape, dtype=np.int64)
        ties = np.zeros(len(bins), dtype=np.int64)
        for place in range(bins.shape[1]):
            ranks[:, place] = np.sign(bins[:, place : place + 1] - bins).sum(axis=1)
        for size in (2, 3):
            for chosen in combinations(range(bins.shape[1]), size):
                ties += np.ptp(bins[:, chosen], axis=1) == 0
        return ranks, ties

    # -- private -------------------------------------------------------------------------------------------------

    @property
    def known(self) -> Condition | None:
        """Rows that lack none of the columns."""
        return all_known([_value(column) for column in self.ranked])

    @property
    def figures(self) -> tuple[BlockSpec, ...]:
        """The same sums, as expressions of the columns' bins."""
        bins = [_bin(column) for column in self.ranked]
        count = len(bins)
        equal = {
            pair: Compare(operator="=", left=bins[pair[0]], right=bins[pair[1]])
            for pair in combinations(range(count), 2)
        }
        ties: list[Integer] = [TruthValue(condition=each) for each in equal.values()]
        ties += [
            TruthValue(condition=Both(left=equal[one, two], right=equal[one, three]))
            for one, two, three in combinations(range(count), 3)
        ]
        ranks = []
        for own in range(count):
            steps: list[Integer] = []
            for other in range(count):
                if other != own:
                    steps.append(_holds("<", bins[other], bins[own]))
                    steps.append(Product(left=Literal(value=-1), right=_holds(">", bins[other], bins[own])))
            ranks.append(_added(steps))
        sums = [*ranks, _added(ties)]
        return (
            BlockSpec(measure=Measure.ROWS),
            *(BlockSpec(measure=Measure.SUM, argument=argument) for argument in sums),
        )

    @property
    def norm(self) -> JointNorm:
        """A row's squared ranks add up to twice ``most_ties`` less its ties; the rest is largest at either end."""
        most, count = self.most_ties, len(self.ranked)
        weights = (_RANK_WEIGHT, *((_RANK_WEIGHT,) * count), 1)
        ends = (2 * most * _RANK_WEIGHT**2, most**2)
        return JointNorm(weights=weights, square=_RANK_WEIGHT**2 + max(ends))

    # -- both ----------------------------------------------------------------------------------------------------

    def closed_answer(self, reason: str) -> FriedmanAnswer:
        """See ``RowSums``."""
        names = tuple(column.name for column in self.ranked)
        return FriedmanAnswer(names=names, dof=len(names) - 1, closed=reason)

    def answer(self, sums: Floats, noise: Sequence[NoiseLaw], opened: Ints) -> FriedmanAnswer:
        """See ``RowSums``."""
        count, row = len(self.ranked), sums[0].astype(np.float64)
        n, ranks, ties = row[0], row[1:-1], row[-1]
        if not noise and (n < 1 or ties >= n * self.most_ties):
            return self.closed_answer(UNDEFINED)
        size = max(float(n), 2.0) if noise else float(n)
        statistic = float(self._statistic(np.array(size), ranks, ties, is_noisy=bool(noise)))
        found = self.closed_answer("")
        dof = count - 1
        return replace(
            found,
            statistic=statistic,
            pvalue=self._bootstrap(statistic, size, float(ties), noise, opened)
            if noise
            else chi_square_tail(statistic, dof),
            n=size,
            mean_ranks=tuple(((count + 1 + ranks / size) / 2).tolist()),
            concordance=min(1.0, statistic / (size * dof)),
            noise_error=noise[1].sd / (2 * size) if noise else 0.0,
            too_few=bool(noise) and float(n) < FEW * noise[0].sd,
        )

    def _statistic(self, n: Floats, ranks: Floats, ties: Floats, *, is_noisy: bool) -> Floats:
        """The statistic of sums; the columns along the last axis of ``ranks``."""
        count = len(self.ranked)
        left = 1 - ties / (n * self.most_ties)
        if is_noisy:
            left = np.clip(left, 1 / n, 1.0)
            ranks = ranks - ranks.mean(axis=-1, keepdims=True)
        found: Floats = 3 * (ranks**2).sum(axis=-1) / (n * count * (count + 1) * left)
        return found

    def _bootstrap(
        self, statistic: float, n: float, ties: float, noise: Sequence[NoiseLaw], opened: Ints
    ) -> float:
        """The share of releases of exchangeable columns with as many ties that are at least as far out."""
        generator, count = simulation(opened), len(self.ranked)
        spread = 2 * (n * self.most_ties - min(max(ties, 0.0), (n - 1) * self.most_ties))
        drawn = generator.standard_normal((REPLICATES, count))
        drawn = math.sqrt(spread / (count - 1)) * (drawn - drawn.mean(axis=1, keepdims=True))
        ranks = drawn + np.stack([law.normal((REPLICATES,), generator) for law in noise[1:-1]], axis=1)
        sizes = np.maximum(n + noise[0].normal((REPLICATES,), generator), 2.0)
        found = self._statistic(
            sizes, ranks, ties + noise[-1].normal((REPLICATES,), generator), is_noisy=True
        )
        return float(1 + np.count_nonzero(found >= statistic)) / (1 + REPLICATES)


def _value(column: NumericColumn) -> Integer:
    return ColumnIndex(name=column.name, lower=column.grid_lower, upper=column.grid_upper)


def _bin(column: NumericColumn) -> Integer:
    """The place of a column's bin: how many inner edges it reaches."""
    edges = [int(edge / column.resolution) for edge in column.bins[1:-1]]
    return _added([_holds(">=", _value(column), Literal(value=edge)) for edge in edges])


def _holds(operator: str, left: Integer, right: Integer) -> Integer:
    return TruthValue(condition=Compare(operator=operator, left=left, right=right))


def _added(parts: Sequence[Integer]) -> Integer:
    """Their sum, as a tree that is no deeper than it must be."""
    if len(parts) <= 1:
        return parts[0] if parts else Literal(value=0)
    middle = len(parts) // 2
    return Sum(left=_added(parts[:middle]), right=_added(parts[middle:]))

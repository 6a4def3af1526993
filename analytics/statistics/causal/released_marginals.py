"""Marginals of one table released together: what a site contributes, and the answer.

Layer:       analytics.statistics above cubes, below the statistic itself (tables.cube).
Terms:       *dimensions* make the groups, NULL being a group of a nullable one; *measures* are what is added up. A
             marginal and its weight are chosen from the schema (``analytics.cubes.marginals``).
Guarantees:  one release with the joint sensitivity of one person over all marginals. All marginals are over the same
             rows: those that have every dimension and measure that the schema declares as always known.
Visible to:  the analyst: every marginal, with noise.
See instead: questions to it, which cost nothing (``analytics.results.cube_answers``).
Source:      ours; docs/guarantees.md P6.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from analytics.cubes.effects import NoisyMarginal, fit
from analytics.cubes.marginals import chosen_marginals
from analytics.sql.grouping import labels_of
from analytics.sql.query import AggregateOutput, BoundQuery, Clause, GroupingSet, GroupKey, Use
from analytics.sql.terms.expressions import ColumnIndex
from analytics.statistics.aggregate import shift_of, squares_part, sum_part
from analytics.statistics.base import Answer, Statistic, Step
from analytics.statistics.blocks import BlockSpec, Measure, is_always_known
from analytics.statistics.counts import OPEN, OVER

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from analytics.schema import NumericColumn
    from analytics.sql.query import GroupColumn
    from analytics.statistics.base import Ints
    from analytics.statistics.uncertainty.noise_law import NoiseLaw

Floats = npt.NDArray[np.float64]
COUNT_ALL: Final = "COUNT(*)"


@dataclass(frozen=True, kw_only=True)
class CubeAnswer(Answer):
    """The whole table as the marginals say it together.

    Attributes:
        names: of the dimensions.
        labels: of each dimension's groups; None is the NULL group.
        counts: rows of each cell, the last dimension's groups fastest; totals equal the sums of their groups.
        noise_sd: standard deviation of the noise on each of ``counts``.
        released: the opened integers of each block.
        laws: the noise of each block.
    """

    names: tuple[str, ...]
    labels: tuple[tuple[str | int | bool | None, ...], ...]
    counts: tuple[float, ...]
    noise_sd: float
    released: tuple[tuple[int, ...], ...] = field(default=(), compare=False)
    laws: tuple[NoiseLaw, ...] = field(default=(), compare=False)

    @property
    def frame(self) -> pd.DataFrame:
        """One row a cell."""
        import pandas as pd

        index = pd.MultiIndex.from_product(
            [list(map(str, labels)) for labels in self.labels], names=self.names
        )
        found = pd.DataFrame({"n": pd.array(list(self.counts), dtype="Float64")}, index=index)
        return found.reset_index()

    def values(self) -> dict[str, object]:
        """Its fields as plain data."""
        return {
            "names": list(self.names),
            "labels": [list(labels) for labels in self.labels],
            "counts": list(self.counts),
            "noise_sd": self.noise_sd,
        }


@dataclass(frozen=True, kw_only=True)
class ReleasedMarginals(Statistic[int]):
    """A release over dimensions.

    Attributes:
        axes: the dimensions, in the schema's order.
        measured: the columns whose sums it holds, in the schema's order, and whether it holds their squares.
    """

    axes: tuple[GroupColumn, ...]
    measured: tuple[tuple[NumericColumn, bool], ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Groups of each dimension."""
        return tuple(len(labels_of(column)) for column in self.axes)

    @property
    def sets(self) -> tuple[GroupingSet, ...]:
        """The marginals."""
        return tuple(GroupingSet(keys=axes, weight=weight) for axes, weight in chosen_marginals(self.shape))

    @property
    def n_figures(self) -> int:
        """Integers of the release."""
        cells = sum(prod(self.shape[key] for key in each.keys) for each in self.sets)
        return cells * len(self.figures)

    @property
    def query(self) -> BoundQuery:
        """Rows of each group of every marginal."""
        count = AggregateOutput(name="n", aggregate="count_rows", argument=None, position=self.name)
        uses = [(column.name, Clause.GROUP_BY, "dimensions") for column in self.axes]
        uses += [(column.name, Clause.AGGREGATE, "measures") for column, _ in self.measured]
        return BoundQuery(
            text=f"{self.name}({', '.join(column.name for column in self.axes)})",
            table=self.table,
            outputs=(count,),
            where=None,
            groups=tuple(GroupKey(column=column, labels=labels_of(column)) for column in self.axes),
            order=(),
            limit=None,
            uses=tuple(Use(column=name, clause=clause, position=where) for name, clause, where in uses),
            exact_objections=(),
            grouping_sets=self.sets,
        )

    @property
    def figures(self) -> tuple[BlockSpec, ...]:
        """The count of all rows; of each column the count where it is known, its sum, and its squares."""
        found = [BlockSpec(measure=Measure.ROWS)]
        for column, has_squares in self.measured:
            value = ColumnIndex(name=column.name, lower=column.grid_lower, upper=column.grid_upper)
            if not is_always_known(self.table, value):
                found.append(BlockSpec(measure=Measure.COUNT, argument=value))
            found.append(sum_part(value, shift_of(value))[1])
            if has_squares:
                found.append(squares_part(value, shift_of(value))[1])
        return tuple(found)

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        return {"dimensions": [column.name for column in self.axes], "measures": list(self.measures)}

    @property
    def measures(self) -> tuple[str, ...]:
        """What it adds up, as a request can name it."""
        return COUNT_ALL, *(
            f"{'STDDEV' if has_squares else 'SUM'}({column.name})" for column, has_squares in self.measured
        )

    def start(self) -> int:
        """Before the opening."""
        return OPEN

    def step(self, state: int) -> Step | None:
        """The one step."""
        return None if state == OVER else self.every_step()[0]

    def advance(self, state: int, opened: Ints) -> int:
        """Over."""
        del state, opened
        return OVER

    def every_step(self) -> tuple[Step]:
        """One opening to the analyst."""
        step = Step(
            name="marginals",
            to="analyst",
            clamps=tuple(
                self.limits.rows_max * block.bound
                for block in self.figures
                for _ in range(self.n_figures // len(self.figures))
            ),
            local=lambda figures: figures,
            joint=lambda _session, figures: figures,
            n_values=self.n_figures,
        )
        return (step,)

    def estimate(self, opened: Sequence[Ints], noise: Sequence[NoiseLaw]) -> CubeAnswer:
        """See ``Statistic``."""
        (values,) = opened
        released, first = list[tuple[int, ...]](), 0
        for size in self.block_sizes:
            released.append(tuple(int(value) for value in values[first : first + size]))
            first += size
        whole = tuple(range(len(self.axes)))
        fitted = fit(
            self.shape,
            [
                self.marginal(
                    number, [value / noise[number].weight for value in released[number]], noise[number].sd
                )
                for number in range(len(self.sets))
            ],
        )
        one = fitted.group_variances(whole, (), whole, _first_cell(self.shape))
        return CubeAnswer(
            names=tuple(column.name for column in self.axes),
            labels=tuple(labels_of(column) for column in self.axes),
            counts=tuple(fitted.table(whole).ravel().tolist()),
            noise_sd=float(one) ** 0.5,
            released=tuple(released),
            laws=tuple(noise),
        )

    @property
    def block_sizes(self) -> tuple[int, ...]:
        """Figures of each block: those of the first figure in every marginal, then of the next."""
        return self.query.set_sizes * len(self.figures)

    def marginal(self, block: int, values: Sequence[float], noise_sd: float) -> NoisyMarginal:
        """A released block as a marginal.

        Args:
            block: its number.
            values: its figures, in steps.
            noise_sd: of the noise on each.
        """
        keys = self.sets[block % len(self.sets)].keys
        table = np.array(values, dtype=np.float64).reshape([self.shape[key] for key in keys])
        return NoisyMarginal(axes=keys, table=table, variance=noise_sd**2)


def _first_cell(shape: tuple[int, ...]) -> Floats:
    found = np.zeros(shape)
    found.flat[0] = 1
    return found

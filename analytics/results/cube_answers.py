"""Answers from a released cube: roll-ups, filters over its dimensions, tests; free, since nothing is asked of a site.

Layer:       analytics.results above assemble and cubes; pure, public arithmetic on a noisy release.
Terms:       a *figure* of a question is a weighted sum of cells of one of the cube's measures, for each of its groups.
Guarantees:  no true value is touched. Every figure comes from the one fit of its measure, so that totals equal the sums of
             their groups; its standard error is that of the fit's exact covariance. The noise of different measures is
             independent. A question that the cube cannot answer is refused with what the cube holds.
See instead: the fit (``analytics.cubes.effects``), filters (``analytics.cubes.filters``).
Source:      docs/guarantees.md P23.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Final, cast

import numpy as np
import numpy.typing as npt

from analytics.cubes.effects import FittedTable, NoisyMarginal, fit
from analytics.cubes.filters import kept_cells
from analytics.cubes.nonnegative import nonnegative_table
from analytics.errors import InvalidRequestError, PlanRejectedError
from analytics.plans.block import Block
from analytics.plans.block_layout import lay_out
from analytics.plans.mode_rules import check_private
from analytics.plans.plan import Plan
from analytics.plans.question import bind
from analytics.plans.size_limits import meaning_of
from analytics.results.assemble import finish_figures
from analytics.schema import Schema
from analytics.sql.query import AggregateOutput, Clause
from analytics.sql.terms.expressions import columns_in
from analytics.statistics.aggregates import AGGREGATES
from analytics.statistics.blocks import BlockSpec, Measure, is_always_known
from analytics.statistics.tables.chi_square_answer import ChiSquareAnswer
from analytics.statistics.tables.independence import expected_counts, noisy_pvalue, pearson_under_noise
from analytics.statistics.uncertainty.estimates import Opened

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.random import Generator  # noqa: TID251  simulations after the opening

    from analytics.plans.statistic_plan import StatisticPlan
    from analytics.results.result import Result
    from analytics.sql.query import BoundQuery, GroupKey
    from analytics.statistics.causal.released_marginals import ReleasedMarginals

Floats = npt.NDArray[np.float64]
MAX_TABLE: Final = 1_000


@dataclass(frozen=True, kw_only=True)
class FittedCube:
    """A released cube, fitted.

    Attributes:
        plan: of its release.
        measures: the fit of each of the cube's figures.
    """

    plan: StatisticPlan
    measures: tuple[FittedTable, ...]

    @property
    def cube(self) -> ReleasedMarginals:
        """What was released."""
        return cast("ReleasedMarginals", self.plan.statistic)

    @property
    def holdings(self) -> str:
        """What it holds, for a refusal."""
        names = ", ".join(column.name for column in self.cube.axes)
        return f"the cube holds dimensions {names} and measures {', '.join(self.cube.measures)}"

    def bound(self, text: str) -> BoundQuery:
        """Bind a question.

        Raises:
            PlanRejectedError: it is no question of SQL over the cube's table.
        """
        return bind(text, Schema(tables={self.cube.table.name: self.cube.table}))

    @cached_property
    def nonnegative(self) -> dict[int, FittedTable]:
        """The nonnegative table of each count among the figures, by its place."""
        whole = tuple(range(len(self.cube.axes)))
        counts = (Measure.ROWS, Measure.COUNT)
        return {
            place: fit(
                self.cube.shape, [NoisyMarginal(axes=whole, table=nonnegative_table(fitted), variance=1.0)]
            )
            for place, (spec, fitted) in enumerate(zip(self.cube.figures, self.measures, strict=True))
            if spec.measure in counts
        }

    def answer(
        self,
        text: str,
        *,
        cost: Mapping[str, object],
        receipt: Mapping[str, object],
        nonnegative: bool = False,
    ) -> Result:
        """Answer a question.

        Args:
            text: one SELECT over the cube's table: aggregates of its measures, GROUP BY and WHERE over its dimensions.
            cost: of this answer.
            receipt: says which release it is made from.
            nonnegative: counts from the nonnegative table, which have no standard error.

        Returns:
            The answer, as that of a release of its own.

        Raises:
            PlanRejectedError: the cube does not hold what it asks for, a filter goes through a bin, or ``nonnegative`` stands
                beside figures that are no counts.
        """
        query = self.bound(text)
        check_private(query)
        if nonnegative:
            _check_counts(query)
        names = [column.name for column in self.cube.axes]
        measured = {column.name for column, _ in self.cube.measured}
        for use in query.uses:
            if use.column not in names and not (use.clause is Clause.AGGREGATE and use.column in measured):
                reason = f"{self.holdings}, and {use.clause.value} of this question names {use.column}"
                raise PlanRejectedError(position=use.position, reason=reason)
        layout = lay_out(query, centered=True)
        groups = tuple(names.index(key.column.name) for key in query.groups)
        kept, filtered = self._kept(query, groups)
        values, shown = dict[int, Opened](), dict[int, float]()
        for number, spec in enumerate(layout.figures):
            first = number * query.n_groups
            values |= enumerate(self._figures(spec, groups, filtered, kept, query), first)
            if nonnegative:
                moved = self._figures(spec, groups, filtered, kept, query, self.nonnegative)
                shown |= enumerate((float(each.value) for each in moved), first)
        plan = Plan(
            mode="private",
            query=query,
            context=self.plan.context,
            epsilon=self.plan.epsilon,
            noise_multiplier=None,
            local_sql="",
            blocks=tuple(_shown(query, spec) for spec in layout.figures),
            columns=layout.columns,
            guards=(),
            cost=(),
        )
        return finish_figures(plan, values, cost=cost, receipt=receipt, shown=shown if nonnegative else None)

    def chi_square(self, a: str, b: str) -> ChiSquareAnswer:
        """Pearson's test of independence of two dimensions, whose p-value knows the noise of the fit.

        Args:
            a: the table's rows.
            b: its columns.

        Raises:
            InvalidRequestError: not two different dimensions of the cube, or the table is too large or too small.
        """
        names = [column.name for column in self.cube.axes]
        for parameter, name in (("a", a), ("b", b)):
            if name not in names:
                raise InvalidRequestError(parameter=parameter, reason=f"must be a dimension: {self.holdings}")
        if a == b:
            raise InvalidRequestError(parameter="b", reason="must be another dimension than a")
        first, second = names.index(a), names.index(b)
        keys = self.cube.query.groups
        labels = _texts(keys[first]), _texts(keys[second])
        shape = len(labels[0]), len(labels[1])
        if min(shape) < 2 or math.prod(shape) > MAX_TABLE:  # noqa: PLR2004  a table has two rows
            reason = f"must have at least two groups, and with a at most {MAX_TABLE} cells"
            raise InvalidRequestError(parameter="b", reason=reason)
        law = _TableNoise(fitted=self.measures[0], axes=(first, second), shape=shape)
        table = law.known(self.measures[0].table(tuple(sorted((first, second))))[np.newaxis])[0]
        statistic = float(pearson_under_noise(table[np.newaxis])[0])
        seed = np.rint(table * 2**10).astype(np.int64)
        return ChiSquareAnswer(
            statistic=statistic,
            pvalue=noisy_pvalue(table, pearson_under_noise, law, seed),
            dof=(shape[0] - 1) * (shape[1] - 1),
            observed=tuple(map(tuple, table.tolist())),
            expected=tuple(map(tuple, np.nan_to_num(expected_counts(table[np.newaxis])[0]).tolist())),
            labels=labels,
            noise_sd=law.sd,
        )

    def _kept(self, query: BoundQuery, groups: Sequence[int]) -> tuple[Floats, tuple[int, ...]]:
        """The filter as a table over the groups' axes and the other axes that it names, and those axes."""
        sizes = self.cube.shape
        if query.where is None:
            return np.ones([sizes[axis] for axis in groups]), ()
        named = columns_in(query.where)
        position = next((use.position for use in query.uses if use.clause is Clause.WHERE), "1:1")
        axes = [axis for axis, column in enumerate(self.cube.axes) if column.name in named]
        keys = [self.cube.query.groups[axis] for axis in axes]
        found = kept_cells(query.where, keys, position)
        others = tuple(axis for axis in axes if axis not in groups)
        order = [axis for axis in groups if axis in axes] + list(others)
        found = found.transpose([axes.index(axis) for axis in order])
        missing = tuple(place for place, axis in enumerate(groups) if axis not in axes)
        found = np.expand_dims(found, missing)
        shape = [sizes[axis] for axis in (*groups, *others)]
        return np.broadcast_to(found, shape).copy(), others

    def _figures(
        self,
        spec: BlockSpec,
        groups: tuple[int, ...],
        others: tuple[int, ...],
        kept: Floats,
        query: BoundQuery,
        fits: Mapping[int, FittedTable] | None = None,
    ) -> list[Opened]:
        """One block of a question: for each group the sum over the kept cells, and its noise under these fits."""
        position = next((use.position for use in query.uses if use.clause is Clause.AGGREGATE), "1:1")
        axes = tuple(sorted((*groups, *others)))
        order = tuple(axes.index(axis) for axis in (*groups, *others))
        summed = tuple(range(len(groups), len(order)))
        total, variance = np.zeros(kept.shape[: len(groups)]), np.zeros(kept.shape[: len(groups)])
        for place, factor in self._parts(spec, position):
            fitted = self.measures[place] if fits is None else fits[place]
            table = fitted.table(axes).transpose(order)
            total = total + factor * (kept * table).sum(axis=summed)
            spread = fitted.group_variances(axes, order[: len(groups)], order[len(groups) :], kept)
            variance = variance + factor**2 * spread
        return [
            Opened(value=Fraction(value), noise_sd=math.sqrt(each))
            for value, each in zip(total.ravel().tolist(), variance.ravel().tolist(), strict=True)
        ]

    def _parts(self, spec: BlockSpec, position: str) -> list[tuple[int, int]]:
        """Which of the cube's figures make a block, each with its factor."""
        held = self.cube.figures
        if spec in held:
            return [(held.index(spec), 1)]
        argument = spec.argument
        if argument is not None:
            known = is_always_known(self.cube.table, argument)
            count = BlockSpec(
                measure=Measure.ROWS if known else Measure.COUNT, argument=None if known else argument
            )
            if spec.measure is Measure.COUNT and count in held:
                return [(held.index(count), 1)]
            for place, each in enumerate(held):
                is_same = each.measure is spec.measure is Measure.SUM and each.argument == argument
                if is_same and count in held:
                    return [(place, 1), (held.index(count), each.center - spec.center)]
        raise PlanRejectedError(position=position, reason=f"{self.holdings}: not the {meaning_of(spec)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _TableNoise:
    """The noise on a table of two dimensions, without their NULL groups, as ``noisy_pvalue`` draws it."""

    fitted: FittedTable
    axes: tuple[int, int]
    shape: tuple[int, int]

    @property
    def sd(self) -> float:
        """Standard deviation of the noise on one cell."""
        rising = tuple(sorted(self.axes))
        one = np.zeros([self.fitted.shape[axis] for axis in rising])
        one[0, 0] = 1
        return math.sqrt(self.fitted.variance(rising, one))

    def known(self, tables: Floats) -> Floats:
        """A stack of tables with ``a`` along the rows, without NULL groups."""
        turned = tables if self.axes[0] < self.axes[1] else tables.transpose(0, 2, 1)
        return turned[:, : self.shape[0], : self.shape[1]]

    def draw(self, size: int, generator: Generator) -> Floats:
        """Draw so many figures, table by table."""
        count = size // math.prod(self.shape)
        return self.known(self.fitted.draw(tuple(sorted(self.axes)), count, generator)).ravel()


def fit_cube(plan: StatisticPlan, blocks: Sequence[tuple[Sequence[float], float]]) -> FittedCube:
    """Fit a cube to what was released of its blocks.

    Args:
        plan: of its release.
        blocks: of each block of the plan: its figures, in steps, and the standard deviation of the noise on each.
    """
    cube = cast("ReleasedMarginals", plan.statistic)
    marginals: list[NoisyMarginal] = [
        cube.marginal(number, values, sd) for number, (values, sd) in enumerate(blocks)
    ]
    count = len(cube.sets)
    fits = tuple(
        fit(cube.shape, marginals[first : first + count]) for first in range(0, len(marginals), count)
    )
    return FittedCube(plan=plan, measures=fits)


def _check_counts(query: BoundQuery) -> None:
    """Refuse other figures than counts."""
    for output in query.outputs:
        if isinstance(output, AggregateOutput) and AGGREGATES[output.aggregate].adds_values:
            raise PlanRejectedError(
                position=output.position,
                reason="nonnegative figures are counts",
                hint="ask sums, means and deviations without nonnegative",
            )


def _texts(key: GroupKey) -> tuple[str, ...]:
    return tuple(str(label) for label in key.labels if label is not None)


def _shown(query: BoundQuery, spec: BlockSpec) -> Block:
    return Block(
        measure=spec.measure,
        meaning=meaning_of(spec),
        bound=spec.bound,
        clamp=query.table.rows_max * spec.bound,
        weight=1,
        sigma2_local=0,
        opened=True,
    )

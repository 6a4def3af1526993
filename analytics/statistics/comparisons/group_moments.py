"""Statistics that are made from number, sum and sum of squares of a column, in groups of others or over all rows.

Layer:       analytics.statistics above base, group_samples and value_guards, below the statistics themselves.
Terms:       values are taken in steps of the column's resolution around the middle of its bounds; a *sample* is number,
             mean and variance of some groups in these steps, over ``n - 1``. Of two grouping columns each combination
             of their groups is one; without any, all rows are one. A row that lacks one of the values counts nowhere.
Guarantees:  exact: all chosen groups open or none does, by one flag: whether in each of them all rows, those above the
             lower and those below the upper bound, and what a variance in SQL is guarded by (each value of up to seven,
             else those strictly between the bounds and those outside every window) reach the threshold; no party learns
             which count did not. Private: the three figures of all groups are one release, without any guard; noisy
             numbers count as at least 2 and noisy variances lie between a twelfth of a squared step and the largest that
             the bounds allow.
Visible to:  the analyst: three numbers for each chosen group, in private mode for each group.
See instead: tests over ranks (rank_table).
Source:      ours; docs/guarantees.md P5, P8. What is made of a sample: group_samples.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import TYPE_CHECKING, Final, Self

import numpy as np
import numpy.typing as npt

from analytics.errors import InvalidRequestError
from analytics.schema import NumericColumn
from analytics.sql.grouping import labels_of
from analytics.sql.query import AggregateOutput, BoundQuery, Clause, GroupKey, Use
from analytics.sql.terms.expressions import ColumnIndex, Integer, bounds, columns_in
from analytics.sql.terms.numeric import Numeric
from analytics.statistics.aggregate import shift_of
from analytics.statistics.arguments import check_one_row_a_unit, chosen_groups
from analytics.statistics.base import MINIMUM_CELL, Answer, Statistic, Step
from analytics.statistics.comparisons.group_samples import Mechanism, Sample
from analytics.statistics.counts import OPEN, OVER
from analytics.statistics.guards.value_guards import alone, atoms, counted
from smpc.operations.arithmetic import broadcast, concatenate, multiply, take
from smpc.operations.selection import all_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from analytics.schema import Table
    from analytics.sql.query import GroupColumn
    from analytics.statistics.arguments import Arguments
    from analytics.statistics.base import Ints, Limits, Mode
    from analytics.statistics.hidden.revealed import Hidden
    from analytics.statistics.uncertainty.noise_law import NoiseLaw
    from smpc.session import Session
    from smpc.sharing import Shared

Floats = npt.NDArray[np.float64]
MAX_GROUPS: Final = 100
_FIGURES: Final = 3


@dataclass(frozen=True, kw_only=True)
class GroupMoments(Statistic[int]):
    """A statistic of number, sum and squares in groups.

    Attributes:
        column: what is averaged.
        bys: what makes the groups; none for all rows as one.
        chosen: positions of the compared groups among all combinations, NULL included, in the order asked.
    """

    column: NumericColumn
    bys: tuple[GroupColumn, ...]
    chosen: tuple[int, ...]

    @classmethod
    def bind_groups(
        cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits, **fields: object
    ) -> Self:
        """Bind ``column``, ``by`` and ``groups``; a subclass adds its own fields."""
        column, (by, *_) = arguments.number_column("column", table), arguments.group_columns("by", table)
        return cls.bind_cells(table, mode, limits, column, (by,), chosen_groups(by, arguments), **fields)

    @classmethod
    def bind_cells(
        cls,
        table: Table,
        mode: Mode,
        limits: Limits,
        column: NumericColumn,
        bys: tuple[GroupColumn, ...],
        chosen: tuple[int, ...] = (),
        **fields: object,
    ) -> Self:
        """Bind columns that are read already; without ``chosen`` all groups are compared.

        Raises:
            InvalidRequestError: a column comes twice, or there are too many groups.
            PlanRejectedError: a privacy unit may have several rows.
        """
        check_one_row_a_unit(table, cls.name)
        if len({column.name, *(by.name for by in bys)}) <= len(bys):
            raise InvalidRequestError(parameter="by", reason="must be another column")
        places = chosen or _known_cells(bys)
        if len(places) > MAX_GROUPS:
            raise InvalidRequestError(parameter="by", reason=f"makes more than {MAX_GROUPS} groups")
        bound = {"table": table, "mode": mode, "limits": limits, "column": column, "bys": bys}
        return cls(**bound | {"chosen": places} | fields)  # type: ignore[arg-type]

    @property
    def shape(self) -> tuple[int, ...]:
        """Groups of each grouping column, NULL included."""
        return tuple(len(labels_of(by)) for by in self.bys)

    @property
    def labels(self) -> tuple[str, ...]:
        """Of the compared groups."""
        every = [" ".join(map(str, each)) for each in product(*map(labels_of, self.bys))]
        return tuple(every[place] for place in self.chosen)

    @property
    def query(self) -> BoundQuery | None:
        """Private: the three figures of each group; exact: none, as rows are read."""
        if self.mode == "exact":
            return None
        argument = Numeric(expression=self._value, unit=self.unit)
        output = AggregateOutput(
            name="moments", aggregate="variance_sample", argument=argument, position="column"
        )
        return BoundQuery(
            text=f"{self.name}({', '.join(self._names)})",
            table=self.table,
            outputs=(output,),
            where=None,
            groups=tuple(GroupKey(column=by, labels=labels_of(by)) for by in self.bys),
            order=(),
            limit=None,
            uses=(
                *(Use(column=by.name, clause=Clause.GROUP_BY, position="by") for by in self.bys),
                *(
                    Use(column=name, clause=Clause.AGGREGATE, position="column")
                    for name in sorted(columns_in(self._value))
                ),
            ),
            exact_objections=(),
        )

    @property
    def columns(self) -> tuple[str, ...]:
        """Exact: the groups and the value."""
        return (*(by.name for by in self.bys), self.column.name) if self.mode == "exact" else ()

    @property
    def dimensions(self) -> tuple[str, ...]:
        """The groups alone: a mean takes any column."""
        return tuple(by.name for by in self.bys)

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        names = [by.name for by in self.bys]
        by: object = names[0] if len(names) == 1 else names
        return {"column": self.column.name, "by": by, "groups": list(self.labels)}

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
        is_guarded, count = self._is_guarded, _FIGURES * len(self.chosen)
        if self.mode == "private":
            n_groups = math.prod(self.shape)
            places = [block * n_groups + group for block in range(_FIGURES) for group in self.chosen]
            clamps, joint = (0,) * (_FIGURES * n_groups), _taken(places)
        else:
            far = max(abs(value) for value in self._ends)
            most = self.limits.rows_max
            each = [most] * len(self.chosen)
            guards = (most,) * (self._n_tested * len(self.chosen))
            clamps = (*each, *(n * max(far, 1) for n in each), *(n * max(far, 1) ** 2 for n in each), *guards)
            joint = self._all_or_none if is_guarded else _taken(range(count))
        step = Step(
            name="number, sum and squares of each group",
            to="analyst",
            clamps=clamps,
            local=self._figures,
            joint=joint,
            n_values=count,
            n_flags=int(is_guarded),
            has_products=is_guarded,
        )
        return (step if self.hidden is None else self.hidden.step(step),)

    @property
    def n_figures(self) -> int:
        """Numbers, sums and squares of the chosen groups."""
        return _FIGURES * len(self.chosen)

    @property
    def reach(self) -> int:
        """The largest absolute value, in steps around the middle."""
        return max(1, *(abs(value) for value in self._ends))

    @property
    def hidden(self) -> Hidden | None:
        """How the statistic opens alone, where it was asked to."""
        return None

    def estimate(self, opened: Sequence[Ints], noise: Sequence[NoiseLaw]) -> Answer:
        """See ``Statistic``."""
        (values,) = opened
        if self.hidden is not None:
            return self.revealed_answer(self.hidden, values)
        if self._is_guarded and not values[-1]:
            return self.closed_answer(MINIMUM_CELL)
        figures = values[: _FIGURES * len(self.chosen)].reshape(_FIGURES, -1)
        if not noise:
            return self.answer(self._exact_sample(figures), None, values)
        count, total, squares = noise
        shift = shift_of(self._value)
        lower, upper = bounds(self._value)
        mechanism = Mechanism(
            count=count,
            total=total,
            squares=squares,
            center=shift.center,
            offset=shift.offset,
            reach=max(upper - shift.center, shift.center - lower),
        )
        rows = [each / law.weight for each, law in zip(figures, noise, strict=True)]
        return self.answer(mechanism.sample(*rows), mechanism, values)

    @abstractmethod
    def answer(self, sample: Sample, mechanism: Mechanism | None, opened: Ints) -> Answer:
        """The answer from a sample; with its mechanism in private mode."""

    def revealed_answer(self, hidden: Hidden, opened: Ints) -> Answer:
        """The answer from a statistic that opened alone; the default has no p-value."""
        return hidden.answer(opened)

    @abstractmethod
    def closed_answer(self, reason: str) -> Answer:
        """The answer without values."""

    def means(self, sample: Sample) -> list[float]:
        """Of each group, in the column's own unit."""
        unit = float(self.unit)
        return [float(unit * (mean + self._center)) for mean in sample.mean]

    @property
    def unit(self) -> Fraction:
        """Of one step."""
        return self.column.resolution

    @property
    def _names(self) -> tuple[str, ...]:
        return self.column.name, *(by.name for by in self.bys)

    @property
    def _value(self) -> Integer:
        return ColumnIndex(name=self.column.name, lower=self.column.grid_lower, upper=self.column.grid_upper)

    @property
    def _center(self) -> int:
        return shift_of(self._value).center

    @property
    def _ends(self) -> tuple[int, int]:
        lower, upper = bounds(self._value)
        return lower - self._center, upper - self._center

    @property
    def _is_guarded(self) -> bool:
        return self.mode == "exact" and self.limits.threshold > 0

    @property
    def _n_tested(self) -> int:
        return len(self._tested(np.zeros(0, dtype=np.int64)))

    def _tested(self, values: Ints) -> Ints:
        """The guard's counts of one group's values."""
        everyone = [np.ones(values.shape, dtype=np.bool_)]
        return counted([*everyone, *atoms(self.column, values), *alone(self.column, values)])

    def _figures(self, rows: Ints) -> Ints:
        """One site's figures: numbers, sums, squares, then the guard's counts group by group."""
        groups, values = np.zeros(len(rows), dtype=np.int64), rows[:, -1]
        for place, (by, size) in enumerate(zip(self.bys, self.shape, strict=True), start=1):
            groups = groups * size + group_places(by, rows[:, place])
        own = [values[groups == place] for place in self.chosen]
        moved = [each - self._center for each in own]
        figures = [[each.size for each in own], [each.sum() for each in moved]]
        figures.append([(each**2).sum() for each in moved])
        tested = np.concatenate([self._tested(each) for each in own])
        return np.concatenate([np.array(figures, dtype=np.int64).ravel(), tested])

    def _all_or_none(self, session: Session, figures: Shared) -> Shared:
        count = _FIGURES * len(self.chosen)
        reached = self.limits.reached(session, take(figures, range(count, figures.size)))
        flag = all_of(session, *(take(reached, [place]) for place in range(reached.size)))
        values = take(figures, range(count))
        return concatenate([multiply(session, values, broadcast(flag, values.shape)), flag])

    def _exact_sample(self, figures: Ints) -> Sample:
        """By integers, rounded once."""
        rows = [[int(value) for value in row] for row in figures]
        means, variances = [], []
        for n, total, squares in zip(*rows, strict=True):
            means.append(float(Fraction(total, n)) if n else np.nan)
            variances.append(float(Fraction(n * squares - total**2, n * (n - 1))) if n > 1 else np.nan)
        return Sample(
            n=np.array(rows[0], dtype=np.float64), mean=np.array(means), variance=np.array(variances)
        )


def _known_cells(bys: Sequence[GroupColumn]) -> tuple[int, ...]:
    """The places of the combinations of groups without NULL, among all combinations."""
    known = [np.array([label is not None for label in labels_of(by)]) for by in bys]
    cells = np.ones(tuple(map(len, known)), dtype=np.bool_)
    for axis, each in enumerate(known):
        cells &= each.reshape([-1 if place == axis else 1 for place in range(len(known))])
    return tuple(int(place) for place in np.flatnonzero(cells))


def group_places(by: GroupColumn, values: Ints) -> Ints:
    """The group of each value: its bin, or the place of its category."""
    if not isinstance(by, NumericColumn):
        return values
    edges = np.array([int(edge / by.resolution) for edge in by.bins[1:-1]], dtype=np.int64)
    return np.searchsorted(edges, values, side="right").astype(np.int64)


def _taken(places: Sequence[int]) -> Callable[[Session, Shared], Shared]:
    return lambda _session, figures: take(figures, places)

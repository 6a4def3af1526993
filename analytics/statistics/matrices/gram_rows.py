"""Statistics that are made from the sums of products of columns, over rows that lack none of them.

Layer:       analytics.statistics above base and value_guards, below the statistics themselves.
Terms:       a row's *design* is 1, then of each column: a number in steps of its resolution around the middle of its
             bounds, 0 or 1 of a true-or-false column, and 0 or 1 of each category but the first. The *Gram* matrix holds
             the sums of all products of two of them; its upper half is opened, row by row.
Guarantees:  exact integers. All opens or nothing does, by one flag, which is 1 where each of these holds at least the
             threshold: each level of a column, each value of a number of up to seven; of other numbers those off each
             bound, strictly between the bounds and outside every window; each two such sets of two columns; those in
             whom two numbers differ; each combination of all columns' values, or of those with few values, where there
             are no more of them than numbers that open; and where all rows are at least the threshold times the design's
             columns and 3 times sites per unit times the numbers that open; and where no relation of first or second degree
             of the columns holds for all but fewer people than the minimum cell (relation_guard; not of a statistic that
             opens alone): the sums are those of relations of second degree and no others. No party learns which failed.
Visible to:  the analyst: the Gram matrix.
See instead: guards of iterated fits (regression.glm), of means in groups (group_moments).
Source:      ours; docs/guarantees.md P8, P21.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Final

import numpy as np

from analytics.errors import InvalidRequestError, PlanRejectedError
from analytics.schema import CategoricalColumn, NumericColumn
from analytics.statistics.base import MINIMUM_CELL, Answer, Statistic, Step
from analytics.statistics.counts import OPEN, OVER
from analytics.statistics.guards.relation_guard import spanning_counts
from analytics.statistics.guards.value_guards import Sets, alone, atoms, counted, value_span
from analytics.statistics.guards.value_windows import has_few_values
from smpc.operations.arithmetic import broadcast, concatenate, multiply, take
from smpc.operations.selection import all_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.sql.query import GroupColumn
    from analytics.statistics.base import Ints
    from analytics.statistics.guards.leverage_guard import LeverageGuard
    from analytics.statistics.hidden.revealed import Hidden
    from analytics.statistics.uncertainty.noise_law import NoiseLaw
    from smpc.session import Session
    from smpc.sharing import Shared

MAX_PARAMETERS: Final = 30
MAX_TESTED: Final = 5_000


@dataclass(frozen=True, kw_only=True)
class GramRows(Statistic[int]):
    """A statistic of the Gram matrix of some columns.

    Attributes:
        modelled: the columns, in the order of the design.
    """

    modelled: tuple[GroupColumn, ...]

    def check_size(self, position: str) -> None:
        """Refuse what no run could hold; a subclass calls it where it is bound.

        Args:
            position: the argument that names the columns.
        """
        names = [column.name for column in self.modelled]
        if len(set(names)) < len(names):
            raise InvalidRequestError(parameter=position, reason="must name different columns")
        if any(not terms_of(column) for column in self.modelled):
            raise PlanRejectedError(position=position, reason="a column has one category only")
        if self.n_parameters > MAX_PARAMETERS or self._n_tested > MAX_TESTED:
            reason = f"must make at most {MAX_PARAMETERS} parameters and {MAX_TESTED} guarded counts"
            raise InvalidRequestError(parameter=position, reason=reason)
        if self.leverages is not None:
            self.leverages.check_size(position)

    @property
    def leverages(self) -> LeverageGuard | None:
        """The guard of one person's part in a relation, for sums in which persons have weights; None: there are none."""
        return None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns, as complete rows."""
        return tuple(column.name for column in self.modelled)

    @property
    def guarded(self) -> tuple[GroupColumn, ...]:
        """The columns whose values are counted, in the order of the rows."""
        return self.modelled

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the design's columns."""
        return ("intercept", *(term for column in self.modelled for term in terms_of(column)))

    @property
    def n_parameters(self) -> int:
        """Columns of the design."""
        return len(self.terms)

    @property
    def n_sums(self) -> int:
        """The upper half of the Gram matrix."""
        return self.n_parameters * (self.n_parameters + 1) // 2

    @property
    def fewest_rows(self) -> int:
        """Rows that all sites together must have: see the module."""
        by_numbers = 3 * self.limits.sites_per_unit * self.n_sums
        return max(self.limits.threshold * self.n_parameters, by_numbers)

    @property
    def is_guarded(self) -> bool:
        """Whether the opening depends on the guard."""
        return self.limits.threshold > 0

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        return {"columns": list(self.columns), "fewest_rows": self.fewest_rows if self.is_guarded else 0}

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
        rows = self.limits.rows_max
        most = np.array([1, *self.reaches], dtype=object)
        sums = (rows * np.outer(most, most))[np.triu_indices(self.n_parameters)]
        guards = (rows,) * self._n_tested if self._has_guards else ()
        step = Step(
            name="sums of products",
            to="analyst",
            clamps=(
                *(int(each) for each in sums),
                *guards,
                *(self.leverages.clamps if self.leverages else ()),
            ),
            local=self._figures,
            joint=self._all_or_none if self.is_guarded else lambda _session, sums: sums,
            n_values=self.n_sums,
            n_flags=int(self.is_guarded),
            has_products=self.is_guarded,
        )
        return (step if self.hidden is None else self.hidden.step(step),)

    @property
    def opens_alone(self) -> bool:
        """Whether the statistic was asked to open alone."""
        return False

    @property
    def hidden(self) -> Hidden | None:
        """How the statistic opens alone, where it was asked to."""
        return None

    def estimate(self, opened: Sequence[Ints], noise: Sequence[NoiseLaw]) -> Answer:
        """See ``Statistic``."""
        del noise
        (values,) = opened
        if self.hidden is not None:
            return self.revealed_answer(self.hidden, values)
        if self.is_guarded and not values[-1]:
            return self.closed_answer(MINIMUM_CELL)
        return self.answer(tuple(int(value) for value in values[: self.n_sums]))

    @abstractmethod
    def answer(self, gram: tuple[int, ...]) -> Answer:
        """The answer from the upper half of the Gram matrix, row by row."""

    def revealed_answer(self, hidden: Hidden, opened: Ints) -> Answer:
        """The answer from a statistic that opened alone; the default has no p-value."""
        return hidden.answer(opened)

    @abstractmethod
    def closed_answer(self, reason: str) -> Answer:
        """The answer without values."""

    def _figures(self, rows: Ints) -> Ints:
        """One site's sums, then the guard's counts."""
        matrix = self.design_rows(rows)
        sums = (matrix.T @ matrix)[np.triu_indices(self.n_parameters)]
        found = [sums]
        if self._has_guards:
            found.append(self._tested(rows))
        return np.concatenate(found)

    def design_rows(self, rows: Ints) -> Ints:
        """The design of a site's rows; shape ``(n_rows, n_parameters)``."""
        design = [np.ones(len(rows), dtype=np.int64)]
        for place, column in enumerate(self.modelled, start=1):
            design += _design(column, rows[:, place])
        return np.stack(design, axis=1)

    @property
    def _has_guards(self) -> bool:
        """Whether a site counts for the guard; a hidden statistic has the same counts without a minimum cell."""
        return self.is_guarded or self.hidden is not None

    @property
    def _has_relations(self) -> bool:
        """Whether the guard covers relations of columns: where the sums of products themselves open."""
        return self.is_guarded and not self.opens_alone

    @property
    def reaches(self) -> list[int]:
        """The largest absolute values of the design's columns but the first."""
        return [each for column in self.modelled for each in _largest(column)]

    @property
    def least(self) -> list[int]:
        """What each guarded count must reach."""
        return [self.limits.threshold] * (self._n_tested - 1) + [self.fewest_rows]

    def _all_or_none(self, session: Session, figures: Shared) -> Shared:
        count, end = self.n_sums, self.n_sums + self._n_tested
        reached = self.limits.reached(session, take(figures, range(count, end)), self.least)
        flags = [take(reached, [place]) for place in range(reached.size)]
        if self.leverages is not None:
            flags.append(self.leverages.holds(session, take(figures, range(end, figures.size))))
        flag = all_of(session, *flags)
        values = take(figures, range(count))
        return concatenate([multiply(session, values, broadcast(flag, values.shape)), flag])

    def _tested(self, rows: Ints) -> Ints:
        """The guard's counts; all rows are the last."""
        places = range(1, len(self.guarded) + 1)
        apart = [_levels(column, rows[:, place]) for place, column in zip(places, self.guarded, strict=True)]
        single = [
            each
            for place, column in zip(places, self.guarded, strict=True)
            for each in alone(column, rows[:, place])
        ]
        pairs = [one & other for first, second in combinations(apart, 2) for one in first for other in second]
        sets = [*(each for found in apart for each in found), *single, *pairs, *self._unequal(rows)]
        counts = [*counted(sets), *self._combinations(rows)]
        if self._has_relations:
            counts += spanning_counts(self.guarded, rows[:, 1:], self.limits.threshold)
        return np.array([*counts, len(rows)], dtype=np.int64)

    def _unequal(self, rows: Ints) -> Sets:
        """The rows in which two numbers differ: the sum of squares of their difference is theirs alone."""
        numbers = [
            (rows[:, place], column.resolution)
            for place, column in enumerate(self.guarded, start=1)
            if isinstance(column, NumericColumn)
        ]
        found = []
        for (first, one), (second, other) in combinations(numbers, 2):
            ratio = one / other  # in lowest terms, so that both sides stay integers
            found.append(first.astype(object) * ratio.numerator != second.astype(object) * ratio.denominator)
        return [each.astype(np.bool_) for each in found]

    def _combinations(self, rows: Ints) -> list[int]:
        """Rows of each combination of the values of all columns, or else of those with few values."""
        spans = [(place, *value_span(column)) for place, column in enumerate(self.guarded, start=1)]
        few = [each for each, column in zip(spans, self.guarded, strict=True) if _is_discrete(column)]
        for chosen in (spans, few):
            sizes = [high - low + 1 for _, low, high in chosen]
            if chosen and math.prod(sizes) <= self.n_sums:
                place = np.zeros(len(rows), dtype=np.int64)
                for (number, low, _), size in zip(chosen, sizes, strict=True):
                    place = place * size + rows[:, number] - low
                return [int(count) for count in np.bincount(place, minlength=math.prod(sizes))]
        return []

    @property
    def _n_tested(self) -> int:
        return len(self._tested(np.zeros((0, 1 + len(self.guarded)), dtype=np.int64)))


def terms_of(column: GroupColumn) -> tuple[str, ...]:
    """Names of a column's part of the design."""
    if isinstance(column, CategoricalColumn):
        return tuple(f"{column.name}={value}" for value in column.domain[1:])
    return (column.name,)


def middle_of(column: GroupColumn) -> int:
    """What the design subtracts from a column's values, in steps."""
    return (column.grid_lower + column.grid_upper) // 2 if isinstance(column, NumericColumn) else 0


def _design(column: GroupColumn, values: Ints) -> list[Ints]:
    if isinstance(column, CategoricalColumn):
        return [(values == code).astype(np.int64) for code in range(1, len(column.domain))]
    return [values - middle_of(column)]


def _largest(column: GroupColumn) -> list[int]:
    if isinstance(column, NumericColumn):
        return [max(column.grid_upper - middle_of(column), middle_of(column) - column.grid_lower)]
    return [1] * len(terms_of(column))


def _is_discrete(column: GroupColumn) -> bool:
    return not isinstance(column, NumericColumn) or has_few_values(column.grid_lower, column.grid_upper)


def _levels(column: GroupColumn, values: Ints) -> Sets:
    """The atoms of a column; of a number of few values each value."""
    if isinstance(column, NumericColumn) and _is_discrete(column):
        return [values == value for value in range(column.grid_lower, column.grid_upper + 1)]
    return atoms(column, values)

"""The guard of an exact fit over rows: counts of the tables that the fit implies, tested together, one bit for all.

Layer:       analytics.statistics above value_guards, relation_guard and base.
Terms:       an *atom* is a set of rows that a covariate tells apart.
Guarantees:  the bit is 1 where each outcome, each atom, each atom and outcome, and each two atoms of two covariates hold at
             least the threshold, and all rows at least the threshold times the parameters and 3 times sites per unit
             times the numbers that can open. Where the combinations of all covariates' values, or of those with few
             values, are no more than these numbers, every combination is tested as well. Where the cells into which the
             fit splits the combinations (``splits``) are no more than ``CELLS_A_NUMBER`` times the numbers, so that they
             could be solved for, every cell is tested too. Of an outcome that is a number, its values are tested as sums of
             five functions of it need (``value_guards.off_two_windows``). No linear relation of covariates and outcome fails for
             fewer rows than the threshold (relation_guard); where the fit weighs its rows, none of the weighted rows. Which
             test failed stays on shares.
Visible to:  whoever the bit is opened to.
See instead: sums of products of columns alone (gram_rows).
Source:      docs/guarantees.md P21.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from analytics.schema import NumericColumn
from analytics.statistics.base import Limits, Step
from analytics.statistics.relation_guard import RelationGuard, design_of, n_columns_of
from analytics.statistics.value_guards import Sets, alone, atoms, off_two_windows, value_span
from analytics.statistics.value_windows import has_few_values
from smpc.operations.arithmetic import take
from smpc.operations.selection import all_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from analytics.sql.query import GroupColumn
    from analytics.statistics.base import Ints
    from smpc.session import Session
    from smpc.sharing import Shared

Floats = npt.NDArray[np.float64]
# an opened number has about 21 bits, the count of a cell 7 or more
CELLS_A_NUMBER: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class FitGuard:
    """The guard of one fit.

    Attributes:
        covariates: in the order of the rows' columns.
        limits: the public numbers.
        n_parameters: of the fit.
        most_opened: numbers that the fit can open, the bit among them.
        first: the rows' column of the outcome; those of the covariates follow it.
        outcome: its column; None: it is 0 or 1.
        off_two: names of covariates of which several functions are summed, as of an outcome that is a number.
        row_weights: of a site's rows, what the fit multiplies each by, above 0 and at most 1; None: 1.
        n_splits: cells into which the fit splits each combination of values; 0 for none.
        splits: of a site's rows, the cell of each, from 0 to ``n_splits - 1``.
    """

    covariates: tuple[GroupColumn, ...]
    limits: Limits
    n_parameters: int
    most_opened: int
    first: int
    outcome: GroupColumn | None = None
    off_two: frozenset[str] = frozenset()
    row_weights: Callable[[Ints], Floats] | None = None
    n_splits: int = 0
    splits: Callable[[Ints], Ints] | None = None

    @property
    def fewest_rows(self) -> int:
        """Rows that all sites together must have."""
        by_numbers = 3 * self.limits.sites_per_unit * self.most_opened
        return max(self.limits.threshold * self.n_parameters, by_numbers)

    @property
    def n_tested(self) -> int:
        """Counts that are compared."""
        return len(self.tested(np.zeros((0, self.first + 1 + len(self.covariates)), dtype=np.int64)))

    def step(self) -> Step:
        """The step that opens the bit to all sites."""
        n_tested = self.n_tested
        return Step(
            name="guard of the fit",
            to="sites",
            clamps=(*(self.limits.rows_max,) * n_tested, *self.relations.clamps),
            local=self._figures,
            joint=self._all_reached,
            n_values=0,
            n_flags=1,
            has_products=True,
        )

    def tested(self, rows: Ints) -> Ints:
        """The counts of a site's rows; all rows are the last."""
        values = rows[:, self.first + 1 :]
        outcome, only = self._outcome_sets(rows[:, self.first])
        apart = [atoms(column, values[:, place]) for place, column in enumerate(self.covariates)]
        by_column = [
            each
            for place, column in enumerate(self.covariates)
            for each in (off_two_windows if column.name in self.off_two else alone)(column, values[:, place])
        ]
        pairs = [
            one & other
            for first, second in combinations([outcome, *apart], 2)
            for one in first
            for other in second
        ]
        sets = [*outcome, *only, *(each for found in apart for each in found), *by_column, *pairs]
        counts = [*(int(each.sum()) for each in sets), *self._combinations(rows), len(rows)]
        return np.array(counts, dtype=np.int64)

    def _outcome_sets(self, values: Ints) -> tuple[Sets, Sets]:
        """The sets of rows that the outcome tells apart beside a covariate, and those that its own sums tell apart."""
        if self.outcome is None:
            return [values == 1, values == 0], []
        return atoms(self.outcome, values), off_two_windows(self.outcome, values)

    @property
    def relations(self) -> RelationGuard:
        """The guard of linear relations; the outcome is one of the columns."""
        n_outcome = 1 if self.outcome is None else n_columns_of([self.outcome]) - 1
        return RelationGuard(n_columns=n_columns_of(self.covariates) + n_outcome, limits=self.limits)

    def _figures(self, rows: Ints) -> Ints:
        design = design_of(self.covariates, rows[:, self.first + 1 :])
        values = rows[:, self.first : self.first + 1]
        outcome = (
            values.astype(np.float64) if self.outcome is None else design_of([self.outcome], values)[:, 1:]
        )
        whole = np.column_stack([design, outcome])
        if self.row_weights is not None:
            whole = whole * np.sqrt(self.row_weights(rows))[:, np.newaxis]
        return np.concatenate([self.tested(rows), self.relations.figures(whole)])

    def _all_reached(self, session: Session, figures: Shared) -> Shared:
        n_tested = self.n_tested
        least = [self.limits.threshold] * (n_tested - 1) + [self.fewest_rows]
        flags = self.limits.reached(session, take(figures, range(n_tested)), least)
        unrelated = self.relations.holds(session, take(figures, range(n_tested, figures.size)))
        return all_of(session, *(take(flags, [place]) for place in range(n_tested)), unrelated)

    def _combinations(self, rows: Ints) -> list[int]:
        """Rows of each combination, then of each of its cells, as far as they are tested: see the module."""
        whole = np.zeros(len(rows), dtype=np.int64)
        found = self._cells(rows, whole, 1, self.most_opened)
        if self.splits is not None:
            most = CELLS_A_NUMBER * self.most_opened
            found += self._cells(rows, self.splits(rows), self.n_splits, most)
        return found

    def _cells(self, rows: Ints, place: Ints, n_splits: int, most: int) -> list[int]:
        """Of the combinations of all covariates, or else of those with few values; none where they are too many."""
        spans = [(place, *value_span(column)) for place, column in enumerate(self.covariates)]
        few = [(place, low, high) for place, low, high in spans if self._is_discrete(place)]
        for chosen in (spans, few):
            sizes = [high - low + 1 for _, low, high in chosen]
            count = math.prod(sizes) * n_splits
            if chosen and count <= most:
                for (number, low, _), size in zip(chosen, sizes, strict=True):
                    place = place * size + rows[:, self.first + 1 + number] - low
                return [int(each) for each in np.bincount(place, minlength=count)]
        return []

    def _is_discrete(self, place: int) -> bool:
        column = self.covariates[place]
        return not isinstance(column, NumericColumn) or has_few_values(column.grid_lower, column.grid_upper)

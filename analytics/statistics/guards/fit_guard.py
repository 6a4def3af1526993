"""The guard of an exact fit over rows: counts of the tables that the fit implies, tested together, one bit for all.

Layer:       analytics.statistics above value_guards, relation_guard and base.
Terms:       an *atom* is a set of rows that a covariate tells apart.
Guarantees:  the bit is 1 where each outcome, each atom, each atom and outcome, and each two atoms of two covariates hold at
             least the threshold, and all rows at least the threshold times the parameters and 3 times sites per unit
             times the numbers that can open. Where the combinations of all covariates' values, or of those with few
             values, are no more than these numbers, every combination is tested as well. Where the cells into which the
             fit splits the combinations (``splits``) are no more than ``CELLS_A_NUMBER`` times the numbers, so that they
             could be solved for, every cell is tested too. Of an outcome that is a number, its values are tested as sums of
             five functions of it need (``value_guards.off_two_windows``). No relation of first or second degree of outcome,
             covariates and what the fit makes of its rows fails for fewer people than the minimum cell (relation_guard);
             where the fit weighs its rows, no person has most of a linear relation of the weighted rows (leverage_guard). Which
             test failed stays on shares.
Visible to:  whoever the bit is opened to.
See instead: sums of products of columns alone (gram_rows).
Source:      docs/guarantees.md P21.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from analytics.schema import NumericColumn
from analytics.statistics.base import Limits, Step
from analytics.statistics.guards.leverage_guard import LeverageGuard
from analytics.statistics.guards.relation_guard import Places, design_of, spanning_counts
from analytics.statistics.guards.value_guards import Sets, alone, atoms, off_two_windows, value_span
from analytics.statistics.guards.value_windows import has_few_values
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
        made: of a site's rows, whole numbers that the fit makes and reads with the columns, such as the interval of a
            time; for the relations.
        n_made: they lie from 0 to ``n_made - 1``; 0: the fit makes none.
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
    made: Callable[[Ints], Ints] = field(default=lambda rows: np.zeros(len(rows), dtype=np.int64))
    n_made: int = 0

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
        leverages = self.leverages
        return Step(
            name="guard of the fit",
            to="sites",
            clamps=(*(self.limits.rows_max,) * self.n_tested, *(leverages.clamps if leverages else ())),
            local=self._figures,
            joint=self._all_reached,
            n_values=0,
            n_flags=1,
            has_products=True,
        )

    def tested(self, rows: Ints) -> Ints:
        """The counts of a site's rows; all rows are the last."""
        values = np.asfortranarray(rows[:, self.first + 1 :])  # each column in one piece
        outcome, only = self._outcome_sets(np.ascontiguousarray(rows[:, self.first]))
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
        counts = [int(np.count_nonzero(each)) for each in sets]
        counts += [*self._combinations(rows), *self._spanning(rows), len(rows)]
        return np.array(counts, dtype=np.int64)

    def _outcome_sets(self, values: Ints) -> tuple[Sets, Sets]:
        """The sets of rows that the outcome tells apart beside a covariate, and those that its own sums tell apart."""
        if self.outcome is None:
            return [values == 1, values == 0], []
        return atoms(self.outcome, values), off_two_windows(self.outcome, values)

    def _spanning(self, rows: Ints) -> list[int]:
        columns = (Places(self.n_made), self.outcome or Places(2), *self.covariates)
        values = np.column_stack([self.made(rows), rows[:, self.first :]])
        return spanning_counts(columns, values, self.limits.threshold)

    @property
    def leverages(self) -> LeverageGuard | None:
        """The guard of one person's part in a relation of weighted rows; None where the fit weighs none."""
        if self.row_weights is None:
            return None
        columns = np.zeros((0, self.first + 1 + len(self.covariates)), dtype=np.int64)
        return LeverageGuard(n_columns=self._weighted(columns).shape[1], limits=self.limits)

    def _weighted(self, rows: Ints) -> Floats:
        """The design of outcome and covariates, each row times the root of its weight."""
        design = design_of(self.covariates, rows[:, self.first + 1 :])
        values = rows[:, self.first : self.first + 1]
        outcome = (
            values.astype(np.float64) if self.outcome is None else design_of([self.outcome], values)[:, 1:]
        )
        weights = np.ones(len(rows)) if self.row_weights is None else self.row_weights(rows)
        return np.column_stack([design, outcome]) * np.sqrt(weights)[:, np.newaxis]

    def _figures(self, rows: Ints) -> Ints:
        found = [self.tested(rows)]
        if self.leverages is not None:
            found.append(self.leverages.figures(self._weighted(rows)))
        return np.concatenate(found)

    def _all_reached(self, session: Session, figures: Shared) -> Shared:
        n_tested = self.n_tested
        least = [self.limits.threshold] * (n_tested - 1) + [self.fewest_rows]
        flags = self.limits.reached(session, take(figures, range(n_tested)), least)
        found = [take(flags, [place]) for place in range(n_tested)]
        if self.leverages is not None:
            found.append(self.leverages.holds(session, take(figures, range(n_tested, figures.size))))
        return all_of(session, *found)

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

"""The guard of an exact fit over rows: counts of the tables that the fit implies, tested together, one bit for all.

Layer:       analytics.statistics above value_guards, relation_guard and base.
Terms:       an *atom* is a set of rows that a covariate tells apart.
Guarantees:  the bit is 1 where each outcome, each atom, each atom and outcome, and each two atoms of two covariates hold at
             least the threshold, and all rows at least the threshold times the parameters and 3 times sites per unit
             times the numbers that can open. Where the combinations of all covariates' values, or of those with few
             values, are no more than these numbers, every combination is tested as well. Where the cells into which the
             fit splits the combinations (``splits``) are no more than ``CELLS_A_NUMBER`` times the numbers, so that they
             could be solved for, every cell is tested too. No relation of first or second degree of outcome, covariates
             and what the fit makes of its rows fails for fewer people than the minimum cell (relation_guard). Which
             test failed stays on shares.
Visible to:  whoever the bit is opened to.
See instead: the same guard of logistic fits (regression.glm).
Source:      docs/guarantees.md P21.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Final

import numpy as np

from analytics.schema import NumericColumn
from analytics.statistics.base import Limits, Step
from analytics.statistics.relation_guard import Places, spanning_counts
from analytics.statistics.value_guards import Sets, alone, atoms, value_span
from analytics.statistics.value_windows import has_few_values
from smpc.operations.arithmetic import take
from smpc.operations.selection import all_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from analytics.sql.query import GroupColumn
    from analytics.statistics.base import Ints
    from smpc.session import Session
    from smpc.sharing import Shared

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
        first: the rows' column of the outcome, 0 or 1; those of the covariates follow it.
        n_splits: cells into which the fit splits each combination of values.
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
    n_splits: int
    splits: Callable[[Ints], Ints]
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
        n_tested = self.n_tested
        return Step(
            name="guard of the fit",
            to="sites",
            clamps=(self.limits.rows_max,) * n_tested,
            local=self.tested,
            joint=self._all_reached,
            n_values=0,
            n_flags=1,
            has_products=True,
        )

    def tested(self, rows: Ints) -> Ints:
        """The counts of a site's rows; all rows are the last."""
        values = rows[:, self.first + 1 :]
        outcome: Sets = [rows[:, self.first] == 1, rows[:, self.first] == 0]
        apart = [atoms(column, values[:, place]) for place, column in enumerate(self.covariates)]
        by_column = [
            each for place, column in enumerate(self.covariates) for each in alone(column, values[:, place])
        ]
        pairs = [
            one & other
            for first, second in combinations([outcome, *apart], 2)
            for one in first
            for other in second
        ]
        sets = [*outcome, *(each for found in apart for each in found), *by_column, *pairs]
        counts = [int(each.sum()) for each in sets]
        counts += [*self._combinations(rows), *self._spanning(rows), len(rows)]
        return np.array(counts, dtype=np.int64)

    def _spanning(self, rows: Ints) -> list[int]:
        columns = (Places(self.n_made), Places(2), *self.covariates)
        values = np.column_stack([self.made(rows), rows[:, self.first :]])
        return spanning_counts(columns, values, self.limits.threshold)

    def _all_reached(self, session: Session, figures: Shared) -> Shared:
        least = [self.limits.threshold] * (figures.size - 1) + [self.fewest_rows]
        flags = self.limits.reached(session, figures, least)
        return all_of(session, *(take(flags, [place]) for place in range(flags.size)))

    def _combinations(self, rows: Ints) -> list[int]:
        """Rows of each combination, then of each of its cells, as far as they are tested: see the module."""
        whole = np.zeros(len(rows), dtype=np.int64)
        return [
            *self._cells(rows, whole, 1, self.most_opened),
            *self._cells(rows, self.splits(rows), self.n_splits, CELLS_A_NUMBER * self.most_opened),
        ]

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

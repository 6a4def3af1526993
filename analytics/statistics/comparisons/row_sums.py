"""Statistics that are made from a few sums over rows: all of them open, or none does.

Layer:       analytics.statistics above base, below the statistics themselves.
Terms:       *sums* are what opens; *tested* are the counts of people that the guard holds against the threshold.
Guarantees:  exact: all sums open or nothing does, by one flag, which is 1 where every tested count reaches the threshold, and
             where a linear relation of the rows' design is asked about, where none holds for all but few (leverage_guard); no
             party learns which did not. Private: the sums of a query's groups are one release, without any guard.
Visible to:  the analyst: the sums.
Source:      ours; docs/guarantees.md P5, P8.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analytics.sql.grouping import labels_of
from analytics.sql.query import BoundQuery, Clause, GroupKey, Use
from analytics.statistics.base import MINIMUM_CELL, Answer, Statistic, Step
from analytics.statistics.counts import OPEN, OVER
from analytics.statistics.guards.leverage_guard import LeverageGuard
from smpc.operations.arithmetic import broadcast, concatenate, multiply, take
from smpc.operations.selection import all_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from analytics.sql.query import GroupColumn
    from analytics.sql.terms.expressions import Condition
    from analytics.statistics.base import Ints
    from analytics.statistics.uncertainty.noise_law import NoiseLaw
    from smpc.session import Session
    from smpc.sharing import Shared


@dataclass(frozen=True, kw_only=True)
class RowSums(Statistic[int]):
    """A statistic of sums over complete rows, by the groups of one column or over all of them.

    Attributes:
        by: whose groups are opened, those of NULL not among them; None for all rows.
    """

    by: GroupColumn | None = None

    @property
    @abstractmethod
    def read(self) -> tuple[GroupColumn, ...]:
        """The columns that are added up; the groups' column not among them."""

    @property
    @abstractmethod
    def sum_clamps(self) -> tuple[int, ...]:
        """The largest absolute value of each sum of one group at one site."""

    @abstractmethod
    def sums_of(self, values: Ints) -> list[int]:
        """The sums of one group's rows at a site; the columns are those of ``read``."""

    @abstractmethod
    def tested_of(self, values: Ints) -> list[int]:
        """The guard's counts of one group's rows; their number does not depend on the rows."""

    @property
    def n_related(self) -> int:
        """Columns of the design whose linear relations are guarded; 0 for none."""
        return 0

    def design_of(self, values: Ints) -> npt.NDArray[np.float64]:
        """The rows' design, between -1 and 1; shape ``(n_rows, n_related)``."""
        return np.zeros((len(values), 0))

    @property
    def known(self) -> Condition | None:
        """Which rows a private release takes; None for all."""
        return None

    @abstractmethod
    def answer(self, sums: npt.NDArray[np.float64], noise: Sequence[NoiseLaw], opened: Ints) -> Answer:
        """The answer from the sums of each group, shape ``(n_groups, n_sums)``; with the laws of their noise.

        Exact sums come as Python integers.
        """

    @abstractmethod
    def closed_answer(self, reason: str) -> Answer:
        """The answer without values."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Of the groups; one without a name for all rows."""
        if self.by is None:
            return ("",)
        return tuple(str(label) for label in labels_of(self.by) if label is not None)

    @property
    def query(self) -> BoundQuery | None:
        """The groups of a private release; exact: none, as rows are read."""
        if self.mode == "exact":
            return None
        by = () if self.by is None else (self.by,)
        uses = [Use(column=each.name, clause=Clause.AGGREGATE, position="column") for each in self.read]
        uses += [Use(column=each.name, clause=Clause.GROUP_BY, position="by") for each in by]
        return BoundQuery(
            text=self.name,
            table=self.table,
            outputs=(),
            where=self.known,
            groups=tuple(GroupKey(column=each, labels=labels_of(each)) for each in by),
            order=(),
            limit=None,
            uses=tuple(uses),
            exact_objections=(),
        )

    @property
    def columns(self) -> tuple[str, ...]:
        """In exact mode those that a site reads."""
        if self.mode == "private":
            return ()
        names = tuple(each.name for each in self.read)
        return names if self.by is None else (*names, self.by.name)

    @property
    def dimensions(self) -> tuple[str, ...]:
        """The groups' column alone: sums take any column, as in SQL."""
        return () if self.by is None else (self.by.name,)

    def check_relations(self, position: str) -> None:
        """Refuse a relation guard that no run could hold.

        Raises:
            InvalidRequestError: too many figures.
            OverflowRiskError: too many rows.
        """
        self._relations.check_size(position)

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
        n_groups, n_sums = len(self.labels), len(self.sum_clamps)
        is_guarded = self.mode == "exact" and self.limits.threshold > 0
        if self.mode == "private":
            n_keys = 1 if self.by is None else len(labels_of(self.by))
            clamps: tuple[int, ...] = (0,) * (n_keys * n_sums)
            places = [block * n_keys + group for group in range(n_groups) for block in range(n_sums)]
        else:
            places = list(range(n_groups * n_sums))
            clamps = (*self.sum_clamps * n_groups, *((self.limits.rows_max,) * (n_groups * self._n_tested)))
            clamps += self._relations.clamps * n_groups if is_guarded and self.n_related else ()
        step = Step(
            name="sums over rows",
            to="analyst",
            clamps=clamps,
            local=self._figures,
            joint=self._all_or_none if is_guarded else lambda _, figures: take(figures, places),
            n_values=n_groups * n_sums,
            n_flags=int(is_guarded),
            has_products=is_guarded,
        )
        return (step,)

    def estimate(self, opened: Sequence[Ints], noise: Sequence[NoiseLaw]) -> Answer:
        """See ``Statistic``."""
        (values,) = opened
        count = len(self.labels) * len(self.sum_clamps)
        if len(values) > count and not values[-1]:
            return self.closed_answer(MINIMUM_CELL)
        sums = np.array(values[:count].tolist(), dtype=object).reshape(len(self.labels), -1)
        if noise:
            sums = sums.astype(np.float64) / np.array([law.weight for law in noise])
        return self.answer(sums, noise, values)

    @property
    def _n_tested(self) -> int:
        return len(self.tested_of(np.zeros((0, len(self.read)), dtype=np.int64)))

    @property
    def _relations(self) -> LeverageGuard:
        return LeverageGuard(n_columns=self.n_related, limits=self.limits)

    def _figures(self, rows: Ints) -> Ints:
        """One site's sums group by group, then the guard's counts, then its relations."""
        from analytics.statistics.comparisons.group_moments import group_places

        values = rows[:, 1 : 1 + len(self.read)]
        groups = [values]
        if self.by is not None:
            places = group_places(self.by, rows[:, -1])
            groups = [values[places == place] for place in range(len(self.labels))]
        found = [np.array(self.sums_of(each), dtype=np.int64) for each in groups]
        found += [np.array(self.tested_of(each), dtype=np.int64) for each in groups]
        if self.n_related and self.limits.threshold > 0:
            found += [self._relations.figures(self.design_of(each)) for each in groups]
        return np.concatenate(found)

    def _all_or_none(self, session: Session, figures: Shared) -> Shared:
        n_groups = len(self.labels)
        count = n_groups * len(self.sum_clamps)
        end = count + n_groups * self._n_tested
        reached = self.limits.reached(session, take(figures, range(count, end)))
        flags = [take(reached, [place]) for place in range(reached.size)]
        if self.n_related:
            size = self._relations.n_figures
            starts = range(end, figures.size, size)
            flags += [
                self._relations.holds(session, take(figures, range(start, start + size))) for start in starts
            ]
        flag = all_of(session, *flags)
        values = take(figures, range(count))
        return concatenate([multiply(session, values, broadcast(flag, values.shape)), flag])

"""Statistics that are made from counts of rows over public groups: one scan, one opening, to the analyst.

Layer:       analytics.statistics above base, below the statistics themselves.
Terms:       a *cell* is the count of one group; ``places`` are the cells that are opened.
Guarantees:  private: the cells are opened with noise, without any guard on true counts. Exact: a cell opens where its
             units reach the threshold; a subclass may close more, on shares. Rows are units, so that a count of rows
             is one of units. Columns are groups: those that exact mode
             may group by, by their categories and declared bins alone.
See instead: noise, clamps and the price, which follow from the counts (``analytics.plans``).
Source:      ours.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from analytics.sql.grouping import labels_of
from analytics.sql.query import AggregateOutput, BoundQuery, Clause, GroupKey, Use
from analytics.statistics.arguments import check_one_row_a_unit
from analytics.statistics.base import Statistic, Step
from smpc.operations.arithmetic import broadcast, concatenate, multiply, take
from smpc.operations.selection import all_of

if TYPE_CHECKING:
    from analytics.sql.query import GroupColumn
    from analytics.statistics.base import Ints
    from analytics.statistics.hidden.revealed import Hidden
    from smpc.session import Session
    from smpc.sharing import Shared

OPEN: Final = 0  # the state before the opening
OVER: Final = 1


@dataclass(frozen=True, kw_only=True)
class CountStatistic(Statistic[int]):
    """A statistic of counts over groups.

    Attributes:
        keys: the columns that make the groups, each with the argument that named it.
    """

    keys: tuple[tuple[str, GroupColumn], ...]

    def __post_init__(self) -> None:
        check_one_row_a_unit(self.table, self.name)

    @property
    def groups(self) -> tuple[GroupKey, ...]:
        """The public groups of each column."""
        return tuple(GroupKey(column=column, labels=labels_of(column)) for _, column in self.keys)

    @property
    def shape(self) -> tuple[int, ...]:
        """Groups of each column."""
        return tuple(len(key.labels) for key in self.groups)

    @property
    def query(self) -> BoundQuery:
        """Rows of each group."""
        count = AggregateOutput(name="n", aggregate="count_rows", argument=None, position=self.name)
        return BoundQuery(
            text=f"{self.name}({', '.join(column.name for _, column in self.keys)})",
            table=self.table,
            outputs=(count,),
            where=None,
            groups=self.groups,
            order=(),
            limit=None,
            uses=tuple(
                Use(column=column.name, clause=Clause.GROUP_BY, position=argument)
                for argument, column in self.keys
            ),
            exact_objections=(),
        )

    @property
    def known(self) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        """Which cells have a known value in every column, in the shape of the groups."""
        found = np.ones(self.shape, dtype=np.bool_)
        for axis, key in enumerate(self.groups):
            if key.labels[-1] is None:
                found[(slice(None),) * axis + (-1,)] = False
        return found

    @property
    def places(self) -> tuple[int, ...]:
        """The cells that are opened: those whose values are all known."""
        return tuple(int(place) for place in np.flatnonzero(self.known))

    @property
    def is_guarded(self) -> bool:
        """Whether the opening depends on the guard."""
        return self.mode == "exact" and self.limits.threshold > 0

    @property
    def n_guarded(self) -> tuple[int, int]:
        """Values and flags of a guarded opening."""
        return len(self.places), len(self.places)

    def guarded(self, session: Session, cells: Shared) -> Shared:
        """Close cells on shares; the default closes each that is below the threshold.

        Visible to: no party.

        Args:
            session: of all sites, with a dealer or three that compute.
            cells: the cells at ``places``.

        Returns:
            The values, closed ones as 0, then the flags; ``n_guarded`` says how many.
        """
        flags = self.limits.reached(session, cells)
        return concatenate([multiply(session, cells, flags), flags])

    def unguarded(self, session: Session, cells: Shared) -> Shared:
        """What is opened without a guard, which is what ``guarded`` opens without its flags; the default: the cells."""
        del session
        return cells

    def whole_table(self, opened: Ints) -> Ints:
        """Bring the cells at ``places`` and one flag for all of them to the form of the statistic's own opening."""
        return opened

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
        n_values, n_flags = self.n_guarded if self.is_guarded else (self.n_plain, 0)
        step = Step(
            name="cells",
            to="analyst",
            clamps=(self.limits.rows_max,) * int(np.prod(self.shape)),
            local=lambda figures: figures,
            joint=self._joint,
            n_values=n_values,
            n_flags=n_flags,
            has_products=self.is_guarded,
        )
        return (step if self.hidden is None else self.hidden.step(step),)

    @property
    def hidden(self) -> Hidden | None:
        """How the statistic opens alone, where it was asked to."""
        return None

    @property
    def n_plain(self) -> int:
        """Values of an opening without a guard."""
        return len(self.places)

    @abstractmethod
    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""

    def _joint(self, session: Session, figures: Shared) -> Shared:
        cells = take(figures, self.places)
        return self.guarded(session, cells) if self.is_guarded else self.unguarded(session, cells)


@dataclass(frozen=True, kw_only=True)
class WholeTable(CountStatistic):
    """Counts that open all or not at all: no party learns which of them was small."""

    @property
    def n_guarded(self) -> tuple[int, int]:
        """All cells, and one flag."""
        return len(self.places), 1

    def guarded(self, session: Session, cells: Shared) -> Shared:
        """Close the whole table unless every cell reaches the threshold."""
        reached = self.limits.reached(session, cells)
        flag = all_of(session, *(take(reached, [place]) for place in range(cells.size)))
        return concatenate([multiply(session, cells, broadcast(flag, cells.shape)), flag])

"""Events and censorings of groups on a declared grid: the counts behind every statistic of times to an event.

Layer:       analytics.statistics.life_tables above counts and group_table.
Terms:       in each interval of a group: d events, c censorings, n still at risk at its start; times are gridded, and
             censorings of an interval follow its events.
Guarantees:  exact: in each group the first interval in which d (of each cause), c or those left after it are below the
             threshold, and all after it, stay closed, on shares; no party learns which of them was small. After the last
             interval of the grid no unit can be left, which is public, so nothing is tested there. Private: d and c of all
             intervals are one release. Rows without a known time, event or group are left out.
See instead: what follows from them (group_table). Two exact tables on two grids differ like any two exact answers: what
             that tells is not prevented.
Source:      docs/guarantees.md P8.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Final, Self

import numpy as np

from analytics.errors import InvalidRequestError, PlanRejectedError
from analytics.schema import NumericColumn
from analytics.statistics.arguments import Arguments, Parameter
from analytics.statistics.base import BOTH
from analytics.statistics.counts import CountStatistic
from analytics.statistics.grids import coarser
from analytics.statistics.life_tables.group_table import GroupTable
from smpc.operations.arithmetic import concatenate, matmul_public, multiply, take
from smpc.operations.selection import all_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from fractions import Fraction

    from analytics.schema import Table
    from analytics.sql.query import GroupColumn
    from analytics.statistics.base import Ints, Limits, Mode
    from analytics.statistics.life_tables.curves import Floats
    from analytics.statistics.uncertainty.noise_law import NoiseLaw
    from smpc.session import Session
    from smpc.sharing import Shared

MAX_INTERVALS: Final = 60
TIME_AND_EVENT: Final = (
    Parameter(name="duration", meaning="a numeric column with declared bins: the time"),
    Parameter(name="event", meaning="true where the event was seen, false where the time was censored"),
    Parameter(name="by", meaning="a column with public groups: one curve for each", default=None),
    Parameter(name="grid", meaning="edges of the declared bins that make coarser intervals", default=None),
)


def gridded_time(arguments: Arguments, table: Table) -> NumericColumn:
    """The column of the argument ``duration``, whose bins are the intervals.

    Raises:
        PlanRejectedError: it is not numeric, or has no bins.
        InvalidRequestError: an edge of the argument ``grid`` is none of the declared ones, or there are too many.
    """
    time = arguments.group_column("duration", table)
    if not isinstance(time, NumericColumn):
        raise PlanRejectedError(position="duration", reason=f"{time.name} must be numeric, with bins")
    return replace(time, bins=coarser(arguments, time, "duration", MAX_INTERVALS))


@dataclass(frozen=True, kw_only=True)
class SurvivalCells(CountStatistic):
    """The counts of ``duration`` until ``event``; the keys are the group, if any, the time and the event."""

    modes: ClassVar = BOTH
    parameters: ClassVar[tuple[Parameter, ...]] = TIME_AND_EVENT

    @classmethod
    def keys_of(cls, table: Table, arguments: Arguments) -> tuple[tuple[str, GroupColumn], ...]:
        """The columns that its arguments name.

        Raises:
            InvalidRequestError: an argument does not fit, or two name one column.
            PlanRejectedError: a column cannot be used for it.
        """
        time = gridded_time(arguments, table)
        event = arguments.flag_column("event", table)
        by = arguments.group_column("by", table) if arguments.is_given("by") else None
        if by is not None and by.name in {time.name, event.name}:
            raise InvalidRequestError(parameter="by", reason="must be another column than duration and event")
        group = () if by is None else (("by", by),)
        return (*group, ("duration", time), ("event", event))

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """See ``Statistic``."""
        return cls(table=table, mode=mode, limits=limits, keys=cls.keys_of(table, arguments))

    @property
    def edges(self) -> tuple[Fraction, ...]:
        """Those of the intervals."""
        column = self.keys[-2][1]
        return column.bins if isinstance(column, NumericColumn) else ()

    @property
    def names(self) -> tuple[str, ...]:
        """The groups; one without a name where none were asked for."""
        if len(self.keys) == 2:  # noqa: PLR2004  time and event
            return ("",)
        return tuple(str(label) for label in self.groups[0].labels if label is not None)

    @property
    def n_intervals(self) -> int:
        """Of each group."""
        return len(self.edges) - 1

    @property
    def labels(self) -> tuple[str, ...]:
        """Of the intervals."""
        return tuple(str(label) for label in self.groups[-2].labels if label is not None)

    @property
    def n_causes(self) -> int:
        """Kinds of events; each interval has one cell more, of its censorings, which come first."""
        return 1

    @property
    def n_guarded(self) -> tuple[int, int]:
        """Events of each cause, censorings and at risk of each group and interval, and one flag."""
        count = len(self.names) * self.n_intervals
        return (self.n_causes + 2) * count, count

    @property
    def n_plain(self) -> int:
        """The cells with noise; or events, censorings and at risk."""
        return len(self.places) if self.mode == "private" else self.n_guarded[0]

    def unguarded(self, session: Session, cells: Shared) -> Shared:
        """The cells; in exact mode events, censorings and at risk."""
        del session
        return cells if self.mode == "private" else matmul_public(self._figures()[0], cells)

    def guarded(self, session: Session, cells: Shared) -> Shared:
        """Close each group from its first small interval on."""
        figures, left = self._figures()
        values = matmul_public(figures, cells)
        count = len(self.names) * self.n_intervals
        tested = concatenate([take(values, range((self.n_causes + 1) * count)), matmul_public(left, cells)])
        flags = self.limits.reached(session, tested)
        rows = self._behind(count)
        open_ = all_of(
            session, *(take(flags, [row[position] for row in rows]) for position in range(len(rows[0])))
        )
        spread = concatenate([open_] * (self.n_causes + 2))
        return concatenate([multiply(session, values, spread), open_])

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        named = {argument: column.name for argument, column in self.keys}
        return {**named, "grid": [str(edge) for edge in self.edges]}

    def figures_of(self, opened: Sequence[Ints], noise: Sequence[NoiseLaw]) -> tuple[Floats, Floats, Floats]:
        """Events, censorings and at risk; NaN where they are closed.

        Args:
            opened: of the one step.
            noise: of the cells; empty in exact mode.

        Returns:
            Shapes ``(n_causes, groups, intervals)``, and ``(groups, intervals)`` twice.
        """
        (values,) = opened
        shape = (len(self.names), self.n_intervals)
        if noise:
            cells = np.moveaxis((values / noise[0].weight).reshape(*shape, self.n_causes + 1), -1, 0)
            at_risk = np.cumsum(cells.sum(axis=0)[:, ::-1], axis=1)[:, ::-1]
            return cells[1:], cells[0], at_risk
        count = (self.n_causes + 2) * math.prod(shape)
        figures = values[:count].astype(np.float64).reshape(self.n_causes + 2, *shape)
        flags = values[count:] if self.is_guarded else np.ones(shape)
        found = np.where(flags.reshape(shape) != 0, figures, np.nan)
        return found[:-2], found[-2], found[-1]

    def tables_of(self, opened: Sequence[Ints], noise: Sequence[NoiseLaw]) -> tuple[GroupTable, ...]:
        """What was opened, by group; for the arguments see ``figures_of``."""
        (events,), censored, at_risk = self.figures_of(opened, noise)
        return tuple(
            GroupTable(
                name=name,
                edges=tuple(float(edge) for edge in self.edges),
                events=events[place],
                censored=censored[place],
                at_risk=at_risk[place],
                noise_sd=noise[0].sd if noise else 0.0,
            )
            for place, name in enumerate(self.names)
        )

    def _figures(self) -> tuple[Ints, Ints]:
        """From cells to events of each cause, censorings, at risk; and to those left after each interval but the last.

        The cells of a group and interval are its censorings and its events of each cause, in this order.
        """
        groups, count, size = len(self.names), self.n_intervals, self.n_causes + 1
        one, each = np.eye(groups * count, dtype=np.int64), np.eye(size, dtype=np.int64)
        parts = [np.kron(one, each[[place]]) for place in (*range(1, size), 0)]
        leaving = np.kron(one, np.ones((1, size), dtype=np.int64))
        later = np.kron(np.eye(groups, dtype=np.int64), np.triu(np.ones((count, count), dtype=np.int64)))
        at_risk = later @ leaving
        inner = [place for place in range(groups * count) if (place + 1) % count]
        return np.concatenate([*parts, at_risk]), (at_risk - leaving)[inner]

    def _behind(self, count: int) -> list[list[int]]:
        """For each group and interval the flags behind it: of events, censorings and those left, up to it.

        All rows are as long as the longest; what is missing repeats the first flag, which changes no AND.
        """
        rows, kinds = [], self.n_causes + 1
        for place in range(count):
            group, interval = divmod(place, self.n_intervals)
            first = group * self.n_intervals
            row = [kind * count + first + each for kind in range(kinds) for each in range(interval + 1)]
            left = range(min(interval + 1, self.n_intervals - 1))
            row += [kinds * count + group * (self.n_intervals - 1) + each for each in left]
            rows.append(row + [first] * ((kinds + 1) * self.n_intervals - 1 - len(row)))
        return rows

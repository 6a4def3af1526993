"""The exact log-rank test: each site counts its own table, and the rounded statistic of their sum opens alone.

Layer:       analytics.statistics.life_tables above hidden_log_rank and revealed.
Terms:       the *times* are the steps of the duration's resolution, or the declared bins.
Guarantees:  two to five groups, within strata where they are asked for. It opens where all groups' people and events reach
             the threshold, and V the least (of several groups that of each set of them against the others); of a table of up to
             20 cells every cell has to reach it. One bit says whether it is open, and no party learns what closed it. The p-value
             follows from the rounded statistic.
Visible to:  the analyst: the rounded statistic and one bit.
See instead: the statistic on shares (hidden_log_rank, hidden_log_rank_groups), private tests (log_rank).
Source:      docs/guarantees.md P8.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Self

import numpy as np

from analytics.errors import InvalidRequestError, PlanRejectedError
from analytics.sql.grouping import labels_of
from analytics.statistics.base import MINIMUM_CELL, Step
from analytics.statistics.comparisons.group_moments import group_places
from analytics.statistics.grids import coarser
from analytics.statistics.hidden.revealed import SMALL_TABLE, rounded, value_of
from analytics.statistics.life_tables.hidden_log_rank import (
    GROUPS,
    LEAST_VARIANCE,
    SUM_BITS,
    group_totals,
    log_rank_ratio,
    score_and_variance,
)
from analytics.statistics.life_tables.hidden_log_rank_groups import (
    MOST_GROUPS,
    cuts,
    groups_ratio,
    scores_and_links,
)
from analytics.statistics.life_tables.log_rank_answer import LogRankAnswer
from analytics.statistics.life_tables.log_rank_cells import TestForm
from analytics.statistics.uncertainty.distributions import chi_square_tail
from smpc.operations.arithmetic import concatenate, reshape, take
from smpc.operations.numeric.quotients import MOST_BITS
from smpc.operations.numeric.significant import Rounding
from smpc.operations.selection import all_at_least

if TYPE_CHECKING:
    from analytics.schema import BooleanColumn, NumericColumn
    from analytics.sql.query import GroupColumn
    from analytics.statistics.arguments import Arguments
    from analytics.statistics.base import Ints, Limits
    from smpc.session import Session
    from smpc.sharing import Shared

MAX_TIMES: Final = 8_192  # strata times times
ROUNDING: Final = Rounding(digits=3, places=4, decades=7)
_FEWEST_BITS: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ExactLogRank:
    """The test.

    Attributes:
        by: the column of the groups.
        time: the duration.
        event: the event.
        strata: the column of the strata, if any.
        chosen: positions of the groups.
        limits: of the guard.
        has_steps: the times are the steps of the resolution; else the bins of ``time``.
    """

    by: GroupColumn
    time: NumericColumn
    event: BooleanColumn
    strata: GroupColumn | None
    chosen: tuple[int, ...]
    limits: Limits
    has_steps: bool

    @classmethod
    def bind(
        cls,
        arguments: Arguments,
        columns: tuple[GroupColumn, NumericColumn, BooleanColumn],
        strata: GroupColumn | None,
        chosen: tuple[int, ...],
        form: TestForm,
        limits: Limits,
    ) -> Self:
        """Check what is particular to an exact test.

        Raises:
            InvalidRequestError: too many groups, a weighting, a trend, too many times, or edges that are no bins.
            PlanRejectedError: more rows than the quotients hold, or a duration without usable times.
        """
        by, time, event = columns
        if len(chosen) > MOST_GROUPS:
            reason = (
                f"must name at most {MOST_GROUPS} groups of {by.name}: the terms of an exact test of {len(chosen)} are "
                "too many; a private one takes them"
            )
            raise InvalidRequestError(parameter="groups", reason=reason)
        if form != TestForm():
            name = "trend" if form.trend else "weightings"
            raise InvalidRequestError(
                parameter=name, reason="must be left out: only the plain log-rank test is exact"
            )
        if _bits(limits) > MOST_BITS:
            allowed, most = limits.n_sites * limits.rows_max, (1 << MOST_BITS) - 1
            reason = f"allows {allowed} rows at all sites, and an exact test takes at most {most}"
            raise PlanRejectedError(position="table", reason=reason, hint="declare a smaller rows_max")
        most = MAX_TIMES // (1 if strata is None else _n_known(strata))
        has_steps = not arguments.is_given("grid") and _n_steps(time) <= most
        if not has_steps:
            time = replace(time, bins=coarser(arguments, time, "duration", most))
        return cls(
            by=by, time=time, event=event, strata=strata, chosen=chosen, limits=limits, has_steps=has_steps
        )

    @property
    def columns(self) -> tuple[str, ...]:
        """What a site reads, as complete rows."""
        own = (self.by.name, self.time.name, self.event.name)
        return own if self.strata is None else (*own, self.strata.name)

    @property
    def n_times(self) -> int:
        """Of each stratum."""
        return _n_steps(self.time) if self.has_steps else len(self.time.bins) - 1

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Of the table: groups, strata, times, and censorings and events."""
        return len(self.chosen), 1 if self.strata is None else _n_known(self.strata), self.n_times, 2

    @property
    def labels(self) -> tuple[str, ...]:
        """Of the groups."""
        return tuple(str(labels_of(self.by)[place]) for place in self.chosen)

    def describe(self) -> dict[str, object]:
        """What the digest of a plan must fix."""
        return {
            "grid": "steps of the resolution" if self.has_steps else [str(edge) for edge in self.time.bins],
            "times": self.n_times,
            "digits": ROUNDING.digits,
            "places": ROUNDING.places,
        }

    def step(self) -> Step:
        """The one step: one number and one bit to the analyst."""
        return Step(
            name="statistic of a hidden table, rounded to three digits",
            to="analyst",
            clamps=(self.limits.rows_max,) * int(np.prod(self.shape)),
            local=self._table,
            joint=self._hidden,
            n_values=1,
            n_flags=1,
            has_products=True,
        )

    def answer(self, opened: Ints) -> LogRankAnswer:
        """From the rounded statistic and its bit."""
        statistic = value_of(opened, ROUNDING)
        return LogRankAnswer(
            statistic=statistic,
            pvalue=None if statistic is None else chi_square_tail(statistic, len(self.chosen) - 1),
            dof=len(self.chosen) - 1,
            labels=self.labels,
            closed=MINIMUM_CELL if statistic is None else "",
        )

    def _table(self, rows: Ints) -> Ints:
        """One site's censorings and events."""
        groups = group_places(self.by, rows[:, 1])
        lowest = self.time.grid_lower
        times = rows[:, 2] - lowest if self.has_steps else group_places(self.time, rows[:, 2])
        strata = 0 * times if self.strata is None else group_places(self.strata, rows[:, 4])
        found = np.zeros(self.shape, dtype=np.int64)
        for place, group in enumerate(self.chosen):
            own = groups == group
            np.add.at(found[place], (strata[own], times[own], rows[own, 3]), 1)
        return found.ravel()

    def _hidden(self, session: Session, cells: Shared) -> Shared:
        """The rounded statistic and its bit."""
        table = reshape(cells, self.shape)
        guarded = cells if cells.size <= SMALL_TABLE else group_totals(table)
        if len(self.chosen) == GROUPS:
            pair = score_and_variance(session, table, _bits(self.limits))
            flag = self._holds(session, guarded, take(pair, [1]))
            return rounded(session, log_rank_ratio(session, pair), flag, ROUNDING)
        sums = scores_and_links(session, table, _bits(self.limits))
        flag = self._holds(session, guarded, cuts(sums, len(self.chosen)))
        return rounded(session, groups_ratio(session, sums, len(self.chosen)), flag, ROUNDING)

    def _holds(self, session: Session, guarded: Shared, variances: Shared) -> Shared:
        """Whether all guarded counts and all variances are large enough."""
        least = [self.limits.threshold] * guarded.size + [LEAST_VARIANCE] * variances.size
        both = concatenate([guarded, variances])
        return all_at_least(session, both, np.array(least, dtype=np.int64), SUM_BITS + 1)


def _n_steps(time: NumericColumn) -> int:
    return time.grid_upper - time.grid_lower + 1


def _n_known(column: GroupColumn) -> int:
    return sum(label is not None for label in labels_of(column))


def _bits(limits: Limits) -> int:
    return max(_FEWEST_BITS, (limits.n_sites * limits.rows_max).bit_length())

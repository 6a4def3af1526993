"""The exact log-rank test: each site counts its own table, and the rounded statistic of their sum opens alone.

Layer:       analytics.statistics.life_tables above hidden_log_rank and revealed.
Terms:       the *times* are the steps of the duration's resolution, or the declared bins.
Guarantees:  two to five groups, within strata where they are asked for, weighted or for a trend. It opens where all groups'
             people and events reach the threshold, and V the least (of several groups that of each set of them against the
             others); of a table of up to 20 cells every cell has to reach it. One bit says whether it is open, and no party
             learns what closed it. The p-value follows from the rounded statistic. Of a weighted test each group's events,
             each by its squared weight, also reach the threshold times the largest squared weight, so that no fewer of them
             carry the statistic.
Visible to:  the analyst: the rounded statistic and one bit.
See instead: the statistic on shares (hidden_log_rank, hidden_log_rank_groups, hidden_weights), private tests (log_rank).
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
from analytics.statistics.life_tables.hidden_weights import (
    LEAST_SHARE,
    MOST_CURVE_TIMES,
    risk_terms,
    trend_sums,
    weighted_events,
    weighted_links,
)
from analytics.statistics.life_tables.log_rank_answer import LogRankAnswer
from analytics.statistics.uncertainty.distributions import chi_square_tail
from smpc.operations.arithmetic import concatenate, multiply_public, reshape, take, total
from smpc.operations.numeric.quotients import MOST_BITS, QUOTIENT_BITS
from smpc.operations.numeric.significant import Rounding
from smpc.operations.selection import all_at_least
from smpc.sharing import Shared

if TYPE_CHECKING:
    from analytics.schema import BooleanColumn, NumericColumn
    from analytics.sql.query import GroupColumn
    from analytics.statistics.arguments import Arguments
    from analytics.statistics.base import Ints, Limits
    from analytics.statistics.life_tables.log_rank_cells import TestForm
    from smpc.session import Session

MAX_TIMES: Final = 8_192  # strata times times
MOST_WEIGHTED_BITS: Final = 20  # of all rows, where scores and weights need bits of their own
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
        form: weighting and trend.
    """

    by: GroupColumn
    time: NumericColumn
    event: BooleanColumn
    strata: GroupColumn | None
    chosen: tuple[int, ...]
    limits: Limits
    has_steps: bool
    form: TestForm

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
            InvalidRequestError: too many groups, an exponent, too many times, or edges that are no bins.
            PlanRejectedError: more rows than the quotients hold, or a duration without usable times.
        """
        by, time, event = columns
        if len(chosen) > MOST_GROUPS:
            reason = (
                f"must name at most {MOST_GROUPS} groups of {by.name}: the terms of an exact test of {len(chosen)} are "
                "too many; a private one takes them"
            )
            raise InvalidRequestError(parameter="groups", reason=reason)
        _check_form(form)
        widest = MOST_BITS if _is_plain(form, len(chosen)) else MOST_WEIGHTED_BITS
        if _bits(limits) > widest:
            allowed, most = limits.n_sites * limits.rows_max, (1 << widest) - 1
            reason = f"allows {allowed} rows at all sites, and an exact test takes at most {most}"
            raise PlanRejectedError(position="table", reason=reason, hint="declare a smaller rows_max")
        n_strata = 1 if strata is None else _n_known(strata)
        most = (MOST_CURVE_TIMES if _has_curve(form) else MAX_TIMES) // n_strata
        has_steps = not arguments.is_given("grid") and _n_steps(time) <= most
        if not has_steps:
            time = replace(time, bins=coarser(arguments, time, "duration", most))
        return cls(
            by=by,
            time=time,
            event=event,
            strata=strata,
            chosen=chosen,
            limits=limits,
            has_steps=has_steps,
            form=form,
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
        statistic, dof = value_of(opened, ROUNDING), self.form.degrees(len(self.chosen))
        return LogRankAnswer(
            statistic=statistic,
            pvalue=None if statistic is None else chi_square_tail(statistic, dof),
            dof=dof,
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
        table, count = reshape(cells, self.shape), len(self.chosen)
        guarded = cells if cells.size <= SMALL_TABLE else group_totals(table)
        if not _is_plain(self.form, count):
            return self._weighed(session, table, guarded)
        if count == GROUPS:
            pair = score_and_variance(session, table, _bits(self.limits))
            flag = self._holds(session, guarded, take(pair, [1]))
            return rounded(session, log_rank_ratio(session, pair), flag, ROUNDING)
        sums = scores_and_links(session, table, _bits(self.limits))
        flag = self._holds(session, guarded, cuts(sums, count))
        return rounded(session, groups_ratio(session, sums, count), flag, ROUNDING)

    def _weighed(self, session: Session, table: Shared, guarded: Shared) -> Shared:
        """Likewise, weighted or for a trend."""
        count = len(self.chosen)
        # the product of peto divides by one more than those at risk
        terms = risk_terms(session, table, _bits(self.limits) + 1, self.form)
        if self.form.trend or count == GROUPS:
            pair = trend_sums(session, terms, range(count))
            variances, ratio = take(pair, [1]), log_rank_ratio(session, pair)
        else:
            sums = weighted_links(session, terms)
            variances, ratio = cuts(sums, count), groups_ratio(session, sums, count)
        carried = weighted_events(session, terms, self.limits.threshold)
        if carried is not None:
            own = multiply_public(total(terms.events), 1 << (QUOTIENT_BITS - LEAST_SHARE))
            wide = Shared(share=variances.share - own.share)  # each less a part of all events
            carried = concatenate([carried, wide])
        flag = self._holds(session, guarded, variances, carried)
        return rounded(session, ratio, flag, ROUNDING)

    def _holds(
        self, session: Session, guarded: Shared, variances: Shared, carried: Shared | None = None
    ) -> Shared:
        """Whether all guarded counts and all variances are large enough, and what is carried is not below 0."""
        least = [self.limits.threshold] * guarded.size + [LEAST_VARIANCE] * variances.size
        both = [guarded, variances]
        if carried is not None:
            least, both = [*least, *[0] * carried.size], [*both, carried]
        return all_at_least(session, concatenate(both), np.array(least, dtype=np.int64), SUM_BITS + 1)


def _check_form(form: TestForm) -> None:
    """Refuse exponents that shares have no operation for.

    Raises:
        InvalidRequestError: another exponent than 0 or 1.
    """
    for name, value in (("p", form.p), ("q", form.q)):
        if value not in {0, 1}:
            reason = "must be 0 or 1 for an exact test: other powers of a curve have no operation on shares"
            raise InvalidRequestError(parameter=name, reason=reason)


def _is_weighted(form: TestForm) -> bool:
    return form.weightings not in {"log-rank", "fleming-harrington"} or bool(form.p or form.q)


def _is_plain(form: TestForm, n_groups: int) -> bool:
    return not _is_weighted(form) and not (form.trend and n_groups > GROUPS)


def _has_curve(form: TestForm) -> bool:
    return _is_weighted(form) and form.weightings != "wilcoxon"


def _n_steps(time: NumericColumn) -> int:
    return time.grid_upper - time.grid_lower + 1


def _n_known(column: GroupColumn) -> int:
    return sum(label is not None for label in labels_of(column))


def _bits(limits: Limits) -> int:
    return max(_FEWEST_BITS, (limits.n_sites * limits.rows_max).bit_length())

"""The log-rank test of equal survival in groups, on a declared grid.

Layer:       analytics.statistics.survival above counts and life_tables.
Terms:       in each interval of the grid, each stratum and each group: d events and c censorings.
Guarantees:  exact: the table stays hidden, see life_tables.exact_log_rank. Private: events and censorings of all strata,
             groups and intervals are one release, from which statistic and p-value follow; see
             life_tables.log_rank_cells. Rows without a known time, event, group or stratum are left out.
Visible to:  the analyst: exact: the rounded statistic and one bit; private: the cells with noise.
See instead: curves (kaplan_meier); the test from a table that is already released (survival_table).
Source:      see life_tables.log_rank_cells.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Final, Self

import numpy as np

from analytics.errors import InvalidRequestError
from analytics.schema import NumericColumn
from analytics.sql.grouping import labels_of
from analytics.statistics.arguments import Arguments, Parameter, chosen_groups
from analytics.statistics.base import BOTH
from analytics.statistics.counts import CountStatistic
from analytics.statistics.grids import coarser
from analytics.statistics.life_tables.exact_log_rank import ExactLogRank
from analytics.statistics.life_tables.log_rank_answer import LogRankAnswer
from analytics.statistics.life_tables.log_rank_cells import WEIGHTINGS, TestForm, noisy_test

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.schema import Table
    from analytics.sql.query import BoundQuery, GroupColumn
    from analytics.statistics.base import Ints, Limits, Mode, Step
    from analytics.statistics.uncertainty.noise_law import NoiseLaw

MAX_INTERVALS: Final = 60
MAX_GROUPS: Final = 20
MAX_STRATA: Final = 20
_FEWEST_GROUPS: Final = 2
_KEYS: Final = 3  # group, time and event


@dataclass(frozen=True, kw_only=True)
class LogRank(CountStatistic):
    """The test; the keys are the stratum, if any, group, gridded time and event.

    Attributes:
        chosen: positions of the compared groups, in the order asked.
        form: which test.
        exact: the test in exact mode.
    """

    name: ClassVar[str] = "log_rank"
    summary: ClassVar[str] = "log-rank test of survival in groups on a declared grid"
    modes: ClassVar = BOTH
    promoted: ClassVar = BOTH
    parameters: ClassVar = (
        Parameter(name="duration", meaning="a numeric column with declared bins: the time"),
        Parameter(name="event", meaning="true where the event was seen, false where the time was censored"),
        Parameter(name="by", meaning="a column with public groups"),
        Parameter(
            name="groups", meaning="the groups to compare, exact two to five; all by default", default=None
        ),
        Parameter(
            name="grid",
            meaning="edges of the declared bins that make the intervals; exact: by default each step of the resolution",
            default=None,
        ),
        Parameter(
            name="strata", meaning="a column with public groups: compared within each alone", default=None
        ),
        Parameter(name="weightings", meaning=", ".join(WEIGHTINGS), default=WEIGHTINGS[0]),
        Parameter(
            name="p", meaning="exponent of fleming-harrington: of the curve before; exact 0 or 1", default=0
        ),
        Parameter(
            name="q", meaning="exponent of fleming-harrington: of 1 less the curve; exact 0 or 1", default=0
        ),
        Parameter(
            name="trend", meaning="true: groups, in their order, have the scores 0, 1, 2, ...", default=False
        ),
    )
    chosen: tuple[int, ...]
    form: TestForm
    exact: ExactLogRank | None = None

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """See ``Statistic``."""
        time = arguments.number_column("duration", table)
        event = arguments.flag_column("event", table)
        by = arguments.group_column("by", table)
        if by.name in {time.name, event.name}:
            raise InvalidRequestError(parameter="by", reason="must be another column than duration and event")
        strata = _strata_of(arguments, table, {time.name, event.name, by.name})
        chosen = chosen_groups(by, arguments)
        if not _FEWEST_GROUPS <= len(chosen) <= MAX_GROUPS:
            raise InvalidRequestError(parameter="groups", reason=f"must be 2 to {MAX_GROUPS} groups")
        form, exact = form_of(arguments), None
        if mode == "exact":
            stratum = strata[0][1] if strata else None
            exact = ExactLogRank.bind(arguments, (by, time, event), stratum, chosen, form, limits)
        else:
            time = replace(time, bins=coarser(arguments, time, "duration", MAX_INTERVALS))
        keys = (*strata, ("by", by), ("duration", time), ("event", event))
        return cls(table=table, mode=mode, limits=limits, keys=keys, chosen=chosen, form=form, exact=exact)

    @property
    def query(self) -> BoundQuery | None:  # type: ignore[override]  # an exact test reads rows
        """The counts of a private test."""
        return super().query if self.exact is None else None

    @property
    def columns(self) -> tuple[str, ...]:
        """Those of an exact test."""
        return () if self.exact is None else self.exact.columns

    def every_step(self) -> tuple[Step]:
        """One opening to the analyst."""
        return super().every_step() if self.exact is None else (self.exact.step(),)

    @property
    def places(self) -> tuple[int, ...]:
        """The cells of the compared groups: of each interval the censorings, then the events."""
        cells = np.arange(int(np.prod(self.shape))).reshape(-1, *self.shape[-3:])
        chosen = cells[: self.n_strata, list(self.chosen), : self.n_intervals, :2]
        return tuple(int(place) for place in chosen.ravel())

    @property
    def n_strata(self) -> int:
        """Strata with a name; 1 where none were asked for."""
        if len(self.keys) == _KEYS:
            return 1
        return sum(label is not None for label in self.groups[0].labels)

    @property
    def n_intervals(self) -> int:
        """Of the grid."""
        time = self.keys[-2][1]
        return len(time.bins) - 1 if isinstance(time, NumericColumn) else 0

    @property
    def labels(self) -> tuple[str, ...]:
        """Of the compared groups."""
        return tuple(str(self.groups[-3].labels[place]) for place in self.chosen)

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        named = {argument: column.name for argument, column in self.keys}
        time = self.keys[-2][1]
        edges = time.bins if isinstance(time, NumericColumn) else ()
        form = self.form
        return {
            **named,
            "groups": list(self.labels),
            "grid": [str(edge) for edge in edges],
            "weightings": form.weightings,
            "exponents": [str(form.p), str(form.q)],
            "trend": form.trend,
            **({} if self.exact is None else self.exact.describe()),
        }

    def estimate(self, opened: Sequence[Ints], noise: Sequence[NoiseLaw]) -> LogRankAnswer:
        """See ``Statistic``."""
        if self.exact is not None:
            return self.exact.answer(opened[0])
        (values,), (law,) = opened, noise
        shape = self.n_strata, len(self.chosen), self.n_intervals, 2
        found = noisy_test((values / law.weight).reshape(shape), law, self.form, (values,))
        return LogRankAnswer(
            statistic=found.statistic,
            pvalue=found.pvalue,
            dof=self.form.degrees(len(self.chosen)),
            labels=self.labels,
            n=found.n,
            observed=found.observed,
            expected=found.expected,
            noise_sd=law.sd,
        )


def form_of(arguments: Arguments) -> TestForm:
    """The form that its arguments name.

    Raises:
        InvalidRequestError: an argument is of another kind or out of range.
    """
    exponents = {}
    for name in ("p", "q"):
        found = arguments.one_or_more_numbers(name)
        if len(found) > 1:
            raise InvalidRequestError(parameter=name, reason="must be one number")
        exponents[name] = float(found[0])
    return TestForm(weightings=arguments.text("weightings"), trend=arguments.flag("trend"), **exponents)


def _strata_of(arguments: Arguments, table: Table, others: set[str]) -> tuple[tuple[str, GroupColumn], ...]:
    """The key of the argument ``strata``, if it is given."""
    if not arguments.is_given("strata"):
        return ()
    column = arguments.group_column("strata", table)
    if column.name in others:
        raise InvalidRequestError(parameter="strata", reason="must be another column than the others")
    if not 1 <= sum(label is not None for label in labels_of(column)) <= MAX_STRATA:
        raise InvalidRequestError(parameter="strata", reason=f"must have at most {MAX_STRATA} groups")
    return (("strata", column),)

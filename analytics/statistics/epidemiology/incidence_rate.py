"""Incidence rates: events over person-time, in each group of a column, with ratios and differences of rates.

Layer:       analytics.statistics.tables above row_sums and delta_method.
Terms:       *person-time* is the sum of ``duration`` over rows that have all columns. Ratios and differences are those of the
             first group and each other one.
Guarantees:  exact: the interval of a rate is the exact Poisson one (Garwood), of a ratio that of its logarithm, of a difference
             Wald's, as ``statsmodels.stats.rates`` (``exact-c``, ``wald-log``, ``wald``). ``statistic`` is the score test of
             one rate in all groups; the p-value is its chi-square tail, and of two groups the exact conditional one
             (``exact-cond``). Events and person-time of all groups open, or nothing does, by one flag: whether in each group
             those with the event, those without it, those off each bound of ``duration``, what its sum tells, and each of the
             first two with each of the third reach the threshold. Private: one release; intervals hold sampling and noise,
             and the p-value is a parametric bootstrap over the mechanism with one rate, seeded by the answer.
Visible to:  the analyst: events and person-time of each group.
See instead: when the events come (survival_table, kaplan_meier); rates by age (standardised_rate).
Source:      Breslow, Day 1987, chapter 2; Garwood 1936; Przyborowski, Wilenski 1940; the noise's term is ours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Self

import numpy as np
import numpy.typing as npt

from analytics.errors import InvalidRequestError, PlanRejectedError
from analytics.sql.terms.expressions import ColumnIndex, Flag, Integer, TruthValue
from analytics.statistics.arguments import Arguments, Parameter, check_one_row_a_unit
from analytics.statistics.base import BOTH
from analytics.statistics.blocks import BlockSpec, Measure, all_known
from analytics.statistics.comparisons.row_sums import RowSums
from analytics.statistics.epidemiology.poisson_ratio import PoissonRatio
from analytics.statistics.figure_table import UNDEFINED, TableAnswer
from analytics.statistics.guards.value_guards import alone, atoms, counted
from analytics.statistics.uncertainty.bounded import FEW
from analytics.statistics.uncertainty.delta_method import Figure
from analytics.statistics.uncertainty.distributions import chi_square_tail, rates_test
from analytics.statistics.uncertainty.noise_law import simulation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.schema import BooleanColumn, NumericColumn, Table
    from analytics.sql.query import GroupColumn
    from analytics.sql.terms.expressions import Condition
    from analytics.statistics.base import Ints, Limits, Mode
    from analytics.statistics.uncertainty.noise_law import NoiseLaw

Floats = npt.NDArray[np.float64]
REPLICATES: Final = 1_999
MAX_GROUPS: Final = 100
_TWO: Final = 2


@dataclass(frozen=True, kw_only=True)
class IncidenceRate(RowSums):
    """The rates.

    Attributes:
        duration: the time that each row adds.
        event: whether it ended in an event.
    """

    name: ClassVar[str] = "incidence_rate"
    summary: ClassVar[str] = "events over person-time by a group, with ratios and differences of rates"
    modes: ClassVar = BOTH
    promoted: ClassVar = BOTH
    parameters: ClassVar = (
        Parameter(name="duration", meaning="a numeric column: the time at risk"),
        Parameter(name="event", meaning="a true-or-false column"),
        Parameter(name="by", meaning="a column with public groups; the first one is compared", default=None),
    )
    duration: NumericColumn
    event: BooleanColumn

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """See ``Statistic``."""
        check_one_row_a_unit(table, cls.name)
        duration, event = arguments.number_column("duration", table), arguments.flag_column("event", table)
        by = arguments.group_column("by", table) if arguments.is_given("by") else None
        if duration.lower < 0:
            reason = f"{duration.name} must have a lower bound of at least 0: it is a time"
            raise PlanRejectedError(position="duration", reason=reason)
        if by is not None and by.name in {duration.name, event.name}:
            raise InvalidRequestError(parameter="by", reason="must be another column")
        bound = cls(table=table, mode=mode, limits=limits, duration=duration, event=event, by=by)
        if len(bound.labels) > MAX_GROUPS:
            raise InvalidRequestError(parameter="by", reason=f"makes more than {MAX_GROUPS} groups")
        return bound

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        found: dict[str, object] = {"duration": self.duration.name, "event": self.event.name}
        return found if self.by is None else {**found, "by": self.by.name}

    @property
    def read(self) -> tuple[GroupColumn, ...]:
        """See ``RowSums``."""
        return self.duration, self.event

    @property
    def dimensions(self) -> tuple[str, ...]:
        """The event, which is counted, and the groups."""
        return self.event.name, *super().dimensions

    @property
    def sum_clamps(self) -> tuple[int, ...]:
        """See ``RowSums``."""
        return self.limits.rows_max, self.limits.rows_max * max(1, self.duration.grid_upper)

    def sums_of(self, values: Ints) -> list[int]:
        """Events and time."""
        return [int(values[:, 1].sum()), int(values[:, 0].sum())]

    def tested_of(self, values: Ints) -> list[int]:
        """See the module."""
        times, ended = values[:, 0], values[:, 1] == 1
        levels, off = [ended, ~ended], atoms(self.duration, times)
        sets = [np.ones(times.shape, dtype=np.bool_), *levels, *off, *alone(self.duration, times)]
        found = counted([*sets, *(one & other for one in levels for other in off)])
        return [int(each) for each in found]

    @property
    def known(self) -> Condition | None:
        """Rows that have both."""
        return all_known(self._arguments)

    @property
    def figures(self) -> tuple[BlockSpec, ...]:
        """Events and time."""
        time, event = self._arguments
        return (
            BlockSpec(measure=Measure.SUM, argument=event),
            BlockSpec(measure=Measure.SUM, argument=time),
        )

    @property
    def _arguments(self) -> tuple[Integer, Integer]:
        column = self.duration
        time = ColumnIndex(name=column.name, lower=column.grid_lower, upper=column.grid_upper)
        return time, TruthValue(condition=Flag(name=self.event.name))

    def closed_answer(self, reason: str) -> TableAnswer:
        """See ``RowSums``."""
        return TableAnswer(names=self._names, labels=self._groups, closed=reason)

    def answer(self, sums: Floats, noise: Sequence[NoiseLaw], opened: Ints) -> TableAnswer:
        """See ``RowSums``; ``tests`` holds events and person-time of each group."""
        unit, sds = float(self.duration.resolution), [law.sd for law in noise] or [0.0, 0.0]
        events, times = sums[:, 0].astype(np.float64), unit * sums[:, 1].astype(np.float64)
        sds[1] *= unit
        counts: dict[str, float | None] = {}
        figures: dict[str, Figure] = {}
        rates = []
        for place, label in enumerate(self.labels):
            counts |= {
                _named("events", label): float(events[place]),
                _named("time", label): float(times[place]),
            }
            rates.append(_rate(float(events[place]), float(times[place]), sds[0], sds[1]))
            figures[_named("rate", label)] = rates[-1]
        first = self.labels[0]
        for place, label in enumerate(self.labels[1:], start=1):
            pair = [(float(events[each]), float(times[each])) for each in (0, place)]
            figures[f"ratio[{first}, {label}]"] = _ratio(rates[0], rates[place])
            figures[f"difference[{first}, {label}]"] = _difference(pair, sds)
        if not noise and (times <= 0).any():
            return self.closed_answer(UNDEFINED)
        is_compared = len(self.labels) > 1
        statistic = float(_score(events, times)) if is_compared else None
        pvalue = self._pvalue(statistic, events, times, sds, opened, noise) if statistic is not None else None
        return TableAnswer(
            statistic=statistic,
            pvalue=pvalue,
            dof=len(self.labels) - 1 if is_compared else None,
            tests=counts,
            figures=figures,
            names=self._names,
            labels=self._groups,
            noise_sd=sds[0],
        )

    def _pvalue(
        self,
        statistic: float,
        events: Floats,
        times: Floats,
        sds: Sequence[float],
        opened: Ints,
        noise: Sequence[NoiseLaw],
    ) -> float:
        if not noise:
            if len(events) == _TWO:
                return rates_test(int(events[0]), int(events[1]), float(times[0] / times.sum()))
            return chi_square_tail(statistic, len(events) - 1)
        generator = simulation(opened)
        known = np.maximum(times, sds[1])
        rate = max(float(events.sum()), 0.0) / float(known.sum())
        drawn = generator.poisson(rate * known, size=(REPLICATES, len(known))).astype(np.float64)
        unit = float(self.duration.resolution)
        noisy = drawn + noise[0].normal(drawn.shape, generator)
        durations = known + unit * noise[1].normal(drawn.shape, generator)
        found = _score(noisy, durations, sds[1])
        least = float(_score(events, times, sds[1]))
        return float(1 + np.count_nonzero(found >= least)) / (1 + REPLICATES)

    @property
    def _names(self) -> tuple[str, ...]:
        return () if self.by is None else (self.by.name,)

    @property
    def _groups(self) -> tuple[tuple[str, ...], ...]:
        return () if self.by is None else (self.labels,)


def _named(figure: str, label: str) -> str:
    return f"{figure}[{label}]" if label else figure


def _rate(events: float, time: float, events_sd: float, time_sd: float) -> Figure:
    """One rate; with noise its interval is that of the logarithm."""
    if events_sd == 0:
        if time <= 0:
            return Figure(value=None)
        error = 1 / math.sqrt(events) if events > 0 else None
        return PoissonRatio(
            value=events / time,
            sampling_error=error,
            noise_error=0.0,
            kind="ratio",
            cases=events,
            expected=time,
        )
    if events < FEW * events_sd or time < FEW * time_sd:
        return Figure(value=None, kind="ratio")
    noise = math.hypot(events_sd / events, time_sd / time)
    return Figure(value=events / time, sampling_error=1 / math.sqrt(events), noise_error=noise, kind="ratio")


def _ratio(first: Figure, second: Figure) -> Figure:
    """Of two rates; None where one of them has no logarithm."""
    errors = (first.sampling_error, first.noise_error, second.sampling_error, second.noise_error)
    if first.value is None or second.value is None or None in errors:
        return Figure(value=None, kind="ratio")
    one, one_noise, other, other_noise = (float(each or 0.0) for each in errors)
    return Figure(
        value=first.value / second.value,
        sampling_error=math.hypot(one, other),
        noise_error=math.hypot(one_noise, other_noise),
        kind="ratio",
    )


def _difference(pair: Sequence[tuple[float, float]], sds: Sequence[float]) -> Figure:
    """Of two rates, by Wald."""
    if any(time <= 0 or time < FEW * sds[1] for _, time in pair):
        return Figure(value=None)
    (one, first), (other, second) = pair
    sampling = math.hypot(*(math.sqrt(max(events, 0.0)) / time for events, time in pair))
    noise = math.hypot(*(math.hypot(sds[0], events / time * sds[1]) / time for events, time in pair))
    return Figure(value=one / first - other / second, sampling_error=sampling, noise_error=noise)


def _score(events: Floats, times: Floats, least: float = 0.0) -> Floats:
    """Squared distances of events and those that one rate leads to expect; the groups along the last axis."""
    known = np.maximum(times, least)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = known / known.sum(axis=-1, keepdims=True)
    total = np.maximum(events.sum(axis=-1, keepdims=True), 0.5)
    expected = np.maximum(total * share, 1e-12)
    found: Floats = ((events - expected) ** 2 / expected).sum(axis=-1)
    return found

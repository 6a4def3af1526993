"""The log-rank test of equal survival in groups, on a declared grid.

Layer:       analytics.statistics.survival above counts and hidden_log_rank.
Terms:       in each interval of the grid and each group: d events, c censorings, n at risk at its start; censorings of
             an interval follow its events, and all rows that are left in the last interval leave with it.
Guarantees:  exact, of two groups: the table stays hidden; the statistic alone opens, rounded on shares to three significant
             digits, and its p-value follows from that. It opens where both groups' people and events reach the threshold;
             of a table of up to 20 cells every cell has to. Intervals are the steps of the declared resolution, or those
             of ``grid``. Private: events and censorings of all groups and intervals are one release, from which statistic
             and p-value follow. The p-value is a parametric bootstrap over the mechanism under one hazard for all groups,
             each with its own censoring, seeded by the answer; no classical p-value is given. Noisy counts below 0 count
             as 0; where nothing can be compared the statistic is 0. Rows without a known time, event or group are left out.
Visible to:  the analyst: exact: the rounded statistic and one bit; private: the cells with noise.
See instead: curves (kaplan_meier); the statistic on shares (hidden_log_rank).
Source:      Mantel 1966; hypergeometric variance of ties. Parametric bootstrap over a noise mechanism: Gaboardi et al.
             1602.03090.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Final, Self

import numpy as np
import numpy.typing as npt

from analytics.errors import InvalidRequestError, PlanRejectedError
from analytics.schema import NumericColumn
from analytics.statistics.arguments import Arguments, Parameter, chosen_groups
from analytics.statistics.base import BOTH, MINIMUM_CELL, Answer, Step
from analytics.statistics.counts import CountStatistic
from analytics.statistics.distributions import chi_square_tail
from analytics.statistics.grids import coarser
from analytics.statistics.group_moments import group_places
from analytics.statistics.noise_law import simulation
from analytics.statistics.revealed import SMALL_TABLE, rounded, value_of
from analytics.statistics.survival.hidden_log_rank import (
    LEAST_VARIANCE,
    SUM_BITS,
    group_totals,
    log_rank_ratio,
    score_and_variance,
)
from smpc.operations.arithmetic import concatenate, reshape, take
from smpc.operations.comparison import at_least
from smpc.operations.numeric.quotients import MOST_BITS
from smpc.operations.numeric.significant import Rounding

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.random import Generator  # noqa: TID251  a simulation after the opening

    from analytics.schema import Table
    from analytics.sql.query import BoundQuery
    from analytics.statistics.base import Ints, Limits, Mode
    from analytics.statistics.noise_law import NoiseLaw
    from smpc.session import Session
    from smpc.sharing import Shared

Floats = npt.NDArray[np.float64]
MAX_INTERVALS: Final = 60
MAX_TIMES: Final = 8_192  # of an exact test
ROUNDING: Final = Rounding(digits=3, places=4, decades=7)
MAX_GROUPS: Final = 20
REPLICATES: Final = 1_999
_FEWEST_GROUPS: Final = 2
_FEWEST_BITS: Final = 5
_TINY: Final = 1e-9


@dataclass(frozen=True, kw_only=True)
class LogRankAnswer(Answer):
    """The test.

    Attributes:
        statistic: chi-square: private of the noisy counts; exact rounded to three digits; None where it is closed.
        pvalue: private: from the bootstrap; exact: the upper tail at the rounded statistic.
        dof: groups less one.
        labels: of the groups.
        n: private: rows of each group, with noise.
        observed: private: events of each group, with noise, none below 0.
        expected: private: events under one hazard for all.
        noise_sd: standard deviation of the noise on each cell; 0 in exact mode.
    """

    statistic: float | None
    pvalue: float | None
    dof: int
    labels: tuple[str, ...]
    n: tuple[float, ...] = ()
    observed: tuple[float, ...] = ()
    expected: tuple[float, ...] = ()
    noise_sd: float = 0.0

    @property
    def frame(self) -> pd.DataFrame:
        """One row a group; of an exact test one row with the statistic."""
        import pandas as pd

        if not self.n:
            found = {"statistic": [self.statistic], "dof": [self.dof], "pvalue": [self.pvalue]}
            return pd.DataFrame(found, dtype="Float64")
        columns = {"n": self.n, "observed": self.observed, "expected": self.expected}
        return pd.DataFrame(columns, index=list(self.labels), dtype="Float64")

    def values(self) -> dict[str, object]:
        """Its fields as plain data."""
        return {
            "statistic": self.statistic,
            "pvalue": self.pvalue,
            "dof": self.dof,
            "groups": list(self.labels),
            "n": list(self.n),
            "observed": list(self.observed),
            "expected": list(self.expected),
            "noise_sd": self.noise_sd,
        }


@dataclass(frozen=True, kw_only=True)
class LogRank(CountStatistic):
    """The test; the keys are group, gridded time and event.

    Attributes:
        chosen: positions of the compared groups, in the order asked.
        has_steps: the intervals are the steps of the time's resolution, not its bins; exact mode alone.
    """

    name: ClassVar[str] = "log_rank"
    summary: ClassVar[str] = "log-rank test of survival in groups on a declared grid"
    modes: ClassVar = BOTH
    promoted: ClassVar = BOTH
    parameters: ClassVar = (
        Parameter(name="duration", meaning="a numeric column with declared bins: the time"),
        Parameter(name="event", meaning="true where the event was seen, false where the time was censored"),
        Parameter(name="by", meaning="a column with public groups"),
        Parameter(name="groups", meaning="the groups to compare; exact: two; all by default", default=None),
        Parameter(
            name="grid",
            meaning="edges of the declared bins that make the intervals; exact: by default the steps of the resolution",
            default=None,
        ),
    )
    chosen: tuple[int, ...]
    has_steps: bool = False

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """See ``Statistic``."""
        time = arguments.number_column("duration", table)
        event = arguments.flag_column("event", table)
        by = arguments.group_column("by", table)
        if by.name in {time.name, event.name}:
            raise InvalidRequestError(parameter="by", reason="must be another column than duration and event")
        chosen = chosen_groups(by, arguments)
        if not _FEWEST_GROUPS <= len(chosen) <= MAX_GROUPS:
            raise InvalidRequestError(parameter="groups", reason=f"must be 2 to {MAX_GROUPS} groups")
        has_steps = mode == "exact" and not arguments.is_given("grid") and _n_steps(time) <= MAX_TIMES
        if mode == "exact":
            _check_exact(by.name, chosen, limits)
        if not has_steps:
            most = MAX_TIMES if mode == "exact" else MAX_INTERVALS
            time = replace(time, bins=coarser(arguments, time, "duration", most))
        keys = (("by", by), ("duration", time), ("event", event))
        return cls(table=table, mode=mode, limits=limits, keys=keys, chosen=chosen, has_steps=has_steps)

    @property
    def query(self) -> BoundQuery | None:  # type: ignore[override]  # an exact one reads rows
        """The counts of a private test."""
        return super().query if self.mode == "private" else None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of an exact test, whose table each site counts itself."""
        return tuple(column.name for _, column in self.keys) if self.mode == "exact" else ()

    @property
    def places(self) -> tuple[int, ...]:
        """The cells of the compared groups: of each interval the censorings, then the events."""
        cells = np.arange(int(np.prod(self.shape))).reshape(self.shape)
        return tuple(int(place) for place in cells[list(self.chosen), : self.n_intervals, :2].ravel())

    @property
    def n_intervals(self) -> int:
        """Of the grid."""
        time = self._time
        return _n_steps(time) if self.has_steps else len(time.bins) - 1

    @property
    def _time(self) -> NumericColumn:
        time = self.keys[1][1]
        assert isinstance(time, NumericColumn)  # noqa: S101  bind has checked it
        return time

    @property
    def labels(self) -> tuple[str, ...]:
        """Of the compared groups."""
        return tuple(str(self.groups[0].labels[place]) for place in self.chosen)

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        named = {argument: column.name for argument, column in self.keys}
        grid = [] if self.has_steps else [str(edge) for edge in self._time.bins]
        found = {**named, "groups": list(self.labels), "grid": grid}
        if self.mode == "private":
            return found
        return {**found, "times": self.n_intervals, "digits": ROUNDING.digits, "places": ROUNDING.places}

    def every_step(self) -> tuple[Step]:
        """One opening to the analyst: private the cells; exact the rounded statistic and one bit."""
        if self.mode == "private":
            return super().every_step()
        step = Step(
            name="statistic of a hidden table, rounded to three digits",
            to="analyst",
            clamps=(self.limits.rows_max,) * (2 * _FEWEST_GROUPS * self.n_intervals),
            local=self._table,
            joint=self._hidden,
            n_values=1,
            n_flags=1,
            has_products=True,
        )
        return (step,)

    def _table(self, rows: Ints) -> Ints:
        """One site's censorings and events: group by group, time by time."""
        groups = group_places(self.keys[0][1], rows[:, 1])
        times = rows[:, 2] - self._time.grid_lower if self.has_steps else group_places(self._time, rows[:, 2])
        found = np.zeros((len(self.chosen), self.n_intervals, 2), dtype=np.int64)
        for place, group in enumerate(self.chosen):
            is_own = groups == group
            np.add.at(found[place], (times[is_own], rows[is_own, 3]), 1)
        return found.ravel()

    def _hidden(self, session: Session, cells: Shared) -> Shared:
        """The rounded statistic and its bit."""
        table = reshape(cells, (_FEWEST_GROUPS, self.n_intervals, 2))
        sums = score_and_variance(session, table, _bits(self.limits))
        guarded = cells if cells.size <= SMALL_TABLE else group_totals(table)
        least = np.array([self.limits.threshold] * guarded.size + [LEAST_VARIANCE], dtype=np.int64)
        flags = at_least(session, concatenate([guarded, take(sums, [1])]), least, SUM_BITS + 1)
        return rounded(session, log_rank_ratio(session, sums), flags, ROUNDING)

    def estimate(self, opened: Sequence[Ints], noise: Sequence[NoiseLaw]) -> LogRankAnswer:
        """See ``Statistic``."""
        if self.mode == "exact":
            return self._revealed(opened[0])
        (values,), (law,) = opened, noise
        cells = (values / law.weight).reshape(1, len(self.chosen), self.n_intervals, 2)
        statistics, expected = log_rank_of(cells)
        statistic = float(statistics[0])
        drawn = _under_one_hazard(cells[0], REPLICATES, simulation(values))
        noisy = drawn + law.draw(drawn.size, simulation(values, values)).reshape(drawn.shape)
        farther = int(np.count_nonzero(log_rank_of(noisy)[0] >= statistic))
        known = np.maximum(cells[0], 0.0)
        return LogRankAnswer(
            statistic=statistic,
            pvalue=(1 + farther) / (1 + REPLICATES),
            dof=len(self.chosen) - 1,
            labels=self.labels,
            n=tuple(cells[0].sum(axis=(1, 2)).tolist()),
            observed=tuple(known[..., 1].sum(axis=1).tolist()),
            expected=tuple(expected[0].tolist()),
            noise_sd=law.sd,
        )

    def _revealed(self, opened: Ints) -> LogRankAnswer:
        """From the rounded statistic alone."""
        statistic = value_of(opened, ROUNDING)
        return LogRankAnswer(
            statistic=statistic,
            pvalue=None if statistic is None else chi_square_tail(statistic, 1),
            dof=1,
            labels=self.labels,
            closed=MINIMUM_CELL if statistic is None else "",
        )


def _n_steps(time: NumericColumn) -> int:
    return time.grid_upper - time.grid_lower + 1


def _bits(limits: Limits) -> int:
    return max(_FEWEST_BITS, (limits.n_sites * limits.rows_max).bit_length())


def _check_exact(by: str, chosen: Sequence[int], limits: Limits) -> None:
    if len(chosen) != _FEWEST_GROUPS:
        reason = (
            f"must name two groups of {by}: an exact test of {len(chosen)} would need a matrix to be inverted on "
            "shares, which no operation does; a private one takes them"
        )
        raise InvalidRequestError(parameter="groups", reason=reason)
    if _bits(limits) > MOST_BITS:
        reason = (
            f"allows {limits.n_sites * limits.rows_max} rows at all sites: at most {(1 << MOST_BITS) - 1}"
        )
        raise PlanRejectedError(position="table", reason=reason, hint="declare a smaller rows_max")


def log_rank_of(cells: Floats) -> tuple[Floats, Floats]:
    """The statistic and the expected events of each of some tables.

    Args:
        cells: censorings and events, shape ``(n, groups, intervals, 2)``; those below 0 count as 0.

    Returns:
        Shapes ``(n,)`` and ``(n, groups)``.
    """
    known = np.maximum(cells, 0.0)
    events = known[..., 1]
    at_risk = np.cumsum(known.sum(axis=-1)[..., ::-1], axis=-1)[..., ::-1]
    d, n = events.sum(axis=1), at_risk.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = np.where(n[:, None] > 0, at_risk / n[:, None], 0.0)
        ties = np.where(n > 1, d * (n - d) / (n - 1), 0.0)
    expected = (d[:, None] * shares).sum(axis=-1)
    apart = (events.sum(axis=-1) - expected)[:, :-1]
    first = shares[:, :-1]
    count = first.shape[1]
    covariance = -np.einsum("rgi,rhi,ri->rgh", first, first, ties)
    covariance[:, range(count), range(count)] += (first * ties[:, None]).sum(axis=-1)
    inverse = np.linalg.pinv(covariance, rcond=_TINY, hermitian=True)
    return np.einsum("rg,rgh,rh->r", apart, inverse, apart), expected


def _under_one_hazard(cells: Floats, size: int, generator: Generator) -> Floats:
    """So many tables of groups of the same sizes and censorings, with the events of one hazard for all."""
    known = np.maximum(cells, 0.0)
    events, censored = known[..., 1], known[..., 0]
    at_risk = np.cumsum((events + censored)[:, ::-1], axis=-1)[:, ::-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        hazard = np.nan_to_num(np.clip(events.sum(axis=0) / at_risk.sum(axis=0), 0, 1))
        leaving = np.nan_to_num(np.clip(censored / (at_risk - events), 0, 1))
    leaving[:, -1] = 1.0
    left = np.broadcast_to(np.rint(at_risk[:, 0]).astype(np.int64), (size, len(cells)))
    drawn = np.empty((size, *cells.shape))
    for interval in range(cells.shape[1]):
        died = generator.binomial(left, hazard[interval])
        gone = generator.binomial(left - died, leaving[:, interval])
        drawn[:, :, interval, 1], drawn[:, :, interval, 0] = died, gone
        left = left - died - gone
    return drawn

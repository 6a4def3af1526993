"""The log-rank test of equal survival in groups, on a declared grid, in private mode.

Layer:       analytics.statistics.survival above counts.
Terms:       in each interval of the grid and each group: d events, c censorings, n at risk at its start; censorings of
             an interval follow its events, and all rows that are left in the last interval leave with it.
Guarantees:  private alone: events and censorings of all groups and intervals are one release, from which statistic and
             p-value follow. The p-value is a parametric bootstrap over the mechanism under one hazard for all groups, each
             with its own censoring, seeded by the answer; no classical p-value is given. Noisy counts below 0 count as 0;
             where nothing can be compared the statistic is 0. Rows without a known time, event or group are left out.
Visible to:  the analyst: the cells with noise.
See instead: curves (kaplan_meier). An exact test would have to keep its table hidden and round the statistic on shares,
             which no operation does yet.
Source:      Mantel 1966; hypergeometric variance of ties. Parametric bootstrap over a noise mechanism: Gaboardi et al.
             1602.03090.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Final, Self

import numpy as np
import numpy.typing as npt

from analytics.errors import InvalidRequestError
from analytics.schema import NumericColumn
from analytics.statistics.arguments import Arguments, Parameter, chosen_groups
from analytics.statistics.base import PRIVATE, Answer
from analytics.statistics.counts import CountStatistic
from analytics.statistics.grids import coarser
from analytics.statistics.noise_law import simulation

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.random import Generator  # noqa: TID251  a simulation after the opening

    from analytics.schema import Table
    from analytics.statistics.base import Ints, Limits, Mode
    from analytics.statistics.noise_law import NoiseLaw

Floats = npt.NDArray[np.float64]
MAX_INTERVALS: Final = 60
MAX_GROUPS: Final = 20
REPLICATES: Final = 1_999
_FEWEST_GROUPS: Final = 2
_TINY: Final = 1e-9


@dataclass(frozen=True, kw_only=True)
class LogRankAnswer(Answer):
    """The test.

    Attributes:
        statistic: chi-square of the noisy counts.
        pvalue: from the bootstrap.
        dof: groups less one.
        labels: of the groups.
        n: rows of each group, with noise.
        observed: events of each group, with noise, none below 0.
        expected: events under one hazard for all.
        noise_sd: standard deviation of the noise on each cell.
    """

    statistic: float
    pvalue: float
    dof: int
    labels: tuple[str, ...]
    n: tuple[float, ...]
    observed: tuple[float, ...]
    expected: tuple[float, ...]
    noise_sd: float

    @property
    def frame(self) -> pd.DataFrame:
        """One row a group."""
        import pandas as pd

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
    """

    name: ClassVar[str] = "log_rank"
    summary: ClassVar[str] = "log-rank test of survival in groups on a declared grid"
    modes: ClassVar = PRIVATE
    promoted: ClassVar = PRIVATE
    no_exact: ClassVar[str] = (
        "must be private: an exact test keeps its table hidden and rounds the statistic on shares, which no operation "
        "does yet"
    )
    parameters: ClassVar = (
        Parameter(name="duration", meaning="a numeric column with declared bins: the time"),
        Parameter(name="event", meaning="true where the event was seen, false where the time was censored"),
        Parameter(name="by", meaning="a column with public groups"),
        Parameter(name="groups", meaning="the groups to compare; all by default", default=None),
        Parameter(
            name="grid", meaning="edges of the declared bins that make coarser intervals", default=None
        ),
    )
    chosen: tuple[int, ...]

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """See ``Statistic``."""
        time = arguments.number_column("duration", table)
        event = arguments.flag_column("event", table)
        by = arguments.group_column("by", table)
        if by.name in {time.name, event.name}:
            raise InvalidRequestError(parameter="by", reason="must be another column than duration and event")
        gridded = replace(time, bins=coarser(arguments, time, "duration", MAX_INTERVALS))
        chosen = chosen_groups(by, arguments)
        if not _FEWEST_GROUPS <= len(chosen) <= MAX_GROUPS:
            raise InvalidRequestError(parameter="groups", reason=f"must be 2 to {MAX_GROUPS} groups")
        keys = (("by", by), ("duration", gridded), ("event", event))
        return cls(table=table, mode=mode, limits=limits, keys=keys, chosen=chosen)

    @property
    def places(self) -> tuple[int, ...]:
        """The cells of the compared groups: of each interval the censorings, then the events."""
        cells = np.arange(int(np.prod(self.shape))).reshape(self.shape)
        return tuple(int(place) for place in cells[list(self.chosen), : self.n_intervals, :2].ravel())

    @property
    def n_intervals(self) -> int:
        """Of the grid."""
        time = self.keys[1][1]
        return len(time.bins) - 1 if isinstance(time, NumericColumn) else 0

    @property
    def labels(self) -> tuple[str, ...]:
        """Of the compared groups."""
        return tuple(str(self.groups[0].labels[place]) for place in self.chosen)

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        named = {argument: column.name for argument, column in self.keys}
        time = self.keys[1][1]
        edges = time.bins if isinstance(time, NumericColumn) else ()
        return {**named, "groups": list(self.labels), "grid": [str(edge) for edge in edges]}

    def estimate(self, opened: Sequence[Ints], noise: Sequence[NoiseLaw]) -> LogRankAnswer:
        """See ``Statistic``."""
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

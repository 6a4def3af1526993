"""Kaplan-Meier curves on a grid of declared intervals, in groups.

Layer:       analytics.statistics.survival above counts.
Terms:       in each interval of a group: d events, c censorings, n still at risk at its start. The curve after it is
             the product of ``1 - d / n`` up to it; times are gridded, and censorings of an interval follow its events.
Guarantees:  exact: in each group the first interval in which d, c or those left after it are below the threshold, and
             all after it, stay closed, on shares; no party learns which of them was small. After the last interval of
             the grid no unit can be left, which is public, so nothing is tested there. Private: d and c of all intervals
             are one release; the curve falls and stays between 0 and 1, and its intervals cover the curve without noise.
             Rows without a known time, event or group are left out.
See instead: medians between two edges of the grid, which are never given. Two exact curves on two grids differ like any
             two exact answers: what that tells is not prevented.
Source:      Kaplan, Meier 1958; Greenwood 1926; intervals on the scale of log(-log) as in Kalbfleisch and Prentice;
             docs/guarantees.md P8. Noise: delta method on the logarithm of the curve, ours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from statistics import NormalDist
from typing import TYPE_CHECKING, ClassVar, Final, Self

import numpy as np
import numpy.typing as npt

from analytics.errors import InvalidRequestError, PlanRejectedError
from analytics.schema import NumericColumn
from analytics.statistics.arguments import Arguments, Parameter
from analytics.statistics.base import BOTH, EXACT, MINIMUM_CELL, Answer
from analytics.statistics.bounded import FEW
from analytics.statistics.counts import CountStatistic
from analytics.statistics.grids import coarser
from analytics.statistics.survival_picture import survival_picture
from smpc.operations.arithmetic import concatenate, matmul_public, multiply, take
from smpc.operations.selection import all_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from fractions import Fraction

    import pandas as pd

    from analytics.pictures import Curves
    from analytics.schema import Table
    from analytics.statistics.base import Ints, Limits, Mode
    from analytics.statistics.noise_law import NoiseLaw
    from smpc.session import Session
    from smpc.sharing import Shared

Floats = npt.NDArray[np.float64]
MAX_INTERVALS: Final = 60
LEVEL: Final = 0.95
_WIDTH: Final = NormalDist().inv_cdf((1 + LEVEL) / 2)
_DTYPES: Final = {"group": "string", "too_few": "boolean"}


@dataclass(frozen=True, kw_only=True)
class KaplanMeierAnswer(Answer):
    """The curves.

    Attributes:
        rows: one for each group and interval: ``group``, ``start``, ``end``, ``at_risk``, ``events``, ``censored``,
            ``survival`` after the interval, ``standard_error`` (exact: of sampling, by Greenwood; private: of the
            noise), ``low`` and ``high`` at 95 % (of the same), ``too_few`` (private: so few at risk that the noise
            leaves the curve open). None where the guard closed the interval.
        medians: of each group the first interval after which the curve is at most one half; None where no open one is.
    """

    rows: tuple[Mapping[str, object], ...]
    medians: Mapping[str, str | None] = field(default_factory=dict)

    @property
    def frame(self) -> pd.DataFrame:
        """The rows as a frame."""
        import pandas as pd

        names = list(self.rows[0]) if self.rows else []
        columns = {
            name: pd.Series([row[name] for row in self.rows], dtype=_DTYPES.get(name, "Float64"))
            for name in names
        }
        return pd.DataFrame(columns)

    def picture(self) -> Curves:
        """The curves with their intervals, and the numbers at risk; each curve ends where it is closed."""
        return survival_picture(self.rows)

    def values(self) -> dict[str, object]:
        """Its fields as plain data."""
        return {"rows": [dict(row) for row in self.rows], "medians": dict(self.medians)}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Curve:
    """One group: shape ``(n_intervals,)`` each; NaN where the guard closed it."""

    events: Floats
    censored: Floats
    at_risk: Floats
    survival: Floats
    error: Floats
    low: Floats
    high: Floats
    few: npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class KaplanMeier(CountStatistic):
    """The curves of ``duration`` until ``event``; the keys are the group, if any, the time and the event."""

    name: ClassVar[str] = "kaplan_meier"
    summary: ClassVar[str] = "Kaplan-Meier curves on a declared grid"
    modes: ClassVar = BOTH
    promoted: ClassVar = EXACT
    parameters: ClassVar = (
        Parameter(name="duration", meaning="a numeric column with declared bins: the time"),
        Parameter(name="event", meaning="true where the event was seen, false where the time was censored"),
        Parameter(name="by", meaning="a column with public groups: one curve for each", default=None),
        Parameter(
            name="grid", meaning="edges of the declared bins that make coarser intervals", default=None
        ),
    )

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """See ``Statistic``."""
        time = arguments.group_column("duration", table)
        if not isinstance(time, NumericColumn):
            raise PlanRejectedError(position="duration", reason=f"{time.name} must be numeric, with bins")
        event = arguments.flag_column("event", table)
        by = arguments.group_column("by", table) if arguments.is_given("by") else None
        if by is not None and by.name in {time.name, event.name}:
            raise InvalidRequestError(parameter="by", reason="must be another column than duration and event")
        gridded = replace(time, bins=coarser(arguments, time, "duration", MAX_INTERVALS))
        group = () if by is None else (("by", by),)
        keys = (*group, ("duration", gridded), ("event", event))
        return cls(table=table, mode=mode, limits=limits, keys=keys)

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
    def n_guarded(self) -> tuple[int, int]:
        """Events, censorings and at risk of each group and interval, and one flag."""
        count = len(self.names) * self.n_intervals
        return 3 * count, count

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
        tested = concatenate([take(values, range(2 * count)), matmul_public(left, cells)])
        flags = self.limits.reached(session, tested)
        rows = self._behind(count)
        open_ = all_of(
            session, *(take(flags, [row[position] for row in rows]) for position in range(len(rows[0])))
        )
        return concatenate([multiply(session, values, concatenate([open_] * 3)), open_])

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        named = {argument: column.name for argument, column in self.keys}
        return {**named, "grid": [str(edge) for edge in self.edges]}

    def estimate(self, opened: Sequence[Ints], noise: Sequence[NoiseLaw]) -> KaplanMeierAnswer:
        """See ``Statistic``."""
        (values,) = opened
        shape = (len(self.names), self.n_intervals)
        if noise:
            cells = (values / noise[0].weight).reshape(*shape, 2)
            curves = [_noisy_curve(each[:, 1], each[:, 0], noise[0].sd) for each in cells]
        else:
            events, censored, at_risk = values[: 3 * math.prod(shape)].astype(np.float64).reshape(3, *shape)
            flags = values[3 * math.prod(shape) :] if self.is_guarded else np.ones(shape)
            is_open = flags.reshape(shape).astype(np.bool_)
            curves = [
                _exact_curve(events[group], censored[group], at_risk[group], is_open[group])
                for group in range(shape[0])
            ]
        is_closed = all(bool(np.isnan(curve.survival).all()) for curve in curves)
        rows = [
            row for name, curve in zip(self.names, curves, strict=True) for row in self._rows(name, curve)
        ]
        return KaplanMeierAnswer(
            rows=tuple(rows),
            medians={name: self._median(curve) for name, curve in zip(self.names, curves, strict=True)},
            closed=MINIMUM_CELL if is_closed else "",
        )

    def _figures(self) -> tuple[Ints, Ints]:
        """From cells to events, censorings, at risk; and to those left after each interval but the last.

        The cells of a group and interval are its censorings and its events, in this order.
        """
        groups, count = len(self.names), self.n_intervals
        one = np.eye(groups * count, dtype=np.int64)
        censored, events = np.kron(one, [[1, 0]]), np.kron(one, [[0, 1]])
        later = np.kron(np.eye(groups, dtype=np.int64), np.triu(np.ones((count, count), dtype=np.int64)))
        at_risk = later @ (events + censored)
        inner = [place for place in range(groups * count) if (place + 1) % count]
        return np.concatenate([events, censored, at_risk]), (at_risk - events - censored)[inner]

    def _behind(self, count: int) -> list[list[int]]:
        """For each group and interval the flags behind it: of events, censorings and those left, up to it.

        All rows are as long as the longest; what is missing repeats the first flag, which changes no AND.
        """
        rows = []
        for place in range(count):
            group, interval = divmod(place, self.n_intervals)
            first = group * self.n_intervals
            row = [first + each for each in range(interval + 1)]
            row += [count + first + each for each in range(interval + 1)]
            left = range(min(interval + 1, self.n_intervals - 1))
            row += [2 * count + group * (self.n_intervals - 1) + each for each in left]
            rows.append(row + [first] * (3 * self.n_intervals - 1 - len(row)))
        return rows

    def _rows(self, name: str, curve: _Curve) -> list[dict[str, object]]:
        rows: list[dict[str, object]] = []
        for place in range(self.n_intervals):
            found = {
                "at_risk": curve.at_risk[place],
                "events": curve.events[place],
                "censored": curve.censored[place],
                "survival": curve.survival[place],
                "standard_error": curve.error[place],
                "low": curve.low[place],
                "high": curve.high[place],
            }
            rows.append(
                {
                    "group": name,
                    "start": float(self.edges[place]),
                    "end": float(self.edges[place + 1]),
                    **{key: None if np.isnan(value) else float(value) for key, value in found.items()},
                    "too_few": bool(curve.few[place]),
                }
            )
        return rows

    def _median(self, curve: _Curve) -> str | None:
        below = np.flatnonzero(curve.survival <= 0.5)  # noqa: PLR2004  a half; NaN is not below
        return None if below.size == 0 else str(self.groups[-2].labels[int(below[0])])


def _exact_curve(events: Floats, censored: Floats, at_risk: Floats, is_open: npt.NDArray[np.bool_]) -> _Curve:
    """The product limit of the open intervals, Greenwood's error, and its interval on the scale of log(-log)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        hazard = np.where(at_risk > 0, events / at_risk, 0.0)
        survival = np.cumprod(1 - hazard)
        green = np.cumsum(np.where(events > 0, events / (at_risk * (at_risk - events)), 0.0))
        spread = np.sqrt(green)
        width = _WIDTH * spread / np.abs(np.log(survival))
        low, high = survival ** np.exp(width), survival ** np.exp(-width)
        is_inside = (survival > 0) & (survival < 1)
        error = np.where(survival > 0, survival * spread, 0.0)
    closed = np.where(is_open, 0.0, np.nan)
    return _Curve(
        events=events + closed,
        censored=censored + closed,
        at_risk=at_risk + closed,
        survival=survival + closed,
        error=error + closed,
        low=np.where(is_inside, low, survival) + closed,
        high=np.where(is_inside, high, survival) + closed,
        few=np.zeros(len(events), dtype=np.bool_),
    )


def _noisy_curve(events: Floats, censored: Floats, sd: float) -> _Curve:
    """The product limit of noisy counts.

    With L the logarithm of the curve after interval k, ``a_i = 1 / (n_i - d_i) - 1 / n_i`` and A their sums: ``dL / dc_j
    = A_min(j, k)``, ``dL / dd_j = A_(j-1) - 1 / n_j`` up to k and ``A_k`` after it.
    """
    count = len(events)
    at_risk = np.cumsum((events + censored)[::-1])[::-1]
    risk = np.maximum(at_risk, 1.0)
    hazard = np.clip(events / risk, 0.0, 1.0)
    survival = np.cumprod(1 - hazard, dtype=np.float64)
    # those at risk carry the noise of all later cells
    least = FEW * sd * np.sqrt(2.0 * np.arange(count, 0, -1))
    staying = np.maximum(risk - np.maximum(events, 0.0), 1.0)
    few = np.logical_or.accumulate((risk < least) | (staying < least))
    sums = np.cumsum(1 / staying - 1 / risk)
    before = np.concatenate([[0.0], sums[:-1]])
    error = np.empty(count)
    for last in range(count):
        by_censored = sums[np.minimum(np.arange(count), last)]
        by_events = np.where(np.arange(count) <= last, before - 1 / risk, sums[last])
        error[last] = sd * math.sqrt(float((by_censored**2).sum() + (by_events**2).sum()))
    low = np.where(few, 0.0, survival * np.exp(-_WIDTH * error))
    high = np.where(few, 1.0, np.minimum(1.0, survival * np.exp(_WIDTH * error)))
    return _Curve(
        events=events,
        censored=censored,
        at_risk=at_risk,
        survival=survival,
        error=survival * error,
        low=np.minimum.accumulate(low),
        high=np.maximum.accumulate(high[::-1])[::-1],
        few=few,
    )

"""The answer of Kaplan-Meier curves: the curves, and what an analyst reads beside them.

Layer:       analytics.statistics.life_tables above group_table.
Guarantees:  see survival_cells and curves. All that an answer gives follows from its opened numbers, without another
             charge. The limits of a private answer hold sampling and noise; ``interval(level, "noise")`` those of the
             noise alone, which cover the curve without noise.
See instead: medians between two edges of the grid, which are never given; restricted means (rmst), tests (log_rank).
Source:      see curves and group_table.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from analytics.errors import InvalidRequestError
from analytics.statistics.base import MINIMUM_CELL, Answer
from analytics.statistics.life_tables.curves import LEVEL, Part, hazard_interval
from analytics.statistics.life_tables.survival_picture import survival_picture

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pandas as pd

    from analytics.pictures import Curves
    from analytics.statistics.life_tables.curves import Curve, Floats
    from analytics.statistics.life_tables.group_table import GroupTable

_DTYPES: Final = {
    "group": "string",
    "too_few": "boolean",
    "interval": "string",
    "from": "string",
    "to": "string",
}
_PARTS: Final = ("both", "sampling", "noise")


@dataclass(frozen=True, kw_only=True)
class KaplanMeierAnswer(Answer):
    """The curves.

    Attributes:
        rows: one for each group and interval: ``group``, ``start``, ``end``, ``at_risk``, ``events``, ``censored``,
            ``survival`` after the interval, ``standard_error`` (of sampling and noise), ``noise_error`` (of the noise
            alone; 0 in exact mode), ``low`` and ``high`` at 95 %, ``too_few`` (private: so few at risk that the noise
            leaves the curve open). None where the guard closed the interval.
        medians: of each group the first interval after which the curve is at most one half; None where no open one is.
        tables: the opened numbers of each group.
        labels: of the intervals.
    """

    rows: tuple[Mapping[str, object], ...]
    medians: Mapping[str, str | None] = field(default_factory=dict)
    tables: tuple[GroupTable, ...] = ()
    labels: tuple[str, ...] = ()

    @property
    def frame(self) -> pd.DataFrame:
        """The rows as a frame."""
        return _frame(self.rows)

    def picture(self) -> Curves:
        """The curves with their intervals, and the numbers at risk; each curve ends where it is closed."""
        return survival_picture(self.rows)

    def values(self) -> dict[str, object]:
        """Its fields as plain data."""
        return {"rows": [dict(row) for row in self.rows], "medians": dict(self.medians)}

    def interval(self, level: float = LEVEL, part: Part = "both") -> pd.DataFrame:
        """Limits of the curves.

        Args:
            level: between 0 and 1.
            part: ``both`` covers the curve of the population, ``noise`` the curve without noise; ``sampling`` is what
                an answer without noise would have.

        Raises:
            InvalidRequestError: a level or part that does not exist.
        """
        check_level(level, part)
        return self._curves(
            lambda table: table.survival().value,
            lambda table: table.survival().interval(level, part),
            "survival",
        )

    def nelson_aalen(self, level: float = LEVEL, part: Part = "both") -> pd.DataFrame:
        """Cumulative hazards after each interval, with limits; for the arguments and errors see ``interval``."""
        check_level(level, part)
        return self._curves(
            lambda table: table.hazard().value,
            lambda table: hazard_interval(table.hazard(), level, part),
            "cumulative_hazard",
        )

    def follow_up(self, level: float = LEVEL, part: Part = "both") -> pd.DataFrame:
        """The reverse curves: of the time until censoring; for the arguments and errors see ``interval``."""
        check_level(level, part)
        return self._curves(
            lambda table: table.follow_up().value,
            lambda table: table.follow_up().interval(level, part),
            "follow_up",
        )

    def quantile(self, q: float = 0.5, level: float = LEVEL) -> pd.DataFrame:
        """The interval in which a share q of a group has had the event, with limits of sampling and noise.

        A curve that is equal to ``1 - q`` has reached it, as in lifelines; R takes the middle of that step.

        Args:
            q: between 0 and 1.
            level: of the limits, between 0 and 1.

        Returns:
            One row a group: ``interval``, and the intervals ``from`` and ``to`` of its limits; NA beyond the open ones.

        Raises:
            InvalidRequestError: q or level is out of range.
        """
        check_level(level)
        if not 0 < q < 1:
            raise InvalidRequestError(parameter="q", reason="must be a number above 0 and below 1")
        rows: list[dict[str, object]] = []
        for table in self.tables:
            found, first, last = map(self._label, table.quantile(q, level))
            rows.append({"group": table.name, "interval": found, "from": first, "to": last})
        return _frame(rows)

    def risk_table(self, every: int = 1) -> pd.DataFrame:
        """Those at risk at the start of every so many intervals: one row a group, one column a time.

        Args:
            every: 1 takes every interval, 2 every second one.

        Raises:
            InvalidRequestError: it is not a whole number above 0.
        """
        if every < 1:
            raise InvalidRequestError(parameter="every", reason="must be a whole number above 0")
        import pandas as pd

        starts = self.tables[0].edges[:-1:every]
        rows = [table.at_risk[::every] for table in self.tables]
        return pd.DataFrame(
            rows, columns=list(starts), index=[table.name for table in self.tables], dtype="Float64"
        )

    def _label(self, place: int | None) -> str | None:
        return None if place is None else self.labels[place]

    def _curves(
        self,
        value: Callable[[GroupTable], Floats],
        limits: Callable[[GroupTable], tuple[Floats, Floats]],
        name: str,
    ) -> pd.DataFrame:
        rows = []
        for table in self.tables:
            low, high = limits(table)
            figures = {name: value(table), "low": low, "high": high}
            rows += [
                {
                    "group": table.name,
                    "start": table.edges[place],
                    "end": table.edges[place + 1],
                    **{key: _number(each[place]) for key, each in figures.items()},
                }
                for place in range(len(table.events))
            ]
        return _frame(rows)


def kaplan_meier_of(tables: Sequence[GroupTable], labels: Sequence[str]) -> KaplanMeierAnswer:
    """The answer, from the opened numbers of each group.

    Args:
        tables: of each group.
        labels: of the intervals.
    """
    curves = [table.survival() for table in tables]
    pairs = list(zip(tables, curves, strict=True))
    places = {table.name: curve.first_at_most(0.5) for table, curve in pairs}
    return KaplanMeierAnswer(
        rows=tuple(row for table, curve in pairs for row in _rows(table, curve)),
        medians={name: None if place is None else labels[place] for name, place in places.items()},
        closed="" if any(table.n_open for table in tables) else MINIMUM_CELL,
        tables=tuple(tables),
        labels=tuple(labels),
    )


def check_level(level: float, part: str = "both") -> None:
    """Refuse what is no level, or no part of an error.

    Raises:
        InvalidRequestError: the level is not between 0 and 1, or the part is unknown.
    """
    if not 0 < level < 1:
        raise InvalidRequestError(parameter="level", reason="must be a number above 0 and below 1")
    if part not in _PARTS:
        raise InvalidRequestError(parameter="part", reason=f"must be one of {', '.join(_PARTS)}")


def _rows(table: GroupTable, curve: Curve) -> list[dict[str, object]]:
    low, high = curve.interval()
    figures: dict[str, Floats] = {
        "at_risk": table.at_risk,
        "events": table.events,
        "censored": table.censored,
        "survival": curve.value,
        "standard_error": curve.error(),
        "noise_error": curve.error("noise"),
        "low": low,
        "high": high,
    }
    return [
        {
            "group": table.name,
            "start": table.edges[place],
            "end": table.edges[place + 1],
            **{name: _number(each[place]) for name, each in figures.items()},
            "too_few": bool(curve.few[place]),
        }
        for place in range(len(table.events))
    ]


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _frame(rows: Sequence[Mapping[str, object]]) -> pd.DataFrame:
    import pandas as pd

    names = list(rows[0]) if rows else []
    columns = {
        name: pd.Series([row[name] for row in rows], dtype=_DTYPES.get(name, "Float64")) for name in names
    }
    return pd.DataFrame(columns)

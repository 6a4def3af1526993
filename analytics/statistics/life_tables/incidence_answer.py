"""The answer of cumulative incidences.

Layer:       analytics.statistics.life_tables above incidence.
See instead: the statistic (survival.cumulative_incidence).
Source:      ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from analytics.pictures import Curve, Curves
from analytics.statistics.base import Answer
from analytics.statistics.life_tables.curve_answer import check_level
from analytics.statistics.life_tables.curves import LEVEL, Part

if TYPE_CHECKING:
    import pandas as pd

    from analytics.statistics.life_tables.curves import Floats
    from analytics.statistics.life_tables.incidence import Incidence

_DTYPES: Final = {"group": "string", "cause": "string", "too_few": "boolean"}


@dataclass(frozen=True, kw_only=True)
class CumulativeIncidenceAnswer(Answer):
    """The incidences.

    Attributes:
        groups: their names; one without a name where none were asked for.
        causes: their names.
        edges: of the grid.
        events: shape ``(causes, groups, intervals)``; NaN where closed.
        at_risk: at the start of each interval, shape ``(groups, intervals)``.
        incidences: of each group, of each cause.
    """

    groups: tuple[str, ...]
    causes: tuple[str, ...]
    edges: tuple[float, ...]
    events: Floats
    at_risk: Floats
    incidences: tuple[tuple[Incidence, ...], ...]

    @property
    def frame(self) -> pd.DataFrame:
        """One row for each group, cause and interval, with limits at 95 %."""
        return self.interval()

    def interval(self, level: float = LEVEL, part: Part = "both") -> pd.DataFrame:
        """The incidences with limits.

        Args:
            level: between 0 and 1.
            part: ``both`` covers the incidence in the population, ``noise`` that without noise.

        Returns:
            One row for each group, cause and interval: ``at_risk``, ``events``, ``incidence``, ``standard_error`` (sampling and
            noise), ``noise_error``, ``low``, ``high``, ``too_few``; NA where the guard closed it.

        Raises:
            InvalidRequestError: a level or part that does not exist.
        """
        import pandas as pd

        check_level(level, part)
        rows = self._rows(level, part)
        return pd.DataFrame(
            {
                name: pd.Series([row[name] for row in rows], dtype=_DTYPES.get(name, "Float64"))
                for name in rows[0]
            }
        )

    def picture(self) -> Curves:
        """Incidences from 0 on; each ends where it is closed."""
        curves = []
        for group, name in enumerate(self.groups):
            for cause, found in enumerate(self.incidences[group]):
                figures = [[0.0, *map(_number, each)] for each in (found.value, *found.interval())]
                label = f"{name}: {self.causes[cause]}" if name else self.causes[cause]
                y, low, high = figures
                curves.append(Curve(label=label, x=list(self.edges), y=y, low=low, high=high))
        return Curves(
            curves=curves, x_name="time", y_name="cumulative incidence", is_stepped=True, y_range=(0.0, 1.02)
        )

    def values(self) -> dict[str, object]:
        """Its fields as plain data."""
        return {"rows": self._rows(LEVEL, "both")}

    def _rows(self, level: float, part: Part) -> list[dict[str, object]]:
        rows: list[dict[str, object]] = []
        for group, name in enumerate(self.groups):
            for cause, found in enumerate(self.incidences[group]):
                low, high = found.interval(level, part)
                figures = {
                    "at_risk": self.at_risk[group],
                    "events": self.events[cause, group],
                    "incidence": found.value,
                    "standard_error": found.error,
                    "noise_error": found.noise,
                    "low": low,
                    "high": high,
                }
                rows += [
                    {
                        "group": name,
                        "cause": self.causes[cause],
                        "start": self.edges[place],
                        "end": self.edges[place + 1],
                        **{key: _number(each[place]) for key, each in figures.items()},
                        "too_few": bool(found.few[place]),
                    }
                    for place in range(len(self.edges) - 1)
                ]
        return rows


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)

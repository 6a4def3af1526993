"""The answer of ``quality``: completeness and validity of columns, with the interval that the noise leaves to each.

Layer:       analytics.statistics above base and ratio_interval; below the statistic and requirements.
Guarantees:  all that is shown follows from the opened counts of all sites together.
Visible to:  the analyst.
See instead: what is opened (profiles.quality).
Source:      ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from analytics.pictures import Bars
from analytics.statistics.base import Answer
from analytics.statistics.profiles.profile_estimates import width_of
from analytics.statistics.uncertainty.bounded import FEW
from analytics.statistics.uncertainty.ratio_interval import ratio_interval

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

_LEVEL: Final = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnQuality:
    """The cells of one column at all sites together.

    Attributes:
        rows: of all sites; None where they are closed.
        missing: rows without a value; None where they are closed.
        invalid: rows with a value that is not allowed; likewise.
        sd: standard deviation of the noise on each of these; 0 of exact ones.
    """

    rows: float | None
    missing: float | None
    invalid: float | None
    sd: float = 0.0

    @property
    def completeness(self) -> float | None:
        """Share of the rows that have a value; None where it is closed, or there is no row."""
        if self.rows is None or self.missing is None:
            return None
        return _share(self.rows - self.missing, self.rows)

    @property
    def validity(self) -> float | None:
        """Share of the values that are valid; None where it is closed, or there is no value."""
        if self.rows is None or self.missing is None or self.invalid is None:
            return None
        return _share(self.rows - self.missing - self.invalid, self.rows - self.missing)

    @property
    def is_too_few(self) -> bool:
        """Whether the noise is as large as the count that divides."""
        return self.sd > 0 and self.rows is not None and self.rows < FEW * self.sd

    def completeness_between(self, level: float) -> tuple[float, float] | None:
        """The completeness without noise, as often as the level says."""
        if self.rows is None or self.missing is None:
            return None
        low, high = ratio_interval(self.missing, self.rows, self.sd, self.sd, width_of(level))
        return 1 - high, 1 - low

    def validity_between(self, level: float) -> tuple[float, float] | None:
        """The validity without noise, as often as the level says."""
        if self.rows is None or self.missing is None or self.invalid is None:
            return None
        known, known_sd = self.rows - self.missing, 2**0.5 * self.sd
        low, high = ratio_interval(self.invalid, known, self.sd, known_sd, width_of(level))
        return 1 - high, 1 - low


@dataclass(frozen=True, kw_only=True)
class QualityAnswer(Answer):
    """Completeness and validity.

    Attributes:
        columns: by name, in the order in which they were asked.
        n_rows: rows of all sites; None where they are closed.
    """

    columns: Mapping[str, ColumnQuality]
    n_rows: float | None

    @property
    def frame(self) -> pd.DataFrame:
        """One row a column, with the intervals of a private answer at 95 %."""
        import pandas as pd

        rows = self.rows()
        names = list(rows[0]) if rows else ["column"]
        return pd.DataFrame(
            {
                name: pd.Series(
                    [row[name] for row in rows],
                    dtype="string" if name == "column" else "boolean" if name == "too_few" else "Float64",
                )
                for name in names
            }
        )

    def rows(self, level: float = _LEVEL) -> list[dict[str, object]]:
        """The rows of ``frame``."""
        found: list[dict[str, object]] = []
        for name, each in self.columns.items():
            low, high = each.completeness_between(level) or (None, None)
            valid_low, valid_high = each.validity_between(level) or (None, None)
            found.append(
                {
                    "column": name,
                    "completeness": each.completeness,
                    "completeness_low": low,
                    "completeness_high": high,
                    "validity": each.validity,
                    "validity_low": valid_low,
                    "validity_high": valid_high,
                    "too_few": each.is_too_few,
                }
            )
        return found

    def interval(self, level: float = _LEVEL) -> dict[str, dict[str, tuple[float, float] | None]]:
        """By column the interval of each share; None where it is closed. An exact share has no width."""
        return {
            name: {
                "completeness": each.completeness_between(level),
                "validity": each.validity_between(level),
            }
            for name, each in self.columns.items()
        }

    def picture(self) -> Bars | None:
        """The completeness of the open columns."""
        shown = {name: each for name, each in self.columns.items() if each.completeness is not None}
        if not shown:
            return None
        ends = [each.completeness_between(_LEVEL) or (None, None) for each in shown.values()]
        return Bars(
            labels=list(shown),
            series={"completeness": [each.completeness for each in shown.values()]},
            low={"completeness": [low for low, _ in ends]},
            high={"completeness": [high for _, high in ends]},
            x_name="column",
            y_name="share of the rows with a value",
        )

    def values(self) -> dict[str, object]:
        """Its fields as plain data."""
        return {
            "n_rows": self.n_rows,
            "columns": self.rows(),
            "closed_columns": [name for name, each in self.columns.items() if each.missing is None],
            "noise_sd": max((each.sd for each in self.columns.values()), default=0.0),
        }


def _share(part: float, whole: float) -> float | None:
    return None if whole <= 0 else min(1.0, max(0.0, part / whole))

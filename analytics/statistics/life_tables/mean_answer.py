"""The answer of restricted mean survival times: the means of groups, and their contrasts.

Layer:       analytics.statistics.life_tables above curve_answer.
Terms:       the restricted mean is the mean time up to an edge of the grid, tau: the area under the curve. Between two
             edges a curve is taken as straight, so events are spread evenly over their interval; ``earliest`` and ``latest``
             are the means with all of them at its start or at its end.
Guarantees:  a mean is given up to an edge before which all intervals of all groups are open, and is closed otherwise. Limits
             hold sampling and noise. A p-value of a private contrast is that of an estimate whose error is the sum of
             sampling and of the noise's known law.
See instead: the statistic (survival.rmst), curves (curve_answer).
Source:      Royston, Parmar 2013; Uno et al. 2014 for difference and ratio; variance of the estimate by Greenwood.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from analytics.errors import InvalidRequestError
from analytics.pictures import Estimates
from analytics.statistics.base import MINIMUM_CELL, Answer
from analytics.statistics.life_tables.curve_answer import check_level
from analytics.statistics.life_tables.curves import LEVEL, width_of
from analytics.statistics.life_tables.group_table import limits_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from analytics.statistics.life_tables.group_table import GroupTable, RestrictedMean

_DTYPES: Final = {"group": "string", "against": "string", "too_few": "boolean"}


@dataclass(frozen=True, kw_only=True)
class RmstAnswer(Answer):
    """The means.

    Attributes:
        tau: up to which edge.
        names: of the groups.
        means: of each group; empty where they are closed.
        start: the first edge of the grid.
    """

    tau: float
    names: tuple[str, ...]
    means: tuple[RestrictedMean, ...]
    start: float

    @property
    def frame(self) -> pd.DataFrame:
        """One row a group, with limits at 95 %."""
        return self.interval()

    def interval(self, level: float = LEVEL) -> pd.DataFrame:
        """The means with limits of sampling and noise.

        Args:
            level: between 0 and 1.

        Returns:
            One row a group: ``restricted_mean``, ``earliest``, ``latest``, ``standard_error`` (both), ``noise_error``, ``low``,
            ``high``, ``too_few``.

        Raises:
            InvalidRequestError: the level is out of range.
        """
        check_level(level)
        rows: list[dict[str, object]] = []
        for name, mean in zip(self.names, self.means or (None,) * len(self.names), strict=True):
            row: dict[str, object] = {"group": name}
            if mean is not None:
                low, high = limits_of(mean, (self.start, self.tau), level)
                row |= {
                    "restricted_mean": mean.value,
                    "earliest": mean.earliest,
                    "latest": mean.latest,
                    "standard_error": mean.standard_error,
                    "noise_error": mean.noise,
                    "low": low,
                    "high": high,
                    "too_few": mean.few,
                }
            rows.append(row)
        return _frame(rows, _MEAN_COLUMNS)

    def contrasts(self, level: float = LEVEL) -> pd.DataFrame:
        """Every group but the first against the first.

        Args:
            level: of the limits, between 0 and 1.

        Returns:
            One row a group: ``difference`` with ``standard_error`` (sampling and noise), ``low``, ``high`` and ``pvalue`` (of no
            difference), ``ratio`` with ``ratio_low`` and ``ratio_high`` on the scale of its logarithm. Where the noise leaves a
            mean open, the limits are those of all possible means and the p-value is 1.

        Raises:
            InvalidRequestError: the level is out of range.
        """
        check_level(level)
        pairs = zip(self.names[1:], self.means[1:] or (None,) * (len(self.names) - 1), strict=True)
        rows: list[dict[str, object]] = []
        for name, mean in pairs:
            row: dict[str, object] = {"group": name, "against": self.names[0]}
            rows.append(row if mean is None else row | self._contrast(mean, level))
        return _frame(rows, _CONTRAST_COLUMNS)

    def picture(self) -> Estimates:
        """The means with their 95 % intervals."""
        ends = [limits_of(mean, (self.start, self.tau)) for mean in self.means]
        return Estimates(
            labels=[name or "all" for name in self.names],
            values=[mean.value for mean in self.means],
            low=[low for low, _ in ends],
            high=[high for _, high in ends],
            x_name=f"restricted mean up to {self.tau:g}, 95 % interval",
        )

    def _contrast(self, mean: RestrictedMean, level: float) -> dict[str, object]:
        first, width = self.means[0], width_of(level)
        difference = mean.value - first.value
        error = math.hypot(mean.standard_error, first.standard_error)
        ratio = mean.value / first.value if first.value > 0 else math.inf
        if mean.few or first.few:
            span = self.tau - self.start
            tests = {"low": -span, "high": span, "pvalue": 1.0, "ratio_low": 0.0, "ratio_high": math.inf}
        else:
            relative = [each.standard_error / each.value for each in (mean, first) if each.value > 0]
            spread = math.exp(width * math.hypot(*relative))
            tests = {
                "low": difference - width * error,
                "high": difference + width * error,
                "pvalue": math.erfc(abs(difference) / error / math.sqrt(2))
                if error > 0
                else float(difference == 0),
                "ratio_low": ratio / spread,
                "ratio_high": ratio * spread,
            }
        return {"difference": difference, "standard_error": error, "ratio": ratio, **tests}

    def values(self) -> dict[str, object]:
        """Its fields as plain data."""
        return {
            "tau": self.tau,
            "rows": _plain(self.frame),
            "contrasts": _plain(self.contrasts()),
        }


_MEAN_COLUMNS: Final = (
    "group", "restricted_mean", "earliest", "latest", "standard_error", "noise_error", "low", "high", "too_few",
)  # fmt: skip
_CONTRAST_COLUMNS: Final = (
    "group", "against", "difference", "standard_error", "low", "high", "pvalue", "ratio", "ratio_low", "ratio_high",
)  # fmt: skip


def rmst_of(tables: Sequence[GroupTable], tau: float | None = None) -> RmstAnswer:
    """The answer, from the opened numbers of each group.

    Args:
        tables: of each group.
        tau: an edge of the grid but the first; None: the last up to which every group is open, and with noise has not too
            few at risk.

    Raises:
        InvalidRequestError: tau is no such edge.
    """
    edges = tables[0].edges
    if tau is not None and tau not in edges[1:]:
        raise InvalidRequestError(parameter="tau", reason="must be one edge of the grid, above its first")
    count = min(int((~table.survival().few[: table.n_open]).sum()) for table in tables)
    up_to = edges[max(count, 1)] if tau is None else tau
    means = [table.restricted_mean(up_to) for table in tables]
    found = tuple(mean for mean in means if mean is not None)
    is_open = len(found) == len(tables)
    return RmstAnswer(
        tau=up_to,
        names=tuple(table.name for table in tables),
        means=found if is_open else (),
        start=edges[0],
        closed="" if is_open else MINIMUM_CELL,
    )


def _frame(rows: Sequence[Mapping[str, object]], names: Sequence[str]) -> pd.DataFrame:
    import pandas as pd

    columns = {
        name: pd.Series([row.get(name) for row in rows], dtype=_DTYPES.get(name, "Float64")) for name in names
    }
    return pd.DataFrame(columns)


def _plain(frame: pd.DataFrame) -> list[dict[str, object]]:
    """Rows for JSON; None where there is no value."""
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return [{str(name): value for name, value in row.items()} for row in rows]

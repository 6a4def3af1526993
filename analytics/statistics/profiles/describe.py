"""Summaries of columns: rows with and without a value, mean, standard deviation, quartiles, counts of categories.

Layer:       analytics.statistics.profiles above profile and profile_estimates.
Terms:       as in profile. The ``mode`` is the cell with most rows, the first of several.
Guarantees:  as in profile. No least and no largest value is given. Quartiles are declared bins, in exact mode with at
             least the threshold of people on each side.
Visible to:  the analyst: the figures of open columns, and one bit for each column.
See instead: two or more groups side by side (table_one).
Source:      ours; docs/guarantees.md P5, P8. The deviation is over ``n - 1``, as pandas' ``describe`` has it; a quartile
             is the smallest value that at least this share of the values does not exceed (type 1 of Hyndman and Fan),
             known as its bin. ``iqr``, ``mad`` and ``geometric_mean`` take each value as the middle of its bin;
             the last needs middles above 0. Skewness and kurtosis are
             corrected for n (G1 and G2), as DuckDB, pandas and SAS have them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Self

from analytics.errors import InvalidRequestError
from analytics.pictures import Bars, draw
from analytics.statistics.arguments import Arguments, Parameter
from analytics.statistics.base import BOTH, MINIMUM_CELL, Answer
from analytics.statistics.profiles.profile import Profile, columns_of, profiled_columns
from analytics.statistics.profiles.profile_estimates import ColumnSummary, intervals, width_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from matplotlib.axes import Axes

    from analytics.schema import Table
    from analytics.statistics.base import Ints, Limits, Mode
    from analytics.statistics.uncertainty.noise_law import NoiseLaw

_LEVEL: Final = 0.95


@dataclass(frozen=True, kw_only=True)
class DescribeAnswer(Answer):
    """The summaries.

    Attributes:
        columns: what was asked, in order.
        n_rows: all rows; None where it is closed.
        summaries: of the open columns, by name.
        noise_sd: standard deviation of the noise on the number of rows; 0 in exact mode.
    """

    columns: tuple[str, ...]
    n_rows: float | None
    summaries: Mapping[str, ColumnSummary]
    noise_sd: float = 0.0

    @property
    def frame(self) -> pd.DataFrame:
        """One row a column, and below it one for each of its cells: ``n`` and ``share`` of the known values.

        A closed column has one row without figures.
        """
        import pandas as pd

        names = {"n": "Float64", "share": "Float64", "missing": "Float64", "mean": "Float64", "sd": "Float64"}
        kinds = {
            "column": "string",
            "cell": "string",
            **names,
            "q1": "string",
            "median": "string",
            "q3": "string",
            "mode": "string",
            **dict.fromkeys(("iqr", "mad", "geometric_mean"), "Float64"),
        }
        if any(each.skewness is not None for each in self.summaries.values()):
            kinds |= dict.fromkeys(("skewness", "kurtosis"), "Float64")
        rows = self.rows()
        return pd.DataFrame(
            {name: pd.Series([row.get(name) for row in rows], dtype=kind) for name, kind in kinds.items()}
        )

    def rows(self) -> list[dict[str, object]]:
        """The rows of ``frame``."""
        found: list[dict[str, object]] = []
        for name in self.columns:
            each = self.summaries.get(name)
            if each is None:
                found.append({"column": name, "cell": ""})
                continue
            quartiles = dict(zip(("q1", "median", "q3"), each.quartiles, strict=True))
            found.append(
                {
                    "column": name,
                    "cell": "",
                    "n": each.n.value,
                    "missing": each.missing.value,
                    "mean": None if each.mean is None else each.mean.value,
                    "sd": None if each.sd is None else each.sd.value,
                    **quartiles,
                    "mode": each.mode,
                    "iqr": each.iqr,
                    "mad": each.mad,
                    "geometric_mean": each.geometric_mean,
                    **(
                        {}
                        if each.skewness is None
                        else {"skewness": each.skewness, "kurtosis": each.kurtosis}
                    ),
                }
            )
            if len(each.labels) > 1:
                found += [
                    {
                        "column": name,
                        "cell": label,
                        "n": count.value,
                        "share": _share(count.value, each.n.value),
                    }
                    for label, count in zip(each.labels, each.counts, strict=True)
                ]
        return found

    def interval(self, level: float = 0.95) -> dict[str, dict[str, object]]:
        """Of each open column the figures without noise, each as often as the level says.

        Returns:
            By column: ``n``, ``missing``, ``mean``, ``sd``, ``geometric_mean`` as low and high, ``cells`` as a list of
            them, and ``q1``, ``median``, ``q3`` as the first and the last bin. An exact figure has no width.
        """
        return intervals(self.summaries, level)

    def plot(self, axes: Axes | None = None, *, column: str = "") -> Axes:
        """Draw the counts of one column's cells.

        Args:
            axes: as for every answer.
            column: which; the first one that has cells by default.

        Raises:
            InvalidRequestError: it was not asked for, is closed, or is a number without declared bins.
        """
        if column:
            known = self.summaries.get(column)
            if known is None or not _has_cells(known):
                reason = (
                    f"{column} has no counts to draw: it needs declared bins or categories, and to be open"
                )
                raise InvalidRequestError(parameter="column", reason=reason)
            return draw(_bars(known), axes)
        return super().plot(axes)

    def picture(self) -> Bars | None:
        """The counts of the first column that has cells."""
        first = next((each for each in self.summaries.values() if _has_cells(each)), None)
        return None if first is None else _bars(first)

    def values(self) -> dict[str, object]:
        """Its fields as plain data."""
        return {
            "n_rows": self.n_rows,
            "closed_columns": [name for name in self.columns if name not in self.summaries],
            "too_few": [name for name, each in self.summaries.items() if each.too_few],
            "rows": self.rows(),
            "noise_sd": self.noise_sd,
        }


@dataclass(frozen=True, kw_only=True)
class Describe(Profile):
    """The summaries of some columns over all rows."""

    name: ClassVar[str] = "describe"
    summary: ClassVar[str] = "rows, missing values, mean, deviation, quartiles and counts of columns, at once"
    modes: ClassVar = BOTH
    promoted: ClassVar = BOTH
    parameters: ClassVar = (
        Parameter(name="columns", meaning="a list of columns"),
        Parameter(
            name="shape", meaning="skewness and kurtosis of numbers, of exact answers alone", default=False
        ),
    )

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """See ``Statistic``."""
        columns = columns_of(arguments, table)
        has_shape = arguments.flag("shape")
        if has_shape and mode == "private":
            reason = "must be false: the noise of fourth powers would hide it; jarque_bera gives both with their errors"
            raise InvalidRequestError(parameter="shape", reason=reason)
        profiled = profiled_columns(columns)
        bound = cls(table=table, mode=mode, limits=limits, profiled=profiled, has_shape=has_shape)
        bound.check_size()
        return bound

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        return super().describe() | ({"shape": True} if self.has_shape else {})

    def estimate(self, opened: Sequence[Ints], noise: Sequence[NoiseLaw]) -> DescribeAnswer:
        """See ``Statistic``."""
        (values,) = opened
        ((n_rows, summaries),) = self.summaries(values, noise)
        return DescribeAnswer(
            columns=tuple(each.column.name for each in self.profiled),
            n_rows=n_rows,
            summaries=summaries,
            noise_sd=noise[0].sd if noise else 0.0,
            closed="" if summaries or n_rows is not None else MINIMUM_CELL,
        )


def _share(count: float | None, size: float | None) -> float | None:
    return None if count is None or not size else min(1.0, count / size)


def _has_cells(column: ColumnSummary) -> bool:
    return column.is_binned or not column.is_numeric


def _bars(column: ColumnSummary) -> Bars:
    ends = [each.between(width_of(_LEVEL)) or (None, None) for each in column.counts]
    name = column.name
    return Bars(
        labels=column.labels,
        series={name: [each.value for each in column.counts]},
        low={name: [low for low, _ in ends]},
        high={name: [high for _, high in ends]},
        x_name=name,
        y_name="rows",
    )

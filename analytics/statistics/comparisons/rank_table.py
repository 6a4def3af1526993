"""Rank statistics of a column in groups, over its declared bins.

Layer:       analytics.statistics above counts and independence, below the statistics themselves.
Terms:       the *table* has a row for each compared group and a column for each bin, in their order; rows of one bin are
             tied. A row that lacks one of both values counts nowhere.
Guarantees:  exact: the whole table opens or nothing does, by one flag. Private: all its cells are one release.
Visible to:  the analyst: the table.
See instead: tests of means (group_moments).
Source:      ours; docs/guarantees.md P5, P8.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Self

import numpy as np
import numpy.typing as npt

from analytics.errors import InvalidRequestError
from analytics.pictures import Bars, Picture
from analytics.statistics.arguments import chosen_groups
from analytics.statistics.base import MINIMUM_CELL, Answer
from analytics.statistics.counts import WholeTable
from analytics.statistics.grids import coarser

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from analytics.schema import Table
    from analytics.statistics.arguments import Arguments
    from analytics.statistics.base import Ints, Limits, Mode
    from analytics.statistics.uncertainty.noise_law import NoiseLaw

Floats = npt.NDArray[np.float64]
MAX_CELLS: Final = 1_000


@dataclass(frozen=True, kw_only=True)
class RankAnswer(Answer):
    """What every rank test says.

    Attributes:
        statistic: None where it is closed or undefined.
        pvalue: exact: asymptotic, with ties; private: of the bootstrap.
        labels: of the groups.
        bins: of the column.
        table: rows of each group in each bin, with noise in private mode; shape ``(groups, bins)``.
        noise_sd: standard deviation of the noise on each cell; 0 in exact mode.
    """

    statistic: float | None
    pvalue: float | None = None
    labels: tuple[str, ...] = ()
    bins: tuple[str, ...] = ()
    table: tuple[tuple[float, ...], ...] = ()
    noise_sd: float = 0.0

    @property
    def frame(self) -> pd.DataFrame:
        """The table."""
        import pandas as pd

        names = list(self.labels) if self.table else []
        return pd.DataFrame(list(self.table), index=names, columns=list(self.bins), dtype="Float64")

    def picture(self) -> Picture:
        """The share of each group's rows in each bin."""
        totals = [sum(max(value, 0.0) for value in row) for row in self.table]
        shares = {
            label: [max(value, 0.0) / total if total else None for value in row]
            for label, row, total in zip(self.labels, self.table, totals, strict=True)
        }
        return Bars(labels=self.bins, series=shares, y_name="share of the group")

    def values(self) -> dict[str, object]:
        """Its fields as plain data."""
        return {
            "statistic": self.statistic,
            "pvalue": self.pvalue,
            "groups": list(self.labels),
            "bins": list(self.bins),
            "table": [list(row) for row in self.table],
            "noise_sd": self.noise_sd,
        }


@dataclass(frozen=True, kw_only=True)
class RankTable(WholeTable):
    """A statistic of the ranks of ``column`` in the groups of ``by``; the keys are ``by`` and the gridded column.

    Attributes:
        chosen: positions of the compared groups, in the order asked.
    """

    chosen: tuple[int, ...]

    @classmethod
    def bind_ranks(
        cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits, **fields: object
    ) -> Self:
        """Bind ``column``, ``by``, ``groups`` and ``grid``; a subclass adds its own fields."""
        column, by = arguments.number_column("column", table), arguments.group_column("by", table)
        if column.name == by.name:
            raise InvalidRequestError(parameter="by", reason="must be another column")
        gridded = replace(column, bins=coarser(arguments, column, "column", MAX_CELLS))
        chosen = chosen_groups(by, arguments)
        if len(gridded.bins) - 1 < 2 or len(chosen) * (len(gridded.bins) - 1) > MAX_CELLS:  # noqa: PLR2004  ranks need two
            reason = f"must have at least two bins, and with the groups at most {MAX_CELLS} cells"
            raise InvalidRequestError(parameter="column", reason=reason)
        keys = (("by", by), ("column", gridded))
        bound = {"table": table, "mode": mode, "limits": limits, "keys": keys, "chosen": chosen}
        return cls(**bound | fields)  # type: ignore[arg-type]

    @property
    def places(self) -> tuple[int, ...]:
        """The cells of the compared groups, group by group."""
        cells = np.arange(int(np.prod(self.shape))).reshape(self.shape)
        return tuple(int(place) for place in cells[list(self.chosen), : len(self.bins)].ravel())

    @property
    def labels(self) -> tuple[str, ...]:
        """Of the compared groups."""
        return tuple(str(self.groups[0].labels[place]) for place in self.chosen)

    @property
    def bins(self) -> tuple[str, ...]:
        """Of the column, in their order."""
        return tuple(str(label) for label in self.groups[1].labels if label is not None)

    @property
    def least(self) -> float:
        """What a cell counts as at least: 0, or one half where it has noise, so that no private answer is undefined."""
        return 0.0 if self.mode == "exact" else 0.5

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        (_, by), (_, column) = self.keys
        return {"column": column.name, "by": by.name, "groups": list(self.labels), "bins": list(self.bins)}

    def estimate(self, opened: Sequence[Ints], noise: Sequence[NoiseLaw]) -> RankAnswer:
        """See ``Statistic``."""
        (values,) = opened
        if self.is_guarded and not values[-1]:
            return self.closed_answer(MINIMUM_CELL)
        law = noise[0] if noise else None
        cells = values[: len(self.places)] / (1 if law is None else law.weight)
        return self.answer(cells.reshape(len(self.chosen), -1), law, values)

    @abstractmethod
    def answer(self, table: Floats, law: NoiseLaw | None, opened: Ints) -> RankAnswer:
        """The answer from the table; with the law of its noise in private mode."""

    @abstractmethod
    def closed_answer(self, reason: str) -> RankAnswer:
        """The answer without values."""


def midranks(tables: Floats) -> tuple[Floats, Floats]:
    """Mean ranks of each bin, and the factor by which ties shrink variances of ranks.

    Args:
        tables: a stack of shape ``(n, groups, bins)``, none below 0.

    Returns:
        Shapes ``(n, bins)`` and ``(n,)``; the factor is 0 where all rows are tied, NaN with fewer than two rows.
    """
    sizes = tables.sum(axis=1)
    total = sizes.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        ties = 1 - (sizes**3 - sizes).sum(axis=1) / (total**3 - total)
    return np.cumsum(sizes, axis=1) - (sizes - 1) / 2, ties


def area(table: Floats) -> tuple[float, Floats, float]:
    """The share of pairs in which the first group's value is larger, its gradient by the cells, and DeLong's standard error.

    The *placement* of a bin is the share of the other group below it, half of it within.
    """
    n = table.sum(axis=1)
    shares = table / n[:, np.newaxis]
    below = np.cumsum(shares, axis=1) - shares / 2
    first, second = below[1], 1 - below[0]
    auc = float((shares[0] * first).sum())
    gradient = np.stack([(first - auc) / n[0], (second - auc) / n[1]])
    spreads = [
        float((row * (each - auc) ** 2).sum()) / max(size - 1, 1.0) / size
        for row, each, size in zip(table, (first, second), n, strict=True)
    ]
    return auc, gradient, math.sqrt(sum(spreads))

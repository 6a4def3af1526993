"""Tables of counts of two or three columns, with their margins and the measures of a 2 x 2 table.

Layer:       analytics.statistics.tables above counts, margins and measures.
Terms:       a *cell* counts the rows of one group of each column; NULL is no group of it.
Guarantees:  exact: a cell opens where it reaches the threshold, zero being a small number like any other. A margin of
             open cells alone is their sum; a margin over closed cells opens by the rule of ``margins``, on shares, or
             stays closed. Measures and tests are given where the whole table is open, from the opened counts. Private:
             all cells are one release; margins are sums of its cells, so their noise grows with the number of cells;
             no classical p-value is given.
Visible to:  the analyst: open cells and lines, and one bit for each.
See instead: a test in private mode (chi_square).
Source:      ours; docs/guarantees.md P5, P8; measures as in the module table_measures.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from statistics import NormalDist
from typing import TYPE_CHECKING, ClassVar, Final, Self

import numpy as np
import numpy.typing as npt

from analytics.errors import InvalidRequestError
from analytics.pictures import Cells
from analytics.statistics.arguments import Arguments, Parameter
from analytics.statistics.base import BOTH, MINIMUM_CELL, Answer
from analytics.statistics.counts import CountStatistic
from analytics.statistics.guards.margins import known_margins, margins_of, open_margins
from analytics.statistics.hidden.hidden_ratios import check_two_by_two, rows_bits
from analytics.statistics.hidden.hidden_ratios import odds_ratio as odds_ratio_of_shares
from analytics.statistics.hidden.revealed import DIGITS, REVEAL, Hidden, RevealedAnswer, is_hidden
from analytics.statistics.tables.table_measures import (
    TWO_BY_TWO,
    Measure,
    association,
    odds_ratio,
    risk_difference,
    risk_ratio,
)
from analytics.statistics.uncertainty.bounded import FEW
from smpc.operations.arithmetic import concatenate, multiply, take
from smpc.operations.numeric.significant import Rounding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pandas as pd

    from analytics.schema import Table
    from analytics.statistics.base import Ints, Limits, Mode
    from analytics.statistics.uncertainty.noise_law import NoiseLaw
    from smpc.session import Session
    from smpc.sharing import Shared

Floats = npt.NDArray[np.float64]
MAX_CELLS: Final = 1_000
ROUNDING: Final = Rounding(digits=DIGITS, places=4, decades=9)
ALL: Final = "All"
_TWO_WAYS: Final = 2


@dataclass(frozen=True, kw_only=True)
class CrosstabAnswer(Answer):
    """The table.

    Attributes:
        names: of its columns.
        labels: of each column's groups.
        counts: one for each combination of groups, the last column's fastest; None where it is closed.
        margins: by the names of the columns that it keeps, joined by a comma (the total has none): counts in the same
            order; None where one is closed.
        noise_sd: standard deviation of the noise on each cell; 0 in exact mode.
        few: cells of a private answer below 4 standard deviations of their noise.
        association: of an exact table of two columns without a closed cell: ``chi2`` (2 x 2 with Yates'
            correction), ``chi2_pvalue``, ``cramers_v``; of 2 x 2 also ``phi`` and ``fisher_pvalue``.
        odds_ratio: of a 2 x 2 table without a closed cell, exact or private; else None.
        risk_ratio: likewise.
        risk_difference: likewise.
    """

    names: tuple[str, ...]
    labels: tuple[tuple[str, ...], ...]
    counts: tuple[float | None, ...] = ()
    margins: Mapping[str, tuple[float | None, ...]]
    noise_sd: float = 0.0
    few: int = 0
    association: Mapping[str, float | None]
    odds_ratio: Measure | None = None
    risk_ratio: Measure | None = None
    risk_difference: Measure | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Groups of each column."""
        return tuple(len(labels) for labels in self.labels)

    def interval(self, level: float = 0.95) -> tuple[tuple[float, float] | None, ...]:
        """Of each count: what it is without noise, as often as the level says; an open exact count has no width."""
        if not 0 < level < 1:
            raise InvalidRequestError(parameter="level", reason="must be a number above 0 and below 1")
        width = NormalDist().inv_cdf((1 + level) / 2) * self.noise_sd
        return tuple(None if count is None else (count - width, count + width) for count in self.counts)

    @property
    def frame(self) -> pd.DataFrame:
        """The last column's groups side by side, the others' below each other, margins of the whole under ``All``."""
        import pandas as pd

        *others, last = self.labels
        rows = list(product(*others))
        cells = np.array(self.counts, dtype=object).reshape(len(rows), len(last))
        table = pd.DataFrame(cells, columns=list(last)).astype("Float64")
        table[ALL] = pd.array(list(self.margins[",".join(self.names[:-1])]), dtype="Float64")
        if len(self.names) == _TWO_WAYS:
            (total,) = self.margins[""]
            table.loc[len(table)] = [*self.margins[self.names[-1]], total]
            rows.append((ALL,))
            table.index = pd.Index([row[0] for row in rows])
            return table
        for place, name in reversed(list(enumerate(self.names[:-1]))):
            table.insert(0, name, [row[place] for row in rows], allow_duplicates=True)
        return table

    def picture(self) -> Cells | None:
        """The counts of a table of two columns."""
        if len(self.names) != _TWO_WAYS or not self.counts:
            return None
        (rows, columns), width = self.labels, len(self.labels[1])
        return Cells(
            rows=rows,
            columns=columns,
            values=[self.counts[start : start + width] for start in range(0, len(self.counts), width)],
            row_name=self.names[0],
            column_name=self.names[1],
        )

    def values(self) -> dict[str, object]:
        """Its fields as plain data."""
        return {
            "names": list(self.names),
            "labels": [list(labels) for labels in self.labels],
            "counts": list(self.counts),
            "margins": {name: list(counts) for name, counts in self.margins.items()},
            "noise_sd": self.noise_sd,
            "few": self.few,
            **self.association,
            **dict(self._measures()),
        }

    def _measures(self) -> Iterator[tuple[str, float | None]]:
        measures = {
            "odds_ratio": self.odds_ratio,
            "risk_ratio": self.risk_ratio,
            "risk_difference": self.risk_difference,
        }
        for name, measure in measures.items():
            if measure is not None:
                low, high = measure.interval()
                yield from ((name, measure.value), (f"{name}_low", low), (f"{name}_high", high))


@dataclass(frozen=True, kw_only=True)
class Crosstab(CountStatistic):
    """The table of two or three columns."""

    name: ClassVar[str] = "crosstab"
    summary: ClassVar[str] = "table of counts of two or three columns, with margins and measures"
    modes: ClassVar = BOTH
    promoted: ClassVar = BOTH
    parameters: ClassVar = (
        Parameter(name="a", meaning="a column with public groups; of a 2 x 2 table the exposure"),
        Parameter(name="b", meaning="another one; of a 2 x 2 table the outcome"),
        Parameter(name="c", meaning="a third one", default=None),
        REVEAL,
    )
    is_whole_table: ClassVar[bool] = True
    reveal: bool = False

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """See ``Statistic``."""
        asked = ("a", "b", "c") if arguments.is_given("c") else ("a", "b")
        keys = tuple((name, arguments.group_column(name, table)) for name in asked)
        if len({column.name for _, column in keys}) < len(keys):
            raise InvalidRequestError(
                parameter=asked[-1], reason="must be another column than those before it"
            )
        bound = cls(table=table, mode=mode, limits=limits, keys=keys, reveal=is_hidden(arguments, mode))
        if bound.reveal:
            check_two_by_two(bound._table_shape, asked[-1], limits)
        if len(bound.places) > MAX_CELLS:
            raise InvalidRequestError(parameter=asked[-1], reason=f"makes more than {MAX_CELLS} cells")
        return bound

    @property
    def hidden(self) -> Hidden | None:
        """See ``CountStatistic``: the odds ratio."""
        if not self.reveal:
            return None
        bits = rows_bits(self.limits)
        return Hidden(
            quantity="odds ratio",
            rule=ROUNDING,
            limits=self.limits,
            guards=lambda figures: take(figures, self.places),
            ratio=lambda session, figures: odds_ratio_of_shares(session, take(figures, self.places), bits),
        )

    @property
    def n_guarded(self) -> tuple[int, int]:
        """Cells and lines, and a flag for each."""
        count = len(self.places) + sum(len(margin.lines) for margin in margins_of(self._table_shape))
        return count, count

    def guarded(self, session: Session, cells: Shared) -> Shared:
        """Close small cells, and margins that give one of them away."""
        flags = self.limits.reached(session, cells)
        lines, opened = open_margins(session, cells, flags, self._table_shape, self.limits.threshold)
        return concatenate([multiply(session, cells, flags), lines, flags, opened])

    def whole_table(self, opened: Ints) -> Ints:
        """See ``CountStatistic``: margins follow from the open cells."""
        count = len(self.places)
        lines = np.zeros(self.n_guarded[0] - count, dtype=np.int64)
        return np.concatenate([opened[:count], lines, np.full(count, opened[-1]), lines])

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        found: dict[str, object] = {argument: column.name for argument, column in self.keys}
        return found if self.hidden is None else {**found, **self.hidden.describe()}

    def estimate(self, opened: Sequence[Ints], noise: Sequence[NoiseLaw]) -> CrosstabAnswer | RevealedAnswer:
        """See ``Statistic``."""
        (values,) = opened
        if self.hidden is not None:
            return self.hidden.answer(values)
        count, law = len(self.places), noise[0] if noise else None
        n_lines = self.n_guarded[0] - count
        found = values[: count + n_lines].astype(np.float64) / (1 if law is None else law.weight)
        if self.is_guarded:
            found = np.where(values[count + n_lines :] == 1, found, np.nan)
        cells = found[:count].reshape(self._table_shape)
        lines = found[count:] if self.is_guarded else np.full(n_lines, np.nan)
        sums = known_margins(cells, lines)
        names = tuple(column.name for _, column in self.keys)
        noise_sd = 0.0 if law is None else law.sd
        has_all = cells.ndim == _TWO_WAYS and not np.isnan(cells).any()
        is_small = has_all and cells.shape == TWO_BY_TWO
        return CrosstabAnswer(
            names=names,
            labels=self._labels,
            counts=_plain(cells),
            margins={
                ",".join(names[axis] for axis in kept): _plain(each)
                for kept, each in sums.items()
                if len(kept) < len(names)
            },
            noise_sd=noise_sd,
            few=int((cells < FEW * noise_sd).sum()) if law else 0,
            association=association(cells) if has_all and law is None else {},
            odds_ratio=odds_ratio(cells, noise_sd) if is_small else None,
            risk_ratio=risk_ratio(cells, noise_sd) if is_small else None,
            risk_difference=risk_difference(cells, noise_sd) if is_small else None,
            closed=MINIMUM_CELL if np.isnan(found[:count]).all() and np.isnan(lines).all() else "",
        )

    @property
    def _table_shape(self) -> tuple[int, ...]:
        return tuple(len(labels) for labels in self._labels)

    @property
    def _labels(self) -> tuple[tuple[str, ...], ...]:
        return tuple(tuple(str(label) for label in key.labels if label is not None) for key in self.groups)


def _plain(values: Floats) -> tuple[float | None, ...]:
    return tuple(None if np.isnan(value) else float(value) for value in values.ravel().tolist())

"""Quantiles of a column over its declared bins, in groups.

Layer:       analytics.statistics.location above counts.
Terms:       the quantile of q is the first bin at which the running count reaches q of all rows: the inverse of the
             empirical distribution, without interpolation (``numpy``'s and R's type 1 on the bins). Rows without a known
             value or group are left out.
Guarantees:  exact: of each group and each q the bin opens, and nothing else; it is found on shares. It stays closed
             where fewer than the threshold are in the bin, in the bins before it, or in those after it: so it tells no end
             of the data, and several q do not tell of a bin of few people. A closed figure is opened as 0. The quantile of
             a group without a row is closed, never the first bin. Private: all counts are one release; the bin and
             the bins that the noise leaves possible follow from it, without any guard.
Visible to:  the analyst: exact: the numbers of the bins, and one bit for each. Private: the counts with noise.
See instead: rank tests (mann_whitney).
Source:      ours; docs/guarantees.md P5, P8. The running counts' noise: a bin is possible if at every edge the sign of
             the running count less q of all rows is not contradicted at the level divided by the number of edges
             (Bonferroni), so that all of them hold at once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from statistics import NormalDist
from typing import TYPE_CHECKING, ClassVar, Final, Self

import numpy as np
import numpy.typing as npt

from analytics.errors import InvalidRequestError
from analytics.pictures import Boxes
from analytics.statistics.arguments import Arguments, Parameter
from analytics.statistics.base import BOTH, MINIMUM_CELL, Answer
from analytics.statistics.counts import CountStatistic
from analytics.statistics.grids import coarser
from smpc.operations.arithmetic import (
    add,
    concatenate,
    matmul_public,
    multiply,
    multiply_public,
    reshape,
    subtract,
    subtract_from_public,
    take,
    total,
)
from smpc.operations.comparison import is_negative
from smpc.operations.selection import all_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from fractions import Fraction

    import pandas as pd

    from analytics.schema import Table
    from analytics.statistics.base import Ints, Limits, Mode
    from analytics.statistics.uncertainty.noise_law import NoiseLaw
    from smpc.session import Session
    from smpc.sharing import Shared

Floats = npt.NDArray[np.float64]
MAX_BINS: Final = 1_000
MAX_QUANTILES: Final = 20
MAX_CELLS: Final = 5_000
_MAX_DENOMINATOR: Final = 1_000
_QUARTILES: Final = (0.25, 0.5, 0.75)
LEVEL: Final = 0.95
UNDEFINED: Final = "undefined"
_DTYPES: Final = {"group": "string", "bin": "string", "low_bin": "string", "high_bin": "string"}


@dataclass(frozen=True, kw_only=True)
class QuantileAnswer(Answer):
    """The quantiles.

    Attributes:
        rows: one for each group and q: ``group``, ``q``, ``bin`` (its label), ``start`` and ``end`` (its edges), all but
            the first two None where the guard closed it; ``low_bin`` and ``high_bin``: at 95 %, the first and the last
            bin in which the quantile without noise lies; in exact mode the bin itself.
        noise_sd: standard deviation of the noise on each count; 0 in exact mode.
    """

    rows: tuple[Mapping[str, object], ...]
    noise_sd: float = 0.0

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

    def picture(self) -> Boxes | None:
        """The quartiles' bins of each group; None where not all three were asked."""
        groups: dict[str, dict[float, tuple[float, float] | None]] = {}
        for row in self.rows:
            start, end = row["start"], row["end"]
            ends = (float(start), float(end)) if isinstance(start, float) and isinstance(end, float) else None
            groups.setdefault(str(row["group"]), {})[float(str(row["q"]))] = ends
        quartiles = [[own.get(q) for q in _QUARTILES] for own in groups.values()]
        if not all(set(_QUARTILES) <= set(own) for own in groups.values()):
            return None
        return Boxes(labels=list(groups), quartiles=quartiles, y_name="bins of the quartiles")

    def values(self) -> dict[str, object]:
        """Its fields as plain data."""
        return {"rows": [dict(row) for row in self.rows], "noise_sd": self.noise_sd}


@dataclass(frozen=True, kw_only=True)
class Quantile(CountStatistic):
    """Quantiles of the gridded column, the last key, in the groups of the first, if there are two.

    Attributes:
        fractions: q, each above 0 and below 1.
    """

    name: ClassVar[str] = "quantile"
    summary: ClassVar[str] = "quantiles of a column as one of its declared bins"
    modes: ClassVar = BOTH
    promoted: ClassVar = BOTH
    parameters: ClassVar = (
        Parameter(name="column", meaning="a numeric column with declared bins"),
        Parameter(name="q", meaning="a number above 0 and below 1, or a list of them", default="0.5"),
        Parameter(name="by", meaning="a column with public groups: quantiles for each", default=None),
        Parameter(name="grid", meaning="edges of the declared bins that make coarser bins", default=None),
    )
    fractions: tuple[Fraction, ...]

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """See ``Statistic``."""
        column = arguments.number_column("column", table)
        by = arguments.group_column("by", table) if arguments.is_given("by") else None
        if by is not None and by.name == column.name:
            raise InvalidRequestError(parameter="by", reason="must be another column")
        gridded = replace(column, bins=coarser(arguments, column, "column", MAX_BINS))
        keys = (*(() if by is None else (("by", by),)), ("column", gridded))
        fractions = arguments.one_or_more_numbers("q")
        if any(not 0 < each < 1 or each.denominator > _MAX_DENOMINATOR for each in fractions):
            reason = "must be above 0 and below 1, with at most three decimals"
            raise InvalidRequestError(parameter="q", reason=reason)
        if len(set(fractions)) < len(fractions) or len(fractions) > MAX_QUANTILES:
            raise InvalidRequestError(
                parameter="q", reason=f"must be at most {MAX_QUANTILES} different numbers"
            )
        bound = cls(table=table, mode=mode, limits=limits, keys=keys, fractions=fractions)
        if len(bound.places) * len(fractions) > MAX_CELLS:
            raise InvalidRequestError(parameter="by", reason=f"makes more than {MAX_CELLS} cells for all q")
        return bound

    @property
    def names(self) -> tuple[str, ...]:
        """The groups; one without a name where none were asked for."""
        if len(self.keys) == 1:
            return ("",)
        return tuple(str(label) for label in self.groups[0].labels if label is not None)

    @property
    def bins(self) -> tuple[str, ...]:
        """Labels of the bins."""
        return tuple(str(label) for label in self.groups[-1].labels if label is not None)

    @property
    def _n_figures(self) -> int:
        return len(self.names) * len(self.fractions)

    @property
    def is_guarded(self) -> bool:
        """In exact mode always: without a minimum cell for groups without a row."""
        return self.mode == "exact"

    @property
    def n_guarded(self) -> tuple[int, int]:
        """The bin of each group and q, and a flag for it."""
        return self._n_figures, self._n_figures

    def guarded(self, session: Session, cells: Shared) -> Shared:
        """Close a quantile with too few in its bin, before it or after it."""
        number, sides, within = self._found(session, cells)
        count = self._n_figures
        least = [self.limits.threshold] * (2 * count) + [max(1, self.limits.threshold)] * count
        reached = self.limits.reached(session, concatenate([sides, within]), least)
        parts = [take(reached, range(place * count, (place + 1) * count)) for place in range(3)]
        flags = all_of(session, *parts)
        return concatenate([multiply(session, number, flags), flags])

    def _found(self, session: Session, cells: Shared) -> tuple[Shared, Shared, Shared]:
        """Of each group and q the number of its bin; the rows before each bin and then those after each; those in it.

        Cost: one batch of comparisons of groups times bins times q, and one product.
        """
        groups, bins, count = len(self.names), len(self.bins), len(self.fractions)
        one = np.eye(groups, dtype=np.int64)
        running = matmul_public(np.kron(one, np.tril(np.ones((bins, bins), dtype=np.int64))), cells)
        everyone = matmul_public(np.kron(one, np.ones((1, bins), dtype=np.int64)), cells)
        spread = matmul_public(np.kron(one, np.ones((bins, 1), dtype=np.int64)), everyone)
        missing = concatenate(
            [
                subtract(multiply_public(running, each.denominator), multiply_public(spread, each.numerator))
                for each in self.fractions
            ]
        )
        most = self.limits.n_sites * self.limits.rows_max * _MAX_DENOMINATOR
        is_before = is_negative(session, missing, most.bit_length() + 2)  # the quantile lies in a later bin
        shape = (count * groups, bins)
        table = reshape(concatenate([cells] * count), shape)
        # a bin is after the quantile's where the one before it is not before the quantile's
        marks = reshape(is_before, shape)
        reached = subtract_from_public(session, 1, take(marks, range(bins - 1), axis=1))
        both = multiply(
            session,
            concatenate([marks, reached], axis=1),
            concatenate([table, take(table, range(1, bins), axis=1)], axis=1),
        )
        before = total(take(both, range(bins), axis=1), axis=1)
        after = total(take(both, range(bins, 2 * bins - 1), axis=1), axis=1)
        within = subtract(concatenate([everyone] * count), add(before, after))
        return total(marks, axis=1), concatenate([before, after]), within

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        named = {argument: column.name for argument, column in self.keys}
        return {**named, "q": [str(each) for each in self.fractions], "bins": list(self.bins)}

    def estimate(self, opened: Sequence[Ints], noise: Sequence[NoiseLaw]) -> QuantileAnswer:
        """See ``Statistic``."""
        (values,) = opened
        asked = list(product(self.fractions, self.names))
        if noise:
            counts = (values / noise[0].weight).reshape(len(self.names), -1)
            found: list[tuple[int, int, int] | None] = [
                _possible(counts[place], each, noise[0].sd)
                for each in self.fractions
                for place in range(len(self.names))
            ]
        else:
            numbers, flags = values[: self._n_figures], values[self._n_figures :]
            found = [(int(n),) * 3 if flag else None for n, flag in zip(numbers, flags, strict=True)]
        rows = tuple(self._row(group, q, bins) for (q, group), bins in zip(asked, found, strict=True))
        return QuantileAnswer(
            rows=rows,
            noise_sd=noise[0].sd if noise else 0.0,
            closed="" if any(each is not None for each in found) else self._why_closed,
        )

    @property
    def _why_closed(self) -> str:
        return MINIMUM_CELL if self.limits.threshold else UNDEFINED

    def _row(self, group: str, q: Fraction, bins: tuple[int, int, int] | None) -> dict[str, object]:
        edges = getattr(self.keys[-1][1], "bins", ())
        names = ("bin", "start", "end", "low_bin", "high_bin")
        figures: tuple[object, ...] = (None,) * len(names)
        if bins is not None:
            own, low, high = bins
            figures = (
                self.bins[own],
                float(edges[own]),
                float(edges[own + 1]),
                self.bins[low],
                self.bins[high],
            )
        return {"group": group, "q": float(q), **dict(zip(names, figures, strict=True))}


def _possible(counts: Floats, fraction: Fraction, sd: float) -> tuple[int, int, int]:
    """The quantile's bin by noisy counts, and the first and last bin that the noise leaves possible.

    ``(1 - q)`` times the counts up to an edge less q times those after it has noise of variance ``sd^2 ((1 - q)^2 k + q^2
    (m - k))``, for k of m counts.
    """
    size, q = len(counts), float(fraction)
    own = np.maximum(counts, 0.0)
    running = np.cumsum(own)
    place = int(np.argmax(running >= q * running[-1])) if running[-1] > 0 else (size - 1) // 2
    if size == 1:
        return 0, 0, 0
    before = np.arange(1, size)
    apart = np.cumsum(counts)[:-1] - q * counts.sum()
    errors = sd * np.sqrt((1 - q) ** 2 * before + q**2 * (size - before))
    width = NormalDist().inv_cdf(1 - (1 - LEVEL) / 2 / (size - 1))
    # an edge at which the running count surely falls short lies before the quantile's bin; one that it surely reaches after
    short, enough = apart < -width * errors, apart > width * errors
    low = int(before[short].max()) if short.any() else 0
    high = int(before[enough].min()) - 1 if enough.any() else size - 1
    low, high = min(low, high), max(low, high)
    return min(max(place, low), high), low, high

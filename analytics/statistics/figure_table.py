"""Statistics that are made from one whole table of counts: a test, figures with intervals, and the table itself.

Layer:       analytics.statistics above counts and delta_method, below the statistics themselves.
Terms:       the *table* has an axis for each column and a place on it for each chosen group; NULL is no group.
Guarantees:  exact: the whole table opens or nothing does, by one flag, which is 1 where every cell reaches the threshold;
             no party learns which cell did not. Private: all its cells are one release, without any guard.
Visible to:  the analyst: the table.
See instead: tables of which single cells may be closed (crosstab).
Source:      ours; docs/guarantees.md P5, P8.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Self

import numpy as np
import numpy.typing as npt

from analytics.errors import InvalidRequestError, PlanRejectedError
from analytics.schema import NumericColumn
from analytics.sql.grouping import labels_of
from analytics.statistics.base import MINIMUM_CELL, Answer
from analytics.statistics.counts import WholeTable
from analytics.statistics.grids import coarser
from analytics.statistics.uncertainty.delta_method import LEVEL, Figure

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from analytics.schema import Table
    from analytics.sql.query import GroupColumn
    from analytics.statistics.arguments import Arguments
    from analytics.statistics.base import Ints, Limits, Mode
    from analytics.statistics.uncertainty.noise_law import NoiseLaw

Floats = npt.NDArray[np.float64]
MAX_CELLS: Final = 1_000
UNDEFINED: Final = "undefined"
ALTERNATIVES: Final = ("two-sided", "less", "greater")
_TWO: Final = 2


@dataclass(frozen=True, kw_only=True)
class TableAnswer(Answer):
    """What a statistic of one table says.

    Attributes:
        statistic: of its test; None where there is none, it is closed or undefined.
        pvalue: exact: of the named test; private: a parametric bootstrap over the mechanism.
        dof: degrees of freedom of the test, where it has them.
        tests: further statistics and p-values, by name.
        figures: by name.
        names: of the columns.
        labels: of each column's groups.
        counts: the table, the last column's groups fastest; with noise in private mode.
        noise_sd: standard deviation of the noise on each count; 0 in exact mode.
    """

    statistic: float | None = None
    pvalue: float | None = None
    dof: int | None = None
    tests: Mapping[str, float | None] = field(default_factory=dict)
    figures: Mapping[str, Figure] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    labels: tuple[tuple[str, ...], ...] = ()
    counts: tuple[float, ...] = ()
    noise_sd: float = 0.0

    def interval(self, name: str, level: float = LEVEL) -> tuple[float | None, float | None]:
        """Of a figure by its name, with sampling and noise.

        Raises:
            InvalidRequestError: there is no such figure, or the level is not between 0 and 1.
        """
        if name not in self.figures:
            reason = (
                f"must be one of {', '.join(self.figures)}" if self.figures else "is not among the figures"
            )
            raise InvalidRequestError(parameter="name", reason=reason)
        return self.figures[name].interval(level)

    @property
    def table(self) -> pd.DataFrame:
        """The counts; the first columns' groups below each other, those of the last side by side."""
        import pandas as pd

        if not self.counts:
            return pd.DataFrame()
        *others, last = self.labels
        if not others:
            return pd.DataFrame({"n": self.counts}, index=list(last), dtype="Float64")
        rows = np.array(self.counts).reshape(-1, len(last))
        index = (
            pd.Index(others[0], name=self.names[0])
            if len(others) == 1
            else pd.MultiIndex.from_product(others, names=list(self.names[:-1]))
        )
        return pd.DataFrame(rows, index=index, columns=list(last), dtype="Float64")

    @property
    def frame(self) -> pd.DataFrame:
        """One row a figure with its interval at 95 %; the table where there is no figure."""
        import pandas as pd

        if not self.figures:
            return self.table
        rows = [
            (each.value, *each.interval(), each.sampling_error, each.noise_error)
            for each in self.figures.values()
        ]
        names = ["value", "low", "high", "sampling_error", "noise_error"]
        return pd.DataFrame(rows, index=list(self.figures), columns=names).astype("Float64")

    def values(self) -> dict[str, object]:
        """Its fields as plain data."""
        found: dict[str, object] = {}
        if self.statistic is not None or self.pvalue is not None:
            found |= {"statistic": self.statistic, "pvalue": self.pvalue}
        if self.dof is not None:
            found["dof"] = self.dof
        found |= self.tests
        for name, each in self.figures.items():
            low, high = each.interval()
            found |= {name: each.value, f"{name}_low": low, f"{name}_high": high}
        found |= {"names": list(self.names), "labels": [list(each) for each in self.labels]}
        return found | {"counts": list(self.counts), "noise_sd": self.noise_sd}


@dataclass(frozen=True, kw_only=True)
class FigureTable(WholeTable):
    """A statistic of one whole table.

    Attributes:
        chosen: of each column the positions of its groups, in the order asked.
    """

    chosen: tuple[tuple[int, ...], ...]

    @classmethod
    def bind_axes(
        cls,
        table: Table,
        mode: Mode,
        limits: Limits,
        axes: Sequence[tuple[str, GroupColumn]],
        chosen: Mapping[str, tuple[int, ...]] | None = None,
        **fields: object,
    ) -> Self:
        """Bind the columns; a subclass adds its own fields.

        Args:
            table: the table.
            mode: private or exact.
            limits: of its guards.
            axes: the columns, each with the argument that names it.
            chosen: the groups of the columns that not all groups are taken of.
            fields: of the subclass.

        Raises:
            InvalidRequestError: a column comes twice, has one group only, or there are too many cells.
        """
        places = {name: tuple(range(n_groups(column))) for name, column in axes} | dict(chosen or {})
        seen: set[str] = set()
        size = 1
        for name, column in axes:
            size *= len(places[name])
            if column.name in seen:
                raise InvalidRequestError(
                    parameter=name, reason="must be another column than those before it"
                )
            if len(places[name]) < _TWO or size > MAX_CELLS:
                reason = f"must have at least two groups, and make at most {MAX_CELLS} cells"
                raise InvalidRequestError(parameter=name, reason=reason)
            seen.add(column.name)
        bound = {"table": table, "mode": mode, "limits": limits, "keys": tuple(axes)}
        picked = tuple(places[name] for name, _ in axes)
        return cls(**bound | {"chosen": picked} | fields)  # type: ignore[arg-type]

    @property
    def places(self) -> tuple[int, ...]:
        """The cells of the chosen groups."""
        cells = np.arange(int(np.prod(self.shape))).reshape(self.shape)
        return tuple(int(place) for place in cells[np.ix_(*self.chosen)].ravel())

    @property
    def labels(self) -> tuple[tuple[str, ...], ...]:
        """Of each column's chosen groups."""
        return tuple(
            tuple(str(key.labels[place]) for place in chosen)
            for key, chosen in zip(self.groups, self.chosen, strict=True)
        )

    @property
    def table_shape(self) -> tuple[int, ...]:
        """Chosen groups of each column."""
        return tuple(map(len, self.chosen))

    @property
    def least(self) -> float:
        """What a cell of a test counts as at least: 0, or one half where it has noise, so that no private test is undefined."""
        return 0.0 if self.mode == "exact" else 0.5

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        named: dict[str, object] = {argument: column.name for argument, column in self.keys}
        return named | {"groups": [list(labels) for labels in self.labels]}

    def estimate(self, opened: Sequence[Ints], noise: Sequence[NoiseLaw]) -> TableAnswer:
        """See ``Statistic``."""
        (values,) = opened
        names = tuple(column.name for _, column in self.keys)
        if self.is_guarded and not values[-1]:
            return TableAnswer(closed=MINIMUM_CELL, names=names, labels=self.labels)
        law = noise[0] if noise else None
        cells = values[: len(self.places)] / (1 if law is None else law.weight)
        found = self.answer(cells.reshape(self.table_shape), law, values)
        return replace(
            found,
            names=names,
            labels=self.labels,
            counts=tuple(cells.tolist()),
            noise_sd=0.0 if law is None else law.sd,
        )

    @abstractmethod
    def answer(self, cells: Floats, law: NoiseLaw | None, opened: Ints) -> TableAnswer:
        """Test and figures from the table; with the law of its noise in private mode."""


def n_groups(column: GroupColumn) -> int:
    """Public groups of a column, NULL not among them."""
    return sum(label is not None for label in labels_of(column))


def check_same_groups(bound: FigureTable) -> None:
    """Refuse two columns of other groups.

    Raises:
        PlanRejectedError: the labels of the first two columns are not the same.
    """
    first, second = bound.labels[:2]
    if first != second:
        reason = f"must have the groups of a, in their order: {', '.join(first[:20])}"
        raise PlanRejectedError(position="b", reason=reason)


def two_groups(arguments: Arguments, name: str, table: Table) -> GroupColumn:
    """The column of an argument, which must have two public groups.

    Raises:
        InvalidRequestError: it has another number of groups, or the argument is no text.
        PlanRejectedError: no such column, the privacy unit, or a number without bins.
    """
    column = arguments.group_column(name, table)
    if n_groups(column) != _TWO:
        raise InvalidRequestError(parameter=name, reason=f"must have two groups, not {n_groups(column)}")
    return column


def gridded(arguments: Arguments, name: str, table: Table) -> GroupColumn:
    """The column of an argument; of a number with ``grid``, on these coarser bins.

    Raises:
        InvalidRequestError: the grid is none of declared edges, or the argument is no text.
        PlanRejectedError: no such column, the privacy unit, or a number without bins.
    """
    column = arguments.group_column(name, table)
    if isinstance(column, NumericColumn):
        return replace(column, bins=coarser(arguments, column, name, MAX_CELLS))
    if arguments.is_given("grid"):
        raise InvalidRequestError(parameter="grid", reason=f"is for numbers alone: {column.name} is none")
    return column


def number_bins(arguments: Arguments, name: str, table: Table) -> NumericColumn:
    """The numeric column of an argument, on the bins of ``grid``.

    Raises:
        InvalidRequestError: the grid is none of declared edges, or the argument is no text.
        PlanRejectedError: no such column, no number, or a number without bins.
    """
    column = gridded(arguments, name, table)
    if not isinstance(column, NumericColumn):
        raise PlanRejectedError(position=name, reason=f"{column.name} must be numeric")
    return column


def middles(column: NumericColumn) -> Floats:
    """The middle of each bin, between its edges."""
    edges = np.array([float(edge) for edge in column.bins])
    found: Floats = (edges[:-1] + edges[1:]) / 2
    return found


def alternative_of(arguments: Arguments) -> str:
    """The argument ``alternative``.

    Raises:
        InvalidRequestError: it is none of ``ALTERNATIVES``.
    """
    found = arguments.text("alternative")
    if found not in ALTERNATIVES:
        reason = f"must be one of {', '.join(ALTERNATIVES)}"
        raise InvalidRequestError(parameter="alternative", reason=reason)
    return found

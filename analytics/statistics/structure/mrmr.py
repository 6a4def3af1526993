"""Selection of features by minimum redundancy and maximum relevance: those that tell most of a target and least of each other.

Layer:       analytics.statistics.structure above base and independence.
Terms:       the *relevance* of a feature is its mutual information with the target, in nats; its *redundancy* the mean of that
             with the features chosen before it; its *score* the difference or the quotient of both.
Guarantees:  exact: over the rows that have every column; of each two columns the table opens where each of its cells has at
             least m s units, on shares; a feature whose table with the target or with a chosen feature is closed is left out
             and named. Private: all tables are one release (a row is in one cell of each); noisy counts below one half count
             as one half, and what the noise and sampling lead to expect of independent columns is taken off each information.
Visible to:  the analyst: the tables of all pairs of columns, and in exact mode a bit for each.
See instead: one pair (mutual_information), features of a penalised model (lasso).
Source:      H. Peng, F. Long, C. Ding, IEEE PAMI 27(8), 2005 (difference); C. Ding, H. Peng 2003 (quotient).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import prod
from typing import TYPE_CHECKING, ClassVar, Final, Self

import numpy as np
import numpy.typing as npt

from analytics.errors import InvalidRequestError
from analytics.sql.grouping import labels_of
from analytics.sql.query import AggregateOutput, BoundQuery, Clause, GroupingSet, GroupKey, Use
from analytics.statistics.arguments import Arguments, Parameter, check_one_row_a_unit
from analytics.statistics.base import BOTH, MINIMUM_CELL, Answer, Statistic, Step
from analytics.statistics.blocks import BlockSpec, Measure
from analytics.statistics.counts import OPEN, OVER
from analytics.statistics.guards.column_cells import ColumnCells
from analytics.statistics.tables.independence import likelihood_ratio, noisy_replicates
from smpc.operations.arithmetic import concatenate, matmul_public, multiply, take
from smpc.operations.comparison import at_least

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from analytics.schema import Table
    from analytics.sql.query import GroupColumn
    from analytics.statistics.base import Ints, Limits, Mode
    from analytics.statistics.uncertainty.noise_law import NoiseLaw
    from smpc.session import Session
    from smpc.sharing import Shared

Floats = npt.NDArray[np.float64]
Pair = tuple[int, int]
MAX_FEATURES: Final = 40
MAX_CELLS: Final = 20_000
SCHEMES: Final = ("difference", "quotient")
_LEAST: Final = 0.5
_SMALL: Final = 1e-12


@dataclass(frozen=True, kw_only=True)
class MrmrAnswer(Answer):
    """The chosen features in order.

    Attributes:
        features: their names.
        relevance: of each, in nats.
        redundancy: of each with those before it; None of the first.
        scores: of each.
        left_out: features whose tables are closed or without spread.
    """

    features: tuple[str, ...] = ()
    relevance: tuple[float, ...] = ()
    redundancy: tuple[float | None, ...] = ()
    scores: tuple[float, ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def frame(self) -> pd.DataFrame:
        """One row a feature."""
        import pandas as pd

        columns = {"relevance": self.relevance, "redundancy": self.redundancy, "score": self.scores}
        found = {name: pd.Series(list(values), dtype="Float64") for name, values in columns.items()}
        return pd.DataFrame({"feature": pd.Series(list(self.features), dtype="string"), **found})

    def values(self) -> dict[str, object]:
        """See ``Answer``."""
        return {
            "features": list(self.features),
            "relevance": list(self.relevance),
            "redundancy": list(self.redundancy),
            "scores": list(self.scores),
            "left_out": list(self.left_out),
        }


@dataclass(frozen=True, kw_only=True)
class Mrmr(Statistic[int]):
    """The selection.

    Attributes:
        axes: the target, then the features.
        n_chosen: features to choose at most.
        scheme: difference or quotient.
    """

    name: ClassVar[str] = "mrmr"
    any_noise: ClassVar[bool] = True
    summary: ClassVar[str] = "features that tell most of a target and least of each other"
    modes: ClassVar = BOTH
    promoted: ClassVar = BOTH
    parameters: ClassVar = (
        Parameter(name="target", meaning="a column with public groups or declared bins"),
        Parameter(name="features", meaning="a list of two or more others"),
        Parameter(name="n", meaning="features to choose at most; all by default", default=None),
        Parameter(
            name="scheme", meaning="difference or quotient of relevance and redundancy", default="difference"
        ),
    )
    axes: tuple[GroupColumn, ...]
    n_chosen: int
    scheme: str

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """See ``Statistic``."""
        check_one_row_a_unit(table, cls.name)
        target, features = arguments.group_column("target", table), arguments.group_columns("features", table)
        axes = (target, *features)
        if len({column.name for column in axes}) < len(axes):
            raise InvalidRequestError(
                parameter="features", reason="must be different columns, target not among them"
            )
        if not 2 <= len(features) <= MAX_FEATURES:  # noqa: PLR2004  one feature leaves no choice
            raise InvalidRequestError(parameter="features", reason=f"must be 2 to {MAX_FEATURES} columns")
        n_chosen = (
            arguments.whole("n", low=1, high=len(features)) if arguments.is_given("n") else len(features)
        )
        scheme = arguments.text("scheme")
        if scheme not in SCHEMES:
            raise InvalidRequestError(parameter="scheme", reason=f"must be {' or '.join(SCHEMES)}")
        bound = cls(table=table, mode=mode, limits=limits, axes=axes, n_chosen=n_chosen, scheme=scheme)
        if sum(bound.sizes) > MAX_CELLS:
            reason = f"make tables of {sum(bound.sizes)} cells in all, of at most {MAX_CELLS}: name fewer"
            raise InvalidRequestError(parameter="features", reason=reason)
        return bound

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """Every two columns; a feature's pair with the target begins with 0."""
        return tuple(combinations(range(len(self.axes)), 2))

    @property
    def sizes(self) -> tuple[int, ...]:
        """Cells of each table; in private mode a missing value is a group."""
        return tuple(prod(self.shape[axis] for axis in pair) for pair in self.pairs)

    @property
    def shape(self) -> tuple[int, ...]:
        """Groups of each column."""
        if self.mode == "private":
            return tuple(len(labels_of(column)) for column in self.axes)
        return tuple(len(ColumnCells(column=column).known) for column in self.axes)

    @property
    def query(self) -> BoundQuery | None:
        """Private: the rows of every two columns' groups. Exact: none, as rows are read."""
        if self.mode == "exact":
            return None
        return BoundQuery(
            text=f"{self.name}({', '.join(column.name for column in self.axes)})",
            table=self.table,
            outputs=(AggregateOutput(name="n", aggregate="count_rows", argument=None, position=self.name),),
            where=None,
            groups=tuple(GroupKey(column=column, labels=labels_of(column)) for column in self.axes),
            order=(),
            limit=None,
            uses=tuple(
                Use(column=column.name, clause=Clause.GROUP_BY, position="features") for column in self.axes
            ),
            exact_objections=(),
            grouping_sets=tuple(GroupingSet(keys=pair, weight=1) for pair in self.pairs),
        )

    @property
    def figures(self) -> tuple[BlockSpec, ...]:
        """Rows."""
        return (BlockSpec(measure=Measure.ROWS),) if self.mode == "private" else ()

    @property
    def columns(self) -> tuple[str, ...]:
        """In exact mode those that a site reads."""
        return () if self.mode == "private" else self.dimensions

    @property
    def dimensions(self) -> tuple[str, ...]:
        """All of them."""
        return tuple(column.name for column in self.axes)

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        target, *features = self.dimensions
        return {"target": target, "features": features, "n": self.n_chosen, "scheme": self.scheme}

    @property
    def is_guarded(self) -> bool:
        """Whether the opening depends on the guard."""
        return self.mode == "exact" and self.limits.threshold > 0

    def start(self) -> int:
        """Before the opening."""
        return OPEN

    def step(self, state: int) -> Step | None:
        """The one step."""
        return None if state == OVER else self.every_step()[0]

    def advance(self, state: int, opened: Ints) -> int:
        """Over."""
        del state, opened
        return OVER

    def every_step(self) -> tuple[Step]:
        """One opening to the analyst."""
        size = sum(self.sizes)
        step = Step(
            name="tables of two columns",
            to="analyst",
            clamps=(self.limits.rows_max,) * size,
            local=self.count_rows,
            joint=self._joint,
            n_values=size,
            n_flags=len(self.pairs) if self.is_guarded else 0,
            has_products=self.is_guarded,
        )
        return (step,)

    def count_rows(self, rows: Ints) -> Ints:
        """In exact mode a site's tables, one after the other; a private scan is them already.

        Visible to: the site alone.
        """
        if self.mode == "private":
            return rows
        codes = [
            np.argmax(cells.members(rows[:, 1 + axis], cells.known), axis=0)
            for axis, cells in enumerate(ColumnCells(column=column) for column in self.axes)
        ]
        found = [
            np.bincount(codes[one] * self.shape[other] + codes[other], minlength=size)
            for (one, other), size in zip(self.pairs, self.sizes, strict=True)
        ]
        return np.concatenate(found).astype(np.int64)

    def _joint(self, session: Session, figures: Shared) -> Shared:
        """Each table where its flag is 1, which is where each of its cells reaches the threshold; then the flags."""
        if not self.is_guarded:
            return figures
        reached = self.limits.reached(session, figures)
        owners = np.repeat(np.arange(len(self.pairs)), self.sizes)
        lines = (owners == np.arange(len(self.pairs))[:, np.newaxis]).astype(np.int64)
        needed = np.array(self.sizes, dtype=np.int64)
        flags = at_least(session, matmul_public(lines, reached), needed, int(needed.max()).bit_length() + 2)
        return concatenate([multiply(session, figures, take(flags, owners.tolist())), flags])

    def estimate(self, opened: Sequence[Ints], noise: Sequence[NoiseLaw]) -> MrmrAnswer:
        """See ``Statistic``."""
        (values,) = opened
        flags = values[sum(self.sizes) :] if self.is_guarded else np.ones(len(self.pairs), dtype=np.int64)
        starts = np.cumsum((0, *self.sizes))
        known: dict[Pair, float] = {}
        for place, pair in enumerate(self.pairs):
            cells = values[starts[place] : starts[place + 1]]
            law = noise[place] if noise else None
            information = self._information(pair, cells, law) if flags[place] else None
            if information is not None:
                known[pair] = information
        return _answer(self.dimensions[1:], known, self.n_chosen, self.scheme)

    def _information(self, pair: Pair, cells: Ints, law: NoiseLaw | None) -> float | None:
        """In nats; None where a row or a column is empty. A missing value is no group."""
        kept = tuple(slice(len(ColumnCells(column=self.axes[axis]).known)) for axis in pair)
        whole = cells.reshape([self.shape[axis] for axis in pair])[kept].astype(np.float64)
        if law is None:
            return _nats(whole)
        table = np.maximum(whole / law.weight, _LEAST)
        drawn = np.maximum(noisy_replicates(table, law, cells), _LEAST)
        expected = float((likelihood_ratio(drawn) / (2 * drawn.sum(axis=(1, 2)))).mean())
        found = _nats(table)
        return None if found is None else max(0.0, found - expected)


def _nats(table: Floats) -> float | None:
    statistic = float(likelihood_ratio(table[np.newaxis])[0])
    return None if np.isnan(statistic) else statistic / (2 * float(table.sum()))


def _answer(features: Sequence[str], known: Mapping[Pair, float], n_chosen: int, scheme: str) -> MrmrAnswer:
    """Choose greedily; of equal scores the feature that was named first."""
    relevance = {place: known[0, place] for place in range(1, len(features) + 1) if (0, place) in known}
    left, chosen = list(relevance), list[int]()
    scores, redundancy = list[float](), list[float | None]()
    while left and len(chosen) < n_chosen:
        means = {
            place: sum(known[min(place, other), max(place, other)] for other in chosen) / max(1, len(chosen))
            for place in left
        }

        def score(place: int, means: Mapping[int, float] = means) -> float:
            if not chosen or scheme == "difference":
                return relevance[place] - means[place]
            return relevance[place] / max(means[place], _SMALL)

        best = max(left, key=score)
        scores.append(score(best))
        redundancy.append(means[best] if chosen else None)
        chosen.append(best)
        left = [place for place in left if place != best and (min(place, best), max(place, best)) in known]
    open_ones = {
        place
        for place in relevance
        if all((min(place, one), max(place, one)) in known for one in chosen if one != place)
    }
    return MrmrAnswer(
        features=tuple(features[place - 1] for place in chosen),
        relevance=tuple(relevance[place] for place in chosen),
        redundancy=tuple(redundancy),
        scores=tuple(scores),
        left_out=tuple(name for place, name in enumerate(features, start=1) if place not in open_ones),
        closed="" if chosen else MINIMUM_CELL,
    )

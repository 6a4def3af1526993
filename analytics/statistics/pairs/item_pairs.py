"""Statistics of pairs of items: one scan, one opening, to the analyst.

Layer:       analytics.statistics.pairs above pair_guard; below the statistics (association).
Guarantees:  exact: see pair_guard. Private: the four cells of all pairs are one release, in a table of one row a person: a
             person is in one cell of each pair, so that the squared norm is the number of pairs.
Visible to:  the analyst: in private mode all cells with noise; in exact mode see pair_guard.
Source:      ours; docs/guarantees.md P5, P6.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from analytics.errors import InvalidRequestError
from analytics.schema import BooleanColumn
from analytics.sql.query import BoundQuery, Clause, Use
from analytics.sql.terms.expressions import Both, Choice, Flag, Is, Literal, Not
from analytics.statistics.base import Statistic, Step
from analytics.statistics.blocks import BlockSpec, JointNorm, Measure, in_cell
from analytics.statistics.counts import OPEN, OVER
from analytics.statistics.guards.column_cells import ColumnCells
from analytics.statistics.pairs.noisy_pairs import NoisyPair, noisy_pair

if TYPE_CHECKING:
    from analytics.schema import Table
    from analytics.sql.terms.expressions import Condition
    from analytics.statistics.base import Ints, Mode
    from analytics.statistics.pairs.pair_guard import PairCounts
    from analytics.statistics.uncertainty.noise_law import NoiseLaw
    from smpc.session import Session
    from smpc.sharing import Shared

MAX_PRIVATE: Final = 500
CELLS: Final = 4


def check_private(table: Table, counts: PairCounts, parameter: str, mode: Mode) -> None:
    """Refuse a private release that has no bound, or too many numbers.

    Raises:
        InvalidRequestError: a person may have several rows, or there are more than 500 pairs.
    """
    if mode == "exact":
        return
    if not table.units_are_rows:
        reason = (
            "must be exact over a table of codes: noise for all pairs of a person grows with the root of their number,"
            " on which the table declares no bound"
        )
        raise InvalidRequestError(parameter="mode", reason=reason)
    if len(counts.pairs) > MAX_PRIVATE:
        reason = f"must leave at most {MAX_PRIVATE} pairs in private mode, not {len(counts.pairs)}"
        raise InvalidRequestError(parameter=parameter, reason=reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoisyPairs:
    """A private release.

    Attributes:
        n_people: the mean over all pairs' tables.
        margins: of each item the mean over its pairs' tables.
        names: the items of each pair.
        pairs: the measures of each.
    """

    n_people: float
    margins: tuple[float, ...]
    names: tuple[tuple[str, str], ...]
    pairs: tuple[NoisyPair, ...]


@dataclass(frozen=True, kw_only=True)
class ItemPairs(Statistic[int]):
    """A statistic of pairs.

    Attributes:
        counts: the pairs, counted and guarded.
    """

    keeps_missing: ClassVar[bool] = True
    counts: PairCounts

    @property
    def columns(self) -> tuple[str, ...]:
        """In exact mode those of the items."""
        return () if self.mode == "private" else self.counts.columns

    @property
    def query(self) -> BoundQuery | None:
        """Private: all rows in one group. Exact: none, as rows are read."""
        if self.mode == "exact":
            return None
        return BoundQuery(
            text=self.name,
            table=self.table,
            outputs=(),
            where=None,
            groups=(),
            order=(),
            limit=None,
            uses=tuple(
                Use(column=name, clause=Clause.AGGREGATE, position="items") for name in self.counts.columns
            ),
            exact_objections=(),
        )

    @property
    def figures(self) -> tuple[BlockSpec, ...]:
        """Of each pair the rows with both, the first alone, the second alone, neither."""
        if self.mode == "exact":
            return ()
        held = [self._holds(item) for item in range(len(self.counts.items))]
        lacks = [Not(condition=each) for each in held]
        found = []
        for one, other in self.counts.pairs:
            for first, second in product((held[one], lacks[one]), (held[other], lacks[other])):
                inside = ((Both(left=first, right=second), Literal(value=1)),)
                argument = Choice(branches=inside, default=None)
                found.append(BlockSpec(measure=Measure.COUNT, argument=argument))
        return tuple(found)

    @property
    def norm(self) -> JointNorm | None:
        """A row is in one cell of each pair."""
        n_pairs = len(self.counts.pairs)
        return JointNorm(weights=(1,) * (CELLS * n_pairs), square=n_pairs)

    def _holds(self, item: int) -> Condition:
        found = self.counts.items[item]
        column = self.table.columns[found.column]
        if isinstance(column, BooleanColumn):
            return Is(condition=Flag(name=column.name), value=bool(found.low))
        cells = ColumnCells(column=column)  # type: ignore[arg-type]  # no identifier is an item
        return in_cell(cells.argument, (found.low, found.high))

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

    @property
    def is_guarded(self) -> bool:
        """Whether the opening depends on the guard."""
        return self.mode == "exact" and self.counts.is_guarded

    def every_step(self) -> tuple[Step]:
        """One opening to the analyst."""
        n_values = self.counts.n_values if self.mode == "exact" else CELLS * len(self.counts.pairs)
        step = Step(
            name="pairs of items",
            to="analyst",
            clamps=(self.limits.rows_max,) * n_values,
            local=self.count_rows,
            joint=self._joint,
            n_values=n_values,
            n_flags=n_values if self.is_guarded else 0,
            has_products=self.is_guarded,
        )
        return (step,)

    def count_rows(self, rows: Ints) -> Ints:
        """A site's numbers; a private scan is them already."""
        return self.counts.count_rows(rows) if self.mode == "exact" else rows

    def _joint(self, session: Session, figures: Shared) -> Shared:
        return self.counts.guarded(session, figures) if self.is_guarded else figures

    def noisy_pairs(self, values: Ints, law: NoiseLaw) -> NoisyPairs:
        """Read a private release.

        Args:
            values: what was opened.
            law: of the noise on each.
        """
        cells = values.reshape(-1, CELLS).astype(np.float64) / law.weight
        items, pairs = self.counts.items, self.counts.pairs
        margins: list[list[float]] = [[] for _ in items]
        for (one, other), (both, first, second, _) in zip(pairs, cells.tolist(), strict=True):
            margins[one].append(both + first)
            margins[other].append(both + second)
        return NoisyPairs(
            n_people=float(cells.sum(axis=1).mean()),
            margins=tuple(float(np.mean(each)) for each in margins),
            names=tuple((items[one].name, items[other].name) for one, other in pairs),
            pairs=tuple(noisy_pair((a, b, c, d), law.sd) for a, b, c, d in cells.tolist()),
        )

"""Statistics of pairs of items: one scan of rows, one opening, to the analyst.

Layer:       analytics.statistics.pairs above pair_guard; below the statistics (association).
Source:      ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from analytics.statistics.base import Statistic, Step
from analytics.statistics.counts import OPEN, OVER

if TYPE_CHECKING:
    from analytics.statistics.base import Ints
    from analytics.statistics.pairs.pair_guard import PairCounts
    from smpc.session import Session
    from smpc.sharing import Shared


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
        """Those of the items."""
        return self.counts.columns

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
        n_values, is_guarded = self.counts.n_values, self.counts.is_guarded
        step = Step(
            name="pairs of items",
            to="analyst",
            clamps=(self.limits.rows_max,) * n_values,
            local=self.counts.count_rows,
            joint=self._joint,
            n_values=n_values,
            n_flags=n_values if is_guarded else 0,
            has_products=is_guarded,
        )
        return (step,)

    def _joint(self, session: Session, figures: Shared) -> Shared:
        return self.counts.guarded(session, figures) if self.counts.is_guarded else figures

"""Comorbidity: which diagnoses, findings or drugs people have together, for all pairs at once, as a network.

Layer:       analytics.statistics.association above pairs.
Guarantees:  as of signals: a pair opens where each of its four cells has at least m s people; a person counts once a pair at
             each site. Private, over a table of one row a person: all cells are one release.
Visible to:  the analyst: counts of open pairs and items, and a bit for each of these.
See instead: drugs against events (signals), sets of more items and hierarchies of codes (association mining).
Source:      pair_guard, comorbidity_answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from analytics.errors import InvalidRequestError
from analytics.statistics.arguments import Arguments, Parameter
from analytics.statistics.base import BOTH, MINIMUM_CELL
from analytics.statistics.pairs.comorbidity_answer import (
    ComorbidityAnswer,
    comorbidity_rows,
    noisy_comorbidity_rows,
)
from analytics.statistics.pairs.item_pairs import ItemPairs, check_private
from analytics.statistics.pairs.pair_answer import TOO_FEW
from analytics.statistics.pairs.pair_guard import PairCounts, pairs_among
from analytics.statistics.pairs.person_items import columns_of, read_items

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.schema import Table
    from analytics.statistics.base import Ints, Limits, Mode
    from analytics.statistics.uncertainty.noise_law import NoiseLaw


@dataclass(frozen=True, kw_only=True)
class Comorbidity(ItemPairs):
    """Every two of some items."""

    name: ClassVar[str] = "comorbidity"
    summary: ClassVar[str] = "odds ratios of all pairs of diagnoses or findings, as a network"
    modes: ClassVar = BOTH
    promoted: ClassVar = BOTH
    parameters: ClassVar = (
        Parameter(name="items", meaning="columns, which stand for all their values, or column=value"),
    )

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """See ``Statistic``."""
        items = read_items(arguments, "items", table)
        if len(items) < 2:  # noqa: PLR2004  a pair
            raise InvalidRequestError(parameter="items", reason="must be at least two items")
        counts = PairCounts(items=items, pairs=pairs_among(items), columns=columns_of(items), limits=limits)
        counts.check("items")
        check_private(table, counts, "items", mode)
        return cls(table=table, mode=mode, limits=limits, counts=counts)

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        return {"items": [item.name for item in self.counts.items]}

    def estimate(self, opened: Sequence[Ints], noise: Sequence[NoiseLaw]) -> ComorbidityAnswer:
        """See ``Statistic``."""
        (values,) = opened
        if noise:
            return self._noisy(values, noise[0])
        found = self.counts.opened(values)
        names, cells = self.counts.open_tables(found)
        n_pairs, items = len(self.counts.pairs), self.counts.items
        return ComorbidityAnswer(
            rows=comorbidity_rows(names, cells),
            item_counts={item.name: count for item, count in zip(items, found.margins, strict=True)},
            n_people=found.n_people,
            n_pairs=n_pairs,
            n_closed=n_pairs - len(names),
            closed="" if names else MINIMUM_CELL,
        )

    def _noisy(self, values: Ints, law: NoiseLaw) -> ComorbidityAnswer:
        found = self.noisy_pairs(values, law)
        rows = noisy_comorbidity_rows(found.names, found.pairs)
        return ComorbidityAnswer(
            rows=rows,
            item_counts={
                item.name: count for item, count in zip(self.counts.items, found.margins, strict=True)
            },
            n_people=found.n_people,
            n_pairs=len(found.pairs),
            n_closed=len(found.pairs) - len(rows),
            noise_sd=law.sd,
            closed="" if rows else TOO_FEW,
        )

"""Adverse-event signals: how much oftener people with a drug have an event, for all pairs of drugs and events at once.

Layer:       analytics.statistics.association above pairs.
Terms:       a *drug* and an *event* are items (person_items) of a table of one row a person, or of a table of codes, of
             which a person may have several rows; a person counts once a pair, whatever the rows, at each site.
Guarantees:  exact: a pair opens where each of the four cells of its table has at least m s people, else the analyst learns
             that one of them has not, and no site learns anything. Private, over a table of one row a person: all cells are one
             release, and a pair that the noise swamps is left out. Person counts are added up over sites: a drug at one
             site and an event at another are no pair.
Visible to:  the analyst: counts of open pairs and margins, and a bit for each of these; in private mode all with noise.
See instead: one pair with confounders (mantel_haenszel, glm), the order in time (sequential_patterns).
Source:      pair_guard, signal_measures, gamma_poisson.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from analytics.errors import InvalidRequestError
from analytics.statistics.arguments import Arguments, Parameter
from analytics.statistics.base import BOTH, MINIMUM_CELL
from analytics.statistics.pairs.item_pairs import ItemPairs, check_private
from analytics.statistics.pairs.pair_answer import TOO_FEW
from analytics.statistics.pairs.pair_guard import PairCounts, pairs_between
from analytics.statistics.pairs.person_items import columns_of, read_items
from analytics.statistics.pairs.signals_answer import SignalsAnswer, noisy_signal_rows, signal_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.schema import Table
    from analytics.statistics.base import Ints, Limits, Mode
    from analytics.statistics.uncertainty.noise_law import NoiseLaw


@dataclass(frozen=True, kw_only=True)
class Signals(ItemPairs):
    """Drugs against events.

    Attributes:
        n_drugs: the first so many of the items.
    """

    name: ClassVar[str] = "signals"
    summary: ClassVar[str] = "adverse-event signals of all pairs of drugs and events"
    modes: ClassVar = BOTH
    promoted: ClassVar = BOTH
    parameters: ClassVar = (
        Parameter(name="drug", meaning="columns, or column=value, that are drugs"),
        Parameter(name="event", meaning="likewise the events"),
    )
    n_drugs: int

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """See ``Statistic``."""
        drugs, events = (read_items(arguments, name, table) for name in ("drug", "event"))
        for event in events:
            if any(event.column == drug.column and event.low == drug.low for drug in drugs):
                raise InvalidRequestError(
                    parameter="event", reason=f"names {event.name}, which drug names too"
                )
            if table.units_are_rows and any(event.column == drug.column for drug in drugs):
                reason = f"names a value of {event.column}, of which a person has one: drug names another"
                raise InvalidRequestError(parameter="event", reason=reason)
        counts = PairCounts(
            items=(*drugs, *events),
            pairs=pairs_between(drugs, events),
            columns=columns_of(drugs, events),
            limits=limits,
        )
        counts.check("event")
        check_private(table, counts, "event", mode)
        return cls(table=table, mode=mode, limits=limits, counts=counts, n_drugs=len(drugs))

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        items = [item.name for item in self.counts.items]
        return {"drug": items[: self.n_drugs], "event": items[self.n_drugs :]}

    def estimate(self, opened: Sequence[Ints], noise: Sequence[NoiseLaw]) -> SignalsAnswer:
        """See ``Statistic``."""
        (values,) = opened
        if noise:
            return self._noisy(values, noise[0])
        found = self.counts.opened(values)
        names, cells = self.counts.open_tables(found)
        n_pairs = len(self.counts.pairs)
        return SignalsAnswer(
            rows=signal_rows(names, cells, self.limits.threshold),
            n_people=found.n_people,
            n_pairs=n_pairs,
            n_closed=n_pairs - len(names),
            closed="" if names else MINIMUM_CELL,
        )

    def _noisy(self, values: Ints, law: NoiseLaw) -> SignalsAnswer:
        found = self.noisy_pairs(values, law)
        rows = noisy_signal_rows(found.names, found.pairs)
        return SignalsAnswer(
            rows=rows,
            n_people=found.n_people,
            n_pairs=len(found.pairs),
            n_closed=len(found.pairs) - len(rows),
            noise_sd=law.sd,
            closed="" if rows else TOO_FEW,
        )

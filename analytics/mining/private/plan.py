"""The plan of a private mining run: three noisy releases, each of which chooses what the next one counts.

Layer:       analytics.mining.private above sensitivity and bases.
Terms:       the releases are the counts of all items with the number of baskets; of the pairs of items that these counts choose;
             of the cells of the bases that the pairs choose.
Guarantees:  every site derives the equal plan from the request, the schema and the context; no floats in its digest.
             Every limit that public numbers decide is checked here, before any charge.
See instead: running it (run), the exact plan (analytics.mining.plan).
Source:      docs/guarantees.md P6, P9.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

from analytics.errors import InvalidRequestError, PlanRejectedError
from analytics.mining.plan import MiningPlan, bind_items
from analytics.mining.private.bases import (
    MAX_BASES,
    MAX_BASIS,
    MAX_SELECTED,
    chosen_bases,
    pairs_of,
    selected_items,
)
from analytics.mining.private.sensitivity import (
    Release,
    ReleaseNoise,
    calibrate_releases,
    check_ring,
    most_held,
)
from analytics.plans.context import check_decimal
from privacy_accounting.decimals import format_decimal
from privacy_accounting.events import event_to_dict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.mining.candidates import Itemset
    from analytics.mining.request import MiningRequest
    from analytics.plans.context import PlanContext
    from analytics.schema import Schema, Table
    from privacy_accounting.events import Event

_SHARES = {
    1: (Fraction(1),),
    2: (Fraction(2, 5), Fraction(3, 5)),
    3: (Fraction(1, 5), Fraction(3, 10), Fraction(1, 2)),
}
_LEVELS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivateMiningPlan:
    """A private mining run, ready.

    Attributes:
        base: the items, the table, the thresholds; its guard is not used.
        epsilon: stand-alone epsilon of all releases together.
        held: most items that one basket keeps.
        is_truncated: whether a basket may hold more items than that, so that each site cuts it.
        baskets: of one privacy unit at all its sites.
        noises: of each release.
    """

    base: MiningPlan
    epsilon: Fraction
    held: int
    is_truncated: bool
    baskets: int
    noises: tuple[ReleaseNoise, ...]

    @property
    def mode(self) -> Literal["private"]:
        """Private."""
        return "private"

    @property
    def table(self) -> Table:
        """The table of the items."""
        return self.base.table

    @property
    def context(self) -> PlanContext:
        """The consortium's parameters."""
        return self.base.context

    @property
    def events(self) -> tuple[Event, ...]:
        """One for each release."""
        return tuple(noise.event for noise in self.noises)

    @property
    def most_opened(self) -> int:
        """Numbers opened at most."""
        return sum(sizes_of(len(self.base.items), len(self.noises)))

    def pair_counts(self, n_selected: int) -> int:
        """Pairs among selected items that one basket holds at most; 1 where there are none."""
        return max(1, math.comb(min(self.held, n_selected), 2))

    def items_after(self, opened: Sequence[int]) -> Itemset:
        """The items that the first release chooses; ``opened`` has the number of baskets last."""
        return selected_items(opened[:-1], opened[-1], self.base.min_support)

    def pairs_after(self, items: Itemset) -> tuple[Itemset, ...]:
        """The pairs that are counted next; none where one item is the longest itemset."""
        return pairs_of(items, self._is_apart) if len(self.noises) > 1 else ()

    def bases_after(
        self, first: Sequence[int], items: Itemset, pairs: Sequence[Itemset], counts: Sequence[int]
    ) -> tuple[tuple[Itemset, ...], bool]:
        """The bases that the first two releases choose, and whether they hold all cliques of frequent pairs."""
        if len(self.noises) < _LEVELS:
            return (), True
        share = self.base.min_support
        least = share.numerator * max(first[-1], 1) * self.noises[1].weight(self.pair_counts(len(items)))
        scale = share.denominator * self.noises[0].weight(self.held + 1)
        return chosen_bases(pairs, counts, lambda count: scale * count >= least)

    def _is_apart(self, first: int, second: int) -> bool:
        ancestors = self.base.ancestors
        implied = bool(ancestors) and (first in ancestors[second] or second in ancestors[first])
        return implied or self.base.excludes(first, second)

    def to_dict(self) -> dict[str, object]:
        """Canonical form: integers, texts and decimal strings only."""
        context = self.context
        return {
            "format": 1,
            "kind": "private_mining",
            "mode": self.mode,
            "table": self.table.name,
            "schema": self.table.to_dict(),
            "context": {
                "n_sites": context.n_sites,
                "colluding": context.colluding,
                "relation": context.relation,
                "delta": format_decimal(context.delta),
            },
            "items": [item.to_dict() for item in self.base.items],
            "min_support": format_decimal(self.base.min_support),
            "min_confidence": format_decimal(self.base.min_confidence),
            "max_len": self.base.max_len,
            "basket": self.base.basket,
            "epsilon": format_decimal(self.epsilon),
            "max_items_per_unit": self.held,
            "is_truncated": self.is_truncated,
            "baskets": self.baskets,
            "limits": {"items": MAX_SELECTED, "items_of_a_basis": MAX_BASIS, "bases": MAX_BASES},
            "releases": [
                {"name": noise.name, "l2": noise.l2, "sigma2_local": noise.sigma2_local}
                for noise in self.noises
            ],
            "local_sql": self.base.local_sql,
            "opened_to": {
                "all_sites": "noisy counts of items and of pairs, with the noisy number of baskets",
                "analyst": "these, and the noisy cells of the bases",
            },
        }

    def digest(self) -> str:
        """SHA-256 of the canonical form, in hexadecimal."""
        canonical = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(canonical.encode("ascii")).hexdigest()

    def cost(self) -> dict[str, object]:
        """What a receipt says of the price."""
        context = self.context
        return {
            "mode": self.mode,
            "population": self.table.population,
            "privacy_unit": self.table.privacy_unit,
            "max_sites_per_unit": self.table.sites_per_unit(context.n_sites),
            "max_items_per_unit": self.held,
            "epsilon": format_decimal(self.epsilon),
            "delta": format_decimal(context.delta),
            "relation": context.relation,
            "colluding": context.colluding,
            "events": [event_to_dict(event) for event in self.events],
        }


def sizes_of(n_items: int, n_releases: int) -> list[int]:
    """Entries of each release at most."""
    return [n_items + 1, math.comb(min(n_items, MAX_SELECTED), 2) or 1, MAX_BASES << MAX_BASIS][:n_releases]


def make_private_plan(
    request: MiningRequest, epsilon: Fraction, schema: Schema, context: PlanContext
) -> PrivateMiningPlan:
    """Plan a private mining request.

    Visible to: no party's data. Cost: none is spent here.

    Args:
        request: what is asked.
        epsilon: stand-alone epsilon at the context's delta.
        schema: the consortium's schema.
        context: the consortium's parameters.

    Raises:
        InvalidRequestError: epsilon or ``max_items_per_unit`` is out of range or missing, or there is no such table.
        PlanRejectedError: the table or a column waits for a person, an item cannot be used, or no site may collude.
        OverflowRiskError: a sum could leave the ring.
    """
    if not epsilon > 0:
        raise InvalidRequestError(parameter="epsilon", reason="must be above 0")
    check_decimal("epsilon", epsilon)
    if request.nested_supports != "guard":
        reason = "has no meaning with noise: every count has it"
        raise InvalidRequestError(parameter="nested_supports", reason=reason)
    _check_sites_see_noise(context)
    base = bind_items(request, schema, context)
    for item in base.items:
        if base.table.columns[item.column].guessed:
            reason = f"{item.column} was guessed: a person must look at it and delete the mark"
            raise PlanRejectedError(position="items", reason=reason)
    possible, most = most_held(base.items, is_one_row=base.is_one_row), request.max_items_per_unit
    if most is None and not base.is_one_row:
        reason = (
            "must be declared where a unit has several rows: more items of a unit are left out at its site"
        )
        raise InvalidRequestError(parameter="max_items_per_unit", reason=reason)
    held = max(1, min(possible, most or possible))
    rows = 1 if base.basket == "unit" else base.table.max_rows_per_unit
    baskets = base.table.sites_per_unit(context.n_sites) * rows
    levels = min(request.max_len or _LEVELS, _LEVELS, max(1, len(base.items)))
    counts = [held + 1, max(1, math.comb(min(held, MAX_SELECTED), 2)), MAX_BASES][:levels]
    sizes = sizes_of(len(base.items), levels)
    releases = [
        Release(name=name, counts=count, size=size, share=share)
        for name, count, size, share in zip(
            ("items", "pairs", "bases"), counts, sizes, _SHARES[levels], strict=False
        )
    ]
    noises = calibrate_releases(releases, baskets=baskets, epsilon=epsilon, context=context)
    check_ring(noises, base.n_rows_max, context.n_sites)
    return PrivateMiningPlan(
        base=base, epsilon=epsilon, held=held, is_truncated=held < possible, baskets=baskets, noises=noises
    )


def _check_sites_see_noise(context: PlanContext) -> None:
    """Refuse where no site may collude: counts open to sites, each of which knows its own part of the noise."""
    if context.colluding < 1:
        reason = (
            "private mining opens counts to sites, so it needs an agreement in which a site may collude (colluding at "
            "least 1): a site takes its own part of the noise away, and the noise is sized for that only there"
        )
        raise PlanRejectedError(position="items", reason=reason)

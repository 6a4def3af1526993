"""The plan of a mining request: one scan, a threshold on shares, the openings, and the caps.

Layer:       analytics.mining above items, request and candidates.
Terms:       ``b`` and ``a``: the smallest support is ``a / b``. ``floor_count``: fewest rows behind an opened
             support, minimum cell times sites per unit times rows per unit, so that as many privacy units stand
             behind it.
Guarantees:  every site derives the equal plan from the request, the schema and the context; no floats in its digest.
             Every comparison fits its declared width, from public bounds alone.
See instead: running it (site_run), the site's policy on ``nested_supports`` (federation).
Source:      ours; docs/guarantees.md P8, P9.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Literal

from analytics.errors import InvalidRequestError, OverflowRiskError, PlanRejectedError
from analytics.mining.candidates import LevelIterator
from analytics.mining.items import Item, parse_items
from analytics.plans.mode_rules import check_exact_sites, check_table
from analytics.sql.render import quoted
from privacy_accounting.decimals import format_decimal

if TYPE_CHECKING:
    from fractions import Fraction

    from analytics.mining.request import MiningRequest, NestedSupports
    from analytics.plans.context import PlanContext
    from analytics.schema import Schema, Table

RING_BITS = 62
WORD_ITEMS = 62  # items that one BIGINT of the local scan carries


@dataclass(frozen=True, slots=True, kw_only=True)
class MiningPlan:
    """A mining run, ready.

    Attributes:
        table: the table.
        context: the consortium's parameters.
        items: in canonical order; an itemset is a tuple of numbers of this list.
        min_support: smallest share of the rows.
        min_confidence: smallest confidence of a rule; the analyst's end alone uses it.
        max_levels: most items of an itemset.
        max_candidates: most itemsets that are counted in the whole run.
        nested_supports: whether nested supports that are too near are closed.
    """

    table: Table
    context: PlanContext
    items: tuple[Item, ...]
    min_support: Fraction
    min_confidence: Fraction
    max_levels: int
    max_candidates: int
    nested_supports: NestedSupports

    @property
    def mode(self) -> Literal["exact"]:
        """Mining gives exact answers."""
        return "exact"

    @property
    def n_rows_max(self) -> int:
        """Public bound on the rows of all sites."""
        return self.context.n_sites * self.table.rows_max

    @property
    def minimum_count(self) -> int:
        """The guard's threshold in rows; 0 where no minimum cell is set."""
        sites = self.table.sites_per_unit(self.context.n_sites)
        return self.context.minimum_cell * sites * self.table.max_rows_per_unit

    @property
    def floor_count(self) -> int:
        """Fewest rows behind an opened support: the guard's threshold, and never none."""
        return max(1, self.minimum_count)

    @property
    def minimum_difference(self) -> int:
        """Least difference of nested supports that both open; 0 where the policy allows any."""
        return self.minimum_count if self.nested_supports == "guard" else 0

    @property
    def most_opened(self) -> int:
        """How many numbers are opened at most: a support for each candidate that there can be, and the number of rows."""
        count, possible = len(self.items), 0
        for level in range(1, self.max_levels + 1):
            possible += math.comb(count, level)
            if possible >= self.max_candidates:
                return self.max_candidates + 1
        return possible + 1

    @property
    def comparison_bits(self) -> int:
        """Width of every comparison: ``b`` times a count or threshold, with a sign."""
        largest = self.min_support.denominator * max(self.n_rows_max, self.floor_count)
        return largest.bit_length() + 1

    @property
    def local_sql(self) -> str:
        """The local scan: a few integers a row, each with a bit for every item that holds there."""
        words = [self.items[start : start + WORD_ITEMS] for start in range(0, len(self.items), WORD_ITEMS)]
        columns = [f"{_word(items)} AS {quoted(f'w{number}')}" for number, items in enumerate(words)]
        return "SELECT\n  " + ",\n  ".join(columns) + f"\nFROM {quoted(self.table.name)}"

    def walk(self) -> LevelIterator:
        """An iterator over the levels, at its beginning."""
        return LevelIterator(
            len(self.items),
            max_levels=self.max_levels,
            max_candidates=self.max_candidates,
            excludes=lambda first, second: self.items[first].excludes(self.items[second]),
        )

    def to_dict(self) -> dict[str, object]:
        """Canonical form: integers, texts and decimal strings only."""
        context = self.context
        return {
            "format": 1,
            "kind": "mining",
            "mode": self.mode,
            "table": self.table.name,
            "schema": self.table.to_dict(),
            "context": {
                "n_sites": context.n_sites,
                "colluding": context.colluding,
                "minimum_cell": context.minimum_cell,
                "has_three_sites": context.has_three_sites,
            },
            "items": [item.to_dict() for item in self.items],
            "min_support": format_decimal(self.min_support),
            "min_confidence": format_decimal(self.min_confidence),
            "max_levels": self.max_levels,
            "max_candidates": self.max_candidates,
            "nested_supports": self.nested_supports,
            "floor_count": self.floor_count,
            "minimum_difference": self.minimum_difference,
            "comparison_bits": self.comparison_bits,
            "local_sql": self.local_sql,
            "opened_to": {
                "all_sites": "one bit for each candidate of each level",
                "analyst": "these bits, the supports of open itemsets, the number of rows if one is open",
            },
        }

    def digest(self) -> str:
        """SHA-256 of the canonical form, in hexadecimal."""
        canonical = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(canonical.encode("ascii")).hexdigest()

    def cost(self) -> dict[str, object]:
        """What a receipt says of the run: an exact disclosure, under which rules."""
        return {
            "mode": self.mode,
            "population": self.table.population,
            "privacy_unit": self.table.privacy_unit,
            "max_sites_per_unit": self.table.sites_per_unit(self.context.n_sites),
            "minimum_cell": self.context.minimum_cell,
            "threshold": self.minimum_count,
            "nested_supports": self.nested_supports,
        }


def make_mining_plan(request: MiningRequest, schema: Schema, context: PlanContext) -> MiningPlan:
    """Plan a mining request.

    Visible to: no party's data. Cost: none is spent here; everything that is refused is refused before a charge.

    Args:
        request: what is asked.
        schema: the consortium's schema.
        context: the consortium's parameters.

    Returns:
        The plan, equal at every site.

    Raises:
        InvalidRequestError: there is no such table, or the items do not fit under the candidates' cap.
        PlanRejectedError: the table waits for a person, an item cannot be used, or two may not stand together under the guard.
        ReleaseRefusedError: too few sites for exact answers.
        OverflowRiskError: a comparison could leave the ring.
    """
    check_exact_sites(context)
    table = schema.table(request.table)
    if table is None:
        raise InvalidRequestError(parameter="table", reason="is not one of this consortium")
    check_table(table)
    items = parse_items(request.items, table)
    if len(items) > request.max_candidates:
        reason = f"must be at least the number of items, {len(items)}"
        raise InvalidRequestError(parameter="max_candidates", reason=reason)
    plan = MiningPlan(
        table=table,
        context=context,
        items=items,
        min_support=request.min_support,
        min_confidence=request.min_confidence,
        max_levels=min(request.max_len or len(items), len(items)),
        max_candidates=request.max_candidates,
        nested_supports=request.nested_supports,
    )
    if plan.minimum_difference:
        _check_apart(items)
    if plan.comparison_bits > RING_BITS:
        raise OverflowRiskError(
            figure="the support threshold", bits=plan.comparison_bits, limit_bits=RING_BITS
        )
    return plan


def _check_apart(items: tuple[Item, ...]) -> None:
    """Overlapping ranges of one column have nested supports that no itemset's subset shows."""
    for first, second in combinations(items, 2):
        if first.overlaps(second):
            raise PlanRejectedError(
                position="items",
                reason=f"{first.name} and {second.name} overlap: their supports are nested",
                hint="keep one of them, or ask with nested_supports = allow where the policy does",
            )


def _word(items: tuple[Item, ...]) -> str:
    terms = [
        f"CASE WHEN {item.condition()} THEN CAST({1 << place} AS BIGINT) ELSE CAST(0 AS BIGINT) END"
        for place, item in enumerate(items)
    ]
    return "(" + " + ".join(terms) + ")"

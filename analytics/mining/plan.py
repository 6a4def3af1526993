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
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from analytics.errors import InvalidRequestError, OverflowRiskError
from analytics.mining.candidates import LevelIterator
from analytics.mining.column_rests import ColumnRests, n_compared, rests_of
from analytics.mining.cubes import MAX_CUBE_ITEMS, pattern_of
from analytics.mining.item_relations import ancestors_of, check_apart
from analytics.mining.items import Item, parse_items
from analytics.plans.local_query import UNIT_COLUMN
from analytics.plans.mode_rules import check_exact_sites, check_table
from analytics.sql.terms.render import quoted
from privacy_accounting.decimals import format_decimal

if TYPE_CHECKING:
    from fractions import Fraction

    from analytics.mining.candidates import Ancestors, Itemset
    from analytics.mining.request import Basket, MiningRequest, NestedSupports
    from analytics.plans.context import PlanContext
    from analytics.schema import Schema, Table

RING_BITS = 62
WORD_ITEMS = 62  # items that one BIGINT of the local scan carries
BLOCK_CONDITIONS = 1 << 15  # most comparisons of levels that are tested at once
BLOCK_CANDIDATES = 1 << 12  # most itemsets of them
PIECE_CONDITIONS = 1 << 17  # comparisons that are made at once, so that a wide level fits in memory


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
        nested_supports: whether itemsets with a small cell are closed.
        max_len: most items of an itemset that no other item of it implies; None: no limit.
        basket: whether a row or a privacy unit is what holds items.
        ancestors: of each item the items that it implies by the hierarchy of codes; empty where none does.
        rests: groups of exclusive items of one column; without a guard there are none.
    """

    table: Table
    context: PlanContext
    items: tuple[Item, ...]
    min_support: Fraction
    min_confidence: Fraction
    max_levels: int
    max_candidates: int
    nested_supports: NestedSupports
    max_len: int | None = None
    basket: Basket = "row"
    ancestors: Ancestors = ()
    rests: ColumnRests = field(default_factory=ColumnRests)

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
        rows = 1 if self.basket == "unit" else self.table.max_rows_per_unit
        return self.context.minimum_cell * sites * rows

    @property
    def floor_count(self) -> int:
        """Fewest rows behind an opened support: the guard's threshold, and never none."""
        return max(1, self.minimum_count)

    @property
    def minimum_difference(self) -> int:
        """Fewest rows of each cell of an open itemset's cube; 0 where the policy allows any."""
        return self.minimum_count if self.nested_supports == "guard" else 0

    @property
    def is_guarded(self) -> bool:
        """Whether the cells of each itemset's cube are tested."""
        return self.minimum_difference > 0

    def conditions_of(self, itemset: Itemset) -> int:
        """Comparisons of a candidate: its support, its cells; 0 where the rows of all sites cannot fill the cells.

        Also 0 for an itemset with so many cells that they are not compared at once.
        """
        if not self.is_guarded:
            return 2
        compared = n_compared(pattern_of(itemset, self.ancestors), self.rests.kinds(itemset))
        is_possible = (compared + 1) * self.minimum_difference <= self.n_rows_max
        return compared + 2 if is_possible and compared + 2 <= PIECE_CONDITIONS else 0

    def block(self, walk: LevelIterator) -> tuple[tuple[Itemset, ...], ...]:
        """The levels that are tested at once, from public numbers and opened bits."""
        return walk.block(BLOCK_CONDITIONS, BLOCK_CANDIDATES)

    @property
    def most_opened(self) -> int:
        """How many numbers are opened at most: a support for each candidate that there can be, and the number of rows."""
        count, possible = len(self.items), 0  # of an itemset with its ancestors, not more than of free items
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
        to = "{}" if self.counts_rows else "bit_or({})"
        columns = [
            f"{to.format(_word(items))} AS {quoted(f'w{number}')}" for number, items in enumerate(words)
        ]
        known = " AND ".join(f"{quoted(name)} IS NOT NULL" for name in self.rests.complete)
        where = f"\nWHERE {known}" if known else ""
        group = "" if self.counts_rows else f"\nGROUP BY {quoted(UNIT_COLUMN)}"
        return "SELECT\n  " + ",\n  ".join(columns) + f"\nFROM {quoted(self.table.name)}{where}{group}"

    @property
    def counts_rows(self) -> bool:
        """Whether a row is a basket; else a privacy unit is, with what any of its rows at a site holds."""
        return self.basket == "row" or self.table.units_are_rows

    @property
    def is_one_row(self) -> bool:
        """Whether a basket is made of one row, so that it holds one value of a column."""
        return self.counts_rows or self.table.max_rows_per_unit == 1

    def walk(self) -> LevelIterator:
        """An iterator over the levels, at its beginning."""
        return LevelIterator(
            len(self.items),
            max_levels=self.max_levels,
            max_candidates=self.max_candidates,
            excludes=self.excludes,
            ancestors=self.ancestors,
            conditions_of=self.conditions_of,
            max_items=self.max_len,
        )

    def excludes(self, first: int, second: int) -> bool:
        """Whether no basket can hold both items, by the schema alone."""
        return self.items[first].excludes(self.items[second], is_unit=not self.is_one_row)

    def to_dict(self) -> dict[str, object]:
        """Canonical form: integers, texts and decimal strings only."""
        context = self.context
        return {
            "format": 3,
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
            "max_len": self.max_len,
            "basket": self.basket,
            "max_candidates": self.max_candidates,
            "block_conditions": BLOCK_CONDITIONS,
            "block_candidates": BLOCK_CANDIDATES,
            "nested_supports": self.nested_supports,
            "floor_count": self.floor_count,
            "minimum_difference": self.minimum_difference,
            "comparison_bits": self.comparison_bits,
            **self.rests.to_dict(),
            "local_sql": self.local_sql,
            "opened_to": {
                "all_sites": "one bit for each candidate of each level; 0 for what a block of levels tests beyond them",
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
    if request.max_items_per_unit is not None:
        reason = "belongs to private mining: give epsilon"
        raise InvalidRequestError(parameter="max_items_per_unit", reason=reason)
    plan = bind_items(request, schema, context)
    items, ancestors, table = plan.items, plan.ancestors, plan.table
    if plan.is_guarded and plan.max_levels > MAX_CUBE_ITEMS:
        plan = replace(plan, max_levels=MAX_CUBE_ITEMS)
    if plan.is_guarded:
        check_apart(items, is_unit=not plan.counts_rows)
        plan = replace(plan, rests=rests_of(items, ancestors, table, is_exclusive=plan.is_one_row))
    if plan.comparison_bits > RING_BITS:
        raise OverflowRiskError(
            figure="the support threshold", bits=plan.comparison_bits, limit_bits=RING_BITS
        )
    return plan


def bind_items(request: MiningRequest, schema: Schema, context: PlanContext) -> MiningPlan:
    """Bind a request's items to the schema, without what exact answers need; errors as ``make_mining_plan``."""
    table = schema.table(request.table)
    if table is None:
        raise InvalidRequestError(parameter="table", reason="is not one of this consortium")
    check_table(table)
    items = parse_items(request.items, table)
    if len(items) > request.max_candidates:
        reason = f"must be at least the number of items, {len(items)}"
        raise InvalidRequestError(parameter="max_candidates", reason=reason)
    ancestors = ancestors_of(items)
    return MiningPlan(
        table=table,
        context=context,
        items=items,
        min_support=request.min_support,
        min_confidence=request.min_confidence,
        max_levels=_max_levels(request, items, ancestors),
        max_candidates=request.max_candidates,
        nested_supports=request.nested_supports,
        max_len=request.max_len,
        basket=request.basket,
        ancestors=ancestors,
    )


def _max_levels(request: MiningRequest, items: tuple[Item, ...], ancestors: Ancestors) -> int:
    """Most items of a candidate with all that they imply."""
    deepest = 1 + max((len(implied) for implied in ancestors), default=0)
    return min((request.max_len or len(items)) * deepest, len(items))


def _word(items: tuple[Item, ...]) -> str:
    terms = [
        f"CASE WHEN {item.condition()} THEN CAST({1 << place} AS BIGINT) ELSE CAST(0 AS BIGINT) END"
        for place, item in enumerate(items)
    ]
    return "(" + " + ".join(terms) + ")"

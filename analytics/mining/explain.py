"""A mining plan in words: what runs where, what is opened to whom, and its largest cost.

Layer:       analytics.mining, the highest beside finish.
Guarantees:  from public facts alone; asks no site. The first block of levels is exact; how far a run goes depends on the bits
             that it opens, so later blocks are given as the cap.
Source:      ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analytics.mining.site_run import block_cost, pieces_of
from analytics.plans.context import guard_text
from privacy_accounting.decimals import format_decimal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.mining.candidates import Itemset
    from analytics.mining.plan import MiningPlan

_OPENED_BYTES = 8


def run_cost(plan: MiningPlan, blocks: Sequence[Sequence[Sequence[Itemset]]]) -> dict[str, int]:
    """What a run takes that tests these blocks of levels.

    Args:
        plan: what runs.
        blocks: of each block the itemsets of its levels.

    Returns:
        ``rounds`` among the sites (fetching material is one more for each block),
        ``bytes_per_peer`` that a site sends to each other (at most, where three sites compute), ``dealer_bytes``
        that the dealer or the dealing site sends in all.
    """
    steps = [block_cost(plan, piece.parts) for levels in blocks for piece in pieces_of(plan, levels)]
    n_itemsets = sum(len(level) for levels in blocks for level in levels)
    return {
        "rounds": sum(step.rounds for step in steps) + len(blocks),
        "bytes_per_peer": sum(step.bytes_per_peer for step in steps) + _OPENED_BYTES * n_itemsets,
        "dealer_bytes": sum(step.dealer_bytes for step in steps),
    }


def first_block(plan: MiningPlan) -> dict[str, int]:
    """How many levels and itemsets the first block has, and what it takes."""
    levels = plan.block(plan.walk())
    sizes = {"levels": len(levels), "itemsets": sum(map(len, levels))}
    return sizes | run_cost(plan, [levels])


def explain_mining(plan: MiningPlan) -> dict[str, object]:
    """Explain a plan as a dictionary.

    Args:
        plan: the plan.

    Returns:
        Items, local scan, threshold, what is opened to whom, caps, the cost of the first block of levels, price.
    """
    return {
        "question": "association rules",
        "mode": plan.mode,
        "table": plan.table.name,
        "items": [item.name for item in plan.items],
        "local_sql": plan.local_sql,
        "min_support": format_decimal(plan.min_support),
        "min_confidence": format_decimal(plan.min_confidence),
        "floor_count": plan.floor_count,
        "comparison_bits": plan.comparison_bits,
        "opened_to": plan.to_dict()["opened_to"],
        "kept_in_shares": ["counts of closed candidates", "the threshold", "the outcome of each comparison"],
        "guard": _guard(plan),
        "max_levels": plan.max_levels,
        "max_candidates": plan.max_candidates,
        "basket": plan.basket,
        "first_block": first_block(plan),
        "cost": plan.cost(),
    }


def explain_mining_text(plan: MiningPlan) -> str:
    """Explain a plan in plain text.

    Args:
        plan: the plan.

    Returns:
        Lines for a terminal.
    """
    first = first_block(plan)
    support = format_decimal(plan.min_support)
    most = f"{'at most ' if plan.context.has_three_sites else ''}{first['bytes_per_peer']}"
    first_line = (
        f"the first {first['levels']} level(s) at once, {first['itemsets']} itemsets: {first['rounds']} rounds, "
        f"{most} bytes to each other site"
    )
    return "\n".join(
        [
            f"exact mining over {plan.context.n_sites} sites, {len(plan.items)} item(s)",
            "",
            "each site scans its own clean table once and counts candidates in bitmaps:",
            *(f"    {item.name}" for item in plan.items),
            "",
            f"on shares: an itemset opens with {support} of all rows or more, at least {plan.floor_count} rows",
            guard_text(plan.context.minimum_cell, plan.table.sites_per_unit(plan.context.n_sites)),
            f"nested itemsets: {_guard(plan)}",
            "opened to all sites: one bit for each candidate of each level",
            "opened to the analyst alone: the supports of open itemsets, the number of rows if one is open",
            f"at most {plan.max_levels} level(s) and {plan.max_candidates} candidates in the whole run",
            first_line,
            "exact disclosure without epsilon",
        ]
    )


def _guard(plan: MiningPlan) -> str:
    if plan.nested_supports == "allow":
        return "nested supports may be as near as they are (nested_supports = allow)"
    if not plan.minimum_difference:
        return "no minimum cell is set: nested supports may be as near as they are"
    return (
        f"an itemset opens only if each combination of its items and their absence has {plan.minimum_difference} or more "
        f"{'rows' if plan.counts_rows else 'units'}"
    )

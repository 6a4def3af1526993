"""A private mining plan in words: what runs where, what is opened to whom, its noise, its price.

Layer:       analytics.mining.private, the highest beside finish.
Guarantees:  from public facts alone; asks no site.
Source:      ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analytics.mining.private.bases import MAX_BASES, MAX_BASIS, MAX_SELECTED
from analytics.mining.private.plan import sizes_of
from privacy_accounting.decimals import format_decimal

if TYPE_CHECKING:
    from analytics.mining.private.plan import PrivateMiningPlan


def noise_of(plan: PrivateMiningPlan) -> dict[str, float]:
    """Standard deviation of the noise on one count of each release (rows), where a basket changes as many as it can."""
    counts = {"items": plan.held + 1, "pairs": plan.pair_counts(MAX_SELECTED), "bases": MAX_BASES}
    return {noise.name: noise.sd(plan.context.n_sites, counts[noise.name]) for noise in plan.noises}


def explain_private(plan: PrivateMiningPlan) -> dict[str, object]:
    """Explain a plan as a dictionary."""
    return {
        "question": "private association rules",
        "mode": plan.mode,
        "table": plan.table.name,
        "items": [item.name for item in plan.base.items],
        "local_sql": plan.base.local_sql,
        "min_support": format_decimal(plan.base.min_support),
        "max_items_per_unit": plan.held,
        "is_truncated": plan.is_truncated,
        "opened_to": plan.to_dict()["opened_to"],
        "rounds": len(plan.noises),
        "bytes_per_peer": 8 * plan.most_opened,
        "noise": noise_of(plan),
        "cost": plan.cost(),
    }


def explain_private_text(plan: PrivateMiningPlan) -> str:
    """Explain a plan in plain text."""
    noise = noise_of(plan)
    sizes = sizes_of(len(plan.base.items), len(plan.noises))
    cut = f"{plan.held} items of a basket count" + (
        ", chosen at its site by a keyed hash" if plan.is_truncated else ", the most that the schema allows"
    )
    releases = [
        f"    {one.name}: at most {size} counts, noise of standard deviation {noise[one.name]:.3g} rows or less"
        for one, size in zip(plan.noises, sizes, strict=True)
    ]
    return "\n".join(
        [
            f"private mining over {plan.context.n_sites} sites, {len(plan.base.items)} item(s)",
            "",
            "each site scans its own clean table once, counts, and adds its own noise:",
            *(f"    {item.name}" for item in plan.base.items),
            "",
            f"{cut}; a privacy unit has {plan.baskets} basket(s) at all sites",
            "one after the other, each chosen by the noisy counts before it:",
            *releases,
            f"at most {MAX_SELECTED} items, then bases of at most {MAX_BASIS} items",
            "opened to all sites: noisy counts of items and pairs; to the analyst alone: noisy cells of the bases",
            f"one charge: epsilon {format_decimal(plan.epsilon)} at delta {format_decimal(plan.context.delta)}",
        ]
    )

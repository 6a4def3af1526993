"""A statistic's plan in words: what runs where, what each step opens to whom, and its cost.

Layer:       analytics.results above plans.statistic_plan and explain.
Guarantees:  from public facts alone; asks no site. What is opened to all sites is named step by step.
Source:      ours.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Final

from analytics.plans.context import guard_text
from analytics.results.assemble import plan_cost

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.plans.statistic_plan import StatisticPlan
    from analytics.statistics.base import Step


_CONSENT: Final = "figures about single sites: policy.site_results of every site must allow them"


def statistic_price(plan: StatisticPlan) -> dict[str, object]:
    """What a statistic costs, as a receipt shows it.

    Args:
        plan: any plan of a statistic.

    Returns:
        Mode, and for private plans epsilon with all that it depends on.
    """
    if plan.mode == "private" and plan.counts is not None:
        return plan_cost(plan.counts)
    return {
        "mode": plan.mode,
        "population": plan.table.population,
        "privacy_unit": plan.table.privacy_unit,
        "max_sites_per_unit": plan.table.sites_per_unit(plan.context.n_sites),
        "minimum_cell": plan.context.minimum_cell,
        "threshold": plan.threshold,
    }


def explain_statistic(
    plan: StatisticPlan, *, rounds: int | None = None, bytes_per_party: int | None = None
) -> dict[str, object]:
    """Explain a plan as a dictionary.

    Args:
        plan: the plan.
        rounds: communication rounds of a run, at most.
        bytes_per_party: payload that each party sends, at most.

    Returns:
        Statistic, arguments, what a site reads, steps with what each opens to whom, rounds, bytes, price and noise.
    """
    return {
        "question": plan.statistic.name,
        "meaning": plan.statistic.summary,
        "arguments": plan.statistic.describe(),
        "mode": plan.mode,
        "table": plan.table.name,
        "local_sql": None if plan.counts is None else plan.counts.local_sql,
        "local_columns": list(plan.statistic.columns),
        "steps": [step.to_dict() for step in plan.statistic.every_step()],
        "threshold": plan.threshold,
        "most_opened": plan.most_opened,
        "rounds": rounds,
        "bytes_per_party": bytes_per_party,
        "cost": statistic_price(plan),
        "noise_sd": [law.sd for law in plan.noise],
    }


def explain_statistic_text(
    plan: StatisticPlan, *, rounds: int | None = None, bytes_per_party: int | None = None
) -> str:
    """Explain a plan in plain text; arguments as ``explain_statistic``."""
    asked = ", ".join(f"{name} = {value}" for name, value in plan.statistic.describe().items())
    which = "" if plan.statistic.keeps_missing else "complete "
    local = (
        [f"each site reads the {which}rows of {', '.join(plan.statistic.columns)}, for itself alone"]
        if plan.counts is None
        else ["each site runs, over its own clean table:", *_indented(plan.counts.local_sql.splitlines())]
    )
    lines = [
        f"{plan.mode} statistic over {plan.context.n_sites} sites: {plan.statistic.summary}",
        f"    {asked}",
        "",
        *local,
        "",
        "steps, at most:",
        *_indented(_steps(plan.statistic.every_step())),
        *([] if plan.mode == "private" else [_guard(plan)]),
        *([_CONSENT] if plan.statistic.opens_site_results else []),
        *([f"rounds: {rounds}"] if rounds is not None else []),
        *([f"bytes sent by each party: {bytes_per_party}"] if bytes_per_party is not None else []),
        *_price(plan),
    ]
    return "\n".join(lines)


def _steps(steps: Sequence[Step]) -> list[str]:
    """One line for equal steps in a row."""
    found = []
    for (name, to, figures, values, flags), equal in groupby(
        steps, key=lambda step: (step.name, step.to, len(step.clamps), step.n_values, step.n_flags)
    ):
        times = len(list(equal))
        bits = f" and {flags} bit(s)" if flags else ""
        receiver = "the analyst alone" if to == "analyst" else "all sites and the analyst"
        often = f", {times} times" if times > 1 else ""
        found.append(
            f"{name}{often}: {figures} integers of each site as shares; {values} number(s){bits} opened to {receiver}"
        )
    return found


def _guard(plan: StatisticPlan) -> str:
    if not plan.threshold:
        return "no minimum cell is set: nothing is guarded"
    return (
        f"guard, on shares: counts of fewer than {plan.threshold} privacy units stay closed, zero among them: "
        f"{guard_text(plan.context.minimum_cell, plan.table.sites_per_unit(plan.context.n_sites))}"
    )


def _price(plan: StatisticPlan) -> list[str]:
    cost = statistic_price(plan)
    if plan.mode == "exact":
        return [f"exact disclosure without epsilon; at most {plan.most_opened} numbers"]
    noise = ", ".join(f"{law.sd:.4g}" for law in plan.noise)
    return [
        f"epsilon {cost['epsilon']} at delta {cost['delta']}, {plan.context.relation}, {plan.context.colluding} colluding",
        f"standard deviation of the noise on each figure, block by block: {noise}",
    ]


def _indented(lines: Sequence[str]) -> list[str]:
    return [f"    {line}" for line in lines]

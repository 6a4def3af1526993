"""A plan in words: what runs where, what is opened to whom, and its cost.

Layer:       analytics above plan.
Guarantees:  from public facts alone; asks no site. The caller, which knows the protocol, passes rounds and bytes.
Source:      ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analytics.results.assemble import plan_cost, suppressed_where
from analytics.schema import CategoricalColumn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from analytics.plans.plan import Plan
    from analytics.statistics.aggregate import PlanColumn

_MAX_LEGEND = 12


def explain(
    plan: Plan, *, rounds: int | None = None, bytes_per_party: int | None = None
) -> dict[str, object]:
    """Explain a plan as a dictionary.

    Args:
        plan: the plan.
        rounds: communication rounds of the joint stage.
        bytes_per_party: payload that each party sends.

    Returns:
        Question, local statement with its codes, what is shared, opened and kept closed, rounds, bytes, price
        and noise.
    """
    noisy = [column for column in plan.columns if column.aggregate is not None and plan.mode == "private"]
    return {
        "question": plan.query.text,
        "mode": plan.mode,
        "table": plan.query.table.name,
        "groups": plan.n_groups,
        "local_sql": plan.local_sql,
        "codes": _codes(plan),
        "shared": [_shared(plan, number) for number in range(len(plan.blocks))],
        "opened_to": {"analyst": [f"f{n}" for n, block in enumerate(plan.blocks) if block.opened]},
        "kept_in_shares": [f"f{n}" for n, block in enumerate(plan.blocks) if not block.opened],
        "guard": _guard(plan),
        "rounds": rounds,
        "bytes_per_party": bytes_per_party,
        "cost": plan_cost(plan),
        "noise": {column.name: _noise(plan, column) for column in noisy},
    }


def explain_text(plan: Plan, *, rounds: int | None = None, bytes_per_party: int | None = None) -> str:
    """Explain a plan in plain text.

    Args:
        plan: the plan.
        rounds: communication rounds of the joint stage.
        bytes_per_party: payload that each party sends.

    Returns:
        Lines for a terminal.
    """
    lines = [
        f"{plan.mode} question over {plan.context.n_sites} sites, {plan.n_groups} group(s)",
        "",
        "each site runs, over its own clean table:",
        *(f"    {line}" for line in plan.local_sql.splitlines()),
        *(f"    {column}: {codes}" for column, codes in _codes(plan).items()),
        "",
        f"each site contributes {plan.n_figures} integers as secret shares:",
        *(f"    f{number}: {_line(plan, number)}" for number in range(len(plan.blocks))),
        "",
        f"opened to the analyst alone: {len(plan.opened)} sums over all sites",
        *_guard_lines(plan),
        *([f"rounds: {rounds}"] if rounds is not None else []),
        *([f"bytes sent by each party: {bytes_per_party}"] if bytes_per_party is not None else []),
        *_price_lines(plan),
    ]
    return "\n".join(lines)


def noise_by_column(plan: Plan) -> dict[str, float]:
    """Return the standard deviation of the noise of each column of an answer.

    Args:
        plan: of a private answer; an exact one has no noise.

    Returns:
        Deviations by the column's name; of a ratio, those of the parts from which it is made, each by its own name.
    """
    found: dict[str, float] = {}
    for column in plan.columns if plan.mode == "private" else ():
        for part, deviation in _noise(plan, column).items():
            found[column.name if part == "itself" else f"{part} of {column.name}"] = deviation
    return found


def _codes(plan: Plan) -> dict[str, str]:
    """What the integers of the categories in the statement stand for."""
    found: dict[str, str] = {}
    for use in plan.query.uses:
        column = plan.query.table.columns[use.column]
        if isinstance(column, CategoricalColumn):
            shown = [f"{code} = {value}" for code, value in enumerate(column.domain[:_MAX_LEGEND])]
            more = len(column.domain) - len(shown)
            found[column.name] = ", ".join(shown) + (f" and {more} more" if more else "")
    return found


def _shared(plan: Plan, number: int) -> dict[str, object]:
    block = plan.blocks[number]
    shape: dict[str, object] = {
        "figure": f"f{number}",
        "meaning": block.meaning,
        "bound_per_row": block.bound,
        "opened": block.opened,
    }
    if plan.mode == "private":
        shape |= {"clamped_to": block.clamp, "weight": block.weight, "noise_sd": plan.noise_sd(number)}
    return shape


def _line(plan: Plan, number: int) -> str:
    block = plan.blocks[number]
    if plan.mode == "private":
        return f"{block.meaning}, clamped to {block.clamp}, noise sd {plan.noise_sd(number):.4g} in all"
    return block.meaning + ("" if block.opened else " (stays in shares)")


def _guard(plan: Plan) -> dict[str, object] | None:
    if not plan.guards:
        return None
    return {
        "threshold": plan.threshold,
        "figures": len(plan.guards),
        "rule": suppressed_where(plan),
    }


def _guard_lines(plan: Plan) -> list[str]:
    if plan.mode == "private":
        return []
    if not plan.guards:
        return ["no minimum cell is set: nothing is guarded"]
    return [
        f"guard, on shares: {suppressed_where(plan)};",
        "    counted behind each figure, outside a filter in each group, on each side of a yes-or-no column, at the few values",
        "    a sum could tell, and wherever two figures of the answer differ in whom they count; zero is too few",
    ]


def _price_lines(plan: Plan) -> list[str]:
    cost, context = plan_cost(plan), plan.context
    unit = (
        f"privacy unit {cost['privacy_unit']}, each at up to {cost['max_sites_per_unit']} site(s), "
        f"{plan.query.table.max_rows_per_unit} row(s) a site"
    )
    if plan.mode == "exact":
        return [f"exact disclosure without epsilon; {unit}"]
    aggregates = [column for column in plan.columns if column.aggregate is not None]
    price = f"epsilon {cost['epsilon']} at delta {cost['delta']}"
    return [
        f"{price}, {context.relation}, {context.colluding} colluding",
        unit,
        "standard deviation of the noise:"
        if plan.mechanism is None
        else f"standard deviation of the {plan.noise_name.capitalize()} noise ({plan.mechanism} was asked for):",
        *(f"    {column.name}: {_noise_text(_noise(plan, column))}" for column in aggregates),
    ]


def _noise(plan: Plan, column: PlanColumn) -> dict[str, float]:
    """Noise of a count or sum itself, else of what a ratio is made from."""
    if column.aggregate is None:
        return {}
    parts = {
        part: plan.noise_sd(number) * column.aggregate.scale(column, part) for part, number in column.blocks
    }
    return {"itself": next(iter(parts.values()))} if len(parts) == 1 else parts


def _noise_text(noise: Mapping[str, float]) -> str:
    if "itself" in noise:
        return f"{noise['itself']:.4g}"
    return ", ".join(f"{name} {deviation:.4g}" for name, deviation in noise.items())

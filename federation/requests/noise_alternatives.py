"""The noise that a private request could have: each mechanism with its noise, epsilons, charge and share of a budget.

Layer:       federation.requests.noise_alternatives, above analytics. Pure; asks no site, spends nothing.
Terms:       *success* is how often the best attacker, who holds everything but one person's membership, guesses it from
             the answer: ``(exp(epsilon) + delta) / (1 + exp(epsilon))``; a coin guesses half.
Guarantees:  from public facts alone. Without a budget's present state, shares are those of the allowance that the
             sub-budget was founded with. A mechanism that cannot be had says why.
See instead: which noise ``auto`` takes (``analytics.plans.noise.mechanisms``).
Source:      success: the largest sum of the two error-free rates under (epsilon, delta), Kairouz, Oh, Viswanath 1311.0776.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from analytics.errors import AnalyticsError
from analytics.plans.noise.mechanisms import MECHANISMS, worst_units
from analytics.plans.plan import make_plan
from federation.consortium.genesis import population_budget
from federation.requests.private_terms import private_terms
from privacy_accounting.budget.privacy_filter import readable
from privacy_accounting.decimals import rounded_up
from privacy_accounting.events import Relation
from privacy_accounting.rdp import cost_units, standalone_epsilon

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from fractions import Fraction

    from analytics.plans.plan import Plan
    from federation.consortium.consortium_file import Consortium

_UNITS = 2**40


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What alternatives are priced by.

    Attributes:
        order: the Rényi order of the charge.
        allowance: units that may be spent in all.
        remaining: units that may still be spent.
    """

    order: Fraction
    allowance: int
    remaining: int


def founding_terms(consortium: Consortium, population: str, sub_budget: str) -> Terms:
    """Return a sub-budget as it was founded, nothing spent."""
    part = population_budget(consortium, population).sub_budgets[sub_budget]
    return Terms(order=part.order, allowance=part.allowance, remaining=part.allowance)


def present_terms(founded: Terms, quoted: Mapping[str, Any]) -> Terms:
    """Return the terms of a sub-budget by a site's quote, which states what is spent and what remains."""
    spent, remaining = (round(float(str(quoted[name])) * _UNITS) for name in ("spent", "remaining"))
    return replace(founded, allowance=spent + remaining, remaining=remaining)


def alternatives_of(
    plan: Plan, consortium: Consortium, sub_budget: str, quoted: Mapping[str, Any] | None
) -> list[dict[str, str]]:
    """Say what other noise would cost, by a site's quote or, without one, by the budget as it was founded.

    Returns:
        As ``alternatives``; nothing for an exact plan.
    """
    if plan.mode == "exact":
        return []
    founded = founding_terms(consortium, plan.query.table.population, sub_budget)
    return alternatives(plan, founded if quoted is None else present_terms(founded, quoted))


def alternatives(plan: Plan, terms: Terms) -> list[dict[str, str]]:
    """Say what each mechanism would give for a question at its epsilon.

    Args:
        plan: of the question, private.
        terms: the budget.

    Returns:
        One row for each mechanism, all as text; ``asked`` marks the request's own.
    """
    context = replace(plan.context, order=terms.order)
    rows = []
    for mechanism in MECHANISMS:
        asked = mechanism == (plan.mechanism or "gaussian")
        row = {"mechanism": str(mechanism), "asked": "yes" if asked else ""}
        try:
            other = make_plan(
                plan.query, mode="private", epsilon=plan.epsilon, context=context, mechanism=mechanism
            )
        except AnalyticsError as error:
            rows.append(row | {"unavailable": str(error)})
            continue
        rows.append(row | _row(other, terms))
    return rows


def _row(plan: Plan, terms: Terms) -> dict[str, str]:
    context, relation = plan.context, Relation(plan.context.relation)
    epsilon = standalone_epsilon(plan.cost, context.delta, relation).epsilon
    collude = private_terms(
        plan.cost, delta=context.delta, relation=context.relation, n_sites=context.n_sites
    )
    charge = cost_units(plan.cost, terms.order, relation)
    return {
        "noise": plan.noise_name,
        "noise_sd": ", ".join(f"{plan.noise_sd(number):.4g}" for number in range(len(plan.blocks))),
        "epsilon": rounded_up(epsilon),
        "epsilon_if_all_but_one_collude": collude["epsilon_if_all_but_one_collude"],
        "success": rounded_up(success(epsilon, float(context.delta)), 4),
        "charge": readable(charge),
        "charge_if_all_but_one_collude": readable(worst_units(plan.cost, terms.order, relation)),
        "share": f"{100 * charge / terms.allowance:.3g} %" if terms.allowance else "",
        "such_questions": str(terms.remaining // charge),
    }


def success(epsilon: float, delta: float) -> float:
    """How often the best attacker guesses one person's membership, from a prior of one half."""
    return (1 + delta * math.exp(-epsilon)) / (1 + math.exp(-epsilon))


def alternatives_text(rows: Sequence[Mapping[str, str]]) -> list[str]:
    """Write alternatives as lines of a table."""
    names = {
        "mechanism": "mechanism",
        "noise": "noise",
        "noise_sd": "sd of the noise",
        "epsilon": "epsilon",
        "epsilon_if_all_but_one_collude": "at n - 1",
        "success": "attacker",
        "charge": "charge",
        "share": "of budget",
        "such_questions": "n more fit",
    }
    known = [row for row in rows if "unavailable" not in row]
    cells = [list(names.values())] + [
        [row[name] + (" *" if name == "mechanism" and row["asked"] else "") for name in names]
        for row in known
    ]
    widths = [max(len(line[place]) for line in cells) for place in range(len(names))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    ]
    missing = [f"{row['mechanism']}: {row['unavailable']}" for row in rows if "unavailable" in row]
    return [
        *lines,
        *missing,
        "* asked for; attacker: how often the best one guesses whether one person is in the data (a coin: 0.5)",
    ]

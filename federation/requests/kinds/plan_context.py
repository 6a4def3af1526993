"""The consortium's public parameters, as a plan takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analytics.errors import InvalidRequestError
from analytics.plans.context import PlanContext
from analytics.plans.noise.mechanisms import MECHANISMS
from federation.consortium.genesis import population_budget

if TYPE_CHECKING:
    from fractions import Fraction

    from analytics.plans.noise.mechanisms import Mechanism
    from federation.consortium.consortium_file import Consortium
    from federation.protocol.request import Request


def context_of(
    consortium: Consortium,
    population: str,
    sub_budget: str,
    *,
    is_exact: bool,
    mechanism: Mechanism | None = None,
) -> PlanContext:
    """Return the consortium's public parameters for a plan.

    Args:
        consortium: the agreement.
        population: the population that pays.
        sub_budget: the filter that pays.
        is_exact: exact plans have no delta; the consortium's stands in its place.
        mechanism: the noise that the request names; the founding order of the sub-budget is derived for these alone.

    Returns:
        The context; its delta is the sub-budget's (P4).

    Raises:
        InvalidRequestError: the population has no such sub-budget, so no private request on it is possible.
    """
    file = consortium.file
    part = file.budgets[population].parts.get(sub_budget)
    if part is None and not is_exact:
        raise InvalidRequestError(
            parameter="epsilon", reason=f"cannot be spent: population {population} has no {sub_budget} budget"
        )
    return PlanContext(
        n_sites=len(consortium.names),
        colluding=file.colluding,
        relation=file.relation,
        delta=file.delta if part is None else consortium.delta_of(population) * part.share,
        minimum_cell=file.minimum_cell,
        has_three_sites=consortium.three_sites is not None,
        order=None if mechanism is None or is_exact else founding_order(consortium, population, sub_budget),
    )


def founding_order(consortium: Consortium, population: str, sub_budget: str) -> Fraction:
    """Return the order that a sub-budget was founded with. The ledger may have moved it since; a plan does not follow."""
    return population_budget(consortium, population).sub_budgets[sub_budget].order


def mechanism_of(request: Request) -> Mechanism | None:
    """Read the noise that a request names.

    Raises:
        InvalidRequestError: there is none of this name.
    """
    named = next((known for known in MECHANISMS if known == request.mechanism), None)
    if named is None and request.mechanism is not None:
        raise InvalidRequestError(parameter="mechanism", reason=f"must be one of {', '.join(MECHANISMS)}")
    return named

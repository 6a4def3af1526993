"""The consortium's public parameters, as a plan takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analytics.errors import InvalidRequestError
from analytics.plans.context import PlanContext

if TYPE_CHECKING:
    from federation.consortium.consortium_file import Consortium


def context_of(consortium: Consortium, population: str, sub_budget: str, *, is_exact: bool) -> PlanContext:
    """Return the consortium's public parameters for a plan.

    Args:
        consortium: the agreement.
        population: the population that pays.
        sub_budget: the filter that pays.
        is_exact: exact plans have no delta; the consortium's stands in its place.

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
    )

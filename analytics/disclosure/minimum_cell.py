"""The minimum cell on shares: an exact figure that could expose single people is suppressed before the opening.

Layer:       analytics above plan; works on shares only, so no party sees a value.
Terms:       a *flag* is a shared 0 or 1; a closed figure is opened as 0 with flag 0.
Guarantees:  a figure is opened only where every count behind it reaches the threshold; no party learns which of the
             counts did not, zero among them. The comparison, the AND and the flags stay in shares until the opening.
See instead: which counts a figure needs (plans.cell_guards), the opening (release).
Source:      ours; docs/guarantees.md P8.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smpc.operations.arithmetic import multiply, take
from smpc.operations.comparison import at_least
from smpc.operations.selection import all_of

if TYPE_CHECKING:
    from analytics.plans.plan import Plan
    from smpc.session import Session
    from smpc.sharing import Shared


def open_or_closed(session: Session, figures: Shared, plan: Plan) -> tuple[Shared, Shared]:
    """Suppress the figures that do not meet their guard.

    Visible to: no party.
    Cost: one batch of comparisons, an AND and a product; see ``smpc.cost``.

    Args:
        session: of all sites, with a dealer or three that compute.
        figures: shared sums, shape ``(n_figures,)``.
        plan: an exact plan.

    Returns:
        The opened figures with closed ones as 0, and their flags, each of shape ``(n_opened,)``.
    """
    opened = take(figures, plan.opened)
    flags = _flags(session, figures, plan)
    return multiply(session, opened, flags), flags


def _flags(session: Session, figures: Shared, plan: Plan) -> Shared:
    """One flag per opened figure: whether all its counts reach the threshold."""
    places = sorted({place for guard in plan.guards for place in guard.at_least})
    reached = at_least(session, take(figures, places), plan.threshold, plan.guard_bits)
    number = {place: position for position, place in enumerate(places)}
    longest = max(len(guard.at_least) for guard in plan.guards)
    # a guard with fewer counts repeats its first one, which changes no AND
    rows = [
        [number[(guard.at_least + guard.at_least[:1] * longest)[position]] for guard in plan.guards]
        for position in range(longest)
    ]
    return all_of(session, *(take(reached, row) for row in rows))

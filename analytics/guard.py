"""The minimum cell on shares: an exact figure that single people could be seen in is closed before anybody opens it.

Floor:    analytics above plan; shares only, nobody sees.
Terms:    a *flag* is a shared 0 or 1; a closed figure is opened as 0 with flag 0.
Promise:  a figure is opened only where the count behind it reaches the threshold and each of its other counts is 0 or
          reaches it; the comparison, the product and the flags stay in shares until the opening.
Not here: which counts a figure needs (planning.guards), the opening (release).
Source:   ours; PRIVACY "exact answers are narrow". ``[c = 0] + [c >= m]`` is ``1 - [c >= 1] + [c >= m]`` for c >= 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from smpc.operations.arithmetic import add_public, concatenate, multiply, subtract, take
from smpc.operations.comparison import at_least

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.plan import Plan
    from smpc.session import Session
    from smpc.sharing import Shared


def open_or_closed(session: Session, figures: Shared, plan: Plan) -> tuple[Shared, Shared]:
    """Close the figures that do not meet their guard.

    Sees: nobody.
    Cost: one batch of comparisons, then at most three products; see ``smpc.cost``.

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
    """One flag per opened figure: the product of all its conditions."""
    needed = sorted({guard.at_least for guard in plan.guards})
    others = sorted({place for guard in plan.guards for place in guard.zero_or_at_least})
    reach = sorted({*needed, *others})
    counts = take(figures, (*reach, *others))
    thresholds = np.array([plan.threshold] * len(reach) + [1] * len(others), dtype=np.int64)
    compared = at_least(session, counts, thresholds, plan.guard_bits)
    reached = {place: number for number, place in enumerate(reach)}
    some = {place: len(reach) + number for number, place in enumerate(others)}
    columns = [take(compared, [reached[guard.at_least] for guard in plan.guards])]
    columns += [
        _zero_or_reached(session, compared, _places(plan, position), reached, some)
        for position in range(max(len(guard.zero_or_at_least) for guard in plan.guards))
    ]
    return _product(session, columns)


def _places(plan: Plan, position: int) -> list[int | None]:
    return [
        guard.zero_or_at_least[position] if position < len(guard.zero_or_at_least) else None
        for guard in plan.guards
    ]


def _zero_or_reached(
    session: Session,
    compared: Shared,
    places: Sequence[int | None],
    reached: dict[int, int],
    some: dict[int, int],
) -> Shared:
    """``1 - [c >= 1] + [c >= m]`` per figure; 1 where a figure has no such count."""
    # Where there is no condition, some flag minus itself is 0, and the added 1 makes it met.
    high = take(compared, [0 if place is None else reached[place] for place in places])
    low = take(compared, [0 if place is None else some[place] for place in places])
    return add_public(session, subtract(high, low), np.ones(len(places), dtype=np.int64))


def _product(session: Session, columns: Sequence[Shared]) -> Shared:
    """Multiply flags pairwise until one is left."""
    remaining = list(columns)
    while len(remaining) > 1:
        half = len(remaining) // 2
        size = remaining[0].size
        joined = multiply(session, concatenate(remaining[:half]), concatenate(remaining[half : 2 * half]))
        products = [take(joined, range(number * size, (number + 1) * size)) for number in range(half)]
        remaining = products + remaining[2 * half :]
    return remaining[0]

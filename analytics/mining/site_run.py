"""One site's run over the levels: count, share, test, open one bit a candidate; at the end open the supports.

Layer:       analytics.mining above threshold_test and bitmaps.
Guarantees:  in this order at every level: local counts, shares, comparison, one opening to all sites. What is sent to
             the analyst is the bits, which every site saw, and one summand of the supports of open itemsets and of
             the number of rows. A closed candidate's count is never part of an opening; with nothing open, neither is
             N.
Visible to:  sites: one bit a candidate and level. Analyst: these bits, open supports, N. Dealer, if there is one: how
             many candidates each level has, which follows from the bits.
See instead: opening itself: ``open_to_all`` and ``blind`` are handed in by ``analytics.disclosure.release``.
Source:      ours.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from analytics.errors import ReleaseRefusedError
from analytics.mining.answer import SiteAnswer
from analytics.mining.candidates import parents
from analytics.mining.threshold_test import Supports, level_bits, shared_threshold
from smpc.cost import dry_run
from smpc.operations.arithmetic import take
from smpc.operations.inputs import contribute

if TYPE_CHECKING:
    from collections.abc import Callable

    from analytics.mining.bitmaps import Bitmaps
    from analytics.mining.candidates import Itemset
    from analytics.mining.plan import MiningPlan
    from smpc.cost import Cost
    from smpc.ring import RingArray
    from smpc.session import Session
    from smpc.sharing import Shared


def mine_at_site(
    session: Session,
    plan: MiningPlan,
    bitmaps: Bitmaps,
    *,
    open_to_all: Callable[[Shared], RingArray],
    blind: Callable[[Shared], RingArray],
) -> SiteAnswer:
    """Run a mining plan at one site.

    Visible to: see the module.
    Cost: a level takes one batch of material, one comparison, under the guard an AND, one opening; the
        first one more comparison and product. See ``level_cost``.

    Args:
        session: of all sites, with a dealer or three that compute; the charge is complete, the start noted.
        plan: what this site derived itself.
        bitmaps: this site's rows.
        open_to_all: opens a shared array to every site.
        blind: this site's summand of an opening, with a fresh share of zero.

    Returns:
        What this site sends to the analyst.

    Raises:
        ReleaseRefusedError: an opened bit is neither 0 nor 1, so that a site has left the protocol.
    """
    walk, trail = plan.walk(), []
    n_rows = contribute(session, np.array([bitmaps.n_rows], dtype=np.int64))
    session.prefetch(floor_cost(plan).requests, is_last=False)
    threshold = shared_threshold(session, plan, n_rows)
    supports = Supports(n_rows)
    while not walk.is_over:
        candidates = walk.candidates
        session.prefetch(level_cost(plan, walk.level, len(candidates)).requests, is_last=False)
        counts = contribute(session, bitmaps.counts(candidates))
        columns = _parent_supports(supports, candidates, plan)
        bits = level_bits(session, plan, counts=counts, threshold=threshold, parents=columns)
        opened = _checked(open_to_all(bits), len(candidates))
        trail.append(opened)
        places = walk.advance(opened)
        if places:
            supports.add([candidates[place] for place in places], take(counts, places))
    summand = blind(supports.all()) if walk.frequent else np.zeros(0, dtype=np.int64)
    return SiteAnswer(trail=tuple(trail), summand=summand)


def floor_cost(plan: MiningPlan) -> Cost:
    """The cost of finding the threshold: material, rounds, bytes."""
    nothing = np.zeros(1, dtype=np.int64)
    return dry_run(
        lambda session: shared_threshold(session, plan, contribute(session, nothing)),
        plan.context.n_sites,
        has_three_sites=plan.context.has_three_sites,
    )


def level_cost(plan: MiningPlan, level: int, n_candidates: int) -> Cost:
    """What testing one level takes, without its opening (1 round, 8 bytes a candidate and peer).

    Args:
        plan: what runs.
        level: items of each candidate.
        n_candidates: how many.
    """
    nothing = np.zeros(n_candidates, dtype=np.int64)

    def joint(session: Session) -> Shared:
        counts = contribute(session, nothing)
        threshold = take(counts, [0])
        return level_bits(session, plan, counts=counts, threshold=threshold, parents=[counts] * level)

    return dry_run(joint, plan.context.n_sites, has_three_sites=plan.context.has_three_sites)


def most_memory(plan: MiningPlan) -> int:
    """Most memory (bytes) that a site's session holds, however many candidates are frequent.

    From the plan alone, so that nothing which was opened decides whether a run fits.
    """
    most = {
        level: min(plan.max_candidates, math.comb(len(plan.items), level))
        for level in range(1, min(plan.max_levels, len(plan.items)) + 1)
    }
    # candidates are compared once, under the guard once more for each of their items
    largest = {max(most, key=lambda level: most[level]), max(most, key=lambda level: level * most[level])}
    levels = [level_cost(plan, level, most[level]) for level in largest]
    return max(cost.memory_bytes for cost in (floor_cost(plan), *levels))


def _parent_supports(supports: Supports, candidates: tuple[Itemset, ...], plan: MiningPlan) -> list[Shared]:
    """For each place of an item, the supports of all candidates without it; nothing where no guard asks."""
    if not plan.minimum_difference:
        return []
    rows = [tuple(parents(candidate)) for candidate in candidates]
    return [supports.of(column) for column in zip(*rows, strict=True)]


def _checked(bits: RingArray, n_candidates: int) -> tuple[bool, ...]:
    if bits.shape != (n_candidates,) or not np.isin(bits, (0, 1)).all():
        raise ReleaseRefusedError(rule="shares", reason="the sites' shares of a level do not fit together")
    return tuple(bool(bit) for bit in bits)

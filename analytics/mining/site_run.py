"""One site's run over the levels: count, share, test, open one bit an itemset; at the end open the supports.

Layer:       analytics.mining above threshold_test and bitmaps.
Guarantees:  in this order at every block of levels: local counts, shares, comparison, one opening to all sites. What is sent to
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
from analytics.mining.plan import PIECE_CONDITIONS
from analytics.mining.threshold_test import (
    Part,
    Supports,
    block_bits,
    counted_cells,
    make_block,
    margins_of,
)
from smpc.cost import dry_run
from smpc.operations.arithmetic import concatenate, take
from smpc.operations.inputs import contribute

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from analytics.mining.bitmaps import Bitmaps
    from analytics.mining.candidates import Itemset, LevelIterator
    from analytics.mining.cubes import Pattern
    from analytics.mining.plan import MiningPlan
    from analytics.mining.threshold_test import Block
    from smpc.cost import Cost
    from smpc.ring import RingArray
    from smpc.session import Session
    from smpc.sharing import Shared

MOST_FACTORS = 64


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
    Cost: a block of levels takes one batch of material, one comparison, the ANDs, one opening. See ``block_cost``.

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
    supports: Supports | None = None
    while not walk.is_over:
        levels = plan.block(walk)
        pieces = pieces_of(plan, levels)
        bits, shares = [], []
        for piece in pieces:
            session.prefetch(block_cost(plan, piece.parts).requests, is_last=False)
            # the number of rows goes with the counts: on its own it would take a round where three sites compute
            own = [bitmaps.counts(piece.itemsets), bitmaps.cell_counts(counted_cells(plan, piece))]
            counted = contribute(session, np.append(np.concatenate(own), bitmaps.n_rows))
            counts = take(counted, slice(0, own[0].size))
            cells = take(counted, slice(own[0].size, -1))
            supports = supports or Supports(take(counted, slice(-1, None)))
            margins = margins_of(session, plan, piece, counts=counts, cells=cells, supports=supports)
            bits.append(block_bits(session, plan, margins, piece.factors))
            shares.append(counts)
        itemsets = [itemset for piece in pieces for itemset in piece.itemsets]
        opened = dict(zip(itemsets, _checked(open_to_all(concatenate(bits)), len(itemsets)), strict=True))
        n_before = len(walk.frequent)
        trail += _advanced(walk, levels, opened)
        found = walk.frequent[n_before:]
        if found and supports:
            places = {itemset: place for place, itemset in enumerate(itemsets)}
            supports.add(found, take(concatenate(shares), [places[itemset] for itemset in found]))
    summand = blind(supports.all()) if supports and walk.frequent else np.zeros(0, dtype=np.int64)
    return SiteAnswer(trail=tuple(trail), summand=summand)


def pieces_of(plan: MiningPlan, levels: Sequence[Sequence[Itemset]]) -> list[Block]:
    """Cut a wide level so that a piece's comparisons fit in memory; a block of several levels fits as it is."""
    if len(levels) > 1:
        return [make_block(plan, levels)]
    cuts: list[list[Itemset]] = [[]]
    n_conditions = 0
    for itemset in levels[0]:
        more = plan.conditions_of(itemset)
        if n_conditions + more > PIECE_CONDITIONS and cuts[-1]:
            cuts.append([])
            n_conditions = 0
        cuts[-1].append(itemset)
        n_conditions += more
    return [make_block(plan, [cut]) for cut in cuts]


def block_cost(plan: MiningPlan, parts: Sequence[Part]) -> Cost:
    """What testing a block takes, without its opening (1 round, 8 bytes a candidate and peer).

    Args:
        plan: what runs.
        parts: the block's.
    """
    nothing = np.zeros(1 + sum(part.size + part.n_counted for part in parts), dtype=np.int64)
    places = [0] * sum(part.size * part.n_conditions for part in parts)
    factors = [np.zeros((part.n_factors, part.size), dtype=np.int64) for part in parts]

    def joint(session: Session) -> Shared:
        return block_bits(session, plan, take(contribute(session, nothing), places), factors)

    return dry_run(joint, plan.context.n_sites, has_three_sites=plan.context.has_three_sites)


def most_memory(plan: MiningPlan) -> int:
    """Most memory (bytes) that a site's session holds, however many candidates are frequent.

    From the plan alone, so that nothing which was opened decides whether a run fits.
    """
    first = [block_cost(plan, piece.parts) for piece in pieces_of(plan, plan.block(plan.walk()))]
    sizes = {
        level: min(plan.max_candidates, math.comb(len(plan.items), level))
        for level in range(1, plan.max_levels + 1)
    }
    cells = {level: 1 << level if plan.is_guarded else 1 for level in sizes}
    # of levels with as many comparisons the first one, which has the most candidates
    level = max(sizes, key=lambda level: min(sizes[level] * cells[level], PIECE_CONDITIONS))
    size = min(sizes[level], -(-PIECE_CONDITIONS // cells[level]))
    pattern: Pattern = tuple(1 << place for place in range(level)) if plan.is_guarded else ()
    # a block of levels multiplies bits of subsets too
    wide = block_cost(plan, [Part(size=size, pattern=pattern, n_factors=max(cells[level] + 1, MOST_FACTORS))])
    most = [wide, *first]
    if plan.rests.alternatives:  # of the largest piece every cell may be counted by the sites
        half = PIECE_CONDITIONS // 2
        most.append(
            block_cost(plan, [Part(size=half // 2, pattern=(1,), n_factors=MOST_FACTORS, kinds=(2,))])
        )
        most.append(block_cost(plan, [Part(size=1, pattern=(1,), n_factors=2 * half, kinds=(2 * half,))]))
    return max(cost.memory_bytes for cost in most)


def _advanced(
    walk: LevelIterator, levels: Sequence[Sequence[Itemset]], opened: Mapping[Itemset, bool]
) -> list[tuple[bool, ...]]:
    try:
        return walk.advance_block(levels, opened)
    except ValueError:
        reason = "the sites' shares of a block of levels do not fit together"
        raise ReleaseRefusedError(rule="shares", reason=reason) from None


def _checked(bits: RingArray, n_candidates: int) -> tuple[bool, ...]:
    if bits.shape != (n_candidates,) or not np.isin(bits, (0, 1)).all():
        raise ReleaseRefusedError(rule="shares", reason="the sites' shares of a level do not fit together")
    return tuple(bool(bit) for bit in bits)

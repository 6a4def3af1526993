"""A block of levels on shares: test which candidates reach the threshold and keep every cell large enough.

Layer:       analytics.mining above plan; works on shares only, so no party sees a value.
Terms:       the *threshold* is ``max(a N, b m)`` for the smallest support ``a / b``, N rows and at least m rows
             behind an opened support; a candidate is frequent where ``b count >= threshold``. Its *conditions* are
             this one and, under the guard, that each other cell of its full cube has at least m rows.
Guarantees:  N, the threshold, counts and the comparisons' bits stay in shares. A candidate's one bit says "frequent,
             and no cell below m"; which condition failed stays in shares too. Supports of all subsets of an opened
             itemset are open, so that no sum or difference of them that counts a cell is below m, zero included.
             In a block of several levels a candidate's bit is multiplied by the bits of its subsets there: it is 1 only
             where a run level by level opens 1, and 0 where that run closes it or never reaches it.
See instead: opening the bits (release, handed to site_run), local counts (bitmaps). Sums over items of one column, such
             as N less the supports of all its categories, are not cells of one itemset.
Source:      ours; docs/guarantees.md P8, P9.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from analytics.mining.cubes import Pattern, cell_counts, cells, closures, pattern_of, subset_places
from smpc.operations.arithmetic import add_public, concatenate, multiply_public, subtract, take
from smpc.operations.bit_planes import to_ring
from smpc.operations.comparison import at_least, negative_plane
from smpc.operations.grouped_and import Places, all_of_each
from smpc.operations.selection import select
from smpc.ring import pack_plane, plane_bits
from smpc.sharing import Shared

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from analytics.mining.candidates import Ancestors, Itemset
    from analytics.mining.plan import MiningPlan
    from smpc.ring import RingArray
    from smpc.session import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Candidates of one level and one pattern, which stand together in a block.

    Attributes:
        size: how many.
        pattern: theirs; of the empty itemset where no guard asks.
        n_subsets: subsets in the block whose bits multiply each one's, itself among them.
    """

    size: int
    pattern: Pattern
    n_subsets: int

    @property
    def n_conditions(self) -> int:
        """Comparisons of one candidate."""
        return 1 + len(cells(self.pattern)) if self.pattern else 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Block:
    """What is tested at once.

    Attributes:
        itemsets: part by part.
        parts: their sizes and patterns.
        subsets: of each part, places of the subsets in the block, ``(n_subsets, size)``.
    """

    itemsets: tuple[Itemset, ...]
    parts: tuple[Part, ...]
    subsets: tuple[Places, ...]


def make_block(levels: Sequence[Sequence[Itemset]], ancestors: Ancestors, *, is_guarded: bool) -> Block:
    """Arrange levels that are tested at once.

    Args:
        levels: the itemsets of each.
        ancestors: as ``candidates.parents`` has them.
        is_guarded: whether cells are tested.
    """
    first = len(levels[0][0]) if levels and levels[0] else 0
    groups = [
        (pattern, tuple(group))
        for level in levels
        for pattern, group in groupby(
            sorted(level, key=lambda itemset: (pattern_of(itemset, ancestors), itemset)),
            key=lambda itemset: pattern_of(itemset, ancestors),
        )
    ]
    itemsets = tuple(itemset for _, group in groups for itemset in group)
    places = {itemset: place for place, itemset in enumerate(itemsets)}
    subsets = [_subsets_here(group, pattern, places, first) for pattern, group in groups]
    parts = tuple(
        Part(size=len(group), pattern=pattern if is_guarded else (), n_subsets=len(rows))
        for (pattern, group), rows in zip(groups, subsets, strict=True)
    )
    return Block(itemsets=itemsets, parts=parts, subsets=tuple(subsets))


def _subsets_here(
    group: Sequence[Itemset], pattern: Pattern, places: dict[Itemset, int], first: int
) -> Places:
    """Places of each one's closed subsets of at least the first level's size."""
    if len(pattern) == first:
        return np.array([[places[itemset] for itemset in group]], dtype=np.int64)
    chosen = [
        [place for place in range(len(pattern)) if subset >> place & 1]
        for subset, closed in enumerate(closures(pattern))
        if subset == closed and subset.bit_count() >= first
    ]
    return np.array(
        [[places[tuple([itemset[place] for place in part])] for itemset in group] for part in chosen],
        dtype=np.int64,
    )


def shared_threshold(session: Session, plan: MiningPlan, n_rows: Shared) -> Shared:
    """Find the threshold that ``b count`` must reach.

    Visible to: no party.
    Cost: one comparison and one product.

    Args:
        session: of all sites, with a dealer or three that compute.
        plan: what runs.
        n_rows: rows of all sites, shape ``(1,)``.

    Returns:
        ``max(a N, b m)``, shape ``(1,)``.
    """
    share_of_rows = multiply_public(n_rows, plan.min_support.numerator)
    least = plan.min_support.denominator * plan.floor_count
    is_larger = at_least(session, share_of_rows, least, plan.comparison_bits)
    # a constant as shares: N - N + least keeps one shape for the choice
    fixed = add_public(session, subtract(n_rows, n_rows), least)
    return select(session, is_larger, share_of_rows, fixed)


def margins_of(
    session: Session, plan: MiningPlan, block: Block, *, counts: Shared, threshold: Shared, supports: Supports
) -> Shared:
    """What every condition compares with 0, in shares.

    Visible to: no party. Cost: no round.

    Args:
        session: of all sites.
        plan: what runs.
        block: what is tested.
        counts: rows of all sites in which each candidate holds, shape ``(n_candidates,)``.
        threshold: what ``shared_threshold`` gave.
        supports: of what is open so far.

    Returns:
        Part by part, condition by condition, candidate by candidate; shape ``(n_conditions,)``.
    """
    scaled = multiply_public(counts, plan.min_support.denominator).share - threshold.share
    known = np.concatenate([supports.all().share, counts.share])
    places = supports.places_with(block.itemsets)
    found: list[RingArray] = []
    for part, chosen in _chosen(block):
        found.append(scaled[chosen])
        if part.pattern:
            here = subset_places(block.itemsets[chosen], part.pattern, places)
            smaller = cell_counts(known[here], part.pattern).T.reshape(-1)
            found.append(add_public(session, Shared(share=smaller), -plan.minimum_difference).share)
    return Shared(share=np.concatenate(found))


def block_bits(
    session: Session, plan: MiningPlan, margins: Shared, parts: Sequence[Part], subsets: Sequence[Places]
) -> Shared:
    """Test the conditions of a block.

    Visible to: no party.
    Cost: one batch of comparisons, the AND of each candidate's conditions and of its subsets' bits; see ``smpc.cost``.

    Args:
        session: of all sites, with a dealer or three that compute.
        plan: what runs.
        margins: what ``margins_of`` gave.
        parts: the block's.
        subsets: the block's.

    Returns:
        One shared bit a candidate.
    """
    plane = negative_plane(session, margins, plan.comparison_bits)
    bits = plane_bits(plane, margins.size) ^ np.uint8(session.is_first)
    groups, start = [], 0
    for part in parts:
        end = start + part.n_conditions * part.size
        groups.append(np.arange(start, end, dtype=np.int64).reshape(part.n_conditions, part.size))
        start = end
    own = np.concatenate(all_of_each(session, bits, groups))
    final = np.concatenate(all_of_each(session, own, subsets))
    return to_ring(session, pack_plane(final), final.size)


def _chosen(block: Block) -> Iterator[tuple[Part, slice]]:
    start = 0
    for part in block.parts:
        yield part, slice(start, start + part.size)
        start += part.size


class Supports:
    """The supports, in shares, of what is open so far; the empty itemset's is the number of rows."""

    def __init__(self, n_rows: Shared) -> None:
        """Begin with the empty itemset."""
        self._shares = n_rows
        self._places: dict[Itemset, int] = {(): 0}

    def add(self, itemsets: Sequence[Itemset], counts: Shared) -> None:
        """Note the open itemsets of a level with their counts."""
        for itemset in itemsets:
            self._places[itemset] = len(self._places)
        self._shares = concatenate([self._shares, counts])

    def of(self, itemsets: Sequence[Itemset]) -> Shared:
        """The supports of open itemsets, in the order asked."""
        return take(self._shares, [self._places[itemset] for itemset in itemsets])

    def places_with(self, itemsets: Sequence[Itemset]) -> dict[Itemset, int]:
        """Places of what is open, and of itemsets whose counts are put behind."""
        behind = {itemset: len(self._places) + place for place, itemset in enumerate(itemsets)}
        return self._places | behind

    def all(self) -> Shared:
        """All of them, the number of rows first, then in the order in which they were opened."""
        return self._shares

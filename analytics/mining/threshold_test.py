"""A block of levels on shares: test which candidates reach the threshold and keep every cell large enough.

Layer:       analytics.mining above plan; works on shares only, so no party sees a value.
Terms:       a candidate is frequent where ``b count >= a N`` for the smallest support ``a / b`` and N rows, and where it
             has at least m rows. Its *conditions* are these two and, under the guard, that each other cell of its full
             cube has at least m rows.
Guarantees:  N, counts and the comparisons' bits stay in shares. A candidate's one bit says "frequent,
             and no cell below m"; which condition failed stays in shares too. Supports of all subsets of an opened
             itemset are open, so that no sum or difference of them that counts a cell is below m, zero included.
             In a block of several levels a candidate's bit is multiplied by the bits of its subsets there: it is 1 only
             where a run level by level opens 1, and 0 where that run closes it or never reaches it.
             The same holds of what exclusive items of one column leave over, whose cells the sites count themselves.
See instead: opening the bits (release, handed to site_run), local counts (bitmaps), groups of a column (column_rests).
Source:      ours; docs/guarantees.md P8, P9.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from analytics.mining.column_rests import n_compared
from analytics.mining.cubes import Pattern, cell_counts, closures, pattern_of, subset_places
from smpc.operations.arithmetic import add_public, concatenate, multiply_public
from smpc.operations.bit_planes import to_ring
from smpc.operations.comparison import negative_plane
from smpc.operations.grouped_and import Places, all_of_each
from smpc.ring import pack_plane, plane_bits
from smpc.sharing import Shared

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from analytics.mining.candidates import Itemset
    from analytics.mining.column_rests import Cell, Kinds
    from analytics.mining.plan import MiningPlan
    from smpc.ring import RingArray
    from smpc.session import Session


def conditions_of(pattern: Pattern, kinds: Kinds = ()) -> int:
    """Comparisons of a candidate of a pattern, and of alternatives of its items."""
    return 2 + n_compared(pattern, kinds) if pattern else 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Candidates of one level and one pattern, which stand together in a block.

    Attributes:
        size: how many.
        pattern: theirs; empty where no guard asks.
        n_factors: conditions that make each one's bit: its own and those of its subsets in the block.
        kinds: of each item how many alternatives stand for its absence; empty where its absence does.
    """

    size: int
    pattern: Pattern
    n_factors: int
    kinds: Kinds = ()

    @property
    def n_conditions(self) -> int:
        """Comparisons of one candidate."""
        return conditions_of(self.pattern, self.kinds)

    @property
    def n_counted(self) -> int:
        """Cells that the sites count beside the supports: those that no sum of supports of subsets gives."""
        return self.size * (self.n_conditions - 2) if self.kinds else 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Block:
    """What is tested at once.

    Attributes:
        itemsets: part by part.
        parts: their sizes and patterns.
        factors: of each part, places of the conditions, ``(n_factors, size)``.
    """

    itemsets: tuple[Itemset, ...]
    parts: tuple[Part, ...]
    factors: tuple[Places, ...]


def make_block(plan: MiningPlan, levels: Sequence[Sequence[Itemset]]) -> Block:
    """Arrange levels that are tested at once.

    Args:
        plan: what runs.
        levels: the itemsets of each.
    """
    first = len(levels[0][0]) if levels and levels[0] else 0

    def shape(itemset: Itemset) -> tuple[Pattern, Kinds]:
        return pattern_of(itemset, plan.ancestors), plan.rests.kinds(itemset)

    groups = [
        (*alike, tuple(group))
        for level in levels
        for alike, group in groupby(
            sorted(level, key=lambda itemset: (shape(itemset), itemset)),
            key=shape,
        )
    ]
    itemsets = tuple(itemset for *_, group in groups for itemset in group)
    places = {itemset: place for place, itemset in enumerate(itemsets)}
    kept = [(pattern if plan.is_guarded else (), kinds) for pattern, kinds, _ in groups]
    sizes = [(len(group), conditions_of(*alike)) for alike, (*_, group) in zip(kept, groups, strict=True)]
    widths = [(size, size * n_conditions) for size, n_conditions in sizes]
    n_before = np.cumsum([(0, 0), *widths[:-1]], axis=0, dtype=np.int64)
    factors = [
        _factors(_subsets_here(group, pattern, places, first), sizes, n_before)
        for pattern, _, group in groups
    ]
    parts = tuple(
        Part(size=size, pattern=pattern, n_factors=len(rows), kinds=kinds)
        for (size, _), (pattern, kinds), rows in zip(sizes, kept, factors, strict=True)
    )
    return Block(itemsets=itemsets, parts=parts, factors=tuple(factors))


def _subsets_here(
    group: Sequence[Itemset], pattern: Pattern, places: dict[Itemset, int], first: int
) -> list[list[int]]:
    """Places of each one's closed subsets of at least the first level's size; a row has one pattern."""
    if len(pattern) == first:
        return [[places[itemset] for itemset in group]]
    chosen = [
        [place for place in range(len(pattern)) if subset >> place & 1]
        for subset, closed in enumerate(closures(pattern))
        if subset == closed and subset.bit_count() >= first
    ]
    return [[places[tuple([itemset[place] for place in part])] for itemset in group] for part in chosen]


def _factors(rows: Sequence[Sequence[int]], sizes: Sequence[tuple[int, int]], n_before: Places) -> Places:
    """Places of all conditions of some subsets, which are given by their places in the block.

    Args:
        rows: subsets; those of one row stand in one part.
        sizes: of each part its itemsets and the conditions of each.
        n_before: of each part the itemsets and the conditions before it, shape ``(n_parts, 2)``.
    """
    found = []
    for row in rows:
        part = int(np.searchsorted(n_before[:, 0], row[0], side="right")) - 1
        size, n_conditions = sizes[part]
        own = np.array(row, dtype=np.int64) - n_before[part, 0]
        steps = np.arange(n_conditions, dtype=np.int64)[:, np.newaxis] * size
        found.append(n_before[part, 1] + steps + own)
    return np.concatenate(found)


def counted_cells(plan: MiningPlan, block: Block) -> list[Cell]:
    """The cells that sites count themselves: part by part, condition by condition, candidate by candidate."""
    found: list[Cell] = []
    for part, chosen in _chosen(block):
        if part.kinds:
            each = [list(plan.rests.cells(itemset, plan.ancestors)) for itemset in block.itemsets[chosen]]
            found += [cell for row in zip(*each, strict=True) for cell in row]
    return found


def margins_of(
    session: Session, plan: MiningPlan, block: Block, *, counts: Shared, cells: Shared, supports: Supports
) -> Shared:
    """What every condition compares with 0, in shares.

    Visible to: no party. Cost: no round.

    Args:
        session: of all sites.
        plan: what runs.
        block: what is tested.
        counts: rows of all sites in which each candidate holds, shape ``(n_candidates,)``.
        cells: rows of all sites of ``counted_cells``.
        supports: of what is open so far, the number of rows first.

    Returns:
        Part by part, condition by condition, candidate by candidate; shape ``(n_conditions,)``.
    """
    share_of_rows = plan.min_support.numerator * supports.all().share[:1]
    frequent = multiply_public(counts, plan.min_support.denominator).share - share_of_rows
    enough = add_public(session, counts, -plan.floor_count).share
    known = np.concatenate([supports.all().share, counts.share])
    places = supports.places_with(block.itemsets)
    counted = add_public(session, cells, -plan.minimum_difference).share
    found: list[RingArray] = []
    start = 0
    for part, chosen in _chosen(block):
        found += [frequent[chosen], enough[chosen], counted[start : start + part.n_counted]]
        start += part.n_counted
        if part.pattern and not part.kinds:
            here = subset_places(block.itemsets[chosen], part.pattern, places)
            smaller = cell_counts(known[here], part.pattern).T.reshape(-1)
            found.append(add_public(session, Shared(share=smaller), -plan.minimum_difference).share)
    return Shared(share=np.concatenate(found))


def block_bits(session: Session, plan: MiningPlan, margins: Shared, factors: Sequence[Places]) -> Shared:
    """Test the conditions of a block.

    Visible to: no party.
    Cost: one batch of comparisons, the AND of each candidate's and its subsets' conditions; see ``smpc.cost``.

    Args:
        session: of all sites, with a dealer or three that compute.
        plan: what runs.
        margins: what ``margins_of`` gave.
        factors: the block's.

    Returns:
        One shared bit a candidate.
    """
    plane = negative_plane(session, margins, plan.comparison_bits)
    bits = plane_bits(plane, margins.size) ^ np.uint8(session.is_first)
    found = np.concatenate(all_of_each(session, bits, factors))
    return to_ring(session, pack_plane(found), found.size)


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

    def places_with(self, itemsets: Sequence[Itemset]) -> dict[Itemset, int]:
        """Places of what is open, and of itemsets whose counts are put behind."""
        behind = {itemset: len(self._places) + place for place, itemset in enumerate(itemsets)}
        return self._places | behind

    def all(self) -> Shared:
        """All of them, the number of rows first, then in the order in which they were opened."""
        return self._shares

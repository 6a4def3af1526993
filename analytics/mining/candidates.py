"""Candidates of each level: join, prune and iteration, the same at every site and at the analyst.

Layer:       analytics.mining, pure: item numbers and bits, no site's data.
Terms:       an itemset is an increasing tuple of item numbers; level k holds the candidates of k items; the level
             iterator is the state of a run after the bits that were opened so far. Where a hierarchy of codes is asked,
             an itemset holds each of its items' *ancestors* too, so that the block of a code is one of its subsets. A
             *block* of levels is tested at once; later levels of it hold every itemset that could become a candidate.
Guarantees:  the same bits lead every site and the analyst to the same candidates in the same order; a candidate's
             subsets of one item less are all open, so a level's bits say nothing of itemsets that an earlier level
             closed; the caps hold for whatever bits come, those of a block of levels too.
Source:      R. Agrawal, R. Srikant, "Fast Algorithms for Mining Association Rules", VLDB 1994, section 2.1.1; for
             hierarchies "Mining Generalized Association Rules", VLDB 1995.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

Itemset = tuple[int, ...]
Ancestors = tuple[frozenset[int], ...]


def parents(itemset: Itemset, ancestors: Ancestors = ()) -> Iterator[Itemset]:
    """The subsets of one item less that hold every ancestor, first the one without the first item.

    Args:
        itemset: at least one item.
        ancestors: of each item the asked items that it implies; empty where none does.

    Yields:
        Without ancestors as many itemsets as it has items; for a single item the empty one.
    """
    needed = frozenset().union(*(ancestors[item] for item in itemset)) if ancestors else frozenset()
    for place, item in enumerate(itemset):
        if item not in needed:
            yield itemset[:place] + itemset[place + 1 :]


def reduced(itemset: Itemset, ancestors: Ancestors) -> Itemset:
    """The items that no other item of the itemset implies; they say the same."""
    if not ancestors:
        return itemset
    implied = frozenset().union(*(ancestors[item] for item in itemset))
    return tuple(item for item in itemset if item not in implied)


def join(
    frequent: Sequence[Itemset], excludes: Callable[[int, int], bool], ancestors: Ancestors = ()
) -> Iterator[Itemset]:
    """The candidates of the next level.

    Args:
        frequent: the open itemsets of one level, in increasing order.
        excludes: whether two items can never hold together.
        ancestors: as for ``parents``; an ancestor has a lower number than what implies it.

    Yields:
        Itemsets of one item more, all of whose parents are among ``frequent``; without ancestors in increasing order.
    """
    known = set(frequent)
    children = _children(ancestors)
    for prefix, group in groupby(frequent, key=lambda itemset: itemset[:-1]):
        tails = [itemset[-1] for itemset in group]
        for place, first in enumerate(tails):
            for second in [*tails[place + 1 :], *children.get(first, ())]:
                if (not prefix or ancestors) and excludes(first, second):
                    continue
                candidate = (*prefix, first, second)
                if ancestors and not ancestors[second] <= set(candidate):
                    continue
                if all(parent in known for parent in parents(candidate, ancestors)):
                    yield candidate


def _children(ancestors: Ancestors) -> dict[int, list[int]]:
    """Of each item those that imply it."""
    found: dict[int, list[int]] = {}
    for item, implied in enumerate(ancestors):
        for ancestor in implied:
            found.setdefault(ancestor, []).append(item)
    return found


class LevelIterator:
    """The state of a run.

    Attributes:
        level: number of the current level; its candidates have as many items.
        candidates: the current level's itemsets; empty when the run is over.
        frequent: every open itemset so far, level by level, each level in increasing order.
        is_capped: whether the run ended because the next level did not fit under a cap.
    """

    def __init__(
        self,
        n_items: int,
        *,
        max_levels: int,
        max_candidates: int,
        excludes: Callable[[int, int], bool],
        ancestors: Ancestors = (),
        conditions_of: Callable[[Itemset], int] = lambda _itemset: 1,
        max_conditions: int = 1 << 22,
        max_items: int | None = None,
    ) -> None:
        """Begin at level 1 with every item as a candidate; the plan made sure that they fit.

        Args:
            n_items: how many items.
            max_levels: most items of a candidate.
            max_candidates: most candidates of the run.
            excludes: whether two items can never hold together.
            ancestors: as for ``parents``.
            conditions_of: comparisons that a candidate takes; 0 where it can never open, by public numbers.
            max_conditions: most comparisons of a level.
            max_items: most items that are not implied by others; None: no limit.
        """
        self.level = 1
        self.frequent: list[Itemset] = []
        self.is_capped = False
        self._max_levels, self._max_items = max_levels, max_items
        self._excludes, self._ancestors = excludes, ancestors
        self._conditions_of, self._max_conditions = conditions_of, max_conditions
        self.candidates: tuple[Itemset, ...] = tuple(
            (number,) for number in range(n_items) if not (ancestors and ancestors[number])
        )
        self._left = max_candidates - len(self.candidates)

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to count."""
        return not self.candidates

    def block(self, max_conditions: int, max_candidates: int) -> tuple[tuple[Itemset, ...], ...]:
        """The levels to test at once: the current one, and as many later ones as fit.

        Args:
            max_conditions: most comparisons of a block of several levels.
            max_candidates: most itemsets of a block of several levels.

        Returns:
            Of each level the itemsets; those of later levels are what becomes a candidate if every bit is 1.
        """
        levels = [self.candidates]
        n_itemsets, n_conditions = self._sizes(self.candidates)
        left = self._left
        while self.level + len(levels) <= self._max_levels:
            following = self._join(levels[-1], min(left, max_candidates - n_itemsets))
            if not following:
                break
            more, conditions = self._sizes(following)
            n_itemsets, n_conditions, left = n_itemsets + more, n_conditions + conditions, left - more
            if n_conditions > max_conditions:
                break
            levels.append(following)
        return tuple(levels)

    def advance(self, bits: Sequence[bool]) -> tuple[int, ...]:
        """Take one level's opened bits and go on to the next.

        Args:
            bits: one a candidate, in order.

        Returns:
            Places of the open candidates in the level that is now left.

        Raises:
            ValueError: not one bit a candidate.
        """
        if len(bits) != len(self.candidates):
            message = "a level has one bit for each candidate"
            raise ValueError(message)
        places = tuple(place for place, bit in enumerate(bits) if bit)
        found = [self.candidates[place] for place in places]
        self.frequent += found
        self.candidates = self._next(found)
        self.level += 1
        return places

    def advance_block(
        self, levels: Sequence[Sequence[Itemset]], bits: Mapping[Itemset, bool]
    ) -> list[tuple[bool, ...]]:
        """Take the bits of a block of levels, as if its levels had come one after the other.

        Args:
            levels: what ``block`` returned.
            bits: of every itemset of the block.

        Returns:
            The bits of each level's candidates: what a run level by level opens.

        Raises:
            ValueError: a bit of 1 where a subset's is 0.
        """
        trail, left = [], sum(bits.values())
        for _ in levels:
            if self.is_over:
                break
            level = tuple(bits[candidate] for candidate in self.candidates)
            left -= sum(level)
            self.advance(level)
            trail.append(level)
        if left:
            message = "an itemset is open and a subset of it is closed"
            raise ValueError(message)
        return trail

    def _sizes(self, itemsets: Sequence[Itemset]) -> tuple[int, int]:
        return len(itemsets), sum(self._conditions_of(itemset) for itemset in itemsets)

    def _next(self, found: Sequence[Itemset]) -> tuple[Itemset, ...]:
        if self.level >= self._max_levels:
            return ()
        following = self._join(found, self._left)
        if following is None or self._sizes(following)[1] > self._max_conditions:
            self.is_capped = True
            return ()
        self._left -= len(following)
        return following

    def _join(self, found: Sequence[Itemset], most: int) -> tuple[Itemset, ...] | None:
        """The next level in increasing order; None where it does not fit."""
        fitting: list[Itemset] = []
        for candidate in join(found, self._excludes, self._ancestors):
            if self._max_items is not None and len(reduced(candidate, self._ancestors)) > self._max_items:
                continue
            if not self._conditions_of(candidate):
                continue
            if len(fitting) >= most:
                return None
            fitting.append(candidate)
        return tuple(sorted(fitting) if self._ancestors else fitting)

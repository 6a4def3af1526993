"""Candidates of each level: join, prune and iteration, the same at every site and at the analyst.

Layer:       analytics.mining, pure: item numbers and bits, no site's data.
Terms:       an itemset is an increasing tuple of item numbers; level k holds the candidates of k items; the level
             iterator is the state of a run after the bits that were opened so far.
Guarantees:  the same bits lead every site and the analyst to the same candidates in the same order; a candidate's
             subsets of one item less are all open, so a level's bits say nothing of itemsets that an earlier level
             closed; the caps hold for whatever bits come.
Source:      R. Agrawal, R. Srikant, "Fast Algorithms for Mining Association Rules", VLDB 1994, section 2.1.1.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Itemset = tuple[int, ...]


def parents(itemset: Itemset) -> Iterator[Itemset]:
    """The subsets of one item less, first the one without the first item.

    Args:
        itemset: at least one item.

    Yields:
        As many itemsets as it has items; for a single item the empty one.
    """
    for place in range(len(itemset)):
        yield itemset[:place] + itemset[place + 1 :]


def join(frequent: Sequence[Itemset], excludes: Callable[[int, int], bool]) -> Iterator[Itemset]:
    """The candidates of the next level.

    Args:
        frequent: the open itemsets of one level, in increasing order.
        excludes: whether two items can never hold together.

    Yields:
        Itemsets of one item more, in increasing order, all of whose parents are among ``frequent``.
    """
    known = set(frequent)
    for prefix, group in groupby(frequent, key=lambda itemset: itemset[:-1]):
        tails = [itemset[-1] for itemset in group]
        for place, first in enumerate(tails):
            for second in tails[place + 1 :]:
                if not prefix and excludes(first, second):
                    continue
                candidate = (*prefix, first, second)
                if all(parent in known for parent in parents(candidate)):
                    yield candidate


class LevelIterator:
    """The state of a run.

    Attributes:
        level: number of the current level; its candidates have as many items.
        candidates: the current level's itemsets; empty when the run is over.
        frequent: every open itemset so far, level by level, each level in increasing order.
        is_capped: whether the run ended because the next level did not fit under a cap.
    """

    def __init__(
        self, n_items: int, *, max_levels: int, max_candidates: int, excludes: Callable[[int, int], bool]
    ) -> None:
        """Begin at level 1 with every item as a candidate; the plan made sure that they fit."""
        self.level = 1
        self.candidates: tuple[Itemset, ...] = tuple((number,) for number in range(n_items))
        self.frequent: list[Itemset] = []
        self.is_capped = False
        self._max_levels = max_levels
        self._left = max_candidates - n_items
        self._excludes = excludes

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to count."""
        return not self.candidates

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

    def _next(self, found: list[Itemset]) -> tuple[Itemset, ...]:
        if self.level >= self._max_levels:
            return ()
        fitting: list[Itemset] = []
        for candidate in join(found, self._excludes):
            if len(fitting) == self._left:
                self.is_capped = True
                return ()
            fitting.append(candidate)
        self._left -= len(fitting)
        return tuple(fitting)

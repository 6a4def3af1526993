"""The local stage of mining: one scan into vertical bitmaps, then counts of candidates.

Layer:       analytics.mining above plan and sources; runs inside a site.
Shapes:      one bitmap an item, ``(n_items, ceil(n_rows / 64))`` uint64, bit ``r`` of an item says whether it holds
             in row ``r``; counts ``(n_candidates,)`` int64.
Guarantees:  the table is read once a run, whatever the levels; a comparison with NULL is false; counts lie between 0
             and rows_max. No ``repr`` shows a bit or a count.
See instead: shares (threshold_test).
Source:      M. J. Zaki, "Scalable Algorithms for Association Mining", IEEE TKDE 12(3), 2000 (vertical layout).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from analytics.mining.plan import WORD_ITEMS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from analytics.mining.candidates import Itemset
    from analytics.mining.column_rests import Cell
    from analytics.mining.plan import MiningPlan
    from analytics.sources import LocalTable

Words = npt.NDArray[np.uint64]
_WORD_BITS = 64
_BLOCK_WORDS = 1 << 14  # rows are counted in blocks, so that a wide level of a long table fits in memory


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bitmaps:
    """A site's rows, item by item.

    Attributes:
        n_rows: rows of the site's clean table.
        words: the bitmaps of the items, then of the rests; bits beyond ``n_rows`` are 0.
    """

    n_rows: int = field(repr=False)
    words: Words = field(repr=False)

    def counts(self, candidates: Sequence[Itemset]) -> npt.NDArray[np.int64]:
        """Count the rows in which each candidate holds.

        Visible to: the site alone.

        Args:
            candidates: itemsets in increasing order, so that those of one prefix stand together.

        Returns:
            One count a candidate.
        """
        found = np.zeros(len(candidates), dtype=np.int64)
        for start in range(0, self.words.shape[1], _BLOCK_WORDS):
            block = self.words[:, start : start + _BLOCK_WORDS]
            for places, prefix, tails in _by_prefix(candidates):
                rows = block[tails]
                if prefix:
                    rows &= np.bitwise_and.reduce(block[list(prefix)], axis=0)
                found[places] += np.bitwise_count(rows).sum(axis=1, dtype=np.int64)
        return found

    def cell_counts(self, cells: Sequence[Cell]) -> npt.NDArray[np.int64]:
        """Count the rows of each cell, by what holds there and what does not.

        Visible to: the site alone.

        Args:
            cells: numbers of items and rests that hold, numbers of items that do not.

        Returns:
            One count a cell.
        """
        found = np.zeros(len(cells), dtype=np.int64)
        every = np.zeros(8 * self.words.shape[1], dtype=np.uint8)
        packed = np.packbits(np.ones(self.n_rows, dtype=np.uint8), bitorder="little")
        every[: packed.size] = packed
        rows = np.vstack([self.words, every.view(np.uint64)])
        for place, (present, absent) in enumerate(cells):
            held = np.bitwise_and.reduce(rows[[-1, *present]], axis=0)
            if absent:
                held &= ~np.bitwise_or.reduce(rows[list(absent)], axis=0)
            found[place] = np.bitwise_count(held).sum(dtype=np.int64)
        return found


def local_bitmaps(plan: MiningPlan, source: LocalTable, limit_s: float | None = None) -> Bitmaps:
    """Scan a site's table into bitmaps.

    Visible to: the site alone.

    Args:
        plan: the plan, derived by this site itself.
        source: the site's clean table.
        limit_s: seconds after which the scan is stopped; None: never.

    Returns:
        The bitmaps.

    Raises:
        LocalTimeoutError: not done in time.
        SourceLostError: the database is gone.
        SourceFailedError: the database failed.
    """
    codes = source.local_words(plan.local_sql, limit_s)
    n_rows = codes.shape[1]
    n_items = len(plan.items)
    words = np.zeros((n_items + len(plan.rests.rests), -(-n_rows // _WORD_BITS)), dtype=np.uint64)
    for number in range(n_items):
        word, place = divmod(number, WORD_ITEMS)
        bits = ((codes[word] >> np.int64(place)) & np.int64(1)).astype(np.uint8)
        if plan.items[number].is_negated:
            bits ^= np.uint8(1)
        packed = np.packbits(bits, bitorder="little")
        words[number].view(np.uint8)[: packed.size] = packed
    every = np.packbits(np.ones(n_rows, dtype=np.uint8), bitorder="little")
    for number, rest in enumerate(plan.rests.rests, start=n_items):
        if rest.parent is None:
            words[number].view(np.uint8)[: every.size] = every
        else:
            words[number] = words[rest.parent]
        words[number] &= ~np.bitwise_or.reduce(words[list(rest.children)], axis=0)
    return Bitmaps(n_rows=n_rows, words=words)


def _by_prefix(candidates: Sequence[Itemset]) -> Iterator[tuple[slice, Itemset, list[int]]]:
    """Candidates that differ in their last item only: their places, the common part, the last items."""
    start = 0
    for prefix, group in groupby(candidates, key=lambda itemset: itemset[:-1]):
        tails = [itemset[-1] for itemset in group]
        yield slice(start, start + len(tails)), prefix, tails
        start += len(tails)

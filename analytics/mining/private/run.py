"""One site's run of private mining: count, add noise, open; at the end the cells of the bases go to the analyst alone.

Layer:       analytics.mining.private above plan and truncation.
Guarantees:  every opened number is a sum of counts times a public weight and of every site's own noise; what a site counts
             next follows from what was opened. A site whose scan was late counts nothing and adds its noise (P19).
Visible to:  sites: noisy counts of items and of pairs. Analyst: these, and the noisy cells.
See instead: opening itself: ``open_to_all`` and ``blind`` are handed in by ``analytics.disclosure.release``.
Source:      docs/guarantees.md P7, P9.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from analytics.errors import ReleaseRefusedError
from analytics.mining.bitmaps import Bitmaps
from analytics.mining.private.truncation import KEY_BYTES, truncated
from privacy_accounting.noise import discrete_gaussian
from smpc.operations.inputs import contribute

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from analytics.mining.candidates import Itemset
    from analytics.mining.private.plan import PrivateMiningPlan
    from privacy_accounting.noise import ByteSource
    from smpc.ring import RingArray
    from smpc.session import Session
    from smpc.sharing import Shared

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What was opened so far, and what it chooses.

    Attributes:
        first: opened counts of items, the number of baskets last.
        items: selected.
        pairs: counted.
        second: opened counts of pairs.
        bases: whose cells are released.
        is_whole: whether the bases hold every clique of frequent pairs.
    """

    first: tuple[int, ...]
    items: Itemset
    pairs: tuple[Itemset, ...]
    second: tuple[int, ...]
    bases: tuple[Itemset, ...]
    is_whole: bool


def choose(plan: PrivateMiningPlan, first: Sequence[int], second_of: Callable[[int], Ints]) -> Choice:
    """Follow a plan through its openings, at a site and at the analyst alike.

    Args:
        plan: what runs.
        first: opened counts of the items and of baskets.
        second_of: the opened counts of so many pairs, asked once they are known; not asked for none.
    """
    opened = tuple(int(value) for value in first)
    items = plan.items_after(opened)
    pairs = plan.pairs_after(items)
    second = tuple(int(value) for value in second_of(len(pairs))) if pairs else ()
    bases, is_whole = plan.bases_after(opened, items, pairs, second)
    return Choice(first=opened, items=items, pairs=pairs, second=second, bases=bases, is_whole=is_whole)


def n_cells(bases: Sequence[Itemset]) -> int:
    """Cells of all bases."""
    return sum(1 << len(basis) for basis in bases)


def mine_privately(
    session: Session,
    plan: PrivateMiningPlan,
    bitmaps: Bitmaps | None,
    source: ByteSource,
    *,
    open_to_all: Callable[[Shared], RingArray],
    blind: Callable[[Shared], RingArray],
) -> bytes:
    """Run a private plan at one site.

    Cost: 2 rounds of opening; 8 bytes a count and peer.

    Args:
        session: of all sites; the charge is complete, the start noted.
        plan: what this site derived itself.
        bitmaps: this site's baskets; None where the scan did not end in time.
        source: uniform bytes for noise and truncation.
        open_to_all: opens a shared array to every site.
        blind: this site's summand of an opening, with a fresh share of zero.

    Returns:
        The opened counts and this site's summand of the cells, little end first.
    """
    site = _Site(plan, bitmaps, source)
    openings: list[RingArray] = []

    def opened(number: int, counts: Ints, changed: int) -> RingArray:
        found = open_to_all(contribute(session, site.noised(number, counts, changed)))
        if found.shape != counts.shape:
            raise ReleaseRefusedError(rule="shares", reason="the sites' shares do not fit together")
        openings.append(found)
        return found

    first = opened(0, site.item_counts(), plan.held + 1)
    items = plan.items_after([int(value) for value in first])
    pairs = plan.pairs_after(items)
    choice = choose(
        plan,
        [*map(int, first)],
        lambda _n: opened(1, site.pair_counts(items, pairs), plan.pair_counts(len(items))),
    )
    if choice.bases:
        cells = site.noised(2, site.cell_counts(choice.bases), len(choice.bases))
        openings.append(blind(contribute(session, cells)))
    return b"".join(part.astype("<i8", copy=False).tobytes() for part in openings)


class _Site:
    """This site's counts, with its noise."""

    def __init__(self, plan: PrivateMiningPlan, bitmaps: Bitmaps | None, source: ByteSource) -> None:
        self._plan, self._bitmaps, self._source = plan, bitmaps, source
        self._key = source.bytes(KEY_BYTES)

    def noised(self, number: int, counts: Ints, changed: int) -> Ints:
        """Weighted counts with this site's noise of a release of whose counts one basket changes so many."""
        noise = self._plan.noises[number]
        return counts * noise.weight(changed) + discrete_gaussian(
            noise.sigma2_local, counts.size, self._source
        )

    def item_counts(self) -> Ints:
        """Of each item its baskets, and all baskets."""
        n_items = len(self._plan.base.items)
        if self._bitmaps is None:
            return np.zeros(n_items + 1, dtype=np.int64)
        counts = self._cut(tuple(range(n_items))).counts([(item,) for item in range(n_items)])
        return np.append(counts, self._bitmaps.n_rows)

    def pair_counts(self, items: Itemset, pairs: Sequence[Itemset]) -> Ints:
        """Of each pair of selected items its baskets."""
        if self._bitmaps is None:
            return np.zeros(len(pairs), dtype=np.int64)
        place = {item: number for number, item in enumerate(items)}
        return self._cut(items).counts([(place[a], place[b]) for a, b in pairs])

    def cell_counts(self, bases: Sequence[Itemset]) -> Ints:
        """Of each combination of a basis's items, first those of the first basis, its baskets."""
        if self._bitmaps is None:
            return np.zeros(n_cells(bases), dtype=np.int64)
        found = []
        for basis in bases:
            codes = np.zeros(self._bitmaps.n_rows, dtype=np.int64)
            for place, item in enumerate(basis):
                bits = np.unpackbits(self._bitmaps.words[item].view(np.uint8), bitorder="little")
                codes |= bits[: codes.size].astype(np.int64) << place
            found.append(np.bincount(codes, minlength=1 << len(basis)))
        return np.concatenate(found).astype(np.int64)

    def _cut(self, items: Itemset) -> Bitmaps:
        """The bitmaps of some items, of each basket at most as many as the plan says."""
        if self._bitmaps is None:
            raise ReleaseRefusedError(rule="figures", reason="there are no baskets to cut")
        words, n_rows = self._bitmaps.words[list(items)], self._bitmaps.n_rows
        if self._plan.is_truncated and len(items) > self._plan.held:
            words = truncated(words, self._plan.held, self._key)
        return Bitmaps(n_rows=n_rows, words=words)

"""The cells of an itemset's full cube: of each combination of its items, the rows that hold these and no others of it.

Layer:       analytics.mining above candidates, pure: no site's data.
Terms:       an itemset of k items splits the rows into 2^k *cells* by which of the items hold; inclusion and exclusion
             of the supports of its subsets give each. With a hierarchy of codes a cell that has a code and lacks its
             block is empty by the hierarchy, and is no cell.
Guarantees:  every cell of a subset is a sum of cells of the itemset, so that where all cells of an itemset reach a
             number, those of every subset do.
Shapes:      ``subsets`` of c itemsets of k items: places of supports, ``(c, 2**k)``, a subset's column is its bit mask.
Source:      T. Calders, B. Goethals, "Mining All Non-derivable Frequent Itemsets", PKDD 2002, for the sums.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from analytics.mining.candidates import Ancestors, Itemset

Pattern = tuple[int, ...]
Places = npt.NDArray[np.int64]
MAX_CUBE_ITEMS = 16


def pattern_of(itemset: Itemset, ancestors: Ancestors) -> Pattern:
    """Of each item, as a bit mask over the itemset's places, itself and the items that it implies."""
    if not ancestors:
        return _free(len(itemset))
    return tuple(
        sum(1 << other for other, item in enumerate(itemset) if item in ancestors[own] or other == place)
        for place, own in enumerate(itemset)
    )


@cache
def _free(n_items: int) -> Pattern:
    return tuple(1 << place for place in range(n_items))


@cache
def closures(pattern: Pattern) -> tuple[int, ...]:
    """For each subset, as a bit mask, the subset with all that its items imply."""
    found = [0]
    for mask in pattern:
        found += [earlier | mask for earlier in found]
    return tuple(found)


@cache
def cells(pattern: Pattern) -> Places:
    """The subsets that can be cells, without the whole itemset; shape ``(n_cells - 1,)``."""
    every = closures(pattern)
    return np.array([subset for subset in range(len(every) - 1) if every[subset] == subset], dtype=np.int64)


def subset_places(itemsets: Sequence[Itemset], pattern: Pattern, places: Mapping[Itemset, int]) -> Places:
    """Where the support of each subset stands.

    Args:
        itemsets: of one pattern.
        pattern: theirs.
        places: of every closed subset of them.

    Returns:
        Shape ``(n_itemsets, 2**k)``.
    """
    chosen = [[place for place in range(len(pattern)) if mask >> place & 1] for mask in closures(pattern)]
    return np.array(
        [[places[tuple([itemset[place] for place in part])] for part in chosen] for itemset in itemsets],
        dtype=np.int64,
    ).reshape(len(itemsets), len(chosen))


def cell_counts(supports: npt.NDArray[np.int64], pattern: Pattern) -> npt.NDArray[np.int64]:
    """Inclusion and exclusion; linear, so that shares of supports give shares of cells.

    Args:
        supports: of every subset, shape ``(n, 2**k)``; it is left as it was.
        pattern: of the itemsets.

    Returns:
        The cells but the whole itemset's own, shape ``(n, n_cells - 1)``, wrapping as the ring does.
    """
    found = supports.copy()
    n_items = len(pattern)
    for place in range(n_items):
        halves = found.reshape(len(found), 1 << (n_items - place - 1), 2, 1 << place)
        halves[:, :, 0, :] -= halves[:, :, 1, :]
    return found[:, cells(pattern)]

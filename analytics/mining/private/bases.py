"""Which itemsets a private run releases next: from opened noisy counts and public numbers alone.

Layer:       analytics.mining.private, pure: no site's data.
Terms:       a *basis* is a set of items; its histogram has a count for each combination of them and their absence, and gives
             the support of every subset. A basket lies in one cell of each basis, so w bases change by sqrt(w).
Guarantees:  the same opened counts lead every site and the analyst to the same items, pairs and bases, in integers only;
             no more items, items of a basis and bases than the plan says.
Source:      PrivBasis, section 4: maximal cliques of the graph of frequent pairs, joined where that lowers the mean variance.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from fractions import Fraction

    from analytics.mining.candidates import Itemset

MAX_SELECTED = 64  # items whose pairs are released
MAX_BASIS = 10  # items of a basis, 1,024 cells
MAX_BASES = 20
_MAX_CLIQUES = 512
_TRIPLE = 3


def selected_items(counts: Sequence[int], n_rows: int, min_support: Fraction) -> Itemset:
    """The items whose noisy support reaches the smallest one, the most frequent ones, in increasing order.

    Args:
        counts: opened noisy counts, an item each; of one weight.
        n_rows: the opened noisy number of baskets, of the same weight.
        min_support: smallest share.
    """
    frequent = [item for item, count in enumerate(counts) if _reaches(count, n_rows, min_support)]
    return tuple(sorted(sorted(frequent, key=lambda item: (-counts[item], item))[:MAX_SELECTED]))


def pairs_of(items: Itemset, is_apart: Callable[[int, int], bool]) -> tuple[Itemset, ...]:
    """The pairs whose counts are released, without those that the schema decides."""
    return tuple(pair for pair in combinations(items, 2) if not is_apart(*pair))


def chosen_bases(
    pairs: Sequence[Itemset], counts: Sequence[int], threshold: Callable[[int], bool]
) -> tuple[tuple[Itemset, ...], bool]:
    """The bases.

    Args:
        pairs: whose counts were opened.
        counts: these.
        threshold: whether a count is frequent.

    Returns:
        At most ``MAX_BASES`` itemsets of at most ``MAX_BASIS`` items, and whether they hold every clique of frequent pairs.
    """
    strength = {pair: count for pair, count in zip(pairs, counts, strict=True) if threshold(count)}
    near: dict[int, set[int]] = {}
    for first, second in strength:
        near.setdefault(first, set()).add(second)
        near.setdefault(second, set()).add(first)
    cliques, is_whole = _cliques(near)
    cut = {_strongest(clique, strength) for clique in cliques if len(clique) >= _TRIPLE}
    is_whole = is_whole and all(len(clique) <= MAX_BASIS for clique in cliques)
    bases = sorted(one for one in cut if not any(set(one) < set(other) for other in cut))
    joined, fits = _joined(bases)
    return joined, is_whole and fits


def _reaches(count: int, n_rows: int, min_support: Fraction) -> bool:
    return min_support.denominator * count >= min_support.numerator * max(n_rows, 1)


def _cliques(near: dict[int, set[int]]) -> tuple[list[Itemset], bool]:
    """Maximal cliques, at most so many (Bron and Kerbosch with a pivot)."""
    found: list[Itemset] = []
    open_ones: list[tuple[frozenset[int], frozenset[int], frozenset[int]]] = [
        (frozenset(), frozenset(near), frozenset())
    ]
    while open_ones and len(found) < _MAX_CLIQUES:
        held, possible, done = open_ones.pop()
        if not possible and not done:
            found.append(tuple(sorted(held)))
            continue
        if not possible:
            continue
        pivot = max(sorted(possible | done), key=lambda item: len(near[item] & possible))
        for item in sorted(possible - near[pivot]):
            open_ones.append((held | {item}, possible & near[item], done & near[item]))
            possible, done = possible - {item}, done | {item}
    return found, not open_ones


def _strongest(clique: Itemset, strength: dict[Itemset, int]) -> Itemset:
    """The items of a clique that fit into a basis: those of the most frequent pairs."""
    rank = {
        item: sum(count for pair, count in strength.items() if item in pair and set(pair) <= set(clique))
        for item in clique
    }
    return tuple(sorted(sorted(clique, key=lambda item: (-rank[item], item))[:MAX_BASIS]))


def _joined(bases: Sequence[Itemset]) -> tuple[tuple[Itemset, ...], bool]:
    """Join bases while that lowers the mean variance, or there are too many; then drop the smallest ones."""
    held = [(basis, 1) for basis in bases]  # with the number of cliques in it

    def variance(every: Sequence[tuple[Itemset, int]]) -> int:
        return len(every) * sum(times << len(basis) for basis, times in every)

    while len(held) > 1:
        best = None
        for (place, (first, m)), (other, (second, n)) in combinations(enumerate(held), 2):
            union = tuple(sorted({*first, *second}))
            if len(union) <= MAX_BASIS:
                rest = [one for number, one in enumerate(held) if number not in {place, other}]
                after = [*rest, (union, m + n)]
                if best is None or variance(after) < best[0]:
                    best = (variance(after), after)
        if best is None or (best[0] >= variance(held) and len(held) <= MAX_BASES):
            break
        held = best[1]
    kept = sorted(held, key=lambda one: (-one[1], -len(one[0]), one[0]))[:MAX_BASES]
    return tuple(sorted(basis for basis, _ in kept)), len(kept) == len(held)

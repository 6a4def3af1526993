"""Which patterns open, decided on shares, all lengths at once.

Layer:       analytics.statistics.sequences; works on shares only.
Terms:       the *parts* of a pattern are what is left when items are left out; the empty part is held by everybody. The
             *cells* of a pattern of different items are what inclusion and exclusion over its parts gives, as of an itemset
             in association mining; where an item comes twice, they are the difference of each next smaller part and the
             pattern.
Guarantees:  a pattern opens where it has at least the support that is asked, it and each cell have at least m s people, and
             every part opens: no sum or difference of open supports counts fewer people, zero included. No site learns
             which did.
Visible to:  the analyst: the number of people, a bit for each pattern and the open counts.
Source:      ours; docs/guarantees.md P8, P9.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, product
from typing import TYPE_CHECKING, Final

import numpy as np

from smpc.operations.arithmetic import add_public, concatenate, multiply
from smpc.operations.bit_planes import to_ring
from smpc.operations.comparison import negative_plane
from smpc.operations.grouped_and import Places, all_of_each
from smpc.ring import pack_plane, plane_bits
from smpc.sharing import Shared

if TYPE_CHECKING:
    from collections.abc import Iterator
    from fractions import Fraction

    from analytics.statistics.base import Limits
    from analytics.statistics.sequences.occurrences import Pattern
    from smpc.session import Session

MAX_PATTERNS: Final = 10_000
EMPTY: Final[Pattern] = ()
Cell = tuple[tuple["Pattern", int], ...]  # parts with their signs


def patterns_of(n_items: int, max_len: int) -> tuple[Pattern, ...]:
    """All patterns of some items, the shorter ones first; an item may come again."""
    return tuple(
        pattern for size in range(1, max_len + 1) for pattern in product(range(n_items), repeat=size)
    )


def n_patterns(n_items: int, max_len: int) -> int:
    """How many there are."""
    return sum(n_items**size for size in range(1, max_len + 1))


def parts_of(pattern: Pattern) -> tuple[Pattern, ...]:
    """The parts of a pattern without itself, each once, the empty one first."""
    found = (part for size in range(len(pattern)) for part in combinations(pattern, size))
    return tuple(dict.fromkeys(found))


def cells_of(pattern: Pattern) -> tuple[Cell, ...]:
    """The cells that have to be large enough, without the pattern's own."""
    if len(set(pattern)) < len(pattern):
        nearest = [part for part in parts_of(pattern) if len(part) == len(pattern) - 1]
        return tuple(((part, 1), (pattern, -1)) for part in nearest)
    places = range(len(pattern))
    found = []
    for size in range(len(pattern)):
        for kept in combinations(places, size):
            others = [place for place in places if place not in kept]
            found.append(tuple(_terms(pattern, kept, others)))
    return tuple(found)


def _terms(pattern: Pattern, kept: tuple[int, ...], others: list[int]) -> Iterator[tuple[Pattern, int]]:
    for size in range(len(others) + 1):
        for more in combinations(others, size):
            yield tuple(pattern[place] for place in sorted((*kept, *more))), (-1) ** size


@dataclass(frozen=True, kw_only=True)
class PatternGuard:
    """The patterns of a request.

    Attributes:
        n_items: how many items there are.
        max_len: items of a pattern at most.
        min_support: smallest share of the people; 0 for none.
        limits: the public numbers of the guard.
    """

    n_items: int
    max_len: int
    min_support: Fraction
    limits: Limits

    @cached_property
    def patterns(self) -> tuple[Pattern, ...]:
        """All of them, the shorter ones first."""
        return patterns_of(self.n_items, self.max_len)

    @property
    def n_values(self) -> int:
        """Numbers that are opened at most: people, and a support for each pattern."""
        return 1 + n_patterns(self.n_items, self.max_len)

    @property
    def comparison_bits(self) -> int:
        """Width of every comparison, with a sign: a cell is a sum of up to eight counts."""
        people = self.limits.n_sites * self.limits.rows_max
        largest = max(self.min_support.denominator * people, 8 * people, self.limits.threshold)
        return largest.bit_length() + 1

    @cached_property
    def _conditions(self) -> tuple[Places, Places, list[Places]]:
        """The cells as places of supports and their signs, and of each number of factors those of its patterns' bits."""
        place_of = {pattern: 1 + place for place, pattern in enumerate(self.patterns)} | {EMPTY: 0}
        places: list[list[int]] = []
        signs: list[list[int]] = []
        own: dict[Pattern, range] = {}
        for pattern in self.patterns:
            start = len(places)
            for cell in (((pattern, 1),), *cells_of(pattern)):
                filled = [(place_of[part], sign) for part, sign in cell]
                filled += [(0, 0)] * (2**self.max_len - len(filled))
                places.append([place for place, _ in filled])
                signs.append([sign for _, sign in filled])
            own[pattern] = range(start, len(places))
        groups: dict[int, list[list[int]]] = {}
        for pattern in self.patterns:
            parts = [part for part in parts_of(pattern) if part]
            factors = [condition for part in (*parts, pattern) for condition in own[part]]
            factors += [len(places) + place_of[part] - 1 for part in (*parts, pattern)]  # their support
            groups.setdefault(len(factors), []).append(factors)
        matrices = [np.array(rows, dtype=np.int64).T for _, rows in sorted(groups.items())]
        return np.array(places, dtype=np.int64), np.array(signs, dtype=np.int64), matrices

    @cached_property
    def _places(self) -> Places:
        """Where the bit of each pattern stands among those of all groups."""
        sizes: dict[int, list[int]] = {}
        conditions = {pattern: 1 + len(cells_of(pattern)) for pattern in self.patterns}
        for place, pattern in enumerate(self.patterns):
            parts = [part for part in parts_of(pattern) if part]
            n_factors = sum(conditions[part] + 1 for part in (*parts, pattern))
            sizes.setdefault(n_factors, []).append(place)
        order = [place for _, group in sorted(sizes.items()) for place in group]
        return np.argsort(np.array(order, dtype=np.int64))

    def guarded(self, session: Session, figures: Shared) -> Shared:
        """Close what is small or rare.

        Visible to: no party.
        Cost: one batch of comparisons, the ANDs, one product.

        Args:
            session: of all sites, with a dealer or three that compute.
            figures: the number of people and the support of each pattern, shape ``(n_values,)``.

        Returns:
            The values, closed ones as 0, then as many flags.
        """
        places, signs, groups = self._conditions
        cells = (figures.share[places] * signs).sum(axis=1)
        # without a minimum cell too nothing opens that no person holds
        least = np.maximum(self.limits.threshold, np.append((signs != 0).sum(axis=1) == 1, 1))
        compared = add_public(session, Shared(share=np.append(cells, figures.share[0])), -least)
        scale, share = self.min_support.denominator, self.min_support.numerator
        frequent = scale * figures.share[1:] - share * figures.share[0]
        every = np.concatenate([compared.share[:-1], frequent, compared.share[-1:]])
        plane = negative_plane(session, Shared(share=every), self.comparison_bits)
        bits = plane_bits(plane, every.size) ^ np.uint8(session.is_first)
        people = np.array([[every.size - 1]], dtype=np.int64)
        enough, *found = all_of_each(session, bits, [people, *groups])
        ordered = np.concatenate([enough, np.concatenate(found)[self._places]])
        flags = to_ring(session, pack_plane(ordered), ordered.size)
        return concatenate([multiply(session, figures, flags), flags])

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
from functools import cached_property, lru_cache
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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Conditions:
    """What is compared, of all patterns.

    Attributes:
        places: of each cell the places of its supports among people and patterns, shape ``(n_cells, n_terms)``.
        signs: of these, 0 where a cell has fewer.
        groups: for each number of factors the places of those of each pattern's bit among cells and supports.
        order: of each pattern its place among the bits of all groups.
    """

    places: Places
    signs: Places
    groups: tuple[Places, ...]
    order: Places


@lru_cache(maxsize=2)
def conditions_of(n_items: int, max_len: int) -> Conditions:
    """The conditions of all patterns; every member plans a request several times, so that they are kept."""
    patterns = patterns_of(n_items, max_len)
    place_of = {EMPTY: 0} | {pattern: 1 + place for place, pattern in enumerate(patterns)}
    terms: list[Cell] = []
    own: dict[Pattern, range] = {}
    for pattern in patterns:
        start = len(terms)
        terms += [((pattern, 1),), *cells_of(pattern)]
        own[pattern] = range(start, len(terms))
    most = max(map(len, terms))
    places, signs = (np.zeros((len(terms), most), dtype=np.int64) for _ in range(2))
    for row, cell in enumerate(terms):
        places[row, : len(cell)] = [place_of[part] for part, _ in cell]
        signs[row, : len(cell)] = [sign for _, sign in cell]
    by_size: dict[int, list[tuple[int, list[int]]]] = {}
    for place, pattern in enumerate(patterns):
        every = (*(part for part in parts_of(pattern) if part), pattern)
        factors = [condition for part in every for condition in own[part]]
        factors += [len(terms) + place_of[part] - 1 for part in every]  # that each is frequent
        by_size.setdefault(len(factors), []).append((place, factors))
    sizes = sorted(by_size)
    order = [place for size in sizes for place, _ in by_size[size]]
    return Conditions(
        places=places,
        signs=signs,
        groups=tuple(np.array([row for _, row in by_size[size]], dtype=np.int64).T for size in sizes),
        order=np.argsort(np.array(order, dtype=np.int64)),
    )


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
        asked = conditions_of(self.n_items, self.max_len)
        cells = (figures.share[asked.places] * asked.signs).sum(axis=1)
        # without a minimum cell too nothing opens that no person holds
        least = np.maximum(self.limits.threshold, np.append((asked.signs != 0).sum(axis=1) == 1, 1))
        compared = add_public(session, Shared(share=np.append(cells, figures.share[0])), -least)
        scale, share = self.min_support.denominator, self.min_support.numerator
        frequent = scale * figures.share[1:] - share * figures.share[0]
        every = np.concatenate([compared.share[:-1], frequent, compared.share[-1:]])
        plane = negative_plane(session, Shared(share=every), self.comparison_bits)
        bits = plane_bits(plane, every.size) ^ np.uint8(session.is_first)
        people = np.array([[every.size - 1]], dtype=np.int64)
        enough, *found = all_of_each(session, bits, [people, *asked.groups])
        ordered = np.concatenate([enough, np.concatenate(found)[asked.order]])
        flags = to_ring(session, pack_plane(ordered), ordered.size)
        return concatenate([multiply(session, figures, flags), flags])

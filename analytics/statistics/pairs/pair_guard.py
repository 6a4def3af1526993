"""Counts of people behind pairs of items, and the guard that decides on shares which pairs open.

Layer:       analytics.statistics.pairs above person_items.
Terms:       of a pair with n people who hold both, its *cells* are n, those who hold the first item alone, the second alone,
             and neither. A *margin* is how many people hold one item.
Guarantees:  a pair opens where each of its four cells has at least m s people, a margin where it and all others have:
             an open pair's margins are open too. Which pairs open is compared on shares, all at once, and the analyst alone
             learns it; a closed count is multiplied by 0 there and is part of no opening. A person counts once a pair
             at a site.
Visible to:  the analyst: a bit for each margin and pair, and the open counts.
See instead: sums over the values of one column are not cells of a pair: where nearly every person has one value alone, those
             of all but one value tell the last one's count nearly.
Source:      ours; docs/guarantees.md P8, P9.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from analytics.errors import InvalidRequestError, ReleaseRefusedError
from analytics.statistics.guards.column_cells import ones
from analytics.statistics.pairs.person_items import held_by
from smpc.operations.arithmetic import add_public, concatenate, multiply
from smpc.operations.bit_planes import to_ring
from smpc.operations.comparison import negative_plane
from smpc.operations.grouped_and import all_of_each
from smpc.ring import pack_plane, plane_bits
from smpc.sharing import Shared

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.statistics.base import Ints, Limits
    from analytics.statistics.pairs.person_items import PersonItem
    from smpc.session import Session

MAX_PAIRS: Final = 20_000
Pair = tuple[int, int]
Table = tuple[int, int, int, int]
_CELLS: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedPairs:
    """What the analyst sees; None where it is closed.

    Attributes:
        n_people: of all sites.
        margins: people who hold each item.
        together: people who hold both items of each pair.
    """

    n_people: int | None
    margins: tuple[int | None, ...]
    together: tuple[int | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PairCounts:
    """Pairs of items, counted and guarded.

    Attributes:
        items: all items.
        pairs: numbers of two of them each.
        columns: that a site reads.
        limits: the public numbers of the guard.
    """

    items: tuple[PersonItem, ...]
    pairs: tuple[Pair, ...]
    columns: tuple[str, ...]
    limits: Limits

    def check(self, parameter: str) -> None:
        """Refuse what no run could hold.

        Raises:
            InvalidRequestError: there is no pair, or there are more than 20,000.
        """
        if not 1 <= len(self.pairs) <= MAX_PAIRS:
            reason = f"must leave 1 to {MAX_PAIRS} pairs, not {len(self.pairs)}"
            raise InvalidRequestError(parameter=parameter, reason=reason)

    @property
    def n_values(self) -> int:
        """Numbers that are opened at most: people, margins, pairs."""
        return 1 + len(self.items) + len(self.pairs)

    @property
    def is_guarded(self) -> bool:
        """Whether the opening depends on the guard."""
        return self.limits.threshold > 0

    def count_rows(self, rows: Ints) -> Ints:
        """A site's people, margins and pairs.

        Visible to: the site alone.

        Args:
            rows: as ``LocalTable.every_row`` gives them for ``columns``.

        Returns:
            Shape ``(n_values,)``.
        """
        n_people, words = held_by(rows, self.items, self.columns)
        together = np.zeros(len(self.pairs), dtype=np.int64)
        first = np.array([one for one, _ in self.pairs], dtype=np.intp)
        second = np.array([other for _, other in self.pairs], dtype=np.intp)
        for item in range(len(self.items)):
            places = np.flatnonzero(first == item)
            if places.size:
                together[places] = ones(words[item] & words[second[places]])
        return np.concatenate([[n_people], ones(words), together]).astype(np.int64)

    def guarded(self, session: Session, figures: Shared) -> Shared:
        """Close what is small.

        Visible to: no party.
        Cost: one batch of comparisons, the AND of four bits a pair, one product.

        Args:
            session: of all sites, with a dealer or three that compute.
            figures: the sums of what ``count_rows`` gives.

        Returns:
            The values, closed ones as 0, then as many flags.
        """
        n_items, n_pairs, least = len(self.items), len(self.pairs), self.limits.threshold
        people, margins = figures.share[:1], figures.share[1 : 1 + n_items]
        together = figures.share[1 + n_items :]
        one, other = (margins[[pair[side] for pair in self.pairs]] for side in (0, 1))
        cells = [together, one - together, other - together, people - one - other + together]
        conditions = np.concatenate([people, margins, people - margins, *cells])
        compared = add_public(session, Shared(share=conditions), -least)
        width = max(self.limits.n_sites * self.limits.rows_max, least).bit_length() + 1
        plane = negative_plane(session, compared, width)
        bits = plane_bits(plane, compared.size) ^ np.uint8(session.is_first)
        start = 1 + 2 * n_items
        groups = [
            np.zeros((1, 1), dtype=np.int64),
            1 + np.arange(2 * n_items, dtype=np.int64).reshape(2, n_items),
            start + np.arange(_CELLS * n_pairs, dtype=np.int64).reshape(_CELLS, n_pairs),
        ]
        found = np.concatenate(all_of_each(session, bits, groups))
        flags = to_ring(session, pack_plane(found), found.size)
        return concatenate([multiply(session, figures, flags), flags])

    def opened(self, values: Ints) -> OpenedPairs:
        """Read what was opened, without or with flags."""
        size = self.n_values
        flags = values[size:] if self.is_guarded else np.ones(size, dtype=np.int64)
        found = [int(value) if flag else None for value, flag in zip(values[:size], flags, strict=True)]
        split = 1 + len(self.items)
        return OpenedPairs(n_people=found[0], margins=tuple(found[1:split]), together=tuple(found[split:]))

    def open_tables(self, found: OpenedPairs) -> tuple[list[tuple[str, str]], list[Table]]:
        """Names and tables of the open pairs.

        Args:
            found: what ``opened`` read.

        Returns:
            Of each its two items, and its four cells: both, the first alone, the second alone, neither.

        Raises:
            ReleaseRefusedError: a table does not fit its open bit; a site has left the protocol.
        """
        names, tables = [], []
        for (one, other), together in zip(self.pairs, found.together, strict=True):
            first, second = found.margins[one], found.margins[other]
            if together is None or first is None or second is None or found.n_people is None:
                continue
            names.append((self.items[one].name, self.items[other].name))
            neither = found.n_people - first - second + together
            tables.append((together, first - together, second - together, neither))
            if min(tables[-1]) < self.limits.threshold:
                raise ReleaseRefusedError(rule="shares", reason="the counts of a pair do not fit its bit")
        return names, tables


def pairs_between(first: Sequence[PersonItem], second: Sequence[PersonItem]) -> tuple[Pair, ...]:
    """Every item of one side with every item of the other, as numbers of both sides one after the other."""
    start = len(first)
    return tuple((one, start + other) for one in range(start) for other in range(len(second)))


def pairs_among(items: Sequence[PersonItem]) -> tuple[Pair, ...]:
    """Every two of some items."""
    return tuple((one, other) for one in range(len(items)) for other in range(one + 1, len(items)))

"""One site's people of each pattern: who has a first item on some day, then the next one later, within a window.

Layer:       analytics.statistics.sequences; runs inside a site.
Terms:       a *pattern* is a tuple of item numbers. A person has it where days ``t1 < t2 < ...`` exist on which the person has
             its items in this order, each ``after + 1`` days or more behind the one before, and the last one at most ``within``
             days after the first. *Next*: the second item's first day after that day of the first item.
             A *key* is a person's number and a day in one integer.
Guarantees:  every pattern that is made by leaving items out is held by whoever holds the pattern. A person counts once a pattern.
Visible to:  the site alone.
Source:      ours. Of the days of an item before a key the last one leaves the shortest span, so that one search a day finds
             whether any fits.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from analytics.statistics.pairs.person_items import people_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.statistics.base import Ints
    from analytics.statistics.pairs.person_items import PersonItem

Keys = npt.NDArray[np.int64]
Pattern = tuple[int, ...]
_NONE: Final = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Which days follow each other.

    Attributes:
        least_gap: days from an item to the next one at least; 0 for patterns of two items alone.
        within: days from the first item to the last one at most; None: any number.
        first_day: the smallest day that there can be.
        span: more days than any two can lie apart.
        is_next: whether the second item is the first one of its kind after the first item.
    """

    least_gap: int
    within: int | None
    first_day: int
    span: int
    is_next: bool = False

    @property
    def longest(self) -> int:
        """The longest distance of the first and the last day."""
        return self.span if self.within is None else min(self.within, self.span)

    @property
    def stride(self) -> int:
        """From a person's keys to the next person's."""
        return self.span + 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Days:
    """The days on which people have each item.

    Attributes:
        n_people: of the site.
        keys: of each item its keys, rising, each once.
        window: which days follow each other.
    """

    n_people: int = field(repr=False)
    keys: Sequence[Keys] = field(repr=False)
    window: Window

    def count(self, patterns: Sequence[Pattern]) -> Ints:
        """People of each pattern.

        Args:
            patterns: of at most three items, in any order.

        Returns:
            Shape ``(n_patterns,)``.
        """
        ends: dict[Pattern, tuple[Keys, Keys]] = {}
        found = np.zeros(len(patterns), dtype=np.int64)
        for place, pattern in enumerate(patterns):
            last, first = self._ends_of(pattern, ends)
            people = last[(first >= 0) & (last - first <= self.window.longest)] // self.window.stride
            found[place] = np.count_nonzero(np.diff(people, prepend=_NONE))
        return found

    def _ends_of(self, pattern: Pattern, ends: dict[Pattern, tuple[Keys, Keys]]) -> tuple[Keys, Keys]:
        """Keys of a pattern's last item, and of each the latest key at which the pattern can begin; -1 where it cannot."""
        keys = self.keys[pattern[-1]]
        if len(pattern) == 1:
            return keys, keys
        if self.window.is_next:
            return self._next_after(self.keys[pattern[0]], keys)
        head = pattern[:-1]
        if head not in ends and len(head) > 1:
            ends[head] = self._ends_of(head, ends)
        before, begins = ends[head] if len(head) > 1 else (self.keys[head[0]],) * 2
        return keys, self._latest(keys, before, begins, self._gap(pattern))

    def _gap(self, pattern: Pattern) -> int:
        """On one day an item does not follow itself."""
        return max(1, self.window.least_gap) if pattern[-1] == pattern[-2] else self.window.least_gap

    def _latest(self, keys: Keys, before: Keys, begins: Keys, gap: int) -> Keys:
        """Of each key the latest beginning of what ends at least a gap before it, of the same person."""
        places = np.searchsorted(before, keys - gap, side="right") - 1
        if not before.size:
            return np.full(keys.size, _NONE, dtype=np.int64)
        same = (places >= 0) & (before[places] // self.window.stride == keys // self.window.stride)
        return np.where(same, begins[places], _NONE)

    def _next_after(self, firsts: Keys, keys: Keys) -> tuple[Keys, Keys]:
        """Of each day of the first item the second item's next day, where it is the same person's and far enough."""
        side = "left" if self.window.least_gap == 0 and firsts is not keys else "right"
        places = np.searchsorted(keys, firsts, side=side)  # type: ignore[call-overload]
        firsts, places = firsts[places < keys.size], places[places < keys.size]
        lasts = keys[places]
        kept = (lasts // self.window.stride == firsts // self.window.stride) & (
            lasts - firsts >= self.window.least_gap
        )
        return lasts[kept], firsts[kept]


def days_of(rows: Ints, items: Sequence[PersonItem], columns: Sequence[str], window: Window) -> Days:
    """Read the days of each item from a site's rows.

    Args:
        rows: as ``LocalTable.every_row`` gives them; the columns after the first are ``columns``, the day being the last.
        items: of these columns.
        columns: their names.
        window: which days follow each other.

    Returns:
        The days; a row without a day has none.
    """
    n_people, person = people_of(rows)
    places = {name: 1 + place for place, name in enumerate(columns)}
    day = rows[:, -1] - window.first_day
    known = rows[:, -1] >= window.first_day
    keys = []
    for item in items:
        values = rows[:, places[item.column]]
        chosen = known & (values >= item.low) & (values <= item.high)
        keys.append(np.unique(person[chosen] * window.stride + day[chosen]))
    return Days(n_people=n_people, keys=keys, window=window)

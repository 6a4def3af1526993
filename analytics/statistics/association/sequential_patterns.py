"""Sequential patterns: which items follow which in a person's time, within a window of days.

Layer:       analytics.statistics.association above sequences.
Terms:       items are those of person_items; their *day* is a number on a grid of whole days. The same day is not *then*,
             unless ``same_day`` says so.
Guarantees:  exact: see pattern_guard; windows come from a public list (windows). A person counts once a pattern at each site,
             and what a person has at two sites is no pattern.
Visible to:  the analyst: the number of people, the supports of open patterns, and a bit for each.
See instead: pairs whatever their order (signals, comorbidity), time to an event (kaplan_meier).
Source:      R. Srikant, R. Agrawal, EDBT 1996 (gaps and windows).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Final, Self

import numpy as np

from analytics.errors import InvalidRequestError, PlanRejectedError, ReleaseRefusedError
from analytics.statistics.arguments import Arguments, Parameter
from analytics.statistics.base import EXACT, MINIMUM_CELL, Statistic, Step
from analytics.statistics.counts import OPEN, OVER
from analytics.statistics.pairs.person_items import columns_of, read_items
from analytics.statistics.sequences.occurrences import Window, days_of
from analytics.statistics.sequences.pattern_guard import (
    EMPTY,
    MAX_PATTERNS,
    PatternGuard,
    cells_of,
    n_patterns,
)
from analytics.statistics.sequences.sequences_answer import SequencesAnswer, pattern_rows
from analytics.statistics.sequences.windows import check_window

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from fractions import Fraction

    from analytics.schema import NumericColumn, Table
    from analytics.statistics.base import Ints, Limits, Mode
    from analytics.statistics.pairs.person_items import PersonItem
    from analytics.statistics.sequences.occurrences import Pattern
    from analytics.statistics.uncertainty.noise_law import NoiseLaw

LONGEST: Final = 3
_PAIR: Final = 2
MAX_DAYS: Final = 200_000
MAX_SUPPORT_PARTS: Final = 1_000_000
_FOREVER: Final = 1_826


@dataclass(frozen=True, kw_only=True)
class SequentialPatterns(Statistic[int]):
    """Items in the order of their days.

    Attributes:
        items: in the order of the columns' values.
        day: the column of days.
        window: which days follow each other.
        guard: the patterns.
    """

    name: ClassVar[str] = "sequential_patterns"
    summary: ClassVar[str] = "which items follow which in a person's time"
    modes: ClassVar = EXACT
    promoted: ClassVar = EXACT
    keeps_missing: ClassVar[bool] = True
    no_private: ClassVar[str] = (
        "must be exact: noise for all patterns of a person grows with their number, on which a table has no declared bound"
    )
    parameters: ClassVar = (
        Parameter(name="items", meaning="columns, or column=value"),
        Parameter(name="day", meaning="the column of days: a number of resolution 1"),
        Parameter(
            name="within",
            meaning="days from the first item to the last at most, of a public list",
            default=None,
        ),
        Parameter(
            name="after", meaning="an item follows more than so many days later; likewise", default=None
        ),
        Parameter(name="max_len", meaning="items of a pattern at most: 2 or 3", default=_PAIR),
        Parameter(name="min_support", meaning="smallest share of the people", default=0),
        Parameter(
            name="same_day", meaning="whether an item follows another one of its day too", default=False
        ),
        Parameter(
            name="next_only",
            meaning="whether only the first day of the second item after the first counts",
            default=False,
        ),
    )
    items: tuple[PersonItem, ...]
    day: NumericColumn
    window: Window
    guard: PatternGuard

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """See ``Statistic``."""
        if table.units_are_rows:
            raise PlanRejectedError(
                position="table",
                reason=f"{table.name} has one row a person, so that nothing follows anything",
            )
        items, day = read_items(arguments, "items", table), arguments.number_column("day", table)
        if any(item.column == day.name for item in items):
            raise InvalidRequestError(parameter="items", reason=f"names {day.name}, which is the day")
        window = _window_of(arguments, day)
        max_len = arguments.whole("max_len", low=_PAIR, high=LONGEST)
        if max_len > _PAIR and (window.is_next or not window.least_gap):
            raise InvalidRequestError(parameter="max_len", reason="must be 2 with same_day or next_only")
        if n_patterns(len(items), max_len) > MAX_PATTERNS:
            most = max(count for count in range(1, 100) if n_patterns(count, max_len) <= MAX_PATTERNS)
            reason = f"must be at most {most} items for patterns of {max_len}, not {len(items)}"
            raise InvalidRequestError(parameter="items", reason=reason)
        guard = PatternGuard(
            n_items=len(items), max_len=max_len, min_support=_support_of(arguments), limits=limits
        )
        return cls(table=table, mode=mode, limits=limits, items=items, day=day, window=window, guard=guard)

    @property
    def columns(self) -> tuple[str, ...]:
        """Those of the items, then the day."""
        return (*columns_of(self.items), self.day.name)

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        window, share = self.window, self.guard.min_support
        return {
            "items": [item.name for item in self.items],
            "day": self.day.name,
            "within": window.within,
            "least_gap": window.least_gap,
            "next_only": window.is_next,
            "max_len": self.guard.max_len,
            "min_support": [share.numerator, share.denominator],
        }

    def start(self) -> int:
        """Before the opening."""
        return OPEN

    def step(self, state: int) -> Step | None:
        """The one step."""
        return None if state == OVER else self.every_step()[0]

    def advance(self, state: int, opened: Ints) -> int:
        """Over."""
        del state, opened
        return OVER

    def every_step(self) -> tuple[Step]:
        """One opening to the analyst."""
        n_values = self.guard.n_values
        step = Step(
            name="patterns",
            to="analyst",
            clamps=(self.limits.rows_max,) * n_values,
            local=self.count_rows,
            joint=self.guard.guarded,
            n_values=n_values,
            n_flags=n_values,
            has_products=True,
        )
        return (step,)

    def count_rows(self, rows: Ints) -> Ints:
        """A site's people, and those of each pattern; shape ``(n_values,)``.

        Visible to: the site alone.
        """
        days = days_of(rows, self.items, self.columns, self.window)
        return np.append(np.int64(days.n_people), days.count(self.guard.patterns))

    @cached_property
    def _n_longer(self) -> int:
        return len(self.guard.patterns) - len(self.items)

    def estimate(self, opened: Sequence[Ints], noise: Sequence[NoiseLaw]) -> SequencesAnswer:
        """See ``Statistic``."""
        del noise
        (values,) = opened
        size = self.guard.n_values
        flags = values[size:].astype(bool)
        n_people = int(values[0]) if flags[0] else None
        counts = {
            pattern: int(value)
            for pattern, value, flag in zip(self.guard.patterns, values[1:size], flags[1:], strict=True)
            if flag
        }
        self._check(counts, n_people)
        names = [item.name for item in self.items]
        rows = pattern_rows(counts, n_people or 0, names)
        return SequencesAnswer(
            rows=rows,
            item_counts={name: counts.get((item,)) for item, name in enumerate(names)},
            n_people=n_people,
            n_patterns=self._n_longer,
            n_closed=self._n_longer - len(rows),
            closed="" if rows else MINIMUM_CELL,
        )

    def _check(self, counts: Mapping[Pattern, int], n_people: int | None) -> None:
        """Refuse counts that contradict their bits; a site has left the protocol."""
        known = {**counts, EMPTY: n_people or 0}
        for pattern, count in counts.items():
            cells = [sum(sign * known.get(part, 0) for part, sign in cell) for cell in cells_of(pattern)]
            if n_people is None or count < 1 or min(count, *cells) < self.limits.threshold:
                raise ReleaseRefusedError(rule="shares", reason="the counts of a pattern do not fit its bit")


def _window_of(arguments: Arguments, day: NumericColumn) -> Window:
    if day.resolution != 1:
        raise PlanRejectedError(position="day", reason=f"{day.name} must count whole days: resolution 1")
    span = day.grid_upper - day.grid_lower + 1
    if span > MAX_DAYS:
        raise PlanRejectedError(position="day", reason=f"{day.name} spans more than {MAX_DAYS} days")
    within, after = (
        arguments.whole(name, low=1, high=_FOREVER) if arguments.is_given(name) else None
        for name in ("within", "after")
    )
    check_window("within", within)
    check_window("after", after)
    if within is not None and after is not None and after >= within:
        raise InvalidRequestError(parameter="after", reason="must be below within")
    same_day = arguments.flag("same_day")
    if same_day and after is not None:
        raise InvalidRequestError(parameter="same_day", reason="has no meaning beside after")
    return Window(
        least_gap=0 if same_day else (after or 0) + 1,
        within=within,
        first_day=day.grid_lower,
        span=span,
        is_next=arguments.flag("next_only"),
    )


def _support_of(arguments: Arguments) -> Fraction:
    share = arguments.number("min_support")
    if not 0 <= share <= 1 or share.denominator > MAX_SUPPORT_PARTS:
        raise InvalidRequestError(
            parameter="min_support", reason="must be from 0 to 1, with at most six decimals"
        )
    return share

"""The register: how far each statistic is tested, in exact and in private mode, and which ones are refused.

Layer:       analytics.statistics, above registry.
Terms:       *promoted*: an oracle that shares no code with it, tests of the attacks on it, and in private mode a test
             that a simulation of at least 4,000 releases covers as often as it says. *provisional*: it can be asked,
             and one of these is missing. *refused*: it cannot be asked in this mode, for the reason given.
Guarantees:  what is neither in the registry nor promoted or provisional here cannot be asked; a statistic that is
             refused as a whole is named with its reason.
See instead: the classes (registry), texts of refusals and of names that are part of another statistic (other_names).
Source:      ours.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from analytics.statistics.other_names import PART_OF, REFUSED
from analytics.statistics.registry import STATISTICS

if TYPE_CHECKING:
    from analytics.statistics.base import AnyStatistic, Mode

Level = Literal["promoted", "provisional", "refused"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One statistic in one mode.

    Attributes:
        level: promoted, provisional or refused.
        reason: why it is refused; empty otherwise.
    """

    level: Level
    reason: str = ""

    def __str__(self) -> str:
        """Return the level, with the reason of a refusal."""
        return f"{self.level} ({self.reason})" if self.reason else self.level


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the register.

    Attributes:
        name: of the statistic.
        summary: in words; empty for one that is refused as a whole.
        exact: in exact mode.
        private: in private mode.
    """

    name: str
    summary: str
    exact: Standing
    private: Standing


def register() -> tuple[Entry, ...]:
    """Every statistic that can be asked, then those that are refused as a whole; by name."""
    known = tuple(_entry(name, STATISTICS[name]) for name in sorted(STATISTICS))
    whole = tuple(
        Entry(name=name, summary="", exact=_refused(reason), private=_refused(reason))
        for name, reason in sorted(REFUSED.items())
        if name not in STATISTICS
    )
    return known + whole


def why_unknown(asked: object) -> str:
    """What a request is told that names no statistic: why it is refused, where it is given, or the names that there are."""
    if isinstance(asked, str) and asked in REFUSED:
        return f"cannot be {asked}, which is refused: {REFUSED[asked]}"
    if isinstance(asked, str) and asked in PART_OF:
        return f"cannot be {asked}; ask {PART_OF[asked]}"
    near = difflib.get_close_matches(str(asked)[:80], list(STATISTICS), n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"must be one of {', '.join(sorted(STATISTICS))}{hint}"


def _entry(name: str, kind: type[AnyStatistic]) -> Entry:
    return Entry(
        name=name,
        summary=kind.summary,
        exact=_standing(kind, "exact", kind.no_exact),
        private=_standing(kind, "private", kind.no_private),
    )


def _standing(kind: type[AnyStatistic], mode: Mode, reason: str) -> Standing:
    if mode not in kind.modes:
        return _refused(reason)
    return Standing(level="promoted" if mode in kind.promoted else "provisional")


def _refused(reason: str) -> Standing:
    return Standing(level="refused", reason=reason)

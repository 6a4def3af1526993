"""The register: how far each statistic is tested, in exact and in private mode, and which ones are refused.

Layer:       analytics.statistics, above registry.
Terms:       *promoted*: an oracle that shares no code with it, tests of the attacks on it, and in private mode a test
             that a simulation of at least 4,000 releases covers as often as it says. *provisional*: it can be asked,
             and one of these is missing. *refused*: it cannot be asked in this mode, for the reason given.
Guarantees:  what is neither in the registry nor promoted or provisional here cannot be asked; a statistic that is
             refused as a whole is named with its reason.
See instead: the classes (registry).
Source:      ours.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from analytics.statistics.registry import STATISTICS

if TYPE_CHECKING:
    from analytics.statistics.base import AnyStatistic, Mode

Level = Literal["promoted", "provisional", "refused"]

# statistics of the field that people ask for by these names, and why they are not answered
REFUSED: Final[dict[str, str]] = {
    "aipw": "over strata with public groups it is the same figure as g_computation, which gives it",
    "ipw": "over strata with public groups it is the same figure as g_computation, which gives it",
    "mice": "each of its imputations is drawn from a model of its own; no release holds all their parameters yet",
    "naive_bayes": "its shares are those of crosstab of the outcome with each column; no release holds all these tables yet",
    "piecewise_exponential": "a grid does not tell the time under risk within an interval; survival_table has events and at risk",
    "conditional_logit": "its strata are a condition on few people each, and no guard over strata exists yet",
    "firth": "its penalty changes with the determinant of the information at each step, which is not tested here yet",
    "hosmer_lemeshow": "its groups follow from predicted chances, so most are below the minimum; calibration takes declared bins",
    "gee": "its working correlation needs sums over pairs of rows of a person, and a table has one row of each",
    "negative_binomial": "its dispersion is no sum of a row's own figures; glm with family poisson shows its dispersion",
    "ordinal": "its thresholds are steps of a likelihood that has no tests here yet; mnlogit takes the same outcome",
    "splines": "a spline of a declared column needs declared knots, which a schema cannot state yet",
    "two_way_anova": "it is called anova, with a list of two columns as by",
    "wilcoxon": "it is called signed_rank",
}


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
    """What a request is told that names no statistic: the reason of a refusal, or the names that there are."""
    if isinstance(asked, str) and asked in REFUSED:
        return f"cannot be {asked}, which is refused: {REFUSED[asked]}"
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

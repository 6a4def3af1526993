"""What a check is called, what it found, and how that is judged.

Layer:       analytics.quality.check, the lowest of quality. Pure.
Terms:       a check counts *violating* rows among the rows that it applies to; it has *failed* where their share is above its
             threshold. *Not applicable* is a state with a reason, never a pass; *error* is a check that could not be computed.
Guarantees:  a result holds counts of one site's rows, so its ``repr`` holds none.
Source:      the names of check types are those of the OHDSI Data Quality Dashboard 2.8; contexts, categories and subcategories
             are those of Kahn et al., eGEMs 4(1), 2016. ``placeholderValue``, ``crossColumnRule``, ``newestRecord`` and
             ``identifierSpelling`` have no counterpart there.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


class State(StrEnum):
    """How a check ended."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_APPLICABLE = "not applicable"
    ERROR = "error"


class Dimension(StrEnum):
    """What a check is about, in words of daily use."""

    COMPLETENESS = "completeness"
    VALIDITY = "validity"
    CONSISTENCY = "consistency"
    TIMELINESS = "timeliness"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckType:
    """A kind of check.

    Attributes:
        name: of the type.
        category: conformance, completeness or plausibility.
        subcategory: of the category; empty for completeness, which has none.
        dimension: see ``Dimension``.
        context: verification against what the site itself can know, or validation against a source outside.
    """

    name: str
    category: str
    subcategory: str
    dimension: Dimension
    context: str = "verification"


def _types(*rows: tuple[str, str, str, Dimension]) -> Mapping[str, CheckType]:
    return {
        name: CheckType(name=name, category=category, subcategory=subcategory, dimension=dimension)
        for name, category, subcategory, dimension in rows
    }


CHECK_TYPES: Final = _types(
    ("cdmTable", "conformance", "relational", Dimension.COMPLETENESS),
    ("cdmField", "conformance", "relational", Dimension.COMPLETENESS),
    ("isRequired", "conformance", "relational", Dimension.COMPLETENESS),
    ("measureValueCompleteness", "completeness", "", Dimension.COMPLETENESS),
    ("cdmDatatype", "conformance", "value", Dimension.VALIDITY),
    ("fkDomain", "conformance", "value", Dimension.VALIDITY),
    ("plausibleValueLow", "plausibility", "atemporal", Dimension.VALIDITY),
    ("plausibleValueHigh", "plausibility", "atemporal", Dimension.VALIDITY),
    ("placeholderValue", "plausibility", "atemporal", Dimension.VALIDITY),
    ("isPrimaryKey", "conformance", "relational", Dimension.CONSISTENCY),
    ("identifierSpelling", "plausibility", "uniqueness", Dimension.CONSISTENCY),
    ("plausibleStartBeforeEnd", "plausibility", "temporal", Dimension.CONSISTENCY),
    ("crossColumnRule", "plausibility", "atemporal", Dimension.CONSISTENCY),
    ("plausibleTemporalAfter", "plausibility", "temporal", Dimension.VALIDITY),
    ("newestRecord", "plausibility", "temporal", Dimension.TIMELINESS),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check of a table, before it runs.

    Attributes:
        type: its kind.
        column: the column; empty for a check of the whole table.
        what: in words, what a violating row is.
        violated: SQL of a violating row; empty where the check does not apply.
        among: SQL of the rows that it applies to; empty: all.
        most: the largest share of these that may violate it.
        repair: a step of a mapping, or a change of a file, that would mend it.
        reason: why it does not apply, or could not be made.
        is_error: whether the reason is a fault rather than a fact.
    """

    type: CheckType
    column: str
    what: str
    violated: str = ""
    among: str = ""
    most: Fraction = Fraction(0)
    repair: str = ""
    reason: str = ""
    is_error: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class CheckResult:
    """What one check found.

    Attributes:
        check: the check.
        state: how it ended.
        rows: rows that it applies to.
        violating: of these, those that violate it.
        reason: why it does not apply, or could not be computed.
    """

    check: Check
    state: State
    rows: int = 0
    violating: int = 0
    reason: str = ""

    def __repr__(self) -> str:
        return f"CheckResult({self.check.type.name!r}, {self.check.column!r}, {self.state.value!r}, counts withheld)"

    @property
    def share(self) -> float | None:
        """Of the rows that it applies to, those that violate it; None where it applies to none."""
        return self.violating / self.rows if self.rows else None

    @property
    def repair(self) -> str:
        """What would mend it; empty unless it failed."""
        return self.check.repair if self.state is State.FAILED else ""


def judged(check: Check, rows: int, violating: int) -> CheckResult:
    """Judge counts by the check's threshold.

    Args:
        check: which applies.
        rows: rows that it applies to.
        violating: of these, those that violate it.
    """
    if not rows:
        reason = "no row has a value that it could be held against"
        return CheckResult(check=check, state=State.NOT_APPLICABLE, reason=reason)
    is_failed = violating > check.most * rows
    return CheckResult(
        check=check, state=State.FAILED if is_failed else State.PASSED, rows=rows, violating=violating
    )


def unjudged(check: Check) -> CheckResult:
    """The result of a check that does not apply or could not be made."""
    state = State.ERROR if check.is_error else State.NOT_APPLICABLE
    return CheckResult(check=check, state=state, reason=check.reason)

"""Errors of analytics, one class per kind of fault.

Layer:       analytics, the lowest; above the base of all errors alone.
Guarantees:  messages are made from the fields; no field ever holds a value of the data, a share or a count that was
             not released. Positions and reasons are about the question and the schema, which are public.
Source:      ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from crossward.base_error import CrosswardError

if TYPE_CHECKING:
    from collections.abc import Iterable


class AnalyticsError(CrosswardError):
    """Root of the errors of this package."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Mistake:
    """One mistake in a schema.

    Attributes:
        path: where, as dotted keys, for example ``tables.patients.columns.age.lower``.
        problem: what is wrong there and what is expected.
    """

    path: str
    problem: str

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}"


class SchemaError(AnalyticsError):
    """A schema cannot be used; every mistake is listed."""

    def __init__(self, *, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = tuple(mistakes)
        count = len(self.mistakes)
        head = "1 mistake" if count == 1 else f"{count} mistakes"
        super().__init__(f"{head} in the schema: " + "; ".join(map(str, self.mistakes)))


class SchemaMismatchError(AnalyticsError):
    """A site's data does not match the schema; for that site's administrator."""

    def __init__(self, *, source: str, reason: str, column: str = "") -> None:
        self.source, self.column, self.reason = source, column, reason
        where = f"{source}, column {column}" if column else source
        super().__init__(f"{where}: {reason}")


class MappingError(AnalyticsError):
    """A site's mapping cannot be used; every mistake is listed, with its line. For that site's administrator."""

    def __init__(self, *, source: str, mistakes: Iterable[str]) -> None:
        self.source, self.mistakes = source, tuple(mistakes)
        count = len(self.mistakes)
        head = "1 mistake" if count == 1 else f"{count} mistakes"
        super().__init__(f"{source}: {head} in the mapping: " + "; ".join(self.mistakes))


class QualityFileError(AnalyticsError):
    """A site's file of quality thresholds cannot be used; every mistake is listed. For that site's administrator."""

    def __init__(self, *, source: str, mistakes: Iterable[str]) -> None:
        self.source, self.mistakes = source, tuple(mistakes)
        count = len(self.mistakes)
        head = "1 mistake" if count == 1 else f"{count} mistakes"
        super().__init__(f"{source}: {head} in the thresholds: " + "; ".join(self.mistakes))


class PlanRejectedError(AnalyticsError):
    """A question that is not allowed here, with the place in its text (``line:column``, both from 1)."""

    wire_name: ClassVar[str] = "PlanRejectedError"

    def __init__(self, *, position: str, reason: str, hint: str = "") -> None:
        self.position, self.reason, self.hint = position, reason, hint
        place = f"at {position}: " if position else ""
        super().__init__(f"{place}{reason}" + (f" ({hint})" if hint else ""))


class InvalidRequestError(AnalyticsError):
    """A parameter of a request, such as epsilon, is outside its allowed range."""

    wire_name: ClassVar[str] = "InvalidRequestError"

    def __init__(self, *, parameter: str, reason: str) -> None:
        self.parameter, self.reason = parameter, reason
        super().__init__(f"{parameter} {reason}")


class OverflowRiskError(AnalyticsError):
    """A sum could leave the 64-bit ring; from public bounds alone."""

    wire_name: ClassVar[str] = "OverflowRiskError"

    def __init__(self, *, figure: str, bits: int, limit_bits: int) -> None:
        self.figure, self.bits, self.limit_bits = figure, bits, limit_bits
        super().__init__(
            f"{figure} may need {bits} bits where {limit_bits} fit: "
            "narrow the column's bounds, coarsen its resolution or lower rows_max"
        )


class ReleaseRefusedError(AnalyticsError):
    """A rule on what may be opened forbids this plan."""

    wire_name: ClassVar[str] = "ReleaseRefusedError"

    def __init__(self, *, rule: str, reason: str) -> None:
        self.rule, self.reason = rule, reason
        super().__init__(f"{reason} (rule: {rule})")


class LocalTimeoutError(AnalyticsError):
    """A site's local stage did not end within the plan's public time limit."""

    wire_name: ClassVar[str] = "LocalTimeoutError"

    def __init__(self, *, limit_s: float) -> None:
        self.limit_s = limit_s
        super().__init__(f"the local stage did not end within {limit_s:g} s")


class SourceLostError(AnalyticsError):
    """The site's database is gone: its connection is closed. No row can cause that."""

    def __init__(self, *, source: str) -> None:
        self.source = source
        super().__init__(f"{source}: the local database is gone")


class SourceFailedError(AnalyticsError):
    """The site's database failed at this or an earlier statement; the kind is named, its text is withheld."""

    def __init__(self, *, source: str, kind: str) -> None:
        self.source, self.kind = source, kind
        super().__init__(f"{source}: the local database failed ({kind})")

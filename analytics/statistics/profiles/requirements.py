"""A requirement on data quality, such as ``completeness(ca) >= 0.6``, held against a released answer.

Layer:       analytics.statistics above quality_answer. Pure.
Terms:       a requirement is *met* where the share is at least the threshold with the confidence of ``CONFIDENCE``: for a private
             answer where the whole one-sided interval of the noise lies above it.
Guarantees:  it looks at what was released and at nothing else, so it costs nothing beside that. It fails closed: a share that
             is closed or undefined meets no requirement.
See instead: asking for it before a question (``federation.client.questions.gate``), a site's policy
             (``federation.node.admission.quality_gates``).
Source:      ours.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final, Literal, Self, cast

from analytics.errors import InvalidRequestError, PlanRejectedError
from analytics.statistics.arguments import column_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from analytics.schema import Table
    from analytics.statistics.profiles.quality_answer import QualityAnswer

STATISTIC: Final = "quality"  # whose answer is held against requirements
SHARES: Final = ("completeness", "validity")
CONFIDENCE: Final = Fraction(95, 100)
_FORM: Final = re.compile(
    r'\s*(?P<share>\w+)\s*\(\s*(?P<column>"[^"]+"|\w+)\s*\)\s*>=\s*(?P<least>[0-9]+(\.[0-9]+)?)\s*'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """One requirement.

    Attributes:
        share: completeness or validity.
        column: of the table.
        least: the smallest share that meets it, 0 to 1.
    """

    share: Literal["completeness", "validity"]
    column: str
    least: Fraction

    @classmethod
    def read(cls, text: object) -> Self:
        """Read ``completeness(COLUMN) >= SHARE`` or ``validity(COLUMN) >= SHARE``.

        Raises:
            InvalidRequestError: it is something else.
        """
        found = _FORM.fullmatch(text) if isinstance(text, str) else None
        if found is None or found["share"] not in SHARES or Fraction(found["least"]) > 1:
            reason = 'must be like "completeness(ca) >= 0.6" or "validity(age) >= 0.99", a share from 0 to 1'
            raise InvalidRequestError(parameter="require", reason=reason)
        share = cast('Literal["completeness", "validity"]', found["share"])
        return cls(share=share, column=found["column"].strip('"'), least=Fraction(found["least"]))

    def __str__(self) -> str:
        return f"{self.share}({self.column}) >= {float(self.least):g}"

    def is_met_by(self, answer: QualityAnswer) -> bool:
        """Whether an answer shows it.

        Args:
            answer: of ``quality`` over this column.
        """
        low = self.low_end(answer)
        return low is not None and low >= float(self.least)

    def low_end(self, answer: QualityAnswer) -> float | None:
        """The smallest share that the answer leaves open with this confidence; None where it is closed or undefined."""
        folded = self.column.lower()
        found = next((each for name, each in answer.columns.items() if name.lower() == folded), None)
        if found is None or getattr(found, self.share) is None:
            return None
        level = float(2 * CONFIDENCE - 1)  # its lower end alone
        between = (
            found.completeness_between(level)
            if self.share == "completeness"
            else found.validity_between(level)
        )
        return None if between is None else between[0]


def read_requirements(given: object) -> tuple[Requirement, ...]:
    """Read one requirement or several.

    Raises:
        InvalidRequestError: none, or another form.
    """
    texts: Sequence[object] = given if isinstance(given, list | tuple) else [given]
    if not texts:
        raise InvalidRequestError(parameter="require", reason="must hold a requirement")
    return tuple(Requirement.read(text) for text in texts)


def joined_rules(
    agreed: Mapping[str, Sequence[str]], own: Mapping[str, Sequence[str]]
) -> dict[str, list[str]]:
    """Join the requirements of an agreement and of a policy: all of both, each once, the agreement's first.

    Args:
        agreed: by table.
        own: by table.
    """
    names = dict.fromkeys([*agreed, *own])
    return {name: list(dict.fromkeys([*agreed.get(name, ()), *own.get(name, ())])) for name in names}


def requirements_on(table: str, rules: Mapping[str, Sequence[str]]) -> tuple[Requirement, ...]:
    """Read the requirements of a policy on one table; empty where it has none.

    Raises:
        InvalidRequestError: one has another form.
    """
    given = rules.get(table)
    return read_requirements(list(given)) if given else ()


def requires_as_much(new: Mapping[str, Sequence[str]], old: Mapping[str, Sequence[str]]) -> bool:
    """Whether whatever meets the new requirements meets the old ones.

    Args:
        new: by table.
        old: by table.
    """
    return all(
        any(
            (each.share, each.column.lower()) == (held.share, held.column.lower())
            and each.least >= held.least
            for each in requirements_on(table, new)
        )
        for table in old
        for held in requirements_on(table, old)
    )


def rule_mistakes(
    rules: Mapping[str, Sequence[str]], tables: Mapping[str, Table], place: str
) -> Iterator[str]:
    """Say what of a policy's requirements does not fit the tables.

    Args:
        rules: by table.
        tables: of the schema.
        place: where they stand, for the text.
    """
    for name in rules:
        table = tables.get(name)
        if table is None:
            yield f"{place}.{name}: there is no such table; there are {', '.join(tables)}"
            continue
        for text in rules[name]:
            try:
                column_of(Requirement.read(text).column, table, text)
            except (InvalidRequestError, PlanRejectedError) as error:
                yield f"{place}.{name}: {error}"

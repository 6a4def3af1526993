"""Categories: conditions on them are evaluated over the public domain, before any data is seen.

Layer:       analytics.sql above scope, below scalars.
Terms:       a category is a column with a declared domain, stored as positions in it.
Guarantees:  a question looks at so many values and characters of its domains at most.
Source:      ours; LIKE as in SQL, texts ordered by code points.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, TypeVar

from analytics.sql.terms.expressions import ColumnIndex, Member
from analytics.sql.terms.numeric import Numeric
from analytics.sql.wildcards import Wildcards
from analytics.text_tables import listed

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlglot import exp

    from analytics.schema import CategoricalColumn
    from analytics.sql.scope import Scope

T = TypeVar("T", str, Fraction)


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """A categorical column as a value."""

    column: CategoricalColumn

    @property
    def code(self) -> ColumnIndex:
        """The column as positions in its domain."""
        return ColumnIndex(name=self.column.name, lower=0, upper=len(self.column.domain) - 1)

    @property
    def holds_texts(self) -> bool:
        """Whether the domain is of texts; otherwise of integers."""
        return isinstance(self.column.domain[0], str)


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A text constant of the question."""

    value: str


def category_compared(
    scope: Scope, node: exp.Expr, operator: str, category: Category, other: object
) -> Member:
    """``category operator constant``.

    Args:
        scope: the question's scope.
        node: the comparison, for its place.
        operator: one of ``< <= > >= = <>``.
        category: the left side.
        other: the right side; a constant of the domain's kind.

    Returns:
        The positions of the domain that compare so.

    Raises:
        PlanRejectedError: not a constant of that kind, or equal to no value of the domain; or the question looks at
            too many values of its domains.
    """
    scope.work(node, len(category.column.domain))
    if category.holds_texts and isinstance(other, Text):
        places = _matching(operator, [str(value) for value in category.column.domain], other.value)
    elif not category.holds_texts and isinstance(other, Numeric) and other.constant is not None:
        places = _matching(operator, [Fraction(value) for value in category.column.domain], other.constant)
    else:
        kind = "texts" if category.holds_texts else "whole numbers"
        name = category.column.name
        raise scope.refusal(node, f"{name} holds {kind}: compare it with a constant of that kind")
    if (operator == "=" and not places) or (operator == "<>" and len(places) == len(category.column.domain)):
        raise scope.refusal(
            node,
            f"this value is not in the domain of {category.column.name}",
            f"which has {listed(category.column.domain)}",
        )
    return Member(argument=category.code, codes=places)


def category_like(scope: Scope, node: exp.Expr, value: object, pattern: object) -> Member:
    """``category LIKE pattern``.

    Args:
        scope: the question's scope.
        node: the condition, for its place.
        value: the left side; a category of texts.
        pattern: the right side; a text with ``%`` and ``_``.

    Returns:
        The positions of the domain that match.

    Raises:
        PlanRejectedError: not a category of texts, or not a text; or the question looks at too many characters of
            its domains.
    """
    if not isinstance(value, Category) or not value.holds_texts:
        raise scope.refusal(node, "LIKE needs a categorical column of texts")
    if not isinstance(pattern, Text):
        raise scope.refusal(node, "LIKE needs a text as its pattern")
    matcher = Wildcards.of(pattern.value)
    domain = [str(text) for text in value.column.domain]
    scope.work(node, sum(map(len, domain)) + len(domain))
    places = tuple(place for place, text in enumerate(domain) if matcher.match(text))
    return Member(argument=value.code, codes=places)


def _matching(operator: str, domain: list[T], wanted: T) -> tuple[int, ...]:
    tests: dict[str, Callable[[T], bool]] = {
        "=": lambda value: value == wanted,
        "<>": lambda value: value != wanted,
        "<": lambda value: value < wanted,
        "<=": lambda value: value <= wanted,
        ">": lambda value: value > wanted,
        ">=": lambda value: value >= wanted,
    }
    return tuple(place for place, value in enumerate(domain) if tests[operator](value))

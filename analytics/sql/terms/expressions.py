"""Integer expressions and conditions over the columns of one clean table.

Layer:       analytics.sql above extent; pure data, knows neither sqlglot nor the schema.
Terms:       an integer expression has, per row, an integer between public bounds, or NULL; a condition is true, false
             or NULL, as in SQL.
Guarantees:  ``bounds`` holds for every row that the schema allows; ``widest`` bounds every value on the way, inside
             conditions too. An expression that could need more than 100 bits anywhere, that is nested too deeply or
             has too many parts cannot be made. Every expression knows its extent from the moment it is made, so no
             question is looked at twice.
Source:      ours; interval arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from analytics.sql.terms.extent import TRUTH, Extent, extent_of, hull, list_of, product_of, sum_of

if TYPE_CHECKING:
    from analytics.sql.terms.extent import Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """What integer expressions and conditions have in common.

    Attributes:
        extent: bounds, width, depth and size; follows from the other fields.
    """

    extent: Extent = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        computes = isinstance(self, Sum | Product)
        object.__setattr__(self, "extent", extent_of(self._span(), self._parts(), computes=computes))

    def _parts(self) -> tuple[Extent, ...]:
        """The extents of what this one is made of."""
        return ()

    def _span(self) -> Span:
        """Smallest and largest value; of a condition those of its 0 or 1."""
        return TRUTH


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnIndex(Node):
    """A column's grid index or category code, between public bounds."""

    name: str
    lower: int
    upper: int

    def _span(self) -> Span:
        return self.lower, self.upper


@dataclass(frozen=True, slots=True, kw_only=True)
class Literal(Node):
    """An integer of the question."""

    value: int

    def _span(self) -> Span:
        return self.value, self.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum(Node):
    """``left + right``."""

    left: Integer
    right: Integer

    def _parts(self) -> tuple[Extent, ...]:
        return self.left.extent, self.right.extent

    def _span(self) -> Span:
        return sum_of(self.left.extent, self.right.extent)


@dataclass(frozen=True, slots=True, kw_only=True)
class Product(Node):
    """``left * right``."""

    left: Integer
    right: Integer

    def _parts(self) -> tuple[Extent, ...]:
        return self.left.extent, self.right.extent

    def _span(self) -> Span:
        return product_of(self.left.extent, self.right.extent)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice(Node):
    """CASE: the value of the first true condition, else the default; None is NULL."""

    branches: tuple[tuple[Condition, Integer | None], ...]
    default: Integer | None

    @property
    def values(self) -> tuple[Integer, ...]:
        """The values that are not NULL."""
        every = (*(value for _, value in self.branches), self.default)
        return tuple(value for value in every if value is not None)

    def _parts(self) -> tuple[Extent, ...]:
        return (
            *(condition.extent for condition, _ in self.branches),
            *(value.extent for value in self.values),
        )

    def _span(self) -> Span:
        return hull(value.extent for value in self.values)


@dataclass(frozen=True, slots=True, kw_only=True)
class TruthValue(Node):
    """1 where a condition is true, 0 where false, NULL where NULL."""

    condition: Condition

    def _parts(self) -> tuple[Extent, ...]:
        return (self.condition.extent,)


Integer = ColumnIndex | Literal | Sum | Product | Choice | TruthValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Compare(Node):
    """``left operator right`` with one of ``< <= > >= = <>``."""

    operator: str
    left: Integer
    right: Integer

    def _parts(self) -> tuple[Extent, ...]:
        return self.left.extent, self.right.extent


@dataclass(frozen=True, slots=True, kw_only=True)
class Member(Node):
    """``argument IN (codes)``: a category at some positions of its domain, or an integer among some."""

    argument: Integer
    codes: tuple[int, ...]

    def _parts(self) -> tuple[Extent, ...]:
        return self.argument.extent, list_of(self.codes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag(Node):
    """A boolean column itself."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing(Node):
    """``argument IS NULL``."""

    argument: Integer

    def _parts(self) -> tuple[Extent, ...]:
        return (self.argument.extent,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known(Node):
    """TRUE or FALSE, whatever the row."""

    value: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Is(Node):
    """``condition IS TRUE`` or ``IS FALSE``: never NULL."""

    condition: Condition
    value: bool

    def _parts(self) -> tuple[Extent, ...]:
        return (self.condition.extent,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Not(Node):
    """Negation."""

    condition: Condition

    def _parts(self) -> tuple[Extent, ...]:
        return (self.condition.extent,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Both(Node):
    """AND of two conditions."""

    left: Condition
    right: Condition

    def _parts(self) -> tuple[Extent, ...]:
        return self.left.extent, self.right.extent


@dataclass(frozen=True, slots=True, kw_only=True)
class Either(Node):
    """OR of two conditions."""

    left: Condition
    right: Condition

    def _parts(self) -> tuple[Extent, ...]:
        return self.left.extent, self.right.extent


Condition = Compare | Member | Flag | Missing | Known | Is | Not | Both | Either


def bounds(expression: Integer) -> Span:
    """Smallest and largest value over all rows that the schema allows.

    Args:
        expression: an integer expression.

    Returns:
        Lower and upper bound, both reachable as far as interval arithmetic can tell.
    """
    return expression.extent.lower, expression.extent.upper


def widest(expression: Integer | Condition) -> int:
    """Largest absolute value of an expression or of any part of it, conditions included.

    Args:
        expression: an integer expression or a condition.

    Returns:
        A bound that every machine integer on the way must hold.
    """
    return expression.extent.widest


def columns_in(part: Integer | Condition) -> frozenset[str]:
    """Names of all columns in an expression or condition.

    Args:
        part: an integer expression or a condition.

    Returns:
        The names.
    """
    match part:
        case ColumnIndex(name=name) | Flag(name=name):
            return frozenset({name})
        case Literal() | Known():
            return frozenset()
        case Choice(branches=branches):
            inner = [*(condition for condition, _ in branches), *part.values]
            return frozenset().union(*map(columns_in, inner))
        case Member(argument=argument) | Missing(argument=argument):
            return columns_in(argument)
        case Is(condition=inner) | Not(condition=inner) | TruthValue(condition=inner):
            return columns_in(inner)
        case _:
            return columns_in(part.left) | columns_in(part.right)

"""Integer expressions and conditions over the columns of one clean table.

Floor:    analytics.sql beside text; pure data, knows neither sqlglot nor the schema.
Terms:    an integer expression has, per row, an integer between public bounds, or NULL; a condition is true,
          false or NULL, as in SQL.
Promise:  ``bounds`` holds for every row that the schema allows; ``widest`` bounds every value on the way.
Source:   ours; interval arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnIndex:
    """A column's grid index or category code, between public bounds."""

    name: str
    lower: int
    upper: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Literal:
    """An integer of the question."""

    value: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """``left + right``."""

    left: Integer
    right: Integer


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """``left * right``."""

    left: Integer
    right: Integer


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """CASE: the value of the first true condition, else the default; None is NULL."""

    branches: tuple[tuple[Condition, Integer | None], ...]
    default: Integer | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TruthValue:
    """1 where a condition is true, 0 where false, NULL where NULL."""

    condition: Condition


Integer = ColumnIndex | Literal | Sum | Product | Choice | TruthValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Compare:
    """``left operator right`` with one of ``< <= > >= = <>``."""

    operator: str
    left: Integer
    right: Integer


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """``argument IN (codes)``: a category at some positions of its domain, or an integer among some."""

    argument: Integer
    codes: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """A boolean column itself."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """``argument IS NULL``."""

    argument: Integer


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """TRUE or FALSE, whatever the row."""

    value: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Is:
    """``condition IS TRUE`` or ``IS FALSE``: never NULL."""

    condition: Condition
    value: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Not:
    """Negation."""

    condition: Condition


@dataclass(frozen=True, slots=True, kw_only=True)
class Both:
    """AND of two conditions."""

    left: Condition
    right: Condition


@dataclass(frozen=True, slots=True, kw_only=True)
class Either:
    """OR of two conditions."""

    left: Condition
    right: Condition


Condition = Compare | Member | Flag | Missing | Known | Is | Not | Both | Either


def bounds(expression: Integer) -> tuple[int, int]:
    """Smallest and largest value over all rows that the schema allows.

    Args:
        expression: an integer expression; a CASE has at least one value that is not NULL.

    Returns:
        Lower and upper bound, both reachable as far as interval arithmetic can tell.
    """
    match expression:
        case ColumnIndex(lower=lower, upper=upper):
            return lower, upper
        case Literal(value=value):
            return value, value
        case TruthValue():
            return 0, 1
        case Sum(left=left, right=right):
            (a, b), (c, d) = bounds(left), bounds(right)
            return a + c, b + d
        case Product(left=left, right=right):
            (a, b), (c, d) = bounds(left), bounds(right)
            corners = (a * c, a * d, b * c, b * d)
            return min(corners), max(corners)
        case Choice():
            pairs = [bounds(value) for value in _values(expression)]
            return min(a for a, _ in pairs), max(b for _, b in pairs)


def widest(expression: Integer) -> int:
    """Largest absolute value of the expression or of any part of it, conditions included.

    Args:
        expression: an integer expression.

    Returns:
        A bound that every machine integer on the way must hold.
    """
    own = max(map(abs, bounds(expression)))
    match expression:
        case Sum(left=left, right=right) | Product(left=left, right=right):
            return max(own, widest(left), widest(right))
        case Choice(branches=branches):
            inner = [widest(value) for value in _values(expression)]
            return max(own, *inner, *(widest_in(condition) for condition, _ in branches))
        case TruthValue(condition=condition):
            return max(own, widest_in(condition))
        case _:
            return own


def widest_in(condition: Condition) -> int:
    """Largest absolute value of any integer inside a condition.

    Args:
        condition: a condition.

    Returns:
        The bound; 1 where there is no integer.
    """
    match condition:
        case Compare(left=left, right=right):
            return max(widest(left), widest(right))
        case Missing(argument=argument) | Member(argument=argument):
            return widest(argument)
        case Is(condition=inner) | Not(condition=inner):
            return widest_in(inner)
        case Both(left=first, right=second) | Either(left=first, right=second):
            return max(widest_in(first), widest_in(second))
        case _:
            return 1


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
            inner = [*(condition for condition, _ in branches), *_values(part)]
            return frozenset().union(*map(columns_in, inner))
        case Member(argument=argument) | Missing(argument=argument):
            return columns_in(argument)
        case Is(condition=inner) | Not(condition=inner) | TruthValue(condition=inner):
            return columns_in(inner)
        case _:
            return columns_in(part.left) | columns_in(part.right)


def _values(choice: Choice) -> list[Integer]:
    return [
        value for value in (*(value for _, value in choice.branches), choice.default) if value is not None
    ]

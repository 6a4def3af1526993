"""Arithmetic on public grids, exact in integers.

Layer:       analytics.sql above expressions; knows neither sqlglot nor the schema.
Terms:       a Numeric is an integer expression times a positive rational ``unit``; sums take the common unit,
             products multiply units, so nothing is ever rounded.
Guarantees:  no machine integer of the local statement exceeds ``2**100``, in conditions and on the way to a common
             unit too (``expressions`` refuses it); a comparison with any rational constant is exact.
Source:      ours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from analytics.sql.terms.expressions import (
    Choice,
    Compare,
    Condition,
    Integer,
    Known,
    Literal,
    Product,
    Sum,
    TruthValue,
    bounds,
)
from analytics.sql.terms.extent import TooWideError

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_UNIT = 10**60
MIRROR = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "=", "<>": "<>"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Numeric:
    """``value = expression * unit``.

    Attributes:
        expression: an integer expression.
        unit: a positive rational.
    """

    expression: Integer
    unit: Fraction

    def __post_init__(self) -> None:
        if max(self.unit.numerator, self.unit.denominator) >= MAX_UNIT:
            raise TooWideError

    @property
    def constant(self) -> Fraction | None:
        """The value where it is a constant of the question, else None."""
        literal = self.expression
        return literal.value * self.unit if isinstance(literal, Literal) else None


def constant(value: Fraction) -> Numeric:
    """A constant.

    Args:
        value: any rational.

    Returns:
        Its Numeric.
    """
    sign = (value > 0) - (value < 0)
    return Numeric(expression=Literal(value=sign), unit=abs(value) or Fraction(1))


def truth(condition: Condition) -> Numeric:
    """0 or 1 of a condition.

    Args:
        condition: any condition.

    Returns:
        Its Numeric, unit 1.
    """
    if isinstance(condition, Known):
        return constant(Fraction(int(condition.value)))
    return Numeric(expression=TruthValue(condition=condition), unit=Fraction(1))


def add(left: Numeric, right: Numeric) -> Numeric:
    """``left + right``.

    Args:
        left: a Numeric.
        right: a Numeric.

    Returns:
        The sum on the common grid.
    """
    if left.constant is not None and right.constant is not None:
        return constant(left.constant + right.constant)
    unit, (first, second) = _aligned([left, right])
    return Numeric(expression=Sum(left=first, right=second), unit=unit)


def negate(value: Numeric) -> Numeric:
    """``-value``.

    Args:
        value: a Numeric.

    Returns:
        The negative, on the same grid.
    """
    return multiply(constant(Fraction(-1)), value)


def multiply(left: Numeric, right: Numeric) -> Numeric:
    """``left * right``.

    Args:
        left: a Numeric.
        right: a Numeric.

    Returns:
        The product; a constant factor goes into the unit.
    """
    if left.constant is not None and right.constant is not None:
        return constant(left.constant * right.constant)
    if right.constant is not None:
        return multiply(right, left)
    factor = left.constant
    if factor is not None and factor > 0:
        return Numeric(expression=right.expression, unit=right.unit * factor)
    return Numeric(
        expression=Product(left=left.expression, right=right.expression), unit=left.unit * right.unit
    )


def choose(branches: Sequence[tuple[Condition, Numeric | None]], default: Numeric | None) -> Numeric:
    """CASE.

    Args:
        branches: conditions with their values; None is NULL.
        default: the value of ELSE; None is NULL.

    Returns:
        The choice on the common grid of all its values.

    Raises:
        ValueError: every value is NULL.
    """
    values = [value for value in (*(value for _, value in branches), default) if value is not None]
    if not values:
        message = "every value of this CASE is NULL"
        raise ValueError(message)
    unit, aligned = _aligned(values)
    remaining = iter(aligned)
    chosen = tuple((condition, None if value is None else next(remaining)) for condition, value in branches)
    return Numeric(
        expression=Choice(branches=chosen, default=None if default is None else next(remaining)), unit=unit
    )


def compare(operator: str, left: Numeric, right: Numeric) -> Condition:
    """``left operator right``, exact for any rational constant.

    Args:
        operator: one of ``< <= > >= = <>``.
        left: a Numeric.
        right: a Numeric.

    Returns:
        The condition.
    """
    if left.constant is not None and right.constant is not None:
        return Known(value=_holds(operator, left.constant, right.constant))
    if left.constant is not None:
        return compare(MIRROR[operator], right, left)
    if right.constant is not None:
        threshold = _threshold(operator, right.constant / left.unit, bounds(left.expression))
        return Compare(operator=operator, left=left.expression, right=Literal(value=threshold))
    _, (first, second) = _aligned([left, right])
    return Compare(operator=operator, left=first, right=second)


def _holds(operator: str, left: Fraction, right: Fraction) -> bool:
    return {
        "<": left < right,
        "<=": left <= right,
        ">": left > right,
        ">=": left >= right,
        "=": left == right,
        "<>": left != right,
    }[operator]


def _threshold(operator: str, wanted: Fraction, span: tuple[int, int]) -> int:
    """The integer on the grid, or one step outside it, that compares as the rational does."""
    outside = span[1] + 1
    if operator in {"=", "<>"}:
        inside = wanted.denominator == 1 and span[0] <= wanted <= span[1]
        return int(wanted) if inside else outside
    rounded = math.ceil(wanted) if operator in {"<", ">="} else math.floor(wanted)
    return max(span[0] - 1, min(outside, rounded))


def _aligned(values: Sequence[Numeric]) -> tuple[Fraction, list[Integer]]:
    unit = values[0].unit
    for value in values[1:]:
        unit = _common(unit, value.unit)
    return unit, [_scaled(value.expression, int(value.unit / unit)) for value in values]


def _common(first: Fraction, second: Fraction) -> Fraction:
    """Largest unit of which both are multiples."""
    return Fraction(
        math.gcd(first.numerator * second.denominator, second.numerator * first.denominator),
        first.denominator * second.denominator,
    )


def _scaled(expression: Integer, factor: int) -> Integer:
    if isinstance(expression, Literal):
        return Literal(value=expression.value * factor)
    return expression if factor == 1 else Product(left=Literal(value=factor), right=expression)

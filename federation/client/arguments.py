"""What an analyst hands in from Python, checked before anybody is asked.

Layer:       federation.client.arguments, below tables and client. Pure.
Guarantees:  a number counts exactly as it is, from other libraries too; what is of another shape is refused by the
             parameter's name, with the shape that it should have.
See instead: what a question may hold (``analytics.sql``), a training's parameters (``federation.training.task``).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from analytics.errors import InvalidRequestError
from privacy_accounting.decimals import as_fraction
from privacy_accounting.errors import InvalidCostError

if TYPE_CHECKING:
    from fractions import Fraction

_PAIR = 2


def exact_number(name: str, value: object) -> Fraction:
    """A parameter as an exact number.

    Raises:
        InvalidRequestError: not a finite number.
    """
    try:
        return as_fraction(value, what=name)
    except InvalidCostError as error:
        raise InvalidRequestError(parameter=name, reason=error.reason) from error


def epsilon_of(value: object) -> Fraction:
    """The requested epsilon.

    Raises:
        InvalidRequestError: not a finite number above 0.
    """
    number = exact_number("epsilon", value)
    if number <= 0:
        raise InvalidRequestError(parameter="epsilon", reason="must be above 0")
    return number


def names_of(name: str, values: object) -> tuple[str, ...]:
    """A list of names; one text alone is no list of its letters.

    Raises:
        InvalidRequestError: not a list of texts.
    """
    found = () if isinstance(values, str | bytes) or not isinstance(values, Iterable) else tuple(values)
    if not found or not all(isinstance(each, str) for each in found):
        raise InvalidRequestError(parameter=name, reason="must be a list of texts that is not empty")
    return found


def questions_of(values: object) -> list[tuple[str, object]]:
    """Questions with the epsilon of each.

    Raises:
        InvalidRequestError: not a list of pairs (text, epsilon).
    """
    pairs = [] if isinstance(values, str | bytes) or not isinstance(values, Iterable) else list(values)
    if not pairs or not all(
        isinstance(pair, tuple | list) and len(pair) == _PAIR and isinstance(pair[0], str) for pair in pairs
    ):
        reason = 'must be a list of pairs of a text and its epsilon, such as [("SELECT ...", 0.5)]'
        raise InvalidRequestError(parameter="questions", reason=reason)
    return [(text, epsilon) for text, epsilon in pairs]

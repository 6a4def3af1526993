"""Checks of an analyst's Python arguments, before any site is asked.

Layer:       federation.client.arguments, below table and session. Pure.
Guarantees:  a number counts exactly as it is, from other libraries too. A value of another shape is refused with the
             parameter's name and the expected shape.
See instead: the text of a question (``analytics.sql``), the parameters of a training (``federation.training.task``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from analytics.errors import InvalidRequestError
from analytics.plans.noise.mechanisms import MECHANISMS
from privacy_accounting.decimals import as_fraction, format_decimal, parse_decimal
from privacy_accounting.errors import InvalidCostError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from fractions import Fraction

    from analytics.plans.noise.mechanisms import Mechanism

_PAIR = 2
Questions = str | Sequence[str] | Sequence[tuple[str, object]]


def exact_number(name: str, value: object) -> Fraction:
    """Read a parameter as an exact number; a text is a plain decimal, as on the command line and in files.

    Raises:
        InvalidRequestError: the value is not a finite number.
    """
    try:
        return parse_decimal(value, what=name) if isinstance(value, str) else as_fraction(value, what=name)
    except InvalidCostError as error:
        raise InvalidRequestError(parameter=name, reason=error.reason) from error


def epsilon_of(value: object) -> Fraction:
    """Read the requested epsilon.

    Raises:
        InvalidRequestError: the value is not a finite number above 0.
    """
    number = exact_number("epsilon", value)
    if number <= 0:
        raise InvalidRequestError(parameter="epsilon", reason="must be above 0")
    return number


def epsilon_or_exact(epsilon: object, *, exact: bool) -> Fraction | None:
    """Read how a question is asked: the epsilon of a private answer; None for an exact one.

    Raises:
        InvalidRequestError: both or neither are given, or epsilon is not a finite number above 0.
    """
    if exact == (epsilon is not None):
        reason = (
            "must be given for a private answer (or within), or exact=True for one without noise, not both"
        )
        raise InvalidRequestError(parameter="epsilon", reason=reason)
    return None if exact else epsilon_of(epsilon)


def check_fresh(*, fresh: object, exact: bool) -> None:
    """Refuse ``fresh`` where it has no meaning.

    Raises:
        InvalidRequestError: it is neither True nor False, or stands beside ``exact=True``.
    """
    if not isinstance(fresh, bool):
        raise InvalidRequestError(parameter="fresh", reason="must be True or False")
    if fresh and exact:
        reason = "has no meaning beside exact=True: exact answers are not kept, each is a new disclosure"
        raise InvalidRequestError(parameter="fresh", reason=reason)


def mechanism_of(value: object) -> Mechanism | None:
    """Read the noise that is asked for; None where none is named.

    Raises:
        InvalidRequestError: there is none of this name.
    """
    named = next((known for known in MECHANISMS if known == value), None)
    if named is None and value is not None:
        raise InvalidRequestError(parameter="mechanism", reason=f"must be one of {', '.join(MECHANISMS)}")
    return named


def plain_arguments(values: Mapping[str, object]) -> dict[str, object]:
    """Write a statistic's arguments as a request holds them: texts, integers, decimal strings and lists of them.

    Raises:
        InvalidRequestError: a value is none of these, or a number has no finite decimal expansion.
    """
    return {name: _plain(name, value) for name, value in values.items()}


def _plain(name: str, value: object) -> object:
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, Iterable):
        return [_plain(name, each) for each in value]
    number = exact_number(name, value)
    try:
        return number.numerator if number.denominator == 1 else format_decimal(number)
    except InvalidCostError as error:
        raise InvalidRequestError(parameter=name, reason=error.reason) from error


def names_of(name: str, values: object) -> tuple[str, ...]:
    """Read a list of names; a single text is not a list of its letters.

    Raises:
        InvalidRequestError: the value is not a list of texts.
    """
    found = () if isinstance(values, str | bytes) or not isinstance(values, Iterable) else tuple(values)
    if not found or not all(isinstance(each, str) for each in found):
        raise InvalidRequestError(parameter=name, reason="must be a list of texts that is not empty")
    return found


def questions_of(values: object, epsilon: object = None) -> list[tuple[str, object]]:
    """Read questions with the epsilon of each: one text or several with one epsilon, or pairs.

    Raises:
        InvalidRequestError: the value is none of these, or it is not clear which epsilon counts.
    """
    texts = [values] if isinstance(values, str) else values
    if isinstance(texts, Sequence) and texts and all(isinstance(text, str) for text in texts):
        if epsilon is None:
            raise InvalidRequestError(
                parameter="epsilon", reason="must be given beside texts, such as epsilon=0.5"
            )
        return [(str(text), epsilon_of(epsilon)) for text in texts]
    if epsilon is not None:
        raise InvalidRequestError(
            parameter="epsilon", reason="stands in each pair; leave it out beside pairs"
        )
    pairs = [] if isinstance(values, str | bytes) or not isinstance(values, Iterable) else list(values)
    if not pairs or not all(
        isinstance(pair, tuple | list) and len(pair) == _PAIR and isinstance(pair[0], str) for pair in pairs
    ):
        reason = 'must be a text or several, with epsilon=0.5, or pairs such as [("SELECT ...", 0.5)]'
        raise InvalidRequestError(parameter="questions", reason=reason)
    return [(text, epsilon) for text, epsilon in pairs]

"""Exact numbers read from a schema.

Layer:       analytics.schema, the lowest.
Guarantees:  a number is the decimal that a person wrote: ``0.1`` is one tenth, never the nearest binary fraction.
Source:      ours.
"""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction

from privacy_accounting.decimals import format_decimal, parse_decimal
from privacy_accounting.errors import AccountingError

__all__ = ["exact_number", "format_decimal"]

_MAX_DIGITS = 60


def exact_number(value: object) -> Fraction:
    r"""Read a number as the decimal that was written.

    Args:
        value: an int, a finite float (through its shortest decimal form), a Decimal, a Fraction or a strict
            decimal string (``-?(0|[1-9][0-9]*)(\.[0-9]+)?``).

    Returns:
        The exact value.

    Raises:
        ValueError: it is none of these, or has more than 60 digits.
    """
    number = _convert(value)
    if max(abs(number.numerator), number.denominator) >= 10**_MAX_DIGITS:
        message = f"has more than {_MAX_DIGITS} digits"
        raise ValueError(message)
    return number


def _convert(value: object) -> Fraction:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | Fraction | str):
        message = "must be a number"
        raise ValueError(message)  # noqa: TRY004  one kind of refusal for the reader to collect
    if isinstance(value, str):
        return _from_text(value)
    if isinstance(value, float | Decimal) and not math.isfinite(value):
        message = "must be a finite number"
        raise ValueError(message)
    return Fraction(Decimal(repr(value))) if isinstance(value, float) else Fraction(value)


def _from_text(text: str) -> Fraction:
    if len(text) > _MAX_DIGITS:
        message = f"has more than {_MAX_DIGITS} digits"
        raise ValueError(message)
    try:
        return parse_decimal(text)
    except (AccountingError, ValueError) as error:
        message = "must be a number or a plain decimal string such as 0.5"
        raise ValueError(message) from error

"""Exact numbers: decimal strings in files, rational numbers in memory.

Guarantees:  parsing and formatting are exact and inverse to each other; NaN, infinity, booleans and strings given as
             numbers in Python are refused; text is bounded before it is parsed.
See instead: which parameter may have which value (``events``).
"""

from __future__ import annotations

import math
import re
from decimal import ROUND_CEILING, Context, Decimal
from fractions import Fraction
from numbers import Integral, Real
from typing import Final

from privacy_accounting.errors import InvalidCostError

_DECIMAL: Final = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?", re.ASCII)
_MAX_CHARACTERS: Final = 1_000  # a binary64 number needs at most 767 significant digits
_FINITE: Final = "must be a finite int, Fraction, Decimal or float"
_MAX_EXPONENT: Final = 1_000  # of a Decimal: 1E+999999 must not become a million digits


def parse_decimal(text: str, *, what: str = "number") -> Fraction:
    r"""Read a strict decimal string.

    Args:
        text: matches ``-?(0|[1-9][0-9]*)(\.[0-9]+)?``: no exponent, no spaces, no plus sign.
        what: name for the error message.

    Returns:
        The exact value.

    Raises:
        InvalidCostError: anything else, numbers of another type included.
    """
    if not isinstance(text, str):
        raise InvalidCostError(what=what, reason=f"must be a decimal string, not {type(text).__name__}")
    if len(text) > _MAX_CHARACTERS or _DECIMAL.fullmatch(text) is None:
        raise InvalidCostError(what=what, reason="is not a plain decimal number such as '1.25'")
    return Fraction(text)


def format_decimal(value: Fraction) -> str:
    """Write a rational number as the shortest exact decimal string.

    Args:
        value: a rational number whose denominator has no prime factor but 2 and 5.

    Returns:
        The string that ``parse_decimal`` reads back to the same value.

    Raises:
        InvalidCostError: the decimal expansion does not end.
    """
    rest, twos, fives = value.denominator, 0, 0
    while rest % 2 == 0:
        rest, twos = rest // 2, twos + 1
    while rest % 5 == 0:
        rest, fives = rest // 5, fives + 1
    if rest != 1:
        raise InvalidCostError(what="number", reason=f"{value} has no finite decimal expansion")
    places = max(twos, fives)
    digits = str(abs(value.numerator) * 10**places // value.denominator).rjust(places + 1, "0")
    sign = "-" if value < 0 else ""
    return f"{sign}{digits[:-places]}.{digits[-places:]}" if places else f"{sign}{digits}"


def as_fraction(value: object, *, what: str = "number") -> Fraction:
    """Let a Python number in.

    A float counts as the shortest decimal that denotes it (0.1 is one tenth), so that what a ledger shows is
    what a person typed. A number of another library and width (numpy's float32) counts as exactly what it holds.

    Args:
        value: int, Fraction, Decimal, finite float, or what another library registers as an integer or a real number.
        what: name for the error message.

    Returns:
        The exact value.

    Raises:
        InvalidCostError: bool, NaN, infinity, strings and everything else.
    """
    if isinstance(value, Fraction):
        return value
    if isinstance(value, bool):
        raise InvalidCostError(what=what, reason=_FINITE)
    if isinstance(value, int):
        return Fraction(value)
    if isinstance(value, Decimal) and value.is_finite() and abs(value.adjusted()) <= _MAX_EXPONENT:
        return Fraction(value)
    if isinstance(value, float) and math.isfinite(value):
        return Fraction(repr(float(value)))
    if isinstance(value, Integral):
        return Fraction(int(value))
    if isinstance(value, Real) and math.isfinite(value):
        return _exactly(value, what)
    raise InvalidCostError(what=what, reason=_FINITE)


def _exactly(value: Real, what: str) -> Fraction:
    ratio = getattr(value, "as_integer_ratio", None)
    if ratio is None:
        raise InvalidCostError(what=what, reason=_FINITE)
    numerator, denominator = ratio()
    return Fraction(int(numerator), int(denominator))


def rounded_up(value: float, digits: int = 6) -> str:
    """Write a figure that must not look smaller than it is, such as an epsilon.

    Args:
        value: at least 0, or infinite; it counts as the shortest decimal that denotes it.
        digits: significant ones, up to 15.

    Returns:
        The least decimal of so many digits that is not below the value; ``infinite``.
    """
    if not math.isfinite(value):
        return "infinite"
    near = Context(prec=digits, rounding=ROUND_CEILING).create_decimal(repr(float(value)))
    return f"{float(near):.{digits}g}"

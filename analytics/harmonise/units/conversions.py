"""An exact conversion as SQL that no row can make fail.

Layer:       analytics.harmonise.units.conversions, above analytes.
Terms:       a number is read with a fixed count of decimals, so that it is a whole number of *ticks*; the result is a whole
             number of *steps* of the schema's resolution: ``steps = (ticks x p + a) / q`` in 128-bit integers.
Guarantees:  where a number has at most that many decimals and is not too large, the result is the exact quotient, rounded
             once, halves away from zero. Other numbers (larger ones, exponents beyond the width) are converted in double
             precision. Nothing overflows: a number that is too large is replaced by 0 inside the exact branch, whose
             result is then not used.
Source:      ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, log10
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from analytics.harmonise.units.analytes import Conversion

_WIDTH: Final = 37  # digits of a product of two decimals, less one
_LEAST, _MOST = 9, 18
_LIMIT: Final = 2**125
DEFAULT_RESOLUTION: Final = Fraction(1, 10**6)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExactMap:
    """Integers of one conversion.

    Attributes:
        decimals: of a number that is read.
        p: multiplier.
        a: summand.
        q: divisor, positive.
        most: largest absolute count of ticks for which nothing overflows.
    """

    decimals: int
    p: int
    a: int
    q: int
    most: int


def exact_map(rule: Conversion, resolution: Fraction) -> ExactMap | None:
    """The integers of a conversion; None where they do not fit in 128 bits."""
    steps = abs(rule.factor) / resolution
    needed = ceil(log10(steps)) + 3 if steps > 1 else 0
    decimals = min(_MOST, max(_LEAST, needed))
    slope = rule.factor / resolution / 10**decimals
    shift = rule.shift / resolution
    q = slope.denominator * shift.denominator // _gcd(slope.denominator, shift.denominator)
    p, a = int(slope * q), int(shift * q)
    space = (_LIMIT - 2 * abs(a) - q) // (2 * max(abs(p), 1))
    most = min(space, 10 ** (_WIDTH - decimals) - 1)
    return ExactMap(decimals=decimals, p=p, a=a, q=q, most=most) if most > 10**decimals else None


def _gcd(one: int, other: int) -> int:
    while other:
        one, other = other, one % other
    return one


def convert_exactly(rule: Conversion, resolution: Fraction, number: Fraction) -> Fraction:
    """What the SQL computes for a number within its width, for tests and explanations: a multiple of the resolution."""
    exact = (rule.factor * number + rule.shift) / resolution
    magnitude = (2 * abs(exact.numerator) + exact.denominator) // (2 * exact.denominator)
    return resolution * (magnitude if exact >= 0 else -magnitude)


def conversion_sql(rule: Conversion, resolution: Fraction, text: str, number: str) -> str:
    """SQL of the converted number, DOUBLE.

    Args:
        rule: the map.
        resolution: of the result.
        text: SQL of the number's text, with a point; NULL where it is no number.
        number: SQL of the number, DOUBLE.
    """
    step = f"CAST({resolution.numerator} AS DOUBLE) / CAST({resolution.denominator} AS DOUBLE)"
    slope, shift = _double(rule.factor), _double(rule.shift)
    rough = f"{number} * {slope} + {shift}"
    exact = exact_map(rule, resolution)
    if exact is None:
        return f"({rough})"
    read = f"TRY_CAST({text} AS DECIMAL({_WIDTH - exact.decimals}, {exact.decimals}))"
    ticks = f"CAST({read} * CAST({10**exact.decimals} AS DECIMAL({exact.decimals + 1}, 0)) AS HUGEINT)"
    fits = f"{ticks} BETWEEN {-exact.most} AND {exact.most}"
    safe = f"(CASE WHEN {fits} THEN {ticks} ELSE CAST(0 AS HUGEINT) END)"
    sum_ = f"({safe} * {_huge(2 * exact.p)} + {_huge(2 * exact.a)})"
    half = f"(CASE WHEN {sum_} < 0 THEN {_huge(-exact.q)} ELSE {_huge(exact.q)} END)"
    steps = f"(({sum_} + {half}) // {_huge(2 * exact.q)})"  # the division cuts towards zero
    return f"(CASE WHEN {fits} THEN CAST({steps} AS DOUBLE) * {step} ELSE {rough} END)"


def _huge(number: int) -> str:
    return f"CAST({number} AS HUGEINT)"


def _double(number: Fraction) -> str:
    """SQL of a fraction as the nearest number in double precision."""
    return f"CAST('{float(number)!r}' AS DOUBLE)"

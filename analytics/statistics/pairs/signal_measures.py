"""Measures of one drug and one event from the four cells of their table of people.

Layer:       analytics.statistics.pairs, pure.
Terms:       a: people with both, b: with the drug alone, c: with the event alone, d: with neither; E = (a + b)(a + c) / N.
             Reporting odds ratio ad / bc; proportional reporting ratio a (c + d) / (c (a + b)); both with 95 % intervals
             on the logarithm. Information component log2((a + 1/2) / (E + 1/2)), with the ends of the 95 % interval of its
             gamma posterior.
Guarantees:  a measure that is not defined is None: ratios where a cell is 0, which the guard closes.
Source:      E. van Puijenbroek et al., Pharmacoepidemiology and Drug Safety 11, 2002 (ROR); S. Evans et al., ibid. 10, 2001
             (PRR); G. Noren, J. Hopstadius, A. Bate, Statistical Methods in Medical Research 22, 2013 (shrinkage).
"""

from __future__ import annotations

import math
from typing import Final

Z: Final = 1.959963984540054
_TWO_SIDES: Final = (0.025, 0.975)
_PRIOR: Final = 0.5
Interval = tuple[float | None, float | None, float | None]
NOTHING: Final[Interval] = (None, None, None)


def expected_count(a: float, b: float, c: float, d: float) -> float:
    """How many people have both under independence."""
    return (a + b) * (a + c) / (a + b + c + d)


def odds_ratio(a: float, b: float, c: float, d: float) -> Interval:
    """The reporting odds ratio with its interval."""
    if min(a, b, c, d) <= 0:
        return NOTHING
    return _on_logarithm(a * d / (b * c), 1 / a + 1 / b + 1 / c + 1 / d)


def reporting_ratio(a: float, b: float, c: float, d: float) -> Interval:
    """The proportional reporting ratio with its interval."""
    if min(a, c, a + b, c + d) <= 0:
        return NOTHING
    return _on_logarithm(a * (c + d) / (c * (a + b)), 1 / a - 1 / (a + b) + 1 / c - 1 / (c + d))


def information_component(a: float, expected: float) -> tuple[float, float, float]:
    """The information component with its interval, in bits."""
    from scipy.special import gammaincinv

    middle = math.log2((a + _PRIOR) / (expected + _PRIOR))
    low, high = (
        math.log2(float(gammaincinv(a + _PRIOR, chance)) / (expected + _PRIOR)) for chance in _TWO_SIDES
    )
    return middle, low, high


def chi_square(a: float, b: float, c: float, d: float) -> float | None:
    """Pearson's chi-square with one degree of freedom, without correction."""
    margins = (a + b) * (c + d) * (a + c) * (b + d)
    return (a + b + c + d) * (a * d - b * c) ** 2 / margins if margins > 0 else None


def p_value(statistic: float) -> float:
    """Its upper tail."""
    return math.erfc(math.sqrt(statistic / 2))


def _on_logarithm(ratio: float, variance: float) -> Interval:
    reach = Z * math.sqrt(max(0.0, variance))
    return ratio, ratio * math.exp(-reach), ratio * math.exp(reach)

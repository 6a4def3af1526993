"""Tails and quantiles of the distributions that tests need.

Layer:       analytics.statistics, the lowest; pure.
Source:      the incomplete beta function and its inverse: scipy.special (Boost), which is loaded when one is first
             asked. The chi-square tail of whole degrees of freedom in closed form: Abramowitz and Stegun 26.4.4, 26.4.5.
"""

from __future__ import annotations

import math

import numpy as np


def chi_square_tail(value: float, degrees: int) -> float:
    """Probability that a chi-square variable is at least a value.

    Args:
        value: at least 0.
        degrees: of freedom, at least 1.

    Returns:
        The upper tail, with a relative error of about 1e-13 up to 1,000 degrees.
    """
    if value <= 0:
        return 1.0
    half = value / 2
    is_odd = degrees % 2
    term = math.exp(-half) if not is_odd else math.exp(-half) * math.sqrt(half / math.pi) * 2
    tail = math.erfc(math.sqrt(half)) if is_odd else 0.0
    count = degrees // 2
    if term == 0.0 and count:
        return _by_logarithms(half, degrees)
    for number in range(count):
        tail += term
        term *= half / (number + (1.5 if is_odd else 1.0))
    return min(1.0, tail)


def _by_logarithms(half: float, degrees: int) -> float:
    """The same sum where its first term is below the smallest float."""
    start = 0.5 if degrees % 2 else 0.0
    logs = [
        (number + start) * math.log(half) - half - math.lgamma(number + start + 1)
        for number in range(degrees // 2)
    ]
    return min(1.0, math.fsum(math.exp(each) for each in logs))


def chi_square_quantile(chance: float, degrees: float) -> float:
    """The value below which a chi-square variable lies with a probability between 0 and 1."""
    from scipy import special

    return float(special.chdtri(degrees, 1 - chance))


def student_tail(value: float, degrees: float) -> float:
    """Probability that a Student variable is at least a value.

    Args:
        value: any.
        degrees: of freedom, above 0.
    """
    from scipy import special

    return float(special.stdtr(degrees, -value))


def student_quantile(chance: float, degrees: float) -> float:
    """The value below which a Student variable lies with a probability between 0 and 1."""
    from scipy import special

    return float(special.stdtrit(degrees, chance))


def f_tail(value: float, above: float, below: float) -> float:
    """Probability that Fisher's ratio of variances is at least a value.

    Args:
        value: at least 0.
        above: degrees of freedom of the numerator.
        below: of the denominator.
    """
    from scipy import special

    return float(special.fdtrc(above, below, value))


def f_quantile(chance: float, above: float, below: float) -> float:
    """The quantile of the F distribution; degrees need not be whole."""
    from scipy import special

    return float(special.fdtri(above, below, chance))


def binomial_test(fewer: int, count: int) -> float:
    """P-value with two sides that a fair coin gives so few of one side.

    Args:
        fewer: of the side that came less often, at most half of ``count``.
        count: of both, at least 0.

    Returns:
        1 where there is none.
    """
    from scipy import special

    return min(1.0, 2 * float(special.bdtr(fewer, count, 0.5))) if count else 1.0


def rates_test(cases: int, others: int, share: float) -> float:
    """P-value with two sides of two numbers of cases with one rate, given their sum.

    Args:
        cases: of the first.
        others: of the second.
        share: the first's part of the person-time of both.

    Returns:
        The chance of all splits that are no more likely than this one; 1 without cases.
    """
    from scipy import stats

    total = cases + others
    return float(stats.binomtest(cases, total, share).pvalue) if total else 1.0


def studentized_range_tail(value: float, groups: int, degrees: float) -> float:
    """Probability that the range of so many means, in standard errors, is at least a value.

    Args:
        value: at least 0.
        groups: at least 2.
        degrees: of freedom, above 0.
    """
    from scipy import stats

    return float(stats.studentized_range.sf(value, groups, degrees))


def studentized_range_quantile(chance: float, groups: int, degrees: float) -> float:
    """The value below which that range lies with a probability between 0 and 1."""
    from scipy import stats

    return float(stats.studentized_range.ppf(chance, groups, degrees))


def kolmogorov_tail(first: float, second: float, distance: float) -> float:
    """Probability that the largest distance of two samples' distribution functions is at least this one.

    Args:
        first: rows of the one, above 0.
        second: of the other.
        distance: from 0 to 1.

    Returns:
        The tail by the normal approximation to the larger of both sizes, as ``scipy.stats.ks_2samp`` has it.
    """
    from scipy import stats

    large, small = max(first, second), min(first, second)
    return float(stats.kstwo.sf(distance, np.round(large * small / (large + small))))


def poisson_interval(count: float, level: float) -> tuple[float, float]:
    """The means of which so many cases are neither too many nor too few (Garwood).

    Args:
        count: of cases, at least 0.
        level: between 0 and 1.
    """
    from scipy import special

    outside = (1 - level) / 2
    low = float(special.gammaincinv(count, outside)) if count > 0 else 0.0
    return low, float(special.gammaincinv(count + 1, 1 - outside))


def poisson_test(count: float, mean: float) -> float:
    """P-value of so many cases with a known mean above 0: twice the smaller tail, at most 1."""
    from scipy import special

    above = float(special.gammainc(count, mean)) if count > 0 else 1.0
    return min(1.0, 2 * min(float(special.gammaincc(count + 1, mean)), above))


def noncentral_student_power(shift: float, degrees: float, alpha: float) -> float:
    """Probability that a t test with two sides rejects where t is shifted.

    Args:
        shift: of t, at least 0.
        degrees: of freedom, above 0.
        alpha: the level, between 0 and 1.
    """
    from scipy import special

    reach = float(special.stdtrit(degrees, 1 - alpha / 2))
    above = 1 - float(special.nctdtr(degrees, shift, reach))
    return above + float(special.nctdtr(degrees, shift, -reach))

"""Sums of parameters of a fit, with their tests and intervals, and means at given values.

Layer:       analytics.statistics above distributions; arithmetic of the analyst on a fit.
Guarantees:  they follow from the parameters and their covariance, as the answer shows them: nothing else is asked.
Source:      Wald 1943.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

from scipy.special import expit

from analytics.errors import InvalidRequestError
from analytics.statistics.uncertainty.distributions import student_quantile, student_tail

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_LARGEST = 700.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """A sum of parameters.

    Attributes:
        estimate: the sum.
        standard_error: its standard error.
        df: degrees of freedom of Student's t; None for the normal distribution.
    """

    estimate: float
    standard_error: float
    df: int | None = None

    @property
    def statistic(self) -> float:
        """The sum over its standard error."""
        return self.estimate / self.standard_error

    @property
    def pvalue(self) -> float:
        """Of the test that the sum is 0, with two sides."""
        if self.df is None:
            return math.erfc(abs(self.statistic) / math.sqrt(2))
        return min(1.0, 2 * student_tail(abs(self.statistic), self.df))

    def conf_int(self, alpha: float = 0.05) -> tuple[float, float]:
        """Its interval at ``1 - alpha``."""
        if not 0 < alpha < 1:
            raise InvalidRequestError(parameter="alpha", reason="must be a number above 0 and below 1")
        chance = 1 - alpha / 2
        width = NormalDist().inv_cdf(chance) if self.df is None else student_quantile(chance, self.df)
        return self.estimate - width * self.standard_error, self.estimate + width * self.standard_error


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """The mean of the outcome at given values, with the ends of its interval."""

    mean: float
    low: float
    high: float


def contrast(
    terms: Sequence[str],
    params: Sequence[float],
    covariance: Sequence[Sequence[float]],
    weights: Mapping[str, float],
    df: int | None = None,
) -> Contrast:
    """A sum of parameters.

    Args:
        terms: names of the parameters.
        params: their values.
        covariance: shape ``(terms, terms)``.
        weights: of each term that is in the sum.
        df: degrees of freedom of Student's t; None for the normal distribution.

    Raises:
        InvalidRequestError: no such term, no weight that is not 0, or no parameters.
    """
    if not params:
        raise InvalidRequestError(parameter="weights", reason="need a fit: this one is closed")
    unknown = [name for name in weights if name not in terms]
    if unknown or not any(weights.values()):
        known = ", ".join(terms)
        raise InvalidRequestError(parameter="weights", reason=f"must be numbers, not all 0, of {known}")
    chosen = [(list(terms).index(name), float(weight)) for name, weight in weights.items()]
    variance = sum(a * b * covariance[i][j] for i, a in chosen for j, b in chosen)
    return Contrast(
        estimate=sum(weight * params[place] for place, weight in chosen),
        standard_error=math.sqrt(max(variance, 0.0)),
        df=df,
    )


def mean_of(link: str, value: float) -> float:
    """The mean whose link is a value."""
    if link == "logit":
        return float(expit(value))
    if link == "probit":
        return NormalDist().cdf(value)
    if link == "cloglog":
        return -math.expm1(-math.exp(min(value, _LARGEST)))
    return math.exp(min(value, _LARGEST)) if link == "log" else value

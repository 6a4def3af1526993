"""Shrinkage of observed to expected counts by a gamma-Poisson model, with the prior taken from the opened pairs alone.

Layer:       analytics.statistics.pairs, pure: public arithmetic at the analyst's end.
Terms:       the count n of a pair is Poisson with mean ``lambda E``, E the count expected under independence; lambda has
             a prior of two gamma distributions. ``ebgm`` is the geometric mean of lambda given n, ``eb05`` and ``eb95`` the
             ends of its 90 % interval.
Guarantees:  a count below the guard never enters: the likelihood is that of counts known to reach the guard's threshold.
             With fewer than 20 open pairs there is no prior, and no value.
Accuracy: the prior is a maximum that a local search finds; its values agree with a finer search to about 1e-3.
Source:      W. DuMouchel, "Bayesian data mining in large frequency tables", The American Statistician 53(3), 1999; W. DuMouchel
             and D. Pregibon, KDD 2001, for the truncated likelihood.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

Floats = npt.NDArray[np.float64]
FEWEST_PAIRS: Final = 20
_START: Final = (0.2, 0.1, 2.0, 4.0, 1 / 3)
_LOW: Final = 1e-4
_HIGH: Final = 1e4
_HALVINGS: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Prior:
    """Two gamma distributions.

    Attributes:
        shapes: of each.
        rates: of each.
        weight: of the first.
    """

    shapes: tuple[float, float]
    rates: tuple[float, float]
    weight: float


def fit_prior(counts: Sequence[int], expected: Sequence[float], least: int) -> Prior | None:
    """The prior under which the opened counts are likeliest.

    Args:
        counts: of the open pairs.
        expected: of the same, each above 0.
        least: the smallest count that could open.

    Returns:
        None for fewer than 20 pairs.
    """
    from scipy.optimize import minimize

    if len(counts) < FEWEST_PAIRS:
        return None
    n, mean = np.array(counts, dtype=np.float64), np.array(expected, dtype=np.float64)

    def loss(point: Floats) -> float:
        return -float(_log_likelihood(_prior_of(point), n, mean, least).sum())

    start = np.array([*np.log(_START[:4]), np.log(_START[4] / (1 - _START[4]))])
    ends = [(np.log(_LOW), np.log(_HIGH))] * 4 + [(-8.0, 8.0)]
    best = minimize(loss, start, method="L-BFGS-B", bounds=ends)
    if not best.success:  # where its differences are too coarse, a search without slopes goes on
        best = minimize(loss, best.x, method="Nelder-Mead", bounds=ends, options={"fatol": 1e-6})
    return _prior_of(best.x)


def shrunk(
    prior: Prior, counts: Sequence[int], expected: Sequence[float]
) -> list[tuple[float, float, float]]:
    """``ebgm``, ``eb05`` and ``eb95`` of pairs.

    Args:
        prior: what ``fit_prior`` found.
        counts: observed.
        expected: of the same pairs, each above 0.
    """
    from scipy.special import gammainc, psi

    n, mean = np.array(counts, dtype=np.float64), np.array(expected, dtype=np.float64)
    parts = _log_parts(prior, n, mean)
    weights = np.exp(parts - np.logaddexp(*parts))
    shapes = np.array(prior.shapes)[:, np.newaxis] + n
    rates = np.array(prior.rates)[:, np.newaxis] + mean
    middle = np.exp((weights * (psi(shapes) - np.log(rates))).sum(axis=0))

    def end(chance: float) -> Floats:
        low = np.zeros_like(n)
        high: Floats = ((shapes + 20 * np.sqrt(shapes) + 20) / rates).max(axis=0)
        for _ in range(_HALVINGS):
            half = (low + high) / 2
            is_below = (weights * gammainc(shapes, half * rates)).sum(axis=0) < chance
            low, high = np.where(is_below, half, low), np.where(is_below, high, half)
        return (low + high) / 2

    return list(zip(middle.tolist(), end(0.05).tolist(), end(0.95).tolist(), strict=True))


def _prior_of(point: Floats) -> Prior:
    first, rate, second, other = (float(np.exp(each)) for each in point[:4])
    return Prior(shapes=(first, second), rates=(rate, other), weight=float(1 / (1 + np.exp(-point[4]))))


def _log_parts(prior: Prior, n: Floats, mean: Floats) -> Floats:
    """Of each of the two distributions, the logarithm of its weight times the negative binomial of the counts."""
    from scipy.special import gammaln

    found = []
    for shape, rate, weight in zip(prior.shapes, prior.rates, (prior.weight, 1 - prior.weight), strict=True):
        binomial = gammaln(shape + n) - gammaln(shape) - gammaln(n + 1)
        found.append(np.log(weight) + binomial - n * np.log1p(rate / mean) - shape * np.log1p(mean / rate))
    return np.stack(found)


def _log_likelihood(prior: Prior, n: Floats, mean: Floats, least: int) -> Floats:
    """Of counts of which only those from ``least`` on are seen."""
    from scipy.special import betainc

    together = np.logaddexp(*_log_parts(prior, n, mean))
    if least < 1:
        return np.asarray(together)
    seen = np.zeros_like(mean)
    for shape, rate, weight in zip(prior.shapes, prior.rates, (prior.weight, 1 - prior.weight), strict=True):
        seen += weight * betainc(least, shape, mean / (mean + rate))
    return np.asarray(together - np.log(np.maximum(seen, 1e-300)))

"""Log-rank statistics of tables with noise, weighted, stratified and for trend, and their p-values.

Layer:       analytics.statistics.life_tables, above noise_law; pure, public arithmetic after the opening.
Terms:       *tables* are stacks of shape ``(n, strata, groups, intervals, 2)``, of each interval censorings and events;
             cells below 0, which only noise gives, count as 0. Censorings of an interval follow its events, and all that
             are left in the last interval leave with it.
Guarantees:  the p-value is a parametric bootstrap over the mechanism under one hazard for all groups of a stratum, each
             with its own censoring, seeded by the answer; no classical p-value is given. Where nothing can be compared
             the statistic is 0.
See instead: how the cells are opened (log_rank).
Source:      Mantel 1966, with the hypergeometric variance of ties. Weights: Gehan 1965 and Breslow 1970 (those at risk),
             Tarone, Ware 1977 (their root), Peto, Peto 1972 in the form of Andersen 1982, Fleming, Harrington 1991. Trend:
             Tarone 1975. Parametric bootstrap over a noise mechanism: Gaboardi et al. 1602.03090.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from analytics.errors import InvalidRequestError
from analytics.statistics.uncertainty.noise_law import simulation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.random import Generator  # noqa: TID251  a simulation after the opening

    from analytics.statistics.base import Ints
    from analytics.statistics.uncertainty.noise_law import NoiseLaw

Floats = npt.NDArray[np.float64]
REPLICATES: Final = 1_999
WEIGHTINGS: Final = ("log-rank", "wilcoxon", "tarone-ware", "peto", "fleming-harrington")
_TINY: Final = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class TestForm:
    """Which log-rank test.

    Attributes:
        weightings: one of ``WEIGHTINGS``: how intervals are weighed.
        p: exponent of Fleming and Harrington: of the curve before the interval.
        q: exponent of 1 less that curve.
        trend: whether groups have the scores 0, 1, 2, ... of a trend.
    """

    weightings: str = "log-rank"
    p: float = 0.0
    q: float = 0.0
    trend: bool = False

    def __post_init__(self) -> None:
        """Check the form.

        Raises:
            InvalidRequestError: an unknown weighting, or exponents that do not belong to it or are out of range.
        """
        if self.weightings not in WEIGHTINGS:
            raise InvalidRequestError(
                parameter="weightings", reason=f"must be one of {', '.join(WEIGHTINGS)}"
            )
        for name, value in (("p", self.p), ("q", self.q)):
            if not 0 <= value <= _MOST:
                raise InvalidRequestError(parameter=name, reason=f"must be a number from 0 to {_MOST}")
            if value and self.weightings != "fleming-harrington":
                raise InvalidRequestError(parameter=name, reason="belongs to weightings = fleming-harrington")

    def degrees(self, n_groups: int) -> int:
        """Degrees of freedom."""
        return 1 if self.trend else n_groups - 1


_MOST: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRankTest:
    """A test of one table.

    Attributes:
        statistic: chi-square.
        pvalue: from the bootstrap.
        n: rows of each group.
        observed: events of each group.
        expected: events under one hazard for all groups of a stratum.
    """

    statistic: float
    pvalue: float
    n: tuple[float, ...]
    observed: tuple[float, ...]
    expected: tuple[float, ...]


def noisy_test(cells: Floats, law: NoiseLaw, form: TestForm, seed: Sequence[Ints]) -> LogRankTest:
    """Test a table with noise.

    Args:
        cells: shape ``(strata, groups, intervals, 2)``.
        law: of the noise on each.
        form: which test.
        seed: the answer's integers.
    """
    statistics, expected = log_rank_of(cells[np.newaxis], form)
    statistic = float(statistics[0])
    drawn = _under_one_hazard(cells, REPLICATES, simulation(*seed))
    noisy = drawn + law.draw(drawn.size, simulation(*seed, *seed)).reshape(drawn.shape)
    farther = int(np.count_nonzero(log_rank_of(noisy, form)[0] >= statistic))
    known = np.maximum(cells, 0.0)
    return LogRankTest(
        statistic=statistic,
        pvalue=(1 + farther) / (1 + REPLICATES),
        n=tuple(cells.sum(axis=(0, 2, 3)).tolist()),
        observed=tuple(known[..., 1].sum(axis=(0, 2)).tolist()),
        expected=tuple(expected[0].tolist()),
    )


def log_rank_of(tables: Floats, form: TestForm) -> tuple[Floats, Floats]:
    """The statistic and the expected events of each group of some tables.

    Args:
        tables: see the module.
        form: which test.

    Returns:
        Shapes ``(n,)`` and ``(n, groups)``.
    """
    known = np.maximum(tables, 0.0)
    events = known[..., 1]
    at_risk = np.cumsum(known.sum(axis=-1)[..., ::-1], axis=-1)[..., ::-1]
    d, n = events.sum(axis=2), at_risk.sum(axis=2)
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = np.where(n[:, :, None] > 0, at_risk / n[:, :, None], 0.0)
        ties = np.where(n > 1, d * (n - d) / (n - 1), 0.0)
    weights = _weights(d, n, form)
    expected = (d[:, :, None] * shares).sum(axis=(1, 3))
    # events and shares of each stratum and interval, weighed
    apart = (weights[:, :, None] * (events - d[:, :, None] * shares)).sum(axis=(1, 3))
    squares = weights**2 * ties
    count = tables.shape[2]
    covariance = -np.einsum("rsgi,rshi,rsi->rgh", shares, shares, squares, optimize=True)
    covariance[:, range(count), range(count)] += np.einsum("rsgi,rsi->rg", shares, squares)
    if form.trend:
        scores = np.arange(count, dtype=np.float64)
        variance = np.einsum("g,rgh,h->r", scores, covariance, scores)
        scored = (apart @ scores) ** 2
        return np.divide(scored, variance, out=np.zeros_like(scored), where=variance > _TINY), expected
    inverse = np.linalg.pinv(covariance[:, :-1, :-1], rcond=_TINY, hermitian=True)
    return np.einsum("rg,rgh,rh->r", apart[:, :-1], inverse, apart[:, :-1]), expected


def _weights(d: Floats, n: Floats, form: TestForm) -> Floats:
    """Of each stratum and interval; shape as ``d``."""
    if form.weightings == "wilcoxon":
        return n
    if form.weightings == "tarone-ware":
        return np.sqrt(n)
    if form.weightings == "peto":
        return np.cumprod(1 - d / (n + 1), axis=-1, dtype=np.float64)
    if form.weightings == "fleming-harrington":
        with np.errstate(divide="ignore", invalid="ignore"):
            curve = np.cumprod(1 - np.where(n > 0, np.minimum(d / n, 1.0), 0.0), axis=-1)
        before = np.concatenate([np.ones_like(curve[..., :1]), curve[..., :-1]], axis=-1)
        return before**form.p * (1 - before) ** form.q
    return np.ones_like(n)


def _under_one_hazard(cells: Floats, size: int, generator: Generator) -> Floats:
    """So many tables of groups of the same sizes and censorings, with the events of one hazard in each stratum."""
    known = np.maximum(cells, 0.0)
    events, censored = known[..., 1], known[..., 0]
    at_risk = np.cumsum((events + censored)[..., ::-1], axis=-1)[..., ::-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        hazard = np.nan_to_num(np.clip(events.sum(axis=1) / at_risk.sum(axis=1), 0, 1))
        leaving = np.nan_to_num(np.clip(censored / (at_risk - events), 0, 1))
    leaving[..., -1] = 1.0
    start = np.rint(at_risk[..., 0]).astype(np.int64)
    left = np.broadcast_to(start, (size, *start.shape))
    drawn = np.empty((size, *cells.shape))
    for interval in range(cells.shape[2]):
        died = generator.binomial(left, hazard[:, interval, np.newaxis])
        gone = generator.binomial(left - died, leaving[..., interval])
        drawn[..., interval, 1], drawn[..., interval, 0] = died, gone
        left = left - died - gone
    return drawn

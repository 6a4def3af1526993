"""Cox regression from a released table of events and censorings, with the errors of sampling and of the noise.

Layer:       analytics.statistics.hazards; pure, public arithmetic after the opening.
Terms:       *cells* have shape ``(strata, combinations, intervals, 2)``: censorings, then events, of each combination of
             the covariates' values, whose *design* has shape ``(combinations, p)``. Each cell carries independent noise of
             one standard deviation. *Used* are the intervals of a stratum before the first one at whose start fewer are at
             risk than ``LEAST_AT_RISK`` standard deviations of that number's noise.
Guarantees:  with noise of 0 it is Cox's fit with Breslow's or Efron's ties. Parameters solve the score of the noisy table.
             Their covariance is ``inv(I) (I + V) inv(I)``, with V that of the score by the noise, first order. There is
             no fit where the information is not positive definite, or a parameter goes beyond ``FARTHEST``.
See instead: exact fits (survival.cox), how the cells are opened (released_cox).
Source:      Cox 1972; ties of Breslow 1974 and Efron 1977, whose sum over ``l / d`` for l below d is Gauss's quadrature of
             that many points with at most six nodes (discrete Chebyshev polynomials), exact up to six events and for the
             11th power beyond, which takes events that are no whole numbers. Harrell's concordance 1982. Noise: delta
             method, ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from analytics.statistics.life_tables.curves import Bools, Floats

LEAST_AT_RISK: Final = 8.0
FARTHEST: Final = 8.0
_MOST_STEPS: Final = 30
_CONVERGED: Final = 1e-9
_FEWEST: Final = 2.0
_NODES: Final = 6  # of Efron's ties


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFit:
    """A fit.

    Attributes:
        params: shape ``(p,)``.
        sampling: covariance of the parameters by sampling.
        noise: covariance by the noise.
        n_steps: Newton steps.
        used: intervals that are used, shape ``(strata, intervals)``.
    """

    params: Floats
    sampling: Floats
    noise: Floats
    n_steps: int
    used: Bools


@dataclass(frozen=True, slots=True)
class CoxTable:
    """A table to fit.

    Attributes:
        cells: see the module.
        design: see the module.
        noise_sd: of each cell.
        has_efron: Efron's ties; else Breslow's.
    """

    cells: Floats
    design: Floats
    noise_sd: float
    has_efron: bool

    @property
    def at_risk(self) -> Floats:
        """At the start of each interval; shape ``(strata, combinations, intervals)``."""
        found: Floats = np.cumsum(self.cells.sum(axis=-1)[..., ::-1], axis=-1)[..., ::-1]
        return found

    @property
    def used(self) -> Bools:
        """See the module."""
        _, size, count, _ = self.cells.shape
        noise = self.noise_sd * np.sqrt(2 * size * (count - np.arange(count)))
        least = np.maximum(LEAST_AT_RISK * noise, _FEWEST if self.noise_sd else 0.0)
        found: Bools = np.logical_and.accumulate(self.at_risk.sum(axis=1) > least, axis=-1)
        return found

    def fit(self) -> TableFit | None:
        """Solve the score; None where the noise hides it."""
        params = np.zeros(self.design.shape[1])
        for step in range(1, _MOST_STEPS + 1):
            terms = self.terms(params)
            information = terms.information.sum(axis=(2, 3))
            if not np.isfinite(information).all() or np.linalg.eigvalsh(information)[0] <= 0:
                return None
            move = np.linalg.solve(information, terms.score.sum(axis=(1, 2)))
            params = params + move / max(1.0, float(np.abs(move).max()))
            if np.abs(params).max() > FARTHEST:
                return None
            if np.abs(move).max() <= _CONVERGED:
                inverse = np.linalg.inv(information)
                by_cells = inverse @ self.spread(terms.by_risk, terms.by_events)
                noise = self.noise_sd**2 * (by_cells @ by_cells.T)
                return TableFit(params=params, sampling=inverse, noise=noise, n_steps=step, used=self.used)
        return None

    def terms(self, params: Floats) -> _Terms:
        """Score and information of each stratum and interval, and how the score changes with the table."""
        used = self.used[:, np.newaxis]
        at_risk, events = np.where(used, self.at_risk, 1.0), np.where(used, self.cells[..., 1], 0.0)
        odds = self.design @ params
        # a common factor of all weights changes nothing but the hazard, which is divided by it
        weights = np.exp(odds - odds.max())[:, np.newaxis]
        total = events.sum(axis=1)
        shares, parts = (
            _nodes(total) if self.has_efron else (np.zeros((1, *total.shape)), np.ones((1, *total.shape)))
        )
        left = (at_risk - shares[:, :, np.newaxis] * events) * weights  # node, stratum, combination, interval
        sums = left.sum(axis=2)
        mine = left / sums[:, :, np.newaxis]
        means = np.einsum("cp,nsck->npsk", self.design, mine)
        apart = self.design.T[:, np.newaxis, :, np.newaxis] - means[:, :, :, np.newaxis]  # n, p, s, c, k
        tied = parts * total
        each = np.einsum("nsk,npsck,nqsck,nsck->pqsk", tied, apart, apart, mine, optimize=True)
        score = np.einsum("cp,sck->psk", self.design, events) - np.einsum("nsk,npsk->psk", tied, means)
        pull = (tied / sums)[:, np.newaxis, :, np.newaxis] * apart * weights
        by_events = np.einsum("nsk,npsck->psck", parts, apart) + np.einsum("nsk,npsck->psck", shares, pull)
        scale = np.exp(-odds.max())
        return _Terms(
            score=score,
            information=each,
            by_risk=-pull.sum(axis=0) * used,
            by_events=by_events * used,
            hazard=(tied / sums).sum(axis=0) * scale,
            square=(tied / sums**2).sum(axis=0) * scale**2,
            hazard_by_params=-np.einsum("nsk,npsk->psk", tied / sums, means) * scale,
            hazard_by_risk=-(tied / sums**2).sum(axis=0)[:, np.newaxis] * weights * used * scale,
            hazard_by_events=(
                (parts / sums).sum(axis=0)[:, np.newaxis]
                + (shares * tied / sums**2).sum(axis=0)[:, np.newaxis] * weights
            )
            * used
            * scale,
        )

    def spread(self, by_risk: Floats, by_events: Floats) -> Floats:
        """From derivatives by at risk and events to those by the cells, shape ``(..., cells)``."""
        by_cells = np.stack([np.cumsum(by_risk, axis=-1)] * 2, axis=-1)
        by_cells[..., 1] += by_events
        return by_cells.reshape(*by_risk.shape[: by_risk.ndim - self.cells.ndim + 1], -1)

    def later(self, fit: TableFit) -> tuple[Floats, Floats]:
        """The scores of parameters times the time of an interval, and their covariance by sampling and noise.

        The time is 0 in the middle of the grid and rises by 2 from interval to interval.
        """
        count = self.cells.shape[2]
        times = 2.0 * np.arange(count) - (count - 1)
        terms = self.terms(fit.params)
        once = np.einsum("pqsk,k->pq", terms.information, times)
        twice = np.einsum("pqsk,k->pq", terms.information, times**2)
        moved = once @ fit.sampling
        score = np.einsum("psk,k->p", terms.score, times) - moved @ terms.score.sum(axis=(1, 2))
        plain = self.spread(terms.by_risk, terms.by_events)
        timed = self.spread(terms.by_risk * times, terms.by_events * times) - moved @ plain
        return score, twice - moved @ once + self.noise_sd**2 * (timed @ timed.T)

    def baseline(self, fit: TableFit) -> tuple[Floats, Floats, Floats]:
        """The cumulative hazard at a design of 0, its error and the noise's part of it; ``(strata, intervals)`` each."""
        terms = self.terms(fit.params)
        strata, count = terms.hazard.shape
        by_params = np.cumsum(terms.hazard_by_params, axis=-1)
        moved = fit.sampling @ self.spread(terms.by_risk, terms.by_events)
        sampling = np.cumsum(terms.square, axis=-1)
        sampling = sampling + np.einsum("psk,pq,qsk->sk", by_params, fit.sampling, by_params)
        noise = np.zeros((strata, count))
        for stratum in range(strata):
            for interval in range(count):
                here = np.zeros((strata, 1, count))
                here[stratum, 0, : interval + 1] = 1.0
                own = self.spread(terms.hazard_by_risk * here, terms.hazard_by_events * here)
                own = own.ravel() + by_params[:, stratum, interval] @ moved
                noise[stratum, interval] = self.noise_sd * float(np.linalg.norm(own))
        return np.cumsum(terms.hazard, axis=-1), np.sqrt(sampling + noise**2), noise

    def concordance(self, fit: TableFit) -> tuple[float, float]:
        """Harrell's concordance within strata, over the used intervals, and its error by the noise alone.

        Of two people whose order is known, who of higher risk has the event first; equal risks count a half.
        """
        used = fit.used[:, np.newaxis]
        events = np.where(used, self.cells[..., 1], 0.0)
        outlived = np.where(used, self.at_risk - self.cells[..., 1], 0.0)
        odds = np.round(self.design @ fit.params, 12)
        right = (odds[:, np.newaxis] > odds) + 0.5 * (odds[:, np.newaxis] == odds)
        found, slopes = [], []
        for pairs in (right, np.ones_like(right)):
            won = np.einsum("cd,sdk->sck", pairs, outlived)
            lost = np.einsum("cd,sck->sdk", pairs, events)
            found.append(float((events * won).sum()))
            slopes.append(self.spread(lost * used, (won - lost) * used).ravel())
        total = max(found[1], 1.0)
        value = found[0] / total
        error = self.noise_sd * float(np.linalg.norm((slopes[0] - value * slopes[1]) / total))
        return min(max(value, 0.0), 1.0), error


@dataclass(frozen=True, slots=True, kw_only=True)
class _Terms:
    """Of each stratum s and interval k; derivatives also of each combination c.

    Attributes:
        score: shape ``(p, s, k)``.
        information: shape ``(p, p, s, k)``.
        by_risk: of the score, shape ``(p, s, c, k)``.
        by_events: likewise, apart from those at risk.
        hazard: of the interval, at a design of 0.
        square: its variance by sampling.
        hazard_by_params: shape ``(p, s, k)``.
        hazard_by_risk: shape ``(s, c, k)``.
        hazard_by_events: likewise.
    """

    score: Floats
    information: Floats
    by_risk: Floats
    by_events: Floats
    hazard: Floats
    square: Floats
    hazard_by_params: Floats
    hazard_by_risk: Floats
    hazard_by_events: Floats


def _nodes(total: Floats) -> tuple[Floats, Floats]:
    """Nodes and weights of Gauss's quadrature over ``l / d`` for l from 0 to d - 1; shape ``(NODES, ...)`` each."""
    count = np.maximum(total, 1.0)[..., np.newaxis]
    order = np.arange(1, _NODES, dtype=np.float64)
    # of the polynomials' recurrence; below 0 where there are no more points than nodes: these nodes have no weight
    squares = np.maximum(order**2 * (count**2 - order**2) / (4 * (4 * order**2 - 1)), 0.0)
    squares = np.where(np.minimum.accumulate(squares, axis=-1) > 0, squares, 0.0)
    recurrence = np.zeros((*total.shape, _NODES, _NODES))
    places = np.arange(_NODES - 1)
    recurrence[..., places, places + 1] = recurrence[..., places + 1, places] = np.sqrt(squares)
    values, vectors = np.linalg.eigh(recurrence)
    nodes = (values + (count - 1) / 2) / count
    return np.moveaxis(np.clip(nodes, 0.0, 1.0), -1, 0), np.moveaxis(vectors[..., 0, :] ** 2, -1, 0)

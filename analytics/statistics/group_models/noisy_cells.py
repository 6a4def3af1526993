"""Generalised linear models from a released table of groups, with the errors of sampling and of the noise.

Layer:       analytics.statistics.linear_models above families; pure, public arithmetic after the opening.
Terms:       a *figure* of a combination of groups is a count or a sum; all k figures of all c combinations carry independent
             noise, of one standard deviation for each of the k. Each adds ``figure * score`` to the score and ``figure * weight``
             to the information, with score and weight functions of the linear predictor alone: of a true-or-false outcome
             the figures are rows without and with it, of a count the exposure (or rows) and the sum of the counts.
             A *replicate* is a fit to a table drawn anew: sampling under the fit, then fresh noise.
Shapes:      p parameters, the intercept first; replicates on leading axes.
Guarantees:  with noise of 0 it is the maximum-likelihood fit of the rows, since the figures are sufficient. Figures enter the
             score linearly, so noise of mean 0 leaves it unbiased at the true parameters. Covariance: ``inv(I) (I + V) inv(I)``,
             V that of the score by the noise. There is no fit where the information is not above ``FEW`` standard deviations
             of its own noise in every direction, or a parameter goes beyond ``FARTHEST``.
See instead: exact fits (regression.glm), how the figures are opened (released_chances, released_rates).
Source:      Nelder, Wedderburn 1972; parametric bootstrap over the mechanism: Ferrando, Wang, Sheldon 2006.07749; ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from analytics.statistics.uncertainty.bounded import FEW

if TYPE_CHECKING:
    from numpy.random import Generator  # noqa: TID251  a simulation after the opening

    from analytics.statistics.linear_models.families import Family

Floats = npt.NDArray[np.float64]
FARTHEST: Final = 12.0
_MOST_STEPS: Final = 40
_CONVERGED: Final = 1e-10
_REPLICATE_STEPS: Final = 12
_REPLICATE_CONVERGED: Final = 1e-5
_BATCH: Final = 250


@dataclass(frozen=True, slots=True, kw_only=True)
class CellsFit:
    """A fit.

    Attributes:
        params: shape ``(p,)``.
        sampling: covariance by sampling.
        noise: covariance by the noise, first order.
        n_steps: steps of Fisher's scoring.
    """

    params: Floats
    sampling: Floats
    noise: Floats
    n_steps: int

    @property
    def covariance(self) -> Floats:
        """Of both."""
        found: Floats = self.sampling + self.noise
        return found


@dataclass(frozen=True, kw_only=True, eq=False)
class NoisyCells:
    """A table to fit.

    Attributes:
        figures: shape ``(k, c)``.
        design: shape ``(c, p)``, the first column 1.
        noise_sds: of each of the k; shape ``(k,)``.
        family: with its link.
        has_chances: the outcome is true or false; else a count.
    """

    figures: Floats
    design: Floats
    noise_sds: Floats
    family: Family
    has_chances: bool

    def fit(self) -> CellsFit | None:
        """Solve the score; None where the noise hides it."""
        params = np.zeros(self.design.shape[1])
        for step in range(1, _MOST_STEPS + 1):
            score, information = self._sums(self.figures, params)
            if not np.isfinite(information).all() or np.linalg.eigvalsh(information)[0] <= 0:
                return None
            move = np.linalg.solve(information, score)
            params = params + move / max(1.0, float(np.abs(move).max()))
            if self._is_far(params):
                return None
            if np.abs(move).max() <= _CONVERGED:
                return self._fitted(params, step)
        return None

    def replicates(self, own: CellsFit, size: int, generator: Generator) -> Floats:
        """Draw fits anew, and their distances from the fit over their own standard errors.

        Args:
            own: the fit.
            size: how many.
            generator: of a simulation, see noise_law.

        Returns:
            Shape ``(size, p)``; infinite where a replicate has no fit.
        """
        found: list[Floats] = []
        for start in range(0, size, _BATCH):
            count = min(_BATCH, size - start)
            drawn = self._drawn(own.params, count, generator)
            drawn += self.noise_sds[:, np.newaxis] * generator.standard_normal(drawn.shape)
            found.append(self._distances(drawn, own.params))
        return np.concatenate(found)

    def _is_far(self, params: Floats) -> npt.NDArray[np.bool_]:
        """Whether a parameter is beyond ``FARTHEST``; the intercept, which depends on units, beyond twice that."""
        reach = FARTHEST * np.array([2.0] + [1.0] * (self.design.shape[1] - 1))
        return np.asarray((np.abs(params) > reach).any(axis=-1))

    # -- one table -------------------------------------------------------------------------------------------

    def _parts(self, odds: Floats) -> tuple[Floats, Floats]:
        """Score and weight of each figure; ``odds`` has shape ``(..., c)``, the result ``(..., k, c)``."""
        if self.has_chances:
            both = [self._of_rows(odds, outcome) for outcome in (0.0, 1.0)]
            return np.stack([score for score, _ in both], axis=-2), np.stack(
                [weight for _, weight in both], axis=-2
            )
        score, weight = self._of_rows(odds, 0.0)
        ones = np.ones_like(odds)
        return np.stack([score, ones], axis=-2), np.stack([weight, 0 * ones], axis=-2)

    def _of_rows(self, odds: Floats, outcome: float) -> tuple[Floats, Floats]:
        flat = odds.ravel()
        score, weight, _ = self.family.row_figures(flat, np.full(flat.shape, outcome), np.zeros(flat.shape))
        return score.reshape(odds.shape), weight.reshape(odds.shape)

    def _sums(self, figures: Floats, params: Floats) -> tuple[Floats, Floats]:
        """Score and information."""
        scores, weights = self._parts(params @ self.design.T)
        score = (figures * scores).sum(axis=-2) @ self.design
        return score, self._squares((figures * weights).sum(axis=-2))

    def _squares(self, weights: Floats) -> Floats:
        """The sum of weighted squares of the design; from ``(..., c)`` to ``(..., p, p)``."""
        c, p = self.design.shape
        products = (self.design[:, :, np.newaxis] * self.design[:, np.newaxis, :]).reshape(c, p * p)
        found: Floats = (weights @ products).reshape(*weights.shape[:-1], p, p)
        return found

    def _fitted(self, params: Floats, n_steps: int) -> CellsFit | None:
        _, information = self._sums(self.figures, params)
        scores, weights = self._parts(self.design @ params)
        variances = self.noise_sds[:, np.newaxis] ** 2
        values, vectors = np.linalg.eigh(information)
        along = self.design @ vectors
        spread = np.sqrt((variances * weights**2).sum(axis=0) @ along**4)
        if (values <= FEW * spread).any():
            return None
        inverse: Floats = np.asarray(np.linalg.inv(information), dtype=np.float64)
        noise: Floats = inverse @ self._squares((variances * scores**2).sum(axis=0)) @ inverse
        return CellsFit(params=params, sampling=inverse, noise=noise, n_steps=n_steps)

    # -- replicates ------------------------------------------------------------------------------------------

    def _drawn(self, params: Floats, count: int, generator: Generator) -> Floats:
        """Tables under the fit, without noise; shape ``(count, k, c)``.

        Sizes stay as they were opened, also below 0, so that no replicate has more information than the table.
        """
        odds = self.design @ params
        if not self.has_chances:
            size = self.figures[0]
            mean = np.exp(odds)
            known = np.maximum(size, 0.0) * mean
            counts = generator.poisson(known, (count, len(odds))) - known + size * mean
            return np.stack([np.broadcast_to(size, counts.shape), counts], axis=1)
        size = self.figures.sum(axis=0)
        (none, some), _ = self._parts(odds)
        chance = np.clip(none / (none - some), 0.0, 1.0)  # where the score has mean 0
        rows = np.maximum(np.rint(size), 0).astype(np.int64)
        events = generator.binomial(rows, chance, (count, len(odds))) - rows * chance + size * chance
        return np.stack([size - events, events], axis=1)

    def _distances(self, figures: Floats, center: Floats) -> Floats:
        count, p = len(figures), len(center)
        params = np.tile(center, (count, 1))
        alive = np.ones(count, dtype=np.bool_)
        move: Floats = np.zeros((count, p))
        information: Floats = np.tile(np.eye(p), (count, 1, 1))
        for _ in range(_REPLICATE_STEPS):
            score, information = self._sums(figures, params)
            alive &= np.isfinite(information).all(axis=(1, 2))
            information[~alive] = np.eye(p)
            alive &= np.linalg.eigvalsh(information)[:, 0] > 0
            information[~alive] = np.eye(p)
            move[:] = np.linalg.solve(information, score[..., np.newaxis])[..., 0]
            far = np.maximum(1.0, np.abs(move).max(axis=1, keepdims=True))
            params = np.where(alive[:, np.newaxis], params + move / far, params)
            alive &= ~self._is_far(params)
            if not alive.any() or np.abs(move[alive]).max() <= _REPLICATE_CONVERGED:
                break
        alive &= np.abs(move).max(axis=1) <= 100 * _REPLICATE_CONVERGED
        scores, _ = self._parts(params @ self.design.T)
        inverse = np.linalg.inv(information)
        spread = self._squares((self.noise_sds[:, np.newaxis] ** 2 * scores**2).sum(axis=-2))
        variances = np.einsum("rii->ri", inverse + inverse @ spread @ inverse)
        with np.errstate(divide="ignore", invalid="ignore"):
            found = (params - center) / np.sqrt(variances)
        found[~alive] = np.inf
        return np.where(np.isfinite(found), found, np.inf)

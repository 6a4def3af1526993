"""Least squares from a noisy Gram matrix, with errors that hold sampling and noise.

Layer:       analytics.statistics above noisy_gram; arithmetic of the analyst after the opening.
Terms:       the outcome is the last column of the scaled design, p parameters stand before it. A *replicate* is a fit to
             a matrix that is drawn anew: the same design, fresh residuals, fresh noise.
Guarantees:  eigenvalues of the noisy X'X below what noise alone reaches are raised to it, and the fit is flagged. The
             standard error holds sampling (one variance of normal residuals) and, in first order, the noise on all
             sums. Intervals and p-values are those of the bootstrap's t: of the replicates' distance from the fit over
             their own standard errors. They hold for fits without the flag.
Source:      parametric bootstrap over the mechanism: Ferrando, Wang, Sheldon 2006.07749; bootstrap-t: Efron 1979. Raised
             eigenvalues: as the ridge of Wang 1803.02596, for the directions alone that noise hides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from numpy.random import Generator  # noqa: TID251  a simulation after the opening

    from analytics.statistics.matrices.noisy_gram import NoisyGram

Floats = npt.NDArray[np.float64]
_BATCH: Final = 250


@dataclass(frozen=True, kw_only=True)
class Fit:
    """A fit in the scaled design, or many: leading axes are replicates.

    Attributes:
        params: shape ``(..., p)``.
        sampling: covariance of sampling; shape ``(..., p, p)``.
        noise: covariance of noise, first order; likewise.
        variance: of the residuals, in scaled units.
        is_raised: whether an eigenvalue was raised.
        products: X'X as used.
    """

    params: Floats
    sampling: Floats
    noise: Floats
    variance: Floats
    is_raised: npt.NDArray[np.bool_]
    products: Floats


def fit(matrix: Floats, gram: NoisyGram, *, least_variance: float) -> Fit:
    """Solve the normal equations.

    Args:
        matrix: of the scaled design with the outcome last; shape ``(..., m, m)``.
        gram: the release, for the law of its noise.
        least_variance: of the residuals, in scaled units: what rounding to the outcome's steps leaves.
    """
    p = matrix.shape[-1] - 1
    least = gram.reach_of_noise
    values, vectors = np.linalg.eigh(matrix[..., :p, :p])
    raised = np.maximum(values, least)
    turned = np.swapaxes(vectors, -1, -2)
    inverse = (vectors / raised[..., np.newaxis, :]) @ turned
    products = (vectors * raised[..., np.newaxis, :]) @ turned
    wanted = matrix[..., :p, p]
    params = np.einsum("...ij,...j->...i", inverse, wanted)
    n = np.maximum(matrix[..., 0, 0], p + 1.0)
    left = (
        matrix[..., p, p]
        - 2 * np.einsum("...i,...i->...", params, wanted)
        + np.einsum("...i,...ij,...j->...", params, products, params)
    )
    variance = np.clip(left / np.maximum(n - p, 1.0), least_variance, 1.0)
    # the noise on wanted - X'X params, as weights of each sum's noise
    ends = np.concatenate([-params, np.ones((*params.shape[:-1], 1))], axis=-1)
    rows = np.einsum("kij,...j->...ki", gram.basis[:, :p, :], ends)
    noise = inverse @ gram.spread(rows) @ inverse
    return Fit(
        params=params,
        sampling=variance[..., np.newaxis, np.newaxis] * inverse,
        noise=noise,
        variance=variance,
        is_raised=np.asarray((values < least).any(axis=-1)),
        products=products,
    )


def replicates(
    own: Fit, gram: NoisyGram, forms: Floats, size: int, generator: Generator, *, least_variance: float
) -> Floats:
    """Draw fits anew, and their distances from the fit over their standard errors.

    Args:
        own: the fit.
        gram: the release.
        forms: linear forms of the parameters; shape ``(q, p)``.
        size: how many replicates.
        generator: of a simulation, see noise_law.
        least_variance: as for ``fit``.

    Returns:
        Shape ``(size, q)``.
    """
    p = own.params.size
    root = np.linalg.cholesky(own.products)
    inverse = np.linalg.inv(own.products)
    n = max(gram.n, p + 1.0)
    expected = own.products @ own.params
    squares = float(own.params @ expected)
    sd = float(np.sqrt(own.variance))
    found: list[Floats] = []
    for start in range(0, size, _BATCH):
        count = min(_BATCH, size - start)
        scores = sd * generator.standard_normal((count, p)) @ root.T
        within = np.einsum("ri,ij,rj->r", scores, inverse, scores)
        beside = own.variance * generator.chisquare(max(n - p, 1.0), size=count)
        drawn = np.empty((count, p + 1, p + 1))
        drawn[:, :p, :p] = own.products
        drawn[:, p, :p] = drawn[:, :p, p] = expected + scores
        drawn[:, p, p] = squares + 2 * scores @ own.params + within + beside
        again = fit(drawn + gram.noise(count, generator), gram, least_variance=least_variance)
        errors = np.sqrt(variances(again, forms))
        found.append(((again.params - own.params) @ forms.T) / errors)
    return np.concatenate(found)


def variances(own: Fit, forms: Floats) -> Floats:
    """Variances of linear forms of the parameters, with sampling and noise; shape ``(..., q)``."""
    found: Floats = np.einsum("qi,...ij,qj->...q", forms, own.sampling + own.noise, forms)
    return found

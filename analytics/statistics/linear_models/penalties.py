"""Least squares with a penalty on the parameters, from centred sums of products.

Layer:       analytics.statistics.linear_models, the lowest; arithmetic of the analyst after the opening.
Terms:       the objective is scikit-learn's: ``1/2 w'Pw - q'w + l1 |w|_1 + l2/2 |w|_2^2`` with P and q the centred sums of
             products over the number of rows.
Shapes:      any leading axes, then p or p times p.
Guarantees:  coordinate descent over all problems together; where it ends, the parameters that are not 0 are solved for
             once more from their signs, so that the end does not depend on the path.
Source:      Hoerl and Kennard 1970; Tibshirani 1996; Friedman, Hastie, Tibshirani 2010.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
_MOST_SWEEPS: Final = 1_000
_STILL: Final = 1e-11


@dataclass(frozen=True, slots=True, kw_only=True)
class Penalty:
    """A penalty, by scikit-learn's names.

    Attributes:
        alpha: of the whole penalty, above 0.
        l1_ratio: the part of absolute values; None for a ridge, whose alpha is of a sum over rows, not of their mean.
    """

    alpha: float
    l1_ratio: float | None

    def solve(self, products: Floats, wanted: Floats, n: Floats) -> Floats:
        """The parameters.

        Args:
            products: centred sums of products over n, positive semidefinite; shape ``(..., p, p)``.
            wanted: those with the outcome; shape ``(..., p)``.
            n: rows; shape ``(...)``.

        Returns:
            Shape ``(..., p)``.
        """
        p = wanted.shape[-1]
        if self.l1_ratio is None:
            ridged = products + (self.alpha / n)[..., np.newaxis, np.newaxis] * np.eye(p)
            solved: Floats = np.asarray(
                np.linalg.solve(ridged, wanted[..., np.newaxis])[..., 0], dtype=np.float64
            )
            return solved
        flat = _descend(
            products.reshape(-1, p, p),
            wanted.reshape(-1, p),
            self.alpha * self.l1_ratio,
            self.alpha * (1 - self.l1_ratio),
        )
        return flat.reshape(wanted.shape)


def _descend(products: Floats, wanted: Floats, l1: float, l2: float) -> Floats:
    """Coordinate descent on many problems at once; shape ``(size, p)``."""
    found = np.zeros_like(wanted)
    left = wanted.copy()  # wanted - products @ found
    curvature = np.einsum("rii->ri", products) + l2
    steep = np.where(curvature > 0, curvature, np.inf)
    scale = np.abs(wanted).max(axis=1) + l1
    for _ in range(_MOST_SWEEPS):
        moved = np.zeros(len(wanted))
        for place in range(wanted.shape[1]):
            free = left[:, place] + products[:, place, place] * found[:, place]
            value = np.sign(free) * np.maximum(np.abs(free) - l1, 0) / steep[:, place]
            change = value - found[:, place]
            found[:, place] = value
            left -= products[:, :, place] * change[:, np.newaxis]
            moved = np.maximum(moved, np.abs(change) * curvature[:, place])
        if (moved <= _STILL * scale).all():
            break
    return np.stack([_polished(*each, l1, l2) for each in zip(products, wanted, found, strict=True)])


def _polished(products: Floats, wanted: Floats, found: Floats, l1: float, l2: float) -> Floats:
    """The parameters that are not 0, solved for with their signs; the found ones where a sign would change."""
    active = np.flatnonzero(found)
    if not len(active):
        return found
    signs = np.sign(found[active])
    matrix = products[np.ix_(active, active)] + l2 * np.eye(len(active))
    solved = np.linalg.lstsq(matrix, wanted[active] - l1 * signs)[0]
    if (np.sign(solved) != signs).any() or np.abs(solved - found[active]).max() > 1e-6 * np.abs(found).max():
        return found
    polished = np.zeros_like(found)
    polished[active] = solved
    return polished

"""What is left of sums of products, or of correlations, once some columns are held fixed (a Schur complement).

Layer:       analytics.statistics, low; pure arithmetic of the analyst after the opening.
Terms:       the *shown* columns stand first; the others are held fixed.
Guarantees:  of integers exact. Of noisy correlations the nearest matrix without eigenvalues below ``FLOOR`` is taken first, so
             that what is left is always a covariance; without noise it is the matrix itself, if no eigenvalue is below.
Source:      Cramer 1946, 23.4; projection onto positive matrices: Higham 1988.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

Floats = npt.NDArray[np.float64]
FLOOR: Final = 1e-6


def left_over(products: Sequence[Sequence[int]], count: int) -> list[list[Fraction]] | None:
    """Sums of products of the residuals of the shown columns.

    Args:
        products: of all columns around their means; symmetric.
        count: how many are shown.

    Returns:
        ``count`` rows; None where the fixed columns are a linear combination of each other.
    """
    rows = [[Fraction(value) for value in row] for row in products]
    for place in range(len(rows) - 1, count - 1, -1):
        pivot = rows[place]
        if pivot[place] <= 0:
            return None
        for row in rows[:place]:
            factor = row[place] / pivot[place]
            for column in range(place):
                row[column] -= factor * pivot[column]
    return [row[:count] for row in rows[:count]]


def nearest_positive(correlation: Floats) -> Floats:
    """Correlations without eigenvalues below ``FLOOR``; shape ``(..., p, p)``."""
    values, vectors = np.linalg.eigh(correlation)
    raised = np.maximum(values, FLOOR)
    lifted = (vectors * raised[..., np.newaxis, :]) @ np.swapaxes(vectors, -1, -2)
    is_positive = (values[..., 0] >= FLOOR)[..., np.newaxis, np.newaxis]
    found: Floats = np.where(is_positive, correlation, lifted)
    return found


def conditional(matrix: Floats, count: int) -> Floats:
    """The covariance of the shown columns given the others, of a positive matrix; shape ``(..., count, count)``."""
    if count == matrix.shape[-1]:
        return matrix
    beside = matrix[..., count:, :count]
    found: Floats = matrix[..., :count, :count] - np.swapaxes(beside, -1, -2) @ np.linalg.solve(
        matrix[..., count:, count:], beside
    )
    return found


def scaled(covariance: Floats) -> Floats:
    """A covariance as correlations."""
    sds = np.sqrt(np.diagonal(covariance, axis1=-2, axis2=-1))
    found: Floats = covariance / (sds[..., :, np.newaxis] * sds[..., np.newaxis, :])
    return found

"""Models whose score is a weighted sum of the features: one of them differs from another in one function.

Layer:       federation.training.models.generalized_linear, above base. Pure numpy.
Shapes:      scores, targets, residuals and losses float64 ``(n,)``, one a row.
Guarantees:  what one unit adds is a function of its own rows alone, to the last bit: scores are added up column by
             column, every function works on one number at a time, and rows are added up as integers, so that neither
             other units' rows nor the order of rows has a part in it.
Accuracy:    ``2**-(41 - residual_bits)`` for each row and coordinate, and a few units in the last place of float64;
             privacy does not rest on it.
Source:      docs/guarantees.md P13; McCullagh and Nelder, Generalized Linear Models, 1989: the gradient of a row is its residual
             times its features.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from federation.training.models.base import Model, UnitVectors

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from federation.training.encodings.features import Cases, Floats

# a residual of at most 2**residual_bits is rounded to 2**(residual_bits - 40); a unit has at most 2**20 rows, so that
# its sum is an exact int64
ROW_BITS: Final = 40


class GeneralizedLinear(Model):
    """A model of one score a row.

    Attributes:
        residual_bits: each residual is at most ``2**residual_bits`` in size.
    """

    residual_bits: ClassVar[int] = 0

    @abstractmethod
    def residuals(self, scores: Floats, targets: Floats) -> tuple[Floats, Floats]:
        """Return each row's residual (the derivative of its loss by its score) and its loss, one number at a time.

        Exponentials and logarithms go through ``each``: vector code may compute them differently at the end of an
        array.
        """

    def unit_vectors(self, cases: Cases, parameters: Floats) -> UnitVectors:
        """See ``Model``."""
        residuals, losses = self.residuals(scores_of(cases.matrix, parameters), cases.target)
        sums = added_rows(residuals[:, None] * cases.matrix, cases.starts, bits=self.residual_bits)
        return UnitVectors(gradients=sums, losses=unit_losses(losses, cases.starts))


def scores_of(matrix: Floats, parameters: Floats) -> Floats:
    """Return each row's score, added up column by column, so that its bits do not depend on its place."""
    # a matrix product adds up in another order for the last rows of a block
    scores: Floats = np.zeros(len(matrix))
    for column, weight in zip(matrix.T, parameters, strict=True):
        scores += column * weight
    return scores


def each(function: Callable[[float], float], values: Floats) -> Floats:
    """Apply a function of one number to each element on its own."""
    return np.fromiter(map(function, values.tolist()), np.float64, len(values))


def added_rows(rows: Floats, starts: npt.NDArray[np.intp], *, bits: int) -> Floats:
    """Return each unit's sum of its rows, added up as integers, so in any order.

    Args:
        rows: shape ``(n, size)``, each entry at most ``2**bits`` in size; a unit has at most 2^20 rows.
        starts: index of each unit's first row.
        bits: of the largest entry.
    """
    unit = 1 << (ROW_BITS - bits)
    whole = np.rint(rows * unit).astype(np.int64)
    sums: Floats = np.add.reduceat(whole, starts, axis=0).astype(np.float64) / unit
    return sums


def unit_losses(losses: Floats, starts: npt.NDArray[np.intp]) -> Floats:
    """Return each unit's loss; its rows are added up exactly and rounded once, so in any order."""
    edges = [*starts.tolist(), len(losses)]
    numbers = losses.tolist()
    sums = (math.fsum(numbers[begin:end]) for begin, end in pairwise(edges))
    return np.fromiter(sums, np.float64, len(starts))

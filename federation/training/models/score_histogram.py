"""The histogram of a trained model's scores by class, in place of a gradient: what an evaluation adds up.

Layer:       federation.training.models.score_histogram, above base. Pure numpy.
Terms:       of two classes, each class has 20 *bins* of equal width for the chance of the second one; of more classes,
             each has a bin for every class that may be predicted.
Guarantees:  a row counts 1 in one cell, and the core clips a unit's counts to an L2 norm of 1, as it clips a gradient: so
             the sensitivity is that of one training round with a clip of 1. The bins are public. A row's cell is computed
             from the row alone. The model that is evaluated comes with the request, so this exists with an epsilon only.
See instead: figures from the opened histogram (``federation.training.evaluation``).
Source:      docs/guarantees.md P13: validation is a noisy histogram of scores by class; P16: no chosen point without noise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from federation.training.encodings.features import BINARY, Cases, Encoding, Feature, Floats
from federation.training.models.base import Model, UnitVectors
from federation.training.optimizer import floats_of

if TYPE_CHECKING:
    from fractions import Fraction

N_BINS: Final = 20


class ScoreHistogram(Model):
    """Counts of rows by class and score of one trained model."""

    has_classes: ClassVar[bool] = True
    may_exceed_rows: ClassVar[bool] = True

    def __init__(self, model: Model, encoding: Encoding, parameters: tuple[int, ...]) -> None:
        """Take the model that is evaluated.

        Args:
            model: with its options.
            encoding: of the rows.
            parameters: integers in units of ``2**-32``, shape ``(model.size,)``.
        """
        self._model, self._encoding, self._parameters = model, encoding, parameters

    @property
    def learning_rate(self) -> Fraction:  # type: ignore[override]
        """The model's own, which nothing uses."""
        return self._model.learning_rate

    def size(self, encoding: Encoding) -> int:
        """Return the number of cells."""
        return len(encoding.outcome.classes) * n_bins_of(len(encoding.outcome.classes))

    def outcome_mistake(self, outcome: Feature) -> str | None:
        """See ``Model``."""
        return self._model.outcome_mistake(outcome)

    def check_site(self, encoding: Encoding) -> None:
        """See ``Model``."""
        self._model.check_site(encoding)

    def unit_vectors(self, cases: Cases, parameters: Floats) -> UnitVectors:
        """Return each unit's counts; ``parameters`` are not used."""
        del parameters
        n_classes = len(self._encoding.outcome.classes)
        learned = floats_of(self._parameters)
        # one row at a time: the bits of a score do not depend on its place
        places = [
            bin_of(self._model.predict(self._encoding, learned, row[None, :].copy())[0], n_classes)
            for row in cases.matrix
        ]
        n_bins = n_bins_of(n_classes)
        cells = np.zeros((len(places), n_classes * n_bins), np.int64)
        cells[np.arange(len(places)), cases.target.astype(np.int64) * n_bins + np.array(places, np.int64)] = 1
        counts = np.add.reduceat(cells, cases.starts, axis=0).astype(np.float64)
        return UnitVectors(gradients=counts, losses=np.zeros(len(cases.starts)))

    def predict(self, encoding: Encoding, parameters: Floats, matrix: Floats) -> Floats:
        """Predict with the model that is evaluated."""
        del parameters
        return self._model.predict(encoding, floats_of(self._parameters), matrix)

    def coefficients(self, encoding: Encoding, parameters: Floats) -> None:
        """A histogram has no weight of a feature."""


def n_bins_of(n_classes: int) -> int:
    """Return the number of bins of each class."""
    return N_BINS if n_classes == BINARY else n_classes


def bin_of(chance: Floats | np.float64, n_classes: int) -> int:
    """Return the bin of a row.

    Args:
        chance: of the second class, or of each class, shape ``(n_classes,)``.
        n_classes: of the outcome.
    """
    chances = np.atleast_1d(chance)
    if n_classes == BINARY:
        scaled = float(chances[-1]) * N_BINS
        return min(N_BINS - 1, int(scaled)) if scaled >= 0 else 0  # NaN counts as 0
    return int(np.argmax(chances))

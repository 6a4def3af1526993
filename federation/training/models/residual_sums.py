"""Bounded sums of a trained regressor's residuals, in place of a gradient: what an evaluation of a number adds up.

Layer:       federation.training.models.residual_sums, above base. Pure numpy.
Terms:       outcome y and prediction p are on the scale of the public bounds, [-1, 1]; a prediction outside counts as the
             bound. The *residual* h is ``(y - p) / 2``, so between -1 and 1. A *bin* is a fifth of the outcome's range.
Shapes:      a row is ``(rows, h)`` of the bin of its prediction, five times; then h squared, ``|h|``, y, y squared; of counts
             also the deviance, divided by twice the upper bound and cut at 1.
Guarantees:  each of a row's six (seven) numbers is at most 1 in size, and the row is divided by the root of six (seven), so
             that its L2 norm is at most 1; the core clips a unit's sum to 1, as it clips a gradient. The sensitivity is that
             of one training round with a clip of 1. The model that is evaluated comes with the request, so this exists with
             an epsilon only.
See instead: figures from the opened sums (``federation.training.figures.regression``).
Source:      docs/guarantees.md P13, P16: no chosen point without noise; McCullagh and Nelder, 1989, for the deviance.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from federation.training.models.base import Model, UnitVectors
from federation.training.models.generalized_linear import added_rows
from federation.training.models.linear_regression import scale_of
from federation.training.optimizer import floats_of

if TYPE_CHECKING:
    from fractions import Fraction

    from federation.training.encodings.features import Cases, Encoding, Feature, Floats

N_GROUPS: Final = 5
N_MOMENTS: Final = 4
_LEAST_MEAN: Final = 1e-6


class ResidualSums(Model):
    """Sums of the residuals of one trained model of a number."""

    has_classes: ClassVar[bool] = False
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
        """Return the number of sums."""
        del encoding
        return n_sums_of(self._model)

    def outcome_mistake(self, outcome: Feature) -> str | None:
        """See ``Model``."""
        return self._model.outcome_mistake(outcome)

    def check_site(self, encoding: Encoding) -> None:
        """See ``Model``."""
        self._model.check_site(encoding)

    def unit_vectors(self, cases: Cases, parameters: Floats) -> UnitVectors:
        """Return each unit's sums; ``parameters`` are not used."""
        del parameters
        learned = floats_of(self._parameters)
        # one row at a time: the bits of a prediction do not depend on its place
        rows = [
            self._row(self._model.predict(self._encoding, learned, row[None, :].copy())[0], float(true))
            for row, true in zip(cases.matrix, cases.target, strict=True)
        ]
        sums = added_rows(np.array(rows, np.float64), cases.starts, bits=0)
        return UnitVectors(gradients=sums, losses=np.zeros(len(cases.starts)))

    def predict(self, encoding: Encoding, parameters: Floats, matrix: Floats) -> Floats:
        """Predict with the model that is evaluated."""
        del parameters
        return self._model.predict(encoding, floats_of(self._parameters), matrix)

    def coefficients(self, encoding: Encoding, parameters: Floats) -> None:
        """Sums have no weight of a feature."""

    def _row(self, predicted: float | np.float64, true: float) -> list[float]:
        """Return what one row adds, its L2 norm at most 1."""
        middle, half = scale_of(self._encoding.outcome)
        scaled = (float(predicted) - float(middle)) / float(half)
        said = 0.0 if math.isnan(scaled) else min(1.0, max(-1.0, scaled))
        residual = (true - said) / 2
        group = min(N_GROUPS - 1, int((said + 1) / 2 * N_GROUPS))
        values = [0.0] * (2 * N_GROUPS)
        values[2 * group : 2 * group + 2] = [1.0, residual]
        values += [residual * residual, abs(residual), true, true * true]
        if self._model.has_deviance:
            values.append(_deviance((1 + true) / 2, (1 + said) / 2))
        shrunk = scale_of_rows(self._model)
        return [value / shrunk for value in values]


def n_sums_of(model: Model) -> int:
    """Return the number of sums of the evaluation of a model."""
    return 2 * N_GROUPS + N_MOMENTS + int(model.has_deviance)


def scale_of_rows(model: Model) -> float:
    """Return the number by which a row is divided: the root of how many of its numbers are not 0."""
    return math.sqrt(2 + N_MOMENTS + int(model.has_deviance))


def _deviance(count: float, mean: float) -> float:
    """Return half the Poisson deviance of a row, count and mean divided by the upper bound; at most 1."""
    mean = max(mean, _LEAST_MEAN)
    part = count * math.log(count / mean) if count > 0 else 0.0
    return min(1.0, max(0.0, part - count + mean))

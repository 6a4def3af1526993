"""Linear regression: a number, by least squares.

Layer:       federation.training.models.linear_regression. Pure numpy.
Terms:       the outcome is scaled by its public bounds to [-1, 1], like a feature; the loss is half the square of the
             difference. Coefficients and predictions are on the outcome's own scale.
Guarantees:  a row whose difference is above 64 (32 times the outcome's whole range) counts as one of 64, so that
             every sum is an exact integer wherever the parameters are.
Source:      the gradient of half the squared difference is ``(x theta - y) x``.
"""

from __future__ import annotations

from fractions import Fraction
from typing import ClassVar

import numpy as np

from federation.training.encodings.features import NUMERIC, Encoding, Feature, Floats
from federation.training.models.generalized_linear import GeneralizedLinear, scores_of


class LinearRegression(GeneralizedLinear):
    """A number that is a weighted sum of the features."""

    name: ClassVar[str] = "linear_regression"
    file_format: ClassVar[str] = "crossward/linear-regression/1"
    has_classes: ClassVar[bool] = False
    learning_rate: ClassVar[Fraction] = Fraction(1, 2)
    residual_bits: ClassVar[int] = 6
    row_bound: ClassVar[int] = 1 << residual_bits

    def outcome_mistake(self, outcome: Feature) -> str | None:
        """See ``Model``."""
        return None if outcome.kind == NUMERIC else "must be numeric"

    def residuals(self, scores: Floats, targets: Floats) -> tuple[Floats, Floats]:
        """See ``GeneralizedLinear``."""
        differences = np.clip(scores - targets, -self.row_bound, self.row_bound)
        return differences, differences * differences / 2

    def predict(self, encoding: Encoding, parameters: Floats, matrix: Floats) -> Floats:
        """Return the number on the outcome's scale."""
        middle, half = scale_of(encoding.outcome)
        predicted: Floats = float(middle) + float(half) * scores_of(matrix, parameters)
        return predicted

    def coefficients(self, encoding: Encoding, parameters: Floats) -> tuple[Floats, float]:
        """See ``Model``."""
        middle, half = scale_of(encoding.outcome)
        return float(half) * parameters[:-1], float(middle) + float(half) * float(parameters[-1])


def scale_of(outcome: Feature) -> tuple[Fraction, Fraction]:
    """Return the middle of the outcome's range and half its width."""
    step = (outcome.resolution or 1) / Fraction(2)
    return (outcome.upper + outcome.lower) * step, (outcome.upper - outcome.lower) * step

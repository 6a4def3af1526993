"""Poisson regression: the mean of a count, whose logarithm is a weighted sum of the features.

Layer:       federation.training.models.poisson_regression. Pure numpy.
Terms:       a count is divided by its public upper bound, so that it lies in [0, 1]; only the intercept differs by this
             from a model of the count itself. ``coefficients`` and ``predict`` are on the count's own scale.
Guarantees:  a mean above 64 times the bound counts as 64 times, so that every sum is an exact integer wherever the
             parameters are.
Source:      the gradient of ``mean - y log(mean)`` is ``(mean - y) x``; McCullagh and Nelder, 1989.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import ClassVar, Final

import numpy as np

from federation.training.encodings.features import NUMERIC, Encoding, Feature, Floats
from federation.training.models.generalized_linear import GeneralizedLinear, each, scores_of

_LARGEST_SCORE: Final = 4.0  # e to the power of it is below 64


class PoissonRegression(GeneralizedLinear):
    """The mean of a count, with a log link."""

    name: ClassVar[str] = "poisson_regression"
    file_format: ClassVar[str] = "crossward/poisson-regression/1"
    has_classes: ClassVar[bool] = False
    has_deviance: ClassVar[bool] = True
    learning_rate: ClassVar[Fraction] = Fraction(2)
    residual_bits: ClassVar[int] = 6
    row_bound: ClassVar[int] = 1 << residual_bits

    def outcome_mistake(self, outcome: Feature) -> str | None:
        """See ``Model``."""
        is_count = outcome.kind == NUMERIC and outcome.lower == 0 < outcome.upper
        return None if is_count else "must be numeric with the lower bound 0"

    def residuals(self, scores: Floats, targets: Floats) -> tuple[Floats, Floats]:
        """See ``GeneralizedLinear``."""
        counts = (1.0 + targets) / 2.0
        means = each(_mean, scores)
        losses = means - counts * np.minimum(scores, _LARGEST_SCORE)
        return means - counts, np.minimum(losses, self.row_bound)

    def predict(self, encoding: Encoding, parameters: Floats, matrix: Floats) -> Floats:
        """Return the mean count."""
        scores = np.minimum(scores_of(matrix, parameters), _LARGEST_SCORE)
        means: Floats = _most(encoding.outcome) * np.exp(scores)
        return means

    def coefficients(self, encoding: Encoding, parameters: Floats) -> tuple[Floats, float]:
        """Return the weights, and the intercept of the count's own scale."""
        return parameters[:-1], float(parameters[-1]) + math.log(_most(encoding.outcome))


def _mean(score: float) -> float:
    return math.exp(min(score, _LARGEST_SCORE))


def _most(outcome: Feature) -> float:
    """Return the largest count."""
    return float(outcome.upper * (outcome.resolution or 1))

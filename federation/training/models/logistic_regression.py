"""Logistic regression: the chance of the second of two classes.

Layer:       federation.training.models.logistic_regression. Pure numpy.
Source:      the gradient of the logistic loss is ``(sigmoid(x theta) - y) x``.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from federation.training.encodings.features import BINARY, Encoding, Feature, Floats
from federation.training.models.generalized_linear import GeneralizedLinear, each, scores_of

if TYPE_CHECKING:
    from collections.abc import Mapping


class LogisticRegression(GeneralizedLinear):
    """Log-odds that are a weighted sum of the features."""

    name: ClassVar[str] = "logistic_regression"
    file_format: ClassVar[str] = "crossward/logistic-regression/1"
    has_classes: ClassVar[bool] = True
    learning_rate: ClassVar[Fraction] = Fraction(4)

    def outcome_mistake(self, outcome: Feature) -> str | None:
        """See ``Model``."""
        if outcome.is_constant:
            return "is constant: its domain has one value"
        return None if len(outcome.classes) == BINARY else "must be boolean or have a domain of two values"

    def residuals(self, scores: Floats, targets: Floats) -> tuple[Floats, Floats]:
        """See ``GeneralizedLinear``."""
        small = each(_small_power, scores)
        positive = np.where(scores >= 0, 1.0, small) / (1.0 + small)
        losses = np.maximum(scores, 0.0) + each(math.log1p, small) - targets * scores
        return positive - targets, losses

    def predict(self, encoding: Encoding, parameters: Floats, matrix: Floats) -> Floats:
        """Return the chance of the second class."""
        del encoding
        scores = scores_of(matrix, parameters)
        small = np.exp(-np.abs(scores))
        chances: Floats = np.where(scores >= 0, 1.0, small) / (1.0 + small)
        return chances

    def outcome_to_dict(self, outcome: Feature) -> dict[str, Any]:
        """See ``Model``."""
        return {"target": outcome.name, "classes": list(outcome.classes)}

    def outcome_from_dict(self, document: Mapping[str, Any]) -> Feature:
        """See ``Model``."""
        negative, positive = document["classes"]
        if isinstance(positive, bool):
            return Feature(name=str(document["target"]), kind="boolean")
        return Feature(name=str(document["target"]), kind="categorical", domain=(negative, positive))


def _small_power(score: float) -> float:
    return math.exp(-abs(score))

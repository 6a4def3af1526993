"""Multinomial logistic regression: the chance of each of several classes.

Layer:       federation.training.models.multinomial_regression. Pure numpy.
Terms:       each class has a weight for each encoded feature. Parameters stand feature by feature, within a feature
             class by class, so that the intercepts of all classes come last.
Guarantees:  as ``generalized_linear``: scores are added up column by column, classes in their order, exponentials one
             number at a time, rows as integers, so that a unit's numbers do not depend on other rows.
Accuracy:    ``2**-41`` for each row and coordinate.
Source:      the gradient of a row for class c is ``(chance_c - [y = c]) x``; docs/guarantees.md P13.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import ClassVar, Final

import numpy as np

from federation.training.encodings.features import BINARY, Cases, Encoding, Feature, Floats
from federation.training.models.base import Model, UnitVectors
from federation.training.models.generalized_linear import added_rows, each, unit_losses

_LARGEST_LOSS: Final = 64.0


class MultinomialRegression(Model):
    """Chances of several classes, whose logarithms are weighted sums of the features up to a constant."""

    name: ClassVar[str] = "multinomial_regression"
    file_format: ClassVar[str] = "crossward/multinomial-regression/1"
    has_classes: ClassVar[bool] = True
    learning_rate: ClassVar[Fraction] = Fraction(4)

    def size(self, encoding: Encoding) -> int:
        """Return the number of parameters: one for each feature and class."""
        return encoding.width * len(encoding.outcome.classes)

    def n_intercepts(self, encoding: Encoding) -> int:
        """Return the number of classes."""
        return len(encoding.outcome.classes)

    def outcome_mistake(self, outcome: Feature) -> str | None:
        """See ``Model``."""
        if outcome.is_constant:
            return "is constant: its domain has one value"
        return None if len(outcome.classes) >= BINARY else "must be categorical or boolean"

    def unit_vectors(self, cases: Cases, parameters: Floats) -> UnitVectors:
        """See ``Model``."""
        width = cases.matrix.shape[1]
        weights = parameters.reshape(width, -1)
        residuals, losses = class_residuals(_scores(cases.matrix, weights), cases.target)
        products = residuals[:, None, :] * cases.matrix[:, :, None]
        gradients = added_rows(products.reshape(len(products), -1), cases.starts, bits=0)
        return UnitVectors(gradients=gradients, losses=unit_losses(losses, cases.starts))

    def predict(self, encoding: Encoding, parameters: Floats, matrix: Floats) -> Floats:
        """Return the chance of each class, shape ``(n, n_classes)``."""
        return chances_of(_scores(matrix, parameters.reshape(encoding.width, -1)))

    def coefficients(self, encoding: Encoding, parameters: Floats) -> tuple[Floats, Floats]:
        """Return weights, shape ``(n_classes, width - 1)``, and intercepts, shape ``(n_classes,)``."""
        weights = parameters.reshape(encoding.width, -1)
        return weights[:-1].T, weights[-1]


def chances_of(scores: Floats) -> Floats:
    """Return the chance of each class from its score, for predictions; shape ``(n, n_classes)``."""
    powers = np.exp(scores - scores.max(axis=1, initial=-np.inf)[:, None])
    chances: Floats = powers / powers.sum(axis=1)[:, None]
    return chances


def class_residuals(scores: Floats, target: Floats) -> tuple[Floats, Floats]:
    """Return the derivative of each row's loss by its scores, and its loss, the same bits beside any other rows.

    Args:
        scores: shape ``(n, n_classes)``.
        target: the place of each row's class, shape ``(n,)``.
    """
    shifted, powers = _powers(scores)
    sums = _over_classes(powers)
    wanted = np.equal(target[:, None], np.arange(scores.shape[1]))
    losses = each(math.log, sums) - _over_classes(np.where(wanted, shifted, 0.0))
    return powers / sums[:, None] - wanted, np.minimum(losses, _LARGEST_LOSS)


def _scores(matrix: Floats, weights: Floats) -> Floats:
    """Return each row's score for each class, added up column by column."""
    scores: Floats = np.zeros((len(matrix), weights.shape[1]))
    for column, weight in zip(matrix.T, weights, strict=True):
        scores += column[:, None] * weight
    return scores


def _powers(scores: Floats) -> tuple[Floats, Floats]:
    """Return the scores below the largest of their row, and their exponentials."""
    shifted = scores - scores.max(axis=1)[:, None]
    return shifted, each(math.exp, shifted.ravel()).reshape(shifted.shape)


def _over_classes(values: Floats) -> Floats:
    """Add up the columns in their order."""
    sums: Floats = np.zeros(len(values))
    for column in values.T:
        sums += column
    return sums

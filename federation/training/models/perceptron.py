"""Multilayer perceptrons: one or two hidden layers of rectified units.

Layer:       federation.training.models.perceptron, above generalized_linear. Pure numpy.
Terms:       a layer's weights stand input by input, its intercepts last; the layers follow each other. ``hidden`` and
             ``hidden_2`` are the numbers of hidden units; ``hidden_2 = 0`` is no second layer.
Guarantees:  as ``generalized_linear``: all sums are added up term by term in one order, a rectifier is exact,
             exponentials are taken one number at a time, so that a unit's numbers do not depend on other rows. A row's
             part of a coordinate is cut at 64, so that every sum is an exact integer wherever the parameters are. The
             first parameters are numbers made from the layers' sizes by a hash: public, and no request chooses them.
Accuracy:    ``2**-35`` for each row and coordinate.
Source:      He and others, ICCV 2015: the first weights of a layer of m inputs within ``sqrt(6 / m)``; the output's are
             0, as in Zhang and others, Fixup, ICLR 2019. docs/guarantees.md P13, P16.
"""

from __future__ import annotations

import hashlib
import math
from abc import abstractmethod
from fractions import Fraction
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from federation.training.encodings.features import BINARY, NUMERIC, Cases, Encoding, Feature, Floats
from federation.training.models.base import Model, UnitVectors
from federation.training.models.generalized_linear import added_rows, unit_losses
from federation.training.models.linear_regression import scale_of
from federation.training.models.multinomial_regression import chances_of, class_residuals
from federation.training.optimizer import MODEL_BITS
from federation.training.options import Option

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from federation.training.options import Value

_TAG: Final = b"crossward/initial-parameters/1\n"
_ROW_BITS: Final = 6
_MOST_UNITS: Final = 256


class Perceptron(Model):
    """A network of rectified units, configured with its hidden layers."""

    row_bound: ClassVar[int] = 1 << _ROW_BITS
    learning_rate: ClassVar[Fraction] = Fraction(1)
    may_exceed_rows: ClassVar[bool] = True
    options: ClassVar[Mapping[str, Option]] = {
        "hidden": Option(default=16, lowest=1, highest=_MOST_UNITS),
        "hidden_2": Option(default=0, lowest=0, highest=_MOST_UNITS),
    }

    def __init__(self, hidden: tuple[int, ...] = (16,)) -> None:
        """Take the numbers of hidden units."""
        self.hidden = hidden

    def configured(self, options: Mapping[str, Value]) -> Model:
        """Return the network with these hidden layers."""
        sizes = (int(options["hidden"]), int(options["hidden_2"]))
        return type(self)(tuple(size for size in sizes if size))

    @abstractmethod
    def n_outputs(self, outcome: Feature) -> int:
        """Return the number of scores of a row."""

    @abstractmethod
    def output(self, scores: Floats, target: Floats) -> tuple[Floats, Floats]:
        """Return the derivative of each row's loss by its scores, shape as ``scores``, and its loss."""

    def size(self, encoding: Encoding) -> int:
        """Return the number of weights and intercepts of all layers."""
        return sum(rows * columns for rows, columns in self._shapes(encoding))

    def n_intercepts(self, encoding: Encoding) -> int:
        """Return the number of the output's intercepts."""
        return self.n_outputs(encoding.outcome)

    def n_head(self, encoding: Encoding) -> int:
        """Return the size of the output's layer."""
        return math.prod(self._shapes(encoding)[-1])

    def norms(self, encoding: Encoding) -> tuple[tuple[int, int], ...]:
        """Return where the intercepts of the hidden layers stand."""
        ends = list(accumulate(rows * columns for rows, columns in self._shapes(encoding)))
        return tuple((end - size, end) for end, size in zip(ends, self.hidden, strict=False))

    def initial(self, encoding: Encoding) -> tuple[int, ...]:
        """Return the first parameters, the same in every run of these sizes."""
        *hidden, last = self._shapes(encoding)
        return (*(value for shape in hidden for value in drawn_layer(*shape)), *(0,) * math.prod(last))

    def coefficients(self, encoding: Encoding, parameters: Floats) -> None:
        """A network has no weight of a feature."""

    def unit_vectors(self, cases: Cases, parameters: Floats) -> UnitVectors:
        """See ``Model``."""
        layers = self._layers(cases.matrix.shape[1], parameters)
        inputs, scores = [cases.matrix], _weighted(cases.matrix, layers[0])
        for layer in layers[1:]:
            inputs.append(with_intercept(np.maximum(scores, 0.0)))
            scores = _weighted(inputs[-1], layer)
        slopes, losses = self.output(scores, cases.target)
        parts: list[Floats] = []
        for place in reversed(range(len(layers))):
            products = inputs[place][:, :, None] * slopes[:, None, :]
            parts.insert(0, products.reshape(len(products), -1))
            if place == 0:
                break
            back = _weighted(slopes, layers[place][:-1].T)
            slopes = np.where(inputs[place][:, :-1] > 0, back, 0.0)
        rows = np.clip(np.concatenate(parts, axis=1), -self.row_bound, self.row_bound)
        gradients = added_rows(rows, cases.starts, bits=_ROW_BITS)
        return UnitVectors(gradients=gradients, losses=unit_losses(losses, cases.starts))

    def scores(self, encoding: Encoding, parameters: Floats, matrix: Floats) -> Floats:
        """Return each row's scores, shape ``(n, n_outputs)``."""
        first, *others = self._layers(encoding.width, parameters)
        scores = _weighted(matrix, first)
        for layer in others:
            scores = _weighted(with_intercept(np.maximum(scores, 0.0)), layer)
        return scores

    def _shapes(self, encoding: Encoding) -> list[tuple[int, int]]:
        sizes = [encoding.width - 1, *self.hidden, self.n_outputs(encoding.outcome)]
        return [(before + 1, after) for before, after in pairwise(sizes)]

    def _layers(self, width: int, parameters: Floats) -> list[Floats]:
        """Cut parameters into layers, each with its intercepts in the last row."""
        layers, left, n_inputs = [], parameters, width
        for size in self.hidden:
            layers.append(left[: n_inputs * size].reshape(n_inputs, size))
            left, n_inputs = left[n_inputs * size :], size + 1
        return [*layers, left.reshape(n_inputs, -1)]


class PerceptronClassifier(Perceptron):
    """A network with one or two hidden layers that gives the chance of each class."""

    name: ClassVar[str] = "perceptron_classifier"
    file_format: ClassVar[str] = "crossward/perceptron-classifier/1"
    has_classes: ClassVar[bool] = True

    def n_outputs(self, outcome: Feature) -> int:
        """Return the number of classes."""
        return len(outcome.classes)

    def outcome_mistake(self, outcome: Feature) -> str | None:
        """See ``Model``."""
        if outcome.is_constant:
            return "is constant: its domain has one value"
        return None if len(outcome.classes) >= BINARY else "must be categorical or boolean"

    def output(self, scores: Floats, target: Floats) -> tuple[Floats, Floats]:
        """See ``Perceptron``."""
        return class_residuals(scores, target)

    def predict(self, encoding: Encoding, parameters: Floats, matrix: Floats) -> Floats:
        """Return the chance of each class, shape ``(n, n_classes)``."""
        return chances_of(self.scores(encoding, parameters, matrix))


class PerceptronRegressor(Perceptron):
    """A network with one or two hidden layers that gives a number."""

    name: ClassVar[str] = "perceptron_regressor"
    file_format: ClassVar[str] = "crossward/perceptron-regressor/1"
    has_classes: ClassVar[bool] = False
    learning_rate: ClassVar[Fraction] = Fraction(1, 2)

    def n_outputs(self, outcome: Feature) -> int:
        """Return 1."""
        del outcome
        return 1

    def outcome_mistake(self, outcome: Feature) -> str | None:
        """See ``Model``."""
        return None if outcome.kind == NUMERIC else "must be numeric"

    def output(self, scores: Floats, target: Floats) -> tuple[Floats, Floats]:
        """See ``Perceptron``."""
        differences = np.clip(scores - target[:, None], -self.row_bound, self.row_bound)
        return differences, differences[:, 0] ** 2 / 2

    def predict(self, encoding: Encoding, parameters: Floats, matrix: Floats) -> Floats:
        """Return the number on the outcome's scale."""
        middle, half = scale_of(encoding.outcome)
        predicted: Floats = float(middle) + float(half) * self.scores(encoding, parameters, matrix)[:, 0]
        return predicted


def drawn_layer(n_inputs: int, n_outputs: int) -> list[int]:
    """Return a layer's first weights, within ``sqrt(6 / n_inputs)``, and its intercepts, 0, in units of ``2**-32``.

    Args:
        n_inputs: the intercept among them.
        n_outputs: of the layer.
    """
    n_weights = (n_inputs - 1) * n_outputs
    limit = math.isqrt((6 << 2 * MODEL_BITS) // max(1, n_inputs - 1))
    stream = hashlib.shake_256(_TAG + f"{n_inputs} {n_outputs}".encode()).digest(8 * n_weights)
    words: list[int] = np.frombuffer(stream, "<i8").tolist()
    return [*(word * limit >> 63 for word in words), *(0,) * n_outputs]


def with_intercept(values: Floats) -> Floats:
    """Return the values with a last column of 1."""
    return np.concatenate([values, np.ones((len(values), 1))], axis=1)


def _weighted(values: Floats, weights: Floats | Sequence[Floats]) -> Floats:
    """Return ``values @ weights``, added up term by term, so that a row's bits do not depend on its place."""
    found: Floats = np.zeros((len(values), np.shape(weights)[1]))
    for column, weight in zip(values.T, weights, strict=True):
        found += column[:, None] * weight
    return found

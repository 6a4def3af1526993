"""What a model is: its parameters, the vectors of its units, its predictions and its saved form.

Layer:       federation.training.models.base. Pure numpy.
Terms:       a *unit's vector* is the gradient of the loss over the unit's rows, before the clip; a model has
             ``size`` parameters, integers in units of ``2**-32``.
Guarantees:  the rest of training asks a model only what stands here, so that a new model is a new file and a line of
             the registry. Clip, grid, noise and charge are not a model's matter: whatever a model computes, one unit
             moves a site's sum by the clip at most.
See instead: how parameters move (``strategies``), the clip (``local_update``).
Source:      docs/guarantees.md P13.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from federation.training.encodings.features import Feature

if TYPE_CHECKING:
    from collections.abc import Mapping
    from fractions import Fraction

    from federation.training.encodings.features import Cases, Encoding, Floats
    from federation.training.options import Option, Value
    from federation.training.strategies.base import Strategy


@dataclass(frozen=True, slots=True)
class UnitVectors:
    """What the units of a site say about a point; ``repr`` shows nothing of it.

    Attributes:
        gradients: shape ``(n_units, sum_size)``.
        losses: shape ``(n_units,)``.
    """

    gradients: Floats
    losses: Floats

    def __repr__(self) -> str:
        return "UnitVectors()"


class Model(ABC):
    """One kind of model. It never changes, and one object serves every run.

    Attributes:
        name: in task files and requests.
        file_format: names the form of a saved model.
        has_classes: whether the outcome is one of several classes; otherwise it is a number.
        row_bound: most that one row adds to a coordinate of its unit's vector, a whole number; without a clip it
            bounds the sums.
        learning_rate: of a task that names none, and of every run without noise.
        has_deviance: whether its outcome is a count whose Poisson deviance an evaluation reports.
        may_exceed_rows: whether it may have more parameters than the tables may have rows.
        options: parameters of a task that this model alone knows.
        adaptive_rate: learning rate under a strategy that has a step of its own for each parameter; None for that
            strategy's.
        takes_pictures: whether its features are pictures; otherwise they are columns.
        outcome_kind: of a model of pictures: ``mask``, ``picture``, or ``class``.
        restores: whether it learns to give a picture back, so that the target is its feature.
    """

    name: ClassVar[str]
    file_format: ClassVar[str]
    has_classes: ClassVar[bool]
    row_bound: ClassVar[int] = 1
    learning_rate: ClassVar[Fraction]
    has_deviance: ClassVar[bool] = False
    may_exceed_rows: ClassVar[bool] = False
    options: ClassVar[Mapping[str, Option]] = {}
    adaptive_rate: ClassVar[Fraction | None] = None
    takes_pictures: ClassVar[bool] = False
    outcome_kind: ClassVar[str] = "class"
    restores: ClassVar[bool] = False

    def configured(self, options: Mapping[str, Value]) -> Model:
        """Return this model with the values of its options; itself where it has none."""
        del options
        return self

    def size(self, encoding: Encoding) -> int:
        """Return the number of parameters; the intercepts come last."""
        return encoding.width

    def sum_size(self, encoding: Encoding) -> int:
        """Return the numbers in a unit's vector; of a gradient as many as there are parameters."""
        return self.size(encoding)

    def own_strategy(self, encoding: Encoding) -> Strategy | None:
        """Return how an opened sum moves this model, where a step along a gradient does not; else None."""
        del encoding
        return None

    def n_intercepts(self, encoding: Encoding) -> int:
        """Return how many parameters at the end no penalty moves."""
        del encoding
        return 1

    def n_head(self, encoding: Encoding) -> int:
        """Return how many parameters at the end are the head: the last layer, or the intercepts."""
        return self.n_intercepts(encoding)

    def norms(self, encoding: Encoding) -> tuple[tuple[int, int], ...]:
        """Return where the intercepts of hidden layers and all normalisation stand: ranges of parameters; none by default."""
        del encoding
        return ()

    def initial(self, encoding: Encoding) -> tuple[int, ...]:
        """Return the first parameters: zero, or made from the sizes, so that no request chooses the first point (P16)."""
        return (0,) * self.size(encoding)

    @abstractmethod
    def outcome_mistake(self, outcome: Feature) -> str | None:
        """Say why this model cannot learn an outcome ("must be ..."); None where it can."""

    @abstractmethod
    def unit_vectors(self, cases: Cases, parameters: Floats) -> UnitVectors:
        """Return each unit's gradient and loss at a point.

        A unit's numbers have to be the same bits beside any other rows and in any order of its own (P13): no matrix
        product, no vector code for exponentials and logarithms, rows added up exactly.

        Args:
            cases: of one site, at least one unit.
            parameters: shape ``(size,)``.
        """

    @abstractmethod
    def predict(self, encoding: Encoding, parameters: Floats, matrix: Floats) -> Floats:
        """Predict; a row that is given by itself has the same bits at every call, since an evaluation counts it so.

        Args:
            encoding: of features and outcome.
            parameters: shape ``(size,)``.
            matrix: encoded rows, shape ``(n, width)``.

        Returns:
            Shape ``(n,)``: the chance of the second of two classes, or the outcome as a number on its own scale; or
            shape ``(n, n_classes)``: the chance of each class.
        """

    def check_site(self, encoding: Encoding) -> None:
        """Check that this site can compute the model, before it accepts a request.

        Raises:
            InvalidRequestError: it cannot.
        """
        del encoding

    def coefficients(self, encoding: Encoding, parameters: Floats) -> tuple[Floats, float | Floats] | None:
        """Return the weight of each encoded feature and the intercept, for a reader.

        Returns:
            Shape ``(width - 1,)`` and a number; with weights for each class ``(n_classes, width - 1)`` and
            ``(n_classes,)``. None where a feature has no weight of its own.
        """
        del encoding
        return parameters[:-1], float(parameters[-1])

    def outcome_to_dict(self, outcome: Feature) -> dict[str, Any]:
        """Return what a saved model says of its outcome."""
        return {"outcome": outcome.to_dict()}

    def outcome_from_dict(self, document: Mapping[str, Any]) -> Feature:
        """Read the outcome of a saved model.

        Raises:
            KeyError, TypeError, ValueError: the document is not a saved model of this kind.
        """
        outcome = Feature.from_dict(document["outcome"])
        mistake = self.outcome_mistake(outcome)
        if mistake is not None:
            raise ValueError(mistake)
        return outcome

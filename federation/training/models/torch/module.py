"""Any module of torch as a model: a registered architecture, whose parameters a request names; never code.

Layer:       federation.training.models.torch.module, above the models of numpy. Imports torch inside functions only, at a
             site that computes and where an analyst predicts; planning needs the shapes alone, so that clients, dealer,
             aggregator and key holder never load it.
Terms:       an *architecture* is a subclass: its ``shapes`` say in plain numbers what ``build`` gives as a module.
Guarantees:  a row's gradient is computed by itself, with the same shapes for every row, so that neither other rows nor
             their number have a part in it (P13); rows are added up as integers. A module that makes a row depend on
             other rows (batch normalisation), or that draws or remembers anything, is refused by every site before the
             charge. A row's part of a coordinate is cut at 64.
Cost:        about 1 ms a row and round: for tables of some thousand rows.
See instead: networks that need no torch (``perceptron``).
Source:      torch.func; docs/guarantees.md P13, P16.
"""

from __future__ import annotations

import importlib.util
import math
from abc import abstractmethod
from fractions import Fraction
from itertools import accumulate
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np

from analytics.errors import InvalidRequestError
from federation.training.encodings.features import BINARY, Cases, Encoding, Feature, Floats
from federation.training.models.base import Model, UnitVectors
from federation.training.models.generalized_linear import added_rows, unit_losses
from federation.training.models.multinomial_regression import chances_of
from federation.training.models.perceptron import drawn_layer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import torch

    from federation.training.options import Value

Shape = tuple[int, ...]
_ROW_BITS: Final = 6
_REFUSED: Final = ("Dropout", "AlphaDropout", "FeatureAlphaDropout", "RReLU")


class TorchClassifier(Model):
    """A module that gives a score for each class. A subclass is one architecture."""

    has_classes: ClassVar[bool] = True
    row_bound: ClassVar[int] = 1 << _ROW_BITS
    learning_rate: ClassVar[Fraction] = Fraction(1)
    may_exceed_rows: ClassVar[bool] = True

    def __init__(self, options: Mapping[str, Value] | None = None) -> None:
        """Take the values of the architecture's options; their defaults where none are given."""
        defaults = {name: option.default for name, option in self.options.items()}
        self.values: Mapping[str, Value] = options or defaults

    def configured(self, options: Mapping[str, Value]) -> Model:
        """Return the architecture with these options."""
        return type(self)({name: options[name] for name in self.options})

    @abstractmethod
    def shapes(self, n_inputs: int, n_outputs: int) -> Sequence[Shape]:
        """Return the shapes of the module's parameters, in its own order, the output's intercepts last.

        Args:
            n_inputs: encoded features, without an intercept.
            n_outputs: classes.
        """

    @abstractmethod
    def build(self, n_inputs: int, n_outputs: int) -> torch.nn.Module:
        """Return the module; it takes ``(n, n_inputs)`` and gives ``(n, n_outputs)``."""

    def size(self, encoding: Encoding) -> int:
        """Return the number of entries of all parameters."""
        return sum(math.prod(shape) for shape in self._shapes(encoding))

    def n_intercepts(self, encoding: Encoding) -> int:
        """Return the number of the output's intercepts."""
        return len(encoding.outcome.classes)

    def n_head(self, encoding: Encoding) -> int:
        """Return the size of the last two parameters, the output's weights and intercepts."""
        return sum(math.prod(shape) for shape in self._shapes(encoding)[-BINARY:])

    def norms(self, encoding: Encoding) -> tuple[tuple[int, int], ...]:
        """Return where the parameters of one dimension stand that are not the head's: intercepts and normalisation."""
        shapes = self._shapes(encoding)
        ends = accumulate(map(math.prod, shapes))
        placed = list(zip(shapes, ends, strict=True))[:-BINARY]
        return tuple((end - shape[0], end) for shape, end in placed if len(shape) < BINARY)

    def initial(self, encoding: Encoding) -> tuple[int, ...]:
        """Return the first parameters, the same in every run of these shapes; the output's weights are 0."""
        found: list[int] = []
        shapes = self._shapes(encoding)
        for place, shape in enumerate(shapes):
            if len(shape) < BINARY or place >= len(shapes) - BINARY:
                found += [0] * math.prod(shape)
            else:
                n_inputs = math.prod(shape[1:])
                found += drawn_layer(n_inputs + 1, shape[0])[: n_inputs * shape[0]]
        return tuple(found)

    def outcome_mistake(self, outcome: Feature) -> str | None:
        """See ``Model``."""
        if outcome.is_constant:
            return "is constant: its domain has one value"
        return None if len(outcome.classes) >= BINARY else "must be categorical or boolean"

    def coefficients(self, encoding: Encoding, parameters: Floats) -> None:
        """A network has no weight of a feature."""

    def check_site(self, encoding: Encoding) -> None:
        """Check torch, and that the module is what its shapes say and treats every row by itself.

        Raises:
            InvalidRequestError: it cannot be computed, or is not allowed.
        """
        if importlib.util.find_spec("torch") is None:
            raise InvalidRequestError(
                parameter="model", reason="needs torch, which this site has not installed"
            )
        self._built(encoding.width - 1, len(encoding.outcome.classes))

    def unit_vectors(self, cases: Cases, parameters: Floats) -> UnitVectors:
        """See ``Model``."""
        import torch

        module = self._built(cases.matrix.shape[1] - 1, self._n_outputs(cases, parameters))
        own = filled(module, parameters)

        def loss_of(values: dict[str, torch.Tensor], row: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
            scores = torch.func.functional_call(module, values, (row,))
            return torch.nn.functional.cross_entropy(scores, target)

        slope: Callable[..., Any] = torch.func.grad_and_value(loss_of)
        rows, losses = np.zeros((len(cases.target), len(parameters))), np.zeros(len(cases.target))
        # one row at a time: a batch is multiplied in blocks, whose order of adding up depends on its size
        for place, (row, target) in enumerate(zip(cases.matrix[:, :-1], cases.target, strict=True)):
            found, loss = slope(own, torch.tensor(row[None, :]), torch.tensor([int(target)]))
            rows[place] = np.concatenate([part.numpy().ravel() for part in found.values()])
            losses[place] = float(loss)
        rows = np.clip(np.nan_to_num(rows), -self.row_bound, self.row_bound)
        losses = np.nan_to_num(losses, nan=0.0, posinf=0.0, neginf=0.0)
        gradients = added_rows(rows, cases.starts, bits=_ROW_BITS)
        return UnitVectors(gradients=gradients, losses=unit_losses(losses, cases.starts))

    def predict(self, encoding: Encoding, parameters: Floats, matrix: Floats) -> Floats:
        """Return the chance of each class, shape ``(n, n_classes)``.

        Raises:
            InvalidRequestError: torch is not installed here.
        """
        self.check_site(encoding)
        import torch

        module = self._built(encoding.width - 1, len(encoding.outcome.classes))
        with torch.no_grad():
            inputs = (torch.tensor(matrix[:, :-1]),)
            scores = torch.func.functional_call(module, filled(module, parameters), inputs)
        return chances_of(scores.numpy())

    def _shapes(self, encoding: Encoding) -> Sequence[Shape]:
        return self.shapes(encoding.width - 1, len(encoding.outcome.classes))

    def _n_outputs(self, cases: Cases, parameters: Floats) -> int:
        """Return the number of classes at which the shapes have as many entries as there are parameters."""
        n_inputs, n_outputs = cases.matrix.shape[1] - 1, BINARY
        while sum(map(math.prod, self.shapes(n_inputs, n_outputs))) < len(parameters):
            n_outputs += 1
        return n_outputs

    def _built(self, n_inputs: int, n_outputs: int) -> torch.nn.Module:
        module = self.build(n_inputs, n_outputs).double().eval()
        if reason := mistake_of(module, self.shapes(n_inputs, n_outputs)):
            raise InvalidRequestError(parameter="model", reason=reason)
        return module


def mistake_of(module: torch.nn.Module, shapes: Sequence[Shape]) -> str | None:
    """Say why a module cannot be trained; None where it can."""
    kinds = {type(part).__name__ for part in module.modules()}
    if any("BatchNorm" in kind for kind in kinds):
        return "has batch normalisation, which makes one person's gradient depend on others"
    if any(kind.startswith(_REFUSED) for kind in kinds):
        return "draws random numbers"
    if any(True for _ in module.buffers()):
        return "keeps numbers beside its parameters"
    if [tuple(part.shape) for part in module.parameters()] != [tuple(shape) for shape in shapes]:
        return "has other parameters than its shapes say"
    return None


def filled(
    module: torch.nn.Module, parameters: Floats, dtype: torch.dtype | None = None
) -> dict[str, torch.Tensor]:
    """Return a module's parameters by name, with these values; in double precision where no other is named."""
    import torch

    values, begin = {}, 0
    for name, part in module.named_parameters():
        end = begin + part.numel()
        values[name] = torch.tensor(parameters[begin:end], dtype=dtype).reshape(part.shape)
        begin = end
    return values

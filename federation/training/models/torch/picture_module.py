"""Modules of torch over pictures: a registered architecture whose parameters a request names; never code.

Layer:       federation.training.models.torch.picture_module, above models.base. Imports torch inside functions only.
Shapes:      a picture float32 ``(channels, *size)`` in [0, 1]; a mask ``size``; scores ``(1, n_outputs, *size)`` or
             ``(1, n_outputs)``.
Guarantees:  each picture's gradient is computed by itself, from that picture and the public parameters alone; so are the
             turns and the noise that it is shown with, whose seed is made of both. The pictures of a patient are added up
             as integers before the clip. Nothing in a module depends on other pictures (``module.mistake_of``).
Cost:        about three times a plain batch on a processor; measured in docs/measurements.md.
Source:      docs/guarantees.md P13, P16.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import math
from abc import abstractmethod
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from analytics.errors import InvalidRequestError
from federation.training.encodings.features import BINARY, Cases, Encoding, Feature, Floats
from federation.training.encodings.picture_features import pictures_of
from federation.training.models.base import Model, UnitVectors
from federation.training.models.generalized_linear import added_rows, unit_losses
from federation.training.models.perceptron import drawn_layer
from federation.training.models.torch.module import filled, mistake_of
from federation.training.options import Option

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy.typing as npt
    import torch

    from federation.training.options import Value

Shape = tuple[int, ...]
_ROW_BITS: Final = 6
TURNS: Final = 8
_SEED_TAG: Final = b"crossward/picture-seed/1\n"
AUGMENT: Final[Mapping[str, Option]] = {"augment": Option(default=1, lowest=0, highest=1)}


class PictureModule(Model):
    """A module over pictures. A subclass is one architecture."""

    has_classes: ClassVar[bool] = True
    takes_pictures: ClassVar[bool] = True
    row_bound: ClassVar[int] = 1 << _ROW_BITS
    learning_rate: ClassVar[Fraction] = Fraction(1)
    adaptive_rate: ClassVar[Fraction | None] = Fraction(1, 100)
    may_exceed_rows: ClassVar[bool] = True
    averages_turns: ClassVar[bool] = False

    def __init__(self, options: Mapping[str, Value] | None = None) -> None:
        """Take the values of the architecture's options; their defaults where none are given."""
        defaults = {name: option.default for name, option in self.options.items()}
        self.chosen: Mapping[str, Value] = options or defaults

    def configured(self, options: Mapping[str, Value]) -> Model:
        """Return the architecture with these options."""
        return type(self)({name: options[name] for name in self.options})

    @abstractmethod
    def shapes(self, n_channels: int, n_outputs: int, n_axes: int) -> Sequence[Shape]:
        """Return the shapes of the module's parameters, in its own order, the output's weights and intercepts last.

        Args:
            n_channels: of a picture.
            n_outputs: classes, or channels of the picture that is made.
            n_axes: 2 or 3.
        """

    @abstractmethod
    def build(self, n_channels: int, n_outputs: int, n_axes: int) -> torch.nn.Module:
        """Return the module; it takes ``(n, n_channels, *size)``."""

    @abstractmethod
    def loss(self, scores: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return the loss of one picture, a number.

        Args:
            scores: what the module gives, shape ``(1, n_outputs, ...)``.
            target: shape ``()``, ``size`` or ``(channels, *size)``.
        """

    def shown(
        self, picture: torch.Tensor, target: torch.Tensor, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return picture and target as the module learns from them; here turned alike.

        Args:
            picture: shape ``(channels, *size)``.
            target: as for ``loss``.
            generator: seeded from the picture and the parameters.
        """
        return turned(picture, target, generator) if self.chosen.get("augment") else (picture, target)

    def size(self, encoding: Encoding) -> int:
        """Return the number of entries of all parameters."""
        return sum(math.prod(shape) for shape in self._shapes(encoding))

    def n_intercepts(self, encoding: Encoding) -> int:
        """Return the number of the output's intercepts."""
        return math.prod(self._shapes(encoding)[-1])

    def n_head(self, encoding: Encoding) -> int:
        """Return the size of the output's weights and intercepts."""
        return sum(math.prod(shape) for shape in self._shapes(encoding)[-BINARY:])

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
        if outcome.kind != self.outcome_kind:
            return f"must be a {self.outcome_kind} of the table's pictures"
        return None

    def coefficients(self, encoding: Encoding, parameters: Floats) -> None:
        """A network has no weight of a feature."""

    def check_site(self, encoding: Encoding) -> None:
        """Check torch, and that the module is what its shapes say and treats every picture by itself.

        Raises:
            InvalidRequestError: it cannot be computed, or is not allowed.
        """
        if importlib.util.find_spec("torch") is None:
            reason = "needs torch, which this site has not installed"
            raise InvalidRequestError(parameter="model", reason=reason)
        import torch

        module = self._built(*_sizes(encoding))
        pictures = pictures_of(encoding)
        try:
            with torch.no_grad():
                module(torch.zeros(1, pictures.n_channels, *pictures.size))
        except RuntimeError as error:
            sides = " x ".join(map(str, pictures.size))
            reason = f"cannot compute pictures of {sides} pixels: they are too small for so many levels"
            raise InvalidRequestError(parameter="model", reason=reason) from error

    def unit_vectors(self, cases: Cases, parameters: Floats) -> UnitVectors:
        """See ``Model``; ``cases.matrix`` holds the pictures, ``(n, channels, *size)``."""
        import torch

        n_channels, n_axes = cases.matrix.shape[1], cases.matrix.ndim - BINARY
        module = self._built(n_channels, self._n_outputs(n_channels, n_axes, len(parameters)), n_axes)
        own = {
            name: part.requires_grad_() for name, part in filled(module, parameters, torch.float32).items()
        }
        public = hashlib.sha256(parameters.tobytes()).digest()
        rows, losses = np.zeros((len(cases.target), len(parameters)), np.float32), np.zeros(len(cases.target))
        with one_thread():
            for place in range(len(cases.target)):
                picture, target = torch.from_numpy(cases.matrix[place]), torch.as_tensor(cases.target[place])
                generator = torch.Generator().manual_seed(_seed(public, cases.matrix[place]))
                picture, target = self.shown(picture.float(), target, generator)
                loss = self.loss(torch.func.functional_call(module, own, (picture[None],)), target)
                parts = torch.autograd.grad(loss, list(own.values()))
                rows[place] = torch.cat([part.flatten() for part in parts]).numpy()
                losses[place] = float(loss.detach())
        return self._added(rows, losses, cases.starts)

    def _added(
        self, rows: npt.NDArray[np.float32], losses: Floats, starts: npt.NDArray[np.intp]
    ) -> UnitVectors:
        whole = np.clip(np.nan_to_num(rows.astype(np.float64)), -self.row_bound, self.row_bound)
        kept = np.nan_to_num(losses, nan=0.0, posinf=0.0, neginf=0.0)
        return UnitVectors(
            gradients=added_rows(whole, starts, bits=_ROW_BITS), losses=unit_losses(kept, starts)
        )

    def predict(self, encoding: Encoding, parameters: Floats, matrix: Floats) -> Floats:
        """Return what the module gives for each picture, one at a time, float32 ``(n, n_outputs, ...)``.

        Raises:
            InvalidRequestError: torch is not installed here.
        """
        self.check_site(encoding)
        import torch

        module = self._built(*_sizes(encoding))
        own = filled(module, parameters, torch.float32)
        found = []
        with one_thread(), torch.no_grad():
            for picture in matrix:
                inputs = torch.as_tensor(np.ascontiguousarray(picture), dtype=torch.float32)[None]
                scores = [
                    unturned(torch.func.functional_call(module, own, (turn(inputs, choice),)), choice)
                    for choice in self._views(inputs)
                ]
                found.append(self.given(torch.stack(scores).mean(dim=0), inputs).numpy()[0])
        return np.stack(found) if found else np.zeros((0, pictures_of(encoding).n_outputs))

    def _views(self, inputs: torch.Tensor) -> range:
        """Turns over which a prediction is the mean."""
        if not (self.averages_turns and self.chosen.get("augment")):
            return range(1)
        return range(TURNS if inputs.shape[-1] == inputs.shape[-2] else TURNS // 2)

    def given(self, scores: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
        """Return the prediction behind the scores; here the chance of each class."""
        del inputs
        return scores.softmax(dim=1)

    def _shapes(self, encoding: Encoding) -> Sequence[Shape]:
        return self.shapes(*_sizes(encoding))

    def _n_outputs(self, n_channels: int, n_axes: int, n_parameters: int) -> int:
        """Return the number of outputs at which the shapes have as many entries as there are parameters."""
        n_outputs = 1
        while sum(map(math.prod, self.shapes(n_channels, n_outputs, n_axes))) < n_parameters:
            n_outputs += 1
        return n_outputs

    def _built(self, n_channels: int, n_outputs: int, n_axes: int) -> torch.nn.Module:
        module = self.build(n_channels, n_outputs, n_axes).float().eval()
        if reason := mistake_of(module, self.shapes(n_channels, n_outputs, n_axes)):
            raise InvalidRequestError(parameter="model", reason=reason)
        return module


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Have torch compute in the calling thread alone.

    One small picture is too little for several: beside other work they wait for each other at every layer, at many
    times the cost. Sites of one process each have a thread of their own anyway.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def turned(
    picture: torch.Tensor, target: torch.Tensor, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Turn and mirror a picture and its target alike, in the plane of its last two axes.

    Args:
        picture: shape ``(channels, *size)``.
        target: a picture, a mask, or a number, which stays.
        generator: of the choice.
    """
    import torch

    choice = int(torch.randint(0, 8, (), generator=generator))
    if choice >= TURNS // 2 and picture.shape[-1] != picture.shape[-2]:
        choice -= TURNS // 2
    return turn(picture, choice), turn(target, choice) if target.ndim else target


def turn(values: torch.Tensor, choice: int) -> torch.Tensor:
    """Mirror along the last two axes, then, from 4 on, exchange them; ``unturned`` is the way back."""
    found = values.flip([axis for bit, axis in ((1, -1), (2, -2)) if choice & bit])
    return found.transpose(-1, -2) if choice >= TURNS // 2 else found


def unturned(values: torch.Tensor, choice: int) -> torch.Tensor:
    """Undo ``turn``."""
    found = values.transpose(-1, -2) if choice >= TURNS // 2 else values
    return found.flip([axis for bit, axis in ((1, -1), (2, -2)) if choice & bit])


def _sizes(encoding: Encoding) -> tuple[int, int, int]:
    pictures = pictures_of(encoding)
    return pictures.n_channels, pictures.n_outputs, len(pictures.size)


def _seed(public: bytes, picture: npt.NDArray[np.float64]) -> int:
    digest = hashlib.sha256(_SEED_TAG + public + np.ascontiguousarray(picture).tobytes()).digest()
    return int.from_bytes(digest[:7], "big")

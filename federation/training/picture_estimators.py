"""Models of pictures with the habits of scikit-learn: classifiers, segmenters, enhancers.

Layer:       federation.training.picture_estimators, above estimators.
Shapes:      pictures in their files' own unit, ``(n, *size)`` or ``(n, channels, *size)``; they are brought to the window of
             the schema as at the sites.
See instead: the figures (``picture_scores``), the models (``models.torch``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from analytics.errors import InvalidRequestError
from federation.training.encodings.picture_features import PictureEncoding, pictures_of
from federation.training.fitted_model import FederatedModel
from federation.training.optimizer import floats_of
from federation.training.picture_scores import MaskScores, mask_scores, psnr, ssim
from federation.training.scores import accuracy

if TYPE_CHECKING:
    from collections.abc import Sequence


Pictures = npt.NDArray[Any]


class FederatedPictureModel(FederatedModel):
    """A model of pictures."""

    def prepared(self, pictures: Pictures) -> npt.NDArray[np.float32]:
        """Bring pictures to the form in which the model was trained, float32 ``(n, channels, *size)`` in [0, 1].

        Raises:
            InvalidRequestError: not fitted, or another shape.
        """
        return windowed(pictures, self._pictures())

    def predict(self, frame: Any) -> npt.NDArray[Any]:
        """Return what the model gives for each picture, float32 ``(n, n_outputs, ...)``.

        Args:
            frame: pictures.

        Raises:
            InvalidRequestError: not fitted, or pictures of another shape.
        """
        return self._predicted(self.prepared(frame))

    def _predicted(self, prepared: npt.NDArray[np.float32]) -> npt.NDArray[Any]:
        matrix: Any = prepared
        return self._model().predict(self._pictures(), floats_of(self._parameters), matrix)

    def _pictures(self) -> PictureEncoding:
        return pictures_of(self._fitted())


class FederatedPictureClassifier(FederatedPictureModel):
    """The class of a picture. After ``fit`` also ``classes_``."""

    model_name = "picture_classifier"

    @property
    def classes_(self) -> npt.NDArray[Any]:
        """The outcome's classes."""
        return np.array(self._fitted().outcome.classes)

    def predict_proba(self, frame: Pictures) -> npt.NDArray[np.float64]:
        """Return the chance of each class, shape ``(n, n_classes)``; errors as ``predict``."""
        return np.asarray(super().predict(frame), np.float64)

    def predict(self, frame: Any) -> npt.NDArray[Any]:
        """Return the likeliest class of each picture, shape ``(n,)``."""
        found: npt.NDArray[Any] = self.classes_[self.predict_proba(frame).argmax(axis=1)]
        return found

    def score(self, frame: Pictures, target: Sequence[Any]) -> float:
        """Return the accuracy on pictures of the caller's own."""
        return accuracy(self.predict(frame), target, self._fitted().outcome.classes)


class FederatedSegmenter(FederatedPictureModel):
    """The class of each pixel."""

    def predict_proba(self, frame: Pictures) -> npt.NDArray[np.float64]:
        """Return the chance of each class at each pixel, shape ``(n, n_classes, *size)``; errors as ``predict``."""
        return np.asarray(super().predict(frame), np.float64)

    def predict(self, frame: Any) -> npt.NDArray[Any]:
        """Return the likeliest class of each pixel, uint8 ``(n, *size)``."""
        return np.asarray(self.predict_proba(frame).argmax(axis=1), np.uint8)

    def scores(
        self, frame: Pictures, target: Pictures, *, spacing: Sequence[float] | None = None
    ) -> MaskScores:
        """Return Dice, distance, sensitivity and specificity of each class on pictures of the caller's own.

        Args:
            frame: pictures.
            target: their true masks, ``(n, *size)``.
            spacing: mm between pixels.
        """
        return mask_scores(
            self.predict(frame), np.asarray(target), self._fitted().outcome.domain_names, spacing=spacing
        )

    def score(self, frame: Pictures, target: Pictures) -> float:
        """Return the mean Dice over classes."""
        return self.scores(frame, target).mean_dice


class FederatedEnhancer(FederatedPictureModel):
    """A better picture from a worse one."""

    def predict(self, frame: Any) -> npt.NDArray[Any]:
        """Return the enhanced pictures in the window's [0, 1], float32 ``(n, channels, *size)``."""
        return super().predict(frame)

    def score(self, frame: Pictures, target: Pictures) -> float:
        """Return the peak signal-to-noise ratio in dB over the window.

        Args:
            frame: pictures with noise.
            target: the clean ones.
        """
        return psnr(self.predict(frame).astype(np.float64), self.prepared(target).astype(np.float64))

    def similarity(self, frame: Pictures, target: Pictures) -> float:
        """Return the structural similarity; arguments as ``score``."""
        return ssim(self.predict(frame).astype(np.float64), self.prepared(target).astype(np.float64))


def base_of(outcome: str) -> type[FederatedPictureModel]:
    """Return the class that fits models with an outcome of this kind: ``mask``, ``picture``, or a class."""
    return {"mask": FederatedSegmenter, "picture": FederatedEnhancer}.get(outcome, FederatedPictureClassifier)


def windowed(pictures: Pictures, encoding: PictureEncoding) -> npt.NDArray[np.float32]:
    """Bring arrays to the window of the schema.

    Args:
        pictures: shape ``(n, *size)`` for one channel, or ``(n, channels, *size)``.
        encoding: of the model.

    Raises:
        InvalidRequestError: another shape, or values that are not finite.
    """
    array = np.asarray(pictures, np.float32)
    array = array[:, None] if array.ndim == 1 + len(encoding.size) else array
    if array.shape[1:] != (encoding.n_channels, *encoding.size) or not np.isfinite(array).all():
        shape = " x ".join(map(str, (encoding.n_channels, *encoding.size)))
        raise InvalidRequestError(
            parameter="frame", reason=f"must be finite pictures of the shape n x {shape}"
        )
    ends = [end for picture in encoding.pictures for end in picture.windows]
    return np.stack([_cut(array[:, place], end) for place, end in enumerate(ends)], axis=1)


def _cut(values: npt.NDArray[np.float32], ends: tuple[Any, Any]) -> npt.NDArray[np.float32]:
    low, high = np.float32(float(ends[0])), np.float32(float(ends[1]))
    return np.asarray(np.clip((values - low) / (high - low), 0.0, 1.0), np.float32)

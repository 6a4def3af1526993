"""How well pictures and masks are made, on the caller's own.

Layer:       federation.training.picture_scores. numpy, and scipy for distances.
Guarantees:  a class that neither truth nor prediction has, and a picture whose truth lacks it, have no Dice: no value, and no
             part in a mean.
Source:      Dice, Ecology 26, 297, 1945; Taha and Hanbury, BMC Medical Imaging 15, 29, 2015 (Hausdorff, 95 %); Wang and
             others, IEEE Transactions on Image Processing 13, 600, 2004 (structural similarity, windows of 7 pixels).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from analytics.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Sequence

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[Any]
_WINDOW: Final = 7
_C1, _C2 = 0.01**2, 0.03**2
_PERCENT: Final = 95


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskScores:
    """Figures of each class but the background, over some masks.

    Attributes:
        classes: their names.
        dice: mean over the pictures whose truth has the class; NaN where none has.
        hausdorff95: pixels, or mm where a spacing was given, likewise.
        sensitivity: of pixels, all pictures together.
        specificity: likewise.
        n: pictures whose truth has the class.
    """

    classes: tuple[str, ...]
    dice: Floats
    hausdorff95: Floats
    sensitivity: Floats
    specificity: Floats
    n: npt.NDArray[np.int64]

    @property
    def mean_dice(self) -> float:
        """The mean over classes that have a value; NaN where none has."""
        known = self.dice[np.isfinite(self.dice)]
        return float(known.mean()) if len(known) else float("nan")


def mask_scores(
    predicted: Mask, truth: Mask, classes: Sequence[str], *, spacing: Sequence[float] | None = None
) -> MaskScores:
    """Compare masks.

    Args:
        predicted: numbers of classes, shape ``(n, *size)``.
        truth: likewise.
        classes: names, the background first.
        spacing: mm between pixels.

    Raises:
        InvalidRequestError: shapes differ.
    """
    if predicted.shape != truth.shape:
        raise InvalidRequestError(parameter="truth", reason="must have the shape of the predicted masks")
    numbers = range(1, len(classes))
    rows = [_class_scores(predicted == number, truth == number, spacing) for number in numbers]
    dice, distance, sensitivity, specificity, n = (np.array(column) for column in zip(*rows, strict=True))
    return MaskScores(
        classes=tuple(classes[1:]),
        dice=dice,
        hausdorff95=distance,
        sensitivity=sensitivity,
        specificity=specificity,
        n=n.astype(np.int64),
    )


def dice_of(predicted: npt.NDArray[np.bool_], truth: npt.NDArray[np.bool_]) -> float:
    """Return the Dice of one picture's class; NaN where the truth lacks it."""
    if not truth.any():
        return float("nan")
    return float(2 * (predicted & truth).sum() / (predicted.sum() + truth.sum()))


def hausdorff95(
    predicted: npt.NDArray[np.bool_], truth: npt.NDArray[np.bool_], spacing: Sequence[float] | None = None
) -> float:
    """Return the 95th percentile of the distances between two outlines; NaN where one of them is empty."""
    from scipy import ndimage

    if not predicted.any() or not truth.any():
        return float("nan")
    edges = [each & ~ndimage.binary_erosion(each) for each in (predicted, truth)]
    far = [ndimage.distance_transform_edt(~edge, sampling=spacing) for edge in edges]
    distances = np.concatenate([far[1][edges[0]], far[0][edges[1]]])
    return float(np.percentile(distances, _PERCENT))


def psnr(made: Floats, wanted: Floats) -> float:
    """Return the peak signal-to-noise ratio in dB of pictures in [0, 1], the mean over pictures; shape ``(n, ...)``."""
    errors = ((made - wanted) ** 2).reshape(len(wanted), -1).mean(axis=1)
    with np.errstate(divide="ignore"):
        return float((-10 * np.log10(errors)).mean())


def ssim(made: Floats, wanted: Floats) -> float:
    """Return the structural similarity of pictures in [0, 1], the mean over pictures.

    Args:
        made: shape ``(n, channels, *size)``.
        wanted: likewise.
    """
    return float(
        np.mean(
            [
                _similarity(a, b)
                for one, two in zip(made, wanted, strict=True)
                for a, b in zip(one, two, strict=True)
            ]
        )
    )


def _similarity(made: Floats, wanted: Floats) -> float:
    side = min(_WINDOW, *made.shape)
    axes = tuple(range(made.ndim, 2 * made.ndim))

    def mean(values: Floats) -> Floats:
        windows = np.lib.stride_tricks.sliding_window_view(values, (side,) * made.ndim)
        found: Floats = windows.mean(axis=axes)
        return found

    made, wanted = made.astype(np.float64), wanted.astype(np.float64)
    first, second = mean(made), mean(wanted)
    variances = mean(made**2) - first**2 + mean(wanted**2) - second**2
    together = mean(made * wanted) - first * second
    top = (2 * first * second + _C1) * (2 * together + _C2)
    return float((top / ((first**2 + second**2 + _C1) * (variances + _C2))).mean())


def _class_scores(
    predicted: npt.NDArray[np.bool_], truth: npt.NDArray[np.bool_], spacing: Sequence[float] | None
) -> tuple[float, float, float, float, int]:
    pairs = list(zip(predicted, truth, strict=True))
    is_there = truth.reshape(len(truth), -1).any(axis=1)
    dice = _mean([dice_of(one, two) for one, two in pairs])
    distance = _mean([hausdorff95(one, two, spacing) for one, two in pairs])
    hit, silent = float((predicted & truth).sum()), float((~predicted & ~truth).sum())
    return dice, distance, _part(hit, truth.sum()), _part(silent, (~truth).sum()), int(is_there.sum())


def _mean(values: list[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")


def _part(part: float, whole: float) -> float:
    return part / float(whole) if whole else float("nan")

"""Pictures in DICOM files: values in their unit, spacing, place in the patient.

Layer:       analytics.sources.images above raster. A series of files is ``dicom_series``.
Guarantees:  the rescale of the header is applied, slope or intercept alone too; an inverted grey scale (MONOCHROME1) is
             turned; frames of one file are ordered by their places, not by their numbers. A spacing on the detector is not
             taken for one in the patient. No text of the header enters a picture or a message.
Source:      DICOM PS3.3 C.7.6.2, C.7.6.3, C.7.6.16, C.11.1; pydicom.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from analytics.sources.images.raster import PictureError, Pixels, Raster

if TYPE_CHECKING:
    from pathlib import Path

SUFFIXES: Final = (".dcm", ".dicom")
_GREY: Final = ("MONOCHROME1", "MONOCHROME2")
_COLOUR: Final = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT", "PALETTE COLOR")
_SAME: Final = 1e-3
_STACK_AXES: Final = 4
_GREY_AXES: Final = 3

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One slice and where it lies; ``repr`` shows nothing of it.

    Attributes:
        pixels: shape ``(rows, columns, channels)``.
        spacing: mm between rows and between columns; None: the header does not say it.
        corner: a patient's coordinates of the first pixel, mm; None: the header does not say it.
        axes: directions of rows and columns, six numbers; None likewise.
    """

    pixels: Pixels
    spacing: tuple[float, float] | None
    corner: Numbers | None
    axes: Numbers | None

    def __repr__(self) -> str:
        return "Frame()"


def read_header(path: Path) -> Any:
    """Read a file's data set.

    Raises:
        PictureError: it is no DICOM file.
    """
    import pydicom
    from pydicom.errors import InvalidDicomError

    try:
        return pydicom.dcmread(path)
    except (OSError, InvalidDicomError, EOFError, ValueError, AttributeError, KeyError) as error:
        reason = "is broken, or no DICOM file"
        raise PictureError(reason) from error


def frames_of(dataset: Any) -> list[Frame]:
    """Return the slices of one file, in the file's order.

    Raises:
        PictureError: it has no picture, or one that cannot be read here.
    """
    values = _values(dataset)
    groups = list(getattr(dataset, "PerFrameFunctionalGroupsSequence", []) or [])
    shared = list(getattr(dataset, "SharedFunctionalGroupsSequence", []) or [])
    if groups and len(groups) != len(values):
        reason = "has another number of frames than descriptions of them"
        raise PictureError(reason)
    frames = []
    for place, pixels in enumerate(values):
        facts = _Facts(dataset, shared[0] if shared else None, groups[place] if groups else None)
        frames.append(
            Frame(
                pixels=_rescaled(pixels, facts),
                spacing=_spacing(facts),
                corner=facts.numbers("PlanePositionSequence", "ImagePositionPatient", 3),
                axes=facts.numbers("PlaneOrientationSequence", "ImageOrientationPatient", 6),
            )
        )
    return frames


def stack_of(frames: list[Frame]) -> Raster:
    """Put slices over each other by their places in the patient.

    Raises:
        PictureError: slices of several sizes or directions, two at one place, or one that is missing.
    """
    if len(frames) == 1:
        only = frames[0]
        return Raster(pixels=only.pixels, spacing=only.spacing, places=_places(only, ()))
    if len({frame.pixels.shape for frame in frames}) > 1:
        reason = "has slices of different sizes"
        raise PictureError(reason)
    if any(frame.corner is None or frame.axes is None for frame in frames):
        reason = "has slices whose header does not say where they lie"
        raise PictureError(reason)
    axes = np.asarray(frames[0].axes)
    if any(not np.allclose(np.asarray(frame.axes), axes, atol=_SAME) for frame in frames):
        reason = "has slices of different directions: several series are in one folder"
        raise PictureError(reason)
    normal = np.cross(axes[:3], axes[3:])
    heights = np.array([float(np.dot(np.asarray(frame.corner), normal)) for frame in frames])
    order = np.argsort(heights, kind="stable")
    step = _step(heights[order])
    kept = [frames[place] for place in order]
    flat = kept[0].spacing
    return Raster(
        pixels=np.stack([frame.pixels for frame in kept]),
        spacing=None if flat is None else (step, *flat),
        places=_places(kept[0], (step,)),
    )


def _step(heights: Numbers) -> float:
    """The distance between slices; the header's thickness of a slice says another thing."""
    gaps = np.diff(heights)
    if (gaps < _SAME).any():
        reason = "has two slices at one place"
        raise PictureError(reason)
    usual = float(np.median(gaps))
    if (gaps > usual * 1.5).any():
        reason = (
            f"lacks a slice: {int((gaps > usual * 1.5).sum())} of {len(gaps)} gaps are wider than the others"
        )
        raise PictureError(reason)
    if not np.allclose(gaps, usual, rtol=0.05):
        reason = "has slices at unequal distances"
        raise PictureError(reason)
    return usual


def _places(frame: Frame, more: tuple[float, ...]) -> tuple[float, ...] | None:
    if frame.corner is None or frame.axes is None:
        return None
    return (*frame.corner.tolist(), *frame.axes.tolist(), *(frame.spacing or ()), *more)


class _Facts:
    """What a header says of one frame: in the frame's own part, the shared part, or the data set."""

    def __init__(self, dataset: Any, shared: Any, own: Any) -> None:
        self._parts = [part for part in (own, shared) if part is not None]
        self._dataset = dataset

    def get(self, sequence: str, name: str) -> Any:
        """The value of an attribute; None where there is none."""
        for part in self._parts:
            items = getattr(part, sequence, None)
            if items and getattr(items[0], name, None) is not None:
                return getattr(items[0], name)
        return getattr(self._dataset, name, None)

    def has(self, name: str) -> bool:
        """Whether the data set names an attribute, perhaps without a value."""
        return name in self._dataset

    def numbers(self, sequence: str, name: str, count: int) -> Numbers | None:
        """A list of numbers; None where there is none."""
        value = self.get(sequence, name)
        if value is None or value == "":
            return None
        try:
            numbers = np.array([float(each) for each in value])
        except (TypeError, ValueError) as error:
            raise PictureError(_NO_NUMBER) from error
        if len(numbers) != count or not np.isfinite(numbers).all():
            raise PictureError(_NO_NUMBER)
        return numbers

    def number(self, sequence: str, name: str) -> float | None:
        """A number; None where there is none; an empty one is refused, since it is not known what was meant."""
        value = self.get(sequence, name)
        if value is None and not self.has(name):
            return None
        try:
            number = float(value)
        except (TypeError, ValueError) as error:
            raise PictureError(_NO_NUMBER) from error
        if not np.isfinite(number):
            raise PictureError(_NO_NUMBER)
        return number


_NO_NUMBER: Final = "has a header whose place, spacing or rescale is no number"


def _values(dataset: Any) -> Pixels:
    """Stored values, shape ``(frames, rows, columns, channels)``."""
    kind = str(getattr(dataset, "PhotometricInterpretation", "") or "")
    if kind not in (*_GREY, *_COLOUR):
        reason = "has no picture, or one whose colours are not described"
        raise PictureError(reason)
    try:
        array = np.asarray(dataset.pixel_array)
        if kind == "PALETTE COLOR":
            from pydicom.pixels.processing import apply_color_lut

            array = np.asarray(apply_color_lut(array, dataset))
    except Exception as error:
        reason = "has pixels that cannot be decoded here: they are broken, or packed in a way that is not installed"
        raise PictureError(reason) from error
    n_frames = int(getattr(dataset, "NumberOfFrames", 1) or 1)
    array = array if n_frames > 1 else array[None]
    if kind in _COLOUR:
        array = array[..., :3] if array.ndim == _STACK_AXES else array
    elif array.ndim == _GREY_AXES:
        array = array[..., None]
    if array.ndim != _STACK_AXES:
        reason = "has pixels in an order that is not known"
        raise PictureError(reason)
    if kind == "MONOCHROME1":
        array = _turned(array.astype(np.int64), dataset)
    return array.astype(np.float32)


def _turned(array: npt.NDArray[np.int64], dataset: Any) -> npt.NDArray[np.int64]:
    """Values of a grey scale that begins with white, in one that begins with black."""
    bits = int(dataset.BitsStored)
    lowest = -(1 << (bits - 1)) if int(dataset.PixelRepresentation) else 0
    return 2 * lowest + (1 << bits) - 1 - array


def _rescaled(pixels: Pixels, facts: _Facts) -> Pixels:
    slope = facts.number("PixelValueTransformationSequence", "RescaleSlope")
    intercept = facts.number("PixelValueTransformationSequence", "RescaleIntercept")
    if slope is None and intercept is None:
        return pixels
    scale = np.float32(1.0 if slope is None else slope)
    return np.asarray(pixels * scale + np.float32(intercept or 0.0), np.float32)


def _spacing(facts: _Facts) -> tuple[float, float] | None:
    found = facts.numbers("PixelMeasuresSequence", "PixelSpacing", 2)
    if found is None:
        return None
    if (found <= 0).any():
        raise PictureError(_NO_NUMBER)
    return float(found[0]), float(found[1])

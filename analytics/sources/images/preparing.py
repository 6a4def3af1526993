"""From a file's pixels to the size, spacing and window that all sites share.

Layer:       analytics.sources.images above raster. Pure numpy and scipy.
Shapes:      a picture float32 ``(channels, *size)`` in [0, 1]; a mask uint8 ``size``.
Guarantees:  in this order: brightness flattened, spacing, size, window. Everything follows from the schema and the picture
             itself, so that two sites prepare the same file to the same numbers. A mask is moved by its nearest pixel and
             never gets a class that its file does not have.
Source:      ours; anti-aliasing as usual, a Gaussian filter before pixels are left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from analytics.schema.pictures import CENTRE, EXACT
from analytics.sources.images.raster import PictureError, Pixels

if TYPE_CHECKING:
    from analytics.schema.pictures import Picture
    from analytics.sources.images.raster import Raster

_SAME: Final = 1e-6
_NEAR_WHOLE: Final = 1e-3
_FIELD_SHARE: Final = 4


def prepared_picture(raster: Raster, picture: Picture) -> Pixels:
    """Bring a picture to its declared form.

    Returns:
        Shape ``(channels, *size)``, in [0, 1].

    Raises:
        PictureError: it does not fit the declaration.
    """
    if raster.n_channels != len(picture.channels):
        reason = f"has {raster.n_channels} channels where the schema has {len(picture.channels)}"
        raise PictureError(reason)
    _check_axes(raster, picture)
    channels = []
    for place, (lower, upper) in enumerate(picture.windows):
        values = raster.pixels[..., place].astype(np.float32)
        if picture.flatten:
            values = flattened(values)
        values = _placed(values, raster, picture, order=1, filling=float(lower))
        low, high = np.float32(float(lower)), np.float32(float(upper))
        channels.append(np.clip((values - low) / (high - low), 0.0, 1.0).astype(np.float32))
    return np.stack(channels)


def prepared_mask(raster: Raster, picture: Picture) -> npt.NDArray[np.uint8]:
    """Bring a mask to its declared form.

    Returns:
        Numbers of classes, shape ``size``.

    Raises:
        PictureError: it has values that are no number of a class, or does not fit the declaration.
    """
    if raster.n_channels != 1:
        reason = "is a mask with several channels"
        raise PictureError(reason)
    _check_axes(raster, picture)
    values = raster.pixels[..., 0]
    whole = np.rint(values)
    # a scaled file holds 0.99999 for 1
    if np.abs(values - whole).max() > _NEAR_WHOLE or whole.min() < 0 or whole.max() >= len(picture.classes):
        reason = (
            f"is a mask with values that are no class: whole numbers from 0 to {len(picture.classes) - 1}"
        )
        raise PictureError(reason)
    return _placed(whole, raster, picture, order=0, filling=0.0).astype(np.uint8)


def check_over(raster: Raster, mask: Raster) -> None:
    """Refuse a mask that does not lie over its picture.

    Raises:
        PictureError: another size, or another place in the patient.
    """
    if raster.size != mask.size:
        reason = "is a mask of another size than its picture"
        raise PictureError(reason)
    known = raster.places is not None and mask.places is not None
    if known and not np.allclose(_full(raster.places), _full(mask.places), atol=_NEAR_WHOLE):
        reason = "is a mask of another place than its picture"
        raise PictureError(reason)


def flattened(values: Pixels) -> Pixels:
    """Divide a picture by its slow change of brightness; its mean stays.

    Args:
        values: shape ``size``, none below 0.
    """
    from scipy import ndimage

    if values.min() < 0:
        reason = "has values below 0, so its brightness cannot be flattened"
        raise PictureError(reason)
    mean = float(values.mean())
    if mean == 0:
        return values
    field = ndimage.gaussian_filter(values, [side / _FIELD_SHARE for side in values.shape], mode="nearest")
    even = values / np.maximum(field, mean / 100)
    return np.asarray(even * (mean / max(float(even.mean()), _SAME)), np.float32)


def _full(places: tuple[float, ...] | None) -> npt.NDArray[np.float64]:
    return np.asarray(places, np.float64)


def _check_axes(raster: Raster, picture: Picture) -> None:
    if len(raster.size) != len(picture.size):
        reason = f"has {len(raster.size)} axes where the schema has {len(picture.size)}"
        raise PictureError(reason)
    if picture.spacing and raster.spacing is None:
        reason = "does not say the distance between its pixels, which the schema's spacing needs"
        raise PictureError(reason)


def _placed(values: Pixels, raster: Raster, picture: Picture, *, order: int, filling: float) -> Pixels:
    """Bring values to spacing and size; ``order`` 0 takes the nearest pixel, 1 between pixels."""
    size = values.shape
    if picture.spacing and raster.spacing is not None:
        steps = zip(raster.spacing, picture.spacing, size, strict=True)
        size = tuple(max(1, round(side * own / float(wanted))) for own, wanted, side in steps)
    if picture.fit not in {EXACT, CENTRE}:
        size = picture.size
    values = _scaled(values, size, order)
    if picture.fit == CENTRE:
        values = _centred(values, picture.size, filling)
    if values.shape != picture.size:
        reason = f"has {_written(values.shape)} pixels where the schema has {_written(picture.size)}"
        raise PictureError(reason)
    return values


def _scaled(values: Pixels, size: tuple[int, ...], order: int) -> Pixels:
    from scipy import ndimage

    if values.shape == size:
        return values
    factors = [wanted / side for wanted, side in zip(size, values.shape, strict=True)]
    if order and min(factors) < 1:
        values = ndimage.gaussian_filter(
            values, [max(0.0, (1 / factor - 1) / 2) for factor in factors], mode="nearest"
        )
    scaled = ndimage.zoom(values, factors, order=order, mode="nearest", grid_mode=True, prefilter=False)
    return np.asarray(scaled, np.float32)


def _centred(values: Pixels, size: tuple[int, ...], filling: float) -> Pixels:
    for axis, wanted in enumerate(size):
        side = values.shape[axis]
        if side > wanted:
            first = (side - wanted) // 2
            values = np.take(values, range(first, first + wanted), axis=axis)
        elif side < wanted:
            before = (wanted - side) // 2
            widths = [(0, 0)] * values.ndim
            widths[axis] = (before, wanted - side - before)
            values = np.pad(values, widths, constant_values=filling)
    return values


def _written(size: tuple[int, ...]) -> str:
    return " x ".join(map(str, size))

"""Pictures in NIfTI files (``.nii``, ``.nii.gz``).

Layer:       analytics.sources.images above paths.
Terms:       slices go from foot to head, rows from back to front, columns from left to right of the patient (the closest
             such order; nothing is turned by other angles).
Guarantees:  the scale of the header is applied. A file whose two descriptions of its place differ is refused: programs
             disagree on which one counts.
Source:      nibabel; NIfTI-1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from analytics.sources.images.raster import PictureError, Raster

if TYPE_CHECKING:
    from analytics.sources.images.paths import Place

SUFFIXES: Final = (".nii", ".nii.gz")
_VOLUME: Final = 3
_CLOSE_MM: Final = 1e-2


def read_nifti(place: Place) -> Raster:
    """Read a volume, or one of its slices, counted from the foot.

    Raises:
        PictureError: broken, not a volume of three axes, or its place is unclear.
    """
    import nibabel as nib

    if place.array:
        reason = "has no arrays with names"
        raise PictureError(reason)
    try:
        image = nib.load(place.path)
        _check_place(image)
        canonical = nib.as_closest_canonical(image)  # type: ignore[no-untyped-call]
        values = np.asarray(canonical.get_fdata(dtype=np.float32))
    except PictureError:
        raise
    except Exception as error:
        reason = "is broken, or no NIfTI file"
        raise PictureError(reason) from error
    while values.ndim > _VOLUME and values.shape[-1] == 1:
        values = values[..., 0]
    if values.ndim != _VOLUME:
        reason = "is no volume of three axes"
        raise PictureError(reason)
    spacing = tuple(float(step) for step in reversed(canonical.header.get_zooms()[:_VOLUME]))
    places = tuple(float(number) for number in np.asarray(canonical.affine).ravel())
    pixels = np.ascontiguousarray(values.transpose(2, 1, 0))[..., None]
    if place.number is None:
        return Raster(pixels=pixels, spacing=spacing, places=places)
    if place.number >= len(pixels):
        reason = "has no such slice"
        raise PictureError(reason)
    return Raster(pixels=pixels[place.number], spacing=spacing[1:], places=(*places, float(place.number)))


def _check_place(image: Any) -> None:
    header = image.header
    if not hasattr(header, "get_qform") or not (int(header["qform_code"]) and int(header["sform_code"])):
        return
    if not np.allclose(header.get_qform(), header.get_sform(), atol=_CLOSE_MM):
        reason = "describes its place in two ways that differ (qform and sform)"
        raise PictureError(reason)

"""Which kind of file a picture is in.

Layer:       analytics.sources.images above the kinds. A new kind of file is one module and one line here.
Source:      ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from analytics.sources.images import array_file, dicom_file, nifti_file, pixel_file
from analytics.sources.images.dicom_series import read_dicom
from analytics.sources.images.paths import place_of
from analytics.sources.images.raster import PictureError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from analytics.sources.images.paths import Place
    from analytics.sources.images.raster import Raster

_KINDS: Final[tuple[tuple[tuple[str, ...], Callable[[Place], Raster]], ...]] = (
    (array_file.SUFFIXES, array_file.read_array),
    (pixel_file.SUFFIXES, pixel_file.read_pixels),
    (nifti_file.SUFFIXES, nifti_file.read_nifti),
)
SUFFIXES: Final = (*dicom_file.SUFFIXES, *(suffix for suffixes, _ in _KINDS for suffix in suffixes))


def read_picture(cell: str, folder: Path) -> Raster:
    """Read the picture that a cell of the index names.

    Args:
        cell: a path below the folder, perhaps with a part (``paths``).
        folder: declared by the administrator, an absolute path.

    Raises:
        PictureError: it cannot be used; the text says why, and names neither a person nor a value.
    """
    place = place_of(cell, folder)
    name = place.path.name.lower()
    for suffixes, read in _KINDS:
        if name.endswith(suffixes) and place.path.is_file():
            return read(place)
    if place.path.is_dir() or name.endswith(dicom_file.SUFFIXES):
        return read_dicom(place, folder)
    reason = f"is of no known kind: {', '.join(SUFFIXES)}, or a folder of DICOM files"
    raise PictureError(reason)

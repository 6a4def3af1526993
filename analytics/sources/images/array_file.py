"""Pictures in files of numpy arrays (``.npz``, ``.npy``).

Layer:       analytics.sources.images above paths.
Guarantees:  only arrays of numbers are read; a file with objects in it is refused unopened.
Source:      numpy's format.
"""

from __future__ import annotations

import contextlib
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np

from analytics.sources.images.raster import PictureError, Raster

if TYPE_CHECKING:
    from analytics.sources.images.paths import Place

SUFFIXES = (".npz", ".npy")
_GREY_DIMENSIONS = (2, 3)


def read_array(place: Place) -> Raster:
    """Read one array, or one place of a stack of them; it has no channels and no spacing.

    Raises:
        PictureError: no such array or place, or not of numbers.
    """
    try:
        file = np.load(place.path, allow_pickle=False)
        with contextlib.ExitStack() as stack:
            if not isinstance(file, np.ndarray):
                stack.enter_context(file)
            array = _chosen(file, place.array)
    except PictureError:
        raise
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, EOFError) as error:
        reason = "is no file of plain numpy arrays"
        raise PictureError(reason) from error
    if place.number is not None:
        if array.ndim < 1 or place.number >= len(array):
            reason = "has no such place in its stack"
            raise PictureError(reason)
        array = array[place.number]
    if array.dtype.kind not in "biuf" or array.ndim not in _GREY_DIMENSIONS:
        reason = "is no array of numbers with two or three axes"
        raise PictureError(reason)
    return Raster(pixels=array.astype(np.float32)[..., None])


def _chosen(file: Any, name: str) -> Any:
    if isinstance(file, np.ndarray):
        if name:
            reason = "holds one array without a name"
            raise PictureError(reason)
        return file
    names = list(file.files)
    if not name and len(names) != 1:
        reason = "holds several arrays: name one, as in FILE.npz#ARRAY/PLACE"
        raise PictureError(reason)
    if name and name not in names:
        reason = "has no array of this name"
        raise PictureError(reason)
    return file[name or names[0]]

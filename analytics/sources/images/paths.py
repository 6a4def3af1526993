"""Files of pictures: inside one declared folder, and perhaps a part of a file.

Layer:       analytics.sources.images above raster. Asks the file system where a path leads; opens nothing.
Terms:       a cell of the index is a path below the folder, perhaps with a part: ``scan.npz#tile/3`` is place 3 of the
             array ``tile``, ``brain.nii.gz#40`` slice 40, ``ct.dcm#2`` frame 2; the first is 0.
Guarantees:  no cell reaches a file outside the folder: neither by its beginning, by ``..``, nor by a link on the way.
Source:      ours.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from analytics.sources.images.raster import PictureError

if TYPE_CHECKING:
    from pathlib import Path

_PART: Final = re.compile(r"(?:(?P<name>[A-Za-z_][A-Za-z0-9_]*))?/?(?P<place>[0-9]{1,9})?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where one picture is.

    Attributes:
        path: a file, or a folder of slices; it exists, inside the declared folder.
        array: name of the array in a file of several; empty where none is named.
        number: place in a stack, from 0; None: the whole.
    """

    path: Path
    array: str = ""
    number: int | None = None


def place_of(cell: str, folder: Path) -> Place:
    """Find the file that a cell of the index names.

    Args:
        cell: a path below the folder, with ``/`` between its parts.
        folder: declared by the administrator.

    Raises:
        PictureError: there is no such file, or it lies outside the folder.
    """
    text, _, part = cell.partition("#")
    found = _PART.fullmatch(part)
    if not text or found is None or "\0" in text or "\\" in text:
        reason = "is no path of a picture: a path below the folder, perhaps with #ARRAY/PLACE or #PLACE"
        raise PictureError(reason)
    path = folder / text
    if not _is_inside(path, folder):
        reason = "lies outside the declared folder, or behind a link"
        raise PictureError(reason)
    if not path.exists():
        reason = "is not there"
        raise PictureError(reason)
    number = found["place"]
    return Place(path=path, array=found["name"] or "", number=None if number is None else int(number))


def inside(path: Path, folder: Path) -> None:
    """Refuse a path that is a link, or whose way from the folder has one.

    Raises:
        PictureError: it lies outside.
    """
    if not _is_inside(path, folder):
        reason = "lies outside the declared folder, or behind a link"
        raise PictureError(reason)


def _is_inside(path: Path, folder: Path) -> bool:
    if ".." in path.parts or not path.is_relative_to(folder):
        return False
    steps = [path, *path.parents]
    return not any(step.is_symlink() for step in steps[: steps.index(folder)])

"""A table of the pictures in a folder: one row each, with the patient whose picture it is.

Layer:       analytics.sources.images above dicom_series. For the site's administrator: the table stays at the site.
Terms:       a patient is the ``PatientID`` of a DICOM file; of other files the name of the folder below the declared one,
             or the file's name without its ending.
Guarantees:  a folder of DICOM slices of one series is one picture. Links are not followed.
Source:      ours.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from analytics.errors import SchemaMismatchError
from analytics.sources.images.array_file import SUFFIXES as ARRAYS
from analytics.sources.images.dicom_file import SUFFIXES as DICOM
from analytics.sources.images.dicom_file import read_header
from analytics.sources.images.dicom_series import unit_of
from analytics.sources.images.paths import inside
from analytics.sources.images.raster import PictureError
from analytics.sources.images.reading import SUFFIXES

if TYPE_CHECKING:
    import pandas as pd


def index_of(folder: Path) -> pd.DataFrame:
    """List the pictures of a folder.

    Args:
        folder: of pictures, with folders below it.

    Returns:
        Columns ``patient`` and ``picture``, paths below the folder; sorted by path.

    Raises:
        SchemaMismatchError: it is no folder, has no pictures, or a DICOM file in it is broken.
    """
    import pandas as pd

    root = folder.resolve()
    if not root.is_dir():
        raise SchemaMismatchError(source=folder.name, reason="there is no such folder")
    rows = [row for directory, _, names in os.walk(root) for row in _rows(Path(directory), names, root)]
    if not rows:
        raise SchemaMismatchError(source=folder.name, reason=f"it holds no pictures: {', '.join(SUFFIXES)}")
    ordered = sorted(rows, key=lambda row: row[1])
    return pd.DataFrame({"patient": [row[0] for row in ordered], "picture": [row[1] for row in ordered]})


def _rows(directory: Path, names: list[str], root: Path) -> list[tuple[str, str]]:
    paths = [directory / name for name in sorted(names) if _is_picture(directory / name, root)]
    slices = [path for path in paths if path.name.lower().endswith(DICOM)]
    found = [
        (_patient(path, root), path.relative_to(root).as_posix()) for path in paths if path not in slices
    ]
    for series, own in _series(slices, root).items():
        is_whole = len(own) > 1 and len(own) == len(slices)
        chosen = [directory] if is_whole else own
        found += [(series[0] or _patient(own[0], root), each.relative_to(root).as_posix()) for each in chosen]
    return found


def _series(slices: list[Path], root: Path) -> dict[tuple[str, str], list[Path]]:
    """Group DICOM files by patient and series."""
    found: dict[tuple[str, str], list[Path]] = {}
    for path in slices:
        try:
            dataset = read_header(path)
        except PictureError as error:
            where = path.relative_to(root).as_posix()
            raise SchemaMismatchError(source=where, reason=str(error)) from error
        series = str(getattr(dataset, "SeriesInstanceUID", "") or path.name)
        found.setdefault((unit_of(dataset), series), []).append(path)
    return found


def _is_picture(path: Path, root: Path) -> bool:
    name = path.name.lower()
    if not name.endswith(SUFFIXES) or name.endswith(ARRAYS):
        return False  # an array file may hold many pictures, or none
    try:
        inside(path, root)
    except PictureError:
        return False
    return path.is_file()


def _patient(path: Path, root: Path) -> str:
    parts = path.relative_to(root).parts
    return parts[0] if len(parts) > 1 else path.name.split(".")[0]

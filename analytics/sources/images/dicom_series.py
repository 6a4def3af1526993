"""A volume in many DICOM files, one slice each.

Layer:       analytics.sources.images above dicom_file.
Guarantees:  slices are ordered by their places in the patient, never by names or numbers of files. A folder with files of
             several series is refused.
Source:      DICOM PS3.3 C.7.6.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from analytics.sources.images.dicom_file import SUFFIXES, frames_of, read_header, stack_of
from analytics.sources.images.headers import person_findings
from analytics.sources.images.paths import inside
from analytics.sources.images.raster import PictureError, Raster

if TYPE_CHECKING:
    from pathlib import Path

    from analytics.sources.images.dicom_file import Frame
    from analytics.sources.images.paths import Place

_MOST_SLICES: Final = 4096


def read_dicom(place: Place, folder: Path) -> Raster:
    """Read a file, one of its frames, or a folder of slices.

    Args:
        place: of the file or folder.
        folder: declared; no slice may lie outside.

    Raises:
        PictureError: it cannot be used.
    """
    if place.array:
        reason = "has no arrays with names"
        raise PictureError(reason)
    datasets = [read_header(path) for path in slices_in(place.path, folder)]
    if len({str(getattr(each, "SeriesInstanceUID", "")) for each in datasets}) > 1:
        reason = "holds files of several series"
        raise PictureError(reason)
    raster = _chosen([frame for each in datasets for frame in frames_of(each)], place.number)
    return Raster(
        pixels=raster.pixels,
        spacing=raster.spacing,
        places=raster.places,
        warnings=sorted({finding for each in datasets for finding in person_findings(each)}),
    )


def slices_in(path: Path, folder: Path) -> list[Path]:
    """Return the DICOM files of a folder; a file itself.

    Raises:
        PictureError: none, too many, or a link.
    """
    if path.is_file():
        return [path]
    found = sorted(each for each in path.iterdir() if each.name.lower().endswith(SUFFIXES))
    for each in found:
        inside(each, folder)
    if not 0 < len(found) <= _MOST_SLICES:
        reason = f"is a folder without DICOM files (.dcm), or with more than {_MOST_SLICES}"
        raise PictureError(reason)
    return found


def _chosen(frames: list[Frame], number: int | None) -> Raster:
    if number is None:
        return stack_of(frames)
    if number >= len(frames):
        reason = "has no such frame"
        raise PictureError(reason)
    stack = stack_of(frames)
    if len(frames) == 1:
        return stack
    return Raster(
        pixels=stack.pixels[number],
        spacing=None if stack.spacing is None else stack.spacing[1:],
        places=None if stack.places is None else (*stack.places, float(number)),
    )


def unit_of(dataset: Any) -> str:
    """Return the patient's identifier of a header, for the site's own index; empty where there is none."""
    return str(getattr(dataset, "PatientID", "") or "").strip()

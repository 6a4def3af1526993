"""What a picture's file says of a person: its header, and writing in its pixels.

Layer:       analytics.sources.images above raster. For the site's administrator alone.
Terms:       a *finding* names an attribute, never its value.
Guarantees:  nothing of a header leaves the site in any case: pictures are read as numbers, and only sums of models leave.
             The check says which files would name a person if they were copied, and where writing may be part of the
             pixels, which a model could learn. It finds likely writing, not all of it.
Source:      DICOM PS3.15 annex E (attributes that identify), PS3.3 C.7.6.1 (burned in annotation).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from analytics.sources.images.raster import Pixels

_NAMING: Final = (
    "PatientName",
    "PatientBirthDate",
    "PatientAddress",
    "PatientTelephoneNumbers",
    "PatientMotherBirthName",
    "OtherPatientNames",
    "OtherPatientIDs",
    "MilitaryRank",
    "EthnicGroup",
    "Occupation",
    "ReferringPhysicianName",
    "PerformingPhysicianName",
    "OperatorsName",
    "PhysiciansOfRecord",
    "InstitutionName",
    "InstitutionAddress",
    "StationName",
    "DeviceSerialNumber",
    "AccessionNumber",
    "StudyID",
    "RequestingPhysician",
)
_SHARP: Final = 0.6
_TEXT_SHARE: Final = 0.04
_CELL: Final = 16
_LEAST_CELLS: Final = 3
_LEAST_SIDE: Final = 64


def person_findings(dataset: Any) -> list[str]:
    """Name the attributes of a header that identify a person.

    Args:
        dataset: of pydicom.

    Returns:
        Sentences; no value among them.
    """
    found = [f"the header has {name}" for name in _NAMING if str(getattr(dataset, name, "") or "").strip()]
    if str(getattr(dataset, "BurnedInAnnotation", "") or "").upper() == "YES":
        found.append("the header says that writing is part of the pixels")
    if any(getattr(element.tag, "is_private", False) for element in dataset):
        found.append("the header has private attributes")
    return found


def looks_written(pixels: Pixels) -> bool:
    """Say whether a grey picture may have writing in it: cells beside each other full of hard edges of the brightest value.

    Args:
        pixels: shape ``(rows, columns, channels)``.
    """
    grey = np.asarray(pixels, np.float64).max(axis=-1)
    low, high = float(grey.min()), float(grey.max())
    if min(grey.shape) < _LEAST_SIDE or high <= low:
        return False
    scaled = (grey - low) / (high - low)
    edges = (np.abs(np.diff(scaled, axis=1, prepend=scaled[:, :1])) > _SHARP) & (scaled > 1 - 1e-6)
    rows, columns = (side // _CELL for side in grey.shape)
    cells = edges[: rows * _CELL, : columns * _CELL].reshape(rows, _CELL, columns, _CELL).mean(axis=(1, 3))
    written = cells > _TEXT_SHARE
    runs = np.lib.stride_tricks.sliding_window_view(written, _LEAST_CELLS, axis=1).all(axis=-1)
    return bool(runs.any())

"""One picture in memory, as its file holds it.

Layer:       analytics.sources.images, the lowest.
Shapes:      pixels float32 ``(rows, columns, channels)`` or ``(slices, rows, columns, channels)``.
Source:      ours.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

Pixels = npt.NDArray[np.float32]


class PictureError(Exception):
    """A file is not a picture that can be used; the text is for the site's administrator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Raster:
    """A picture; ``repr`` shows nothing of it.

    Attributes:
        pixels: values in the file's own unit (Hounsfield units, grey values).
        spacing: mm along each axis but the channels'; None where the file does not say it.
        places: a patient's coordinates of the first pixel and of the axes, as numbers; None where the file has none. Two
            rasters with equal places lie over each other.
        warnings: what the administrator should see about this file.
    """

    pixels: Pixels
    spacing: tuple[float, ...] | None = None
    places: tuple[float, ...] | None = None
    warnings: Sequence[str] = field(default_factory=tuple)

    def __repr__(self) -> str:
        return "Raster()"

    def __post_init__(self) -> None:
        if self.pixels.size == 0:
            reason = "has no pixels"
            raise PictureError(reason)
        if not np.isfinite(self.pixels).all():
            reason = "has pixels that are not finite"
            raise PictureError(reason)

    @property
    def size(self) -> tuple[int, ...]:
        """Pixels along each axis but the channels'."""
        return tuple(self.pixels.shape[:-1])

    @property
    def n_channels(self) -> int:
        """Number of channels."""
        return int(self.pixels.shape[-1])

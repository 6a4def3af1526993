"""Pictures in PNG and TIFF files.

Layer:       analytics.sources.images above paths.
Terms:       the pages of a TIFF file are slices.
Guarantees:  grey values of 8, 16 and 32 bits keep their numbers; colours have three channels. A palette is looked up. A
             transparent pixel has no colour, so a picture with one is refused.
Source:      Pillow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from analytics.sources.images.raster import PictureError, Pixels, Raster

if TYPE_CHECKING:
    from analytics.sources.images.paths import Place

SUFFIXES: Final = (".png", ".tif", ".tiff")
_GREY: Final = ("1", "L", "I", "F", "I;16", "I;16L", "I;16B", "I;16N")
_OPAQUE: Final = 255
_LARGEST_PIXELS: Final = 1 << 28


def read_pixels(place: Place) -> Raster:
    """Read a picture, one page of it, or all its pages as slices.

    Raises:
        PictureError: broken, animated, transparent, or without such a page.
    """
    from PIL import Image, UnidentifiedImageError

    if place.array:
        reason = "has no arrays with names"
        raise PictureError(reason)
    try:
        with Image.open(place.path, formats=["PNG", "TIFF"]) as image:
            n_pages = int(getattr(image, "n_frames", 1))
            _check(image, n_pages)
            return Raster(pixels=_pages(image, n_pages, place.number))
    except PictureError:
        raise
    except (OSError, UnidentifiedImageError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        reason = "is broken, or no PNG or TIFF file"
        raise PictureError(reason) from error


def _check(image: Any, n_pages: int) -> None:
    if image.format == "PNG" and n_pages > 1:
        reason = "is animated"
        raise PictureError(reason)
    if image.width * image.height * n_pages > _LARGEST_PIXELS:
        reason = "has too many pixels"
        raise PictureError(reason)


def _pages(image: Any, n_pages: int, number: int | None) -> Pixels:
    if number is not None and number >= n_pages:
        reason = "has no such page"
        raise PictureError(reason)
    if number is not None or n_pages == 1:
        image.seek(number or 0)
        return _page(image)
    pages = []
    for place in range(n_pages):
        image.seek(place)
        pages.append(_page(image))
    if len({page.shape for page in pages}) > 1:
        reason = "has pages of different sizes"
        raise PictureError(reason)
    return np.stack(pages)


def _page(image: Any) -> Pixels:
    """One page, shape ``(rows, columns, channels)``."""
    if image.mode in _GREY:
        values = np.asarray(image)
        return values.astype(np.float32)[..., None]
    if image.mode == "RGB":
        return np.asarray(image).astype(np.float32)
    if image.mode in {"P", "RGBA", "LA", "PA"}:
        colours = np.asarray(image.convert("RGBA"))
        if (colours[..., 3] != _OPAQUE).any():
            reason = "has transparent pixels"
            raise PictureError(reason)
        kept = colours[..., :1] if image.mode == "LA" else colours[..., :3]
        return kept.astype(np.float32)
    reason = f"is of the kind {image.mode}, which is neither grey nor RGB"
    raise PictureError(reason)

"""Pictures in PNG and TIFF files.

Layer:       analytics.sources.images above paths.
Terms:       the pages of a TIFF file are slices.
Guarantees:  grey values of 1 to 32 bits, with and without sign, keep the numbers of the file; colours of 8 bits have three
             channels. A palette is looked up. Refused: a transparent pixel, which has no colour; colours of 16 bits, of
             which Pillow keeps the upper 8; a TIFF whose 0 is white, which Pillow turns with 8 bits and not with more.
Source:      Pillow 13; PNG (ISO/IEC 15948); TIFF 6.0. findings/ has what Pillow does to such files.
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
_BITS, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339  # tags of TIFF
_WHITE_IS_ZERO, _UNSIGNED, _SIGNED = 0, 1, 2
_BYTE, _WORD = 8, 32
_DEPTH_AT: Final = 24  # of a PNG file, behind its signature and size


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
    tags = getattr(image, "tag_v2", {})
    if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO and image.mode != "1":
        reason = "is a TIFF file whose 0 is white: turn it, so that 0 is black"
        raise PictureError(reason)
    if image.mode in {"RGB", "RGBA", "LA"} and _depth(image) > _BYTE:
        reason = "has colours, or transparency, of 16 bits"
        raise PictureError(reason)
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
        return np.asarray(_stored(image), np.float32)[..., None]
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


def _stored(image: Any) -> Any:
    """The numbers of a grey page as its file holds them; Pillow stretches 2 and 4 bits, and loses or adds a sign."""
    depth = _depth(image)  # before Pillow decodes and closes the file
    values = np.asarray(image)
    if image.format == "PNG" and image.mode == "L" and depth < _BYTE:
        return values // (_OPAQUE // ((1 << depth) - 1))
    sign = getattr(image, "tag_v2", {}).get(_SAMPLE_FORMAT, (_UNSIGNED,))
    sign = sign[0] if isinstance(sign, tuple) else sign
    if image.format == "TIFF" and image.mode == "L" and sign == _SIGNED:
        return values.view(np.int8)
    if image.format == "TIFF" and image.mode == "I" and sign == _UNSIGNED and depth == _WORD:
        return values.view(np.uint32)
    return values


def _depth(image: Any) -> int:
    """Bits of a number in the file."""
    if image.format == "TIFF":
        bits = image.tag_v2.get(_BITS, (1,))
        return int(max(bits)) if isinstance(bits, tuple) else int(bits)
    place = image.fp.tell()
    image.fp.seek(_DEPTH_AT)
    depth = image.fp.read(1)[0]
    image.fp.seek(place)
    return int(depth)

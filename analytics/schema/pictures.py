"""Pictures of a row: what is public about them. The file of each stays at its site.

Layer:       analytics.schema beside columns.
Terms:       a *picture* has grey values, or several channels; a *mask* has the number of a class at each place. A
             *window* is the range of values that a picture shows: its lower end is 0 in a model, its upper end 1, and
             values beyond it are cut.
Guarantees:  frozen. Size, spacing and window are the consortium's; nothing of them is learned from data.
See instead: reading and preparing files (``analytics.sources.images``).
Source:      ours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from analytics.errors import Mistake, SchemaError
from analytics.schema.numbers import exact_number, format_decimal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from fractions import Fraction

EXACT, CENTRE, RESIZE = "exact", "centre", "resize"
FITS: Final = (EXACT, CENTRE, RESIZE)
MAX_CHANNELS: Final = 8
MAX_CLASSES: Final = 64
MAX_PIXELS: Final = 1 << 24
_DIMENSIONS: Final = (2, 3)
_MAX_WORD: Final = 63
GREY: Final = ("grey",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One picture, or one mask, of each row of a table.

    Attributes:
        name: how trainings name it; no column has this name.
        size: in pixels: rows and columns, or slices, rows and columns.
        channels: of a picture, in their order; of a mask one.
        windows: of each channel, its lower and upper end; empty for a mask.
        spacing: mm between pixels along each axis of ``size``; empty: pixels are taken as they are.
        fit: how a file of another size comes to ``size``: ``exact`` refuses it, ``centre`` cuts or fills around the
            centre, ``resize`` scales.
        classes: of a mask, in the order of its numbers, the background first; empty for a picture.
        flatten: whether slow changes of brightness over the picture are removed (a picture without negative values).
    """

    name: str
    size: tuple[int, ...]
    channels: tuple[str, ...] = GREY
    windows: tuple[tuple[Fraction, Fraction], ...] = ()
    spacing: tuple[Fraction, ...] = ()
    fit: str = EXACT
    classes: tuple[str, ...] = ()
    flatten: bool = False

    def __post_init__(self) -> None:
        found = tuple(self._mistakes())
        if found:
            raise SchemaError(mistakes=found)

    @property
    def is_mask(self) -> bool:
        """Whether its values are numbers of classes."""
        return bool(self.classes)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one picture as a model sees it: channels first; a mask has no axis of channels."""
        return self.size if self.is_mask else (len(self.channels), *self.size)

    def _mistakes(self) -> Iterator[Mistake]:
        yield from self._size_mistakes()
        if self.fit not in FITS:
            yield Mistake(path="fit", problem=f"must be one of {', '.join(FITS)}")
        if self.is_mask:
            yield from self._mask_mistakes()
        else:
            yield from self._picture_mistakes()

    def _size_mistakes(self) -> Iterator[Mistake]:
        if len(self.size) not in _DIMENSIONS or any(side < 1 for side in self.size):
            yield Mistake(path="size", problem="must be two or three whole numbers from 1 on")
        elif math.prod(self.size) > MAX_PIXELS:
            yield Mistake(path="size", problem=f"at most {MAX_PIXELS} pixels")
        if self.spacing and (len(self.spacing) != len(self.size) or any(step <= 0 for step in self.spacing)):
            yield Mistake(path="spacing", problem="must be mm above 0, one for each axis of size")

    def _mask_mistakes(self) -> Iterator[Mistake]:
        if self.windows or self.channels != GREY or self.flatten:
            yield Mistake(
                path="classes", problem="a mask has neither channels nor a window, and is not flattened"
            )
        yield from _words("classes", self.classes, least=2, most=MAX_CLASSES)

    def _picture_mistakes(self) -> Iterator[Mistake]:
        yield from _words("channels", self.channels, least=1, most=MAX_CHANNELS)
        if len(self.windows) != len(self.channels):
            yield Mistake(
                path="window", problem="must be a lower and an upper end, or a pair of them for each channel"
            )
        elif any(lower >= upper for lower, upper in self.windows):
            yield Mistake(path="window", problem="the lower end must be below the upper one")
        if self.flatten and any(lower < 0 for lower, _ in self.windows):
            yield Mistake(path="flatten", problem="needs windows that begin at 0 or above")

    def to_dict(self) -> dict[str, object]:
        """Canonical form; defaults stay left out."""
        shape: dict[str, object] = {"size": list(self.size)}
        if self.is_mask:
            shape["classes"] = list(self.classes)
        else:
            shape["window"] = [
                [format_decimal(lower), format_decimal(upper)] for lower, upper in self.windows
            ]
            if self.channels != GREY:
                shape["channels"] = list(self.channels)
        if self.spacing:
            shape["spacing"] = [format_decimal(step) for step in self.spacing]
        if self.fit != EXACT:
            shape["fit"] = self.fit
        if self.flatten:
            shape["flatten"] = True
        return shape


def windows_of(value: object) -> tuple[tuple[Fraction, Fraction], ...]:
    """Read a window: two numbers, or a list of pairs.

    Raises:
        ValueError: it is neither.
    """
    reason = "must be a lower and an upper end, or a pair of them for each channel"
    if not isinstance(value, list | tuple) or not value:
        raise ValueError(reason)
    pairs = value if isinstance(value[0], list | tuple) else [value]
    if any(not isinstance(pair, list | tuple) or len(pair) != 2 for pair in pairs):  # noqa: PLR2004
        raise ValueError(reason)
    return tuple((exact_number(lower), exact_number(upper)) for lower, upper in pairs)


def _words(path: str, words: tuple[str, ...], *, least: int, most: int) -> Iterator[Mistake]:
    if not least <= len(words) <= most or len(set(words)) != len(words):
        yield Mistake(path=path, problem=f"must be {least} to {most} names that differ")
    if any(not 0 < len(word) <= _MAX_WORD for word in words):
        yield Mistake(path=path, problem=f"must be names of 1 to {_MAX_WORD} characters")

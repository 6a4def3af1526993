"""All pictures of one table of one site, prepared, in memory.

Layer:       analytics.sources.images above reading and preparing.
Terms:       a *cell* is what the index says of one picture of one row: a path, or nothing. Channels in files of their own
             stand in columns ``PICTURE_CHANNEL``.
Guarantees:  every file is read once, before the table opens. What is wrong with any of them is named to the administrator
             then, with its row; after that nothing of a picture can fail. A row that lacks one of its pictures has no part
             in a model that looks at it.
See instead: what a model sees of them (``LocalTable.complete_pictures``).
Source:      ours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from analytics.errors import SchemaMismatchError
from analytics.sources.images.headers import looks_written
from analytics.sources.images.preparing import check_over, prepared_mask, prepared_picture
from analytics.sources.images.raster import PictureError, Raster
from analytics.sources.images.reading import read_picture

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from analytics.schema.pictures import Picture

MOST_BYTES: Final = 1 << 30
_MOST_NAMED: Final = 5
_PLANE: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureStore:
    """Prepared pictures by name, one for each row of the index; ``repr`` shows nothing of them.

    Attributes:
        arrays: pictures float32 ``(n, channels, *size)``, masks uint8 ``(n, *size)``.
        present: whether a row has the picture, shape ``(n,)``, by name.
        warnings: for the administrator.
    """

    arrays: Mapping[str, npt.NDArray[Any]]
    present: Mapping[str, npt.NDArray[np.bool_]]
    warnings: Sequence[str] = field(default_factory=tuple)

    def __repr__(self) -> str:
        return "PictureStore()"


def load_pictures(
    cells: Mapping[str, Sequence[object]], pictures: Mapping[str, Picture], folder: Path, *, source: str
) -> PictureStore:
    """Read and prepare all pictures of an index.

    Visible to: the site alone.

    Args:
        cells: of each column of the index that names pictures, one for each row; None or empty: no picture.
        pictures: of the schema, by name.
        folder: declared by the administrator.
        source: what messages call the index.

    Raises:
        SchemaMismatchError: a column is missing, or pictures cannot be used; the first five are named.
    """
    n_rows = len(next(iter(cells.values()), ()))
    _check_memory(pictures, n_rows, source)
    root = folder.resolve()
    loader = _Loader(cells, pictures, root, source)
    return loader.load(n_rows)


def columns_of(picture: Picture, names: Sequence[str]) -> list[str]:
    """Return the columns of an index that name a picture's files: one, or one for each channel.

    Args:
        picture: of the schema.
        names: of the index's columns.
    """
    parts = [f"{picture.name}_{channel}" for channel in picture.channels]
    return parts if picture.name not in names and len(parts) > 1 else [picture.name]


class _Loader:
    def __init__(
        self, cells: Mapping[str, Sequence[object]], pictures: Mapping[str, Picture], root: Path, source: str
    ) -> None:
        self._cells, self._pictures, self._root, self._source = cells, pictures, root, source
        self._faults: list[str] = []
        self._warnings: dict[str, int] = {}

    def load(self, n_rows: int) -> PictureStore:
        arrays, present = {}, {}
        first = next((name for name, each in self._pictures.items() if not each.is_mask), None)
        for name, picture in self._pictures.items():
            self._check_columns(picture)
            kind = np.uint8 if picture.is_mask else np.float32
            arrays[name] = np.zeros((n_rows, *picture.shape), kind)
            present[name] = np.zeros(n_rows, np.bool_)
        for row in range(n_rows):
            read: dict[str, Raster] = {}
            for name, picture in self._pictures.items():
                values = self._prepared(row, picture, read, first)
                if values is not None:
                    arrays[name][row], present[name][row] = values, True
        if self._faults:
            raise SchemaMismatchError(source=self._source, reason=self._summary())
        warnings = [f"{count} of {n_rows} rows: {text}" for text, count in sorted(self._warnings.items())]
        return PictureStore(arrays=arrays, present=present, warnings=warnings)

    def _prepared(
        self, row: int, picture: Picture, read: dict[str, Raster], first: str | None
    ) -> npt.NDArray[Any] | None:
        """Prepare one picture of one row; None where there is none, or where it has a fault, which is kept."""
        columns = columns_of(picture, list(self._cells))
        texts = [_text(self._cells[column][row]) for column in columns]
        if not any(texts):
            return None
        try:
            if not all(texts):
                reason = "lacks a channel"
                raise PictureError(reason)  # noqa: TRY301  kept with the others
            raster = _joined([read_picture(text, self._root) for text in texts])
            self._warn(raster, picture)
            read[picture.name] = raster
            if not picture.is_mask:
                return prepared_picture(raster, picture)
            if first is not None and first in read:
                check_over(read[first], raster)
            return prepared_mask(raster, picture)
        except PictureError as error:
            self._faults.append(f"row {row + 1}, {picture.name} ({texts[0]}) {error}")
            return None

    def _warn(self, raster: Raster, picture: Picture) -> None:
        found = set(raster.warnings)
        is_plane = raster.pixels.ndim == _PLANE and not picture.is_mask
        if is_plane and looks_written(raster.pixels):
            found.add(f"{picture.name} may have writing in its pixels")
        for text in found:
            self._warnings[text] = self._warnings.get(text, 0) + 1

    def _check_columns(self, picture: Picture) -> None:
        for column in columns_of(picture, list(self._cells)):
            if column not in self._cells:
                reason = f"the index has no column {column}, which names the files of {picture.name}"
                raise SchemaMismatchError(source=self._source, column=column, reason=reason)

    def _summary(self) -> str:
        named = "; ".join(self._faults[:_MOST_NAMED])
        more = len(self._faults) - _MOST_NAMED
        return f"{len(self._faults)} pictures cannot be used: {named}" + (
            f"; and {more} more" if more > 0 else ""
        )


def _joined(rasters: list[Raster]) -> Raster:
    """Put channels of several files over each other."""
    if len(rasters) == 1:
        return rasters[0]
    for other in rasters[1:]:
        if other.size != rasters[0].size:
            reason = "has channels of different sizes"
            raise PictureError(reason)
        check_over(rasters[0], other)
    return Raster(
        pixels=np.concatenate([each.pixels for each in rasters], axis=-1),
        spacing=rasters[0].spacing,
        places=rasters[0].places,
        warnings=sorted({text for each in rasters for text in each.warnings}),
    )


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def _check_memory(pictures: Mapping[str, Picture], n_rows: int, source: str) -> None:
    needed = n_rows * sum(math.prod(each.shape) * (1 if each.is_mask else 4) for each in pictures.values())
    if needed > MOST_BYTES:
        reason = f"its pictures would take {needed / 2**30:.1f} GiB of memory; at most {MOST_BYTES >> 30} are taken"
        raise SchemaMismatchError(source=source, reason=reason)

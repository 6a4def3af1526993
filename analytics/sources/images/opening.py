"""A table with pictures: its rows are cleaned like those of any table, and a number leads from a row to its pictures.

Layer:       analytics.sources.images above store.
Terms:       the *number* of a row's pictures is made from the texts that name them, so that which rows of a person stay
             (the cap on rows of one unit) depends on that person's rows alone.
Source:      docs/guarantees.md P5.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from analytics.errors import SchemaMismatchError
from analytics.schema import NumericColumn
from analytics.sources.images.store import columns_of, load_pictures

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd

    from analytics.schema import Table
    from analytics.sources.images.store import PictureStore

NUMBER: Final = "#pictures"
_BITS: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class TablePictures:
    """The pictures of a table's rows; ``repr`` shows nothing of them.

    Attributes:
        store: prepared, in the order of the index.
        numbers: of the index's rows, rising.
        places: of those rows in the store.
    """

    store: PictureStore
    numbers: npt.NDArray[np.int64]
    places: npt.NDArray[np.intp]

    def __repr__(self) -> str:
        return "TablePictures()"

    def with_all(self, names: Sequence[str]) -> npt.NDArray[np.int64]:
        """Numbers of the rows that have every one of some pictures."""
        kept = np.ones(len(self.numbers), np.bool_)
        for name in names:
            kept &= self.store.present[name][self.places]
        return self.numbers[kept]

    def of(self, name: str, numbers: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        """One picture of some rows, shape ``(n, ...)`` as the store holds it."""
        found: npt.NDArray[Any] = self.store.arrays[name][self.places[np.searchsorted(self.numbers, numbers)]]
        return found


def with_pictures(
    frame: pd.DataFrame, table: Table, folder: Path, *, source: str
) -> tuple[pd.DataFrame, Table, TablePictures]:
    """Read the pictures of an index.

    Args:
        frame: the site's rows behind its view, with the columns that name pictures.
        table: of the schema.
        folder: below which the files lie.
        source: what messages call the index.

    Returns:
        The rows without those columns, and with a number; the table that has that number as a column; the pictures.

    Raises:
        SchemaMismatchError: a column is missing, or pictures cannot be used.
    """
    import pandas as pd

    names = list(map(str, frame.columns))
    used = [column for picture in table.pictures.values() for column in columns_of(picture, names)]
    cells = {column: _cells(frame, column) for column in used if column in names}
    numbers = _numbers(cells, len(frame), source)
    store = load_pictures(cells, table.pictures, folder, source=source)
    known = np.flatnonzero(numbers >= 0)
    _, first = np.unique(numbers[known], return_index=True)
    places = known[first]
    kept = frame.drop(columns=list(cells))
    kept[NUMBER] = pd.array([None if each < 0 else each for each in numbers.tolist()], dtype="Int64")
    column = NumericColumn(name=NUMBER, lower=Fraction(0), upper=Fraction(1 << _BITS), resolution=Fraction(1))
    extended = replace(table, columns={**table.columns, NUMBER: column}, pictures={})
    return kept, extended, TablePictures(store=store, numbers=numbers[places], places=places)


def _cells(frame: pd.DataFrame, column: str) -> list[object]:
    found = frame[column]
    return [
        value if is_known else None for value, is_known in zip(found.tolist(), found.notna(), strict=True)
    ]


def _numbers(cells: dict[str, list[object]], n_rows: int, source: str) -> npt.NDArray[np.int64]:
    """A number for each row, from the texts that name its pictures; -1 where it has none.

    Raises:
        SchemaMismatchError: two rows with different pictures would have one number, once in about 2**40 pairs.
    """
    found = np.full(n_rows, -1, np.int64)
    seen: dict[int, tuple[object, ...]] = {}
    columns = list(cells.values())
    for row in range(n_rows):
        texts = tuple(column[row] for column in columns)
        if all(text is None or text == "" for text in texts):
            continue
        digest = hashlib.sha256(repr(texts).encode()).digest()
        number = int.from_bytes(digest[:5], "big")
        if seen.setdefault(number, texts) != texts:
            raise SchemaMismatchError(
                source=source, reason="two rows cannot be told apart: rename one picture's file"
            )
        found[row] = number
    return found

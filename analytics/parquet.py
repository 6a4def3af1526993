"""A frame as a Parquet file, written with DuckDB.

Layer:       analytics.parquet, beside errors; imports nothing of this product.
Guarantees:  the file holds the frame's columns in their order under their names: numbers, truth values and texts with their
             types, missing values as NULL; a column of other objects as texts.
See instead: sources that are read (``analytics.sources``).
Source:      ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd


def write_parquet(frame: pd.DataFrame, path: str | Path) -> None:
    """Write a frame.

    Args:
        frame: its index is left out; names of columns are texts, all different.
        path: of the file, which is replaced.

    Raises:
        OSError: the file cannot be written.
    """
    import duckdb  # here: an answer in memory needs no database
    import pandas as pd

    texts = {
        name: frame[name].astype("string")
        for name in frame.columns
        if pd.api.types.is_object_dtype(frame[name].dtype)
    }
    with duckdb.connect(":memory:") as connection:
        # extensions and settings play no part: one table in memory goes to one file
        relation = connection.from_df(frame.assign(**texts))
        try:
            relation.write_parquet(str(path))
        except duckdb.IOException as error:
            raise OSError(str(error)) from error

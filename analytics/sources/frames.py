"""A pandas frame as the table ``source`` of a site that is a thread of this process.

Layer:       analytics.sources beside loading.
Guarantees:  what cannot be read is named by site and column, with what to do; no value stands in the message.
Source:      ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analytics.errors import SchemaMismatchError
from analytics.sources.loading import RAW

if TYPE_CHECKING:
    from collections.abc import Hashable

    import duckdb
    import pandas as pd

_PROBE = "probe"


def register(connection: duckdb.DuckDBPyConnection, frame: object, source: str) -> None:
    """Make a frame readable as ``source``.

    Args:
        connection: an open database.
        frame: the rows.
        source: what messages call the frame.

    Raises:
        SchemaMismatchError: this is no frame, or a column of it is of a type that no schema has.
    """
    import pandas as pd

    if not isinstance(frame, pd.DataFrame):
        kind = type(frame).__name__
        raise SchemaMismatchError(
            source=source, reason=f"rows are a pandas frame, a path or a SourceSpec, not {kind}"
        )
    names = [str(name).lower() for name in frame.columns]
    if not names:
        raise SchemaMismatchError(source=source, reason="the frame has no column")
    for name in names:
        if names.count(name) > 1:
            raise SchemaMismatchError(source=source, column=name, reason="two columns have this name")
    if not _is_readable(connection, frame, RAW):
        for column in frame.columns:
            if not _is_readable(connection, frame[[column]], _PROBE):
                reason = f"its type {_kind(frame, column)} cannot be read: make it text, or a number"
                raise SchemaMismatchError(source=source, column=str(column), reason=reason)
        raise SchemaMismatchError(source=source, reason="the frame cannot be read")


def _is_readable(connection: duckdb.DuckDBPyConnection, frame: pd.DataFrame, name: str) -> bool:
    """Whether the database reads every value of a frame, which it is asked to do once."""
    try:
        connection.register(name, frame)
        figures = ", ".join(f"count(#{place})" for place in range(1, frame.shape[1] + 1))
        connection.execute(f"SELECT {figures} FROM {name}").fetchall()  # noqa: S608  a name of ours
    except Exception:  # noqa: BLE001  what it says can hold values; the caller names the column
        return False
    return True


def _kind(frame: pd.DataFrame, column: Hashable) -> str:
    """The column's type without its categories, which are data."""
    kind = str(frame[column].dtype)
    return kind.partition("[")[0] if kind.isprintable() else "unknown"

"""A pandas frame as the relation of a site that is a thread of this process.

Layer:       analytics.sources beside loading.
Guarantees:  what cannot be read is named by site and column, with what to do; no value stands in the message. Columns of
             Python objects become texts one cell at a time, so that no cell decides the type of another.
Source:      ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from analytics.errors import SchemaMismatchError
from analytics.sources.formats.base import Relation, described
from analytics.sources.formats.cell_objects import text_of

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

FRAME: Final = "#frame"
_QUOTED: Final = f'"{FRAME}"'
_PROBE = "probe"


def register(connection: duckdb.DuckDBPyConnection, frame: object, source: str) -> Relation:
    """Make a frame readable.

    Args:
        connection: an open database.
        frame: the rows.
        source: what messages call the frame.

    Returns:
        The relation, until ``#frame`` is unregistered.

    Raises:
        SchemaMismatchError: this is no frame, or a column of it is of a type that no schema has.
    """
    import pandas as pd

    if not isinstance(frame, pd.DataFrame):
        kind = type(frame).__name__
        raise SchemaMismatchError(
            source=source, reason=f"rows are a pandas frame, a path or a SourceSpec, not {kind}"
        )
    if not len(frame.columns):
        raise SchemaMismatchError(source=source, reason="the frame has no column")
    names = tuple(str(name) for name in frame.columns)
    plain = frame.set_axis([f"c{place}" for place in range(len(names))], axis=1)
    for place, name in enumerate(names):
        column = plain.iloc[:, place]
        if column.dtype == object:
            plain = plain.assign(**{f"c{place}": _texts(column, name, source)})
    if not _is_readable(connection, plain, FRAME):
        for place, name in enumerate(names):
            if not _is_readable(connection, plain[[f"c{place}"]], _PROBE):
                _refuse(plain.iloc[:, place], name, source)
        raise SchemaMismatchError(source=source, reason="the frame cannot be read")
    types = described(connection, _QUOTED)[1]
    return Relation(names=names, types=types, sql=_QUOTED, empty=f"(SELECT * FROM {_QUOTED} LIMIT 0)")  # noqa: S608


def _refuse(column: pd.Series[Any], name: str, source: str) -> None:
    reason = f"its type {_kind(column)} cannot be read: make it text, or a number"
    raise SchemaMismatchError(source=source, column=name, reason=reason)


def _texts(column: pd.Series[Any], name: str, source: str) -> pd.Series[Any]:
    """A column of Python objects as texts; None where pandas sees no value."""
    import pandas as pd

    known = column.notna().to_numpy()
    texts = [text_of(value) if is_known else "" for value, is_known in zip(column, known, strict=True)]
    if any(text is None for text in texts):
        _refuse(column, name, source)
    found = pd.Series(texts, index=column.index, dtype="str")
    return found.where(column.notna())


def _is_readable(connection: duckdb.DuckDBPyConnection, frame: pd.DataFrame, name: str) -> bool:
    """Whether the database reads every value of a frame, which it is asked to do once."""
    try:
        connection.register(name, frame)
        figures = ", ".join(f"count(#{place})" for place in range(1, frame.shape[1] + 1))
        connection.execute(f'SELECT {figures} FROM "{name}"').fetchall()  # noqa: S608  a name of ours
    except Exception:  # noqa: BLE001  what it says can hold values; the caller names the column
        return False
    return True


def _kind(column: pd.Series[Any]) -> str:
    """The column's type without its categories, which are data."""
    kind = str(column.dtype)
    return kind.partition("[")[0] if kind.isprintable() else "unknown"

"""Python's objects as the texts that a file would hold, one cell at a time.

Layer:       analytics.sources.formats beside base.
Guarantees:  the text depends on the object alone, so that no cell decides the type of another. A whole number's text has
             no point, a date's is ISO 8601. What has no text is refused by its column's name, without the value.
See instead: what a text means (``analytics.sources.cleaning``).
Source:      ours.
"""

from __future__ import annotations

import datetime as dt
import decimal
import numbers
import uuid
from typing import TYPE_CHECKING, Any, Final

from analytics.errors import SchemaMismatchError
from analytics.sources.formats.tables import LOADED

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import duckdb

_BATCH_CELLS: Final = 1 << 20
_FEWEST_ROWS: Final = 1_000
_ARRIVED: Final = "#arrived"


def text_of(value: Any) -> str | None:
    """The text of one object, as a file would hold it; None for a type that has none.

    Args:
        value: any object that is a value: no None, NaN or its like of a frame.
    """
    if isinstance(value, str):
        return value if value.isascii() or _is_unicode(value) else None
    if isinstance(value, bool) or type(value).__name__ == "bool":  # numpy's too
        return "true" if value else "false"
    if isinstance(value, numbers.Integral):
        return str(int(value))
    if isinstance(value, decimal.Decimal):
        return format(value, "f") if value.is_finite() else str(value)
    if isinstance(value, numbers.Real):
        number = float(value)
        return str(int(number)) if number.is_integer() else repr(number)
    if isinstance(value, dt.datetime):
        is_date = value.time() == dt.time() and value.tzinfo is None
        return value.date().isoformat() if is_date else value.isoformat(" ")
    if isinstance(value, dt.date):
        return value.isoformat()
    return str(value) if isinstance(value, uuid.UUID) else None


def load_texts(
    connection: duckdb.DuckDBPyConnection,
    names: Sequence[str],
    rows: Iterable[Sequence[object]],
    source: str,
) -> None:
    """Make the table ``#loaded`` of rows of objects, in bounded batches; every column is VARCHAR.

    Args:
        connection: the database.
        names: the columns', for messages; the table's are c0, c1, ...
        rows: each as long as ``names``; None is no value.
        source: what messages call the source.

    Raises:
        SchemaMismatchError: an object has no text.
    """
    columns = ", ".join(f"c{place} VARCHAR" for place in range(len(names)))
    connection.execute(f"CREATE TEMP TABLE {LOADED} ({columns})")
    n_rows = max(_FEWEST_ROWS, _BATCH_CELLS // max(1, len(names)))
    batch: list[Sequence[object]] = []
    for row in rows:
        batch.append(row)
        if len(batch) == n_rows:
            _insert(connection, names, batch, source)
            batch = []
    if batch:
        _insert(connection, names, batch, source)


def _insert(
    connection: duckdb.DuckDBPyConnection, names: Sequence[str], batch: list[Sequence[object]], source: str
) -> None:
    import pandas as pd

    columns = {
        f"c{place}": pd.Series(
            [_text(value, name, source) for value in cells], dtype=pd.StringDtype("python")
        )
        for place, (name, cells) in enumerate(zip(names, zip(*batch, strict=True), strict=True))
    }
    connection.register(_ARRIVED, pd.DataFrame(columns))
    connection.execute(f'INSERT INTO {LOADED} SELECT * FROM "{_ARRIVED}"')  # noqa: S608  names of ours
    connection.unregister(_ARRIVED)


def _text(value: object, name: str, source: str) -> str | None:
    if value is None:
        return None
    text = text_of(value)
    if text is None:
        kind = type(value).__name__
        reason = f"its type {kind} cannot be read: make it text, or a number"
        raise SchemaMismatchError(source=source, column=name, reason=reason)
    return text


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True

"""Sources that the database has loaded as a table of its own.

Layer:       analytics.sources.formats above base.
Source:      ours.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from analytics.sources.formats.base import Relation, described

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import duckdb

LOADED: Final = '"#loaded"'


@contextmanager
def loaded_table(
    connection: duckdb.DuckDBPyConnection, names: Sequence[str] | None = None
) -> Iterator[Relation]:
    """The table ``#loaded`` as a relation; it is dropped at the end.

    Args:
        connection: the database that holds it.
        names: the source's own names of its columns; None: the table's.
    """
    own, types = described(connection, LOADED)
    names = own if names is None else tuple(names)
    aliases = ", ".join(f"c{place}" for place in range(len(names)))
    read = f"(SELECT * FROM {LOADED}) AS loaded({aliases})"  # noqa: S608  a constant
    yield Relation(names=names, types=types, sql=read, empty=read)
    connection.execute(f"DROP TABLE {LOADED}")

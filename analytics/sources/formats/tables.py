"""Sources that the database has loaded as a table of its own.

Layer:       analytics.sources.formats above base.
Source:      ours.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from analytics.sources.formats.base import Relation, described

if TYPE_CHECKING:
    from collections.abc import Iterator

    import duckdb

LOADED: Final = '"#loaded"'


@contextmanager
def loaded_table(connection: duckdb.DuckDBPyConnection) -> Iterator[Relation]:
    """The table ``#loaded`` as a relation; it is dropped at the end.

    Args:
        connection: the database that holds it.
    """
    names, types = described(connection, LOADED)
    aliases = ", ".join(f"c{place}" for place in range(len(names)))
    read = f"(SELECT * FROM {LOADED}) AS loaded({aliases})"  # noqa: S608  a constant
    yield Relation(names=names, types=types, sql=read, empty=read)
    connection.execute(f"DROP TABLE {LOADED}")

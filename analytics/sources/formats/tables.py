"""Sources that the database has loaded as a table of its own.

Layer:       analytics.sources.formats above base.
Source:      ours.
"""

from __future__ import annotations

from contextlib import contextmanager
from itertools import count
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
    """The table ``#loaded`` as a relation, under a name of its own, so that another can be loaded; it is dropped at the end.

    Args:
        connection: the database that holds it.
        names: the source's own names of its columns; None: the table's.
    """
    table = _renamed(connection)
    own, types = described(connection, table)
    names = own if names is None else tuple(names)
    aliases = ", ".join(f"c{place}" for place in range(len(names)))
    read = f"(SELECT * FROM {table}) AS loaded({aliases})"  # noqa: S608  a name of ours
    yield Relation(names=names, types=types, sql=read, empty=read)
    connection.execute(f"DROP TABLE {table}")


def _renamed(connection: duckdb.DuckDBPyConnection) -> str:
    taken = {str(name) for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    name = next(name for place in count() if (name := f"#loaded {place}") not in taken)
    connection.execute(f'ALTER TABLE {LOADED} RENAME TO "{name}"')
    return f'"{name}"'

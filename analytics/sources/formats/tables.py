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
    """The table ``#loaded`` as a relation, under a name of its own, since a mapping can open several; dropped at the end.

    Args:
        connection: the database that holds it.
        names: the source's own names of its columns; None: the table's.
    """
    (count,) = connection.execute(
        "SELECT count(*) FROM duckdb_tables() WHERE starts_with(table_name, '#loaded_')"
    ).fetchone() or (0,)
    table = f'"#loaded_{count}"'
    connection.execute(f"ALTER TABLE {LOADED} RENAME TO {table}")
    own, types = described(connection, table)
    names = own if names is None else tuple(names)
    aliases = ", ".join(f"c{place}" for place in range(len(names)))
    read = f"(SELECT * FROM {table}) AS loaded({aliases})"  # noqa: S608  a name of ours
    yield Relation(names=names, types=types, sql=read, empty=read)
    connection.execute(f"DROP TABLE {table}")

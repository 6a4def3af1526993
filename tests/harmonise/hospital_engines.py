"""The tables of disguised hospitals in other engines than files of text: a SAS file, PostgreSQL, Spark, SQLite over SQLAlchemy."""

import csv
import sqlite3
from contextlib import closing
from dataclasses import replace

import pandas as pd

from analytics.sources import SourceSpec
from analytics.sources.servers.access import ServerAccess


def cells_of(spec):
    """Names and rows of a hospital's file, with None for an empty cell."""
    with spec.path.open(encoding="utf-8", newline="") as stream:
        names, *rows = csv.reader(stream, delimiter=spec.delimiter)
    return names, [[cell or None for cell in row] for row in rows]


def columns(names, kind=""):
    return ", ".join(f'"{name}"{kind}' for name in names)


def in_sas(spec):
    """Numbers are numbers there: SAS has no others."""
    import pyreadstat

    names, rows = cells_of(spec)
    frame = pd.DataFrame(rows, columns=names)
    numbers = {name: pd.to_numeric(frame[name], errors="coerce") for name in names}
    for name, column in numbers.items():
        if column.notna().sum() == frame[name].notna().sum():
            frame[name] = column
    path = spec.path.with_suffix(".xpt")
    pyreadstat.write_xport(frame, str(path))
    return replace(spec, kind="sas", path=path, delimiter=",")


def in_sqlite(spec):
    names, rows = cells_of(spec)
    path = spec.path.with_suffix(".sqlite")
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as database:
        database.execute(f"CREATE TABLE befunde ({columns(names)})")
        database.executemany(f"INSERT INTO befunde VALUES ({', '.join('?' * len(names))})", rows)
        database.commit()
    return _served(
        spec, SourceSpec(kind="sqlalchemy", server=ServerAccess(url=f"sqlite:///{path}"), relation="befunde")
    )


def in_postgresql(server, spec):
    names, rows = cells_of(spec)
    table = f"research.{spec.path.stem}"
    server.run(f"DROP TABLE IF EXISTS {table}", f"CREATE TABLE {table} ({columns(names, ' text')})")
    with server.session() as session, session.cursor() as cursor:
        cursor.executemany(f"INSERT INTO {table} VALUES ({', '.join(['%s'] * len(names))})", rows)
    return _served(spec, server.spec(table, engine=""))


def in_spark(cluster, spec):
    from tests.sources.spark_cluster import values

    names, rows = cells_of(spec)
    body = ", ".join(f"`{name}` STRING" for name in names)
    return _served(spec, cluster.spec(cluster.made(spec.path.stem, body, values(rows)), engine=""))


def _served(spec, there):
    return replace(there, mapping=spec.mapping, view=spec.view, cells=spec.cells)

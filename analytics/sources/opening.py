"""Opening a site's table: its file read, cleaned and shut off.

Layer:       analytics.sources, the highest.
See instead: the table that comes of it (``local_table``).
Source:      ours.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from analytics.errors import SchemaMismatchError
from analytics.schema import NumericColumn
from analytics.sources.engines.duckdb_engine import DuckDBEngine
from analytics.sources.frames import FRAME, register
from analytics.sources.images.opening import NUMBER, with_pictures
from analytics.sources.inspection import inspected
from analytics.sources.loading import connect, opened, shut, workplace_in
from analytics.sources.local_table import LocalTable
from analytics.sources.preparation.mapped import ingest_mapped, inputs_opened
from analytics.sources.spec import DEFAULT_VIEW, CellRules, SourceSpec
from analytics.sources.typed_copy import TypedCopy
from analytics.sources.view_columns import chosen_columns

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

    from analytics.schema import Table
    from analytics.sources.engines.base import Engine
    from analytics.sources.reports.report import IngestReport
    from analytics.sources.spec import Preparation

LARGE_BYTES = 1 << 24  # of a file that is worth a second reading where the first one stops


def open_table(
    spec: SourceSpec,
    table: Table,
    *,
    site_key: bytes,
    threads: int | None = None,
    copies: Path | None = None,
) -> LocalTable:
    """Load, clean and shut off a site's file.

    Visible to: the site alone.

    Args:
        spec: the site's source.
        table: the schema's table.
        site_key: the site's secret, 16 to 64 bytes, that chooses which rows of a unit stay.
        threads: threads for its queries; None leaves DuckDB's choice.
        copies: the site's protected folder for clean tables of unchanged files; None: none are kept.

    Returns:
        The source; its ``report`` is for the site's administrator.

    Raises:
        SchemaMismatchError: the file or a column is not as it should be.
    """
    if table.pictures:
        return _open_index(spec, table, site_key)
    if spec.engine:
        engine, report = _pushed(spec, table)
        return LocalTable(engine=engine, table=table, report=report)
    kept = None if copies is None else TypedCopy(copies, spec, table, site_key)
    found = _from_copy(kept, threads) if kept else None
    if found is None and (numbers := _plain_numbers(spec, table)):
        with contextlib.suppress(
            SchemaMismatchError
        ):  # whatever is wrong, reading every cell as a text says it
            found = _read(spec, table, site_key, threads, kept, numbers)
    connection, report = found or _read(spec, table, site_key, threads, kept)
    return LocalTable(engine=DuckDBEngine(connection, source=spec.name), table=table, report=report)


def _open_index(spec: SourceSpec, table: Table, site_key: bytes) -> LocalTable:
    """Open a table with pictures: the index is read whole, since it names a file for each row."""
    if spec.server is not None:
        reason = "a table with pictures is read from a file, with the pictures in files beside it"
        raise SchemaMismatchError(source=spec.name, reason=reason)
    with inspected(spec, name=spec.name, view=spec.view, cells=spec.cells) as connection:
        frame = connection.execute("SELECT * FROM source").df()
    return _open_rows(frame, table, spec.picture_folder, site_key, spec.name, spec.cells)


def _open_rows(
    frame: pd.DataFrame, table: Table, folder: Path, site_key: bytes, name: str, cells: CellRules
) -> LocalTable:
    """Open rows whose pictures lie below a folder; ``open_frame`` cleans them."""
    rows, extended, pictures = with_pictures(frame, table, folder, source=name)
    cleaned = open_frame(rows, extended, site_key=site_key, name=name, cells=cells)
    columns = tuple(each for each in cleaned.report.columns if each.name != NUMBER)
    report = replace(cleaned.report, columns=columns, pictures=tuple(pictures.store.warnings))
    return LocalTable(engine=cleaned.engine, table=table, report=report, pictures=pictures)


def _pushed(spec: SourceSpec, table: Table) -> tuple[Engine, IngestReport]:
    """Open a table that stays in its server."""
    if spec.engine == "spark":
        from analytics.sources.pushed.spark_table import push_spark

        return push_spark(spec, table)
    from analytics.sources.pushed.postgresql_table import push_postgresql

    return push_postgresql(spec, table)


def _from_copy(kept: TypedCopy, threads: int | None) -> tuple[duckdb.DuckDBPyConnection, IngestReport] | None:
    connection = connect(threads)
    report = kept.load(connection)
    if report is None:
        connection.close()
        return None
    shut(connection)
    return connection, report


def _plain_numbers(spec: SourceSpec, table: Table) -> frozenset[str]:
    """Columns of the file whose texts no view and no rule of the source looks at: a reader may make numbers of them at once."""
    is_plain = not spec.cells.missing and spec.cells.decimal == "." and spec.mapping is None
    if not is_plain or not spec.path.is_file() or spec.path.stat().st_size < LARGE_BYTES:
        return frozenset()
    numeric = {name.lower() for name, column in table.columns.items() if isinstance(column, NumericColumn)}
    if spec.view == DEFAULT_VIEW:
        return frozenset(name for name in table.columns if name.lower() in numeric)
    chosen = chosen_columns(spec.view) or ()
    others = {own.lower() for name, own in chosen if name.lower() not in numeric}
    return frozenset(own for name, own in chosen if name.lower() in numeric and own.lower() not in others)


def _read(
    spec: SourceSpec,
    table: Table,
    site_key: bytes,
    threads: int | None,
    kept: TypedCopy | None,
    numbers: frozenset[str] = frozenset(),
) -> tuple[duckdb.DuckDBPyConnection, IngestReport]:
    connection = connect(threads)
    try:
        return connection, _ingest_file(connection, spec, table, site_key, kept, numbers)
    except BaseException:
        connection.close()
        raise


def _ingest_file(
    connection: duckdb.DuckDBPyConnection,
    spec: SourceSpec,
    table: Table,
    site_key: bytes,
    kept: TypedCopy | None,
    numbers: frozenset[str],
) -> IngestReport:
    with workplace_in(kept.folder if kept else None) as workplace:
        copy = workplace / "clean.parquet"
        is_hashed = kept is not None
        with (
            opened(connection, spec, workplace=workplace, is_hashed=is_hashed, numbers=numbers) as relation,
            inputs_opened(connection, spec.inputs(), workplace) as others,
        ):
            paths = [path for other, _, _ in others.values() for path in other.paths]
            shut(connection, [*relation.paths, *paths, str(copy)])
            report = ingest_mapped(
                connection,
                relation,
                table=table,
                view=spec.view,
                rules=spec.cells,
                source=spec.name,
                site_key=site_key,
                mapping=spec.mapping,
                others=others,
            )
            digest = relation.digest()
        if kept:
            kept.save(connection, copy, report, digest)
    return report


def open_frame(
    frame: pd.DataFrame,
    table: Table,
    *,
    site_key: bytes,
    view: str = DEFAULT_VIEW,
    name: str = "frame",
    cells: CellRules | None = None,
    mapping: Preparation | None = None,
) -> LocalTable:
    """Clean and shut off a pandas frame; for sites that are threads of one process.

    Args:
        frame: the rows; of a table with pictures ``frame.attrs["pictures"]`` is the folder below which they lie.
        table: the schema's table.
        site_key: as for ``open_table``.
        view: one SELECT over ``source``.
        name: what messages call it.
        cells: how its texts are written.
        mapping: the site's harmonising, which runs before the view.

    Returns:
        The source.

    Raises:
        SchemaMismatchError: a column is not as it should be.
    """
    if table.pictures:
        with inspected(frame, name=name, view=view, cells=cells or CellRules()) as viewed:
            rows = viewed.execute("SELECT * FROM source").df()
        folder = Path(getattr(frame, "attrs", {}).get("pictures", "."))
        return _open_rows(rows, table, folder, site_key, name, cells or CellRules())
    connection = connect(None)
    try:
        relation = register(connection, frame, name)
        inputs = {} if mapping is None else mapping.inputs_of(None)
        with workplace_in(None) as workplace, inputs_opened(connection, inputs, workplace) as others:
            shut(connection, [path for other, _, _ in others.values() for path in other.paths])
            report = ingest_mapped(
                connection,
                relation,
                table=table,
                view=view,
                rules=cells or CellRules(),
                source=name,
                site_key=site_key,
                mapping=mapping,
                others=others,
            )
        connection.unregister(FRAME)
    except BaseException:
        connection.close()
        raise
    return LocalTable(engine=DuckDBEngine(connection, source=name), table=table, report=report)

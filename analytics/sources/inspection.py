"""A source as a table of its own, for the person who writes a first schema.

Layer:       analytics.sources above projection.
Guarantees:  the database is shut off as for questions; it ends with the context.
See instead: the clean table (``local_table``).
Source:      ours.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import duckdb

from analytics.errors import SchemaMismatchError
from analytics.sources.cells import view_functions
from analytics.sources.frames import register
from analytics.sources.loading import connect, opened, shut, workplace_in
from analytics.sources.preparation.mapped import inputs_opened
from analytics.sources.preparation.run import prepared
from analytics.sources.projection import source_names, source_query
from analytics.sources.site_views.view_comparisons import check_comparisons
from analytics.sources.site_views.views import over_source, view_fault, view_types
from analytics.sources.spec import SourceSpec
from analytics.sources.steps.step import MAIN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from analytics.sources.formats.base import Relation
    from analytics.sources.spec import CellRules


@contextmanager
def inspected(
    rows: SourceSpec | object, *, name: str, view: str, cells: CellRules
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open rows as the table ``source`` of a database of their own: the view's columns, before any schema.

    Visible to: the site alone.

    Args:
        rows: a source, whose own view and cells do not count here, but whose mapping does; or a pandas frame.
        name: what messages call it.
        view: one SELECT over ``source``.
        cells: how its texts are written.

    Yields:
        The connection.

    Raises:
        SchemaMismatchError: the rows cannot be read, two columns have one name, or the view cannot be computed.
    """
    connection = connect(1)
    try:
        if isinstance(rows, SourceSpec):
            with (
                workplace_in(None) as workplace,
                opened(connection, rows, workplace=workplace) as relation,
                inputs_opened(connection, rows.inputs(), workplace) as others,
            ):
                shut(
                    connection,
                    [*relation.paths, *(path for each in others.values() for path in each[0].paths)],
                )
                if rows.mapping is not None:
                    blocks = {**others, MAIN: (relation, cells, name)}
                    relation = prepared(connection, rows.mapping, blocks, resolutions={}).relation  # noqa: PLW2901
                    cells = replace(cells, missing=())
                _load(connection, relation, name, view, cells)
        else:
            relation = register(connection, rows, name)
            shut(connection)
            _load(connection, relation, name, view, cells)
        yield connection
    finally:
        connection.close()


def _load(
    connection: duckdb.DuckDBPyConnection, relation: Relation, name: str, view: str, cells: CellRules
) -> None:
    names = source_names(relation.names, relation.names, name)
    for statement in view_functions(cells):
        connection.execute(statement)
    view_types(connection, view, source_query(relation, names, cells, is_empty=True), name)
    check_comparisons(view, dict(zip(names, relation.types, strict=True)), name)
    query = source_query(relation, names, cells, is_empty=False)
    failed: duckdb.Error | None = None
    try:
        connection.execute(f"CREATE TEMP TABLE source AS {over_source(view, query)}")
    except duckdb.Error as error:
        failed = error
    fault = relation.fault(failed) or (failed and view_fault(view, failed))
    if fault:
        raise SchemaMismatchError(source=name, reason=fault)

"""A table that stays in its PostgreSQL server: checked once when it is opened, then asked for aggregates.

Layer:       analytics.sources.pushed above checks.
Guarantees:  all checks and all later statements see one snapshot, so what was found when the table was opened holds for
             every question: marks of each column, identifiers in their normal form, rows of a unit within
             ``max_rows_per_unit``. So no row can make a statement fail.
See instead: the table's SELECT (``clean_view``), its statements (``engines.postgresql_engine``).
Source:      ours; docs/guarantees.md P5, P6, P19.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from analytics.errors import SchemaMismatchError
from analytics.sources.engines.postgresql_engine import PostgreSQLEngine
from analytics.sources.pushed.checks import check_rows
from analytics.sources.pushed.clean_view import push_columns
from analytics.sources.pushed.words import POSTGRESQL_WORDS
from analytics.sources.servers.access import READ_ONLY, connect
from analytics.sources.servers.relation import find_relation, view_fault
from analytics.sources.spec import DEFAULT_VIEW

if TYPE_CHECKING:
    from analytics.schema import Table
    from analytics.sources.reports.report import IngestReport
    from analytics.sources.spec import SourceSpec


def push_postgresql(spec: SourceSpec, table: Table) -> tuple[PostgreSQLEngine, IngestReport]:
    """Open a table where it is.

    Visible to: the site alone.

    Args:
        spec: the site's source, with its server.
        table: the schema's table.

    Returns:
        The engine, and what was found, for the site's administrator.

    Raises:
        SchemaMismatchError: the server is not reached, or the table is not as it should be.
    """
    import psycopg

    access, source = spec.server, spec.name
    if access is None:
        raise SchemaMismatchError(source=source, reason="engine needs the address of a server")
    own_view = "" if spec.view == DEFAULT_VIEW else spec.view
    keeper = connect(access, source)
    try:
        keeper.execute(READ_ONLY)
        relation = find_relation(keeper, spec.relation, own_view, source)
        columns = push_columns(table, relation, spec.cells, source, POSTGRESQL_WORDS)
        staged = columns.staged()

        def ask(statement: str) -> tuple[Any, ...]:
            found = keeper.execute(f"WITH staged AS NOT MATERIALIZED ({staged}) {statement}").fetchone()
            return tuple(found or ())

        try:
            report, marked = check_rows(ask, columns, table, spec)
        except psycopg.Error as error:
            raise SchemaMismatchError(source=source, reason=view_fault(own_view, error)) from None
        engine = PostgreSQLEngine(
            keeper,
            lambda: connect(access, source),
            table=table.name,
            clean=columns.clean(marked, is_known=not report.rows_without_unit),
            source=source,
        )
    except BaseException:
        keeper.close()
        raise
    return engine, report

"""A table that stays in its server: checked once when it is opened, then asked for aggregates.

Layer:       analytics.sources.postgresql, the highest.
Guarantees:  all checks and all later statements see one snapshot, so what was found when the table was opened holds for
             every question: marks of each column, identifiers in their normal form, rows of a unit within
             ``max_rows_per_unit``. So no row can make a statement fail. Where more is needed than comparing and clipping
             (a choice among the rows of one person, a normal form) the table is refused, and the node reads it.
See instead: the table's SELECT (``clean_view``), its statements (``engines.postgresql_engine``).
Source:      ours; docs/guarantees.md P5, P6, P19.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from analytics.errors import SchemaMismatchError
from analytics.plans.local_query import UNIT_COLUMN
from analytics.sources.engines.postgresql_engine import PostgreSQLEngine
from analytics.sources.findings import check_columns, column_reports, count_marks
from analytics.sources.postgresql.clean_view import push_columns
from analytics.sources.report import IngestReport
from analytics.sources.servers.access import READ_ONLY, connect
from analytics.sources.servers.relation import find_relation, view_fault
from analytics.sources.spec import DEFAULT_VIEW
from analytics.sql.render import quoted

if TYPE_CHECKING:
    from collections.abc import Callable

    import psycopg

    from analytics.schema import Table
    from analytics.sources.postgresql.clean_view import PushedColumns, PushedUnit
    from analytics.sources.spec import SourceSpec

    Ask = Callable[[str], tuple[Any, ...]]

_UNIT: Final = quoted(UNIT_COLUMN)
_CROWDED: Final = (
    "one identifier has more rows than max_rows_per_unit: which of them stay is chosen by a keyed hash, in the node alone: "
    "keep fewer in a view there, or leave engine out"
)
_NO_FORM: Final = (
    "holds blanks at the ends, or letters beyond printable ASCII: bring it to one form in a view there, or leave engine "
    "out"
)


def push_table(spec: SourceSpec, table: Table) -> tuple[PostgreSQLEngine, IngestReport]:
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
        columns = push_columns(table, relation, spec.cells, source)
        try:
            report, marked = _look(keeper, columns, table, spec)
        except psycopg.Error as error:
            raise SchemaMismatchError(source=source, reason=view_fault(own_view, error)) from None
        engine = PostgreSQLEngine(
            keeper,
            lambda: connect(access, source),
            table=table.name,
            clean=columns.clean(marked),
            source=source,
        )
    except BaseException:
        keeper.close()
        raise
    return engine, report


def _look(
    keeper: psycopg.Connection[Any], columns: PushedColumns, table: Table, spec: SourceSpec
) -> tuple[IngestReport, set[str]]:
    """Check the rows of the snapshot; what was found, and the columns with marks."""
    staged = columns.staged()

    def ask(statement: str) -> tuple[Any, ...]:
        found = keeper.execute(f"WITH staged AS NOT MATERIALIZED ({staged}) {statement}").fetchone()
        return tuple(found or ())

    (read,) = ask("SELECT count(*) FROM staged")
    without, near = 0, 0
    if columns.unit is not None:
        without, near = _check_unit(ask, columns.unit, table, spec.name, read)
    counts, marked = count_marks(ask, columns.columns, "staged")
    found = column_reports(columns.columns, counts, spec.name, read)
    check_columns(found, spec.cells.most_misfits, spec.name)
    kept = read - without
    report = IngestReport(
        source=spec.name,
        table=table.name,
        rows_read=read,
        rows_without_unit=without,
        rows_over_cap=0,
        rows_kept=kept,
        near_duplicates=near,
        exact_allowed=kept <= table.rows_max,
        columns=found,
    )
    return report, marked


def _check_unit(ask: Ask, unit: PushedUnit, table: Table, source: str, read: int) -> tuple[int, int]:
    """Refuse identifiers that are not their own normal form and units of too many rows; rows without one, near duplicates."""
    without, refused = ask(
        "SELECT count(*) FILTER (WHERE NOT known), count(*) FILTER (WHERE known AND refused) FROM staged"
    )
    if refused:
        reason = _NO_FORM
        raise SchemaMismatchError(source=source, column=unit.name, reason=reason)
    if read and without == read:
        raise SchemaMismatchError(source=source, column=unit.name, reason="no row has a privacy unit")
    units = f"SELECT {_UNIT} AS unit, count(*) AS n FROM staged WHERE known GROUP BY 1"  # noqa: S608
    if not unit.is_text:
        (most,) = ask(f"SELECT coalesce(max(n), 0) FROM ({units}) AS units")  # noqa: S608
        near = 0
    else:
        letters = r"ltrim(regexp_replace(replace(lower(unit), ' ', ''), '\.0+$', ''), '0')"
        folded = f"SELECT count(*) AS n FROM ({units}) AS units GROUP BY {letters}"  # noqa: S608
        (most, near) = ask(
            f"SELECT (SELECT coalesce(max(n), 0) FROM ({units}) AS units), "  # noqa: S608
            f"(SELECT coalesce(sum(n), 0) FROM ({folded}) AS folded WHERE n > 1)"
        )
    if most > table.max_rows_per_unit:
        raise SchemaMismatchError(source=source, column=unit.name, reason=_CROWDED)
    return int(without), int(near)

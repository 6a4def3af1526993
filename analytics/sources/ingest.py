"""Ingest: builds the clean table once.

Layer:       analytics.sources above cleaning.
Guarantees:  one pass over the source and its view; rows of one unit are capped by a keyed hash of their content, so that neither
             their order nor another unit's rows decide which stay; what was wrong is counted for the administrator.
Source:      ours; docs/guarantees.md P5. HMAC: RFC 2104 over SHA-256.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb

from analytics.errors import SchemaMismatchError
from analytics.plans.local_query import UNIT_COLUMN
from analytics.schema.tables import ROW
from analytics.sources.cells import view_functions
from analytics.sources.cleaning import CleanColumn, ViewColumn, clean_columns
from analytics.sources.links.link_forms import LINK_COLUMN, link_duplicates, with_link_digests
from analytics.sources.projection import source_names, source_query, wanted_names
from analytics.sources.reports.findings import check_columns, column_reports, count_marks
from analytics.sources.reports.report import IngestReport
from analytics.sources.site_views.view_comparisons import check_comparisons
from analytics.sources.site_views.views import over_source, view_fault, view_types
from analytics.sources.units import UnitColumn, near_duplicates, unit_column
from analytics.sql.terms.render import quoted
from analytics.statistics.blocks import invalid_name

if TYPE_CHECKING:
    from analytics.schema import Table
    from analytics.sources.formats.base import Relation
    from analytics.sources.spec import CellRules

_STAGED = "staged"
_CROWDED, _DROPPED = "crowded", "dropped"
_ROW = "#row"
_REFUSED = "#refused"
_BLOCK_BYTES = 64
MIN_KEY_BYTES = 16


def ingest(
    connection: duckdb.DuckDBPyConnection,
    relation: Relation,
    *,
    table: Table,
    view: str,
    rules: CellRules,
    source: str,
    site_key: bytes,
) -> IngestReport:
    """Build the clean table of a site.

    Visible to: the site alone.

    Args:
        connection: a shut database.
        relation: the open source.
        table: the schema's table.
        view: the administrator's SELECT over ``source``.
        rules: how the source's texts are written.
        source: the file's name, for messages.
        site_key: the site's secret for choosing rows, at least 16 bytes.

    Returns:
        What was found.

    Raises:
        SchemaMismatchError: the file is not of its kind, the view cannot be computed, or a column is not as declared.
    """
    if not MIN_KEY_BYTES <= len(site_key) <= _BLOCK_BYTES:
        raise SchemaMismatchError(
            source=source, reason=f"the site key must have {MIN_KEY_BYTES} to {_BLOCK_BYTES} bytes"
        )
    names = source_names(relation.names, wanted_names(table.columns, view), source)
    for statement in view_functions(rules):
        connection.execute(statement)
    empty = source_query(relation, names, rules, is_empty=True)
    types = view_types(connection, view, empty, source)
    check_comparisons(view, dict(zip(names, relation.types, strict=True)), source)
    viewed = [
        ViewColumn(name=name, sql=f"v{place}", kind=kind) for place, (name, kind) in enumerate(types.items())
    ]
    columns = clean_columns(table, viewed, rules, source)
    unit = None if table.privacy_unit == ROW else unit_column(table, viewed, source)
    selected = over_source(
        view,
        source_query(relation, names, rules, is_empty=False),
        _staged(columns, unit),
        ", ".join(column.sql for column in viewed),
    )
    statement = f"CREATE TEMP TABLE {_STAGED} AS {selected}"
    try:
        _stage(connection, relation, statement, source)
        read = _count(connection, f"SELECT count(*) FROM {_STAGED}")  # noqa: S608
        without_unit = 0 if unit is None else _check_unit(connection, unit, source, read)
        counts, marked = count_marks(
            lambda asked: connection.execute(asked).fetchone() or (), columns, _STAGED
        )
        found = column_reports(columns, counts, source, read)
        check_columns(found, rules.most_misfits, source)
        near = near_duplicates(connection, _STAGED) if unit and unit.is_text else 0
        _keep(connection, table, columns, marked, site_key)
        kept = _count(connection, f"SELECT count(*) FROM {quoted(table.name)}")  # noqa: S608
        connection.execute(f"DROP TABLE {_STAGED}")
    except duckdb.Error as error:
        raise SchemaMismatchError(source=source, reason=view_fault(view, error)) from None
    return IngestReport(
        source=source,
        table=table.name,
        rows_read=read,
        rows_without_unit=without_unit,
        rows_over_cap=read - without_unit - kept,
        rows_kept=kept,
        near_duplicates=near,
        exact_allowed=kept <= table.rows_max,
        columns=found,
        link_duplicates=link_duplicates(connection, table),
    )


def _staged(columns: list[CleanColumn], unit: UnitColumn | None) -> str:
    chosen = [f"{column.staged} AS {quoted(column.name)}" for column in columns]
    if unit is not None:
        chosen += [f"{unit.normal} AS {quoted(UNIT_COLUMN)}", f"{unit.refused} AS {quoted(_REFUSED)}"]
        chosen.append(f'row_number() OVER () AS "{_ROW}"')
    return ", ".join(chosen)


def _stage(connection: duckdb.DuckDBPyConnection, relation: Relation, statement: str, source: str) -> None:
    """One pass over the source; a fault of the file is told before one of the view, which it can cause."""
    failed: duckdb.Error | None = None
    try:
        connection.execute(statement)
    except duckdb.Error as error:
        failed = error
    fault = relation.fault(failed)
    if fault:
        raise SchemaMismatchError(source=source, reason=fault)
    if failed is not None:
        raise failed


def _check_unit(connection: duckdb.DuckDBPyConnection, unit: UnitColumn, source: str, read: int) -> int:
    """Refuse identifiers that can have become one, or none at all; the rows that belong to no unit."""
    if _count(connection, f"SELECT count(*) FROM {_STAGED} WHERE {quoted(_REFUSED)}"):  # noqa: S608
        raise SchemaMismatchError(source=source, column=unit.name, reason=unit.reason)
    without = _count(connection, f"SELECT count(*) FROM {_STAGED} WHERE {quoted(UNIT_COLUMN)} IS NULL")  # noqa: S608
    if read and without == read:
        raise SchemaMismatchError(source=source, column=unit.name, reason="no row has a privacy unit")
    return without


def _keep(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    columns: list[CleanColumn],
    marked: set[str],
    site_key: bytes,
) -> None:
    """The clean table: declared columns, and for units that are columns a number a unit."""
    cleaned = ", ".join(
        f"{column.clean if column.name in marked else column.plain} AS {quoted(column.name)}"
        for column in columns
    )
    marks = "".join(
        f", {column.invalid} AS {quoted(invalid_name(column.name))}"
        for column in columns
        if column.name in marked
    )
    target = f"CREATE TABLE memory.main.{quoted(table.name)} AS SELECT"
    unit = quoted(UNIT_COLUMN)
    with_link_digests(connection, _STAGED, table.link_form)
    if table.privacy_unit == ROW:
        connection.execute(f"{target} {cleaned}{marks} FROM {_STAGED}")
        return
    connection.execute(
        f"CREATE TEMP TABLE {_CROWDED} AS SELECT {unit} FROM {_STAGED} WHERE {unit} IS NOT NULL "  # noqa: S608
        f"GROUP BY {unit} HAVING count(*) > {table.max_rows_per_unit}"
    )
    dropped = ""
    if _count(connection, f"SELECT count(*) FROM {_CROWDED}"):  # noqa: S608
        connection.execute(
            f"CREATE TEMP TABLE {_DROPPED} AS {_dropped(cleaned, columns, marked, table.max_rows_per_unit)}",
            [_pad(site_key, 0x5C), _pad(site_key, 0x36)],
        )
        dropped = f'ANTI JOIN {_DROPPED} USING ("{_ROW}")'
    # the units are sorted beside the rows' numbers and not beside whole rows, which would take a second table's memory
    numbers = f'SELECT "{_ROW}", dense_rank() OVER (ORDER BY {unit}) AS "#number" FROM {_STAGED} WHERE {unit} IS NOT NULL'  # noqa: S608
    link = "" if table.link_form is None else f", {quoted(LINK_COLUMN)}"
    connection.execute(
        f'{target} {cleaned}{marks}{link}, "#number" AS {unit} FROM {_STAGED} JOIN ({numbers}) USING ("{_ROW}") {dropped}'
    )
    connection.execute(f"DROP TABLE {_CROWDED}; DROP TABLE IF EXISTS {_DROPPED}")


def _dropped(cleaned: str, columns: list[CleanColumn], marked: set[str], most: int) -> str:
    """SQL of the rows that go, of units with too many: all but the first ones by a keyed hash of what they hold.

    Units that keep all their rows need no hash: it decides nothing there. Whether a value was invalid is no part of the hash:
    which columns have such values depends on other units' rows. It only orders rows of equal content, where a column without
    any changes nothing.
    """
    unit = quoted(UNIT_COLUMN)
    invalid = [column.invalid for column in columns if column.name in marked]
    ties = f"concat({', '.join(invalid)})" if invalid else "''"
    rows = f'SELECT {cleaned}, {unit}, "{_ROW}", {ties} AS "#ties" FROM {_STAGED} SEMI JOIN {_CROWDED} USING ({unit})'  # noqa: S608
    content = ", '|', ".join(
        f"COALESCE(CAST({name} AS VARCHAR), '~')" for name in (quoted(column.name) for column in columns)
    )
    numbered = f"SELECT *, concat(length({unit}), ':', {unit}, '|', {content}) AS \"#content\" FROM ({rows})"  # noqa: S608
    tied = (
        'SELECT *, concat("#content", \'|\', row_number() OVER (PARTITION BY "#content" ORDER BY "#ties")) '  # noqa: S608
        f'AS "#message" FROM ({numbered})'
    )
    ranked = (
        f'SELECT "{_ROW}", row_number() OVER (PARTITION BY {unit} '  # noqa: S608
        f'ORDER BY sha256(? || unhex(sha256(? || encode("#message"))))) AS "#rank" FROM ({tied})'
    )
    return f'SELECT "{_ROW}" FROM ({ranked}) WHERE "#rank" > {most}'  # noqa: S608


def _pad(key: bytes, byte: int) -> bytes:
    """RFC 2104: the key filled with zeros to a block, each byte xored."""
    return bytes(value ^ byte for value in key.ljust(_BLOCK_BYTES, b"\0"))


def _count(connection: duckdb.DuckDBPyConnection, statement: str) -> int:
    row = connection.execute(statement).fetchone()
    return int(row[0]) if row else 0

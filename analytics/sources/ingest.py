"""Ingest: builds the clean table once.

Layer:       analytics.sources above cleaning.
Guarantees:  one pass over the view; rows of one unit are capped by a keyed hash of their content, so that neither
             their order nor another unit's rows decide which stay; what was wrong is counted for the administrator.
Source:      ours; docs/guarantees.md P5. HMAC: RFC 2104 over SHA-256.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb

from analytics.errors import SchemaMismatchError
from analytics.plans.local_query import UNIT_COLUMN
from analytics.schema.tables import ROW
from analytics.sources.cleaning import CleanColumn, clean_columns
from analytics.sources.report import ColumnReport, IngestReport
from analytics.sources.units import UnitColumn, near_duplicates, unit_column
from analytics.sources.views import bare_view, view_fault, view_types
from analytics.sql.render import quoted

if TYPE_CHECKING:
    from analytics.schema import Table

_STAGED = "staged"
_REFUSED = "#refused"
_ROW_TEXT = f"'{ROW}'"
_BLOCK_BYTES = 64
MIN_KEY_BYTES = 16


def ingest(
    connection: duckdb.DuckDBPyConnection, *, table: Table, view: str, source: str, site_key: bytes
) -> IngestReport:
    """Build the clean table of a site.

    Visible to: the site alone.

    Args:
        connection: a shut database with the temporary table or view ``source``.
        table: the schema's table.
        view: the administrator's SELECT over ``source``.
        source: the file's name, for messages.
        site_key: the site's secret for choosing rows, at least 16 bytes.

    Returns:
        What was found.

    Raises:
        SchemaMismatchError: the view cannot be computed, or a column is not as the schema says.
    """
    if not MIN_KEY_BYTES <= len(site_key) <= _BLOCK_BYTES:
        raise SchemaMismatchError(
            source=source, reason=f"the site key must have {MIN_KEY_BYTES} to {_BLOCK_BYTES} bytes"
        )
    try:
        types = view_types(connection, view, source)
        columns = clean_columns(table, types, source)
        unit = None if table.privacy_unit == ROW else unit_column(table, types, source)
        _stage(connection, columns, unit, view)
        read = _count(connection, f"SELECT count(*) FROM {_STAGED}")  # noqa: S608
        without_unit = 0 if unit is None else _check_unit(connection, unit, source, read)
        found = _count_flags(connection, columns, source, read)
        near = near_duplicates(connection, _STAGED) if unit and unit.is_text else 0
        _keep(connection, table, [column.name for column in columns], site_key)
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
    )


def _stage(
    connection: duckdb.DuckDBPyConnection, columns: list[CleanColumn], unit: UnitColumn | None, view: str
) -> None:
    """One pass over the view: clean values and flags side by side."""
    chosen = [f"{column.clean} AS {quoted(column.name)}" for column in columns]
    chosen += [f"{text} AS {quoted(name)}" for column in columns for name, text in column.flags()]
    chosen.append(f"{unit.normal if unit else _ROW_TEXT} AS {quoted(UNIT_COLUMN)}")
    chosen.append(f"{unit.refused if unit else 'FALSE'} AS {quoted(_REFUSED)}")
    connection.execute(
        f"CREATE TEMP TABLE {_STAGED} AS SELECT {', '.join(chosen)} FROM ({bare_view(view)}) AS viewed"  # noqa: S608
    )


def _check_unit(connection: duckdb.DuckDBPyConnection, unit: UnitColumn, source: str, read: int) -> int:
    """Refuse identifiers that can have become one, or none at all; the rows that belong to no unit."""
    if _count(connection, f"SELECT count(*) FROM {_STAGED} WHERE {quoted(_REFUSED)}"):  # noqa: S608
        raise SchemaMismatchError(source=source, column=unit.name, reason=unit.reason)
    without = _count(connection, f"SELECT count(*) FROM {_STAGED} WHERE {quoted(UNIT_COLUMN)} IS NULL")  # noqa: S608
    if read and without == read:
        raise SchemaMismatchError(source=source, column=unit.name, reason="no row has a privacy unit")
    return without


def _count_flags(
    connection: duckdb.DuckDBPyConnection, columns: list[CleanColumn], source: str, read: int
) -> tuple[ColumnReport, ...]:
    names = [name for column in columns for name, _ in column.flags()]
    counted = ", ".join(f"count(*) FILTER (WHERE {quoted(name)})" for name in names)
    row = connection.execute(f"SELECT {counted} FROM {_STAGED}").fetchone() or ()  # noqa: S608
    counts = dict(zip(names, map(int, row), strict=True))
    for column in columns:
        if counts[f"{column.name}#unreadable"]:
            reason = "holds text, the schema declares numbers"
            raise SchemaMismatchError(source=source, column=column.name, reason=reason)
        outside = counts[f"{column.name}#outside_domain"]
        if outside and outside == read - counts[f"{column.name}#missing"]:
            reason = (
                "none of its values is in the domain: correct the domain in the schema, or the site's view"
            )
            raise SchemaMismatchError(source=source, column=column.name, reason=reason)
    return tuple(
        ColumnReport(
            name=column.name,
            rows=read,
            missing=counts[f"{column.name}#missing"],
            not_finite=counts[f"{column.name}#not_finite"],
            clipped=counts[f"{column.name}#clipped"],
            outside_domain=counts[f"{column.name}#outside_domain"],
        )
        for column in columns
    )


def _keep(connection: duckdb.DuckDBPyConnection, table: Table, names: list[str], site_key: bytes) -> None:
    """The clean table: declared columns, and for units that are columns a number a unit."""
    listed = ", ".join(quoted(name) for name in names)
    target = f"CREATE TABLE memory.main.{quoted(table.name)} AS SELECT {listed}"
    unit = quoted(UNIT_COLUMN)
    if table.privacy_unit == ROW:
        connection.execute(f"{target} FROM {_STAGED}")
        return
    content = ", '|', ".join(f"COALESCE(CAST({quoted(name)} AS VARCHAR), '~')" for name in names)
    numbered = (
        f"SELECT *, concat(length({unit}), ':', {unit}, '|', {content}) AS \"#content\" "  # noqa: S608
        f"FROM {_STAGED} WHERE {unit} IS NOT NULL"
    )
    tied = (
        'SELECT *, concat("#content", \'|\', row_number() OVER (PARTITION BY "#content")) '  # noqa: S608
        f'AS "#message" FROM ({numbered})'
    )
    ranked = (
        f"SELECT *, row_number() OVER (PARTITION BY {unit} "  # noqa: S608
        f'ORDER BY sha256(? || unhex(sha256(? || encode("#message"))))) AS "#rank" FROM ({tied})'
    )
    connection.execute(
        f"{target}, dense_rank() OVER (ORDER BY {unit}) AS {unit} "
        f'FROM ({ranked}) WHERE "#rank" <= {table.max_rows_per_unit}',
        [_pad(site_key, 0x5C), _pad(site_key, 0x36)],
    )


def _pad(key: bytes, byte: int) -> bytes:
    """RFC 2104: the key filled with zeros to a block, each byte xored."""
    return bytes(value ^ byte for value in key.ljust(_BLOCK_BYTES, b"\0"))


def _count(connection: duckdb.DuckDBPyConnection, statement: str) -> int:
    row = connection.execute(statement).fetchone()
    return int(row[0]) if row else 0

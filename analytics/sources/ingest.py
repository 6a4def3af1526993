"""Building the clean table, once.

Floor:    analytics.sources above cleaning.
Promise:  one pass over the view; rows of one unit are capped by a keyed hash of their content, so that
          neither their order nor another unit's rows decide which stay; what was wrong is counted for the
          administrator.
Source:   ours; PRIVACY "private answers have no guard on true values". HMAC: RFC 2104 over SHA-256.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb

from analytics.errors import SchemaMismatchError
from analytics.planning.statement import UNIT_COLUMN
from analytics.schema.tables import ROW
from analytics.sources.cleaning import CleanColumn, clean_columns, unit_text
from analytics.sources.report import ColumnReport, IngestReport
from analytics.sql.render import quoted

if TYPE_CHECKING:
    from analytics.schema import Table

_STAGED = "staged"
_BLOCK_BYTES = 64
MIN_KEY_BYTES = 16


def ingest(
    connection: duckdb.DuckDBPyConnection, *, table: Table, view: str, source: str, site_key: bytes
) -> IngestReport:
    """Build the clean table of a site.

    Sees: the site alone.

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
        types = _view_types(connection, view, source)
        columns = clean_columns(table, types, source)
        unit = None if table.privacy_unit == ROW else unit_text(table, types, source)
        _stage(connection, columns, unit, view)
        found = _count_flags(connection, columns, source)
        nobody = f"SELECT count(*) FROM {_STAGED} WHERE {quoted(UNIT_COLUMN)} IS NULL"  # noqa: S608
        without_unit = _count(connection, nobody)
        _keep(connection, table, [column.name for column in columns], site_key)
        kept = _count(connection, f"SELECT count(*) FROM {quoted(table.name)}")  # noqa: S608
        read = _count(connection, f"SELECT count(*) FROM {_STAGED}")  # noqa: S608
        connection.execute(f"DROP TABLE {_STAGED}")
    except duckdb.Error as error:
        kind = type(error).__name__
        reason = f"the site's view cannot be computed over this source ({kind})"
        raise SchemaMismatchError(source=source, reason=reason) from None
    return IngestReport(
        source=source,
        table=table.name,
        rows_read=read,
        rows_without_unit=without_unit,
        rows_over_cap=read - without_unit - kept,
        rows_kept=kept,
        exact_allowed=kept <= table.rows_max,
        columns=found,
    )


def _view_types(connection: duckdb.DuckDBPyConnection, view: str, source: str) -> dict[str, str]:
    statements = connection.extract_statements(view)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise SchemaMismatchError(source=source, reason="the site's view must be one SELECT")
    described = connection.execute(f"DESCRIBE SELECT * FROM ({_bare(view)}) AS viewed").fetchall()  # noqa: S608
    return {str(row[0]): str(row[1]) for row in described}


def _bare(view: str) -> str:
    return view.strip().rstrip(";") + "\n"  # a line end, in case the view ends in a comment


def _stage(
    connection: duckdb.DuckDBPyConnection, columns: list[CleanColumn], unit: str | None, view: str
) -> None:
    """One pass over the view: clean values and flags side by side."""
    chosen = [f"{column.clean} AS {quoted(column.name)}" for column in columns]
    chosen += [f"{text} AS {quoted(name)}" for column in columns for name, text in column.flags()]
    chosen.append(f"{unit or chr(39) + ROW + chr(39)} AS {quoted(UNIT_COLUMN)}")
    connection.execute(
        f"CREATE TEMP TABLE {_STAGED} AS SELECT {', '.join(chosen)} FROM ({_bare(view)}) AS viewed"  # noqa: S608
    )


def _count_flags(
    connection: duckdb.DuckDBPyConnection, columns: list[CleanColumn], source: str
) -> tuple[ColumnReport, ...]:
    names = [name for column in columns for name, _ in column.flags()]
    counted = ", ".join(f"count(*) FILTER (WHERE {quoted(name)})" for name in names)
    row = connection.execute(f"SELECT {counted} FROM {_STAGED}").fetchone() or ()  # noqa: S608
    counts = dict(zip(names, map(int, row), strict=True))
    for column in columns:
        if counts[f"{column.name}#unreadable"]:
            reason = "holds text where the schema says numbers"
            raise SchemaMismatchError(source=source, column=column.name, reason=reason)
    return tuple(
        ColumnReport(
            name=column.name,
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

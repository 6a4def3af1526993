"""From the view's columns to typed columns on their public grids.

Layer:       analytics.sources above loading.
Terms:       a clean numeric column holds grid indices between its bounds, a category its position in the domain.
Guarantees:  a value on the grid keeps its index exactly (the error of two double operations is below 1e-3 steps for
             indices up to 2^40); one off the grid goes to a nearest one. NULL stays NULL and never becomes a bound.
Source:      ours; DuckDB's LEAST and GREATEST skip NULL, so clipping stands behind a test for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from analytics.errors import SchemaMismatchError
from analytics.schema import BooleanColumn, CategoricalColumn, Column, NumericColumn, Table
from analytics.schema.numbers import format_decimal
from analytics.sql.render import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

INTEGERS = frozenset(
    {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"}
    | {"UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"}
)
FLOATS = frozenset({"FLOAT", "DOUBLE"})
_TRUE = "('true', 't', '1', '1.0')"
_FALSE = "('false', 'f', '0', '0.0')"
_TIMES = ("DATE", "TIME", "INTERVAL")


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanColumn:
    """SQL texts that clean one column of the view.

    Attributes:
        name: the column's name in the schema.
        clean: the typed value.
        missing: true where the source has no value.
        unreadable: true where a text is no number at all: the column is not what the schema says.
        not_finite: true for NaN and infinities.
        clipped: true outside the bounds.
        outside_domain: true outside the domain.
    """

    name: str
    clean: str
    missing: str
    unreadable: str = "FALSE"
    not_finite: str = "FALSE"
    clipped: str = "FALSE"
    outside_domain: str = "FALSE"

    def flags(self) -> Iterator[tuple[str, str]]:
        """Names and texts of the flags, in a fixed order."""
        for kind in ("missing", "unreadable", "not_finite", "clipped", "outside_domain"):
            yield f"{self.name}#{kind}", getattr(self, kind)


def clean_columns(table: Table, types: Mapping[str, str], source: str) -> list[CleanColumn]:
    """Say how each declared column is cleaned.

    Args:
        table: the table.
        types: DuckDB's type of each column of the view.
        source: the file's name, for messages.

    Returns:
        One per declared column but the privacy unit.

    Raises:
        SchemaMismatchError: a column is missing or of a type that cannot be what the schema says.
    """
    return [
        _clean(column, *find_column(name, types, source), source)
        for name, column in table.columns.items()
        if name != table.privacy_unit
    ]


def find_column(name: str, types: Mapping[str, str], source: str) -> tuple[str, str]:
    """The view's column of a name, upper and lower case alike, and its type.

    Args:
        name: in the schema.
        types: DuckDB's type of each column of the view.
        source: the file's name, for messages.

    Returns:
        Its name in the view, and its type.

    Raises:
        SchemaMismatchError: there is none.
    """
    for found, kind in types.items():
        if found.lower() == name.lower():
            return found, kind
    raise SchemaMismatchError(source=source, column=name, reason="is missing from the site's view")


def _refuse(source: str, column: str, reason: str) -> None:
    raise SchemaMismatchError(source=source, column=column, reason=reason)


def base_type(kind: str) -> str:
    """DuckDB's type without parameters; nested types keep their brackets and match nothing."""
    if kind.endswith("]"):
        return "LIST"
    base = kind.partition("(")[0]
    texts = {"ENUM", '"NULL"', "NULL"}  # a frame's column without any value has DuckDB's type NULL
    return "VARCHAR" if base in texts else base


def _clean(column: Column, found: str, kind: str, source: str) -> CleanColumn:
    base = base_type(kind)
    raw = quoted(found)
    text = f"NULLIF(trim(CAST({raw} AS VARCHAR)), '')"
    known = f"({text if base == 'VARCHAR' else raw} IS NOT NULL)"
    if base.startswith(_TIMES):
        cast = f"CAST({found} AS VARCHAR) AS {column.name}"
        _refuse(
            source, column.name, f"was read as a date or time: write {cast} in the site's view, or a number"
        )
    if isinstance(column, NumericColumn):
        if base not in INTEGERS | FLOATS | {"DECIMAL", "VARCHAR"}:
            _refuse(source, column.name, "is not a number as the schema says")
        return _numeric(column, text if base == "VARCHAR" else raw, known)
    if base not in INTEGERS | FLOATS | {"DECIMAL", "VARCHAR", "BOOLEAN"}:
        _refuse(source, column.name, "is neither text, number nor boolean")
    if isinstance(column, BooleanColumn):
        return _boolean(column, raw, text, known, base)
    if isinstance(column, CategoricalColumn):
        return _categorical(column, raw, text, known)
    raise SchemaMismatchError(source=source, column=column.name, reason="cannot be cleaned")


def _numeric(column: NumericColumn, raw: str, known: str) -> CleanColumn:
    value = f"TRY_CAST({raw} AS DOUBLE)"
    lower, upper = _double(format_decimal(column.lower)), _double(format_decimal(column.upper))
    steps = column.resolution
    grid = (
        f"round(greatest(least({value}, {upper}), {lower}) * {_double(str(steps.denominator))}"
        f" / {_double(str(steps.numerator))})"
    )
    finite = f"COALESCE(isfinite({value}), FALSE)"
    whole = f"greatest(least(TRY_CAST({grid} AS BIGINT), {column.grid_upper}), {column.grid_lower})"
    return CleanColumn(
        name=column.name,
        clean=f"CASE WHEN {finite} THEN {whole} END",
        missing=f"(NOT {known})",
        unreadable=f"({known} AND {value} IS NULL)",
        not_finite=f"({known} AND {value} IS NOT NULL AND NOT {finite})",
        clipped=f"({finite} AND NOT ({value} BETWEEN {lower} AND {upper}))",
    )


def _boolean(column: BooleanColumn, raw: str, text: str, known: str, base: str) -> CleanColumn:
    if base == "BOOLEAN":
        return CleanColumn(name=column.name, clean=raw, missing=f"(NOT {known})")
    if base == "VARCHAR":
        yes, no = f"lower({text}) IN {_TRUE}", f"lower({text}) IN {_FALSE}"
    else:
        yes, no = f"{raw} = 1", f"{raw} = 0"
    clean = f"CASE WHEN {yes} THEN TRUE WHEN {no} THEN FALSE END"
    return CleanColumn(
        name=column.name,
        clean=clean,
        missing=f"(NOT {known})",
        outside_domain=f"({known} AND ({clean}) IS NULL)",
    )


def _categorical(column: CategoricalColumn, raw: str, text: str, known: str) -> CleanColumn:
    value = text
    if isinstance(column.domain[0], int):
        number = f"TRY_CAST({raw} AS DOUBLE)"
        value = f"CASE WHEN {number} = floor({number}) THEN CAST(TRY_CAST({number} AS BIGINT) AS VARCHAR) END"
    members = ", ".join(_quoted_text(str(item)) for item in column.domain)
    code = f"CAST(enum_code(TRY_CAST({value} AS ENUM({members}))) AS BIGINT)"
    return CleanColumn(
        name=column.name,
        clean=code,
        missing=f"(NOT {known})",
        outside_domain=f"({known} AND {code} IS NULL)",
    )


def _double(decimal: str) -> str:
    return f"CAST('{decimal}' AS DOUBLE)"


def _quoted_text(text: str) -> str:
    doubled = text.replace("'", "''")
    return f"'{doubled}'"

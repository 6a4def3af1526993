"""The public schema for people: tables, their columns, and what values these may have.

Layer:       federation.client.schema_view, below session. From the consortium file alone; no site is asked.
Guarantees:  shows what all members agreed on, and nothing of any site's data.
See instead: the schema itself (``analytics.schema``), the command (``federation.cli.schema``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from analytics.schema import BooleanColumn, CategoricalColumn, NumericColumn, Table
from analytics.text_tables import as_html, as_text, listed
from privacy_accounting.decimals import format_decimal

if TYPE_CHECKING:
    import pandas as pd

    from analytics.schema import Column

COLUMNS: Final = ("table", "column", "type", "values", "groups", "missing", "remark")


class SchemaView(Mapping[str, Table]):
    """The tables by their names; shown, it lists every column.

    A mapping: ``session.tables["patients"].columns["age"].upper``.
    """

    def __init__(self, tables: Mapping[str, Table]) -> None:
        """Take the schema's tables."""
        self._tables = tables

    def __getitem__(self, name: str) -> Table:
        """Return a table."""
        return self._tables[name]

    def __iter__(self) -> Iterator[str]:
        """Return the names."""
        return iter(self._tables)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._tables)

    def rows(self) -> list[dict[str, str]]:
        """Return one dictionary for each column, with the keys of ``COLUMNS``."""
        return [_row(table, column) for table in self._tables.values() for column in table.columns.values()]

    @property
    def frame(self) -> pd.DataFrame:
        """``rows`` as a frame."""
        import pandas as pd

        return pd.DataFrame(self.rows(), columns=list(COLUMNS))

    def __repr__(self) -> str:
        """Return the columns and a line about each table."""
        return as_text(COLUMNS, self._cells(), [about(table) for table in self._tables.values()])

    def _repr_html_(self) -> str:
        return as_html(COLUMNS, self._cells(), [about(table) for table in self._tables.values()])

    def _cells(self) -> list[list[str]]:
        return [[row[name] for name in COLUMNS] for row in self.rows()]


def about(table: Table) -> str:
    """Return the facts of a table on which prices and guards depend, in one line."""
    unit = "one row" if table.privacy_unit == "row" else f"all rows of one {table.privacy_unit}"
    sites = "every site" if table.max_sites_per_unit is None else f"{table.max_sites_per_unit} site(s)"
    exact = ", ".join(table.exact_dimensions) or "no column"
    return (
        f"{table.name}: privacy unit: {unit}, at up to {sites}, {table.max_rows_per_unit} row(s) a site; "
        f"up to {table.rows_max} rows a site; budget of {table.population}; exact WHERE and GROUP BY: {exact}"
    )


def _row(table: Table, column: Column) -> dict[str, str]:
    remark = "guessed: nothing private until a person has checked it" if column.guessed else ""
    kind, values, groups, missing = _facts(column)
    return dict(zip(COLUMNS, (table.name, column.name, kind, values, groups, missing, remark), strict=True))


def _facts(column: Column) -> tuple[str, str, str, str]:
    """Return type, values, groups of GROUP BY, and whether a missing value is a group of its own."""
    if isinstance(column, NumericColumn):
        step = "" if column.resolution == 1 else f" in steps of {format_decimal(column.resolution)}"
        values = (
            f"{format_decimal(column.lower)} to {format_decimal(column.upper)}{step} {column.unit}".rstrip()
        )
        edges = ", ".join(map(format_decimal, column.bins))
        return "numeric", values, f"bins at {edges}" if edges else "none: it has no bins", _missing(column)
    if isinstance(column, CategoricalColumn):
        return "categorical", listed(column.domain), str(len(column.domain)), _missing(column)
    if isinstance(column, BooleanColumn):
        return "boolean", "true, false", "2", _missing(column)
    return "identifier", "counted alone, with COUNT(DISTINCT ...)", "none", ""


def _missing(column: NumericColumn | CategoricalColumn | BooleanColumn) -> str:
    return "a group of its own" if column.nullable else "left out"

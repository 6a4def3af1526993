"""The rows of a site's view as checks read them: each column's value, what cleaning makes of it, and dates.

Layer:       analytics.quality.prepared_rows, above thresholds.
Terms:       a column's *staged* integer is what ingest makes of a cell (``analytics.sources.cleaning``), with values beside the
             range for what was wrong; its *typed* value is the number, text, boolean or date that the cell writes, before any
             bound.
Guarantees:  a cell is understood as ingest understands it. A column that ingest would refuse is left out, with the reason.
Source:      ours.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from analytics.errors import SchemaMismatchError
from analytics.schema import BooleanColumn, NumericColumn
from analytics.schema.tables import ROW
from analytics.sources.cells import DATES, NUMBERS, base_type, cell_text, text_date, text_number
from analytics.sources.cleaning import CleanColumn, ViewColumn, clean_columns, find_column
from analytics.sources.units import unit_column
from analytics.sql.terms.render import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from analytics.quality.thresholds import TableRules
    from analytics.schema import Table
    from analytics.schema.columns import Column
    from analytics.sources.spec import CellRules
    from analytics.sources.units import UnitColumn

UNIT: Final = quoted("#unit")
REFUSED: Final = quoted("#refused")
OTHER_SIGN: Final = {".": ",", ",": "."}


def staged(name: str) -> str:
    """SQL of a column's staged integer."""
    return quoted(f"#staged {name}")


def typed(name: str) -> str:
    """SQL of a column's typed value."""
    return quoted(name)


def date_of(name: str) -> str:
    """SQL of the date that a column writes."""
    return quoted(f"#date {name}")


def has_value(name: str) -> str:
    """SQL of whether a column's cell holds anything."""
    return quoted(f"#any {name}")


def other_number(name: str) -> str:
    """SQL of the number that a column's text writes with the other decimal sign."""
    return quoted(f"#other {name}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedRows:
    """What checks of one table can be made of.

    Attributes:
        table: the schema's.
        columns: how each declared column is cleaned; without those of ``faults``.
        texts: declared columns of numbers whose cells are texts.
        faults: columns that ingest refuses, each with its reason.
        missing: of these, those that the view lacks.
        unit: the privacy unit's normal form; None where rows are units, or where it is among the faults.
        kinds: of each column that a rule between columns may use: number, text, date or boolean.
        dates: columns that hold dates.
        select: the SELECT that makes the columns above.
        source: what stands after FROM for all rows.
        double: the type of 64-bit floating-point numbers where the rows are.
        is_finite: SQL of whether a number of that type is finite.
    """

    table: Table
    columns: Mapping[str, CleanColumn]
    texts: frozenset[str]
    faults: Mapping[str, str]
    missing: frozenset[str]
    unit: UnitColumn | None
    kinds: Mapping[str, str]
    dates: tuple[str, ...]
    select: str
    source: str = "source"
    double: str = "DOUBLE"
    is_finite: Callable[[str], str] = "isfinite({})".format


def prepare_rows(
    table: Table, types: Mapping[str, str], cells: CellRules, rules: TableRules, source: str
) -> PreparedRows:
    """Say how the rows of a view are read for checks.

    Args:
        table: the schema's.
        types: DuckDB's type of each column of the view.
        cells: how the source's texts are written.
        rules: of the table; they may name further columns of dates.
        source: the source's name, for messages.
    """
    viewed = [ViewColumn(name=name, sql=quoted(name), kind=kind) for name, kind in types.items()]
    columns: dict[str, CleanColumn] = {}
    faults: dict[str, str] = {}
    missing: set[str] = set()
    chosen: list[str] = []
    kinds: dict[str, str] = {}
    texts: set[str] = set()
    for name, column in table.columns.items():
        if name == table.privacy_unit:
            continue
        try:
            found = find_column(name, viewed, source)
            columns[name] = _cleaned(table, column, viewed, cells, source)
        except SchemaMismatchError as error:
            faults[name] = error.reason
            missing |= {name} if name.lower() not in {own.lower() for own in types} else set()
            continue
        chosen.append(f"{columns[name].staged} AS {staged(name)}")
        value, kinds[name] = _typed(column, columns[name], found, cells)
        chosen.append(f"{value} AS {typed(name)}")
        if isinstance(column, NumericColumn) and base_type(found.kind) == "VARCHAR":
            texts.add(name)
            other = replace(cells, decimal=OTHER_SIGN[cells.decimal])
            chosen.append(f"{text_number(cell_text(found.sql, found.kind), other)} AS {other_number(name)}")
    unit = _unit(table, viewed, source, faults, missing)
    if unit is not None:
        chosen += [f"{unit.normal} AS {UNIT}", f"{unit.refused} AS {REFUSED}"]
    dates = _dates(viewed, rules, cells, chosen, kinds)
    taken = {name.lower() for name in (*kinds, *faults, table.privacy_unit)}
    for each in viewed:
        if each.name.lower() not in taken:
            kind = base_type(each.kind)
            own = {"VARCHAR": "text", "BOOLEAN": "boolean"}.get(kind, "number" if kind in NUMBERS else "")
            if own:
                kinds[each.name] = own
                value = each.sql if own != "number" else f"CAST({each.sql} AS DOUBLE)"
                chosen.append(f"{value} AS {typed(each.name)}")
    return PreparedRows(
        table=table,
        columns=columns,
        texts=frozenset(texts),
        faults=faults,
        missing=frozenset(missing),
        unit=unit,
        kinds=kinds,
        dates=dates,
        select=f"SELECT {', '.join(chosen) or '1 AS nothing'} FROM source",  # noqa: S608  quoted names and texts alone
    )


def alone(table: Table, column: Column) -> Table:
    """A table of one column, so that another column's fault does not hide it."""
    return replace(
        table,
        columns={column.name: column},
        exact_dimensions=(),
        privacy_unit=ROW,
        max_rows_per_unit=1,
        unit_form="text",
    )


def _cleaned(
    table: Table, column: Column, viewed: list[ViewColumn], cells: CellRules, source: str
) -> CleanColumn:
    (found,) = clean_columns(alone(table, column), viewed, cells, source)
    return found


def _typed(column: Column, clean: CleanColumn, found: ViewColumn, cells: CellRules) -> tuple[str, str]:
    if isinstance(column, NumericColumn):
        if base_type(found.kind) != "VARCHAR":
            return f"CAST({found.sql} AS DOUBLE)", "number"
        return text_number(cell_text(found.sql, found.kind), cells), "number"
    if isinstance(column, BooleanColumn):
        return f"CASE {clean.staged} WHEN 1 THEN TRUE WHEN 0 THEN FALSE END", "boolean"
    return f"NULLIF({cell_text(found.sql, found.kind)}, '')", "text"


def _unit(
    table: Table, viewed: list[ViewColumn], source: str, faults: dict[str, str], missing: set[str]
) -> UnitColumn | None:
    if table.privacy_unit == ROW:
        return None
    try:
        return unit_column(table, viewed, source)
    except SchemaMismatchError as error:
        faults[table.privacy_unit] = error.reason
        if table.privacy_unit.lower() not in {own.name.lower() for own in viewed}:
            missing.add(table.privacy_unit)
        return None


def _dates(
    viewed: list[ViewColumn],
    rules: TableRules,
    cells: CellRules,
    chosen: list[str],
    kinds: dict[str, str],
) -> tuple[str, ...]:
    """Columns whose type is a date, and those that the rules name; the latter are read as texts if need be."""
    named = {*rules.dates, *(each.after for each in rules.dates.values() if each.after)}
    found = []
    for each in viewed:
        base = base_type(each.kind)
        if base in DATES:
            value, held = f"CAST({each.sql} AS DATE)", f"{each.sql} IS NOT NULL"
        elif each.name in named and base == "VARCHAR":
            text = cell_text(each.sql, each.kind)
            value, held = text_date(each.sql, cells), f"COALESCE({text} <> '', FALSE)"
        else:
            continue
        found.append(each.name)
        chosen += [f"{value} AS {date_of(each.name)}", f"{held} AS {has_value(each.name)}"]
        if each.name not in kinds:
            kinds[each.name] = "date"
            chosen.append(f"{value} AS {typed(each.name)}")
    return tuple(found)

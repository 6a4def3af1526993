"""The rows of a table that stays in its server, as checks read them: the same columns as of rows in the node.

Layer:       analytics.quality above prepared_rows.
Guarantees:  a cell is understood as the server's clean table understands it (``analytics.sources.pushed``), which means as
             the node does. A column that would be refused there has its reason, as when the table is opened for questions.
             Where checks need more than comparing (rules between columns, dates in texts or of a time zone), the node
             reads the rows.
See instead: rows in the node (``prepared_rows``).
Source:      ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analytics.errors import SchemaMismatchError
from analytics.quality.prepared_rows import (
    REFUSED,
    UNIT,
    PreparedRows,
    alone,
    date_of,
    has_value,
    staged,
    typed,
)
from analytics.schema import NumericColumn
from analytics.schema.tables import ROW
from analytics.sources.cells import DATES
from analytics.sources.pushed.clean_view import check_cell_rules, push_columns, push_unit, viewed_rows
from analytics.sources.units import UnitColumn

if TYPE_CHECKING:
    from analytics.quality.thresholds import TableRules
    from analytics.schema import Table
    from analytics.sources.pushed.inspection import ServerRows
    from analytics.sources.pushed.words import ServerWords
    from analytics.sources.servers.found import Found
    from analytics.sources.spec import CellRules

_NO_FORM = "holds blanks at the ends, or letters beyond printable ASCII: bring it to one form in a view there"
_DAYS = frozenset({"DATE", "TIMESTAMP"})


def why_read(relation: Found, rules: TableRules) -> str:
    """Say why the node has to read the rows for these checks; empty where the server can make them.

    Args:
        relation: the server's.
        rules: of the table.
    """
    if rules.rules:
        return "a rule between columns"
    kinds = dict(zip(relation.names, relation.kinds, strict=True))
    named = {*rules.dates, *(each.after for each in rules.dates.values() if each.after)}
    if any(kinds.get(name) == "VARCHAR" for name in named):
        return "dates in texts"
    if any(kind in DATES - _DAYS or kind.endswith("ZONE") for kind in kinds.values()):
        return "dates with a time zone"
    return ""


def prepare_server_rows(table: Table, server: ServerRows, cells: CellRules, source: str) -> PreparedRows:
    """Say how the rows of a server's table are read for checks.

    Args:
        table: the schema's.
        server: the open table; ``why_read`` is empty for it.
        cells: how texts would be written; only the usual ones, as for questions.
        source: the source's name, for messages.

    Raises:
        SchemaMismatchError: texts would be read in a way that the server has not.
    """
    relation, words = server.relation, server.words
    check_cell_rules(cells, source)
    places = {name.lower(): place for place, name in enumerate(relation.names)}
    columns, faults, missing, chosen = {}, {}, set(), []
    for name, column in table.columns.items():
        if name == table.privacy_unit:
            continue
        try:
            (clean,) = push_columns(alone(table, column), relation, cells, source, words).columns
        except SchemaMismatchError as error:
            faults[name] = error.reason
            missing |= {name} if name.lower() not in places else set()
            continue
        columns[name] = clean
        chosen.append(f"{clean.staged} AS {staged(name)}")
        if isinstance(column, NumericColumn):
            chosen.append(f"CAST(v{places[name.lower()]} AS {words.double}) AS {typed(name)}")
    unit = _unit(table, server, source, faults, missing)
    if unit is not None:
        chosen += [f"{unit.normal} AS {UNIT}", f"{unit.refused} AS {REFUSED}"]
    dates = tuple(name for name, kind in zip(relation.names, relation.kinds, strict=True) if kind in _DAYS)
    for name in dates:
        value = f"v{places[name.lower()]}"
        chosen += [f"CAST({value} AS DATE) AS {date_of(name)}", f"{value} IS NOT NULL AS {has_value(name)}"]
    rows = viewed_rows(relation, words)
    return PreparedRows(
        table=table,
        columns=columns,
        texts=frozenset(),
        faults=faults,
        missing=frozenset(missing),
        unit=unit,
        kinds={},
        dates=dates,
        select=f"SELECT {', '.join(chosen) or '1 AS nothing'} FROM {rows}",  # noqa: S608  quoted names and constants
        source=rows,
        double=words.double,
        is_finite=lambda value: f"NOT ({words.not_finite(value)})",
    )


def near_in_server(rows: PreparedRows, words: ServerWords) -> str:
    """SELECT of how many units' identifiers differ from another one's by case, zeros or blanks alone.

    Args:
        rows: with a unit of texts.
        words: the server's.
    """
    units = f"SELECT DISTINCT {UNIT} AS unit FROM ({rows.select}) AS checked WHERE {UNIT} IS NOT NULL"  # noqa: S608
    folded = f"SELECT count(*) AS n FROM ({units}) AS units GROUP BY {words.folded('unit')}"  # noqa: S608
    return f"SELECT coalesce(sum(n), 0) FROM ({folded}) AS folded WHERE n > 1"  # noqa: S608


def _unit(
    table: Table,
    server: ServerRows,
    source: str,
    faults: dict[str, str],
    missing: set[str],
) -> UnitColumn | None:
    name = table.privacy_unit
    if name == ROW:
        return None
    try:
        found = push_unit(table, server.relation, source, server.words)
    except SchemaMismatchError as error:
        faults[name] = error.reason
        missing |= {name} if name.lower() not in {each.lower() for each in server.relation.names} else set()
        return None
    kinds = {
        each.lower(): kind for each, kind in zip(server.relation.names, server.relation.kinds, strict=True)
    }
    return UnitColumn(
        name=name,
        normal=f"CASE WHEN {found.known} THEN {found.value} END",
        refused=found.refused,
        reason=_NO_FORM,
        is_text=found.is_text and kinds[name.lower()] == "VARCHAR",
    )

"""The site administrator's view: one SELECT, and its faults in the administrator's own words.

Layer:       analytics.sources above loading.
Guarantees:  a fault names a word of the view and its place, and nothing else: DuckDB's texts can hold values of the
             data, and the names of other columns, which a file without a header row takes from its first row.
Source:      ours; docs/guarantees.md P19.
"""

from __future__ import annotations

import re
from typing import Final

import duckdb

from analytics.errors import SchemaMismatchError
from analytics.sources.cells import BOOLEAN_FUNCTION, DATE_FUNCTION, NUMBER_FUNCTION
from analytics.sources.servers.view_text import bare_view, word_place
from analytics.sources.spec import DEFAULT_VIEW

_SOURCE = re.compile(r"\bsource\b", re.IGNORECASE)
_NOT_UNDERSTOOD: Final = {
    NUMBER_FUNCTION: "a text that is no number",
    DATE_FUNCTION: "a text that is no date in the source's formats",
    BOOLEAN_FUNCTION: "a text that is none of the source's words for yes and no",
}
_WORD = r'"?([^"\n]{1,200}?)"?'
_FAULTS: Final = (
    (rf"Binder Error: Referenced column {_WORD} not found", "there is no column {}"),
    (rf"Binder Error: Column {_WORD} in \w+ list not found", "there is no column {}"),
    (
        r'Binder Error: (?:Table|Values list) "[^"\n]*" does not have a column named ' + _WORD + r"\n",
        "there is no column {}",
    ),
    (rf"Binder Error: Referenced table {_WORD} not found", "there is no table {}, only source"),
    (rf"Catalog Error: Table with name {_WORD} does not exist", "there is no table {}, only source"),
    (rf"Catalog Error: \w+ Function with name {_WORD} does not exist", "there is no function {}"),
    (rf"Catalog Error: Type with name {_WORD} does not exist", "there is no type {}"),
    (rf"Parser Error: syntax error at or near {_WORD}\n", "it is not valid SQL near {}"),
)
_TEXT_FAULTS: Final = (
    r"Binder Error: Cannot (compare|mix|combine) (values|types) of (type )?(VARCHAR|.* and (type )?VARCHAR)",
    r"Binder Error: No function matches the given name and argument types '[^'\n]*VARCHAR",
)
_PLANNING = (duckdb.BinderException, duckdb.ParserException, duckdb.CatalogException)


def view_types(connection: duckdb.DuckDBPyConnection, view: str, empty: str, source: str) -> dict[str, str]:
    """The columns of a view and their types.

    Args:
        connection: a database.
        view: the administrator's SELECT.
        empty: a SELECT of the table ``source`` without its rows.
        source: the file's name, for messages.

    Returns:
        DuckDB's type by column, in the view's order.

    Raises:
        SchemaMismatchError: it is not one SELECT, or cannot be computed.
    """
    if view == DEFAULT_VIEW:
        described = connection.execute(f"DESCRIBE {empty}").fetchall()
        return {str(row[0]): str(row[1]) for row in described}
    try:
        statements = connection.extract_statements(view)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise SchemaMismatchError(source=source, reason="the site's view must be one SELECT")
        described = connection.execute(f"DESCRIBE {over_source(view, empty)}").fetchall()
    except duckdb.Error as error:
        raise SchemaMismatchError(source=source, reason=view_fault(view, error)) from None
    return {str(row[0]): str(row[1]) for row in described}


def over_source(view: str, query: str, chosen: str = "*", columns: str = "") -> str:
    """A statement over a view.

    Args:
        view: the administrator's SELECT over ``source``.
        query: the SELECT that makes ``source``; it is read once.
        chosen: what to select of the view.
        columns: names for the view's columns, in order; empty: its own.

    Returns:
        SQL.
    """
    is_once = len(_SOURCE.findall(view)) <= 1
    kept = "NOT MATERIALIZED" if is_once else "MATERIALIZED"
    called = f"viewed({columns})" if columns else "viewed"
    return f"WITH source AS {kept} ({query}) SELECT {chosen} FROM ({bare_view(view)}) AS {called}"  # noqa: S608  the administrator's own SQL


def view_fault(view: str, error: duckdb.Error) -> str:
    """What is wrong with a view, as far as a word of the view itself says it.

    Args:
        view: its text.
        error: what the database said.

    Returns:
        A reason without any text but the view's own.
    """
    said = str(error) if isinstance(error, _PLANNING) else ""
    for name, what in _NOT_UNDERSTOOD.items():
        if str(error).startswith(f"Invalid Input Error: #{name}"):
            return f"the site's view cannot be computed: {name} met {what}; list it as missing, or correct the rows"
    if any(re.match(pattern, said) for pattern in _TEXT_FAULTS):
        return (
            "the site's view cannot be computed: it takes a text for a number or a date; cells of a file are texts: write "
            f"{NUMBER_FUNCTION}(column), {DATE_FUNCTION}(column) or {BOOLEAN_FUNCTION}(column)"
        )
    for pattern, meaning in _FAULTS:
        match = re.match(pattern, said)
        place = word_place(view, match[1]) if match else ""
        if match and place:
            return f"the site's view cannot be computed: {meaning.format(match[1])} (first at {place})"
    return f"the site's view cannot be computed over this source ({type(error).__name__})"

"""One rule for a cell of any type: its text, its number, its words.

Layer:       analytics.sources above spec.
Terms:       a *kind* is DuckDB's type of a column; ``base_type`` leaves its parameters out.
Guarantees:  a text stands for itself. A number's text is the shortest decimal, a whole number's has no point, a date's
             is ISO 8601: so a cell means the same whether a file, a frame or a database holds it.
See instead: columns of the schema (``cleaning``).
Source:      ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from analytics.sources.spec import CellRules

INTEGERS = frozenset(
    {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"}
    | {"UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"}
)
FLOATS = frozenset({"FLOAT", "DOUBLE"})
NUMBERS = INTEGERS | FLOATS | {"DECIMAL"}
DATES = frozenset({"DATE", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"})
NUMBER_FUNCTION, DATE_FUNCTION, BOOLEAN_FUNCTION = "as_number", "as_date", "as_boolean"


def base_type(kind: str) -> str:
    """DuckDB's type without parameters; nested types keep their brackets and match nothing."""
    if kind.endswith("]"):
        return "LIST"
    base = kind.partition("(")[0]
    texts = {"ENUM", '"NULL"', "NULL"}  # a frame's column without any value has DuckDB's type NULL
    return "VARCHAR" if base in texts else base


def text_literal(text: str) -> str:
    """An SQL literal of a text."""
    doubled = text.replace("'", "''")
    return f"'{doubled}'"


def cell_text(raw: str, kind: str) -> str:
    """SQL of a cell's text without blanks at its ends; empty where its type has no text here.

    Args:
        raw: SQL of the cell.
        kind: its type.
    """
    base = base_type(kind)
    if base == "VARCHAR":
        return f"trim({raw})" if kind == "VARCHAR" else f"trim(CAST({raw} AS VARCHAR))"
    if base in FLOATS:
        whole = f"{raw} = floor({raw}) AND abs({raw}) < {2**53}"
        return (
            f"CASE WHEN {whole} THEN CAST(CAST({raw} AS BIGINT) AS VARCHAR) ELSE CAST({raw} AS VARCHAR) END"
        )
    if base in DATES:
        date = f"CAST(CAST({raw} AS DATE) AS VARCHAR)"
        return f"CASE WHEN CAST(CAST({raw} AS DATE) AS TIMESTAMP) = {raw} THEN {date} ELSE CAST({raw} AS VARCHAR) END"
    if base in INTEGERS | {"DECIMAL", "BOOLEAN", "UUID"}:
        return f"CAST({raw} AS VARCHAR)"
    return ""


def text_number(text: str, rules: CellRules) -> str:
    """SQL of the number that a text writes, DOUBLE; NULL where it writes none.

    Args:
        text: SQL of the text.
        rules: the source's; of ``.`` and ``,`` only the decimal sign is part of a number.
    """
    if rules.decimal == ".":
        return f"TRY_CAST(CASE WHEN NOT contains({text}, '_') THEN {text} END AS DOUBLE)"  # the database reads 1_2 as 12
    return (
        f"TRY_CAST(CASE WHEN NOT regexp_matches({text}, '[._]') THEN replace({text}, ',', '.') END AS DOUBLE)"
    )


def text_date(text: str, rules: CellRules) -> str:
    """SQL of the date that a text writes, DATE; NULL where it writes none in the formats of the rules."""
    formats = ", ".join(map(text_literal, rules.dates or ("%Y-%m-%d",)))
    return f"CAST(try_strptime(trim({text}), [{formats}]) AS DATE)"


def words(texts: tuple[str, ...]) -> str:
    """SQL of a list of lower-case words."""
    return "(" + ", ".join(text_literal(text.lower()) for text in texts) + ")"


def view_functions(rules: CellRules) -> tuple[str, ...]:
    """Statements that make the functions for views: as_number, as_date and as_boolean.

    Each takes a cell of any type, gives NULL for one without a value, and stops with its own name, and nothing of the
    cell, at a text that it does not understand: a view can turn no text into a missing value unseen.

    Args:
        rules: the source's.
    """
    text = "trim(CAST(x AS VARCHAR))"
    yes, no = f"lower({text}) IN {words(rules.yes)}", f"lower({text}) IN {words(rules.no)}"
    number = f"CASE WHEN typeof(x) = 'VARCHAR' THEN {text_number(text, rules)} ELSE TRY_CAST(x AS DOUBLE) END"
    date = f"CASE WHEN typeof(x) = 'VARCHAR' THEN {text_date(text, rules)} ELSE TRY_CAST(x AS DATE) END"
    flag = (
        f"CASE WHEN {yes} THEN TRUE WHEN {no} THEN FALSE "
        "WHEN TRY_CAST(x AS DOUBLE) = 1 THEN TRUE WHEN TRY_CAST(x AS DOUBLE) = 0 THEN FALSE END"
    )
    return tuple(
        f"CREATE OR REPLACE TEMP MACRO {name}(x) AS CASE WHEN x IS NULL OR {text} = '' THEN NULL "
        f"ELSE COALESCE({value}, error(CASE WHEN x IS NULL THEN '' ELSE '#{name}' END)) END"
        for name, value in ((NUMBER_FUNCTION, number), (DATE_FUNCTION, date), (BOOLEAN_FUNCTION, flag))
    )

"""Integer trees to the local statement's text.

Layer:       analytics.sql above expressions; knows no sqlglot, so the text does not depend on its version.
Terms:       the *canonical* text is DuckDB's: plans, digests and people see it at every site, whatever its database is.
Guarantees:  the text is made of quoted names of the schema, integers and fixed words; data cannot make it raise.
             Every column read and every constant is cast to one type, of 64 bits where no part of the expression
             needs more than 62 (at some engines of 32 bits for 30), and of 100 or more otherwise: no engine chooses a
             type. What adds or multiplies stands in TRY where there is one, so that even a row beyond the bounds would
             be NULL and no error. The codes of a list are compared and never computed with.
             A dialect changes words, never what is computed.
Source:      ours; the manuals of DuckDB 2.0, PostgreSQL 15 and Spark 4. Not sqlglot's translation: measured with 30.30.0, it
             changes the results of logarithms, division and casts between some pairs of databases.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from analytics.sql.terms.expressions import (
    Both,
    Choice,
    ColumnIndex,
    Compare,
    Condition,
    Either,
    Flag,
    Integer,
    Is,
    Known,
    Literal,
    Member,
    Missing,
    Not,
    Product,
    Sum,
    TruthValue,
)

_SMALL: Final = 2**30
_NARROW: Final = 2**62
_PLAIN: Final = ""  # for people: no types


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One database's words.

    Attributes:
        name: as sqlglot calls it.
        small: its type of integers of 32 bits where sums of them are faster; empty: BIGINT stands for it.
        wide: its type of exact integers of at least 100 bits.
        has_try: whether ``TRY(...)`` makes NULL of what cannot be computed.
        casts_truth: whether a boolean is cast to BIGINT in one step.
        types_nulls: whether a NULL alone has no type until it is cast.
        most_columns: columns that one SELECT may have.
        summed: what a BIGINT is cast to before it is summed, where a sum of them is a BIGINT too; empty: nothing.
        row_number: what numbers the rows of a SELECT, in any order.
        is_brief: whether a site's statement says less than the canonical one with the same result: groups by columns in
            place of an index that every row computes, and takes a centre from a sum in place of every row.
        adds_cells: whether rows of a cell are a sum of zeros and ones, where that is faster than a filtered count.
    """

    name: str
    small: str
    wide: str
    has_try: bool
    casts_truth: bool
    types_nulls: bool
    most_columns: int
    summed: str = ""
    adds_cells: bool = False
    row_number: str = "row_number() OVER ()"
    is_brief: bool = False


DUCKDB: Final = Dialect(
    name="duckdb",
    small="",
    wide="HUGEINT",
    has_try=True,
    casts_truth=True,
    types_nulls=False,
    most_columns=100_000,
)
NODE: Final = replace(DUCKDB, is_brief=True)
"""DuckDB as a site's own statement: its text is in no plan and no digest. Measured with DuckDB 2.0.1: TRY doubles the time of
a sum."""
POSTGRESQL: Final = Dialect(
    name="postgres",
    small="INTEGER",
    wide="NUMERIC",
    has_try=False,
    casts_truth=False,
    types_nulls=True,
    most_columns=1_600,
    is_brief=True,
)
SPARK: Final = Dialect(
    name="spark",
    small="INTEGER",
    wide="DECIMAL(38, 0)",
    has_try=False,
    casts_truth=True,
    types_nulls=True,
    most_columns=400,
    summed="DECIMAL(20, 0)",
    row_number="row_number() OVER (ORDER BY monotonically_increasing_id())",
)
"""Spark SQL in ANSI mode with names in double quotation marks (``analytics.sources.servers.spark_session`` sets both). A sum
of integers of 32 bits is a BIGINT there, of ``DECIMAL(20, 0)`` a ``DECIMAL(30, 0)``: exact for 10^10 rows of 62 bits."""
DIALECTS: Final = {each.name: each for each in (NODE, POSTGRESQL, SPARK)}


def quoted(name: str) -> str:
    """A name in quotation marks.

    Args:
        name: a column's or table's name.

    Returns:
        The name as an SQL identifier.
    """
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def render_integer(expression: Integer, to: Dialect = DUCKDB) -> str:
    """The text of an integer expression.

    Args:
        expression: any.
        to: the database.

    Returns:
        SQL of type BIGINT, or a smaller or wider one by the bits that its parts may need; it raises for no row.
    """
    return _safe(expression, _integer(expression, _type(expression, to), to), to)


def render_sum(expression: Integer, to: Dialect = DUCKDB) -> str:
    """The text of an integer expression's sum over rows, NULL where there is none.

    Args:
        expression: of at most 62 bits.
        to: the database.

    Returns:
        SQL of an aggregate that holds the sum over any table exactly.
    """
    text = render_integer(expression, to)
    is_short = not to.summed or _type(expression, to) == to.small
    return f"SUM({text if is_short else _cast(text, to.summed)})"


def render_condition(condition: Condition, to: Dialect = DUCKDB) -> str:
    """The text of a condition.

    Args:
        condition: any.
        to: the database.

    Returns:
        SQL of type BOOLEAN; it raises for no row.
    """
    return _safe(condition, _condition(condition, _type(condition, to), to), to)


def describe_integer(expression: Integer) -> str:
    """The text of an integer expression for people: without types, never run.

    Args:
        expression: any.

    Returns:
        SQL as a person would write it.
    """
    return _integer(expression, _PLAIN, DUCKDB)


def _type(expression: Integer | Condition, to: Dialect) -> str:
    if expression.extent.widest < _SMALL and to.small:
        return to.small
    return "BIGINT" if expression.extent.widest < _NARROW else to.wide


def _safe(expression: Integer | Condition, text: str, to: Dialect) -> str:
    return f"TRY({text})" if expression.extent.computes and to.has_try else text


def _cast(text: str, kind: str) -> str:
    return f"CAST({text} AS {kind})" if kind else text


def _integer(expression: Integer, kind: str, to: Dialect) -> str:
    match expression:
        case ColumnIndex(name=name):
            return _cast(quoted(name), kind)
        case Literal(value=value):
            return _cast(str(value), kind) if kind or value >= 0 else f"({value})"
        case Sum(left=left, right=Literal(value=value)) if value < 0:
            return f"({_integer(left, kind, to)} - {_cast(str(-value), kind)})"
        case Sum(left=left, right=right):
            return f"({_integer(left, kind, to)} + {_integer(right, kind, to)})"
        case Product(left=left, right=right):
            return f"({_integer(left, kind, to)} * {_integer(right, kind, to)})"
        case TruthValue(condition=condition):
            truth = _condition(condition, kind, to)
            truth = truth if to.casts_truth else _cast(truth, "INTEGER")
            return f"CAST({truth} AS {kind or 'BIGINT'})"
        case Choice():
            return _choice(expression, kind, to)


def _choice(choice: Choice, kind: str, to: Dialect) -> str:
    parts = []
    for condition, value in choice.branches:
        parts.append(f"WHEN {_condition(condition, kind, to)} THEN {_or_null(value, kind, to)}")
    return f"CASE {' '.join(parts)} ELSE {_or_null(choice.default, kind, to)} END"


def _or_null(value: Integer | None, kind: str, to: Dialect) -> str:
    if value is None:
        return _cast("NULL", kind) if to.types_nulls else "NULL"
    return _integer(value, kind, to)


def _condition(condition: Condition, kind: str, to: Dialect) -> str:  # noqa: C901  one case per kind of condition
    match condition:
        case Compare(operator=operator, left=left, right=right):
            return f"({_integer(left, kind, to)} {operator} {_integer(right, kind, to)})"
        case Member(argument=argument, codes=()):
            text = _integer(argument, kind, to)
            return f"({text} <> {text})"  # never true, and NULL where the argument is
        case Member(argument=argument, codes=codes):
            return f"({_integer(argument, kind, to)} IN ({', '.join(map(str, codes))}))"
        case Flag(name=name):
            return _cast(quoted(name), kind and "BOOLEAN")
        case Missing(argument=argument):
            return f"({_integer(argument, kind, to)} IS NULL)"
        case Known(value=value):
            return "TRUE" if value else "FALSE"
        case Is(condition=inner, value=value):
            return f"({_condition(inner, kind, to)} IS {'TRUE' if value else 'FALSE'})"
        case Not(condition=inner):
            return f"(NOT {_condition(inner, kind, to)})"
        case Both(left=first, right=second):
            return f"({_condition(first, kind, to)} AND {_condition(second, kind, to)})"
        case Either(left=first, right=second):
            return f"({_condition(first, kind, to)} OR {_condition(second, kind, to)})"

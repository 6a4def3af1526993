"""Integer trees to the local statement's text.

Layer:       analytics.sql above expressions; knows no sqlglot, so the text does not depend on its version.
Guarantees:  the text is made of quoted names of the schema, integers and fixed words; data cannot make it raise.
             Every column read and every constant is cast to one type, of 64 bits where no part of the expression
             needs more than 62, and of 128 otherwise: no engine chooses a type. What adds or multiplies stands in
             TRY, so that even a row beyond the bounds would be NULL and no error. The codes of a list are compared
             and never computed with.
Source:      ours; DuckDB's SQL.
"""

from __future__ import annotations

from typing import Final

from analytics.sql.expressions import (
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

_NARROW: Final = 2**62
_PLAIN: Final = ""  # for people: no types


def quoted(name: str) -> str:
    """A name in quotation marks.

    Args:
        name: a column's or table's name.

    Returns:
        The name as an SQL identifier.
    """
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def render_integer(expression: Integer) -> str:
    """The text of an integer expression.

    Args:
        expression: any.

    Returns:
        SQL of type BIGINT, or HUGEINT where a part may need more than 62 bits; it raises for no row.
    """
    return _safe(expression, _integer(expression, _type(expression)))


def render_condition(condition: Condition) -> str:
    """The text of a condition.

    Args:
        condition: any.

    Returns:
        SQL of type BOOLEAN; it raises for no row.
    """
    return _safe(condition, _condition(condition, _type(condition)))


def describe_integer(expression: Integer) -> str:
    """The text of an integer expression for people: without types, never run.

    Args:
        expression: any.

    Returns:
        SQL as a person would write it.
    """
    return _integer(expression, _PLAIN)


def _type(expression: Integer | Condition) -> str:
    return "BIGINT" if expression.extent.widest < _NARROW else "HUGEINT"


def _safe(expression: Integer | Condition, text: str) -> str:
    return f"TRY({text})" if expression.extent.computes else text


def _cast(text: str, kind: str) -> str:
    return f"CAST({text} AS {kind})" if kind else text


def _integer(expression: Integer, kind: str) -> str:
    match expression:
        case ColumnIndex(name=name):
            return _cast(quoted(name), kind)
        case Literal(value=value):
            return _cast(str(value), kind) if kind or value >= 0 else f"({value})"
        case Sum(left=left, right=Literal(value=value)) if value < 0:
            return f"({_integer(left, kind)} - {_cast(str(-value), kind)})"
        case Sum(left=left, right=right):
            return f"({_integer(left, kind)} + {_integer(right, kind)})"
        case Product(left=left, right=right):
            return f"({_integer(left, kind)} * {_integer(right, kind)})"
        case TruthValue(condition=condition):
            return f"CAST({_condition(condition, kind)} AS {kind or 'BIGINT'})"
        case Choice():
            return _choice(expression, kind)


def _choice(choice: Choice, kind: str) -> str:
    parts = []
    for condition, value in choice.branches:
        parts.append(f"WHEN {_condition(condition, kind)} THEN {_or_null(value, kind)}")
    return f"CASE {' '.join(parts)} ELSE {_or_null(choice.default, kind)} END"


def _or_null(value: Integer | None, kind: str) -> str:
    return "NULL" if value is None else _integer(value, kind)


def _condition(condition: Condition, kind: str) -> str:  # noqa: C901  one case per kind of condition
    match condition:
        case Compare(operator=operator, left=left, right=right):
            return f"({_integer(left, kind)} {operator} {_integer(right, kind)})"
        case Member(argument=argument, codes=()):
            text = _integer(argument, kind)
            return f"({text} <> {text})"  # never true, and NULL where the argument is
        case Member(argument=argument, codes=codes):
            return f"({_integer(argument, kind)} IN ({', '.join(map(str, codes))}))"
        case Flag(name=name):
            return _cast(quoted(name), kind and "BOOLEAN")
        case Missing(argument=argument):
            return f"({_integer(argument, kind)} IS NULL)"
        case Known(value=value):
            return "TRUE" if value else "FALSE"
        case Is(condition=inner, value=value):
            return f"({_condition(inner, kind)} IS {'TRUE' if value else 'FALSE'})"
        case Not(condition=inner):
            return f"(NOT {_condition(inner, kind)})"
        case Both(left=first, right=second):
            return f"({_condition(first, kind)} AND {_condition(second, kind)})"
        case Either(left=first, right=second):
            return f"({_condition(first, kind)} OR {_condition(second, kind)})"

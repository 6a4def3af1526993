"""Integer trees to the local statement's text.

Floor:    analytics.sql above expressions; knows no sqlglot, so the text does not depend on its version.
Promise:  the text is made of quoted names of the schema, integers and fixed words; data cannot make it raise:
          every intermediate is bounded, in 64 bits where its bounds allow and in 128 bits otherwise.
Source:   ours; DuckDB's and PostgreSQL's common SQL.
"""

from __future__ import annotations

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
    widest,
    widest_in,
)

_NARROW = 2**62


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
        expression: any; bounded by 2^100.

    Returns:
        SQL of type BIGINT, or HUGEINT where a part may need more than 62 bits.
    """
    return _integer(expression, wide=widest(expression) >= _NARROW)


def render_condition(condition: Condition) -> str:
    """The text of a condition.

    Args:
        condition: any.

    Returns:
        SQL of type BOOLEAN.
    """
    return _condition(condition, wide=widest_in(condition) >= _NARROW)


def _integer(expression: Integer, *, wide: bool) -> str:
    match expression:
        case ColumnIndex(name=name):
            return f"CAST({quoted(name)} AS HUGEINT)" if wide else quoted(name)
        case Literal(value=value):
            return str(value) if value >= 0 else f"({value})"
        case Sum(left=left, right=Literal(value=value)) if value < 0:
            return f"({_integer(left, wide=wide)} - {-value})"
        case Sum(left=left, right=right):
            return f"({_integer(left, wide=wide)} + {_integer(right, wide=wide)})"
        case Product(left=left, right=right):
            return f"({_integer(left, wide=wide)} * {_integer(right, wide=wide)})"
        case TruthValue(condition=condition):
            kind = "HUGEINT" if wide else "BIGINT"
            return f"CAST({_condition(condition, wide=wide)} AS {kind})"
        case Choice():
            return _choice(expression, wide=wide)


def _choice(choice: Choice, *, wide: bool) -> str:
    parts = [
        f"WHEN {_condition(condition, wide=wide)} THEN {_or_null(value, wide=wide)}"
        for condition, value in choice.branches
    ]
    return f"CASE {' '.join(parts)} ELSE {_or_null(choice.default, wide=wide)} END"


def _or_null(value: Integer | None, *, wide: bool) -> str:
    return "NULL" if value is None else _integer(value, wide=wide)


def _condition(condition: Condition, *, wide: bool) -> str:  # noqa: C901  one case per kind of condition
    match condition:
        case Compare(operator=operator, left=left, right=right):
            return f"({_integer(left, wide=wide)} {operator} {_integer(right, wide=wide)})"
        case Member(argument=argument, codes=()):
            text = _integer(argument, wide=wide)
            return f"({text} <> {text})"  # never true, and NULL where the argument is
        case Member(argument=argument, codes=codes):
            return f"({_integer(argument, wide=wide)} IN ({', '.join(map(str, codes))}))"
        case Flag(name=name):
            return quoted(name)
        case Missing(argument=argument):
            return f"({_integer(argument, wide=wide)} IS NULL)"
        case Known(value=value):
            return "TRUE" if value else "FALSE"
        case Is(condition=inner, value=value):
            return f"({_condition(inner, wide=wide)} IS {'TRUE' if value else 'FALSE'})"
        case Not(condition=inner):
            return f"(NOT {_condition(inner, wide=wide)})"
        case Both(left=first, right=second):
            return f"({_condition(first, wide=wide)} AND {_condition(second, wide=wide)})"
        case Either(left=first, right=second):
            return f"({_condition(first, wide=wide)} OR {_condition(second, wide=wide)})"

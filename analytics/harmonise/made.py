"""What one part of a mapping makes of a table: its SQL, its counts, and the columns that it leaves.

Layer:       analytics.harmonise.made, the lowest of the steps.
Source:      ours.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from analytics.schema.numbers import format_decimal

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from fractions import Fraction

    from analytics.sources.steps.step import Rule

Kinds = dict[
    str, str
]  # of each column: text, number, date, boolean, or other for one that is taken over as it stands
OTHER: Final = "other"


class RuleError(ValueError):
    """A rule that does not fit the columns; its text names the rule, for the site's administrator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """One step before it has its place among the others.

    Attributes:
        what: its name for people.
        sql: the SELECT.
        columns: the kind of each column that it leaves, in order.
        rules: what is counted.
        counted: as in ``Step``.
        loses_rows: as in ``Step``.
    """

    what: str
    sql: str
    columns: Mapping[str, str]
    rules: tuple[Rule, ...] = ()
    counted: str = ""
    loses_rows: bool = False


def check_column(name: str, columns: Mapping[str, str], place: str, kinds: Collection[str] = ()) -> str:
    """The kind of a column.

    Args:
        name: the column.
        columns: those that exist.
        place: where the mapping names it, for messages.
        kinds: that are allowed; empty: all.

    Raises:
        RuleError: there is no such column, or it is of another kind.
    """
    if name not in columns:
        raise RuleError(f"{place}: there is no column {name}{nearest(name, columns)}")
    kind = columns[name]
    if kinds and kind not in kinds:
        raise RuleError(f"{place}: {name} is of the kind {kind}, not {' or '.join(kinds)}")
    return kind


def check_new(name: str, columns: Mapping[str, str], place: str) -> None:
    """Refuse a new column whose name is taken, also in other upper and lower case.

    Raises:
        RuleError: it is.
    """
    if name.lower() in {own.lower() for own in columns}:
        raise RuleError(f"{place}: there is a column {name} already")


def nearest(name: str, names: Collection[str]) -> str:
    """The nearest names, as the end of a sentence; empty where none is near."""
    near = difflib.get_close_matches(name, list(names), n=3)
    return f"; nearest: {', '.join(near)}" if near else ""


def number_sql(number: Fraction, double: str = "DOUBLE") -> str:
    """SQL of a number of the mapping, of the type ``double``."""
    try:
        text = format_decimal(number)
    except (ValueError, ArithmeticError):
        text = repr(float(number))
    return f"CAST('{text}' AS {double})"

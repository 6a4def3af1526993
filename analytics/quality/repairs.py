"""What mends a failed check: a step of the site's mapping, as its administrator would write it.

Layer:       analytics.quality.repairs, beside check. Pure.
Guarantees:  a repair is TOML of a mapping; where no mapping can mend the fault it is a comment that says what can.
See instead: what the keys do (docs/harmonising.md).
Source:      ours.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from analytics.schema import BooleanColumn, CategoricalColumn, NumericColumn
from analytics.schema.numbers import format_decimal

if TYPE_CHECKING:
    import datetime as dt
    from fractions import Fraction

    from analytics.schema.columns import Column


def _key(name: str) -> str:
    """A name as a key of TOML; a JSON text is a basic string."""
    is_bare = name.isascii() and name.replace("_", "a").replace("-", "a").isalnum()
    return name if is_bare else json.dumps(name)


def _column(name: str, *lines: str) -> str:
    return "\n".join([f"[table.columns.{_key(name)}]", *lines])


def value_range(name: str, low: Fraction, high: Fraction) -> str:
    """Values outside a range become missing."""
    edges = f"low = {format_decimal(low)}, high = {format_decimal(high)}"
    return _column(name, 'type = "number"', f"range = {{{edges}}}   # outside: missing")


def word_for_missing(name: str, code: int) -> str:
    """A number that stands for "missing"."""
    return _column(name, 'type = "number"', f'missing = ["{code}"]')


def number(name: str, *, decimal: str = "") -> str:
    """Cells that are no number."""
    if decimal:
        return _column(name, 'type = "number"', f'decimal = "{decimal}"')
    return _column(name, 'type = "number"', 'unread = "missing"   # or list the words in missing = [...]')


def words(column: Column) -> str:
    """Words that are not those of the schema."""
    if isinstance(column, BooleanColumn):
        return _column(
            column.name, 'type = "boolean"', 'yes = ["..."]   # the words of the file', 'no = ["..."]'
        )
    first = str(column.domain[0]) if isinstance(column, CategoricalColumn) else "..."
    return _column(
        column.name, f"words = {{\"...\" = {json.dumps(first)}}}   # the file's word = the domain's"
    )


def cast(column: Column) -> str:
    """A column of a type that cannot be what the schema says."""
    kind = "number" if isinstance(column, NumericColumn) else "text"
    return _column(column.name, f'type = "{"boolean" if isinstance(column, BooleanColumn) else kind}"')


def absent(name: str) -> str:
    """A column that the view lacks."""
    return _column(name, 'from = "..."   # the name in the file')


def missing(name: str, *, is_nullable: bool) -> str:
    """Rows without a value."""
    if not is_nullable:
        return f'[table.missing.{_key(name)}]\nrule = "drop"   # or declare nullable = true in the schema, at all sites'
    return f"# {name}: load the values; a constant for all sites needs crossward harmonise fit {name}=median"


def dates(name: str) -> str:
    """Cells that are no date."""
    return _column(name, 'type = "date"', 'formats = ["%d.%m.%Y"]   # as the file writes them')


def until(name: str, today: dt.date, earliest: dt.date | None) -> str:
    """Dates that cannot be."""
    first = f" AND {name} >= DATE '{earliest.isoformat()}'" if earliest else ""
    condition = f"{name} <= DATE '{today.isoformat()}'{first}"
    return f'[table.derive]\n{_key(f"{name}_plausible")} = "CASE WHEN {condition} THEN {name} END"'


def in_order(name: str, first: str) -> str:
    """An end before its start."""
    return f'[table.derive]\n{_key(f"{name}_plausible")} = "CASE WHEN {name} >= {first} THEN {name} END"'


def duplicates(unit: str, most: int) -> str:
    """Several rows of one unit."""
    if most > 1:
        return (
            f"# {unit}: keep at most {most} rows of each in the view, or raise max_rows_per_unit at all sites"
        )
    return f'[table.duplicates]\nkey = [{json.dumps(unit)}]\nkeep = "most_complete"'


def spelling(unit: str) -> str:
    """One identifier in several spellings."""
    return f"# {unit}: write one spelling in the site's view, for example upper(trim({unit})) AS {unit}"

"""Whether one schema is wider than another: what may change once answers were released from the earlier one.

Layer:       analytics.schema above tables. Pure.
Guarantees:  a wider schema has every table, column, value, bin and exact dimension of the earlier one, with the same
             privacy unit, population, resolution, unit of measurement and order of values. So a question over earlier
             columns keeps its meaning, and what is charged still covers the same people. Whatever is not named here as
             allowed is refused.
See instead: the terms that bring it (``federation.consortium.agreement_terms``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analytics.schema.columns import CategoricalColumn, NumericColumn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from analytics.schema.columns import Column
    from analytics.schema.tables import Schema, Table

_TABLE_FACTS = ("population", "privacy_unit", "unit_form", "max_rows_per_unit", "max_sites_per_unit")
_ANEW = "declare a table of another name for it"


def widening_mistakes(old: Schema, new: Schema) -> list[str]:
    """Name everything in which a schema is not a widening of an earlier one.

    Args:
        old: the earlier one.
        new: the later one.

    Returns:
        Sentences; none where it only adds tables, columns, values, bins, exact dimensions or rows, or widens bounds.
    """
    found = [f"table {name} is removed" for name in old.tables if name not in new.tables]
    for name, table in old.tables.items():
        if name in new.tables:
            found += [f"table {name}: {mistake}" for mistake in _table(table, new.tables[name])]
    return found


def _table(old: Table, new: Table) -> Iterator[str]:
    for fact in _TABLE_FACTS:
        if getattr(old, fact) != getattr(new, fact):
            yield f"{fact} cannot change: {_ANEW}"
    if new.rows_max < old.rows_max:
        yield f"rows_max cannot fall below {old.rows_max}"
    gone = [name for name in old.exact_dimensions if name not in new.exact_dimensions]
    if gone:
        yield f"exact_dimensions must keep {', '.join(gone)}"
    added = set(new.guessed) - set(old.guessed)
    if added:
        yield f"guessed cannot be added to {', '.join(sorted(added))}"
    for name, picture in old.pictures.items():
        if new.pictures.get(name) != picture:
            yield f"picture {name} cannot change: {_ANEW}"
    for name, column in old.columns.items():
        if name not in new.columns:
            yield f"column {name} is removed"
        else:
            yield from (f"column {name}: {mistake}" for mistake in _column(column, new.columns[name]))


def _column(old: Column, new: Column) -> Iterator[str]:
    if type(old) is not type(new):
        yield f"its type cannot change: {_ANEW}"
        return
    if getattr(old, "nullable", False) and not getattr(new, "nullable", False):
        yield "missing values that are a group of their own cannot be given up"
    if new.guessed and not old.guessed:
        yield "it cannot become guessed"
    if isinstance(old, NumericColumn) and isinstance(new, NumericColumn):
        yield from _numeric(old, new)
    if isinstance(old, CategoricalColumn) and isinstance(new, CategoricalColumn):
        gone = [str(value) for value in old.domain if value not in new.domain]
        if gone:
            yield f"the values {', '.join(gone)} cannot be given up"
        elif new.domain[: len(old.domain)] != old.domain:
            yield "new values stand behind the earlier ones, whose order stays"


def _numeric(old: NumericColumn, new: NumericColumn) -> Iterator[str]:
    if (old.resolution, old.unit) != (new.resolution, new.unit):
        yield f"its resolution and unit cannot change: {_ANEW}"
    if new.lower > old.lower or new.upper < old.upper:
        yield "its bounds cannot become narrower"
    if not set(old.bins) <= set(new.bins):
        yield "its bins must keep every earlier edge"
    if old.expected_mean != new.expected_mean:
        yield "its expected_mean cannot change"

"""Items that a person holds or not, whatever the number of the person's rows.

Layer:       analytics.statistics.pairs above column_cells and arguments.
Terms:       an *item* is a true-or-false column, a value of a categorical column, or a declared bin of a number. A person
             *holds* it where any of the person's rows at a site has it; a missing value holds nothing.
Guarantees:  items come from booleans, categories and declared bins alone, never from constants of a request. Two items of
             one side exclude each other in no table: else their sums would tell the count of a closed one.
See instead: items of association mining (``analytics.mining.items``), which also know hierarchies and negations.
Source:      ours; docs/guarantees.md P8, P9.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from analytics.errors import InvalidRequestError, PlanRejectedError
from analytics.schema import BooleanColumn, NumericColumn
from analytics.statistics.arguments import column_of
from analytics.statistics.guards.column_cells import ColumnCells, packed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.schema import Table
    from analytics.sql.query import GroupColumn
    from analytics.statistics.arguments import Arguments
    from analytics.statistics.base import Ints
    from analytics.statistics.guards.column_cells import Words

MAX_ITEMS: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonItem:
    """One item.

    Attributes:
        name: ``smoker``, ``drug=aspirin``, ``age=[40, 60)``.
        column: the column's name.
        low: the smallest integer of the column at which a row has it.
        high: the largest.
    """

    name: str
    column: str
    low: int
    high: int


def read_items(arguments: Arguments, name: str, table: Table) -> tuple[PersonItem, ...]:
    """Read an argument that names items.

    Args:
        arguments: the request's.
        name: of the argument: a text or a list of texts, each a column, which stands for all its values, or
            ``column=value``.
        table: the schema's table.

    Returns:
        The items in the order of the columns' values, each once.

    Raises:
        InvalidRequestError: it is no text or list of texts, an item comes twice, or there are more than 1,000.
        PlanRejectedError: there is no such column or value, a number has no declared bins, or two items exclude
            each other.
    """
    found: list[PersonItem] = []
    for text in arguments.one_or_more_texts(name):
        found += _items_of(text, table, name)
    if len(found) > MAX_ITEMS:
        raise InvalidRequestError(
            parameter=name, reason=f"must be at most {MAX_ITEMS} items, not {len(found)}"
        )
    if len(set(found)) < len(found):
        raise InvalidRequestError(parameter=name, reason="names an item twice")
    _check_apart(found, table, name)
    return tuple(found)


def _items_of(text: str, table: Table, position: str) -> list[PersonItem]:
    asked, has_value, value = text.partition("=")
    column = column_of(asked.strip(), table, position)
    if isinstance(column, NumericColumn) and not column.bins:
        raise PlanRejectedError(
            position=position,
            reason=f"{column.name} has no bins in the schema",
            hint="declare its bins: only they can be items",
        )
    every = _every_item(column)
    if not has_value:
        return [item for item in every if not isinstance(column, BooleanColumn) or item.low]
    wanted = value.strip().lower() if isinstance(column, BooleanColumn) else value.strip()
    for label, item in zip(ColumnCells(column=column).labels, every, strict=True):
        if wanted == (label.lower() if isinstance(column, BooleanColumn) else label):
            return [item]
    raise PlanRejectedError(
        position=position, reason=f"{column.name} has no value {value.strip()[:80]!r} in the schema"
    )


def _every_item(column: GroupColumn) -> list[PersonItem]:
    cells = ColumnCells(column=column)
    found = []
    for label, (low, high) in zip(cells.labels, cells.known, strict=True):
        plain = isinstance(column, BooleanColumn) and low == 1
        name = column.name if plain else f"{column.name}={label}"
        found.append(PersonItem(name=name, column=column.name, low=low, high=high))
    return found


def _check_apart(items: Sequence[PersonItem], table: Table, position: str) -> None:
    """Refuse items of which a person can hold one alone: with all but one open, a closed one follows by subtraction."""
    if not table.units_are_rows:
        return
    columns = [item.column for item in items]
    for column in dict.fromkeys(columns):
        if columns.count(column) > 1:
            raise PlanRejectedError(
                position=position,
                reason=f"values of {column} exclude each other in a table of one row a person",
                hint="name one value of it, or ask for crosstab",
            )


def columns_of(*sides: Sequence[PersonItem]) -> tuple[str, ...]:
    """The columns that a site reads for some items, each once."""
    return tuple(dict.fromkeys(item.column for side in sides for item in side))


def people_of(rows: Ints) -> tuple[int, npt.NDArray[np.int64]]:
    """Number the people of a site's rows.

    Args:
        rows: as ``LocalTable.every_row`` gives them: the first column is the person's number, rising.

    Returns:
        How many people there are, and of each row its person from 0.
    """
    if not len(rows):
        return 0, np.zeros(0, dtype=np.int64)
    starts = np.diff(rows[:, 0], prepend=rows[0, 0] - 1) != 0
    return int(starts.sum()), np.cumsum(starts, dtype=np.int64) - 1


def held_by(rows: Ints, items: Sequence[PersonItem], columns: Sequence[str]) -> tuple[int, Words]:
    """Which people hold which items, a bit each.

    Visible to: the site alone.

    Args:
        rows: a site's; the columns after the first are ``columns``.
        items: of these columns.
        columns: their names.

    Returns:
        How many people the site has, and the bits, shape ``(n_items, n_words)``; bits after the last person are 0.
    """
    n_people, person = people_of(rows)
    places = {name: 1 + place for place, name in enumerate(columns)}
    words = []
    for item in items:
        values = rows[:, places[item.column]]
        holds = np.zeros((1, n_people), dtype=np.bool_)
        holds[0, person[(values >= item.low) & (values <= item.high)]] = True
        words.append(packed(holds)[0])
    return n_people, np.stack(words) if words else np.zeros((0, 0), dtype=np.uint64)

"""Items: an analyst's text, bound to a column and a range of its public codes.

Layer:       analytics.mining, the lowest.
Terms:       an item holds in a row where its column's code lies between ``low`` and ``high``: a grid index, a
             category's position in its domain, 0 or 1 of a boolean. NULL lies nowhere, so the item does not hold.
Guarantees:  items come from booleans, categories and declared bins over the exact dimensions alone, so that no
             constant of a request can cut a person out of a bin; equal items have one name however they are written.
Source:      ours; docs/guarantees.md P9.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from analytics.errors import InvalidRequestError, PlanRejectedError
from analytics.schema import BooleanColumn, CategoricalColumn, NumericColumn
from analytics.schema.numbers import exact_number, format_decimal
from analytics.sql.render import quoted
from analytics.text_tables import listed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from fractions import Fraction

    from analytics.schema import Table

MAX_ITEMS = 1_000
MAX_ITEM_TEXT = 300
_SHOWN = 80
_NAME = r"([A-Za-z_][A-Za-z0-9_]*)"
_NUMBER = r"(-?[0-9.]+)"
_BARE = re.compile(_NAME, re.ASCII)
_EQUALS = re.compile(rf"{_NAME}\s*==?\s*(.+)", re.ASCII)
_SIDE = re.compile(rf"{_NAME}\s*(>=|<=|>|<)\s*{_NUMBER}", re.ASCII)
_BIN = re.compile(rf"{_NAME}\s+in\s+\[\s*{_NUMBER}\s*,\s*{_NUMBER}\s*([)\]])", re.ASCII | re.IGNORECASE)
_TRUTH = {"true": 1, "false": 0}


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Item:
    """One item.

    Attributes:
        name: its canonical text, such as ``disease``, ``sex=M``, ``age>=60`` or ``age in [40, 60)``.
        column: the column's name.
        low: smallest code at which it holds.
        high: largest code at which it holds.
        is_boolean: whether the column is a boolean, whose codes are FALSE and TRUE.
    """

    name: str
    column: str
    low: int
    high: int
    is_boolean: bool

    def excludes(self, other: Item) -> bool:
        """Whether no row can hold both, by the schema alone."""
        return self.column == other.column and (self.high < other.low or other.high < self.low)

    def overlaps(self, other: Item) -> bool:
        """Whether two items of one column can hold in one row."""
        return self.column == other.column and not self.excludes(other)

    def condition(self) -> str:
        """SQL that is true where the item holds, and FALSE or NULL elsewhere."""
        name = quoted(self.column)
        if self.is_boolean:
            return name if self.low else f"NOT {name}"
        return f"{name} BETWEEN {self.low} AND {self.high}"

    def to_dict(self) -> dict[str, object]:
        """Canonical form."""
        return {"name": self.name, "column": self.column, "low": self.low, "high": self.high}


def parse_items(texts: Sequence[str], table: Table) -> tuple[Item, ...]:
    """Read the items of a request.

    Args:
        texts: as the analyst wrote them, in any order.
        table: the schema's table.

    Returns:
        The items in the order of their canonical names, which is the same however the request is ordered.

    Raises:
        InvalidRequestError: none, or more than 1,000.
        PlanRejectedError: one that is unknown, of another shape, over a column that is no exact dimension,
            not a declared bin, or named twice; the position is ``items[number]``, counted from 0.
    """
    if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
        raise InvalidRequestError(parameter="items", reason="must be a list of texts")
    if not texts:
        raise InvalidRequestError(parameter="items", reason="must name at least one item")
    if len(texts) > MAX_ITEMS:
        raise InvalidRequestError(parameter="items", reason=f"must be at most {MAX_ITEMS}, not {len(texts)}")
    found: dict[str, Item] = {}
    for number, text in enumerate(texts):
        item = _Reader(position=f"items[{number}]", text=text, table=table).read()
        if item.name in found:
            raise PlanRejectedError(position=f"items[{number}]", reason=f"{item.name} is named twice")
        found[item.name] = item
    return tuple(sorted(found.values()))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    """One item's text under reading."""

    position: str
    text: str
    table: Table

    def refusal(self, reason: str, hint: str = "") -> PlanRejectedError:
        """The error that names the place; for the caller to raise."""
        return PlanRejectedError(position=self.position, reason=reason, hint=hint)

    def read(self) -> Item:
        text = self.text.strip()
        if len(text) > MAX_ITEM_TEXT or not text.isprintable():
            raise self.refusal(f"an item is at most {MAX_ITEM_TEXT} printable characters")
        if match := _BARE.fullmatch(text):
            return self._bare(match[1])
        if match := _BIN.fullmatch(text):
            return self._bin(match[1], self._number(match[2]), self._number(match[3]), closed=match[4] == "]")
        if match := _SIDE.fullmatch(text):
            return self._side(match[1], match[2], self._number(match[3]))
        if match := _EQUALS.fullmatch(text):
            return self._value(match[1], match[2].strip())
        raise self.refusal(
            f"{text[:_SHOWN]!r} is not a valid item",
            hint="write disease, sex=M, age>=60, age<40 or age in [40, 60)",
        )

    def _column(self, name: str) -> BooleanColumn | CategoricalColumn | NumericColumn:
        allowed = ", ".join(self.table.exact_dimensions) or "none"
        column = self.table.column(name)
        if column is None:
            reason = f"there is no column {name[:_SHOWN]} in {self.table.name}"
            raise self.refusal(reason, hint=f"exact dimensions: {allowed}")
        if (
            not isinstance(column, BooleanColumn | CategoricalColumn | NumericColumn)
            or column.name not in self.table.exact_dimensions
        ):
            reason = f"{column.name} is not an exact dimension, so no item can be made of it"
            raise self.refusal(reason, hint=f"exact dimensions: {allowed}")
        return column

    def _bare(self, name: str) -> Item:
        column = self._column(name)
        if isinstance(column, BooleanColumn):
            return _flag(column, 1)
        if isinstance(column, CategoricalColumn):
            hint = f"for example {column.name}={column.domain[0]}"
            raise self.refusal(f"{column.name} has several values: name one of them", hint=hint)
        raise self.refusal(f"{column.name} is a number: name one of its bins", hint=_bins_hint(column))

    def _value(self, name: str, value: str) -> Item:
        column = self._column(name)
        if isinstance(column, NumericColumn):
            raise self.refusal(f"{column.name} is a number: name one of its bins", hint=_bins_hint(column))
        if isinstance(column, BooleanColumn):
            if value.lower() not in _TRUTH:
                raise self.refusal(f"{column.name} is a boolean: compare it with true or false")
            return _flag(column, _TRUTH[value.lower()])
        domain = [str(member) for member in column.domain]
        if value not in domain and len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        if value not in domain:
            reason = f"{value[:_SHOWN]!r} is not in the domain of {column.name}"
            raise self.refusal(reason, f"which has {listed(domain)}")
        code = domain.index(value)
        name = f"{column.name}={value}"
        return Item(name=name, column=column.name, low=code, high=code, is_boolean=False)

    def _number(self, text: str) -> Fraction:
        try:
            return exact_number(text)
        except ValueError as error:
            raise self.refusal(f"{text[:_SHOWN]!r} is not a plain decimal number") from error

    def _numeric(self, name: str) -> NumericColumn:
        column = self._column(name)
        if not isinstance(column, NumericColumn):
            raise self.refusal(f"{column.name} is not a number, so it has no bins")
        if not column.bins:
            raise self.refusal(f"{column.name} has no declared bins, so no item can be made of it")
        return column

    def _side(self, name: str, operator: str, value: Fraction) -> Item:
        """A union of bins that ends at the lowest or highest edge; on the grid, > is >= of the next step."""
        column = self._numeric(name)
        edge = value + column.resolution if operator in {">", "<="} else value
        if (value / column.resolution).denominator != 1 or edge not in column.bins[1:-1]:
            reason = f"{column.name} has no bin that ends at {format_decimal(value)}"
            raise self.refusal(reason, hint=_bins_hint(column))
        place = column.bins.index(edge)
        if operator in {">", ">="}:
            return _range(column, place, len(column.bins) - 1)
        return _range(column, 0, place)

    def _bin(self, name: str, lower: Fraction, upper: Fraction, *, closed: bool) -> Item:
        """One declared bin by its two edges; the last one holds its upper edge, either bracket names it."""
        column = self._numeric(name)
        edges = column.bins
        place = edges.index(lower) if lower in edges[:-1] else -1
        last = place == len(edges) - 2
        if place < 0 or edges[place + 1] != upper or (closed and not last):
            reason = f"{column.name} has no bin from {format_decimal(lower)} to {format_decimal(upper)}"
            raise self.refusal(reason, hint=_bins_hint(column))
        return _range(column, place, place + 1)


def _flag(column: BooleanColumn, code: int) -> Item:
    name = column.name if code else f"{column.name}=false"
    return Item(name=name, column=column.name, low=code, high=code, is_boolean=True)


def _range(column: NumericColumn, first: int, end: int) -> Item:
    """The bins from number ``first`` up to and without number ``end``."""
    edges = column.bins
    last = len(edges) - 1
    low = int(edges[first] / column.resolution)
    high = column.grid_upper if end == last else int(edges[end] / column.resolution) - 1
    lower, upper = format_decimal(edges[first]), format_decimal(edges[end])
    if first == 0 and end == last:
        name = f"{column.name} in [{lower}, {upper}]"
    elif end == last:
        name = f"{column.name}>={lower}"
    else:
        name = f"{column.name}<{upper}" if first == 0 else f"{column.name} in [{lower}, {upper})"
    return Item(name=name, column=column.name, low=low, high=high, is_boolean=False)


def _bins_hint(column: NumericColumn) -> str:
    if not column.bins:
        return f"{column.name} declares no bins"
    edges = ", ".join(format_decimal(edge) for edge in column.bins[: MAX_ITEM_TEXT // 10])
    return f"edges of {column.name}: {edges}; write one bin or all bins from an edge to an end"

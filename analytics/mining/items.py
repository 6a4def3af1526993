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
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from analytics.errors import InvalidRequestError, PlanRejectedError
from analytics.mining.hierarchy import codes_under, node_name, nodes_at
from analytics.schema import BooleanColumn, CategoricalColumn, NumericColumn
from analytics.schema.numbers import exact_number, format_decimal
from analytics.sql.terms.render import quoted
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
_NEGATED = re.compile(r"not\s+(.+)", re.ASCII | re.IGNORECASE)
_UNDER = re.compile(rf"{_NAME}\s+under\s+(.+)", re.ASCII | re.IGNORECASE)
_ANY_VALUE = re.compile(rf"{_NAME}\s*=\s*\*", re.ASCII)
_ANY_NODE = re.compile(rf"{_NAME}\s+under\s+any\s+(category|block|chapter)", re.ASCII | re.IGNORECASE)
NOT = "not "
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
        codes: of a node of a hierarchy, the positions in the domain that lie under it, rising; else empty.
        is_negated: whether it holds where the rest says that it does not, a missing value included.
    """

    name: str
    column: str
    low: int
    high: int
    is_boolean: bool
    codes: tuple[int, ...] = ()
    is_negated: bool = False

    @property
    def plain(self) -> Item:
        """The item without its negation."""
        return replace(self, is_negated=False, name=self.name.removeprefix(NOT)) if self.is_negated else self

    def excludes(self, other: Item, *, is_unit: bool = False) -> bool:
        """Whether no row can hold both, by the schema alone; of a unit with several rows, whether it cannot."""
        if self.is_negated != other.is_negated:
            return self.plain == other.plain
        if is_unit or self.is_negated or self.column != other.column:
            return False
        return not self._shares_codes(other)

    def overlaps(self, other: Item) -> bool:
        """Whether two items of one column can hold in one row."""
        return self.column == other.column and self._shares_codes(other)

    def is_above(self, other: Item) -> bool:
        """Whether it is a node of a hierarchy that holds all codes of the other item and more."""
        if not self.codes or self.column != other.column or self.is_negated or other.is_negated:
            return False
        return set(other.every_code) < set(self.codes)

    @property
    def every_code(self) -> Sequence[int]:
        """The codes at which it holds."""
        return self.codes or range(self.low, self.high + 1)

    def _shares_codes(self, other: Item) -> bool:
        if self.codes or other.codes:
            return not set(self.every_code).isdisjoint(other.every_code)
        return self.low <= other.high and other.low <= self.high

    def condition(self) -> str:
        """SQL that is true where the item holds without its negation, and FALSE or NULL elsewhere."""
        name = quoted(self.column)
        if self.codes:
            return f"{name} IN ({', '.join(map(str, self.codes))})"
        if self.is_boolean:
            return name if self.low else f"NOT {name}"
        return f"{name} BETWEEN {self.low} AND {self.high}"

    def to_dict(self) -> dict[str, object]:
        """Canonical form."""
        plain: dict[str, object] = {
            "name": self.name, "column": self.column, "low": self.low, "high": self.high
        }  # fmt: skip
        if self.codes:
            plain["codes"] = list(self.codes)
        return plain | {"is_negated": True} if self.is_negated else plain


def parse_items(texts: Sequence[str], table: Table) -> tuple[Item, ...]:
    """Read the items of a request.

    Args:
        texts: as the analyst wrote them, in any order.
        table: the schema's table.

    Returns:
        The items in the order of their canonical names, which is the same however the request is ordered; of a
        hierarchy what lies higher first.

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
        reader = _Reader(position=f"items[{number}]", text=text, table=table)
        several = reader.every()
        for item in [reader.read()] if several is None else several:
            if item.name not in found:
                found[item.name] = item
            elif several is None:
                raise PlanRejectedError(position=f"items[{number}]", reason=f"{item.name} is named twice")
        if len(found) > MAX_ITEMS:
            reason = f"must be at most {MAX_ITEMS}, not {len(found)} or more"
            raise InvalidRequestError(parameter="items", reason=reason)
    return _ordered(tuple(found.values()))


def _ordered(items: tuple[Item, ...]) -> tuple[Item, ...]:
    """By name, but what lies higher in a hierarchy first."""
    nodes = [item for item in items if item.codes]
    return tuple(sorted(items, key=lambda item: (sum(node.is_above(item) for node in nodes), item)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    """One item's text under reading."""

    position: str
    text: str
    table: Table

    def refusal(self, reason: str, hint: str = "") -> PlanRejectedError:
        """The error that names the place; for the caller to raise."""
        return PlanRejectedError(position=self.position, reason=reason, hint=hint)

    def every(self) -> list[Item] | None:
        """All items of a column that one text asks for: its values, or a level of its hierarchy; None for one item."""
        text = self.text.strip()
        if match := _ANY_VALUE.fullmatch(text):
            column = self._categorical(match[1])
            return [_value(column, code) for code in range(len(column.domain))]
        if match := _ANY_NODE.fullmatch(text):
            column = self._categorical(match[1])
            return [_node(column, codes) for codes in nodes_at(column.domain, match[2].lower())]
        return None

    def read(self) -> Item:
        text = self.text.strip()
        if len(text) > MAX_ITEM_TEXT or not text.isprintable():
            raise self.refusal(f"an item is at most {MAX_ITEM_TEXT} printable characters")
        if match := _NEGATED.fullmatch(text):
            item = replace(self, text=match[1]).read()
            if item.is_negated:
                raise self.refusal("a negation is negated", hint="leave both out")
            return replace(item, name=NOT + item.name, is_negated=True)
        if match := _UNDER.fullmatch(text):
            return self._under(match[1], match[2].strip())
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

    def _categorical(self, name: str) -> CategoricalColumn:
        column = self._column(name)
        if not isinstance(column, CategoricalColumn):
            raise self.refusal(f"{column.name} is not categorical, so it has no list of values")
        return column

    def _under(self, name: str, node: str) -> Item:
        column = self._categorical(name)
        codes = codes_under(column.domain, node)
        if not codes:
            reason = f"no code of {column.name} lies under {node[:_SHOWN]!r}"
            hint = "write dx under I20-I25, dx under I21, dx under chapter 9 or dx under any block (ICD-10)"
            raise self.refusal(reason, hint=hint)
        return _node(column, codes)

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
        return _value(column, domain.index(value))

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


def _value(column: CategoricalColumn, code: int) -> Item:
    name = f"{column.name}={column.domain[code]}"
    return Item(name=name, column=column.name, low=code, high=code, is_boolean=False)


def _node(column: CategoricalColumn, codes: tuple[int, ...]) -> Item:
    """A node by its codes; of several nodes with the same codes the lowest names it, a single code is a value."""
    if len(codes) == 1:
        return _value(column, codes[0])
    name = f"{column.name} under {node_name(column.domain, codes)}"
    return Item(name=name, column=column.name, low=codes[0], high=codes[-1], is_boolean=False, codes=codes)


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

"""Arguments of a statistic: read strictly, by the names that it declares.

Layer:       analytics.statistics, below base.
Guarantees:  an unknown, missing or misshapen argument is refused with its name, before anything is planned; numbers
             are the decimals that a person wrote.
Source:      ours.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from analytics.errors import InvalidRequestError, PlanRejectedError
from analytics.schema import BooleanColumn, IdentifierColumn, NumericColumn
from analytics.schema.numbers import exact_number
from analytics.schema.unknown_names import column_hint
from analytics.sql.grouping import labels_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from fractions import Fraction

    from analytics.schema import Table
    from analytics.sql.query import GroupColumn

REQUIRED: Final = object()
MAX_ITEMS: Final = 1_000
AS_BOOLEAN: Final = 'declare type = "boolean" in the schema, where its words mean yes and no'


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One argument of a statistic.

    Attributes:
        name: its name; Python arguments without a name are taken in the order of the parameters.
        default: what stands for it where it is not given.
        meaning: in words.
    """

    name: str
    meaning: str
    default: object = REQUIRED


class Arguments:
    """The arguments of one request."""

    def __init__(self, values: Mapping[str, object], parameters: Sequence[Parameter], statistic: str) -> None:
        """Check the names.

        Raises:
            InvalidRequestError: one is unknown, or a required one is missing.
        """
        known = {parameter.name: parameter for parameter in parameters}
        for name in values:
            if name not in known:
                near = difflib.get_close_matches(str(name), known, n=1)
                hint = f": did you mean {near[0]}?" if near else f", which takes {', '.join(known)}"
                reason = f"is not an argument of {statistic}{hint}"
                raise InvalidRequestError(parameter=str(name)[:80], reason=reason)
        for name, parameter in known.items():
            if name not in values and parameter.default is REQUIRED:
                raise InvalidRequestError(parameter=name, reason=f"is missing: {parameter.meaning}")
        self._values = {name: values.get(name, parameter.default) for name, parameter in known.items()}

    def flag(self, name: str) -> bool:
        """A truth value.

        Raises:
            InvalidRequestError: it is something else.
        """
        value = self._values[name]
        if not isinstance(value, bool):
            raise InvalidRequestError(parameter=name, reason="must be true or false")
        return value

    def whole(self, name: str, *, low: int, high: int) -> int:
        """A whole number.

        Raises:
            InvalidRequestError: it is something else, or out of range.
        """
        value = self._values[name]
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise InvalidRequestError(parameter=name, reason=f"must be a whole number from {low} to {high}")
        return value

    def text(self, name: str) -> str:
        """A text.

        Raises:
            InvalidRequestError: it is something else.
        """
        value = self._values[name]
        if not isinstance(value, str):
            raise InvalidRequestError(parameter=name, reason="must be a text")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts, not empty, none twice.

        Raises:
            InvalidRequestError: it is something else.
        """
        found = self._items(name)
        texts = tuple(item for item in found if isinstance(item, str))
        if not found or len(texts) != len(found) or len(set(texts)) != len(texts):
            raise InvalidRequestError(parameter=name, reason="must be a list of different texts")
        return texts

    def numbers(self, name: str) -> tuple[Fraction, ...]:
        """A list of exact numbers; empty where it is not given.

        Raises:
            InvalidRequestError: it is something else.
        """
        if self._values[name] is None:
            return ()
        try:
            return tuple(exact_number(item) for item in self._items(name))
        except ValueError as error:
            raise InvalidRequestError(parameter=name, reason="must be a list of numbers") from error

    def one_or_more_numbers(self, name: str) -> tuple[Fraction, ...]:
        """An exact number, or a list of them that is not empty.

        Raises:
            InvalidRequestError: it is something else.
        """
        value = self._values[name]
        items = value if isinstance(value, list | tuple) else [value]
        try:
            found = tuple(exact_number(item) for item in items[: MAX_ITEMS + 1])
        except (TypeError, ValueError):
            found = ()
        if not found or len(found) > MAX_ITEMS:
            raise InvalidRequestError(parameter=name, reason="must be a number or a list of numbers")
        return found

    def number(self, name: str) -> Fraction:
        """One exact number.

        Raises:
            InvalidRequestError: it is something else.
        """
        try:
            return exact_number(self._values[name])
        except (TypeError, ValueError) as error:
            raise InvalidRequestError(parameter=name, reason="must be one number") from error

    def one_or_more_texts(self, name: str) -> tuple[str, ...]:
        """A text, or a list of different ones that is not empty.

        Raises:
            InvalidRequestError: it is something else.
        """
        return self.texts(name) if isinstance(self._values[name], list | tuple) else (self.text(name),)

    def labels(self, name: str) -> tuple[str, ...]:
        """A list of groups by their labels as texts, whole numbers or truth values; empty where it is not given.

        Raises:
            InvalidRequestError: it is something else, or one comes twice.
        """
        if self._values[name] is None:
            return ()
        found = tuple(str(item) for item in self._items(name) if isinstance(item, str | int))
        if not found or len(found) != len(self._items(name)) or len(set(found)) != len(found):
            raise InvalidRequestError(parameter=name, reason="must be a list of different groups")
        return found

    def number_column(self, name: str, table: Table) -> NumericColumn:
        """The declared numeric column that it names.

        Raises:
            InvalidRequestError: it is no text.
            PlanRejectedError: no such column, or another type.
        """
        column = column_of(self.text(name), table, name)
        if not isinstance(column, NumericColumn):
            raise PlanRejectedError(position=name, reason=f"{column.name} must be numeric")
        return column

    def is_given(self, name: str) -> bool:
        """Whether it is set to something."""
        return self._values[name] is not None

    def group_column(self, name: str, table: Table) -> GroupColumn:
        """The declared column that it names, which has public groups.

        Raises:
            InvalidRequestError: it is no text.
            PlanRejectedError: no such column, the privacy unit, or a number without declared bins.
        """
        return _with_groups(column_of(self.text(name), table, name), name)

    def group_columns(self, name: str, table: Table) -> tuple[GroupColumn, ...]:
        """The declared columns of a text or a list of different texts, each of which has public groups.

        Raises:
            InvalidRequestError: it is neither.
            PlanRejectedError: as of ``group_column``.
        """
        return tuple(
            _with_groups(column_of(each, table, name), name) for each in self.one_or_more_texts(name)
        )

    def flag_column(self, name: str, table: Table) -> BooleanColumn:
        """The declared true-or-false column that it names.

        Raises:
            InvalidRequestError: it is no text.
            PlanRejectedError: no such column, or another type.
        """
        column = column_of(self.text(name), table, name)
        if not isinstance(column, BooleanColumn):
            raise PlanRejectedError(
                position=name, reason=f"{column.name} must be true or false", hint=AS_BOOLEAN
            )
        return column

    def _items(self, name: str) -> Sequence[object]:
        value = self._values[name]
        if not isinstance(value, list | tuple) or len(value) > MAX_ITEMS:
            raise InvalidRequestError(parameter=name, reason=f"must be a list of at most {MAX_ITEMS} items")
        return value


def _with_groups(column: GroupColumn, position: str) -> GroupColumn:
    if isinstance(column, NumericColumn) and not column.bins:
        raise PlanRejectedError(
            position=position,
            reason=f"{column.name} has no bins in the schema",
            hint="declare its bins: only they can be groups",
        )
    return column


def column_of(asked: str, table: Table, position: str) -> GroupColumn:
    """The declared column of a name.

    Raises:
        PlanRejectedError: there is none, or it is the privacy unit.
    """
    column = table.column(asked)
    if column is None:
        hint = column_hint(table, asked)
        raise PlanRejectedError(position=position, reason=f"unknown column {asked[:80]}", hint=hint)
    if isinstance(column, IdentifierColumn):
        raise PlanRejectedError(
            position=position, reason=f"{column.name} is the privacy unit: it can only be counted"
        )
    return column


def chosen_groups(by: GroupColumn, arguments: Arguments) -> tuple[int, ...]:
    """The positions of the groups that the argument ``groups`` names, in its order; all where it is not given.

    Raises:
        InvalidRequestError: it is no list of groups of the column.
    """
    labels = [str(label) for label in labels_of(by) if label is not None]
    asked = arguments.labels("groups")
    for label in asked:
        if label not in labels:
            reason = f"has no group {label[:80]}: {by.name} has {', '.join(labels[:20])}"
            raise InvalidRequestError(parameter="groups", reason=reason)
    return tuple(labels.index(label) for label in asked) or tuple(range(len(labels)))


def check_one_row_a_unit(table: Table, statistic: str) -> None:
    """Refuse a statistic that takes rows as independent where one unit may have several.

    Raises:
        PlanRejectedError: max_rows_per_unit is above 1.
    """
    if not table.units_are_rows:
        raise PlanRejectedError(
            position="table",
            reason=f"{statistic} takes rows as independent, and a privacy unit of {table.name} may have several",
            hint="ask over a table with max_rows_per_unit = 1",
        )

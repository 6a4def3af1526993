"""The bound question: in the schema's terms, without its text but for names and places.

Layer:       analytics.sql beside numeric; pure data.
Guarantees:  frozen; equal questions over equal schemas bind to equal values.
Source:      ours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from analytics.schema import BooleanColumn, CategoricalColumn, NumericColumn, Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.sql.terms.expressions import Condition
    from analytics.sql.terms.numeric import Numeric

GroupColumn = NumericColumn | CategoricalColumn | BooleanColumn


class Form(StrEnum):
    """What stands in the brackets of an aggregate function."""

    ROWS = "rows"  # *
    UNITS = "units"  # DISTINCT and the privacy unit
    VALUE = "value"  # any value; only whether it is known matters
    NUMBER = "number"


class Clause(StrEnum):
    """Where in the question a column is used."""

    AGGREGATE = "an aggregate"
    WHERE = "WHERE"
    GROUP_BY = "GROUP BY"


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupKey:
    """One column of GROUP BY with its public groups.

    Attributes:
        column: the column.
        labels: what each group is called, in group order; None is the NULL group, always last.
    """

    column: GroupColumn
    labels: tuple[str | int | bool | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyOutput:
    """A SELECT column that repeats a group key.

    Attributes:
        name: the column's name in the answer.
        key: which of the group keys.
    """

    name: str
    key: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AggregateOutput:
    """A SELECT column that is an aggregate.

    Attributes:
        name: the column's name in the answer.
        aggregate: which, by its name in plans.
        argument: what is aggregated; None for COUNT(*) and for counting units.
        position: its place in the text.
    """

    name: str
    aggregate: str
    argument: Numeric | None
    position: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderItem:
    """One sorting key of the finished answer.

    Attributes:
        output: index of a SELECT column.
        descending: largest first.
        nulls_first: where NA goes.
    """

    output: int
    descending: bool
    nulls_first: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """One mention of a column.

    Attributes:
        column: its name in the schema.
        clause: where.
        position: its place in the text.
    """

    column: str
    clause: Clause
    position: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Objection:
    """Something that an exact answer may not hold.

    Attributes:
        position: its place in the text.
        reason: what it is.
        hint: what to ask instead.
    """

    position: str
    reason: str
    hint: str = "ask with epsilon"


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupingSet:
    """Some of the keys of GROUP BY, over whose groups the question is answered besides others.

    Attributes:
        keys: which of the group keys, rising.
        weight: public factor on its figures, above 0: twice the weight is half the noise.
    """

    keys: tuple[int, ...]
    weight: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundQuery:
    """A question in the schema's terms.

    Attributes:
        text: the question as asked; shown, never run.
        table: the table asked.
        outputs: the SELECT's columns.
        where: the filter, or None.
        groups: GROUP BY, in order; empty for one row.
        order: how the finished answer is sorted.
        limit: rows of the finished answer, or None.
        uses: every mention of a column.
        exact_objections: what forbids this question in exact mode by its form.
        grouping_sets: the keys that are grouped by together, one set after the other, over the same rows; empty: all
            keys together.
    """

    text: str
    table: Table
    outputs: tuple[KeyOutput | AggregateOutput, ...]
    where: Condition | None
    groups: tuple[GroupKey, ...]
    order: tuple[OrderItem, ...]
    limit: int | None
    uses: tuple[Use, ...]
    exact_objections: tuple[Objection, ...]
    grouping_sets: tuple[GroupingSet, ...] = ()

    @property
    def n_groups(self) -> int:
        """Number of rows of the unsorted answer: the product of all keys' groups, of grouping sets their sum."""
        return sum(self.set_sizes) if self.grouping_sets else _product(self.groups)

    @property
    def set_sizes(self) -> tuple[int, ...]:
        """Groups of each grouping set."""
        return tuple(_product([self.groups[key] for key in each.keys]) for each in self.grouping_sets)


def _product(keys: Sequence[GroupKey]) -> int:
    return math.prod(len(key.labels) for key in keys)

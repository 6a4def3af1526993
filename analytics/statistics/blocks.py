"""Blocks: one integer for each group, with its sensitivity to one privacy unit.

Layer:       analytics.statistics above sql's expressions.
Terms:       a block is one aggregate over all groups; a figure is one block's integer for one group. ``bound`` is
             what one row can add to a figure, ``l1`` and ``l2`` what one unit can change in a block, over all its
             sites.
Guarantees:  the bounds hold for whatever rows a site has.
Source:      ours; sensitivities as in docs/guarantees.md P6.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from functools import reduce
from typing import TYPE_CHECKING, Final

from analytics.schema import IdentifierColumn
from analytics.sql.terms.expressions import (
    Both,
    ColumnIndex,
    Compare,
    Condition,
    Flag,
    Integer,
    Is,
    Literal,
    Missing,
    Not,
    TruthValue,
    bounds,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.schema import Table


MISSING: Final = -(1 << 62)  # below every grid index; stands for NULL in rows that a site reads
MISSING_CELL: Final = (MISSING, MISSING)


def invalid_name(column: str) -> str:
    """The hidden true-or-false column beside a declared one: whether ingest found a value there that the schema does not allow.

    No declared name can hold a number sign, so no question can name it.
    """
    return f"{column}#invalid"


class Measure(StrEnum):
    """What a block adds up."""

    ROWS = "rows"
    COUNT = "count"
    SUM = "sum"
    SQUARES = "squares"
    UNITS = "units"
    CELL = "cell"


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockSpec:
    """One block, before noise.

    Attributes:
        measure: what is added up.
        argument: over which expression's non-NULL rows; None: all rows.
        center: subtracted from the argument before it is added or squared.
        offset: subtracted from each square.
        outside: over the rows that the filter leaves out (of guards only).
        cell: of a count of a cell: the first and the last integer of the argument that lie in it.
    """

    measure: Measure
    argument: Integer | None = None
    center: int = 0
    offset: int = 0
    outside: bool = False
    cell: tuple[int, int] | None = None

    @property
    def bound(self) -> int:
        """Largest absolute value that one row, or one unit of a count of units, adds."""
        if self.argument is None or self.measure not in {Measure.SUM, Measure.SQUARES}:
            return 1
        lower, upper = (edge - self.center for edge in bounds(self.argument))
        if self.measure is Measure.SUM:
            return max(1, abs(lower), abs(upper))
        smallest = 0 if lower <= 0 <= upper else min(abs(lower), abs(upper))
        largest = max(abs(lower), abs(upper))
        return max(1, abs(smallest**2 - self.offset), abs(largest**2 - self.offset))

    def l1(self, table: Table, *, n_groups: int, n_sites: int) -> int:
        """L1 norm of what one unit can change.

        Args:
            table: the table, which bounds rows and sites of a unit.
            n_groups: groups of the question.
            n_sites: sites that compute.

        Returns:
            The sensitivity in the block's integer units.
        """
        sites = table.sites_per_unit(n_sites)
        if self.measure is Measure.UNITS:
            return sites * min(table.max_rows_per_unit, n_groups)
        return sites * table.max_rows_per_unit * self.bound

    def l2(self, table: Table, *, n_groups: int, n_sites: int) -> int:
        """L2 norm of what one unit can change, rounded up.

        All rows of a unit may fall into one group, where L2 equals L1; a count of units changes each group by
        at most one a site, so its norm grows with the root of the groups.

        Args:
            table: as for l1.
            n_groups: as for l1.
            n_sites: as for l1.

        Returns:
            The sensitivity in the block's integer units.
        """
        if self.measure is not Measure.UNITS:
            return self.l1(table, n_groups=n_groups, n_sites=n_sites)
        squared = table.sites_per_unit(n_sites) ** 2 * min(table.max_rows_per_unit, n_groups)
        return math.isqrt(squared - 1) + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class JointNorm:
    """What one row can change in all blocks of a release together, less than the sum of what it can change in each.

    Attributes:
        weights: whole factors above 0, one a block, after which all blocks get noise of one variance.
        square: largest squared L2 norm of one row's weighted integers.
    """

    weights: tuple[int, ...]
    square: int


def disjoint_runs(blocks: Sequence[BlockSpec]) -> tuple[int, ...]:
    """How many blocks in a row count cells of one column of which a row has at most one; their sum is all blocks.

    What one unit can change in such a run is what it can change in one of its blocks.

    Args:
        blocks: the blocks of a release, in order.

    Returns:
        The length of each run; 1 for every other block.
    """
    lengths: list[int] = []
    run: list[BlockSpec] = []
    for block in blocks:
        if run and _continues(run, block):
            run.append(block)
            lengths[-1] += 1
        else:
            run = [block]
            lengths.append(1)
    return tuple(lengths)


def _continues(run: Sequence[BlockSpec], block: BlockSpec) -> bool:
    if block.cell is None or any(
        before.measure is not Measure.CELL or before.argument != block.argument for before in (*run, block)
    ):
        return False
    first, last = block.cell
    return all(
        before.cell is not None and (before.cell[1] < first or last < before.cell[0]) for before in run
    )


def count_of(table: Table, argument: Integer | None, *, outside: bool = False) -> BlockSpec:
    """The block that counts privacy units with a non-NULL argument.

    Args:
        table: the table.
        argument: an expression; None counts all rows' units.
        outside: over the rows that the filter leaves out.

    Returns:
        A count of units, which is a count of rows where each unit has one row.
    """
    measure = Measure.UNITS
    if table.units_are_rows:
        measure = Measure.ROWS if argument is None else Measure.COUNT
    return BlockSpec(measure=measure, argument=argument, outside=outside)


def in_cell(argument: Integer, cell: tuple[int, int]) -> Condition:
    """Whether a row lies in a cell; never NULL.

    Args:
        argument: a column.
        cell: the first and the last integer in it; ``MISSING_CELL`` for the rows that lack a value.
    """
    if cell == MISSING_CELL:
        return Missing(argument=argument)
    first, last = (Literal(value=edge) for edge in cell)
    inside = Both(
        left=Compare(operator=">=", left=argument, right=first),
        right=Compare(operator="<=", left=argument, right=last),
    )
    return Is(condition=inside, value=True)


def all_known(arguments: Sequence[Integer]) -> Condition:
    """Whether none of some expressions is NULL.

    Args:
        arguments: at least one.
    """
    known: list[Condition] = [Not(condition=Missing(argument=argument)) for argument in arguments]
    return reduce(lambda one, other: Both(left=one, right=other), known)


def column_name(argument: Integer) -> str | None:
    """The declared column that an argument is, and nothing more.

    Args:
        argument: an integer expression.

    Returns:
        The column's name; None for an expression of columns.
    """
    match argument:
        case ColumnIndex(name=name) | TruthValue(condition=Flag(name=name)):
            return name
        case _:
            return None


def is_always_known(table: Table, argument: Integer) -> bool:
    """Whether an argument is a column that the schema declares as not nullable.

    Args:
        table: the table.
        argument: an integer expression.

    Returns:
        False for nullable columns and for expressions of columns.
    """
    name = column_name(argument)
    column = None if name is None else table.column(name)
    return column is not None and not isinstance(column, IdentifierColumn) and not column.nullable

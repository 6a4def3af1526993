"""A filter over a cube's dimensions: which cells it keeps.

Layer:       analytics.cubes beside marginals, above sql.
Terms:       a *cell row* stands for all rows of a group: a category, a truth value, NULL, or the numbers of a bin.
Guarantees:  a cell is kept where the filter is true for every row that can be in it. A comparison that is true for some
             numbers of a bin and false for others is refused with the bin's edges; nothing is estimated inside a bin.
Source:      ours. A comparison of a column with an integer k changes at k and k + 1 alone, so that it has one value in a
             bin where it has one at the bin's ends and beside every k.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from analytics.errors import PlanRejectedError
from analytics.schema import NumericColumn
from analytics.schema.numbers import format_decimal
from analytics.sql.terms.evaluate import truth_at
from analytics.sql.terms.expressions import (
    Both,
    ColumnIndex,
    Compare,
    Either,
    Is,
    Known,
    Literal,
    Member,
    Missing,
    Not,
    TruthValue,
    columns_in,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from analytics.sql.query import GroupKey
    from analytics.sql.terms.expressions import Condition

Bins = tuple[tuple[int, int], ...]


def kept_cells(condition: Condition, keys: Sequence[GroupKey], position: str) -> npt.NDArray[np.float64]:
    """Which cells a filter keeps.

    Args:
        condition: the filter, over the columns of ``keys`` alone.
        keys: the dimensions that it names.
        position: its place in the question, for a refusal.

    Returns:
        1 where a cell is kept, else 0; in the shape of the keys' groups.

    Raises:
        PlanRejectedError: it is not the same for all rows of a cell.
    """
    binned = {key.column.name: key.column for key in keys if isinstance(key.column, NumericColumn)}
    for atom in _atoms(condition):
        for name in columns_in(atom) & binned.keys():
            _check_constant(atom, binned[name], position)
    choices = [_cell_values(key) for key in keys]
    names = [key.column.name for key in keys]
    kept = [truth_at(condition, dict(zip(names, cell, strict=True))) is True for cell in product(*choices)]
    return np.array(kept, dtype=np.float64).reshape([len(each) for each in choices])


def _atoms(condition: Condition) -> list[Condition]:
    """The parts of a condition that are no combination of conditions."""
    match condition:
        case Not(condition=inner) | Is(condition=inner):
            return _atoms(inner)
        case Both(left=left, right=right) | Either(left=left, right=right):
            return _atoms(left) + _atoms(right)
        case Compare(left=TruthValue(condition=left), right=TruthValue(condition=right)):
            return _atoms(left) + _atoms(right)
        case Known():
            return []
        case _:
            return [condition]


def _check_constant(atom: Condition, column: NumericColumn, position: str) -> None:
    bins = _bins_of(column)
    turns = _turns(atom)
    if turns is not None:
        near = {turn + step for turn in turns for step in (-1, 0, 1)}
        cut = [
            first
            for first, last in bins
            if len({_at(atom, column, value) for value in {first, last} | near if first <= value <= last}) > 1
        ]
        if not cut:
            return
    edges = ", ".join(format_decimal(edge) for edge in column.bins[1:-1])
    raise PlanRejectedError(
        position=position,
        reason=f"the cube holds {column.name} in bins, and this filter tells apart numbers of one bin",
        hint=f"compare it alone with an inner edge of its bins: {edges}",
    )


def _at(atom: Condition, column: NumericColumn, value: int) -> bool | None:
    row: Mapping[str, int | None] = {column.name: value}
    return truth_at(atom, row)


def _turns(atom: Condition) -> tuple[int, ...] | None:
    """The integers at which a comparison of one column can change; None for anything else."""
    match atom:
        case Compare(left=ColumnIndex(), right=Literal(value=value)):
            return (value,)
        case Compare(left=Literal(value=value), right=ColumnIndex()):
            return (value,)
        case Member(argument=ColumnIndex(), codes=codes):
            return codes
        case Missing(argument=ColumnIndex()):
            return ()
        case _:
            return None


def _cell_values(key: GroupKey) -> list[int | None]:
    """One value for each group of a key, the last of them None for the NULL group."""
    n_known = len(key.labels) - int(key.labels[-1] is None)
    found: list[int | None] = list(range(n_known))
    if isinstance(key.column, NumericColumn):
        found = [first for first, _ in _bins_of(key.column)]
    return found + [None] * (len(key.labels) - n_known)


def _bins_of(column: NumericColumn) -> Bins:
    """The first and the last grid index of each bin."""
    inner = [int(edge / column.resolution) for edge in column.bins[1:-1]]
    firsts, lasts = [column.grid_lower, *inner], [*(edge - 1 for edge in inner), column.grid_upper]
    return tuple(zip(firsts, lasts, strict=True))

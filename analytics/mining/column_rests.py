"""What exclusive items of one column leave over: the rows that hold none of them.

Layer:       analytics.mining above cubes and item_relations, pure: no site's data.
Terms:       items of a column that no row can hold together are a *group*, by the item that they all imply (a block of
             codes), or by none. Its *rest* are the rows of that item, or all rows, that hold none of the group: the supports
             of the group, subtracted from those of the item, give it. A rest is counted and compared, never opened.
Guarantees:  in a cell of an itemset's cube the absence of a group's item is replaced by the group's rest, which is the
             smaller one: so every difference of opened supports that counts the rest of a group counts enough rows. Where
             the schema says that a group has no rest, every other item of the group stands there instead, since any one of
             them that stays closed would be the difference. Rows without a value, which such a schema excludes, are left out
             by the local scan.
See instead: the cells of items that have no group (cubes).
Source:      ours; docs/guarantees.md P8, P9.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from analytics.mining.cubes import Pattern, cells, pattern_of
from analytics.schema import BooleanColumn, CategoricalColumn, NumericColumn

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from analytics.mining.candidates import Ancestors, Itemset
    from analytics.mining.items import Item
    from analytics.schema import Table

Kinds = tuple[int, ...]
Cell = tuple[tuple[int, ...], tuple[int, ...]]
_PAIR = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """The rows of an item that none of a group of items holds.

    Attributes:
        parent: the item; None: all rows.
        children: the group.
    """

    parent: int | None
    children: Itemset


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnRests:
    """The groups of a plan's items.

    Attributes:
        rests: counted beside the items; their numbers follow the items'.
        alternatives: of each item what stands for its absence, by numbers of items and rests; empty where its absence does.
        complete: columns whose items are all values that the schema allows.
    """

    rests: tuple[Rest, ...] = ()
    alternatives: tuple[tuple[int, ...], ...] = ()
    complete: tuple[str, ...] = ()

    def kinds(self, itemset: Itemset) -> Kinds:
        """Of each item how many alternatives it has; empty where none has any."""
        if not self.alternatives:
            return ()
        found = tuple(len(self.alternatives[item]) for item in itemset)
        return found if any(found) else ()

    def to_dict(self) -> dict[str, object]:
        """Canonical form: what stands for the absence of which items; empty where nothing does."""
        if not self.alternatives:
            return {}
        return {"alternatives": [list(each) for each in self.alternatives]}

    def cells(self, itemset: Itemset, ancestors: Ancestors) -> Iterator[Cell]:
        """Of each cell but the itemset's own the numbers that hold and the items that do not."""
        pattern = pattern_of(itemset, ancestors)
        for subset in cells(pattern).tolist():
            present = [item for place, item in enumerate(itemset) if subset >> place & 1]
            absent = [itemset[place] for place in _nearest(pattern, subset)]
            plain = tuple(item for item in absent if not self.alternatives[item])
            chosen = [self.alternatives[item] for item in absent if self.alternatives[item]]
            for others in product(*chosen):
                yield (*present, *others), plain


def _nearest(pattern: Pattern, subset: int) -> list[int]:
    """Places outside of a closed subset, all of whose ancestors lie in it."""
    return [
        place
        for place, mask in enumerate(pattern)
        if not subset >> place & 1 and (mask & ~(1 << place)) & ~subset == 0
    ]


@cache
def n_compared(pattern: Pattern, kinds: Kinds) -> int:
    """How many cells an itemset has beside its own."""
    if not kinds:
        return len(cells(pattern))
    sizes = np.maximum(np.array(kinds, dtype=object), 1)
    return int(sum(np.prod(sizes[_nearest(pattern, subset)]) for subset in cells(pattern).tolist()))


def rests_of(items: Sequence[Item], ancestors: Ancestors, table: Table, *, is_exclusive: bool) -> ColumnRests:
    """Find the groups.

    Args:
        items: of the plan.
        ancestors: theirs.
        table: the schema's.
        is_exclusive: whether a basket holds one value of a column at most.
    """
    groups: dict[tuple[str, int | None], list[int]] = {}
    for number, item in enumerate(items) if is_exclusive else ():
        if not item.is_negated:
            groups.setdefault((item.column, _parent(number, ancestors)), []).append(number)
    rests: list[Rest] = []
    alternatives: list[tuple[int, ...]] = [() for _ in items]
    complete = []
    for (name, parent), children in groups.items():
        if len(children) < _PAIR:
            continue
        if _is_complete(items, children, parent, table):
            complete += [name] if parent is None else []
            for child in children if len(children) > _PAIR else ():
                alternatives[child] = tuple(other for other in children if other != child)
            continue
        for child in children:
            alternatives[child] = (len(items) + len(rests),)
        rests.append(Rest(parent=parent, children=tuple(children)))
    used = tuple(alternatives) if any(alternatives) else ()
    return ColumnRests(rests=tuple(rests), alternatives=used, complete=tuple(complete))


def _parent(number: int, ancestors: Ancestors) -> int | None:
    """The lowest of the items that an item implies: the one that itself implies most."""
    if not ancestors or not ancestors[number]:
        return None
    return max(ancestors[number], key=lambda node: len(ancestors[node]))


def _is_complete(items: Sequence[Item], children: Sequence[int], parent: int | None, table: Table) -> bool:
    """Whether the schema leaves no rest."""
    covered = {code for child in children for code in items[child].every_code}
    if parent is not None:
        return covered >= set(items[parent].every_code)
    column = table.columns[items[children[0]].column]
    match column:
        case BooleanColumn():
            size = _PAIR
        case CategoricalColumn():
            size = len(column.domain)
        case NumericColumn():
            size = column.grid_upper - column.grid_lower + 1
        case _:
            return False
    return not column.nullable and len(covered) == size

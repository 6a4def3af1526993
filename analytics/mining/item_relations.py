"""How the items of a request stand to each other by schema and hierarchy: which imply others, which may not stand together.

Layer:       analytics.mining above items, pure.
Guarantees:  under the guard no two items are asked whose supports are nested by the schema without one being the
             other's ancestor: no itemset's cube would hold their difference.
Source:      ours; docs/guarantees.md P9.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from analytics.errors import PlanRejectedError

if TYPE_CHECKING:
    from analytics.mining.candidates import Ancestors
    from analytics.mining.items import Item


def ancestors_of(items: tuple[Item, ...]) -> Ancestors:
    """Of each item the numbers of the items that hold wherever it does, by the hierarchy of codes.

    Args:
        items: in the plan's order: an ancestor comes before what implies it.

    Returns:
        One set an item; empty where no item implies another.
    """
    nodes = [number for number, item in enumerate(items) if item.codes]
    if not nodes:
        return ()
    found: list[frozenset[int]] = [
        frozenset(node for node in nodes if items[node].is_above(item)) for item in items
    ]
    return tuple(found) if any(found) else ()


def check_apart(items: tuple[Item, ...], *, is_unit: bool) -> None:
    """Refuse two items of one column with nested supports that no itemset's subset shows.

    Args:
        items: of the request.
        is_unit: whether a privacy unit holds items of all its rows.

    Raises:
        PlanRejectedError: there are two.
    """
    by_column: dict[str, list[Item]] = {}
    for item in items:
        by_column.setdefault(item.column, []).append(item)
    for alike in by_column.values():
        for first, second in combinations(alike, 2):
            if _is_hidden(first, second, is_unit=is_unit):
                raise PlanRejectedError(
                    position="items",
                    reason=f"{first.name} and {second.name} overlap: their supports are nested",
                    hint="keep one of them, or ask with nested_supports = allow where the policy does",
                )


def _is_hidden(first: Item, second: Item, *, is_unit: bool) -> bool:
    if first.is_negated or second.is_negated:
        if first.plain == second.plain:  # an item and its negation add up to all rows
            return False
        return not is_unit or first.plain.overlaps(second.plain)
    if first.is_above(second) or second.is_above(first):
        return False
    return first.overlaps(second)

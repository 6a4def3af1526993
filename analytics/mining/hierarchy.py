"""The ICD-10 hierarchy over a column's domain: which codes lie under a category, a block or a chapter.

Layer:       analytics.mining, below items.
Terms:       a *node* is a category (I21), a block (I20-I25) or a chapter (chapter 9); a code lies under the category
             of its first three characters.
Guarantees:  what lies under a node follows from the schema's domain and the hierarchy of the package alone; no row is
             looked at, so a site without a code has a count of zero for it.
See instead: rolling codes up while a file is harmonised (``analytics.harmonise``).
Source:      ICD-10-CM, April 2026 (CDC/NCHS, public domain), as in ``analytics.harmonise``.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from analytics.harmonise.code_files import CATEGORY_LENGTH, LEVELS, code_form, read_hierarchy

if TYPE_CHECKING:
    from collections.abc import Sequence

_CHAPTER: Final = "chapter"


@cache
def _levels() -> dict[str, dict[str, str]]:
    """Of each level, the node of a category; the lowest level first."""
    found = read_hierarchy(None, ",", "icd10cm_categories.csv", [])
    named = {level: dict(found[level]) for level in LEVELS}
    named[_CHAPTER] = {category: f"{_CHAPTER} {node}" for category, node in named[_CHAPTER].items()}
    return named


def _categories(domain: Sequence[object]) -> list[str]:
    return [code_form(str(member))[:CATEGORY_LENGTH] for member in domain]


def codes_under(domain: Sequence[object], node: str) -> tuple[int, ...]:
    """Positions of the codes that lie under a node.

    Args:
        domain: the column's.
        node: ``I21``, ``I20-I25`` or ``chapter 9``, in any case.

    Returns:
        Rising; empty where there is no such node, or no code under it.
    """
    wanted = " ".join(node.split()).upper()
    for nodes in _levels().values():
        found = tuple(
            place
            for place, category in enumerate(_categories(domain))
            if nodes.get(category, "").upper() == wanted
        )
        if found:
            return found
    return ()


def nodes_at(domain: Sequence[object], level: str) -> list[tuple[int, ...]]:
    """Of each node of a level that has codes in the domain, their positions.

    Args:
        domain: the column's.
        level: ``category``, ``block`` or ``chapter``.

    Returns:
        In the order of the nodes' names.
    """
    nodes = _levels()[level]
    found: dict[str, list[int]] = {}
    for place, category in enumerate(_categories(domain)):
        if category in nodes:
            found.setdefault(nodes[category], []).append(place)
    return [tuple(places) for _, places in sorted(found.items())]


def node_name(domain: Sequence[object], codes: tuple[int, ...]) -> str:
    """The lowest node that holds these codes and no others of the domain."""
    categories = _categories([domain[place] for place in codes])
    for nodes in _levels().values():
        held = {nodes[category] for category in categories}
        if len(held) == 1:
            return held.pop()
    message = "codes of one node were expected"
    raise ValueError(message)

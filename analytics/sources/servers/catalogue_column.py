"""The definition of one column of a server's table.

Layer:       analytics.sources.servers, the lowest.
Source:      ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MOST_TABLES: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueColumn:
    """The definition of one column.

    Attributes:
        is_nullable: whether it may have no value.
        levels: of an enumeration, in its order; else empty.
        decimals: of a number with a declared scale; None without one.
    """

    is_nullable: bool
    levels: tuple[str, ...] = ()
    decimals: int | None = None

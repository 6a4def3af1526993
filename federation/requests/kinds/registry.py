"""The kinds of requests that this version answers, by their names on the wire.

Guarantees:  nothing else in the product lists them. A process loads only those that it uses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from federation.requests.kinds.base import AnyKind
    from federation.requests.kinds.by_columns import ByColumnsKind
    from federation.requests.kinds.link import LinkKind
    from federation.requests.kinds.mining import MiningKind
    from federation.requests.kinds.query import QueryKind
    from federation.requests.kinds.statistic import StatisticKind


def query_kind() -> QueryKind:
    """SQL questions."""
    from federation.requests.kinds.query import KIND

    return KIND


def mining_kind() -> MiningKind:
    """Mining requests."""
    from federation.requests.kinds.mining import KIND

    return KIND


def statistic_kind() -> StatisticKind:
    """Statistics by name."""
    from federation.requests.kinds.statistic import KIND

    return KIND


def link_kind() -> LinkKind:
    """Linkages."""
    from federation.requests.kinds.link import KIND

    return KIND


def by_columns_kind() -> ByColumnsKind:
    """Statistics by columns."""
    from federation.requests.kinds.by_columns import KIND

    return KIND


KINDS: Final[dict[str, Callable[[], AnyKind]]] = {
    "query": query_kind,
    "mine": mining_kind,
    "statistic": statistic_kind,
    "link": link_kind,
    "by_columns": by_columns_kind,
}

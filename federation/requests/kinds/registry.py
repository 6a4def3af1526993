"""The kinds of requests that this version answers, by their names on the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from federation.requests.kinds.mining import MINE
from federation.requests.kinds.query import QUERY
from federation.requests.kinds.statistic import STATISTIC

if TYPE_CHECKING:
    from federation.requests.kinds.base import AnyKind

KINDS: Final[dict[str, AnyKind]] = {kind.name: kind for kind in (QUERY, MINE, STATISTIC)}

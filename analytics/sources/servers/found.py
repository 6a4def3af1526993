"""A table or view of a server, as cleaning needs it.

Layer:       analytics.sources.servers, the lowest.
Source:      ours.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A relation of the server.

    Attributes:
        sql: what stands after FROM, without a name.
        names: its columns, in order.
        kinds: of each column, the kind that the cleaning stage knows; empty for a type that it does not.
        is_fenced: whether the server may compute something that can fail for a row: then nothing is moved past it.
    """

    sql: str
    names: tuple[str, ...]
    kinds: tuple[str, ...]
    is_fenced: bool

"""A linkage request of an analyst.

Layer:       analytics.linkage, the lowest.
Guarantees:  a request that exists is within its public limits; ``LinkRequest.from_dict(r.to_dict()) == r``.
Source:      ours; docs/guarantees.md P18.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, get_args

from analytics.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Mapping

Learns = Literal["rows", "count"]
PAIR: Final = 2
_KEYS: Final = frozenset({"table", "sites", "learns"})


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkRequest:
    """One linkage.

    Attributes:
        table: the table's name.
        sites: the two sites, sorted.
        learns: what each of the two learns: ``rows``, which of its own patients the other has, or ``count``, how many.
    """

    table: str
    sites: tuple[str, str]
    learns: Learns = "rows"

    def __post_init__(self) -> None:
        if self.sites[0] == self.sites[1]:
            raise InvalidRequestError(parameter="sites", reason="must name two different sites")
        if self.learns not in get_args(Learns):
            raise InvalidRequestError(parameter="learns", reason=f"must be {' or '.join(get_args(Learns))}")
        first, second = sorted(self.sites)
        object.__setattr__(self, "sites", (first, second))

    def to_dict(self) -> dict[str, object]:
        """Plain form for messages."""
        return {"table": self.table, "sites": list(self.sites), "learns": self.learns}

    @classmethod
    def from_dict(cls, mapping: Mapping[str, object]) -> LinkRequest:
        """Read the plain form strictly.

        Raises:
            InvalidRequestError: a key is missing or unknown, or a value is not allowed.
        """
        unknown = sorted(str(key)[:80] for key in mapping.keys() - _KEYS)
        if unknown:
            raise InvalidRequestError(parameter=unknown[0], reason="is not a known parameter")
        table, sites, learns = mapping.get("table"), mapping.get("sites"), mapping.get("learns", "rows")
        if not isinstance(table, str):
            raise InvalidRequestError(parameter="table", reason="must be a text")
        if (
            not isinstance(sites, list | tuple)
            or len(sites) != PAIR
            or not all(isinstance(site, str) for site in sites)
        ):
            raise InvalidRequestError(parameter="sites", reason="must name two different sites")
        for choice in get_args(Learns):
            if learns == choice:
                return cls(table=table, sites=(sites[0], sites[1]), learns=choice)
        raise InvalidRequestError(parameter="learns", reason=f"must be {' or '.join(get_args(Learns))}")

"""The ``[computation]`` part of the consortium file: which three sites compute without a dealer.

Layer:       federation.consortium.computing_sites, below consortium_file.
Guarantees:  exactly three different sites of the consortium, no dealer beside them, and at most one colluding site:
             two of the three could read what is shared (P12).
See instead: the file's other keys (``consortium_file``), the protocol of the three sites (``smpc.computing_sites``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from smpc.computing_sites import COMPUTING_SITES, THRESHOLD

if TYPE_CHECKING:
    from collections.abc import Collection


class Computation(BaseModel):
    """Who computes comparisons and products, where it is not all sites with a dealer."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mode: Literal["three-sites"]
    sites: list[str] = Field(description="three sites: the first two evaluate, the last one deals")


def computation_mistakes(
    computation: Computation, *, sites: Collection[str], has_dealer: bool, colluding: int
) -> list[str]:
    """Find what contradicts the rest of the agreement.

    Args:
        computation: the computing sites.
        sites: all sites.
        has_dealer: whether the agreement names a dealer.
        colluding: how many sites may pool what they know.

    Returns:
        Every mistake as a sentence.
    """
    named = computation.sites
    found = [f"computation.sites: {name} is not one of the sites" for name in named if name not in sites]
    if len(named) != COMPUTING_SITES or len(set(named)) != COMPUTING_SITES:
        found.append(f"computation.sites: must be exactly {COMPUTING_SITES} different sites")
    if has_dealer:
        found.append("dealer: three sites compute without one; leave out [dealer] or [computation]")
    if colluding > THRESHOLD:
        reason = "any two of them together could read what is shared"
        found.append(f"colluding: at most {THRESHOLD} where three sites compute: {reason}")
    return found

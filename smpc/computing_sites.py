"""Roles of the three computing sites in a session without a dealer.

Layer:       smpc.computing_sites, above errors.
Terms:       two sites *evaluate*: they hold the shares and open masked values to each other. The third *deals*: it
             makes the masks and never sees a masked value. All other sites of the session only contribute inputs.
Guarantees:  exactly three different sites, all of them of the session. One of the three, even with any of the other
             sites and the analyst, learns nothing beyond the answer and what the own inputs imply; two of the three
             together can read what is shared (secrecy threshold 1).
See instead: how inputs come to those who evaluate (``operations.inputs``), how material is dealt
             (``dealer.site_supply``), why it is built so (decision record 15).
Source:      the model, not the protocols, of eprint 2019/429 and 2018/442: two evaluate what a third prepared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from smpc.errors import PeerRejectedError

if TYPE_CHECKING:
    from collections.abc import Sequence

COMPUTING_SITES: Final = 3
THRESHOLD: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreeSites:
    """The three computing sites.

    Attributes:
        first: evaluates, and is the one to whom inputs are handed over.
        second: evaluates.
        dealing: makes the material.
    """

    first: str
    second: str
    dealing: str

    def __post_init__(self) -> None:
        """Refuse fewer than three."""
        if len(set(self.names)) != COMPUTING_SITES:
            raise PeerRejectedError(reason="exactly three different sites compute")

    @classmethod
    def of(cls, sites: Sequence[str]) -> Self:
        """Take three names: the first two evaluate, the last one deals.

        Raises:
            PeerRejectedError: not exactly three different ones.
        """
        if len(sites) != COMPUTING_SITES:
            raise PeerRejectedError(reason="exactly three different sites compute")
        first, second, dealing = sites
        return cls(first=first, second=second, dealing=dealing)

    @property
    def names(self) -> tuple[str, str, str]:
        """All three, the dealing one last."""
        return self.first, self.second, self.dealing

    @property
    def evaluators(self) -> tuple[str, str]:
        """The two that evaluate."""
        return self.first, self.second

    def check_within(self, names: Sequence[str]) -> None:
        """Refuse a session in which one of the three does not take part.

        Raises:
            PeerRejectedError: it names the first one that is missing.
        """
        missing = next((name for name in self.names if name not in names), None)
        if missing is not None:
            raise PeerRejectedError(reason="a computing site does not take part in the session", name=missing)

"""A site's message to the analyst: the bits opened to all sites, and its summand of the supports.

Layer:       analytics.mining above plan. Pure: bytes and integers.
Terms:       ``opened_bits`` are the opened bits of every level, in order; with them the analyst can iterate over the
             levels again.
Guarantees:  ``SiteAnswer.from_bytes`` reads what ``to_bytes`` wrote; other bytes are refused before they are used,
             since the bits say how long the rest must be.
Visible to:  the bits are known to every site and are sent in the clear, so that the analyst can compare what the
             sites saw; the summand is uniform to any party that lacks another site's.
Source:      ours.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from analytics.errors import ReleaseRefusedError

if TYPE_CHECKING:
    from analytics.mining.candidates import LevelIterator
    from analytics.mining.plan import MiningPlan

Trail = tuple[tuple[bool, ...], ...]
_ELEMENT_BYTES = 8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SiteAnswer:
    """One site's answer.

    Attributes:
        trail: the opened bits, level by level.
        summand: this site's blinded share of the number of rows and of every open support; empty where
            nothing is open.
    """

    trail: Trail
    summand: npt.NDArray[np.int64] = field(repr=False)

    def to_bytes(self) -> bytes:
        """The bits of all levels one after the other, eight a byte, then the summand, little end first."""
        bits = np.array([bit for level in self.trail for bit in level], dtype=np.uint8)
        packed = np.packbits(bits, bitorder="little").tobytes()
        return packed + self.summand.astype("<i8", copy=False).tobytes()

    @classmethod
    def from_bytes(cls, data: bytes, plan: MiningPlan) -> SiteAnswer:
        """Read what ``to_bytes`` wrote.

        Args:
            data: from a site.
            plan: what ran.

        Returns:
            The answer.

        Raises:
            ReleaseRefusedError: the bytes are no answer to this plan.
        """
        given = np.unpackbits(np.frombuffer(data, dtype=np.uint8), bitorder="little")
        walk, position, trail = plan.walk(), 0, []
        while not walk.is_over:
            end = position + len(walk.candidates)
            if end > given.size:
                raise refused_answer()
            bits = tuple(bool(bit) for bit in given[position:end])
            walk.advance(bits)
            trail.append(bits)
            position = end
        n_packed = -(-position // 8)
        rest = data[n_packed:]
        if np.any(given[position : 8 * n_packed]) or len(rest) != _ELEMENT_BYTES * n_opened(walk):
            raise refused_answer()
        return cls(trail=tuple(trail), summand=np.frombuffer(rest, dtype="<i8").astype(np.int64))


def n_opened(walk: LevelIterator) -> int:
    """Integers that a finished run opens to the analyst: the number of rows and each support, or nothing."""
    return 1 + len(walk.frequent) if walk.frequent else 0


def refused_answer() -> ReleaseRefusedError:
    """The error for bytes that are no answer; for the caller to raise."""
    return ReleaseRefusedError(rule="shares", reason="a site's answer does not belong to this plan")

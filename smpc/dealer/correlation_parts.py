"""The arrays that make up one piece of material.

Layer:       smpc.dealer.correlation_parts. Pure: keystreams come in as arguments.
Terms:       a *free* part is uniform: every party draws its share from its own keystream. A *bound* part is a
             function of the free ones: all parties but the first draw, and the first gets the difference from the
             dealer, the correction.
See instead: the kinds (``correlations``, ``matrices``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from smpc.randomness import Keystream

Material: TypeAlias = npt.NDArray[Any]  # int64, uint16 or uint8, as its part says
# shares of the free parts, one list per party -> the secrets of the bound parts
Solve = Callable[[Sequence[Sequence[Material]]], Sequence[Material]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One array of a piece of material.

    Attributes:
        dtype: ``<i8``, ``<u2`` or ``u1``.
        shape: its shape.
        is_exclusive: shared by XOR instead of by sum.
    """

    dtype: str
    shape: tuple[int, ...]
    is_exclusive: bool

    @property
    def n_bytes(self) -> int:
        """Length of one share (bytes)."""
        return np.dtype(self.dtype).itemsize * math.prod(self.shape)

    @property
    def walked_bytes(self) -> int:
        """The same as if no axis were empty: an array of many empty matrices has no bytes, and is walked through all the same."""
        return np.dtype(self.dtype).itemsize * math.prod(max(1, length) for length in self.shape)

    def draw(self, stream: Keystream) -> Material:
        """Take a uniform share from a keystream."""
        return stream.draw_bytes(self.n_bytes).view(self.dtype).reshape(self.shape)

    def read(self, data: bytes | memoryview) -> Material:
        """Give bytes this part's type and shape: as they are, or copied where they lie askew."""
        array = np.frombuffer(data, dtype=self.dtype).reshape(self.shape)
        return array if array.flags.aligned else array.copy()

    def combine(self, shares: Sequence[Material]) -> Material:
        """Put shares together."""
        operation = np.bitwise_xor if self.is_exclusive else np.add
        total: Material = operation.reduce(np.stack(shares), axis=0, dtype=self.dtype)
        return total

    def remove(self, secret: Material, others: Sequence[Material]) -> Material:
        """Return the share that makes ``others`` add up to ``secret``."""
        result: Material = (
            secret ^ self.combine(others) if self.is_exclusive else secret - self.combine(others)
        )
        return result


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """The parts of one piece of material and how they depend on each other."""

    free: tuple[Part, ...]
    bound: tuple[Part, ...]
    solve: Solve

    @property
    def correction_bytes(self) -> int:
        """What the dealer sends to the first party (bytes)."""
        return sum(part.n_bytes for part in self.bound)

    @property
    def share_bytes(self) -> int:
        """What one party holds (bytes)."""
        return sum(part.n_bytes for part in self.free + self.bound)

    @property
    def walked_bytes(self) -> int:
        """What dealing one party's share walks through (bytes); as much as ``share_bytes`` where no axis is empty."""
        return sum(part.walked_bytes for part in self.free + self.bound)


def ring_part(shape: tuple[int, ...], *, is_exclusive: bool = False) -> Part:
    """Return a part of ring elements."""
    return Part(dtype="<i8", shape=shape, is_exclusive=is_exclusive)


def totals(parts: Sequence[Part], free_shares: Sequence[Sequence[Material]]) -> list[Material]:
    """Put the free parts' shares together."""
    return [part.combine([shares[i] for shares in free_shares]) for i, part in enumerate(parts)]

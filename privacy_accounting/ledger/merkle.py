"""The Merkle root over body hashes, grown one by one.

Layer:       privacy_accounting.ledger, beside ``members``. Pure.
Guarantees:  adding a leaf and asking for the root take time that grows with the logarithm of the number of leaves.
See instead: what the root is signed for (``state``, ``entry_validation``).
Source:      RFC 6962, section 2.1 (leaf prefix 0, node prefix 1).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class MerkleTree:
    """The right edge of a tree: all that its root and the next leaf need."""

    def __init__(self, leaves: Iterable[bytes] = ()) -> None:
        """Begin with leaves, each 32 bytes."""
        self._edge: list[tuple[int, bytes]] = []
        for leaf in leaves:
            self.add(leaf)

    def add(self, leaf: bytes) -> None:
        """Add a leaf at the right."""
        size, node = 1, hashlib.sha256(b"\x00" + leaf).digest()
        # Perfect trees of one size pair up at once; what is left has sizes that fall, as the definition splits.
        while self._edge and self._edge[-1][0] == size:
            node = _joined(self._edge.pop()[1], node)
            size *= 2
        self._edge.append((size, node))

    def root(self) -> str:
        """Give the root over all leaves so far, hexadecimal."""
        if not self._edge:
            return hashlib.sha256(b"").hexdigest()
        node = self._edge[-1][1]
        for _, left in reversed(self._edge[:-1]):
            node = _joined(left, node)
        return node.hex()


def _joined(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def merkle_root(hashes: Iterable[bytes]) -> str:
    """Give the Merkle root over body hashes, hexadecimal."""
    return MerkleTree(hashes).root()

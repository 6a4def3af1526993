"""What binds a party to its blinded set, and every block to its place.

Layer:       smpc.set_intersection.manifest. Pure.
Terms:       a *manifest* is the list of the digests of a set's blocks, in order; its *commitment* is a hash over it, the
             number of elements, the party's public key, and the session. A *return tag* binds a block of elements that
             the peer has multiplied to the block that it was made of.
Guarantees:  no two different manifests have one commitment (SHA-256). A block that is dropped, doubled, cut, moved or
             changed does not fit its digest or tag.
Source:      ours; docs/guarantees.md P18.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from smpc.errors import PeerRejectedError
from smpc.set_intersection.group import ELEMENT_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

DIGEST_BYTES: Final = 32
BLOCK_ROWS: Final = 4096
_BLOCK: Final = b"crossward/set-intersection/block/1"
_COMMITMENT: Final = b"crossward/set-intersection/commitment/1"
_RETURN: Final = b"crossward/set-intersection/return/1"

Elements = "npt.NDArray[np.bytes_]"


def n_blocks(n_elements: int) -> int:
    """How many blocks so many elements are."""
    return -(-n_elements // BLOCK_ROWS)


def block_rows(n_elements: int) -> list[int]:
    """Elements of each block, in order."""
    return [min(BLOCK_ROWS, n_elements - first) for first in range(0, n_elements, BLOCK_ROWS)]


def in_blocks(data: bytes, element_bytes: int = ELEMENT_BYTES) -> list[bytes]:
    """Cut so many elements into blocks."""
    step = BLOCK_ROWS * element_bytes
    return [data[first : first + step] for first in range(0, len(data), step)]


def _hashed(*parts: bytes) -> bytes:
    found = hashlib.sha256()
    for part in parts:
        found.update(len(part).to_bytes(8, "little"))
        found.update(part)
    return found.digest()


def block_digest(place: int, block: bytes) -> bytes:
    """The digest of a block at its place."""
    return _hashed(_BLOCK, place.to_bytes(8, "little"), block)


def return_tag(place: int, asked: bytes, returned: bytes) -> bytes:
    """The tag of a multiplied block.

    Args:
        place: of the block.
        asked: the digest of the block that it was made of.
        returned: the multiplied elements, in the same order.
    """
    return _hashed(_RETURN, place.to_bytes(8, "little"), asked, returned)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A set's blinded elements as they are announced.

    Attributes:
        n_elements: how many there are, padding among them; public.
        public_key: the party's key times the generator.
        digests: of each block.
    """

    n_elements: int
    public_key: bytes
    digests: tuple[bytes, ...]

    @classmethod
    def of(cls, blocks: Sequence[bytes], public_key: bytes) -> Manifest:
        """Announce blocks of elements."""
        return cls(
            n_elements=sum(len(block) for block in blocks) // ELEMENT_BYTES,
            public_key=public_key,
            digests=tuple(block_digest(place, block) for place, block in enumerate(blocks)),
        )

    @classmethod
    def read(cls, data: bytes, n_elements: int) -> Manifest:
        """Read what ``to_bytes`` wrote, of a set of a known number of elements."""
        digests = data[ELEMENT_BYTES:]
        return cls(
            n_elements=n_elements,
            public_key=data[:ELEMENT_BYTES],
            digests=tuple(
                digests[first : first + DIGEST_BYTES] for first in range(0, len(digests), DIGEST_BYTES)
            ),
        )

    def to_bytes(self) -> bytes:
        """Public key, then the digests."""
        return self.public_key + b"".join(self.digests)

    def commitment(self, session_id: bytes, owner: str) -> bytes:
        """The hash that the owner signs before any element is sent."""
        return _hashed(
            _COMMITMENT,
            session_id,
            owner.encode(),
            self.n_elements.to_bytes(8, "little"),
            self.public_key,
            *self.digests,
        )

    def check_block(self, place: int, block: bytes) -> None:
        """Check a block against its digest.

        Raises:
            PeerRejectedError: it is another one.
        """
        if not hmac.compare_digest(block_digest(place, block), self.digests[place]):
            raise PeerRejectedError(reason="a block of the set is not the one that was committed to")


def manifest_bytes(n_elements: int) -> int:
    """Length of a manifest on the wire."""
    return ELEMENT_BYTES + DIGEST_BYTES * n_blocks(n_elements)


def check_distinct(elements: bytes) -> None:
    """Check that no element comes twice.

    Raises:
        PeerRejectedError: one does.
    """
    found = as_elements(elements)
    if len(np.unique(found)) != len(found):
        raise PeerRejectedError(reason="the peer's set holds an element twice")


def as_elements(data: bytes) -> npt.NDArray[np.bytes_]:
    """Elements as an array that sorts and compares as their bytes; all have the same length, so no zero byte is lost."""
    return np.frombuffer(data, dtype=f"S{ELEMENT_BYTES}")

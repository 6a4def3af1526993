"""Blocks of material dealt ahead, so that a session with a repeated request list need not wait for the dealer.

Layer:       smpc.dealer.pool. Each party has its own; it lies in memory only and is never written to disk.
Terms:       a block is the answer to one request list, dealt at the end of an earlier session to all parties. Its
             name is a hash of that session's id, the batch, the list and fresh bytes of every party. An offer is what
             a party says of its blocks when a session begins.
Guarantees:  a block leaves the pool before its name is sent to any party, and never comes back: it serves the session
             in which all parties named it, or none. So a crash, a restart, two sessions that race for one block, or a
             party that names it twice can make material unused, but not used twice. A party that lost its pool names
             nothing, and the others' blocks are dropped as they name them.
See instead: which exchange carries the offers (``session``), how a block is dealt (``supply``).
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from smpc.dealer.requests import encode_requests
from smpc.errors import PeerRejectedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smpc.dealer.requests import Request

NAME_BYTES: Final = 32
OFFER_BYTES: Final = 1 + NAME_BYTES
NO_BLOCK: Final = bytes(NAME_BYTES)
_MOST_LISTS: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Material for one list that has not been used.

    Attributes:
        name: 32 bytes, the same at every party and nowhere twice.
        session_id: of the session in which it was dealt.
        batch: which of that session's batches.
        answer: what the dealer sent to this party.
    """

    name: bytes
    session_id: bytes
    batch: int
    answer: bytes = field(repr=False)


class Pool:
    """One party's blocks. Safe for several threads."""

    def __init__(self, limit_bytes: int) -> None:
        """Hold nothing.

        Args:
            limit_bytes: most that all blocks together may hold; 0 for no pool.
        """
        self._limit_bytes = limit_bytes
        self._lock = threading.Lock()
        self._blocks: OrderedDict[bytes, list[Block]] = OrderedDict()  # by list, the one used last at the end
        self._seen: OrderedDict[bytes, None] = OrderedDict()
        self._n_bytes = 0

    def __repr__(self) -> str:
        """Say how much is there."""
        return f"Pool({self.n_blocks} blocks, {self._n_bytes} of {self._limit_bytes} bytes)"

    @property
    def is_on(self) -> bool:
        """Whether it can hold anything at all."""
        return self._limit_bytes > 0

    @property
    def n_blocks(self) -> int:
        """Blocks in stock."""
        with self._lock:
            return sum(map(len, self._blocks.values()))

    @property
    def n_bytes(self) -> int:
        """What they hold (bytes)."""
        return self._n_bytes

    def take(self, digest: bytes) -> Block | None:
        """Take a block of a list out, for good: the one of the least name, so that all parties take the same."""
        with self._lock:
            if digest not in self._blocks:
                return None
            self._blocks.move_to_end(digest)
            return self._remove(digest, min(self._blocks[digest], key=lambda block: block.name))

    def put(self, digest: bytes, block: Block) -> None:
        """Take in a block; the lists unused for longest are dropped first."""
        with self._lock:
            if len(block.answer) > self._limit_bytes:
                return
            self._blocks.setdefault(digest, []).append(block)
            self._blocks.move_to_end(digest)
            self._n_bytes += len(block.answer)
            while self._n_bytes > self._limit_bytes:
                oldest = next(iter(self._blocks))
                self._remove(oldest, self._blocks[oldest][0])

    def is_wanted(self, digest: bytes, n_bytes: int) -> bool:
        """Whether a block of so many bytes is worth having: its list was asked before, and it would fit."""
        with self._lock:
            is_known = digest in self._seen
            self._seen[digest] = None
            self._seen.move_to_end(digest)
            while len(self._seen) > _MOST_LISTS:
                self._seen.popitem(last=False)
            return is_known and n_bytes <= self._limit_bytes

    def _remove(self, digest: bytes, block: Block) -> Block:
        blocks = self._blocks[digest]
        blocks.remove(block)
        self._n_bytes -= len(block.answer)
        if not blocks:
            del self._blocks[digest]
        return block


class Prefetch:
    """One session's use of the pool; belongs to the session's thread.

    Attributes:
        requests: the list that the session asks first.
        digest: its hash.
        offer: what this party says when the session begins: whether it wants a block for the next one, and which
            one it has.
        block: the block that all parties named; None when they did not.
        is_filling: whether all parties want one for the next session.
    """

    def __init__(self, pool: Pool, requests: Sequence[Request], n_bytes: int) -> None:
        """Take a block out of the pool, if there is one.

        Args:
            pool: the party's.
            requests: the session's list; every party brings the same.
            n_bytes: length of the dealer's answer to this party.
        """
        self.requests = tuple(requests)
        self.digest = hashlib.sha256(encode_requests(self.requests)).digest()
        self._pool = pool
        self._own = pool.take(self.digest)
        is_wanted = pool.is_wanted(self.digest, n_bytes)
        self.offer = bytes([is_wanted]) + (NO_BLOCK if self._own is None else self._own.name)
        self.block: Block | None = None
        self.is_filling = False

    def settle(self, offers: Sequence[bytes]) -> None:
        """Compare the peers' offers with the own one; what was not agreed on is gone.

        Raises:
            PeerRejectedError: not an offer.
        """
        if any(len(offer) != OFFER_BYTES or offer[0] > 1 for offer in offers):
            raise PeerRejectedError(reason="malformed offer of a block")
        own, self._own = self._own, None
        self.is_filling = all(offer[0] for offer in (self.offer, *offers))
        if own is not None and all(offer[1:] == own.name for offer in offers):
            self.block = own

    def keep(self, block: Block) -> None:
        """Put a block that every party has said to hold into the pool."""
        self._pool.put(self.digest, block)


def block_name(session_id: bytes, batch: int, digest: bytes, nonces: Sequence[bytes]) -> bytes:
    """Return a block's name.

    Args:
        session_id: where it was dealt.
        batch: which batch of that session.
        digest: of its list.
        nonces: fresh bytes of every party in rank order, 32 each.
    """
    parts = (b"crossward/block/1", session_id, batch.to_bytes(4, "little"), digest, *nonces)
    return hashlib.sha256(b"".join(parts)).digest()

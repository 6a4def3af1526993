"""The one frame that a party sends to the dealer; its size is fixed, so that the dealer knows it beforehand.

Layer:       smpc.dealer.frames. Pure.
Shapes:      1024 bytes: session id (32), number of the batch (4), whether it is the last (1), three zeros, length of
             the list (4), the list's first 980 bytes, zeros. A longer list's rest follows in a frame of its own.
Guarantees:  ``decode_batch(encode_batch(x)) == x``; other bytes raise ``PeerRejectedError``. The answer is a 32-byte
             seed, and for the first party the corrections after it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from smpc.dealer.correlations import recipe_of
from smpc.errors import PeerRejectedError
from smpc.randomness import KEY_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smpc.dealer.requests import Request

FRAME_BYTES: Final = 1024
LIST_LIMIT: Final = 1 << 20
_HEAD: Final = struct.Struct("<32sIB3sI")
INLINE_BYTES: Final = FRAME_BYTES - _HEAD.size


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What a batch's frame says.

    Attributes:
        session_id: 32 bytes.
        number: 0 for a session's first batch.
        is_last: whether the session asks no more.
        n_bytes: length of the encoded list (bytes).
        inline: its first bytes, at most ``INLINE_BYTES``.
    """

    session_id: bytes
    number: int
    is_last: bool
    n_bytes: int
    inline: bytes

    @property
    def n_rest(self) -> int:
        """Length of what follows in a second frame (bytes), mostly 0."""
        return self.n_bytes - len(self.inline)


def encode_batch(session_id: bytes, number: int, requests: bytes, *, is_last: bool) -> tuple[bytes, bytes]:
    """Write a batch: its frame, and what does not fit in it (mostly nothing)."""
    inline, rest = requests[:INLINE_BYTES], requests[INLINE_BYTES:]
    head = _HEAD.pack(session_id, number, is_last, bytes(3), len(requests))
    return (head + inline).ljust(FRAME_BYTES, b"\0"), rest


def decode_batch(data: bytes) -> Batch:
    """Read a batch's frame strictly.

    Raises:
        PeerRejectedError: not bytes that ``encode_batch`` writes, or a list over ``LIST_LIMIT``.
    """
    if len(data) != FRAME_BYTES:
        raise PeerRejectedError(reason="request frame has the wrong size")
    session_id, number, is_last, zeros, n_bytes = _HEAD.unpack_from(data)
    end = _HEAD.size + min(n_bytes, INLINE_BYTES)
    if n_bytes > LIST_LIMIT or is_last > 1 or any(zeros) or any(data[end:]):
        raise PeerRejectedError(reason="malformed request frame")
    return Batch(
        session_id=session_id,
        number=number,
        is_last=bool(is_last),
        n_bytes=n_bytes,
        inline=data[_HEAD.size : end],
    )


def answer_bytes(requests: Sequence[Request], rank: int) -> int:
    """Return the length of the dealer's answer to one party (bytes)."""
    return KEY_BYTES + (sum(recipe_of(request).correction_bytes for request in requests) if rank == 0 else 0)

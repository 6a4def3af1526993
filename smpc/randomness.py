"""Keystreams, and the shares of zero that the parties make from them without a message.

Layer:       smpc.randomness.
Terms:       a keystream is AES-256 in counter mode from counter 0 under a key used for nothing else; a zero share is
             one party's summand of 0, from one keystream with each other party.
Guarantees:  each pair of parties holds its own key, so that any colluding parties but two leave those two's zero
             shares uniform; each purpose has its own keystream; no byte of a keystream is given out twice.
See instead: how a pair agrees on its key (``session``).
Source:      NIST SP 800-38A (counter mode), RFC 5869 (HKDF); zero shares as in eprint 2016/768 section 2.2, there
             between neighbors only, here between all pairs.
"""

from __future__ import annotations

import math
import secrets
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import numpy as np
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from smpc.ring import ELEMENT_BYTES, ByteArray, RingArray, reduce_bits

if TYPE_CHECKING:
    from collections.abc import Mapping

KEY_BYTES: Final = 32
_ZEROS: Final = bytes(1 << 18)
_BLOCK: Final = len(_ZEROS) // ELEMENT_BYTES
Shape = int | tuple[int, ...]


class Purpose(StrEnum):
    """What a zero share is added to; each has keystreams of its own."""

    INPUT = "input"
    OPENING = "opening"
    PLANES = "planes"
    REVEAL = "reveal"


def fresh_key() -> bytes:
    """Return 32 bytes from the operating system's generator."""
    return secrets.token_bytes(KEY_BYTES)


def derive_key(secret: bytes, info: bytes) -> bytes:
    """Derive a 32-byte key for one use from a secret, by HKDF-SHA256 without salt."""
    return HKDF(algorithm=hashes.SHA256(), length=KEY_BYTES, salt=None, info=info).derive(secret)


class Keystream:
    """Uniform bytes under one key, each given out once.

    Attributes:
        position: bytes given out so far.
    """

    __slots__ = ("_encryptor", "position")

    def __init__(self, key: bytes) -> None:
        """Start at counter 0; ``key`` has 32 bytes and is used for this keystream alone."""
        self._encryptor = Cipher(algorithms.AES256(key), modes.CTR(bytes(16))).encryptor()
        self.position = 0

    def __repr__(self) -> str:
        """Show nothing of the key."""
        return f"Keystream(position={self.position})"

    def draw_bytes(self, n_bytes: int) -> ByteArray:
        """Return the next ``n_bytes`` bytes, shape ``(n_bytes,)``."""
        stream = np.empty(n_bytes, dtype=np.uint8)
        self._fill(stream)
        return stream

    def draw_ring(self, shape: Shape) -> RingArray:
        """Return uniform ring elements of a shape; every one of the ``2**64`` can come."""
        shape = (shape,) if isinstance(shape, int) else shape
        stream = self.draw_bytes(ELEMENT_BYTES * math.prod(shape))
        return stream.view("<i8").astype(np.int64, copy=False).reshape(shape)

    def add_to(self, total: RingArray, *, is_negative: bool = False) -> None:
        """Add the next uniform ring elements to an array ``(count,)`` in place, or subtract them.

        The same elements as ``draw_ring`` gives, drawn block by block so that they never leave the cache.
        """
        apply = np.subtract if is_negative else np.add
        block = np.empty(ELEMENT_BYTES * min(total.size, _BLOCK), dtype=np.uint8)
        for start in range(0, total.size, _BLOCK):
            part = total[start : start + _BLOCK]
            stream = block[: ELEMENT_BYTES * part.size]
            self._fill(stream)
            apply(part, stream.view("<i8"), out=part)

    def _fill(self, stream: ByteArray) -> None:
        view, zeros = stream.data, memoryview(_ZEROS)
        for start in range(0, stream.size, len(_ZEROS)):
            length = min(len(_ZEROS), stream.size - start)
            self._encryptor.update_into(zeros[:length], view[start : start + length])
        self.position += stream.size


class ZeroShares:
    """One party's summands of zero, fresh at each call; all parties call in one order with the same sizes."""

    def __init__(self, rank: int, pair_keys: Mapping[int, bytes]) -> None:
        """Take one 32-byte key per other rank, known to that rank and this one alone."""
        self._rank = rank
        self._pair_keys = dict(pair_keys)
        self._streams: dict[Purpose, dict[int, Keystream]] = {}

    def additive(self, shape: Shape, purpose: Purpose, bits: int = 64) -> RingArray:
        """Return a summand; those of all parties add to 0 mod ``2**bits``.

        Args:
            shape: shape of the result.
            purpose: which keystreams to draw from.
            bits: 64, or less for values in ``[0, 2**bits)``.
        """
        total = np.zeros(shape, dtype=np.int64)
        self.add_to(total, purpose)
        return reduce_bits(total, bits)

    def add_to(self, summand: RingArray, purpose: Purpose) -> None:
        """Add to a contiguous array, in place, what ``additive`` would return for its shape."""
        flat = summand.reshape(-1)
        for peer, stream in self._of(purpose).items():
            stream.add_to(flat, is_negative=peer < self._rank)

    def exclusive(self, n_bytes: int) -> ByteArray:
        """Return bytes; those of all parties XOR to 0. Shape ``(n_bytes,)``."""
        total = np.zeros(n_bytes, dtype=np.uint8)
        for stream in self._of(Purpose.PLANES).values():
            total ^= stream.draw_bytes(n_bytes)
        return total

    def _of(self, purpose: Purpose) -> dict[int, Keystream]:
        if purpose not in self._streams:
            info = b"crossward/zero/1/" + purpose.encode("ascii")
            self._streams[purpose] = {
                peer: Keystream(derive_key(key, info)) for peer, key in self._pair_keys.items()
            }
        return self._streams[purpose]

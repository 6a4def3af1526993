"""Integers mod ``2**64`` as int64 arrays: checked encoding, reduction to k bits, packing for the wire.

Layer:       smpc.ring. Pure.
Terms:       a ring element is an integer mod ``2**64`` in two's complement; k-bit values are held in ``[0, 2**k)``,
             which for k = 64 is the same int64 bit pattern.
Shapes:      any shape with at least one axis; ``pack`` flattens.
Guarantees:  ``pack`` writes the lowest k bits of each element and nothing else, in ``packed_bytes(count, k)`` bytes;
             what does not fit the ring is refused, never wrapped.
See instead: fixed point; bounds of columns (the caller's plan knows them).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from smpc.errors import RingRangeError

if TYPE_CHECKING:
    from collections.abc import Sequence

RING_BITS: Final = 64
ELEMENT_BYTES: Final = 8
LOWEST: Final = -(1 << 63)
HIGHEST: Final = (1 << 63) - 1
RingArray: TypeAlias = npt.NDArray[np.int64]
ByteArray: TypeAlias = npt.NDArray[np.uint8]


def encode(values: Sequence[int] | npt.NDArray[np.generic], *, what: str = "value") -> RingArray:
    """Turn integers into ring elements.

    Args:
        values: Python integers, or an integer array of any width; at least one axis.
        what: what the numbers are, for the error.

    Returns:
        A new contiguous int64 array of the same shape.

    Raises:
        RingRangeError: a number is not an integer or not in ``[-2**63, 2**63)``.
    """
    if isinstance(values, np.ndarray):
        return _encode_array(values, what)
    for value in values:
        if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
            raise RingRangeError(what=f"{what} is not an integer")
        if not LOWEST <= int(value) <= HIGHEST:
            raise RingRangeError(what=what)
    return np.array([int(value) for value in values], dtype=np.int64)


def _encode_array(values: npt.NDArray[np.generic], what: str) -> RingArray:
    if values.dtype == object:
        return np.atleast_1d(encode(values.ravel().tolist(), what=what).reshape(values.shape))
    if values.dtype.kind not in "iu":  # times are integers to numpy, a missing one the lowest of all
        raise RingRangeError(what=f"{what} is not an integer")
    if values.dtype == np.uint64 and values.size and int(values.max()) > HIGHEST:
        raise RingRangeError(what=what)
    return np.array(np.atleast_1d(values), dtype=np.int64, order="C")


def check_bits(bits: int, lowest: int = 1) -> int:
    """Return a width if it is one that the ring has.

    Raises:
        RingRangeError: not an integer in ``[lowest, 64]``.
    """
    if isinstance(bits, bool) or not lowest <= bits <= RING_BITS:
        raise RingRangeError(what="bit width")
    return bits


def reduce_bits(values: RingArray, bits: int) -> RingArray:
    """Reduce elements mod ``2**bits``; for 64 bits they are returned as they are."""
    if check_bits(bits) == RING_BITS:
        return values
    return values & np.int64((1 << bits) - 1)


def packed_bytes(count: int, bits: int) -> int:
    """Return the length of packed k-bit values (bytes): whole bytes, then a plane per remaining bit."""
    return count * (bits // 8) + (bits % 8) * plane_bytes(count)


def plane_bytes(count: int) -> int:
    """Return the length of a bit plane of ``count`` bits (bytes)."""
    return -(-count // 8)


def pack(values: RingArray, bits: int) -> bytes | memoryview:
    """Write the lowest ``bits`` bits of each element, little end first.

    Returns:
        ``packed_bytes(values.size, bits)`` bytes; of whole elements a view where they lie in order already.

    Raises:
        RingRangeError: ``bits`` is no width.
    """
    whole, rest = divmod(check_bits(bits), 8)
    words = np.ascontiguousarray(values).reshape(-1).view(np.uint64)
    if bits == RING_BITS:
        return words.astype("<u8", copy=False).view(np.uint8).data
    low = words.astype("<u8", copy=False).view(np.uint8).reshape(-1, ELEMENT_BYTES)[:, :whole].tobytes()
    return low + b"".join(bit_plane(words, 8 * whole + j).tobytes() for j in range(rest))


def unpack(data: bytes | memoryview, count: int, bits: int) -> RingArray:
    """Read what ``pack`` wrote.

    Returns:
        Values in ``[0, 2**bits)``, shape ``(count,)``; perhaps a view of the data, not to be written to.

    Raises:
        RingRangeError: the length is not ``packed_bytes(count, bits)``.
    """
    if len(data) != packed_bytes(count, check_bits(bits)):
        raise RingRangeError(what="length of packed values")
    if bits == RING_BITS:
        return np.frombuffer(data, dtype="<i8").astype(np.int64, copy=False)
    whole, rest = divmod(bits, 8)
    raw = np.frombuffer(data, dtype=np.uint8)
    padded = np.zeros((count, ELEMENT_BYTES), dtype=np.uint8)
    padded[:, :whole] = raw[: count * whole].reshape(count, whole)
    words = padded.reshape(-1).view("<u8").astype(np.uint64, copy=False)
    planes = raw[count * whole :].reshape(rest, plane_bytes(count))
    for j in range(rest):
        words |= plane_bits(planes[j], count).astype(np.uint64) << np.uint64(8 * whole + j)
    return words.view(np.int64)


def bit_plane(words: npt.NDArray[np.uint64], position: int) -> ByteArray:
    """Return bit ``position`` of each word as a plane: eight elements a byte, the first in the lowest bit."""
    return pack_plane(((words >> np.uint64(position)) & np.uint64(1)).astype(np.uint8))


def pack_plane(bits: npt.NDArray[np.uint8]) -> ByteArray:
    """Pack zeros and ones, shape ``(count,)``, into a plane, shape ``(ceil(count / 8),)``."""
    return np.packbits(bits, bitorder="little")


def plane_bits(plane: ByteArray, count: int) -> ByteArray:
    """Return the first ``count`` bits of a plane as zeros and ones."""
    return np.unpackbits(plane, count=count, bitorder="little")

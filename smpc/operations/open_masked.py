"""Opening of masked values: the only messages between parties in the middle of a computation.

Layer:       smpc.operations.open_masked.
Terms:       a mask is dealer material, uniform and used once; here it is added (or XORed) to a summand before that
             leaves.
Guarantees:  every function takes the mask and applies it itself, so an unmasked value cannot be opened by mistake;
             every summand also carries a fresh share of zero from keys of all pairs; of a k-bit value exactly k bits
             are sent.
Visible to:  every party that evaluates sees the secret plus its mask, which is uniform, and nothing of a single
             summand. Of three computing sites the dealing one, which knows the masks, is sent empty frames; so is a
             site that brings inputs alone: there every function returns zeros.
See instead: opening of results (``reveal``).
Source:      eprint 2011/535 (masked openings); zero shares before each opening: ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from smpc.errors import RingRangeError
from smpc.randomness import Purpose
from smpc.ring import RING_BITS, ByteArray, RingArray, pack, reduce_bits, unpack
from smpc.transport.mesh import Step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smpc.session import Session


def open_differences(session: Session, pairs: Sequence[tuple[RingArray, RingArray]]) -> list[RingArray]:
    """Open ``value - mask`` for several pairs of summands of one shape each.

    Visible to: every party the differences, uniform.
    Cost: 1 round; 8 bytes an element and peer.

    Raises:
        RingRangeError: a mask of another shape than its value; before anything is sent. So in all three functions.
    """
    for value, mask in pairs:
        _check_mask(value, mask)
    flat = np.empty(sum(value.size for value, _ in pairs), dtype=np.int64)
    ends = np.cumsum([value.size for value, _ in pairs])[:-1]
    for part, (value, mask) in zip(np.split(flat, ends), pairs, strict=True):
        np.subtract(value, mask, out=part.reshape(value.shape))
    opened = _open_sum(session, Step.OPEN_RING, flat, RING_BITS)
    parts = zip(np.split(opened, ends), pairs, strict=True)
    return [part.reshape(value.shape) for part, (value, _) in parts]


def open_masked(session: Session, value: RingArray, mask: RingArray, bits: int) -> RingArray:
    """Open ``(value + mask) mod 2**bits``.

    Visible to: every party the masked k-bit values, uniform.
    Cost: 1 round; ``packed_bytes(value.size, bits)`` bytes a peer.

    Returns:
        Values in ``[0, 2**bits)``, shape ``(value.size,)``.
    """
    _check_mask(value.reshape(-1), mask.reshape(-1))
    return _open_sum(session, Step.OPEN_MASKED, value.reshape(-1) + mask.reshape(-1), bits)


def open_planes(session: Session, pairs: Sequence[tuple[ByteArray, ByteArray]]) -> list[ByteArray]:
    """Open ``planes ^ mask`` for several pairs of XOR summands of one shape each.

    Visible to: every party the masked bits, uniform.
    Cost: 1 round; one byte for each byte of the planes and peer.
    """
    for planes, mask in pairs:
        _check_mask(planes, mask)
    flat = np.concatenate([(planes ^ mask).reshape(-1) for planes, mask in pairs])
    flat ^= session.zero_planes(flat.size)
    for reply in session.exchange_evaluating(Step.OPEN_PLANES, flat.tobytes()):
        flat ^= np.frombuffer(reply, dtype=np.uint8)
    arrays, position = [], 0
    for planes, _ in pairs:
        arrays.append(flat[position : position + planes.size].reshape(planes.shape))
        position += planes.size
    return arrays


def _check_mask(value: RingArray | ByteArray, mask: RingArray | ByteArray) -> None:
    """Refuse a mask that numpy would repeat: a repeated mask would open differences of the values."""
    if value.shape != mask.shape:
        raise RingRangeError(what="a mask of another shape than its value")


def _open_sum(session: Session, step: Step, summand: RingArray, bits: int) -> RingArray:
    """Add a zero share, cut to ``bits`` bits, send, and add up what all sent; the summand is overwritten."""
    session.blind(summand, Purpose.OPENING)
    total = reduce_bits(summand, bits)
    for reply in session.exchange_evaluating(step, pack(total, bits)):
        total += unpack(reply, summand.size, bits)
    return reduce_bits(total, bits)

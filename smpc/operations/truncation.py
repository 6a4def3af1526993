"""Exact division of shared integers by a public power of two, for 2 to 8 parties.

Layer:       smpc.operations.truncation. Above ``comparison`` (its tree) and ``bit_planes``.
Terms:       the width k says where the number lies: in ``[-2**(k-1), 2**(k-1))``; the carry is 1 where the mask's low
             part is larger than the opened one's; the wrap likewise of the whole word.
Guarantees:  the quotient is exact inside the width: no error in the last place and none by a wrap, unlike truncation
             of every share by itself. Outside the width it is wrong without a sign of it: bounds are enforced where
             the data come from.
Visible to:  the parties see ``(x + 2**(k-1) + r) mod 2**(k+1)``, uniform, and bits XOR uniform ones. The one bit
             above the width is what makes the wrap of the whole a linear function of the mask's highest bit. For k =
             64 there is no such bit: the wrap is compared too, in the same rounds as the carry.
Cost:        rounds: 2 for shifts up to 4 bits, 3 up to 20, 4 up to 62; bytes an element and peer: ``(k + 1) / 8`` for
             the opening and, with g groups of four bits in the shift, ``(2 * g - 1) / 8`` up to g = 5; 7 for k = 48
             and 16 bits. One ``TRUNCATION``, ``BIT_PRODUCTS`` per level, one ``BIT``. For k = 64 always 4 rounds and
             16.5 bytes; one ``WORD_TRUNCATION`` in place of the other.
See instead: fixed point (``fixed_point``); division by other numbers (``functions``).
Source:      masked opening and comparison with shared bits: eprint 2020/338; the wrap from the highest bits alone:
             the same paper's truncation, on a wider opening in place of the full ring.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from smpc.dealer.correlations import GROUP_BITS
from smpc.dealer.requests import truncation, word_truncation
from smpc.errors import RingRangeError
from smpc.operations.bit_planes import to_ring
from smpc.operations.comparison import Words, public_below_mask
from smpc.operations.open_masked import open_masked
from smpc.ring import LOWEST, RING_BITS, check_bits, reduce_bits
from smpc.sharing import Shared

if TYPE_CHECKING:
    from smpc.ring import RingArray
    from smpc.session import Session

WIDEST: Final = RING_BITS


def truncate(session: Session, x: Shared, shift: int, bits: int, *, is_rounded: bool = False) -> Shared:
    """Return shares of ``x`` divided by ``2**shift``, rounded down; on request to nearest, halves upwards.

    Visible to: every party ``x`` plus a uniform mask, mod ``2**(bits + 1)``, and masked bits.
    Cost: see the module; nothing for a shift of 0.

    Args:
        session: an open session.
        x: within ``[-2**(bits-1), 2**(bits-1))``; for rounding, ``x + 2**(shift-1)`` too.
        shift: 0 to ``bits - 1``.
        bits: declared width, 1 to 64.
        is_rounded: add half a unit first.

    Raises:
        RingRangeError: no such width or shift, before anything is sent.
    """
    if isinstance(shift, bool) or not 0 <= shift < check_bits(bits):
        raise RingRangeError(what="shift or width of a truncation")
    if shift == 0 or x.size == 0:
        return x
    half = np.int64(1 << (shift - 1)) if is_rounded and session.is_first else np.int64(0)
    apply = _narrow if bits < RING_BITS else _whole
    return Shared(share=apply(session, x.share.reshape(-1) + half, shift, bits).reshape(x.shape))


def _narrow(session: Session, x: RingArray, shift: int, bits: int) -> RingArray:
    """Return the quotient's summand for a width below 64."""
    opening = bits + 1
    r, high, highest, products = session.supply.take(truncation(x.size, opening, shift))
    lifted = x + np.int64(1 << (bits - 1)) if session.is_first else x
    opened = open_masked(session, lifted, r, opening)
    plane = public_below_mask(session, reduce_bits(opened, shift), products)
    carry = to_ring(session, plane, x.size).share
    words = opened.view(np.uint64)
    # the whole wrapped where the mask's highest bit is 1 and the opened one's is 0: lifted x has it 0
    is_low = 1 - (words >> np.uint64(opening - 1)).view(np.int64)
    share: RingArray = (highest * is_low << np.int64(opening - shift)) - high - carry
    if session.is_first:
        share += (words >> np.uint64(shift)).view(np.int64) - np.int64(1 << (bits - 1 - shift))
    return share


def _whole(session: Session, x: RingArray, shift: int, bits: int) -> RingArray:
    """Return the quotient's summand for a width of 64: wrap and carry are two comparisons with one mask."""
    count = x.size
    r, high, products = session.supply.take(word_truncation(count, shift))
    lifted = x ^ np.int64(LOWEST) if session.is_first else x  # adds 2**63
    opened = open_masked(session, lifted, r, bits)
    numbers = np.concatenate([opened, reduce_bits(opened, shift)])
    both = np.concatenate([products, _lowest(products, shift, is_first=session.is_first)], axis=1)
    bit = to_ring(session, public_below_mask(session, numbers, both), 2 * count).share
    share: RingArray = (bit[:count] << np.int64(bits - shift)) - high - bit[count:]
    if session.is_first:
        share += (opened.view(np.uint64) >> np.uint64(shift)).view(np.int64) - np.int64(
            1 << (bits - 1 - shift)
        )
    return share


def _lowest(products: Words, shift: int, *, is_first: bool) -> Words:
    """Return summands of the products of a mask cut to its ``shift`` lowest bits: others count as 0.

    A set's product stays where all its bits are low; of the empty set it is 1.
    """
    low = np.zeros_like(products)
    groups, rest = divmod(shift, GROUP_BITS)
    low[:groups] = products[:groups]
    if rest:
        low[groups] = products[groups] & np.uint16((1 << (1 << rest)) - 1)
    low[groups + (rest > 0) :] = np.uint16(is_first)
    return low

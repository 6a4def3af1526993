"""Comparison of shared integers of a declared width, exact for 2 to 8 parties.

Layer:       smpc.operations.comparison.
Terms:       the width k says where the compared difference lies: in ``[-2**(k-1), 2**(k-1))``; a leaf is a group of
             four bits.
Guarantees:  the answer is exact inside the width; only k masked bits of the difference are opened. Outside the width
             the answer is wrong without a sign of it: bounds are enforced where the data come from.
Visible to:  the parties see ``(x + r) mod 2**k`` and bits XOR uniform ones.
Cost:        rounds for signs: 2 up to 5 bits, 3 up to 21, 4 up to 64; 12.25 bytes an element and peer at 64 bits, 4.5
             at 24. One ``MASK``, one ``BIT_PRODUCTS`` per shape of node and level, one ``BIT``.
Source:      masked opening and public-against-shared comparison: eprint 2020/338; leaves whose products the dealer
             shares: ours.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from smpc.dealer.correlations import GROUP_BITS
from smpc.dealer.requests import mask
from smpc.errors import RingRangeError
from smpc.operations.arithmetic import (
    Public,
    add_public,
    public_array,
    reshape,
    subtract,
    subtract_from_public,
)
from smpc.operations.bit_planes import Product, all_planes, chunks, multiply_planes, to_ring
from smpc.operations.open_masked import open_masked
from smpc.ring import ByteArray, RingArray, check_bits, encode, reduce_bits
from smpc.sharing import Shared

if TYPE_CHECKING:
    from collections.abc import Callable

    from smpc.session import Session

_VALUES: Final = 1 << GROUP_BITS
Words = npt.NDArray[np.uint16]


def is_negative(session: Session, x: Shared, bits: int) -> Shared:
    """Return shares of 1 where ``x < 0``, else 0.

    Visible to: every party ``x`` plus a uniform mask, mod ``2**bits``, and masked bits.
    Cost: see the module.

    Args:
        session: an open session.
        x: within ``[-2**(bits-1), 2**(bits-1))``.
        bits: declared width, 1 to 64.

    Raises:
        RingRangeError: no such width, before anything is sent.
    """
    check_bits(bits)
    if x.size == 0:
        return x
    return reshape(to_ring(session, negative_plane(session, x, bits), x.size), x.shape)


def negative_plane(session: Session, x: Shared, bits: int) -> ByteArray:
    """Return XOR summands of the plane of ``x < 0``: ``is_negative`` without its last round, the way to the ring.

    Raises:
        RingRangeError: no such width, before anything is sent.
    """
    check_bits(bits)
    opened, products = _open_groups(session, x, bits)
    return _signs(session, opened, products, bits)


def at_least_each(session: Session, x: Shared, thresholds: RingArray, bits: int) -> Shared:
    """Return shares of 1 where ``x >= threshold``, else 0, for each of several public thresholds.

    Visible to: every party ``x`` plus one uniform mask, mod ``2**bits``, however many thresholds, and masked bits.
    Cost: rounds as ``is_negative``; ``packed_bytes(x.size, bits)`` bytes a peer once, the tree's bits for each
        threshold; one ``MASK`` of ``x.size``.

    Args:
        session: an open session.
        x: the values, shape ``S``.
        thresholds: shape ``(n,)``.
        bits: every ``x - threshold`` lies in ``[-2**(bits-1), 2**(bits-1))``.

    Returns:
        Shape ``(n, *S)``.

    Raises:
        RingRangeError: no such width, or thresholds that are no integers in a row; before anything is sent.
    """
    check_bits(bits)
    if thresholds.ndim != 1:
        raise RingRangeError(what="shape of thresholds")
    thresholds = encode(thresholds, what="threshold")
    shape = (thresholds.size, *x.shape)
    if 0 in shape:
        return Shared(share=np.zeros(shape, dtype=np.int64))
    summand, products = session.supply.take(mask(x.size, bits))
    opened = open_masked(session, x.share, summand, bits)
    plane = below_each(session, opened, products, thresholds, bits)
    ones = to_ring(session, plane, x.size * thresholds.size)
    return subtract_from_public(session, 1, reshape(ones, shape))


def below_each(
    session: Session, opened: RingArray, products: Words, thresholds: RingArray, bits: int
) -> ByteArray:
    """Return XOR summands of the plane of ``x < threshold``, for each threshold all ``x``.

    Visible to: every party masked bits.
    Cost: rounds as ``is_negative`` without the first and the last.

    Args:
        session: an open session.
        opened: ``x`` plus its mask, public, shape ``(count,)``.
        products: XOR summands of the mask's bit products, lowest group first.
        thresholds: public, shape ``(n,)``.
        bits: declared width of every ``x - threshold``.
    """
    # what each difference would open under the same mask
    differences = reduce_bits(opened - thresholds[:, np.newaxis], bits).reshape(-1)
    digits = _digits(differences, len(products))
    return _signs(session, digits, np.tile(products, thresholds.size), bits)


def _signs(session: Session, opened: ByteArray, products: Words, bits: int) -> ByteArray:
    """Return the plane of the highest bit of what was opened less the mask, mod ``2**bits``."""
    width = (bits - 1) % GROUP_BITS + 1
    low = [_leaf(opened[i], products[i], _less_words()) for i in range(len(opened) - 1)]
    equal = [_leaf(opened[i], products[i], _equal_words(GROUP_BITS)) for i in range(len(opened) - 1)]
    sign = _leaf(opened[-1], products[-1], _sign_words(width))
    if low and width == 1:  # the sign bit stands alone in its group: the borrow from below flips it
        sign = sign ^ _less(session, np.stack(low), np.stack(equal))
    elif low:
        top = _leaf(opened[-1], products[-1], _equal_words(width - 1))
        sign = _less(session, np.stack([*low, sign]), np.stack([*equal, top]))
    return sign


def is_zero(session: Session, x: Shared, bits: int) -> Shared:
    """Return shares of 1 where ``x == 0``, else 0.

    Visible to: every party ``x`` plus a uniform mask, mod ``2**bits``, and masked bits.
    Cost: 2 rounds up to 4 bits, 3 up to 20, 4 up to 64.

    Args:
        session: an open session.
        x: strictly between ``-2**bits`` and ``2**bits``.
        bits: declared width, 1 to 64.

    Raises:
        RingRangeError: no such width, before anything is sent.
    """
    check_bits(bits)
    if x.size == 0:
        return x
    opened, products = _open_groups(session, x, bits)
    top = _equal_words((bits - 1) % GROUP_BITS + 1)
    tables = [_equal_words(GROUP_BITS)] * (len(opened) - 1) + [top]
    leaves = [_leaf(opened[i], products[i], table) for i, table in enumerate(tables)]
    return reshape(to_ring(session, all_planes(session, np.stack(leaves)), x.size), x.shape)


def at_least(session: Session, x: Shared, threshold: Public | Shared, bits: int) -> Shared:
    """Return shares of 1 where ``x >= threshold``, else 0.

    Visible to, Cost: as ``is_negative``.

    Args:
        session: an open session.
        x: the values.
        threshold: public integer or array, or shared; broadcast against ``x``.
        bits: ``x - threshold`` lies in ``[-2**(bits-1), 2**(bits-1))``.
    """
    return subtract_from_public(session, 1, less_than(session, x, threshold, bits))


def less_than(session: Session, x: Shared, threshold: Public | Shared, bits: int) -> Shared:
    """Return shares of 1 where ``x < threshold``, else 0; arguments as ``at_least``."""
    return is_negative(session, _difference(session, x, threshold), bits)


def equals(session: Session, x: Shared, y: Public | Shared, bits: int) -> Shared:
    """Return shares of 1 where ``x == y``, else 0; ``|x - y| < 2**bits``."""
    return is_zero(session, _difference(session, x, y), bits)


def public_below_mask(session: Session, opened: RingArray, products: Words) -> ByteArray:
    """Return the plane of "a public number is less than the mask's bits", both of ``4 * len(products)`` bits.

    Visible to: every party masked bits.
    Cost: no round for one group of four bits, 1 up to five groups, 2 up to 16.

    Args:
        session: an open session.
        opened: public numbers, shape ``(count,)``.
        products: XOR summands of the bits' products, shape ``(n_groups, count)``, lowest group first.
    """
    digits = _digits(opened, len(products))
    low = [_leaf(digits[i], products[i], _less_words()) for i in range(len(digits))]
    equal = [_leaf(digits[i], products[i], _equal_words(GROUP_BITS)) for i in range(len(digits))]
    return _less(session, np.stack(low), np.stack(equal))


def _difference(session: Session, x: Shared, y: Public | Shared) -> Shared:
    if isinstance(y, Shared):
        return subtract(x, y)
    return add_public(session, x, -public_array(y))


def _open_groups(session: Session, x: Shared, bits: int) -> tuple[ByteArray, Words]:
    """Open the masked values; return their hexadecimal digits and the mask's bit products, lowest first."""
    summand, products = session.supply.take(mask(x.size, bits))
    return _digits(open_masked(session, x.share, summand, bits), len(products)), products


def _digits(values: RingArray, n_groups: int) -> ByteArray:
    """Return the lowest hexadecimal digits of numbers, lowest first."""
    words = values.view(np.uint64)
    digits = np.empty((n_groups, values.size), dtype=np.uint8)
    for group in range(n_groups):
        digits[group] = (words >> np.uint64(GROUP_BITS * group)) & np.uint64(_VALUES - 1)
    return digits


def _leaf(digits: ByteArray, products: Words, table: Words) -> ByteArray:
    """Return the plane of a function of a public digit and a shared one, linear in the latter's products."""
    chosen = table.take(digits, mode="wrap")  # digits are in range; this mode looks them up fastest
    chosen &= products
    parity = np.bitwise_count(chosen)
    parity &= np.uint8(1)
    return np.packbits(parity, bitorder="little")


def _less(session: Session, less: ByteArray, equal: ByteArray) -> ByteArray:
    """Compare digit by digit: the highest one that is not equal decides. Rows of both: lowest digit first."""
    width = less.shape[1]
    while len(less) > 1:
        groups = chunks(len(less))
        shapes = [(len(group), group.start > 0) for group in groups]
        products = [
            _node_product(
                less, equal, [group for group, own in zip(groups, shapes, strict=True) if own == shape]
            )
            for shape in sorted(set(shapes))
        ]
        results = multiply_planes(session, products)
        next_less = np.stack([less[group.stop - 1] for group in groups])
        next_equal = np.zeros_like(next_less)
        for shape, result in zip(sorted(set(shapes)), results, strict=True):
            rows = [i for i, own in enumerate(shapes) if own == shape]
            terms = result.reshape(len(result), len(rows), width)
            arity, has_equal = shape
            next_less[rows] ^= np.bitwise_xor.reduce(terms[: arity - 1], axis=0)
            if has_equal:
                next_equal[rows] = terms[arity - 1]
        less, equal = next_less, next_equal
    lowest: ByteArray = less[0]
    return lowest


def _node_product(less: ByteArray, equal: ByteArray, groups: list[range]) -> Product:
    """Return what the nodes of one shape multiply; the lowest node of all needs no ``equal``."""
    arity, has_equal = len(groups[0]), groups[0].start > 0
    rows = [np.stack([equal[group.start + i] for group in groups]) for i in range(1, arity)]
    rows += [np.stack([less[group.start + i] for group in groups]) for i in range(arity - 1)]
    # factor i - 1 is "digit i equal", factor arity - 1 + i is "digit i less"
    above = [sum(1 << (j - 1) for j in range(i + 1, arity)) for i in range(arity)]
    targets = [above[i] | 1 << (arity - 1 + i) for i in range(arity - 1)]
    if has_equal:
        rows.append(np.stack([equal[group.start] for group in groups]))
        targets.append(above[0] | 1 << (2 * arity - 2))
    return Product(targets=tuple(targets), factors=np.stack(rows).reshape(len(rows), -1))


@functools.cache
def _less_words() -> Words:
    return _words(lambda c, r: c < r)


@functools.cache
def _equal_words(width: int) -> Words:
    """Return the table of "the lowest ``width`` bits are equal"."""
    return _words(lambda c, r: (c ^ r) % (1 << width) == 0)


@functools.cache
def _sign_words(width: int) -> Words:
    """Return the table of the highest bit of ``(c - r) mod 2**width``."""
    return _words(lambda c, r: bool((c - r) >> (width - 1) & 1))


def _words(function: Callable[[int, int], bool]) -> Words:
    """For each public digit, which products of the shared one's bits XOR to the function; shape ``(16,)``."""
    table = np.zeros(_VALUES, dtype=np.uint16)
    for c in range(_VALUES):
        coefficients = [function(c, r) for r in range(_VALUES)]
        for bit in range(GROUP_BITS):  # the Moebius transform over subsets
            for r in range(_VALUES):
                if r >> bit & 1:
                    coefficients[r] ^= coefficients[r ^ 1 << bit]
        table[c] = sum(1 << subset for subset in range(_VALUES) if coefficients[subset])
    table.flags.writeable = False
    return table

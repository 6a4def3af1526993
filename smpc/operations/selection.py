"""Choice between shared values by shared bits, with clip, maximum and argmax built on it.

Layer:       smpc.operations.selection.
Terms:       a bit is a shared 0 or 1 of the ring; width is as in ``comparison``.
Guarantees:  no party learns which value was chosen; exact as long as the differences lie in the declared width.
Visible to:  the parties see masked values and masked bits.
See instead: order statistics (``quantiles``); sorting.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from smpc.errors import RingRangeError
from smpc.operations.arithmetic import (
    Public,
    add,
    add_public,
    multiply,
    negate,
    public_array,
    reshape,
    stack,
    subtract,
    subtract_from_public,
)
from smpc.operations.bit_planes import all_planes, from_ring, to_ring
from smpc.operations.comparison import at_least, is_negative, negative_plane
from smpc.operations.numeric.piecewise_linear import PiecewiseLinear, piecewise_linear
from smpc.ring import plane_bits
from smpc.sharing import Shared

if TYPE_CHECKING:
    from smpc.ring import RingArray
    from smpc.session import Session


def select(session: Session, bit: Shared, a: Shared, b: Shared) -> Shared:
    """Return ``a`` where the bit is 1, ``b`` where it is 0.

    Visible to: every party the bit and ``a - b``, each minus a uniform mask.
    Cost: 1 round; ``8 * (bit.size + (a - b).size)`` bytes a peer; one product triple.
    """
    return add(b, multiply(session, bit, subtract(a, b)))


def keep_where(session: Session, bit: Shared, a: Shared) -> Shared:
    """Return ``a`` where the bit is 1, else 0; cost as ``select``."""
    return multiply(session, bit, a)


def all_of(session: Session, *bits: Shared) -> Shared:
    """Return the AND of bits of one shape.

    Visible to: every party the bits XOR uniform ones.
    Cost: 2 rounds for two to five, 3 for up to twenty; ``(len(bits) + 1) / 8`` bytes an element and peer for
        up to five; nothing for one.

    Raises:
        RingRangeError: none given, or shapes differ; before anything is sent.
    """
    if not bits or any(bit.shape != bits[0].shape for bit in bits):
        raise RingRangeError(what="bits of an AND have one shape")
    if len(bits) == 1 or bits[0].size == 0:
        return bits[0]
    plane = all_planes(session, np.stack([from_ring(bit) for bit in bits]))
    return reshape(to_ring(session, plane, bits[0].size), bits[0].shape)


def any_of(session: Session, *bits: Shared) -> Shared:
    """Return the OR of bits of one shape; cost as ``all_of``."""
    return negation(session, all_of(session, *(negation(session, bit) for bit in bits)))


def all_at_least(session: Session, x: Shared, thresholds: RingArray, bits: int) -> Shared:
    """Return shares of 1 where every value reaches its threshold, else 0: ``at_least`` and ``all_of``, one round less.

    Visible to: every party masked values and masked bits.
    Cost: the rounds of ``is_negative``, and 1 for two to five values, 2 for up to twenty.

    Args:
        session: an open session.
        x: shape ``(n,)``, ``n >= 1``.
        thresholds: public, shape ``(n,)``.
        bits: every ``x - threshold`` lies in ``[-2**(bits-1), 2**(bits-1))``.

    Returns:
        Shape ``(1,)``.

    Raises:
        RingRangeError: no such width, or other shapes; before anything is sent.
    """
    if len(x.shape) != 1 or x.size == 0 or thresholds.shape != x.shape:
        raise RingRangeError(what="thresholds of an AND")
    plane = negative_plane(session, add_public(session, x, -thresholds), bits)
    missed = plane_bits(plane, x.size)[:, np.newaxis].copy()  # of each value a plane of its own
    return to_ring(session, all_planes(session, missed ^ np.uint8(session.is_first)), 1)


def negation(session: Session, bit: Shared) -> Shared:
    """Return 1 minus a bit; 0 rounds."""
    return subtract_from_public(session, 1, bit)


def between(session: Session, x: Shared, low: Public, high: Public, bits: int) -> Shared:
    """Return shares of 1 where ``low <= x <= high`` for public bounds, else 0.

    Visible to, Cost: one comparison of twice the size.

    Args:
        session: an open session.
        x: the values.
        low: lower bound, or one per value.
        high: upper bound, at least ``low``.
        bits: ``x - low`` and ``high - x`` lie in ``[-2**(bits-1), 2**(bits-1))``.

    Raises:
        RingRangeError: a lower bound above its upper bound; before anything is sent.
    """
    outside, _ = _outside(session, x, low, high, bits)
    return subtract_from_public(session, 1, Shared(share=outside.share.sum(axis=0, dtype=np.int64)))


def clip(session: Session, x: Shared, low: Public, high: Public, bits: int) -> Shared:
    """Return ``x`` moved to the nearer of two public bounds where it lies outside; arguments as ``between``.

    Cost: one comparison of twice the size and one product round.
    """
    outside, distances = _outside(session, x, low, high, bits)
    moves = multiply(session, outside, distances)
    return Shared(share=x.share + moves.share[0] - moves.share[1])


def relu(session: Session, x: Shared, bits: int) -> Shared:
    """Return ``x`` where it is not negative, else 0; as ``keep_at_least`` with 0."""
    return keep_at_least(session, x, 0, bits)


def keep_at_least(session: Session, x: Shared, threshold: int, bits: int) -> Shared:
    """Return ``x`` where it is at least a public threshold, else 0.

    Visible to, Cost: as ``piecewise_linear`` with one threshold: no round for the product.

    Args:
        session: an open session.
        x: any shape.
        threshold: public.
        bits: ``x - threshold`` lies in ``[-2**(bits-1), 2**(bits-1))``.
    """
    step = PiecewiseLinear(
        thresholds=public_array(threshold), slopes=np.array([0, 1]), intercepts=np.array([0, 0])
    )
    return piecewise_linear(session, x, step, bits)


def maximum(session: Session, x: Shared, bits: int) -> Shared:
    """Return the largest along the first axis.

    Visible to: no party learns which.
    Cost: per halving one comparison and one product round; ``ceil(log2(n))`` halvings.

    Args:
        session: an open session.
        x: shape ``(n, *S)``, ``n >= 1``.
        bits: width of the difference of any two.

    Returns:
        Shape ``S``, or ``(1,)`` for a vector.
    """
    return _tournament(session, x, bits)[0]


def minimum(session: Session, x: Shared, bits: int) -> Shared:
    """Return the smallest along the first axis; as ``maximum``."""
    return negate(_tournament(session, negate(x), bits)[0])


def argmax(session: Session, x: Shared, bits: int) -> Shared:
    """Return the position of the largest along the first axis, of several the first; as ``maximum``."""
    n_positions = x.shape[0]
    column = np.arange(n_positions, dtype=np.int64).reshape((n_positions,) + (1,) * (len(x.shape) - 1))
    summand = np.broadcast_to(column, x.shape) if session.is_first else np.zeros_like(x.share)
    return _tournament(session, x, bits, Shared(share=summand.copy()))[1]


def _outside(session: Session, x: Shared, low: Public, high: Public, bits: int) -> tuple[Shared, Shared]:
    """Return the bits "below low" and "above high", stacked, and the distances from both bounds."""
    lower, upper = public_array(low), public_array(high)
    if np.any(lower > upper):
        raise RingRangeError(what="a lower bound above its upper bound")
    margins = stack([add_public(session, x, -lower), subtract_from_public(session, upper, x)])
    return is_negative(session, margins, bits), negate(margins)


def _tournament(
    session: Session, x: Shared, bits: int, labels: Shared | None = None
) -> tuple[Shared, Shared]:
    """Halve the first axis until one is left; the label of the winner goes with it."""
    if x.shape[0] == 0:
        raise RingRangeError(what="largest of nothing")
    layers = [x.share] if labels is None else [x.share, labels.share]
    rows = np.stack(layers, axis=1)
    while len(rows) > 1:
        pairs = len(rows) // 2
        first, second = rows[0 : 2 * pairs : 2], rows[1 : 2 * pairs : 2]
        wins = at_least(session, Shared(share=first[:, 0]), Shared(share=second[:, 0]), bits)
        chosen = select(
            session, Shared(share=wins.share[:, np.newaxis]), Shared(share=first), Shared(share=second)
        )
        rows = np.concatenate([chosen.share, rows[2 * pairs :]])
    return Shared(share=np.atleast_1d(rows[0, 0])), Shared(share=np.atleast_1d(rows[0, -1]))

"""Piecewise linear functions of shared integers, with public lines: one opening for any number of lines.

Layer:       smpc.operations.numeric.piecewise_linear. Over ``comparison``.
Terms:       a step is the bit "x has reached the threshold"; at each the line changes by a public amount.
Guarantees:  exact: ``slope * x + intercept`` of the line in whose piece x lies, mod ``2**64``, as long as the
             differences lie in the declared width. No party learns the piece.
Visible to:  the parties see ``x`` plus a uniform mask, mod ``2**64``, once, and bits XOR uniform ones.
Cost:        rounds as ``comparison``: 2 up to 5 bits, 3 up to 21, 4 up to 64; choosing the line and multiplying by
             its slope add none. 8 bytes an element and peer and, per threshold, the tree's bits: 2.9 bytes at 44
             bits. One ``THRESHOLD_BITS``, one ``BIT_PRODUCTS`` per shape of node and level.
Source:      eprint 2020/338 (masked comparison); that the dealer also shares each step's bit times the mask, so that
             ``bit * x`` is linear in what is opened anyway: ours.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from smpc.dealer.requests import threshold_bits
from smpc.errors import RingRangeError
from smpc.operations.comparison import below_each
from smpc.operations.open_masked import open_masked, open_planes
from smpc.ring import RING_BITS, RingArray, check_bits, plane_bits
from smpc.sharing import Shared

if TYPE_CHECKING:
    from smpc.session import Session


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PiecewiseLinear:
    """A public piecewise linear function on the ring.

    Attributes:
        thresholds: first argument of each piece but the first, ascending, shape ``(n,)``.
        slopes: of each piece, shape ``(n + 1,)``.
        intercepts: likewise, at 0.
    """

    thresholds: RingArray = field(repr=False)
    slopes: RingArray = field(repr=False)
    intercepts: RingArray = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse what is no such function."""
        n_pieces = (self.thresholds.size + 1,)
        if (
            any(part.dtype != np.int64 for part in (self.thresholds, self.slopes, self.intercepts))
            or self.thresholds.ndim != 1
            or self.thresholds.size == 0
            or self.slopes.shape != n_pieces
            or self.intercepts.shape != n_pieces
            or np.any(self.thresholds[1:] < self.thresholds[:-1])
        ):
            raise RingRangeError(what="pieces of a piecewise linear function")


def value_range(lines: PiecewiseLinear) -> tuple[int, int]:
    """Return the least and the greatest value of lines that are level before the first threshold and after the last.

    Raises:
        RingRangeError: they are not level there, so there is no bound.
    """
    if lines.slopes[0] != 0 or lines.slopes[-1] != 0:
        raise RingRangeError(what="range of a piecewise linear function")
    thresholds, slopes, intercepts = (
        part.tolist() for part in (lines.thresholds, lines.slopes, lines.intercepts)
    )
    ends = [
        slope * x + intercept
        for first, after, slope, intercept in zip(
            thresholds, thresholds[1:], slopes[1:], intercepts[1:], strict=False
        )
        for x in (first, after - 1)
        if first < after
    ]
    ends += [intercepts[0], intercepts[-1]]
    return min(ends), max(ends)


def piecewise_linear(session: Session, x: Shared, lines: PiecewiseLinear, bits: int) -> Shared:
    """Return shares of a piecewise linear function of ``x``.

    Visible to, Cost: see the module.

    Args:
        session: an open session.
        x: any shape.
        lines: the function.
        bits: every ``x - threshold`` lies in ``[-2**(bits-1), 2**(bits-1))``; 1 to 64.

    Raises:
        RingRangeError: no such width, before anything is sent.
    """
    check_bits(bits)
    if x.size == 0:
        return x
    n_thresholds = lines.thresholds.size
    mask, exclusive, products, ones, masked_ones = session.supply.take(
        threshold_bits(x.size, bits, n_thresholds)
    )
    opened = open_masked(session, x.share, mask, RING_BITS)
    plane = below_each(session, opened, products, lines.thresholds, bits)
    (public,) = open_planes(session, [(plane, exclusive)])
    below = plane_bits(public, n_thresholds * x.size).reshape(n_thresholds, x.size).astype(np.int64)
    # the step is 1 - (below ^ s): flips + signs * s, with s the dealer's bit
    flips, signs = 1 - below, 2 * below - 1
    slopes, intercepts = (np.diff(part)[:, np.newaxis] for part in (lines.slopes, lines.intercepts))
    # s * x = s * (opened - mask)
    own = signs * (slopes * (ones * opened - masked_ones) + intercepts * ones)
    flat = x.share.reshape(-1)
    share = own.sum(axis=0) + (lines.slopes[0] + (slopes * flips).sum(axis=0)) * flat
    if session.is_first:
        share = share + lines.intercepts[0] + (intercepts * flips).sum(axis=0)
    return Shared(share=share.reshape(x.shape))

"""Order statistics of shared data: quantiles over bins of counts, and the largest few of some values.

Floor:    smpc.operations.order. Over ``comparison``, ``selection`` and ``arithmetic``.
Terms:    counts are how many rows lie in each of the ordered bins, summed over all sites; the bin of a quantile
          is the first one at which the running count reaches its part of all rows.
Shapes:   counts ``(*S, n_bins)`` -> bins ``S``, or ``(1,)`` for one row of counts.
Promise:  exact; nobody learns the bin, the counts or their total. Rounds depend on widths only, not on the
          number of bins or rows, so the answer of an empty group costs and looks like any other.
Sees:     the parties see masked values and masked bits.
Not here: how many rows must lie on both sides of an opened quantile (``analytics``), noise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from smpc.errors import RingRangeError
from smpc.operations.arithmetic import multiply_public, reshape, stack, subtract, take, total
from smpc.operations.comparison import at_least, equals, is_negative, less_than
from smpc.operations.selection import keep_where
from smpc.ring import RING_BITS
from smpc.sharing import Shared

if TYPE_CHECKING:
    from smpc.session import Session


def kth_bin(session: Session, counts: Shared, k: int, most_rows: int) -> Shared:
    """Return the bin of the k-th smallest row, or the number of bins where there are fewer than ``k`` rows.

    Sees: nobody learns anything.
    Cost: one comparison of ``counts.size`` values.

    Args:
        session: an open session.
        counts: rows in each bin.
        k: from 1.
        most_rows: no group has more rows than this (the plan knows it).

    Raises:
        RingRangeError: no such ``k`` or width, or counts without a bin; before anything is sent.
    """
    if isinstance(k, bool) or not 1 <= k <= most_rows:
        raise RingRangeError(what="k of an order statistic")
    return _number_of(less_than(session, _running(counts), k, _width(most_rows)))


def quantile_bin(session: Session, counts: Shared, part: int, whole: int, most_rows: int) -> Shared:
    """Return the first bin at which the running count is at least ``part / whole`` of all rows.

    That is the inverse of the empirical distribution, without interpolation: the lower median for 1 / 2, the
    largest row for 1 / 1. A group without rows gives bin 0.

    Sees: nobody learns anything, the number of rows included.
    Cost: one comparison of ``counts.size`` values.

    Args:
        session: an open session.
        counts: rows in each bin.
        part: above 0.
        whole: at least ``part``.
        most_rows: no group has more rows than this.

    Raises:
        RingRangeError: no such part or width, or counts without a bin; before anything is sent.
    """
    if not 0 < part <= whole:
        raise RingRangeError(what="part of a quantile")
    bits = _width(most_rows * whole)
    running = _running(counts)
    everything = Shared(share=running.share[..., -1:])
    missing = subtract(multiply_public(running, whole), multiply_public(everything, part))
    return _number_of(is_negative(session, missing, bits))


def median_bin(session: Session, counts: Shared, most_rows: int) -> Shared:
    """Return the bin of the lower median; see ``quantile_bin``."""
    return quantile_bin(session, counts, 1, 2, most_rows)


def top_k(session: Session, values: Shared, k: int, bits: int) -> tuple[Shared, Shared]:
    """Return the ``k`` largest of some values, largest first, and their positions; of equal ones the first.

    Every pair is compared at once, so rounds do not grow with ``k`` or the number of values.

    Sees: nobody learns which.
    Cost: a comparison of ``n (n - 1) / 2`` values, an equality of ``n k`` values, one product round.

    Args:
        session: an open session.
        values: shape ``(n,)``.
        k: 1 to ``n``.
        bits: width of the difference of any two.

    Returns:
        Values and positions, shape ``(k,)`` each.

    Raises:
        RingRangeError: no such ``k``, or not one axis; before anything is sent.
    """
    n_values = values.size
    if len(values.shape) != 1 or isinstance(k, bool) or not 1 <= k <= n_values:
        raise RingRangeError(what="k of the largest values")
    ranks = _ranks(session, values, bits)
    wanted = np.arange(k, dtype=np.int64)[:, np.newaxis]
    repeated = stack([ranks] * k)
    hits = equals(
        session, repeated, np.broadcast_to(wanted, (k, n_values)).copy(), max(1, n_values.bit_length())
    )
    positions = Shared(share=hits.share @ np.arange(n_values, dtype=np.int64))
    chosen = keep_where(session, hits, reshape(values, (1, n_values)))
    return total(chosen, axis=1), positions


def _ranks(session: Session, values: Shared, bits: int) -> Shared:
    """Return how many values go before each: those that are larger, and equal ones that stand earlier."""
    n_values = values.size
    earlier, later = np.triu_indices(n_values, 1)
    if earlier.size == 0:
        return Shared(share=np.zeros(n_values, dtype=np.int64))
    wins = at_least(session, take(values, earlier.tolist()), take(values, later.tolist()), bits)
    ranks = np.zeros(n_values, dtype=np.int64)
    np.add.at(ranks, later, wins.share)
    np.subtract.at(ranks, earlier, wins.share)
    if session.is_first:  # the earlier one of a pair goes behind unless it wins
        np.add.at(ranks, earlier, 1)
    return Shared(share=ranks)


def _running(counts: Shared) -> Shared:
    if counts.shape[-1] == 0:
        raise RingRangeError(what="counts without a bin")
    return Shared(share=np.cumsum(counts.share, axis=-1, dtype=np.int64))


def _number_of(bits: Shared) -> Shared:
    """Return how many bins are not reached yet: the place of the first that is, as a running count never falls."""
    return Shared(share=np.atleast_1d(bits.share.sum(axis=-1, dtype=np.int64)))


def _width(largest: int) -> int:
    """Return the width of a difference of two numbers in ``[0, largest]``."""
    bits = max(largest, 1).bit_length() + 1
    if bits > RING_BITS:
        raise RingRangeError(what="bit width")
    return bits

"""Order statistics of shared data: quantiles over bins of counts, and the largest few of some values.

Layer:       smpc.operations.quantiles. Over ``comparison``, ``selection`` and ``arithmetic``.
Terms:       counts are how many rows lie in each of the ordered bins, summed over all sites; the bin of a quantile is
             the first one at which the running count reaches its part of all rows.
Shapes:      counts ``(*S, n_bins)`` -> bins ``S``, or ``(1,)`` for one row of counts.
Guarantees:  exact; no party learns the bin, the counts or their total. Rounds depend on widths only, not on the
             number of bins or rows, so the answer of an empty group costs and looks like any other.
             ``quantile_by_digits`` alone is for a quantile that all are to learn: the caller passes the function that
             opens each digit.
Visible to:  the parties see masked values and masked bits.
See instead: how many rows must lie on both sides of an opened quantile (``analytics``), noise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from smpc.errors import RingRangeError
from smpc.operations.arithmetic import multiply_public, reshape, stack, subtract, take, total
from smpc.operations.comparison import at_least, equals, is_negative, less_than
from smpc.operations.inputs import contribute
from smpc.operations.selection import keep_where
from smpc.ring import HIGHEST, RING_BITS, RingArray, encode
from smpc.sharing import Shared

if TYPE_CHECKING:
    from collections.abc import Callable

    from smpc.session import Session

DIGIT_BITS: Final = 8


def kth_bin(session: Session, counts: Shared, k: int, most_rows: int) -> Shared:
    """Return the bin of the k-th smallest row, or the number of bins where there are fewer than ``k`` rows.

    Visible to: no party learns anything.
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

    Visible to: no party learns anything, the number of rows included.
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


def quantile_by_digits(
    session: Session,
    own: RingArray,
    bounds: tuple[int, int],
    fraction: tuple[int, int],
    most_rows: int,
    open_digit: Callable[[Shared], RingArray],
) -> int:
    """Open a quantile of rows that stay with their sites, digit by digit; as ``quantile_bin``, of whole values.

    The rows are counted by their next digit as long as they agree with the digits opened so far, and in the first
    or last bin otherwise, so that the opened digits say only what the quantile says. Without rows at any
    site it is the lower bound, which looks like a quantile there.

    Visible to: the recipients of ``open_digit``, the quantile; no party learns more.
    Cost: for every 8 bits of the range one comparison of 256 counts and one opened digit: 4 rounds and
        some 0.7 kB a peer up to 21 bits of ``most_rows * whole``.

    Args:
        session: an open session.
        own: this site's own rows, shape ``(n,)``; ``n`` may be 0.
        bounds: the least and the largest value that a row may have.
        fraction: part and whole.
        most_rows: public bound of the number of rows at all sites together.
        open_digit: opens one number to all parties; only a caller that may open it passes it.

    Returns:
        The quantile.

    Raises:
        RingRangeError: rows or bounds that do not fit, or no such fraction; before anything is sent.
    """
    low, high = bounds
    if not low <= high or high - low > HIGHEST:
        raise RingRangeError(what="bounds of a quantile's rows")
    encode(bounds, what="bound of a quantile's rows")
    rows = encode(own, what="row of a quantile")
    if rows.ndim != 1 or rows.size > most_rows or np.any(rows < low) or np.any(rows > high):
        raise RingRangeError(what="rows of a quantile")
    n_digits = max(1, -(-(high - low).bit_length() // DIGIT_BITS))
    last, found = (1 << DIGIT_BITS) - 1, 0
    for shift in reversed(range(0, DIGIT_BITS * n_digits, DIGIT_BITS)):
        digits = np.clip(((rows - low) >> shift) - (found << DIGIT_BITS), 0, last)
        counts = contribute(session, np.bincount(digits, minlength=last + 1).astype(np.int64))
        digit = open_digit(quantile_bin(session, counts, *fraction, most_rows))
        found = (found << DIGIT_BITS) + int(digit[0])
    return low + found


def top_k(session: Session, values: Shared, k: int, bits: int) -> tuple[Shared, Shared]:
    """Return the ``k`` largest of some values, largest first, and their positions; of equal ones the first.

    Every pair is compared at once, so rounds do not grow with ``k`` or the number of values.

    Visible to: no party learns which.
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

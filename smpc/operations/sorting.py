"""Shuffling and sorting of shared rows: after a secret shuffle, outcomes of comparisons may be opened.

Layer:       smpc.operations.sorting. Above ``sort_schedule``, ``comparison`` and ``open_masked``.
Terms:       to shuffle is to bring rows into a uniformly random order; every party in turn draws one order, and the
             rows follow all of them.
Guarantees:  exact and stable. Rounds and bytes depend on the number of rows and widths only. Only outcomes of
             comparisons of distinct keys in a shuffled order are opened in the clear: they determine that order,
             which is uniform as long as one party keeps its own secret, whatever the data. Equal values are ordered
             by their first positions, so that the number of equal ones does not show.
Visible to:  the parties see masked values, masked bits, and a uniformly random order.
Cost:        one round for the shuffle of each party that evaluates, then 4 for up to 256 rows, else 20 (16 up to
             1,160), for keys of 22 to 64 bits, including the bits that distinguish equal ones; of 10,000 rows some
             747,000 comparisons are made, of 24 + 14 bits 5.8 MB a peer.
See instead: opening what was sorted (``reveal``); the largest few (``quantiles.top_k``, where no order is opened).
Source:      permutations held by one party at a time with material for each: eprint 2019/1340, the material here from
             the dealer; sorting by opened comparisons after a shuffle: Hamada et al., ICISC 2012.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from smpc.dealer.correlations import permutation_of
from smpc.dealer.requests import shuffle as shuffle_request
from smpc.errors import MaterialError, RingRangeError
from smpc.operations.comparison import negative_plane
from smpc.operations.open_masked import open_differences, open_planes
from smpc.operations.sort_schedule import FANOUT, schedule
from smpc.ring import RING_BITS, check_bits, plane_bits
from smpc.sharing import Shared

if TYPE_CHECKING:
    from smpc.session import Session

MOST_ROWS: Final = 1 << 14
_SPREAD: Final = np.uint64(0x9E3779B97F4A7C15)  # 2**64 over the golden ratio: multiples lie evenly
Places = npt.NDArray[np.intp]
Outcomes = npt.NDArray[np.bool_]


def shuffle(session: Session, rows: Shared) -> Shared:
    """Return the rows in a uniformly random order that no party knows.

    Even all evaluating parties but one together do not know it.

    Visible to: every party ``rows - mask`` once for each party, uniform.
    Cost: a round, ``8 * rows.size`` bytes a peer and one ``SHUFFLE`` for each party that evaluates.

    Args:
        session: an open session.
        rows: shape ``(n, *S)``.
    """
    if rows.size == 0:
        return rows
    share = rows.share
    for rank in range(len(session.evaluators)):
        words, mask, permuted = session.supply.take(shuffle_request(rank, rows.shape))
        (public,) = open_differences(session, [(share, mask)])
        share = permuted + public[permutation_of(words)] if rank == session.evaluator_rank else permuted
    return Shared(share=share)


def sort(session: Session, values: Shared, bits: int) -> tuple[Shared, Shared]:
    """Return values in ascending order, and the positions at which they stood; of equal ones the first first.

    Visible to, Cost, Raises: as ``sort_rows``, which shuffles one column more than the rows have.

    Args:
        session: an open session.
        values: shape ``(n,)``.
        bits: width of the difference of any two.
    """
    if len(values.shape) != 1:
        raise RingRangeError(what="values to be sorted have one axis")
    rows = _sorted(session, Shared(share=values.share[:, np.newaxis]), 0, bits)
    return Shared(share=rows.share[:, 0].copy()), Shared(share=rows.share[:, 1].copy())


def sort_rows(session: Session, rows: Shared, column: int, bits: int) -> Shared:
    """Return rows in ascending order of one column; rows that are equal in it keep their order.

    Visible to: every party a uniformly random order, besides masked values and bits.
    Cost: see the module; a comparison is of ``bits + ceil(log2(n))`` bits.

    Args:
        session: an open session.
        rows: shape ``(n, n_columns)``, ``n`` up to 16,384.
        column: which one.
        bits: width of the difference of any two of its values.

    Raises:
        RingRangeError: no such column, too many rows or too wide; before anything is sent.
        MaterialError: the shuffle was one of those that need more comparisons than planned: less than one in
            ``2**40``, whatever the data.
    """
    if len(rows.shape) != 2 or isinstance(column, bool) or not 0 <= column < rows.shape[1]:  # noqa: PLR2004
        raise RingRangeError(what="column to sort by")
    return Shared(share=_sorted(session, rows, column, bits).share[:, :-1].copy())


def _sorted(session: Session, rows: Shared, column: int, bits: int) -> Shared:
    """Sort rows by a column, with their first positions as one column more."""
    n_rows = rows.shape[0]
    tie_bits = max(n_rows - 1, 0).bit_length()
    if n_rows > MOST_ROWS or check_bits(bits) + tie_bits > RING_BITS:
        raise RingRangeError(what="number or width of rows to be sorted")
    places = np.arange(n_rows, dtype=np.int64) if session.is_first else np.zeros(n_rows, dtype=np.int64)
    placed = Shared(share=np.column_stack([rows.share, places]))
    if n_rows < 2:  # noqa: PLR2004  nothing to compare
        return placed
    mixed = shuffle(session, placed).share
    keys = Shared(share=(mixed[:, column] << np.int64(tie_bits)) + mixed[:, -1])
    return Shared(share=mixed[_Comparer(session, keys, bits + tie_bits).order()])


class _Comparer:
    """Opens comparisons of keys that are distinct and shuffled."""

    def __init__(self, session: Session, keys: Shared, bits: int) -> None:
        self._session, self._keys, self._bits = session, keys, bits
        # Pairs are compared in the direction of this public order, so that a dry run, where every answer is
        # 0, meets one order like any other and not a contradiction.
        self._usual = np.arange(keys.size, dtype=np.uint64) * _SPREAD

    def order(self) -> Places:
        """Return the positions of the keys in ascending order: a permutation, known to all."""
        n_rows = self._keys.size
        plan = schedule(n_rows)
        pivot_ranks = self._ranks(*np.triu_indices(plan.n_pivots, 1))
        ranks = pivot_ranks
        places = 2 * pivot_ranks[: plan.n_pivots] + 1
        if plan.n_pivots < n_rows:
            pivots = np.argsort(pivot_ranks[: plan.n_pivots], kind="stable")
            buckets = self._buckets(pivots, np.arange(plan.n_pivots, n_rows), plan.n_levels)
            left, right = _pairs_within(buckets, plan.n_pivots)
            ranks = self._ranks(left, right, plan.n_pairs)
            places = np.concatenate([places, 2 * buckets])
        return np.lexsort((ranks, places))

    def _ranks(self, left: Places, right: Places, n_pairs: int | None = None) -> Places:
        """Return how often each key was the larger one; with dummy pairs, up to so many, that do not count."""
        n_real = left.size
        if n_pairs is not None:
            if n_real > n_pairs:
                raise MaterialError(what="comparisons within buckets this uneven")
            left = np.concatenate([left, np.zeros(n_pairs - n_real, dtype=np.intp)])
            right = np.concatenate([right, np.ones(n_pairs - n_real, dtype=np.intp)])
        is_less = self._precedes(left, right)[:n_real]
        larger = np.where(is_less, right[:n_real], left[:n_real])
        return np.bincount(larger, minlength=self._keys.size)

    def _buckets(self, pivots: Places, rows: Places, n_levels: int) -> Places:
        """Return how many pivots go before each row; every level cuts what is left into eight."""
        found = np.zeros(rows.size, dtype=np.intp)
        for level in reversed(range(n_levels)):
            step = FANOUT**level
            marks = found[:, np.newaxis] + step * np.arange(1, FANOUT) - 1
            others = np.repeat(rows, FANOUT - 1)
            passed = self._precedes(pivots[marks.reshape(-1)], others).reshape(marks.shape)
            found += step * passed.sum(axis=1)
        return found

    def _precedes(self, left: Places, right: Places) -> Outcomes:
        """Open whether the left key is the smaller one, pair by pair."""
        if left.size == 0:
            return np.zeros(0, dtype=np.bool_)
        is_usual = self._usual[left] < self._usual[right]
        first, second = np.where(is_usual, left, right), np.where(is_usual, right, left)
        share = self._keys.share
        plane = negative_plane(self._session, Shared(share=share[second] - share[first]), self._bits)
        # no mask is left on these bits: the shuffle is what makes them tell nothing
        (opened,) = open_planes(self._session, [(plane, np.zeros_like(plane))])
        return is_usual ^ plane_bits(opened, left.size).astype(np.bool_)


def _pairs_within(buckets: Places, offset: int) -> tuple[Places, Places]:
    """Return all pairs of rows of the same bucket; rows are counted from an offset."""
    members = np.split(np.argsort(buckets, kind="stable"), np.cumsum(np.bincount(buckets))[:-1])
    left, right = [], []
    for rows in members:
        earlier, later = np.triu_indices(rows.size, 1)
        left.append(rows[earlier])
        right.append(rows[later])
    return np.concatenate(left) + offset, np.concatenate(right) + offset

"""The number of comparisons that sort randomly ordered rows in five steps, fixed before the order is known.

Layer:       smpc.operations.sort_schedule. Pure: numbers of rows only.
Terms:       pivots are the first few rows; they cut the others into buckets. Rows of one bucket are compared with
             each other, all pairs at once; how many pairs that makes depends on the order.
Guarantees:  in a uniformly random order of distinct rows more pairs than ``most_pairs`` come with a probability of at
             most ``2**-40``; same numbers at all parties.
See instead: comparing (``sorting``).
Source:      bucket sizes as independent geometric numbers under the condition of their sum, and Chernoff's bound:
             textbook; that a bound so made replaces an order-dependent number of messages: ours.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Final

import numpy as np

FANOUT: Final = 8
ALL_PAIRS: Final = 256
_DEEPEST: Final = 4
_SECURITY_BITS: Final = 40
_GRAIN: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """How so many rows are sorted.

    Attributes:
        n_pivots: rows that are compared with each other first; all of them where that is cheap.
        n_levels: steps of the search for a row's bucket, each with ``FANOUT - 1`` comparisons.
        n_pairs: pairs compared within buckets, dummies included.
    """

    n_pivots: int
    n_levels: int
    n_pairs: int

    def comparisons(self, n_rows: int) -> int:
        """Return the number of comparisons of all steps."""
        n_others = n_rows - self.n_pivots
        search = n_others * self.n_levels * (FANOUT - 1)
        return self.n_pivots * (self.n_pivots - 1) // 2 + search + self.n_pairs


@functools.lru_cache(maxsize=256)
def schedule(n_rows: int) -> Schedule:
    """Return the schedule with the fewest comparisons; all pairs up to ``ALL_PAIRS`` rows."""
    everything = Schedule(n_pivots=n_rows, n_levels=0, n_pairs=0)
    if n_rows <= ALL_PAIRS:
        return everything
    depths = [level for level in range(1, _DEEPEST + 1) if 2 * FANOUT**level <= n_rows]
    choices = [
        Schedule(n_pivots=n_pivots, n_levels=level, n_pairs=most_pairs(n_rows - n_pivots, n_pivots))
        for level, n_pivots in ((level, FANOUT**level - 1) for level in depths)
    ]
    return min([everything, *choices], key=lambda choice: choice.comparisons(n_rows))


def most_pairs(n_others: int, n_pivots: int, security_bits: int = _SECURITY_BITS) -> int:
    """Return a number that the pairs within buckets exceed with probability ``2**-security_bits`` at most.

    Half of that is for a bucket larger than any that is counted on, half for too many pairs without one.
    """
    everything = n_others * (n_others - 1) // 2
    slack = (security_bits + 1) * math.log(2)
    largest = _largest_bucket(n_others, n_pivots, slack)
    sizes = np.arange(largest + 1, dtype=np.float64)
    pairs = sizes * (sizes - 1) / 2
    n_buckets = n_pivots + 1
    mean = n_others / n_buckets
    fewest = float(everything)
    for part in (0.6, 0.7, 0.8, 0.9, 1.0):
        stay = part * mean / (1 + part * mean)
        # logarithm of the probability that independent geometric sizes have the right sum
        whole = (
            _log_binomial(n_others + n_pivots, n_pivots)
            + n_buckets * math.log1p(-stay)
            + n_others * math.log(stay)
        )
        for tilt in np.geomspace(1e-3, 10.0, 60) / mean**2:
            exponents = math.log1p(-stay) + sizes * math.log(stay) + tilt * pairs
            top = float(exponents.max())
            moment = top + math.log(float(np.exp(exponents - top).sum()))
            fewest = min(fewest, (n_buckets * moment + slack - whole) / float(tilt))
    return min(everything, -(-math.ceil(fewest) // _GRAIN) * _GRAIN)


def _largest_bucket(n_others: int, n_pivots: int, slack: float) -> int:
    """Return a size that some bucket exceeds with probability ``exp(-slack)`` at most: a union bound."""
    whole = _log_binomial(n_others + n_pivots, n_pivots) - math.log(n_pivots + 1)
    for size in range(n_others):
        if _log_binomial(n_others - size - 1 + n_pivots, n_pivots) - whole <= -slack:
            return size
    return n_others


def _log_binomial(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)

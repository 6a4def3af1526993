"""A site's sums that are computed and not yet part of an attempt.

Layer:       federation.training.prepared_updates, beside local_update; at sites alone.
Terms:       to *prepare* is to compute a clipped sum at the public model, without noise, before the cohort of its
             attempt is known. It stays in this site's memory until then.
Guarantees:  a prepared sum is given out at most once, so that it is part of at most one attempt, whatever becomes of
             that attempt. An attempt that is not above all earlier ones of its run gets none. A later order takes the
             place of an earlier one. A run may order no more than ``ORDERS_PER_ROUND`` sums for each of its rounds.
             That a sum is prepared is told at a tick after the order: a whole number of the task's intervals.
             The newest ``RUNS`` runs are kept.
Source:      docs/guarantees.md P14, P17.
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from fractions import Fraction

    import numpy as np
    import numpy.typing as npt

RUNS: Final = 16
ORDERS_PER_ROUND: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """One sum.

    Attributes:
        used: the opened attempt of each round before the model at which it was computed.
        total: clipped and clamped, without noise, int64 ``(sum_length,)``; it never leaves the site like this.
    """

    used: tuple[int, ...]
    total: npt.NDArray[np.int64]

    def __repr__(self) -> str:
        return f"Prepared(after {len(self.used)} rounds)"


@dataclass(slots=True)
class _Run:
    n_orders: int = 0
    last: tuple[int, int] | None = None
    prepared: Prepared | None = None


class PreparedUpdates:
    """The prepared sums of one site, by run; for any thread."""

    def __init__(self) -> None:
        """Start with none."""
        self._runs: OrderedDict[str, _Run] = OrderedDict()
        self._lock = threading.Lock()
        self._closed = threading.Event()

    def order(self, run: str, *, rounds: int) -> int | None:
        """Return the number of a new order; None where the run has had all its orders.

        Args:
            run: identifier of the training run.
            rounds: of its task.
        """
        with self._lock:
            kept = self._of(run)
            if kept.n_orders >= ORDERS_PER_ROUND * rounds:
                return None
            kept.n_orders += 1
            kept.prepared = None
            return kept.n_orders

    def put(self, run: str, order: int, prepared: Prepared) -> None:
        """Keep the sum of an order, unless there is a later one."""
        with self._lock:
            kept = self._of(run)
            if kept.n_orders == order:
                kept.prepared = prepared

    def take(self, run: str, number: tuple[int, int]) -> Prepared | None:
        """Give out the prepared sum, once; None where there is none, or a later attempt had one.

        Args:
            run: identifier of the training run.
            number: round and attempt.
        """
        with self._lock:
            kept = self._of(run)
            if kept.last is not None and number <= kept.last:
                return None
            kept.last, prepared, kept.prepared = number, kept.prepared, None
            return prepared

    def wait_for_tick(self, began_s: float, tick_s: Fraction) -> None:
        """Wait until a whole number of intervals has passed, at least one.

        Args:
            began_s: when the order came, on the monotonic clock (s).
            tick_s: the interval (s).
        """
        interval = float(tick_s)
        ticks = max(1, math.ceil((time.monotonic() - began_s) / interval))
        while (left := began_s + ticks * interval - time.monotonic()) > 0:
            if self._closed.wait(left):
                return

    def close(self) -> None:
        """Forget all sums; no order waits any longer."""
        self._closed.set()
        with self._lock:
            self._runs.clear()

    def _of(self, run: str) -> _Run:
        kept = self._runs.setdefault(run, _Run())
        self._runs.move_to_end(run)
        while len(self._runs) > RUNS:
            self._runs.popitem(last=False)
        return kept

"""Decides when the sequencer proposes a snapshot: often enough for quick starts, never delaying a charge.

Layer:       federation.node.ledger.snapshot_timer. No socket; the clock is a parameter.
Guarantees:  a snapshot waits while charges wait, unless it is long overdue; after a failed attempt the next one waits
             too, so that a site that is down costs the others nothing.
See instead: the content of a snapshot (``privacy_accounting.ledger.replication.snapshots``), its signing
             (``replication``).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from privacy_accounting.ledger.replication.snapshots import EVERY, snapshot_due

if TYPE_CHECKING:
    from collections.abc import Callable

    from privacy_accounting.ledger.replication.replica import Replica

RETRY_S: Final = 60.0
OVERDUE: Final = 2  # intervals after which a snapshot no longer waits for charges


class SnapshotTimer:
    """Decides when to propose a snapshot; used only by the ledger's thread."""

    def __init__(
        self, replica: Replica, *, every: int = EVERY, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Count from the site's last checkpoint.

        Args:
            replica: the site's ledger.
            every: entries between two snapshots, at least 2, since a snapshot is an entry too.
            clock: a monotonic clock (s).
        """
        self._replica, self._every, self._clock = replica, every, clock
        self._not_before = clock()

    def is_due(self, *, charges_wait: bool) -> bool:
        """Whether the sequencer should propose a snapshot now.

        Args:
            charges_wait: whether submissions wait.
        """
        if self._clock() < self._not_before:
            return False
        every = OVERDUE * self._every if charges_wait else self._every
        return snapshot_due(self._replica, every)

    def failed(self) -> None:
        """Delay the next attempt."""
        self._not_before = self._clock() + RETRY_S

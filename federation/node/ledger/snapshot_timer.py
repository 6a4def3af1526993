"""When the sequencer's node has the ledger pinned: often enough for quick starts, never in the way of a charge.

Layer:       federation.node.ledger.snapshot_timer. No socket; the clock is passed in.
Guarantees:  a snapshot waits while charges do, unless it is long overdue; where the sites did not agree on one, the
             next try waits too, so that a site that is down costs the others nothing.
See instead: what a snapshot says (``privacy_accounting.ledger.replication.snapshots``), having it signed (``chain``).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from privacy_accounting.ledger.replication.snapshots import EVERY, snapshot_due

if TYPE_CHECKING:
    from collections.abc import Callable

    from privacy_accounting.ledger.replication.replica import Replica

RETRY_S: Final = 60.0
OVERDUE: Final = 2  # intervals after which a snapshot waits for nobody


class SnapshotTimer:
    """Says when to propose a snapshot; used by the ledger's thread alone."""

    def __init__(
        self, replica: Replica, *, every: int = EVERY, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Count from the site's last checkpoint.

        Args:
            replica: the site's ledger.
            every: entries between two snapshots, at least 2: a snapshot is an entry too.
            clock: seconds that only go forward.
        """
        self._replica, self._every, self._clock = replica, every, clock
        self._not_before = clock()

    def is_due(self, *, charges_wait: bool) -> bool:
        """Whether a snapshot should be proposed now.

        Args:
            charges_wait: whether somebody wants something entered.
        """
        if self._clock() < self._not_before:
            return False
        every = OVERDUE * self._every if charges_wait else self._every
        return snapshot_due(self._replica, every)

    def failed(self) -> None:
        """Put the next try off."""
        self._not_before = self._clock() + RETRY_S

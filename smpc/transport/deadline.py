"""How long a thread waits, and the watch that may end the wait earlier.

Layer:       smpc.transport.deadline. Knows the monotonic clock, nothing else.
Guarantees:  every wait on a socket in this package has a deadline; a watch is asked at least every 50 ms.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Final

SLICE_S: Final = 0.05
Watch = Callable[[], None]


class Deadline:
    """A point in time, with an optional watch that raises when waiting has become pointless."""

    __slots__ = ("_end", "_watch")

    def __init__(self, limit_s: float | None, watch: Watch | None = None) -> None:
        """Start the clock; ``limit_s`` None means for ever (then the watch or the peer's end decides)."""
        self._end = math.inf if limit_s is None else time.monotonic() + limit_s
        self._watch = watch

    @property
    def remaining_s(self) -> float:
        """Seconds left, at least 0, infinite without a limit."""
        return max(0.0, self._end - time.monotonic())

    def within(self, limit_s: float) -> Deadline:
        """A point in time ``limit_s`` from now, with the same watch."""
        return Deadline(limit_s, self._watch)

    def poll_ms(self) -> int | None:
        """Return the longest time that one ``poll`` may take, after asking the watch.

        Raises:
            TimeoutError: the time is over.
        """
        if self._watch is not None:
            self._watch()
        remaining = self.remaining_s
        if remaining == 0.0:
            raise TimeoutError
        if self._watch is not None:
            remaining = min(remaining, SLICE_S)
        return None if remaining == math.inf else math.ceil(remaining * 1000)


class Patience:
    """A deadline before a peer is blamed for being late.

    Several late peers are waited for a little longer than one: a peer that is late because it waits for another says
    so meanwhile. The waiting party may be late itself, so it looks once more at what has come by then.
    """

    __slots__ = ("_deadline", "_doubt_s", "_has_looked")

    def __init__(self, limit_s: float, doubt_s: float, watch: Watch) -> None:
        """Start the clock.

        Args:
            limit_s: how long one peer is waited for (s).
            doubt_s: how much longer several are (s).
            watch: see ``Deadline``.
        """
        self._deadline, self._doubt_s, self._has_looked = Deadline(limit_s, watch), doubt_s, False

    def poll_ms(self, n_late: int) -> int | None:
        """Return the longest time that one ``poll`` may take; 0 for the last one.

        Raises:
            TimeoutError: the time is over, and the last look is taken.
        """
        try:
            return self._deadline.poll_ms()
        except TimeoutError:
            if n_late > 1 and self._doubt_s:
                self._deadline, self._doubt_s = self._deadline.within(self._doubt_s), 0.0
            elif self._has_looked:
                raise
            else:
                self._has_looked = True
            return 0

"""How long a thread is ready to wait, and what may call it away before.

Floor:    smpc.transport.deadline. Knows the monotonic clock, nothing else.
Promise:  nobody in this package waits on a socket without one of these; a watch is asked at least every
          50 ms.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Final

SLICE_S: Final = 0.05
Watch = Callable[[], None]


class Deadline:
    """A point in time, with an optional watch that raises when waiting has lost its sense."""

    __slots__ = ("_end", "_watch")

    def __init__(self, limit_s: float | None, watch: Watch | None = None) -> None:
        """Start the clock; ``limit_s`` None means for ever (then the watch or the peer's end decides)."""
        self._end = math.inf if limit_s is None else time.monotonic() + limit_s
        self._watch = watch

    @property
    def remaining_s(self) -> float:
        """Seconds left, at least 0, infinite without a limit."""
        return max(0.0, self._end - time.monotonic())

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

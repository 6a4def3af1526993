"""Which nodes are alive, from the heartbeats.

Layer:       smpc.transport.liveness. No socket.
Terms:       an epoch counts a party's losses; a session that began in one epoch is over in the next, even if the
             party has come back in between.
Guarantees:  waiting here ends at once when what is waited for has happened.
See instead: the heartbeats (``heartbeat``).
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from smpc.errors import PartyLostError

if TYPE_CHECKING:
    from collections.abc import Iterable

NEVER_SEEN = "not yet connected"


class Liveness:
    """The state of every other node; read by any thread, written by the heartbeats."""

    def __init__(self, names: Iterable[str]) -> None:
        """Start with all of them not yet connected."""
        self._changed = threading.Condition()
        self._reasons: dict[str, str | None] = dict.fromkeys(names, NEVER_SEEN)
        self._epochs: dict[str, int] = dict.fromkeys(self._reasons, 0)
        self._is_over = False

    @property
    def names(self) -> tuple[str, ...]:
        """The nodes watched."""
        return tuple(self._reasons)

    def is_alive(self, name: str) -> bool:
        """Whether the party's control connection stands and was heard within its deadline."""
        return self.lost_reason(name) is None

    def lost_reason(self, name: str) -> str | None:
        """Why a party does not count as alive; None while it does."""
        with self._changed:
            return self._reasons.get(name, "not watched")

    def epoch(self, name: str) -> int:
        """Return how often the party was lost so far."""
        with self._changed:
            return self._epochs.get(name, 0)

    def epochs(self, names: Iterable[str]) -> dict[str, int]:
        """Return the present epochs, to be given to ``check`` later."""
        with self._changed:
            return {name: self._epochs.get(name, 0) for name in names}

    def lost_since(self, epochs: dict[str, int]) -> str | None:
        """Return the first party of ``epochs`` that is lost or was lost since they were taken."""
        with self._changed:
            for name, epoch in epochs.items():
                if self._reasons.get(name) is not None or self._epochs.get(name, 0) != epoch:
                    return name
        return None

    def check(self, epochs: dict[str, int]) -> None:
        """Raise when a party is lost or was lost since.

        Raises:
            PartyLostError: it names the first one.
        """
        name = self.lost_since(epochs)
        if name is not None:
            raise PartyLostError(name=name)

    def wait_alive(self, names: Iterable[str], timeout_s: float) -> str | None:
        """Wait until all of these are alive; returns one that is not when the time, or this node, is over, else None."""
        wanted = list(names)
        end = time.monotonic() + timeout_s
        with self._changed:
            while True:
                missing = next(
                    (name for name in wanted if self._reasons.get(name, NEVER_SEEN) is not None), None
                )
                remaining = end - time.monotonic()
                if missing is None or remaining <= 0 or self._is_over:
                    return missing
                self._changed.wait(remaining)

    def wait_lost(self, epochs: dict[str, int], timeout_s: float) -> str | None:
        """Wait until one of these is lost; returns it, or None when the time is over."""
        end = time.monotonic() + timeout_s
        with self._changed:
            while (lost := self.lost_since(epochs)) is None and (remaining := end - time.monotonic()) > 0:
                self._changed.wait(remaining)
            return lost

    def stop(self) -> None:
        """End every wait for a party to become alive."""
        with self._changed:
            self._is_over = True
            self._changed.notify_all()

    def blame(self, epochs: dict[str, int], name: str, grace_s: float) -> PartyLostError:
        """Return the error for a broken connection to ``name``, naming the party at fault.

        A survivor that gave up a moment earlier closes its connections too; so the heartbeats are given
        ``grace_s`` to say who is really lost. After a kill they know at once.
        """
        return PartyLostError(name=self.wait_lost(epochs, grace_s) or name)

    def mark_alive(self, name: str) -> None:
        """Note that a control connection to the party stands."""
        with self._changed:
            self._reasons[name] = None
            self._changed.notify_all()

    def mark_lost(self, name: str, reason: str) -> bool:
        """Note a loss; returns whether this is news (the party was alive, or the reason is another)."""
        with self._changed:
            before = self._reasons.get(name)
            if before is None:
                self._epochs[name] = self._epochs.get(name, 0) + 1
            self._reasons[name] = reason
            self._changed.notify_all()
            return before != reason

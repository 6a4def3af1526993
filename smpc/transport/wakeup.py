"""A waker that ends another thread's ``poll``.

Layer:       smpc.transport.wakeup.
Guarantees:  ``wake`` never blocks, may be called by any thread, and is not lost when no thread polls yet.
"""

from __future__ import annotations

import contextlib
import socket


class Waker:
    """Readable, for ``poll``, from ``wake`` until ``clear``."""

    def __init__(self) -> None:
        """Make the pair of sockets."""
        self._ring, self._ear = socket.socketpair()
        self._ring.settimeout(0)
        self._ear.settimeout(0)

    def fileno(self) -> int:
        """Return the number to poll for reading."""
        return self._ear.fileno()

    def wake(self) -> None:
        """Make it readable; does nothing after ``close``."""
        with contextlib.suppress(OSError):  # full: it is readable already
            self._ring.send(b"\x00")

    def clear(self) -> None:
        """Make it unreadable until the next ``wake``."""
        with contextlib.suppress(OSError):
            while self._ear.recv(1 << 10):
                pass

    def close(self) -> None:
        """Close both ends; may be called twice."""
        self._ring.close()
        self._ear.close()

"""A bell that wakes a thread out of ``poll``.

Layer:       smpc.transport.wakeup.
Guarantees:  ringing never waits, may be done by any thread, and is not lost when nobody listens yet.
"""

from __future__ import annotations

import contextlib
import socket


class Waker:
    """Readable, for ``poll``, from ``ring`` until ``quieten``."""

    def __init__(self) -> None:
        """Make the pair of sockets."""
        self._ring, self._ear = socket.socketpair()
        self._ring.settimeout(0)
        self._ear.settimeout(0)

    def fileno(self) -> int:
        """Return the number to poll for reading."""
        return self._ear.fileno()

    def ring(self) -> None:
        """Make the bell readable; nothing happens after ``close``."""
        with contextlib.suppress(OSError):  # full: it rings already
            self._ring.send(b"\x00")

    def quieten(self) -> None:
        """Make it silent until it is rung again."""
        with contextlib.suppress(OSError):
            while self._ear.recv(1 << 10):
                pass

    def close(self) -> None:
        """Close both ends; may be called twice."""
        self._ring.close()
        self._ear.close()

"""Sessions that are opened while their charge is still being signed, so that a run finds its peers already there.

Layer:       federation.node.execution.prepared_sessions, below runs.
Terms:       a *meeting* is a session in which keys are agreed and the dealer's material lies ready, and nothing else.
Guarantees:  opening says nothing of any row: fresh keys, and a request list that follows from the public plan. Only
             what this site has signed is expected, each session once; what nobody attends in time is closed; too many
             at once, or too large together, are opened by their run instead, which the other sites cannot tell apart.
See instead: the run, which alone touches data and comes after the charge and its note (``runs``, P1).
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from smpc.errors import PeerRejectedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from smpc.session import Session

MOST: Final = 32
MOST_BYTES: Final = 1 << 30
JOIN_S: Final = 40.0


@dataclass(slots=True)
class _PreparedSession:
    """One session on its way."""

    is_open: threading.Event = field(default_factory=threading.Event)
    is_over: threading.Event = field(default_factory=threading.Event)
    session: Session | None = None
    error: Exception | None = None
    n_bytes: int = 0


class PreparedSessions:
    """A site's expected sessions. Safe for several threads."""

    def __init__(self, *, patience_s: float, most: int = MOST, most_bytes: int = MOST_BYTES) -> None:
        """Expect nothing.

        Args:
            patience_s: how long an open session waits for its run (s).
            most: sessions expected at once.
            most_bytes: what they may hold together (bytes): they have no place among the node's questions.
        """
        self._patience_s, self._most, self._most_bytes = patience_s, most, most_bytes
        self._lock = threading.Lock()
        self._prepared: dict[bytes, _PreparedSession] = {}
        self._threads: set[threading.Thread] = set()
        self._is_closed = False

    def __len__(self) -> int:
        """Number of sessions that wait for their run."""
        with self._lock:
            return len(self._prepared)

    def prepare(self, session_id: bytes, open_session: Callable[[], Session], n_bytes: int = 0) -> None:
        """Begin to open a session, in a thread of its own; nothing happens where too many or too large ones are expected.

        Args:
            session_id: 32 bytes.
            open_session: opens it as far as it goes without data.
            n_bytes: the most that it holds.
        """
        prepared = _PreparedSession(n_bytes=n_bytes)
        thread = threading.Thread(
            target=self._hold, args=(session_id, prepared, open_session), name="prepared-session", daemon=True
        )
        with self._lock:
            held = sum(other.n_bytes for other in self._prepared.values())
            is_full = len(self._prepared) >= self._most or held + n_bytes > self._most_bytes
            if self._is_closed or session_id in self._prepared or is_full:
                return
            self._prepared[session_id] = prepared
            self._threads.add(thread)
        thread.start()

    def take(self, session_id: bytes) -> Session | None:
        """Take an expected session over; waits until it is open.

        Returns:
            The session, the caller's alone from now on; None where it was not expected.

        Raises:
            SmpcError: it could not be opened; or whatever else went wrong.
        """
        with self._lock:
            prepared = self._prepared.pop(session_id, None)
        if prepared is None:
            return None
        prepared.is_open.wait()
        prepared.is_over.set()
        if prepared.error is not None:
            raise prepared.error
        return prepared.session

    def close(self) -> None:
        """Close what waits and end the threads; the network is closed already."""
        with self._lock:
            self._is_closed = True
            waiting, threads = list(self._prepared.values()), set(self._threads)
        for prepared in waiting:
            prepared.is_over.set()
        for thread in threads:
            thread.join(JOIN_S)

    def _hold(
        self, session_id: bytes, prepared: _PreparedSession, open_session: Callable[[], Session]
    ) -> None:
        """Open, then wait until somebody attends or patience ends."""
        try:
            prepared.session = open_session()
        except Exception as error:  # noqa: BLE001 - raised where the run attends
            prepared.error = error
        prepared.is_open.set()
        prepared.is_over.wait(self._patience_s)
        with self._lock:
            is_mine = self._prepared.pop(session_id, None) is not None
            self._threads.discard(threading.current_thread())
        if is_mine and prepared.session is not None:
            prepared.session.mesh.close(PeerRejectedError(reason="nobody ran what was charged"))

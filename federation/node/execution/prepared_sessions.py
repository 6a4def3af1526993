"""Opens sessions while their charge is still being signed, so that a run finds its peers connected.

Layer:       federation.node.execution.prepared_sessions, below query_run.
Terms:       a *prepared session* has agreed keys and the dealer's material, and nothing else.
Guarantees:  opening a session reveals nothing of any row: keys are fresh, and the list of requests follows from the
             public plan. The site prepares only sessions of entries that it has signed, each once. A session that no
             run takes in time is closed. When too many sessions are prepared, or too large ones, the run opens its
             session itself; other sites cannot distinguish the two cases.
See instead: the run, which alone reads data, after the charge and its note (``query_run``, P1).
"""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from smpc.errors import PeerRejectedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from smpc.session import Session

MOST: Final = 32
MOST_BYTES: Final = 1 << 30
JOIN_S: Final = 40.0
VOID_S: Final = 5.0  # the bytes of an entry repeat within a second, or while the ledger is ahead of the clock


@dataclass(slots=True)
class _PreparedSession:
    """One session being prepared; ``ends_s`` is how long it waits for its run (s, monotonic)."""

    ends_s: float = math.inf
    is_open: threading.Event = field(default_factory=threading.Event)
    session: Session | None = None
    error: Exception | None = None
    n_bytes: int = 0


class PreparedSessions:
    """The prepared sessions of a site. Safe for several threads."""

    def __init__(
        self, *, patience_s: float, void_s: float = VOID_S, most: int = MOST, most_bytes: int = MOST_BYTES
    ) -> None:
        """Start without sessions.

        Args:
            patience_s: how long an open session waits for its run (s).
            void_s: how long it waits for its entry to be proposed again, once that was withdrawn (s).
            most: the largest number of prepared sessions.
            most_bytes: the memory that they may hold together (bytes), since they take no place of a question.
        """
        self._patience_s, self._void_s = patience_s, void_s
        self._most, self._most_bytes = most, most_bytes
        self._changed = threading.Condition()
        self._prepared: dict[bytes, _PreparedSession] = {}
        self._threads: set[threading.Thread] = set()
        self._is_closed = False

    def __len__(self) -> int:
        """The number of sessions that wait for their run."""
        with self._changed:
            return len(self._prepared)

    def prepare(self, session_id: bytes, open_session: Callable[[], Session], n_bytes: int = 0) -> None:
        """Start to open a session, in a thread of its own; does nothing when too many or too large ones are prepared.

        A session that is still open from an earlier proposal of the same entry waits anew.

        Args:
            session_id: 32 bytes.
            open_session: opens it as far as possible without data.
            n_bytes: the most memory that it holds (bytes).
        """
        with self._changed:
            if self._is_closed:
                return
            known = self._prepared.get(session_id)
            if known is not None:
                known.ends_s = time.monotonic() + self._patience_s if known.is_open.is_set() else math.inf
                return
            held = sum(other.n_bytes for other in self._prepared.values())
            if len(self._prepared) >= self._most or held + n_bytes > self._most_bytes:
                return
            prepared = _PreparedSession(n_bytes=n_bytes)
            thread = threading.Thread(
                target=self._hold,
                args=(session_id, prepared, open_session),
                name="prepared-session",
                daemon=True,
            )
            self._prepared[session_id] = prepared
            self._threads.add(thread)
        thread.start()

    def take(self, session_id: bytes) -> Session | None:
        """Take a prepared session; waits until it is open.

        Returns:
            The session, which the caller then owns; None if it was not prepared.

        Raises:
            SmpcError: the session could not be opened; any other error of the opening is raised too.
        """
        with self._changed:
            prepared = self._prepared.pop(session_id, None)
            self._changed.notify_all()
        if prepared is None:
            return None
        prepared.is_open.wait()
        if prepared.error is not None:
            raise prepared.error
        return prepared.session

    def discard(self, session_id: bytes) -> None:
        """Close the prepared session of a withdrawn entry soon, unless that is proposed again."""
        with self._changed:
            prepared = self._prepared.get(session_id)
            if prepared is not None:
                prepared.ends_s = min(prepared.ends_s, time.monotonic() + self._void_s)
                self._changed.notify_all()

    def close(self) -> None:
        """Close the waiting sessions and end the threads; the network is closed before."""
        with self._changed:
            self._is_closed = True
            threads = set(self._threads)
            self._changed.notify_all()
        for thread in threads:
            thread.join(JOIN_S)

    def _hold(
        self, session_id: bytes, prepared: _PreparedSession, open_session: Callable[[], Session]
    ) -> None:
        """Open the session, then wait until a run takes it or the time is over."""
        try:
            prepared.session = open_session()
        except Exception as error:  # noqa: BLE001 - raised again where the run takes the session
            prepared.error = error
        with self._changed:
            prepared.is_open.set()
            prepared.ends_s = min(prepared.ends_s, time.monotonic() + self._patience_s)
            while self._waits(session_id, prepared):
                self._changed.wait(max(0.0, prepared.ends_s - time.monotonic()))
            is_mine = self._prepared.get(session_id) is prepared
            if is_mine:
                del self._prepared[session_id]
            self._threads.discard(threading.current_thread())
        if is_mine and prepared.session is not None:
            prepared.session.mesh.close(PeerRejectedError(reason="the charged run did not start in time"))

    def _waits(self, session_id: bytes, prepared: _PreparedSession) -> bool:
        is_taken = self._prepared.get(session_id) is not prepared
        return not (is_taken or self._is_closed or time.monotonic() >= prepared.ends_s)

"""One port: greets each caller, then runs the handler of its purpose; an invalid connection is closed and logged.

Layer:       smpc.transport.connecting.listener.
Guarantees:  whatever a caller does (wrong certificate, name, role or configuration, garbage, silence, oversized
             frames), the listener lives on and answers others; one member holds at most ``most_per_peer`` connections
             in handlers; ``stop`` leaves no thread and no socket.
See instead: what a caller must show (``endpoint``), callers before that (``unidentified``), what handlers do.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, Protocol, Self

from smpc.errors import PartyLostError, PeerRejectedError
from smpc.transport.connecting.endpoint import CALLERS, Address, ways_s
from smpc.transport.connecting.unidentified import (
    FIRST_BYTE_S,
    MOST_UNIDENTIFIED,
    UnidentifiedCaller,
    UnidentifiedCallers,
)
from smpc.transport.connection import Connection

if TYPE_CHECKING:
    from smpc.transport.deadline import Watch

LOG: Final = logging.getLogger(__name__)
Handler = Callable[[Connection], None]
MOST_PER_PEER: Final = 128
_BACKLOG: Final = 1024
_SLICE_MS: Final = 100
_JOIN_S: Final = 10.0


class ListeningEnd(Protocol):
    """What greets a caller: ``Endpoint``, or ``PinnedEndpoint`` for callers without a certificate."""

    @property
    def name(self) -> str:
        """Name in log lines."""
        ...

    @property
    def delay_s(self) -> float:
        """See ``Endpoint``."""
        ...

    def accept(
        self,
        channel: socket.socket,
        callers: Mapping[str, frozenset[str]],
        watch: Watch | None = None,
        admit: Callable[[str], bool] = ...,
    ) -> Connection:
        """Greet one caller; see ``Endpoint.accept``."""
        ...


class Listener:
    """Accepts callers of the roster and gives each to the handler of its purpose, in a thread of its own.

    Attributes:
        address: host and port bound; port 0 becomes the one the kernel chose.
    """

    def __init__(
        self,
        endpoint: ListeningEnd,
        address: Address,
        handlers: Mapping[str, Handler],
        *,
        callers: Mapping[str, frozenset[str]] = CALLERS,
        max_unidentified: int = MOST_UNIDENTIFIED,
        most_per_peer: int = MOST_PER_PEER,
    ) -> None:
        """Bind and start accepting.

        Args:
            endpoint: own identity and whom it trusts.
            address: host and port to bind; port 0 lets the kernel choose.
            handlers: purpose -> function that owns the connection while it runs. The connection is closed
                when it returns, unless it called ``connection.hand_over()``.
            callers: purpose -> roles that may call for it.
            max_unidentified: callers not yet known at once; beyond, the oldest gives way.
            most_per_peer: connections that one member may have in handlers at once.
        """
        self._endpoint = endpoint
        self._handlers = dict(handlers)
        self._callers = {purpose: roles for purpose, roles in callers.items() if purpose in self._handlers}
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._threads: set[threading.Thread] = set()
        self._served: set[Connection] = set()
        self._most_per_peer = most_per_peer
        self._n_of: Counter[str] = Counter()  # by member
        self._socket = socket.create_server(address, backlog=_BACKLOG)
        self._socket.settimeout(0)
        self._unidentified = UnidentifiedCallers(
            self._socket,
            name=endpoint.name,
            most=max_unidentified,
            first_byte_s=FIRST_BYTE_S + ways_s(endpoint.delay_s),
        )
        self.address: Address = self._socket.getsockname()[:2]
        self._acceptor = threading.Thread(
            target=self._accept_all, name=f"{endpoint.name}-listener", daemon=True
        )
        self._acceptor.start()

    def stop(self) -> None:
        """Stop accepting, interrupt every connection in a handler, wait for all threads; callable twice."""
        self._stopping.set()
        self._acceptor.join(_JOIN_S)
        with self._lock:
            threads = set(self._threads)
            for connection in self._served:
                connection.interrupt()
        for thread in threads - {threading.current_thread()}:
            thread.join(_JOIN_S)
        self._socket.close()

    def _accept_all(self) -> None:
        while not self._stopping.is_set():
            for caller in self._unidentified.spoken(_SLICE_MS):
                thread = threading.Thread(
                    target=self._serve, args=(caller,), name=f"{self._endpoint.name}-caller", daemon=True
                )
                with self._lock:
                    self._threads.add(thread)
                thread.start()
        self._unidentified.close()

    def _serve(self, caller: UnidentifiedCaller) -> None:
        admitted: list[str] = []

        def watch() -> None:
            self._watch()
            caller.check_place()

        def admit(name: str) -> bool:
            with self._lock:
                if self._n_of[name] >= self._most_per_peer:
                    return False
                self._n_of[name] += 1
            admitted.append(name)
            return True

        try:
            try:
                connection = self._endpoint.accept(caller.channel, self._callers, watch, admit)
            finally:
                self._unidentified.leave(caller)
            self._handle(connection)
        except (PartyLostError, PeerRejectedError) as error:
            if not (self._stopping.is_set() or caller.has_given_way):
                LOG.warning("%s: caller refused: %s", self._endpoint.name, error)
        finally:
            with self._lock:
                self._n_of.subtract(admitted)
                self._n_of += Counter()  # forget who has none
                self._threads.discard(threading.current_thread())

    def _handle(self, connection: Connection) -> None:
        with self._lock:
            self._served.add(connection)
        try:
            self._watch()
            self._handlers[connection.purpose](connection)
        except (PartyLostError, PeerRejectedError) as error:
            LOG.info(
                "%s: %s for %s ended: %s",
                self._endpoint.name,
                connection.peer.name,
                connection.purpose,
                error,
            )
        finally:
            with self._lock:
                self._served.discard(connection)
            if not connection.is_handed_over:
                connection.close()

    def _watch(self) -> None:
        if self._stopping.is_set():
            raise PeerRejectedError(reason="this node is stopping")

    def __enter__(self) -> Self:
        """Return itself; already accepting."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        with contextlib.suppress(RuntimeError):
            self.stop()

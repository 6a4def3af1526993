"""One port, one greeting, then the handler of the caller's purpose; a bad caller costs a log line.

Floor:    smpc.transport.listener.
Promise:  whatever a caller does (wrong certificate, name, role or configuration, garbage, silence, oversized
          frames), the listener lives on and answers others; ``stop`` leaves no thread and no socket.
Not here: what a caller must show (``endpoint``), what handlers do.
"""

from __future__ import annotations

import contextlib
import logging
import select
import socket
import threading
from collections.abc import Callable, Mapping
from typing import Final, Self

from smpc.errors import PartyLostError, PeerRejectedError
from smpc.transport.connection import Connection
from smpc.transport.endpoint import CALLERS, Address, Endpoint

LOG: Final = logging.getLogger(__name__)
Handler = Callable[[Connection], None]
_SLICE_MS: Final = 100
_JOIN_S: Final = 10.0


class Listener:
    """Accepts callers of the roster and gives each to the handler of its purpose, in a thread of its own.

    Attributes:
        address: host and port bound; port 0 becomes the one the kernel chose.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        address: Address,
        handlers: Mapping[str, Handler],
        *,
        callers: Mapping[str, frozenset[str]] = CALLERS,
        max_strangers: int = 32,
    ) -> None:
        """Bind and start accepting.

        Args:
            endpoint: own identity and whom it trusts.
            address: host and port to bind; port 0 lets the kernel choose.
            handlers: purpose -> function that owns the connection while it runs. The connection is closed
                when it returns, unless it called ``connection.hand_over()``.
            callers: purpose -> roles that may call for it.
            max_strangers: greetings under way at once; more callers wait in the kernel's queue.
        """
        self._endpoint = endpoint
        self._handlers = dict(handlers)
        self._callers = {purpose: roles for purpose, roles in callers.items() if purpose in self._handlers}
        self._strangers = threading.BoundedSemaphore(max_strangers)
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._threads: set[threading.Thread] = set()
        self._served: set[Connection] = set()
        self._socket = socket.create_server(address, backlog=128)
        self._socket.settimeout(0)
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
        poller = select.poll()
        poller.register(self._socket, select.POLLIN)
        while not self._stopping.is_set():
            if not poller.poll(_SLICE_MS) or not self._strangers.acquire(timeout=_SLICE_MS / 1000):
                continue
            try:
                channel, _ = self._socket.accept()
            except OSError as error:  # the caller left again, or this process has too many files open
                self._strangers.release()
                LOG.warning("%s: could not accept a caller: %s", self._endpoint.name, error.strerror)
                self._stopping.wait(_SLICE_MS / 1000)
                continue
            thread = threading.Thread(
                target=self._serve, args=(channel,), name=f"{self._endpoint.name}-caller", daemon=True
            )
            with self._lock:
                self._threads.add(thread)
            thread.start()

    def _serve(self, channel: socket.socket) -> None:
        try:
            try:
                connection = self._endpoint.accept(channel, self._callers, self._watch)
            finally:
                self._strangers.release()
            self._handle(connection)
        except (PartyLostError, PeerRejectedError) as error:
            if not self._stopping.is_set():
                LOG.warning("%s: caller refused: %s", self._endpoint.name, error)
        finally:
            with self._lock:
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

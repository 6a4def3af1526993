"""Work that goes on after its result is known: the result is not kept waiting.

Layer:       federation.node.execution.background.
Guarantees:  whoever calls has the result, or the error, as soon as the work names it; what goes wrong later is logged
             by kind and concerns nobody. ``close`` waits for what is still going on.
See instead: what the work is (``runs``).
"""

from __future__ import annotations

import logging
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Final, TypeVar

from federation.protocol.error_codes import is_ours, traced

if TYPE_CHECKING:
    from collections.abc import Callable

LOG: Final = logging.getLogger(__name__)
JOIN_S: Final = 10.0
T = TypeVar("T")


class BackgroundRunner:
    """One node's work of this kind. Safe for several threads."""

    def __init__(self, name: str) -> None:
        """Begin with nothing going on.

        Args:
            name: of the node, for threads and log.
        """
        self._name = name
        self._lock = threading.Lock()
        self._threads: set[threading.Thread] = set()

    def call(self, work: Callable[[Callable[[T], None]], None]) -> T:
        """Run ``work(tell)`` in a thread of its own until it tells its result.

        Args:
            work: calls its argument once with the result, and may go on.

        Returns:
            The result.

        Raises:
            Exception: whatever the work raised before it told one.
        """
        result: Future[T] = Future()
        thread = threading.Thread(
            target=self._run, args=(work, result), name=f"{self._name}-session", daemon=True
        )
        with self._lock:
            self._threads.add(thread)
        thread.start()
        return result.result()

    def close(self) -> None:
        """Wait until nothing goes on any more."""
        with self._lock:
            threads = set(self._threads)
        for thread in threads:
            thread.join(JOIN_S)

    def _run(self, work: Callable[[Callable[[T], None]], None], result: Future[T]) -> None:
        try:
            work(result.set_result)
        except BaseException as error:  # noqa: BLE001 - the caller's thread raises it
            if not result.done():
                result.set_exception(error)
            elif isinstance(error, Exception) and is_ours(error):
                LOG.info("%s: nothing was dealt ahead: %s", self._name, type(error).__name__)
            else:
                LOG.error("%s: a fault of its own: %s", self._name, traced(error))  # noqa: TRY400
        finally:
            with self._lock:
                self._threads.discard(threading.current_thread())

"""Runs work in threads: a caller has the result as soon as there is one, and waits for nothing that follows.

Layer:       federation.node.execution.background.
Guarantees:  the caller has the result, or the error, as soon as the work reports it; a later error is logged with its
             type and reaches no caller. ``close`` waits for the work in progress.
See instead: the work itself (``query_run``).
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final, TypeVar

from federation.protocol.error_codes import is_ours, traced

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

LOG: Final = logging.getLogger(__name__)
JOIN_S: Final = 10.0
T = TypeVar("T")


class BackgroundRunner:
    """The background work of one node. Safe for several threads."""

    def __init__(self, name: str) -> None:
        """Start without work.

        Args:
            name: the name of the node, for threads and log.
        """
        self._name = name
        self._lock = threading.Lock()
        self._threads: set[threading.Thread] = set()

    def start(self, work: Callable[[Callable[[T], None]], None], result: Future[T]) -> None:
        """Run ``work(report)`` in a thread of its own; does not wait.

        Args:
            work: calls its argument once with the result, and may then continue.
            result: receives the result, or the error that the work raised before it reported one.
        """
        thread = threading.Thread(
            target=self._run, args=(work, result), name=f"{self._name}-session", daemon=True
        )
        with self._lock:
            self._threads.add(thread)
        thread.start()

    def close(self) -> None:
        """Wait until all work has ended."""
        with self._lock:
            threads = set(self._threads)
        for thread in threads:
            thread.join(JOIN_S)

    def _run(self, work: Callable[[Callable[[T], None]], None], result: Future[T]) -> None:
        try:
            work(result.set_result)
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            if not result.done():
                result.set_exception(error)
            elif isinstance(error, Exception) and is_ours(error):
                LOG.info("%s: no material was dealt ahead: %s", self._name, type(error).__name__)
            else:
                LOG.error("%s: internal error: %s", self._name, traced(error))  # noqa: TRY400
        finally:
            with self._lock:
                self._threads.discard(threading.current_thread())

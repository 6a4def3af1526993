"""Limits on callers that have shown no certificate yet: how many may wait, and which one is dropped first.

Layer:       smpc.transport.connecting.unidentified, below listener.
Terms:       an unidentified caller is one whose greeting is not complete; it is silent until its first byte.
Guarantees:  a silent caller costs a socket and no thread, and is closed after ``first_byte_s``. With every place in
             use the oldest caller gives way, of the address that holds most; one address never holds more than half
             of the places. So a member whose greeting goes on is served while any number of other callers wait.
See instead: the greeting itself (``endpoint``), limits of those who are known (``listener``).
"""

from __future__ import annotations

import contextlib
import logging
import select
import socket
import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

LOG: Final = logging.getLogger(__name__)
MOST_UNIDENTIFIED: Final = 256
FIRST_BYTE_S: Final = 1.0
_AGED_S: Final = 0.1  # who has sent nothing for so long gives way before one that is being greeted
_AT_ONCE: Final = 64
_REPORT_S: Final = 10.0


@dataclass(eq=False, slots=True)
class UnidentifiedCaller:
    """One caller without a name.

    Attributes:
        channel: its socket; the thread that greets it owns it from then on.
        address: the host that it calls from.
        since: when it was accepted, by the monotonic clock (s).
        is_silent: whether nothing of it was heard yet.
        has_given_way: whether its place was given to another.
    """

    channel: socket.socket
    address: str
    since: float
    is_silent: bool = True
    has_given_way: bool = False

    def check_place(self) -> None:
        """A watch for the greeting.

        Raises:
            TimeoutError: its place was given to another.
        """
        if self.has_given_way:
            raise TimeoutError


class UnidentifiedCallers:
    """The unidentified callers of one listening socket. ``spoken`` and ``close`` belong to one thread, ``leave`` to any."""

    def __init__(
        self,
        listening: socket.socket,
        *,
        name: str,
        most: int = MOST_UNIDENTIFIED,
        first_byte_s: float = FIRST_BYTE_S,
    ) -> None:
        """Begin with none.

        Args:
            listening: accepts, and never blocks.
            name: the node's, for log lines.
            most: places; one address has half of them at most.
            first_byte_s: how long a caller may be silent (s).
        """
        self._listening, self._name = listening, name
        self._most, self._most_of_one = most, max(1, most // 2)
        self._first_byte_s = first_byte_s
        self._lock = threading.Lock()
        self._present: dict[UnidentifiedCaller, None] = {}  # the oldest first
        self._silent: dict[int, UnidentifiedCaller] = {}  # by the socket's number, the oldest first
        self._poller = select.poll()
        self._poller.register(listening, select.POLLIN)
        self._n_dropped, self._reported_at = 0, float("-inf")

    def spoken(self, timeout_ms: int) -> Iterator[UnidentifiedCaller]:
        """Accept who calls, drop who has been silent for too long, give those whose first byte is here.

        Args:
            timeout_ms: the longest wait for something to happen.
        """
        for number, _ in self._poller.poll(timeout_ms):
            if number == self._listening.fileno():
                self._accept_some()
            elif (caller := self._silent.get(number)) is not None and self._is_greeting(caller):
                yield caller
        overdue = time.monotonic() - self._first_byte_s
        for caller in [each for each in self._silent.values() if each.since <= overdue]:
            self._drop(caller)
        self._report()

    def leave(self, caller: UnidentifiedCaller) -> None:
        """Free its place: it is known by now, or gone. May be called twice."""
        with self._lock:
            self._present.pop(caller, None)

    def close(self) -> None:
        """Close every silent one."""
        for caller in list(self._silent.values()):
            self._drop(caller)

    @property
    def counts(self) -> tuple[int, int]:
        """How many are present, and how many of them are silent; for tests and diagnosis."""
        with self._lock:
            return len(self._present), len(self._silent)

    def _accept_some(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                channel, address = self._listening.accept()
            except BlockingIOError:
                return
            except OSError as error:  # the caller left again, or this process has too many files open
                LOG.warning("%s: could not accept a caller: %s", self._name, error.strerror)
                self._give_way(next(iter(self._silent.values()), None))
                time.sleep(_AGED_S)
                return
            channel.settimeout(0)
            caller = UnidentifiedCaller(channel=channel, address=address[0], since=time.monotonic())
            self._give_way(self._who_gives_way(caller))
            with self._lock:
                self._present[caller] = None
            self._silent[channel.fileno()] = caller
            self._poller.register(channel, select.POLLIN)

    def _who_gives_way(self, comer: UnidentifiedCaller) -> UnidentifiedCaller | None:
        with self._lock:
            if len(self._present) < self._most_of_one:
                return None
            counts = Counter(each.address for each in self._present)
            if counts[comer.address] >= self._most_of_one:
                address = comer.address
            elif len(self._present) >= self._most:
                address = max(counts, key=counts.__getitem__)
            else:
                return None
            theirs = [each for each in self._present if each.address == address]
        aged = comer.since - _AGED_S
        return next((each for each in theirs if each.is_silent and each.since <= aged), theirs[0])

    def _give_way(self, caller: UnidentifiedCaller | None) -> None:
        if caller is None:
            return
        if caller.is_silent:
            self._drop(caller)
            return
        caller.has_given_way = True  # its thread closes it
        self._n_dropped += 1
        self.leave(caller)

    def _is_greeting(self, caller: UnidentifiedCaller) -> bool:
        """Whether it has sent something, and not just left."""
        try:
            is_there = bool(caller.channel.recv(1, socket.MSG_PEEK))
        except BlockingIOError:
            return False
        except OSError:
            is_there = False
        if not is_there:
            self._drop(caller)
            return False
        self._forget(caller)
        caller.is_silent = False
        return True

    def _drop(self, caller: UnidentifiedCaller) -> None:
        self._forget(caller)
        self.leave(caller)
        self._n_dropped += 1
        caller.channel.close()

    def _forget(self, caller: UnidentifiedCaller) -> None:
        del self._silent[caller.channel.fileno()]
        with contextlib.suppress(KeyError):
            self._poller.unregister(caller.channel)

    def _report(self) -> None:
        """One line for all of them: as many lines as callers would fill the disk."""
        now = time.monotonic()
        if self._n_dropped and now - self._reported_at >= _REPORT_S:
            LOG.warning("%s: %d callers said nothing, or gave way to others", self._name, self._n_dropped)
            self._n_dropped, self._reported_at = 0, now

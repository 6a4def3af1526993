"""Meshes between threads of one process: the same frames and checks as over TLS, with queues for sockets.

Layer:       smpc.transport.memory.
Terms:       an inbox is the one queue on which an end hears all others; a farewell says that another end left, and
             by whose fault. Channels for messages (``federation.network.in_memory``) are made of the same inboxes.
Guarantees:  a party that closes with an error, or is silent until the deadline, makes every exchange that waits for
             it raise ``PartyLostError`` with the name of who failed first; frames are checked for kind, sequence and
             exact length. After an exchange that failed there is no other: what lies there of it would be taken for
             the next one's.
See instead: certificates and heartbeats (``tls``, ``liveness``); a thread cannot be cut off without a message.
"""

from __future__ import annotations

import queue
import time
from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from smpc.errors import PartyLostError, PeerRejectedError
from smpc.transport.mesh import DOUBT, Counters, Mesh, culprit_of
from smpc.transport.wire.frames import NO_SESSION, Expectation, Header
from smpc.transport.wire.handshake import check_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DEADLINE_S: Final = 30.0
T = TypeVar("T")


class Inbox(Generic[T]):
    """What one end hears of others. Any thread puts in; ``wait``, ``sort`` and ``take`` belong to the end's thread.

    Attributes:
        left: the ends that left, as far as sorted, each with the culprit; no culprit after a clean end.
        has_farewell: whether an end has left, sorted or not; for any thread.
    """

    def __init__(self) -> None:
        """Start empty."""
        self._queue: queue.SimpleQueue[tuple[str, T | None, str]] = queue.SimpleQueue()
        self._arrived: defaultdict[str, deque[T]] = defaultdict(deque)
        self.left: dict[str, str] = {}
        self.has_farewell = False

    def put(self, sender: str, item: T) -> None:
        """Deliver an item."""
        self._queue.put((sender, item, ""))

    def put_farewell(self, sender: str, culprit: str = "") -> None:
        """Say that the sender left; what it delivered before stays readable."""
        self.has_farewell = True
        self._queue.put((sender, None, culprit))

    def has(self, sender: str) -> bool:
        """Whether an item of the sender is sorted and not taken."""
        return bool(self._arrived[sender])

    def take(self, sender: str) -> T:
        """Take the oldest sorted item of the sender."""
        return self._arrived[sender].popleft()

    def wait(self, timeout_s: float | None) -> None:
        """Wait for one item or farewell and sort it; an end that is late finds here what came meanwhile.

        Raises:
            TimeoutError: nothing came in time.
        """
        try:
            received = self._queue.get(timeout=timeout_s)
        except queue.Empty as error:
            if self._queue.empty():
                raise TimeoutError from error
            received = self._queue.get()
        self._sort(*received)

    def sort(self) -> None:
        """Sort what is here; never waits."""
        while not self._queue.empty():
            self._sort(*self._queue.get())

    def _sort(self, sender: str, item: T | None, culprit: str) -> None:
        if item is None:
            self.left.setdefault(sender, culprit)
        else:
            self._arrived[sender].append(item)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    header: Header
    payload: bytes = field(repr=False)
    due: float


class MemoryMesh(Mesh):
    """One party's end; made by ``memory_meshes``. ``exchange`` belongs to one thread, ``close`` to any."""

    def __init__(
        self,
        *,
        name: str,
        names: tuple[str, ...],
        helper: str | None,
        inboxes: Mapping[str, Inbox[_Frame]],
        timeout_s: float,
        delay_s: float,
    ) -> None:
        """Join the queues of the others; see ``memory_meshes``."""
        self.names = names
        self.rank = names.index(name) if name in names else -1
        self.helper = helper
        self.counters = Counters()
        self._name = name
        self._inboxes = inboxes
        self._timeout_s = timeout_s
        self._delay_s = delay_s
        self._n_sent = dict.fromkeys(inboxes, 0)
        self._n_received = dict.fromkeys(inboxes, 0)
        self._inbox = inboxes[name]
        self._is_closed = False
        self._has_failed = False

    def __repr__(self) -> str:
        """Name the party only."""
        return f"MemoryMesh({self._name})"

    def exchange(
        self, kind: int, outgoing: Mapping[str, bytes | memoryview], expected: Mapping[str, int]
    ) -> dict[str, bytes]:
        """See ``Mesh.exchange``; after one that failed there is no other."""
        if self._is_closed or self._has_failed:
            raise PeerRejectedError(reason="the session is closed here")
        for peer in (*outgoing, *expected):
            if peer == self._name or peer not in self._inboxes:
                raise PeerRejectedError(reason="not a peer of this session", name=peer)
        self._has_failed = True
        self.counters.count(outgoing)
        for peer, payload in outgoing.items():
            self._send(peer, kind, payload)
        # the helper waits for every party before it answers, so a party that waits for the helper waits longer
        patience = 2 if self.helper in expected else 1
        end = time.monotonic() + patience * self._timeout_s
        while missing := [peer for peer in expected if not self._inbox.has(peer)]:
            self._check_left(missing)
            self._receive(end + DOUBT * self._timeout_s * (len(missing) > 1), missing)
        received = {peer: self._take(peer, kind, length) for peer, length in expected.items()}
        self._has_failed = False
        return received

    def has_ended(self, peer: str) -> bool:
        """See ``Mesh.has_ended``."""
        return self._inbox.left.get(peer) == ""

    def has_spoken(self, peer: str) -> bool:
        """See ``Mesh.has_spoken``."""
        self._inbox.sort()
        return self._inbox.has(peer)

    def close(self, error: BaseException | None = None) -> None:
        """See ``Mesh.close``; may be called twice."""
        if self._is_closed:
            return
        self._is_closed = True
        culprit = culprit_of(error, tuple(self._inboxes), self._name)
        for inbox in self._inboxes.values():
            inbox.put_farewell(self._name, culprit)

    def _send(self, peer: str, kind: int, payload: bytes | memoryview) -> None:
        body = bytes(payload)
        header = Header(kind=kind, tag=NO_SESSION, sequence=self._n_sent[peer], length=len(body))
        self._n_sent[peer] += 1
        due = time.monotonic() + self._delay_s
        self._inboxes[peer].put(self._name, _Frame(header=header, payload=body, due=due))

    def _check_left(self, missing: Sequence[str]) -> None:
        """Raise when waiting is pointless: a party failed, or a party that is waited for has left."""
        if self._name in self._inbox.left:
            raise PeerRejectedError(reason="the session is closed here")
        for peer, culprit in self._inbox.left.items():
            if culprit or peer in missing:
                raise PartyLostError(name=culprit or peer)

    def _receive(self, end: float, missing: Sequence[str]) -> None:
        try:
            self._inbox.wait(max(0.0, end - time.monotonic()))
        except TimeoutError as error:
            raise PartyLostError(name=missing[0]) from error

    def _take(self, peer: str, kind: int, length: int) -> bytes:
        frame = self._inbox.take(peer)
        expectation = Expectation(
            kinds=frozenset({kind}), tag=NO_SESSION, sequence=self._n_received[peer], length=length
        )
        try:
            expectation.check(frame.header)
        except PeerRejectedError as error:
            raise PeerRejectedError(reason=error.reason, name=peer) from error
        self._n_received[peer] += 1
        if self._delay_s:
            time.sleep(max(0.0, frame.due - time.monotonic()))
        return frame.payload


def memory_meshes(
    names: Sequence[str], helper: str | None = None, *, timeout_s: float = DEADLINE_S, delay_s: float = 0.0
) -> dict[str, Mesh]:
    """Make one session's meshes for threads of this process.

    Args:
        names: the computing parties in rank order, distinct.
        helper: name of the dealer, which then has an end of its own with rank -1.
        timeout_s: how long one exchange waits for the slowest peer (s).
        delay_s: time that every frame is under way (s), to see what a distance costs.

    Returns:
        Each party's name and its end, the helper's included.

    Raises:
        PeerRejectedError: a name is malformed or stands twice.
    """
    members = (*names, helper) if helper is not None else tuple(names)
    if len(set(members)) != len(members):
        raise PeerRejectedError(reason="two parties have the same name")
    inboxes: dict[str, Inbox[_Frame]] = {check_name(name): Inbox() for name in members}
    return {
        name: MemoryMesh(
            name=name,
            names=tuple(names),
            helper=helper,
            inboxes=inboxes,
            timeout_s=timeout_s,
            delay_s=delay_s,
        )
        for name in members
    }

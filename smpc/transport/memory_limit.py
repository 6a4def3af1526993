"""The memory limit of one session, checked before the memory is taken.

Layer:       smpc.transport.memory_limit.
Terms:       held bytes stay between exchanges (material that has come and is not used up); an exchange needs its
             payloads and what the peers owe besides, a piece of material its share.
Guarantees:  a session never holds more than its limit of these; ``MemoryLimitError`` comes before anything is sent or
             allocated. Memory is local: no peer hears of the limit.
See instead: arrays that an operation makes of its operands, a small multiple of what it exchanges.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smpc.errors import MemoryLimitError
from smpc.transport.mesh import Counters, Mesh

if TYPE_CHECKING:
    from collections.abc import Mapping


class Memory:
    """One session's account; belongs to its thread.

    Attributes:
        limit_bytes: what it may hold at once; None for no limit.
        held_bytes: what it holds between exchanges.
        peak_bytes: the most that it held or needed so far.
    """

    def __init__(self, limit_bytes: int | None = None) -> None:
        """Hold nothing."""
        self.limit_bytes = limit_bytes
        self.held_bytes = self.peak_bytes = 0

    def need(self, n_bytes: int) -> None:
        """Make sure that so much fits beside what is held, for a moment.

        Raises:
            MemoryLimitError: it does not.
        """
        total = self.held_bytes + n_bytes
        if self.limit_bytes is not None and total > self.limit_bytes:
            raise MemoryLimitError(needed_bytes=total, limit_bytes=self.limit_bytes)
        self.peak_bytes = max(self.peak_bytes, total)

    def hold(self, n_bytes: int) -> None:
        """Keep so much; raises as ``need``. A negative number gives back."""
        self.need(n_bytes)
        self.held_bytes += n_bytes


class MeteredMesh(Mesh):
    """A mesh whose exchanges have to fit into a session's memory."""

    def __init__(self, inner: Mesh, memory: Memory) -> None:
        """Wrap a mesh."""
        self.names, self.rank, self.helper = inner.names, inner.rank, inner.helper
        self._inner, self._memory = inner, memory

    @property
    def counters(self) -> Counters:  # type: ignore[override]  # the inner mesh counts
        """What was sent so far."""
        return self._inner.counters

    def exchange(
        self, kind: int, outgoing: Mapping[str, bytes | memoryview], expected: Mapping[str, int]
    ) -> dict[str, bytes]:
        """See ``Mesh.exchange``.

        Raises:
            MemoryLimitError: payloads and replies do not fit; nothing was sent.
        """
        # one payload often goes to several peers
        distinct = {id(payload): memoryview(payload).nbytes for payload in outgoing.values()}
        self._memory.need(sum(distinct.values()) + sum(expected.values()))
        return self._inner.exchange(kind, outgoing, expected)

    def has_ended(self, peer: str) -> bool:
        """See ``Mesh.has_ended``."""
        return self._inner.has_ended(peer)

    def has_spoken(self, peer: str) -> bool:
        """See ``Mesh.has_spoken``."""
        return self._inner.has_spoken(peer)

    def close(self, error: BaseException | None = None) -> None:
        """See ``Mesh.close``."""
        self._inner.close(error)

"""The worker processes of one party, and what the party has them do.

Layer:       smpc.set_intersection.workers, above worker.
Guarantees:  results come in the order of the blocks, whatever worker made them; while the caller handles one, the workers
             are at the next ones. ``close`` ends the processes that this object started, and no others.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Final, Self

from smpc.errors import PeerRejectedError, SmpcError
from smpc.set_intersection.group import ELEMENT_BYTES, INVALID
from smpc.set_intersection.worker import GOOD, HEAD, REPLY, Work

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

STOP_S: Final = 5.0


def default_workers() -> int:
    """One fewer than the processors that this process may use, at least one."""
    return max(1, len(os.sched_getaffinity(0)) - 1)


class Workers:
    """Some worker processes; used by one thread, in a ``with`` statement."""

    def __init__(self, count: int | None = None) -> None:
        """Start them.

        Args:
            count: how many; default: ``default_workers``.
        """
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        self._processes: list[subprocess.Popen[bytes]] = [
            subprocess.Popen(
                [sys.executable, "-m", "smpc.set_intersection.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=environment,
            )
            for _ in range(count or default_workers())
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def map(self, work: Work, scalar: bytes, blocks: Sequence[bytes]) -> Iterator[bytes]:
        """Do the same with each block.

        Args:
            work: what.
            scalar: the key, 32 bytes; of no use where the work has none.
            blocks: in order.

        Yields:
            The result of each block, in order.

        Raises:
            PeerRejectedError: a block holds what is not an element, or the identity.
            SmpcError: a worker process was lost.
        """
        n_workers = len(self._processes)
        for place, block in enumerate(blocks[:n_workers]):
            self._send(place, work, scalar, block)
        for place in range(len(blocks)):
            result = self._receive(place % n_workers)
            following = place + n_workers
            if following < len(blocks):
                self._send(place % n_workers, work, scalar, blocks[following])
            yield result

    def close(self) -> None:
        """End the processes."""
        for process in self._processes:
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    _closed(stream.close)
        for process in self._processes:
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _send(self, place: int, work: Work, scalar: bytes, block: bytes) -> None:
        stream = self._processes[place].stdin
        try:
            if stream is None:
                raise BrokenPipeError
            stream.write(HEAD.pack(work, len(block)) + scalar[:ELEMENT_BYTES].ljust(ELEMENT_BYTES, b"\0"))
            stream.write(block)
            stream.flush()
        except OSError as error:
            raise SmpcError("a worker process of the set intersection was lost") from error

    def _receive(self, place: int) -> bytes:
        stream = self._processes[place].stdout
        head = b"" if stream is None else stream.read(REPLY.size)
        if stream is None or len(head) < REPLY.size:
            raise SmpcError("a worker process of the set intersection was lost")
        state, n_bytes = REPLY.unpack(head)
        if state != GOOD:
            raise PeerRejectedError(reason=INVALID)
        result = stream.read(n_bytes)
        if len(result) < n_bytes:
            raise SmpcError("a worker process of the set intersection was lost")
        return result


def _closed(close: object) -> None:
    try:
        close()  # type: ignore[operator]
    except OSError:
        return

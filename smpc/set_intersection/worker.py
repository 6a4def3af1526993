"""A worker process: multiplies blocks of group elements, one after the other.

Layer:       smpc.set_intersection.worker, above group; run as a program by ``workers``.
Guarantees:  reads blocks from its standard input and writes the results to its standard output, in their order; ends
             when the input ends, so that it never outlives its parent. Holds no file and no connection.
"""

from __future__ import annotations

import signal
import struct
import sys
from enum import IntEnum
from typing import TYPE_CHECKING, BinaryIO, Final

from smpc.errors import PeerRejectedError
from smpc.set_intersection.group import ELEMENT_BYTES, blinded, check_elements, multiples

if TYPE_CHECKING:
    from collections.abc import Callable

HEAD: Final = struct.Struct("<BI")
REPLY: Final = struct.Struct("<BI")
GOOD: Final = 0
INVALID_ELEMENT: Final = 1


class Work(IntEnum):
    """What is done to a block."""

    BLIND = 1  # hash inputs of 64 bytes to the group, and multiply
    MULTIPLY = 2
    CHECK = 3  # nothing is returned


def _checked(scalar: bytes, block: bytes) -> bytes:
    del scalar
    check_elements(block)
    return b""


_WORKS: Final[dict[int, Callable[[bytes, bytes], bytes]]] = {
    Work.BLIND: blinded,
    Work.MULTIPLY: multiples,
    Work.CHECK: _checked,
}


def done(work: int, scalar: bytes, block: bytes) -> tuple[int, bytes]:
    """Do one piece of work.

    Returns:
        The state of the reply, and its block.
    """
    try:
        return GOOD, _WORKS[work](scalar, block)
    except PeerRejectedError:
        return INVALID_ELEMENT, b""


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Work until the input ends."""
    while len(head := source.read(HEAD.size)) == HEAD.size:
        work, n_bytes = HEAD.unpack(head)
        scalar = source.read(ELEMENT_BYTES)
        state, block = done(work, scalar, source.read(n_bytes))
        sink.write(REPLY.pack(state, len(block)) + block)
        sink.flush()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to stop
    serve(sys.stdin.buffer, sys.stdout.buffer)

"""The wire format: a fixed header of 32 bytes before every payload, and a reader that trusts no byte of it.

Layer:       smpc.transport.wire.frames. Pure: no socket, no clock.
Terms:       a frame is one header and its payload; the tag is the first 8 bytes of a digest of the session's id
             (zeros outside a session); the sequence counts the frames of one direction of one connection from 0, and
             starts again with each lease.
Guarantees:  whatever the bytes are, the reader accepts the frame that it expects or raises ``PeerRejectedError``,
             before memory is taken for the payload; cut into pieces or whole, the bytes give the same outcome. Memory
             follows what has arrived, never the length announced.
See instead: what the payloads of greetings mean (``handshake``), sockets (``connection``). All bytes:
             docs/wire-format.md.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from smpc.errors import PeerRejectedError

MAGIC: Final = b"XWRD"
FRAME_VERSION: Final = 1
HEADER: Final = struct.Struct("<4sHH8sQQ")  # magic, version, kind, tag, sequence, length
HEADER_BYTES: Final = 32
TAG_BYTES: Final = 8
NO_SESSION: Final = bytes(TAG_BYTES)
LARGEST_OPERATION: Final = 0x7FFF
LARGEST_LENGTH: Final = 1 << 40
ABORT_BYTES: Final = 64
FIRST_BYTES: Final = 1 << 14  # for a payload of which nothing has come: one TLS record


class Kind(IntEnum):
    """Kinds of the transport itself; up to ``LARGEST_OPERATION`` they belong to a session's operations."""

    HELLO = 0x8001
    WELCOME = 0x8002
    REFUSAL = 0x8003
    MESSAGE = 0x8004
    HEARTBEAT = 0x8005
    LEASE = 0x8006
    LEASED = 0x8007
    END = 0x8008
    ABORT = 0x8009


TRANSPORT_KINDS: Final = frozenset(int(kind) for kind in Kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What stands before a payload.

    Attributes:
        kind: an operation (0 .. 0x7fff) or one of ``Kind``.
        tag: 8 bytes, ``session_tag(session_id)`` or ``NO_SESSION``.
        sequence: number of the frame in its direction, from 0.
        length: payload bytes that follow, at most ``LARGEST_LENGTH``.
    """

    kind: int
    tag: bytes
    sequence: int
    length: int

    def __post_init__(self) -> None:
        """Refuse values that the wire format cannot hold."""
        if not (0 <= self.kind <= LARGEST_OPERATION or self.kind in TRANSPORT_KINDS):
            raise PeerRejectedError(reason="frame of unknown kind")
        if len(self.tag) != TAG_BYTES:
            raise PeerRejectedError(reason="frame tag has the wrong size")
        if not 0 <= self.sequence < 1 << 64:
            raise PeerRejectedError(reason="frame sequence out of range")
        if not 0 <= self.length <= LARGEST_LENGTH:
            raise PeerRejectedError(reason="frame length out of range")


def session_tag(session_id: bytes) -> bytes:
    """Return the 8 bytes that name a session: the start of ``SHA-256("crossward/frames/1" + id)``."""
    return hashlib.sha256(b"crossward/frames/1" + session_id).digest()[:TAG_BYTES]


def encode_header(header: Header) -> bytes:
    """Write a header, 32 bytes, little end first."""
    return HEADER.pack(MAGIC, FRAME_VERSION, header.kind, header.tag, header.sequence, header.length)


def decode_header(data: bytes | bytearray | memoryview) -> Header:
    """Read a header strictly.

    Args:
        data: exactly 32 bytes.

    Raises:
        PeerRejectedError: anything but a header that ``encode_header`` writes.
    """
    if len(data) != HEADER_BYTES:
        raise PeerRejectedError(reason="frame header has the wrong size")
    magic, version, kind, tag, sequence, length = HEADER.unpack(data)
    if magic != MAGIC:
        raise PeerRejectedError(reason="not a frame of this protocol")
    if version != FRAME_VERSION:
        raise PeerRejectedError(reason="frame version not supported")
    return Header(kind=kind, tag=tag, sequence=sequence, length=length)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """The one frame that may come next.

    Attributes:
        kinds: kinds accepted; REFUSAL and ABORT stand here only where they are allowed.
        tag: session tag demanded.
        sequence: sequence demanded. An ABORT may carry any.
        length: exact payload length (bytes), or None for a message.
        limit: largest payload of a message (bytes); an ABORT or REFUSAL is always limited to ``ABORT_BYTES``.
    """

    kinds: frozenset[int]
    tag: bytes
    sequence: int
    length: int | None = None
    limit: int = 0

    def check(self, header: Header) -> None:
        """Compare a header with what was expected.

        Raises:
            PeerRejectedError: it differs in session, kind, sequence or length.
        """
        if header.tag != self.tag:
            raise PeerRejectedError(reason="frame of another session")
        if header.kind not in self.kinds:
            raise PeerRejectedError(reason="frame of an unexpected kind")
        if header.kind in {Kind.ABORT, Kind.REFUSAL}:
            if header.length > ABORT_BYTES:
                raise PeerRejectedError(reason="frame longer than allowed")
            return
        if header.sequence != self.sequence:
            raise PeerRejectedError(reason="frame out of sequence")
        if header.kind == Kind.END:
            if header.length:
                raise PeerRejectedError(reason="frame of an unexpected length")
            return
        if self.length is not None and header.length != self.length:
            raise PeerRejectedError(reason="frame of an unexpected length")
        if self.length is None and header.length > self.limit:
            raise PeerRejectedError(reason="message longer than allowed")


class FrameReader:
    """Collects the bytes of one frame, however they are cut.

    Use ``space`` and ``advance`` with ``recv_into``, or ``feed`` with bytes at hand. Never takes more bytes
    than the frame has, and takes no memory for a payload before its header was checked, then ``FIRST_BYTES``, and
    twice what has come whenever that is full. A reader that was made without an expectation reads a header and
    holds it until ``expect`` says what it should be.
    """

    __slots__ = ("_buffer", "_expectation", "_filled", "_length", "_view", "header", "held")

    def __init__(self, expectation: Expectation | None) -> None:
        """Expect one frame, or with None just a header."""
        self._expectation = expectation
        self.header: Header | None = None
        self.held: Header | None = None
        self._buffer = bytearray(HEADER_BYTES)
        self._view = memoryview(self._buffer)
        self._filled = 0
        self._length = HEADER_BYTES  # of what is being read, header or payload

    @property
    def n_held(self) -> int:
        """Memory taken (bytes)."""
        return len(self._buffer)

    @property
    def is_complete(self) -> bool:
        """Whether the whole frame is here."""
        return self.header is not None and self._filled == self._length

    @property
    def is_waiting(self) -> bool:
        """Whether more bytes are wanted now."""
        return self._filled < self._length

    @property
    def has_begun(self) -> bool:
        """Whether any byte of the frame is here."""
        return self.header is not None or self._filled > 0

    @property
    def is_open(self) -> bool:
        """Whether the expected frame has not been set yet."""
        return self._expectation is None

    @property
    def payload(self) -> bytes:
        """The payload of a complete frame."""
        return bytes(self._buffer) if self.is_complete else b""

    def space(self) -> memoryview:
        """Where the next bytes go; empty when the frame is complete or its header is held."""
        return self._view[self._filled :]

    def expect(self, expectation: Expectation) -> None:
        """Say what the frame should be; only where that has not been said.

        Raises:
            PeerRejectedError: the header held is another, or the reader expects a frame already.
        """
        if self._expectation is not None:
            raise PeerRejectedError(reason="another frame is expected")
        self._expectation = expectation
        if self.held is not None:
            header, self.held = self.held, None
            self._admit(header, expectation)

    def advance(self, n_bytes: int) -> None:
        """Count bytes that were written to ``space``.

        Raises:
            PeerRejectedError: the header is complete and is not the expected one.
        """
        self._filled += n_bytes
        if self.header is None and self._filled == HEADER_BYTES:
            header = decode_header(self._buffer)
            if self._expectation is None:
                self.held = header
            else:
                self._admit(header, self._expectation)
        elif self._filled == len(self._buffer) < self._length:
            self._grow_buffer(2 * len(self._buffer))

    def _admit(self, header: Header, expectation: Expectation) -> None:
        expectation.check(header)
        self.header = header
        self._length, self._filled = header.length, 0
        self._grow_buffer(FIRST_BYTES)

    def _grow_buffer(self, n_bytes: int) -> None:
        """Go on in a buffer of this size, or of the payload's where that is smaller."""
        buffer = bytearray(min(n_bytes, self._length))
        buffer[: self._filled] = self._view[: self._filled]
        self._buffer, self._view = buffer, memoryview(buffer)

    def feed(self, data: bytes | memoryview) -> int:
        """Take bytes at hand; returns how many of them belong to this frame.

        Raises:
            PeerRejectedError: as ``advance``.
        """
        taken = 0
        while taken < len(data) and self.is_waiting:
            space = self.space()
            piece = data[taken : taken + len(space)]
            space[: len(piece)] = piece
            taken += len(piece)
            self.advance(len(piece))
        return taken

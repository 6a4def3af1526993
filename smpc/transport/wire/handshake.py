"""Messages before the first operation: hello, refusal, lease, abort; strict bytes with one reading.

Layer:       smpc.transport.wire.handshake. Pure: no socket, no clock.
Guarantees:  ``decode_x(encode_x(value)) == value``; any other bytes raise ``PeerRejectedError``.
See instead: frames around these payloads (``frames``), who is trusted (``tls``). All bytes: docs/wire-format.md.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from smpc.errors import PeerRejectedError

PROTOCOL_VERSION: Final = 4
DIGEST_BYTES: Final = 32
PROGRAM_BYTES: Final = 8
HELLO_LIMIT: Final = 256
LEASE_BYTES: Final = 96
PURPOSES: Final = ("control", "request", "ledger", "data", "train", "aggregate", "open", "masks")
NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,62}", re.ASCII)
_HELLO: Final = struct.Struct("<HB32s8s")


class Refusal(IntEnum):
    """Why a listener does not go on; one byte on the wire."""

    IDENTITY = 1
    VERSION = 2
    NAME = 3
    CONFIGURATION = 4
    PURPOSE = 5
    REQUEST = 6
    SESSION = 7
    MALFORMED = 8
    CONNECTIONS = 9
    REMOVED = 10


REFUSAL_TEXT: Final = {
    Refusal.IDENTITY: "identity not in the roster",
    Refusal.VERSION: "protocol version differs",
    Refusal.NAME: "name differs",
    Refusal.CONFIGURATION: "configuration differs",
    Refusal.PURPOSE: "purpose not served to this role",
    Refusal.REQUEST: "request differs",
    Refusal.SESSION: "session is over or not known",
    Refusal.MALFORMED: "greeting malformed",
    Refusal.CONNECTIONS: "too many connections of this member",
    Refusal.REMOVED: "this member was removed from the consortium",
}


class AbortCause(IntEnum):
    """Why a party leaves a session before its end; one byte on the wire."""

    LOST = 1
    REJECTED = 2
    FAILED = 3


def check_name(name: str) -> str:
    """Return a party's name if it is one: a letter, then at most 62 of ``a-z 0-9 _ -``.

    Raises:
        PeerRejectedError: it is not.
    """
    if not NAME.fullmatch(name):
        raise PeerRejectedError(reason="malformed party name")
    return name


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """Who speaks to whom, what for, and under which configuration.

    Attributes:
        sender: name of the speaking end; must be the name in its certificate.
        recipient: name of the end spoken to.
        purpose: one of ``PURPOSES``.
        configuration: SHA-256 of the consortium's configuration, 32 bytes.
        program: 8 bytes that all connections of one program of the sender share, and no other program has.
        version: protocol version, 16 bits.
    """

    sender: str
    recipient: str
    purpose: str
    configuration: bytes
    program: bytes
    version: int = PROTOCOL_VERSION

    def __post_init__(self) -> None:
        """Refuse values that the wire format cannot hold."""
        check_name(self.sender)
        check_name(self.recipient)
        if self.purpose not in PURPOSES:
            raise PeerRejectedError(reason="unknown purpose")
        if len(self.configuration) != DIGEST_BYTES:
            raise PeerRejectedError(reason="configuration hash has the wrong size")
        if len(self.program) != PROGRAM_BYTES:
            raise PeerRejectedError(reason="program has the wrong size")
        if not 0 <= self.version < 1 << 16:
            raise PeerRejectedError(reason="protocol version out of range")


def encode_hello(hello: Hello) -> bytes:
    """Write a hello: version, purpose, configuration, program, then both names with a length byte each."""
    head = _HELLO.pack(hello.version, PURPOSES.index(hello.purpose) + 1, hello.configuration, hello.program)
    return head + _prefixed(hello.sender) + _prefixed(hello.recipient)


def decode_hello(data: bytes) -> Hello:
    """Read a hello strictly.

    Raises:
        PeerRejectedError: not bytes that ``encode_hello`` writes.
    """
    if len(data) < _HELLO.size:
        raise PeerRejectedError(reason="hello too short")
    version, purpose, configuration, program = _HELLO.unpack_from(data)
    if not 1 <= purpose <= len(PURPOSES):
        raise PeerRejectedError(reason="unknown purpose")
    sender, rest = _take_name(data[_HELLO.size :])
    recipient, rest = _take_name(rest)
    if rest:
        raise PeerRejectedError(reason="hello too long")
    return Hello(
        sender=sender,
        recipient=recipient,
        purpose=PURPOSES[purpose - 1],
        configuration=configuration,
        program=program,
        version=version,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """What binds a data connection to one session: three digests of 32 bytes, equal at both ends."""

    session_id: bytes
    request_hash: bytes
    configuration: bytes

    def __post_init__(self) -> None:
        """Refuse values that the wire format cannot hold."""
        if {len(self.session_id), len(self.request_hash), len(self.configuration)} != {DIGEST_BYTES}:
            raise PeerRejectedError(reason="lease field has the wrong size")


def encode_lease(lease: Lease) -> bytes:
    """Write a lease, 96 bytes."""
    return lease.session_id + lease.request_hash + lease.configuration


def decode_lease(data: bytes) -> Lease:
    """Read a lease strictly.

    Raises:
        PeerRejectedError: not 96 bytes.
    """
    if len(data) != LEASE_BYTES:
        raise PeerRejectedError(reason="lease has the wrong size")
    return Lease(session_id=data[:32], request_hash=data[32:64], configuration=data[64:])


def encode_refusal(refusal: Refusal) -> bytes:
    """Write a refusal, one byte."""
    return bytes([refusal])


def decode_refusal(data: bytes) -> Refusal:
    """Read a refusal strictly.

    Raises:
        PeerRejectedError: not one byte of ``Refusal``.
    """
    if len(data) != 1 or data[0] not in REFUSAL_TEXT:
        raise PeerRejectedError(reason="malformed refusal")
    return Refusal(data[0])


def encode_abort(cause: AbortCause, name: str) -> bytes:
    """Write an abort: the cause, then the name of the party at fault."""
    return bytes([cause]) + check_name(name).encode("ascii")


def decode_abort(data: bytes) -> tuple[AbortCause, str]:
    """Read an abort strictly.

    Raises:
        PeerRejectedError: not a cause and a name.
    """
    if not data or data[0] not in {AbortCause.LOST, AbortCause.REJECTED, AbortCause.FAILED}:
        raise PeerRejectedError(reason="malformed abort")
    return AbortCause(data[0]), _name(data[1:])


def _prefixed(name: str) -> bytes:
    return bytes([len(name)]) + name.encode("ascii")


def _take_name(data: bytes) -> tuple[str, bytes]:
    if not data or len(data) < 1 + data[0]:
        raise PeerRejectedError(reason="hello too short")
    return _name(data[1 : 1 + data[0]]), data[1 + data[0] :]


def _name(data: bytes) -> str:
    if not data.isascii():
        raise PeerRejectedError(reason="malformed party name")
    return check_name(data.decode("ascii"))

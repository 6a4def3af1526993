"""Which user of this machine holds the other end of a loopback connection.

Layer:       federation.dashboard.security, lowest. Linux: reads ``/proc/net/tcp``.
Guarantees:  a connection that is not found there belongs to no known user.
Source:      proc_pid_net(5): local_address and rem_address are host-order hexadecimal words, uid is the eighth field.
"""

from __future__ import annotations

import socket
import struct
from pathlib import Path
from typing import Final

TABLE: Final = Path("/proc/net/tcp")
_UID: Final = 7
_NO_INODE: Final = "0"
_INODE: Final = 9


def user_of(client: tuple[str, int], server: tuple[str, int], table: Path = TABLE) -> int | None:
    """Return the user id of the process that opened a connection.

    Args:
        client: address and port of its end.
        server: address and port of this end.
        table: of the connections of this machine.

    Returns:
        The user id; None where the system does not say.
    """
    try:
        local, remote = _words(*client), _words(*server)
        lines = table.read_text("ascii").splitlines()[1:]
    except (OSError, ValueError):
        return None
    for line in lines:
        parts = line.split()
        if len(parts) > _INODE and (parts[1], parts[2]) == (local, remote) and parts[_INODE] != _NO_INODE:
            return int(parts[_UID])
    return None


def _words(address: str, port: int) -> str:
    (word,) = struct.unpack("=I", socket.inet_aton(address))
    return f"{word:08X}:{port:04X}"

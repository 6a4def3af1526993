"""Free ports on loopback.

Layer:       federation.setup.free_ports. Opens and closes sockets.
Guarantees:  the ports differ and lie below those that the kernel gives to outgoing connections: a node that dials
             before it listens could otherwise occupy its own port. Another program may still take a port before its
             node starts; the node then reports it.
Source:      ``ip_local_port_range`` in Linux's ip-sysctl documentation.
"""

from __future__ import annotations

import secrets
import socket
from pathlib import Path
from typing import Final

from federation.errors import ConfigError

LOOPBACK: Final = "127.0.0.1"
LOWEST: Final = 12_000
USUAL_END: Final = 32_768
_RANGE: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_ports(count: int) -> list[int]:
    """Find ports that no process uses now.

    Args:
        count: number of ports.

    Returns:
        Different ports.

    Raises:
        ConfigError: too few ports are free.
    """
    end = _end()
    start = LOWEST + secrets.randbelow(max(1, end - LOWEST))
    found: list[int] = []
    for step in range(end - LOWEST):
        if len(found) == count:
            break
        port = LOWEST + (start - LOWEST + step) % (end - LOWEST)
        if _is_free(port):
            found.append(port)
    if len(found) < count:
        raise ConfigError(mistakes=[f"fewer than {count} ports are free on {LOOPBACK}"])
    return found


def _end() -> int:
    """Return the first port of outgoing connections, at least some above the lowest."""
    try:
        first = int(_RANGE.read_text("ascii").split()[0])
    except (OSError, ValueError, IndexError):
        first = USUAL_END
    return first if first >= LOWEST + 1_000 else USUAL_END


def _is_free(port: int) -> bool:
    with socket.socket() as candidate:
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind((LOOPBACK, port))
        except OSError:
            return False
    return True

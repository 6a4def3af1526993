"""Free ports on loopback.

Floor:    federation.setup.ports. Opens and closes sockets.
Promise:  the ports differ; somebody else may take one before its node starts, which the node then says.
"""

from __future__ import annotations

import socket
from contextlib import ExitStack

LOOPBACK = "127.0.0.1"


def free_ports(count: int) -> list[int]:
    """Ask the kernel for ports that nobody uses now.

    Args:
        count: how many.

    Returns:
        Different ports.
    """
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind((LOOPBACK, 0))
        return [int(each.getsockname()[1]) for each in sockets]

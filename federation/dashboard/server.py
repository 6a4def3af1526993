"""The process of a dashboard: a port of the loopback address, the printed link, the end.

Layer:       federation.dashboard.server, topmost of this package.
Guarantees:  bound to 127.0.0.1 alone. The port is taken before anything is printed, so that no other program can answer
             under the printed link. No request is logged.
"""

from __future__ import annotations

import errno
import os
import socket
import sys
import threading
from typing import TYPE_CHECKING, Final

import uvicorn

from federation.dashboard.application import create_app
from federation.dashboard.security.access import Place
from federation.dashboard.security.login import Login
from federation.dashboard.security.peer_user import user_of
from federation.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from federation.dashboard.state import DashboardState

ADDRESS: Final = "127.0.0.1"
PORT: Final = 8431
TRIED: Final = 50
UNNAMED_PEER: Final = (
    "this system does not say which user opens a connection: "
    "other users of this machine are kept out by the token alone"
)


def take_port(port: int | None) -> socket.socket:
    """Listen on a port of the loopback address.

    Args:
        port: the wanted one; None: the usual one, or the next that is free.

    Raises:
        ConfigError: it is taken; the message offers the next free one.
    """
    first = PORT if port is None else port
    taken = _bound(first)
    if taken is not None:
        return taken
    for other in range(first + 1, min(first + TRIED, 1 << 16)):
        found = _bound(other)
        if found is None:
            continue
        if port is None:
            return found
        found.close()
        text = f"port {first} is taken, perhaps by another dashboard; {other} is free: --port {other}"
        raise ConfigError(mistakes=[text])
    raise ConfigError(mistakes=[f"port {first} and the {TRIED} after it are taken"])


def _bound(port: int) -> socket.socket | None:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((ADDRESS, port))
        listening.listen(64)
    except OSError as error:
        listening.close()
        if error.errno in {errno.EADDRINUSE, errno.EACCES}:
            return None
        raise
    return listening


def names_peers() -> bool:
    """Whether this system says which user opens a connection."""
    with socket.create_server((ADDRESS, 0)) as server, socket.create_connection(server.getsockname()) as own:
        return user_of(own.getsockname(), server.getsockname()) == os.getuid()


def is_own_user(client: tuple[str, int], server: tuple[str, int]) -> bool:
    """Whether the other end belongs to the user of this process."""
    return user_of(client, server) == os.getuid()


def _is_anyone(client: tuple[str, int], server: tuple[str, int]) -> bool:
    del client, server
    return True


def serve(
    state: DashboardState,
    listening: socket.socket,
    say: Callable[[str], None],
    *,
    stopped: Callable[[], None],
) -> None:
    """Serve until Ctrl-C.

    Args:
        state: what the pages share.
        listening: of ``take_port``.
        say: prints a line for the person at the terminal.
        stopped: called when the server has ended.
    """
    server, offer_link = server_of(state, listening.getsockname()[1], say)
    say("dashboard of this machine alone; the link works once. Ctrl-C ends it")
    offer_link()
    if sys.stdin is not None and sys.stdin.isatty():
        say("Enter prints a new link")
        threading.Thread(target=_offer_on_enter, args=(offer_link,), daemon=True).start()
    try:
        server.run(sockets=[listening])
    except KeyboardInterrupt:
        pass
    finally:
        stopped()


def server_of(
    state: DashboardState, port: int, say: Callable[[str], None]
) -> tuple[uvicorn.Server, Callable[[], None]]:
    """Return a server that was not started, and what prints a new link to it; arguments as ``serve``."""
    login = Login()

    def offer_link() -> None:
        say(f"open http://{ADDRESS}:{port}/login?token={login.new_token()}")

    checks = names_peers()
    if not checks:
        say(UNNAMED_PEER)
    place = Place(port=port, is_own_peer=is_own_user if checks else _is_anyone)
    app = create_app(state, login=login, place=place, offer_link=offer_link)
    config = uvicorn.Config(
        app,
        log_level="critical",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="off",
        ws="none",
        http="h11",
        loop="asyncio",
        timeout_graceful_shutdown=2,
    )
    return uvicorn.Server(config), offer_link


def _offer_on_enter(offer_link: Callable[[], None]) -> None:
    for _ in sys.stdin:
        offer_link()

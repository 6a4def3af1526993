"""Channels between threads of one process: the same interface as over TLS."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final
from weakref import WeakSet

from federation.network.channel import Channel, Handler, Network
from smpc.errors import PartyLostError, PeerRejectedError
from smpc.transport.memory import Inbox, memory_meshes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from privacy_accounting.ledger.parties.roles import Roles
    from smpc.transport.mesh import FirstFrame, Mesh

_OTHER: Final = "the other end"


class MemoryChannel(Channel):
    """A channel between two threads."""

    def __init__(self, peer: str, role: str, *, outgoing: Inbox[bytes], incoming: Inbox[bytes]) -> None:
        """Join two inboxes, each heard by one end; the other end has them swapped."""
        self.peer, self.role = peer, role
        self._outgoing, self._incoming = outgoing, incoming
        self.is_closed = False

    def send(self, message: bytes) -> None:
        """Send one message."""
        if self.is_closed:
            raise PartyLostError(name=self.peer)
        self._outgoing.put(_OTHER, bytes(message))

    def receive(self, timeout_s: float | None) -> bytes:
        """Wait for one message."""
        if not (self.is_closed or self._incoming.has(_OTHER) or self._incoming.left):
            self._incoming.wait(timeout_s)
        if self.is_closed or not self._incoming.has(_OTHER):
            self.is_closed = True
            raise PartyLostError(name=self.peer)
        return self._incoming.take(_OTHER)

    @property
    def has_left(self) -> bool:
        """Whether either end has closed."""
        return self.is_closed or self._incoming.has_farewell

    def close(self) -> None:
        """Close both ends."""
        self.is_closed = True
        self._outgoing.put_farewell(_OTHER)
        self._incoming.put_farewell(_OTHER)


class MemoryExchange:
    """Connects the nodes of one process."""

    def __init__(self, timeout_s: float = 30.0) -> None:
        """Start without nodes; ``network`` adds one."""
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._handlers: dict[tuple[str, str], Handler] = {}
        self._roles: dict[str, str] = {}
        self._meshes: dict[bytes, dict[str, Mesh]] = {}
        self._channels: dict[str, list[MemoryChannel]] = {}
        self._joined: dict[str, WeakSet[Mesh]] = {}
        self._begun: set[tuple[str, bytes]] = set()

    def network(self, name: str, role: str) -> MemoryNetwork:
        """Add a node."""
        with self._lock:
            self._roles[name] = role
        return MemoryNetwork(self, name)

    def serve(self, name: str, purpose: str, handler: Handler) -> None:
        """Register the handler for channels to ``name``."""
        with self._lock:
            self._handlers[name, purpose] = handler

    def forget(self, name: str) -> None:
        """Remove a member: it stops answering, and its channels and meshes are closed."""
        with self._lock:
            for key in [key for key in self._handlers if key[0] == name]:
                del self._handlers[key]
            self._roles.pop(name, None)
            channels = self._channels.pop(name, [])
            meshes = list(self._joined.pop(name, ()))
        for channel in channels:
            channel.close()
        for mesh in meshes:
            mesh.close(PeerRejectedError(reason="this node is stopping"))

    def is_present(self, name: str) -> bool:
        """Whether a member has joined and not left; a client counts too."""
        with self._lock:
            return name in self._roles

    def hears(self, name: str) -> dict[str, bool]:
        """The other nodes that serve channels."""
        with self._lock:
            return {key[0]: True for key in self._handlers if key[0] != name}

    def dial(self, caller: str, peer: str, purpose: str) -> Channel:
        """Open a channel from ``caller`` to ``peer``."""
        with self._lock:
            handler = self._handlers.get((peer, purpose))
            role, peer_role = self._roles.get(caller), self._roles.get(peer, "")
            if handler is None or role is None:
                raise PartyLostError(name=peer)
            there, back = Inbox[bytes](), Inbox[bytes]()
            answering = MemoryChannel(caller, role, outgoing=back, incoming=there)
            asking = MemoryChannel(peer, peer_role, outgoing=there, incoming=back)
            for name, channel in ((peer, answering), (caller, asking)):
                kept = [each for each in self._channels.get(name, []) if not each.is_closed]
                self._channels[name] = [*kept, channel]

        def answer() -> None:
            try:
                handler(answering)
            finally:
                answering.close()

        threading.Thread(target=answer, name=f"{peer}-{purpose}-{caller}", daemon=True).start()
        return asking

    def mesh(self, name: str, session_id: bytes, parties: Sequence[str], helper: str | None) -> Mesh:
        """Take one party's end of a session's mesh; each party can open a session once, as over TLS.

        Raises:
            PeerRejectedError: this party has opened the session before.
        """
        with self._lock:
            if (name, session_id) in self._begun:
                raise PeerRejectedError(reason="a session is opened once")
            self._begun.add((name, session_id))
            ends = self._meshes.setdefault(session_id, {})
            if not ends:
                ends.update(memory_meshes(parties, helper=helper, timeout_s=self._timeout_s))
            mesh = ends.pop(name)
            if not ends:
                del self._meshes[session_id]
            self._joined.setdefault(name, WeakSet()).add(mesh)
        return mesh


class MemoryNetwork(Network):
    """A node's view of a ``MemoryExchange``."""

    def __init__(self, exchange: MemoryExchange, name: str) -> None:
        """Join under a name."""
        self.name = name
        self._exchange = exchange

    def dial(self, peer: str, purpose: str, timeout_s: float) -> Channel:
        """Open a channel; never waits."""
        del timeout_s
        return self._exchange.dial(self.name, peer, purpose)

    def serve(self, purpose: str, handler: Handler) -> None:
        """Serve channels of this purpose."""
        self._exchange.serve(self.name, purpose, handler)

    def open_mesh(
        self,
        session_id: bytes,
        request_hash: bytes,
        parties: Sequence[str],
        helper: str | None,
        first: FirstFrame | None = None,
    ) -> Mesh:
        """Join a session's mesh."""
        del request_hash, first  # nothing is gained by sending ahead in one process
        return self._exchange.mesh(self.name, session_id, parties, helper)

    def is_alive(self, peer: str) -> bool:
        """Whether the peer has not left."""
        return self._exchange.is_present(peer)

    def hears(self) -> dict[str, bool]:
        """Every other node of the process that serves channels."""
        return self._exchange.hears(self.name)

    def follow_roles(self, roles: Callable[[], Roles]) -> None:
        """Members of one process show no certificate; their messages are checked as over TLS."""

    def close(self) -> None:
        """Leave the exchange."""
        self._exchange.forget(self.name)

"""The network between processes: channels and meshes over mutual TLS, for nodes and for an analyst's client.

Layer:       federation.network.tls, above network and identity.
Terms:       a node listens; a client only dials. Every two nodes exchange heartbeats, and so do a client and each
             node that it dialed.
Guarantees:  the name, role and certificate of every peer match the consortium file; a killed peer is reported as soon
             as its connection closes, a frozen one after the consortium's ``deadline_s``; ``close`` leaves no thread
             and no socket.
See instead: frames and handshakes (``smpc.transport``), the messages on a channel (``federation.protocol.messages``).
"""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from federation.errors import ConfigError
from federation.identity.certificates import Identity, is_pinned, trust_of
from federation.network.channel import MESSAGE_BYTES, Channel, Handler, Network
from smpc.errors import PartyLostError, PeerRejectedError
from smpc.transport.connecting.endpoint import CALLERS, Address, Endpoint
from smpc.transport.connecting.listener import Listener
from smpc.transport.heartbeat import CallerHeartbeats, Heartbeats, program_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from federation.consortium.consortium_file import Consortium
    from privacy_accounting.ledger.parties.roles import Roles
    from smpc.transport.connection import Connection
    from smpc.transport.data_plane import DataPlane
    from smpc.transport.mesh import FirstFrame, Mesh
    from smpc.transport.wire.peer_identity import Trust

NODE_ROLES: Final = frozenset({"site", "dealer", "aggregator", "keyholder"})
BEAT_S: Final = 0.5
WELCOME_S: Final = 5.0
SETTLE_S: Final = 0.5  # a killed party is reported within a second, also while a session opens
_CONTROL: Final = frozenset(CALLERS["control"] | {"analyst", "auditor"})


class TlsChannel(Channel):
    """A channel over one TLS connection."""

    def __init__(self, connection: Connection) -> None:
        """Take over a connection; the caller must not use it any more."""
        self.peer, self.role, self.key = (
            connection.peer.name,
            connection.peer.role,
            connection.peer.public_key,
        )
        self._connection = connection
        self._using = threading.Lock()
        self.is_closed = False

    def __repr__(self) -> str:
        """Name the peer only."""
        return f"TlsChannel({self.role} {self.peer})"

    def send(self, message: bytes) -> None:
        """Send one message; see ``Channel``."""
        with self._using:
            self._check_open()
            self._connection.send_message(message)

    def receive(self, timeout_s: float | None) -> bytes:
        """Wait for one message; see ``Channel``."""
        with self._using:
            self._check_open()
            return self._connection.receive_message(MESSAGE_BYTES, timeout_s)

    @property
    def has_left(self) -> bool:
        """See ``Channel``."""
        return self.is_closed or self._connection.has_left

    def close(self) -> None:
        """Close the channel; a waiting thread is woken first. For any thread."""
        self.is_closed = True
        self._connection.interrupt()
        with self._using:
            self._connection.close()

    def _check_open(self) -> None:
        if self.is_closed:
            raise PartyLostError(name=self.peer)


class TlsNetwork(Network):
    """One member's view of its consortium over mutual TLS.

    Attributes:
        name: own name.
        address: where this node listens; None for a client.
    """

    def __init__(
        self,
        *,
        consortium: Consortium,
        identity: Identity,
        listen: Address | None = None,
        beat_s: float = BEAT_S,
        delay_s: float = 0.0,
        asks_only: bool = False,
    ) -> None:
        """Start listening and sending heartbeats when the identity is a node's.

        Args:
            consortium: the agreement: the address and certificate of every member.
            identity: own certificate and key, loaded from a file.
            listen: the address that a node binds; default: its address in the consortium file.
            beat_s: time between two heartbeats (s).
            delay_s: added one-way delay of every message (s), to measure the cost of a distance.
            asks_only: do not listen, also with a node's identity: for its administrator, beside the running node.

        Raises:
            ConfigError: the consortium file holds another identity, or the address cannot be bound.
        """
        self.name = identity.name
        self._consortium, self._roles = consortium, consortium.roles()
        self._trust = trust_of(consortium)
        self._endpoint = Endpoint(
            name=identity.name,
            identity_file=_checked_file(identity, consortium),
            trust=self._trust,
            configuration=bytes.fromhex(consortium.digest()),
            user_timeout_s=float(consortium.file.deadline_s),
            delay_s=delay_s,
        )
        self._addresses = addresses_of(consortium)
        self._changed = threading.Condition()
        self._handlers: dict[str, Handler] = {}
        self._dialed: set[TlsChannel] = set()
        self._is_closed = False
        self._deadline_s = silence_s = float(consortium.file.deadline_s)
        pace_s = min(beat_s, silence_s / 4)
        self._heartbeats = Heartbeats(
            self._endpoint,
            self._addresses,
            beat_s=pace_s,
            silence_s=silence_s,
            is_client=asks_only or identity.role not in NODE_ROLES,
        )
        self._caller_heartbeats = CallerHeartbeats(beat_s=pace_s, silence_s=silence_s)
        self._plane: DataPlane | None = None
        self._listener: Listener | None = None
        self.address: Address | None = None
        if identity.role in NODE_ROLES and not asks_only:
            self._become_node(listen or self._addresses[self.name], silence_s=silence_s)

    def __repr__(self) -> str:
        """Name the member only."""
        return f"TlsNetwork({self.name})"

    def dial(self, peer: str, purpose: str, timeout_s: float) -> Channel:
        """Open a channel; see ``Network``."""
        ends_at = time.monotonic() + timeout_s
        address = self._addresses.get(peer)
        if self._is_closed or address is None or peer == self.name:  # no member calls itself
            raise PartyLostError(name=peer)
        channel = TlsChannel(self._endpoint.dial(address, peer, purpose, deadline_s=timeout_s))
        if not self._keep(channel):
            channel.close()
            raise PartyLostError(name=peer)
        if self._plane is None:
            self._heartbeats.monitor(peer)
        elif self._heartbeats.liveness.wait_alive([peer], max(0.0, ends_at - time.monotonic())) is not None:
            channel.close()
            raise PartyLostError(name=peer)
        return channel

    def serve(self, purpose: str, handler: Handler) -> None:
        """Serve channels of this purpose; see ``Network``."""
        with self._changed:
            self._handlers[purpose] = handler
            self._changed.notify_all()

    def open_mesh(
        self,
        session_id: bytes,
        request_hash: bytes,
        parties: Sequence[str],
        helper: str | None,
        first: FirstFrame | None = None,
    ) -> Mesh:
        """Join a session's mesh; see ``Network``.

        Raises:
            PeerRejectedError: this member is a client, or it has opened a session with this id before.
            PartyLostError: a party was killed, is frozen, or did not join in time.
        """
        if self._plane is None or self._is_closed:
            raise PeerRejectedError(reason="a client takes part in no session", name=self.name)
        return self._plane.open_mesh(
            session_id, request_hash, parties, helper, deadline_s=self._deadline_s, first=first
        )

    def is_alive(self, peer: str) -> bool:
        """Whether the peer is not known to be lost; see ``Network``."""
        if self._is_closed or not self._present_trust().knows(peer):
            return False
        if self._plane is None or peer in self._addresses:
            return self._heartbeats.liveness.is_alive(peer)
        return self._caller_heartbeats.is_alive(peer)

    def hears(self) -> dict[str, bool]:
        """Whether this node hears each other node; empty for a client."""
        if self._plane is None:
            return {}
        liveness = self._heartbeats.liveness
        return {name: liveness.is_alive(name) for name in liveness.names}

    def follow_roles(self, roles: Callable[[], Roles]) -> None:
        """See ``Network``."""
        self._consortium = replace(self._consortium, roles=roles)
        self._endpoint.present = self._present_trust

    def _present_trust(self) -> Trust:
        """Whom this end accepts now."""
        roles = self._consortium.roles()
        if roles is not self._roles:
            self._trust, self._roles = trust_of(self._consortium), roles
        return self._trust

    def close(self) -> None:
        """Close every channel, mesh and thread; may be called twice."""
        with self._changed:
            self._is_closed = True
            channels = list(self._dialed)
            self._dialed.clear()
            self._changed.notify_all()
        self._heartbeats.stop()
        if self._plane is not None:
            self._plane.stop()
        for channel in channels:
            channel.close()
        if self._listener is not None:
            self._listener.stop()

    def _become_node(self, listen: Address, *, silence_s: float) -> None:
        from smpc.transport.data_plane import DataPlane

        others = {name: address for name, address in self._addresses.items() if name != self.name}
        self._plane = plane = DataPlane(
            self._endpoint,
            others,
            self._heartbeats.liveness,
            hold_s=silence_s,
            settle_s=SETTLE_S,
            delay_s=self._endpoint.delay_s,
        )
        handlers = dict.fromkeys(CALLERS, self._answer) | {
            "control": self._take_control,
            "data": plane.handler,
        }
        callers = dict(CALLERS) | {"control": _CONTROL}
        try:
            self._listener = Listener(self._endpoint, listen, handlers, callers=callers)
        except OSError as error:
            self.close()
            place = f"{listen[0]}:{listen[1]}"
            raise ConfigError(mistakes=[f"{self.name} cannot listen at {place}: {error.strerror}"]) from error
        self.address = self._listener.address

    def _take_control(self, connection: Connection) -> None:
        if connection.peer.role in NODE_ROLES:
            self._heartbeats.adopt(connection)
        else:
            self._caller_heartbeats.answer(connection)

    def _answer(self, connection: Connection) -> None:
        """Pass a channel to the handler of its purpose, once it is registered and the caller's heartbeat is heard."""
        purpose, peer = connection.purpose, connection.peer
        with self._changed:
            self._changed.wait_for(lambda: purpose in self._handlers or self._is_closed, WELCOME_S)
            handler = self._handlers.get(purpose)
            if handler is None or self._is_closed:
                raise PeerRejectedError(reason=f"this node does not serve {purpose}", name=peer.name)
        if peer.role in NODE_ROLES:
            if self._heartbeats.liveness.wait_alive([peer.name], WELCOME_S) is not None:
                raise PartyLostError(name=peer.name)
            handler(TlsChannel(connection))
            return
        channel = TlsChannel(connection)
        with self._caller_heartbeats.present(program_of(connection), channel):
            handler(channel)

    def _keep(self, channel: TlsChannel) -> bool:
        with self._changed:
            self._dialed = {kept for kept in self._dialed if not kept.is_closed}
            if not self._is_closed:
                self._dialed.add(channel)
            return not self._is_closed


def addresses_of(consortium: Consortium) -> Mapping[str, Address]:
    """Where every node of a consortium listens.

    Args:
        consortium: the agreement.

    Returns:
        Name -> host and port.
    """
    file = consortium.file
    helpers = [helper for helper in (file.dealer, file.aggregator, file.keyholder) if helper is not None]
    texts = {name: member.address for name, member in file.sites.items()}
    texts |= {helper.name: helper.address for helper in helpers}
    return {name: _address(text) for name, text in texts.items()}


def bind_address(listen: str | None) -> Address | None:
    """The address that a node binds when peers reach it through NAT, a proxy or a container's port: HOST:PORT."""
    return None if listen is None else _address(listen)


def _address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _checked_file(identity: Identity, consortium: Consortium) -> Path:
    if identity.path is None:
        raise ConfigError(mistakes=[f"the identity of {identity.name} was not loaded from a file"])
    if not is_pinned(identity, consortium):
        reason = f"is not the certificate that the consortium file names for {identity.name}"
        raise ConfigError(mistakes=[f"{identity.path.name} {reason}"])
    return identity.path

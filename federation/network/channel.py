"""How a node reaches other nodes: channels carry messages, meshes carry shares. Two implementations, one interface.

Layer:       federation.network.channel. Knows no question and no ledger.
Terms:       a channel is one connection for control messages between two nodes; a mesh carries the shares of one
             session.
Guarantees:  all code above this module runs unchanged between threads of one process and between processes over
             mutual TLS.
See instead: TLS (``federation.network.tls``), the messages (``federation.protocol.messages``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from privacy_accounting.ledger.parties.roles import Roles
    from smpc.transport.mesh import FirstFrame, Mesh

MESSAGE_BYTES = 1 << 22


class Channel(ABC):
    """One connection for messages with one named peer. Used by one thread at a time.

    Attributes:
        peer: the member at the other end.
        role: its role.
        key: the Ed25519 key of the certificate that it has shown, hex; empty without certificates.
    """

    peer: str
    role: str
    key: str = ""

    @abstractmethod
    def send(self, message: bytes) -> None:
        """Send one message; raises ``PartyLostError`` when the peer is gone."""

    @abstractmethod
    def receive(self, timeout_s: float | None) -> bytes:
        """Wait for one message.

        Raises:
            PartyLostError: the peer is gone.
            TimeoutError: no message came in time; the channel stays usable.
        """

    @property
    @abstractmethod
    def has_left(self) -> bool:
        """Whether the peer or this end has closed the channel; never waits."""

    @abstractmethod
    def close(self) -> None:
        """Close; the peer's next use raises ``PartyLostError``. May be called twice."""


Handler = Callable[[Channel], None]


class Network(ABC):
    """How a node, or the analyst's client, reaches the other members."""

    name: str

    @abstractmethod
    def dial(self, peer: str, purpose: str, timeout_s: float) -> Channel:
        """Open a channel; ``purpose`` is "request" (analyst to site) or "ledger" (site to site).

        Raises:
            PartyLostError: the peer cannot be reached in time.
            PeerRejectedError: the answering peer is not the one that the consortium file names.
        """

    @abstractmethod
    def serve(self, purpose: str, handler: Handler) -> None:
        """Pass every incoming channel of this purpose to ``handler``, each in its own thread.

        The channel is closed when the handler returns.
        """

    @abstractmethod
    def open_mesh(
        self,
        session_id: bytes,
        request_hash: bytes,
        parties: Sequence[str],
        helper: str | None,
        first: FirstFrame | None = None,
    ) -> Mesh:
        """Join the session's mesh; every party calls this with the same arguments but ``first``.

        ``first``: this party's frames of the first exchange, which may be sent before the peers have joined.
        """

    @abstractmethod
    def follow_roles(self, roles: Callable[[], Roles]) -> None:
        """Accept callers by these role entries from now on; networks without certificates accept all members.

        Args:
            roles: gives the entries of this node's ledger that changed members other than sites.
        """

    @abstractmethod
    def is_alive(self, peer: str) -> bool:
        """Whether the peer's heartbeat was heard within the deadline."""

    @abstractmethod
    def hears(self) -> dict[str, bool]:
        """Whether this node hears the heartbeat of each other node; empty without heartbeats."""

    @abstractmethod
    def close(self) -> None:
        """Close every channel, mesh and thread of this node."""

"""The one primitive of a session: every party exchanges one frame with each named peer.

Layer:       smpc.transport.mesh.
Terms:       a mesh is one party's end of all channels of a session; ranks are the order of ``names``, the same
             everywhere.
Guarantees:  rounds, messages and payload bytes are counted here and nowhere else, whatever the channel.
See instead: channels (``memory``, ``tls_mesh``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from smpc.errors import PartyLostError, PeerRejectedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


DOUBT: Final = 0.25  # of the deadline: how much longer several late peers are waited for than one


class Step(IntEnum):
    """What an exchange is for; the ``kind`` of its frames. Numbers are wire format and only grow."""

    KEYS = 1
    MATERIAL = 2
    OPEN_RING = 3
    OPEN_MASKED = 4
    OPEN_PLANES = 5
    REVEAL = 6
    GATHER = 7
    BROADCAST = 8
    BARRIER = 9
    INPUT = 10
    STOCK = 11
    INTERSECT = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstFrame:
    """The frames of a session's first exchange, which may travel with its lease, before the peers have joined.

    They hold nothing that depends on data: only peers that have joined answer them, and nothing else is sent before.

    Attributes:
        kind: of the exchange.
        payloads: by peer.
    """

    kind: int
    payloads: Mapping[str, bytes]

    def check(self, kind: int, outgoing: Mapping[str, bytes | memoryview]) -> None:
        """Refuse another first exchange than the one whose frames are under way.

        Raises:
            PeerRejectedError: it sends something else.
        """
        if kind != self.kind or dict(outgoing) != dict(self.payloads):
            raise PeerRejectedError(
                reason="the first exchange sends other frames than those that were sent ahead"
            )


@dataclass(slots=True)
class Counters:
    """What one party has sent in a session.

    Attributes:
        rounds: exchanges finished or begun.
        messages: frames sent.
        bytes_sent: payload bytes sent, per peer.
    """

    rounds: int = 0
    messages: int = 0
    bytes_sent: dict[str, int] = field(default_factory=dict)

    def count(self, outgoing: Mapping[str, bytes | memoryview]) -> None:
        """Count one exchange."""
        self.rounds += 1
        for name, payload in outgoing.items():
            self.messages += 1
            self.bytes_sent[name] = self.bytes_sent.get(name, 0) + memoryview(payload).nbytes


def culprit_of(error: BaseException | None, members: Iterable[str], own: str) -> str:
    """Return whom the others should name when a party leaves: empty after a clean end.

    The party that the error names, if it takes part; otherwise the leaving party itself.
    """
    if error is None:
        return ""
    named = error.name if isinstance(error, PartyLostError | PeerRejectedError) else ""
    return named if named in members else own


class Mesh(ABC):
    """One party's end of a session's channels.

    Attributes:
        names: all computing parties in rank order, identical everywhere.
        rank: own place in ``names``.
        helper: name of the dealer when the session has one.
        counters: what was sent so far.
    """

    names: tuple[str, ...]
    rank: int
    helper: str | None
    counters: Counters

    @abstractmethod
    def exchange(
        self, kind: int, outgoing: Mapping[str, bytes | memoryview], expected: Mapping[str, int]
    ) -> dict[str, bytes]:
        """Send a frame to each peer of ``outgoing`` and receive one from each of ``expected``: one round.

        After one that failed there is no other: it is refused as on a closed mesh.

        Args:
            kind: small integer tag of the operation; both ends must name the same.
            outgoing: payload per peer; may name the helper.
            expected: exact payload length (bytes) per peer; may name the helper.

        Returns:
            Payload per peer of ``expected``.

        Raises:
            PartyLostError: a peer is dead, frozen, or left with an error; from a ``TimeoutError`` when all
                that is known is that it is late.
            PeerRejectedError: a frame of another session, operation, order or length; before memory is taken.
        """

    def has_ended(self, peer: str) -> bool:
        """Return whether the peer is known to have left cleanly; False where that is not known."""
        del peer
        return False

    def has_spoken(self, peer: str) -> bool:
        """Return whether a frame of the peer, or a part of one, is here that no exchange has returned."""
        del peer
        return False

    @abstractmethod
    def close(self, error: BaseException | None = None) -> None:
        """Leave the session; may be called twice, and by any thread.

        With an error, the other parties' exchanges raise ``PartyLostError`` with the name that the error
        carries, or this party's.
        """

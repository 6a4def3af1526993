"""A mesh that records what is sent and injects faults at scripted exchanges.

Layer:       smpc.fault_injection. Over meshes of any kind; no sockets.
Terms:       a fault strikes one party (or the dealer) when it begins its exchange number ``at_round``, counted from
             0; the agreement on keys is exchange 0 of a party, fetching the material mostly exchange 1.
Guarantees:  without a fault the inner mesh is used as it is, frame by frame.
See instead: sockets that close or stall in the middle of a frame (tested over TLS, below the mesh).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from smpc.errors import PartyLostError
from smpc.transport.mesh import Counters, Mesh, Step

if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping, Sequence


class FaultKind(StrEnum):
    """What happens to a party at the beginning of one exchange."""

    KILL = "kill"  # gone before a frame of it is out
    PARTIAL = "partial"  # gone when half of its peers have their frame
    FREEZE = "freeze"  # silent until all others are done
    TRUNCATE = "truncate"  # each frame is a byte short
    EXTEND = "extend"  # each frame is a byte too long
    EXTRA = "extra"  # each peer gets an unexpected frame before its own
    TRICKLE = "trickle"  # its frames leave one after the other, ``pause_s`` before each


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One injected fault.

    Attributes:
        party: whom it strikes; the dealer's name for the dealer.
        at_round: at the beginning of which of its exchanges, from 0.
        kind: see ``FaultKind``.
        pause_s: only for trickling (s).
    """

    party: str
    at_round: int
    kind: FaultKind
    pause_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One exchange of one party.

    Attributes:
        step: what it was for.
        outgoing: payload for each peer.
        expected: length of what each peer owed (bytes).
    """

    step: int
    outgoing: Mapping[str, bytes] = field(repr=False)
    expected: Mapping[str, int]


class FaultInjectingMesh(Mesh):
    """One party's end, with its faults.

    Attributes:
        sent: this party's exchanges in order.
    """

    def __init__(self, inner: Mesh, name: str, faults: Sequence[Fault], thaw: threading.Event) -> None:
        """Wrap a mesh.

        Args:
            inner: does the work.
            name: whose end it is.
            faults: what befalls this party.
            thaw: when a frozen party goes on, to find that it is lost.
        """
        self.names, self.rank, self.helper = inner.names, inner.rank, inner.helper
        self.counters = Counters()
        self.sent: list[Sent] = []
        self._inner, self._name, self._thaw = inner, name, thaw
        self._faults = {fault.at_round: fault for fault in faults}

    def exchange(
        self, kind: int, outgoing: Mapping[str, bytes | memoryview], expected: Mapping[str, int]
    ) -> dict[str, bytes]:
        """See ``Mesh.exchange``."""
        fault = self._faults.get(len(self.sent))
        copies = {id(payload): bytes(payload) for payload in outgoing.values()}  # one, however many get it
        payloads = {name: copies[id(payload)] for name, payload in outgoing.items()}
        self.sent.append(Sent(step=kind, outgoing=payloads, expected=dict(expected)))
        self.counters.count(payloads)
        if fault is None:
            return self._inner.exchange(kind, payloads, expected)
        self._strike(fault, kind, payloads)
        return self._inner.exchange(kind, _altered(fault, payloads), expected)

    def has_ended(self, peer: str) -> bool:
        """See ``Mesh.has_ended``."""
        return self._inner.has_ended(peer)

    def has_spoken(self, peer: str) -> bool:
        """See ``Mesh.has_spoken``."""
        return self._inner.has_spoken(peer)

    def close(self, error: BaseException | None = None) -> None:
        """See ``Mesh.close``."""
        self._inner.close(error)

    def _strike(self, fault: Fault, kind: int, payloads: Mapping[str, bytes]) -> None:
        """Do what comes before the frames of the exchange; raises when the party ends here."""
        match fault.kind:
            case FaultKind.EXTRA:
                self._inner.exchange(_stranger(kind), dict.fromkeys(payloads, b""), {})
            case FaultKind.TRICKLE:
                for name, payload in payloads.items():
                    time.sleep(fault.pause_s)
                    self._inner.exchange(kind, {name: payload}, {})
            case FaultKind.PARTIAL:
                first = dict(list(payloads.items())[: len(payloads) // 2])
                self._inner.exchange(kind, first, {})
                self._end()
            case FaultKind.FREEZE:
                self._thaw.wait()
                self._end()
            case FaultKind.KILL:
                self._end()
            case FaultKind.TRUNCATE | FaultKind.EXTEND:
                pass

    def _end(self) -> None:
        error = PartyLostError(name=self._name)
        self._inner.close(error)
        raise error


def _stranger(kind: int) -> int:
    """A kind of frame that no party waits for."""
    return Step.BARRIER if kind != Step.BARRIER else Step.GATHER


def _altered(fault: Fault, payloads: Mapping[str, bytes]) -> dict[str, bytes]:
    match fault.kind:
        case FaultKind.TRUNCATE:
            return {name: payload[:-1] for name, payload in payloads.items()}
        case FaultKind.EXTEND:
            return {name: payload + b"\0" for name, payload in payloads.items()}
        case FaultKind.TRICKLE:
            return {}
        case _:
            return dict(payloads)

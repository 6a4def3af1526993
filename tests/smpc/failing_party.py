"""A mesh over TLS whose party fails below the frames: half a frame, single bytes, a socket closed without an abort."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass
from enum import StrEnum

from smpc.errors import PartyLostError
from smpc.transport.mesh import Mesh


class Stumble(StrEnum):
    CLOSED = "closed"  # every socket of the session closes, no word is said
    CUT = "cut"  # half a frame, then the sockets close
    HALF = "half"  # half a frame, then silence
    DRIP = "drip"  # the frame in pieces, all of it in time
    CRAWL = "crawl"  # byte by byte, slower than the deadline


@dataclass(frozen=True)
class Stumbling:
    """Who stumbles, how, and at which of its exchanges."""

    party: str
    at_round: int
    kind: Stumble
    deadline_s: float

    def over(self, meshes):
        """The same meshes, that party's with its stumble."""
        return {name: _Mesh(mesh, self) if name == self.party else mesh for name, mesh in meshes.items()}


class _Mesh(Mesh):
    def __init__(self, inner, plan):
        self.names, self.rank, self.helper, self.counters = (
            inner.names,
            inner.rank,
            inner.helper,
            inner.counters,
        )
        self._inner, self._plan, self._n = inner, plan, 0

    def exchange(self, kind, outgoing, expected):
        self._n += 1
        if self._n - 1 != self._plan.at_round:
            return self._inner.exchange(kind, outgoing, expected)
        frames = {peer: self._frame(kind, peer, payload) for peer, payload in outgoing.items()}
        match self._plan.kind:
            case Stumble.CLOSED:
                self._die()
            case Stumble.CUT:
                self._write(frames, 0.5)
                self._die()
            case Stumble.HALF:
                self._write(frames, 0.5)
                time.sleep(2.5 * self._plan.deadline_s)
                self._die()
            case Stumble.DRIP:
                longest = max(map(len, frames.values()), default=0)
                self._pieces(frames, step=1 + longest // 10, pause_s=0.004)
            case Stumble.CRAWL:
                self._pieces(
                    frames, step=1, pause_s=self._plan.deadline_s / 8, until_s=2.5 * self._plan.deadline_s
                )
                raise PartyLostError(name=self._plan.party)
        return self._inner.exchange(kind, {}, expected)

    def close(self, error=None):
        self._inner.close(error)

    def _channel(self, peer):
        return self._inner._links[peer].connection._channel

    def _frame(self, kind, peer, payload):
        """The bytes of the frame, as the connection itself would write them, taken out of its hands."""
        connection = self._inner._links[peer].connection
        connection.begin_send(kind, payload)
        frame = b"".join(piece for piece, _ in connection._outgoing)
        connection._outgoing.clear()
        return frame

    def _write(self, frames, part):
        for peer, frame in frames.items():
            self._channel(peer).send(frame[: int(len(frame) * part)])

    def _pieces(self, frames, *, step, pause_s, until_s=float("inf")):
        begin, at = time.monotonic(), 0
        while at < max(map(len, frames.values()), default=0) and time.monotonic() - begin < until_s:
            time.sleep(pause_s)
            for peer, frame in frames.items():
                if frame[at : at + step]:
                    try:
                        self._channel(peer).send(frame[at : at + step])
                    except OSError:  # the others have given up
                        return
            at += step

    def _die(self):
        for link in self._inner._links.values():
            socket.socket.shutdown(link.connection._channel, socket.SHUT_RDWR)
        raise PartyLostError(name=self._plan.party)

"""What a joint computation will cost, by running it against nobody.

Floor:    smpc.cost. Over ``operations`` and whatever calls them; no threads, no sockets, no torch.
Terms:    a rehearsal is a session whose peers answer zeros, whose material is zeros and whose list of
          requests is kept.
Promise:  the very function that the parties will run is run here, so requests, rounds and bytes are exact,
          not modeled; a rehearsal holds no key and no data. Meaningless for a function that branches on
          opened values.
Not here: time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from smpc.dealer.correlations import Material, recipe_of
from smpc.dealer.frames import FRAME_BYTES, answer_bytes
from smpc.dealer.requests import encode_requests
from smpc.dealer.supply import Supply
from smpc.randomness import KEY_BYTES, ZeroShares
from smpc.session import SESSION_ID_BYTES, Session
from smpc.transport.mesh import Counters, Mesh

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from smpc.dealer.requests import Request
    from smpc.transport.metering import Memory

_NAMES: Final = "abcdefgh"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one run costs a party, beyond the session's start (one exchange of 32 bytes with each peer).

    Attributes:
        requests: material in the order of use, for ``Session.prefetch``.
        rounds: exchanges among the parties; fetching the material is one more.
        bytes_per_peer: payload bytes that a party sends to each other party.
        dealer_bytes: payload bytes that the dealer sends to all parties when the material is fetched in one
            go.
        memory_bytes: the most that any party's session holds at once when the material is fetched in one go:
            material, frames, replies.
    """

    requests: tuple[Request, ...]
    rounds: int
    bytes_per_peer: int
    dealer_bytes: int
    memory_bytes: int


def dry_run(joint: Callable[[Session], object], names: Sequence[str] | int) -> Cost:
    """Run a joint function against nobody and say what it needs.

    Args:
        joint: what every party will run; it gets the session.
        names: the parties in rank order, or how many there are.

    Raises:
        PeerRejectedError: not 2 to 8 parties, or material whose parameters make no sense.
    """
    parties = tuple(_NAMES[:names]) if isinstance(names, int) else tuple(names)
    session = _Rehearsal(_Nobody(parties), bytes(SESSION_ID_BYTES))
    with session:
        joint(session)
    requests = tuple(session.recorder.requests)
    return Cost(
        requests=requests,
        rounds=session.counters.rounds,
        bytes_per_peer=max(session.counters.bytes_sent.values(), default=0),
        dealer_bytes=sum(answer_bytes(requests, rank) for rank in range(len(parties))) if requests else 0,
        memory_bytes=_memory_bytes(requests, session.memory.peak_bytes, len(parties)),
    )


def _memory_bytes(requests: Sequence[Request], peak_bytes: int, n_parties: int) -> int:
    """Most that a session holds: at its start, while the material comes, or afterwards beside all of it."""
    keys = 2 * KEY_BYTES * (n_parties - 1)
    if not requests:
        return max(keys, peak_bytes)
    asking = max(FRAME_BYTES, len(encode_requests(requests)))
    return max(keys, answer_bytes(requests, 0) + max(asking, peak_bytes))


class _Nobody(Mesh):
    """Peers that send zeros."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self.rank = 0
        self.helper = None
        self.counters = Counters()

    def exchange(
        self, kind: int, outgoing: Mapping[str, bytes | memoryview], expected: Mapping[str, int]
    ) -> dict[str, bytes]:
        """See ``Mesh.exchange``."""
        del kind
        self.counters.count(outgoing)
        return {name: bytes(length) for name, length in expected.items()}

    def close(self, error: BaseException | None = None) -> None:
        """Do nothing."""


class _Recorder(Supply):
    """Hands out zeros and notes what was asked."""

    def __init__(self, mesh: Mesh, session_id: bytes, memory: Memory) -> None:
        super().__init__(mesh, session_id, memory)
        self.requests: list[Request] = []

    def prefetch(self, requests: Sequence[Request], *, is_last: bool = True) -> None:
        """Do nothing: what a function fetches itself it will also take."""

    def take(self, request: Request) -> tuple[Material, ...]:
        """Note the request."""
        recipe = recipe_of(request)
        self._memory.need(recipe.share_bytes)
        self.requests.append(request)
        return tuple(np.zeros(part.shape, dtype=part.dtype) for part in recipe.free + recipe.bound)


class _Rehearsal(Session):
    def __init__(self, mesh: Mesh, session_id: bytes) -> None:
        super().__init__(mesh, session_id, memory_bytes=None)
        self.recorder = _Recorder(mesh, session_id, self.memory)
        self.supply = self.recorder

    def _open_keystreams(self) -> ZeroShares:
        return ZeroShares(self.rank, {})

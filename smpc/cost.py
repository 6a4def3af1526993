"""The cost of a joint computation, measured by a dry run without peers.

Layer:       smpc.cost. Over ``operations`` and whatever calls them; no threads, no sockets, no torch.
Terms:       a dry run is a session whose peers answer zeros, whose material is zeros and whose list of requests is
             kept. With three computing sites it is the run of the first one, which sends and receives most in the
             middle of a computation.
Guarantees:  the dry run executes the function that the parties will run, so requests, rounds and bytes are exact, not
             modeled; a dry run holds no key and no data. The result is meaningless for a function that branches on
             opened values.
See instead: time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from smpc.computing_sites import COMPUTING_SITES, ThreeSites
from smpc.dealer.correlations import recipe_of
from smpc.dealer.frames import FRAME_BYTES, answer_bytes
from smpc.dealer.requests import encode_requests
from smpc.dealer.site_supply import blank_material, dealt_bytes
from smpc.dealer.supply import Supply
from smpc.randomness import KEY_BYTES, ZeroShares
from smpc.session import SESSION_ID_BYTES, Session
from smpc.transport.mesh import Counters, Mesh

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from smpc.dealer.correlation_parts import Material
    from smpc.dealer.requests import Request
    from smpc.transport.memory_limit import Memory

_NAMES: Final = "abcdefgh"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one run costs a party, beyond the session's start (one exchange of 32 bytes with each peer).

    Attributes:
        requests: material in the order of use, for ``Session.prefetch``.
        rounds: exchanges among the parties; fetching the material is one more.
        bytes_per_peer: payload bytes that a party sends to each other party; with three computing sites, the most
            that one sends to another one, material aside.
        bytes_sent: payload bytes that the party that sends most sends to all others, material aside.
        dealer_bytes: payload bytes that the dealer, or the dealing site, sends when the material is fetched in one
            go.
        memory_bytes: the most that any party's session holds at once when the material is fetched in one go:
            material, frames, replies.
    """

    requests: tuple[Request, ...]
    rounds: int
    bytes_per_peer: int
    bytes_sent: int
    dealer_bytes: int
    memory_bytes: int


def dry_run(
    joint: Callable[[Session], object], names: Sequence[str] | int, *, has_three_sites: bool = False
) -> Cost:
    """Run a joint function without peers and return what it needs.

    Args:
        joint: what every party will run; it gets the session.
        names: the parties in rank order, or how many there are.
        has_three_sites: three of them compute without a dealer; which three makes no difference.

    Raises:
        PeerRejectedError: not 2 to 8 parties, fewer than three where three compute, or material whose parameters
            are invalid.
    """
    parties = tuple(_NAMES[:names]) if isinstance(names, int) else tuple(names)
    sites = ThreeSites.of(parties[:COMPUTING_SITES]) if has_three_sites else None
    mesh = _NullMesh(parties)
    session = _DryRunSession(mesh, bytes(SESSION_ID_BYTES), sites)
    with session:
        joint(session)
    requests = tuple(session.recorder.requests)
    sent, received = mesh.counters.bytes_sent, mesh.bytes_received
    if sites is None:
        per_peer, in_all = max(sent.values(), default=0), sum(sent.values())
        dealt = sum(answer_bytes(requests, rank) for rank in range(len(parties))) if requests else 0
    else:
        # who does not evaluate sends the first one what that expects of it, and every other peer an opening's part
        handing, opening = received.get(sites.dealing, 0), sent.get(sites.dealing, 0)
        per_peer = max([*sent.values(), *received.values()], default=0)
        in_all = max(sum(sent.values()), handing + (len(parties) - 2) * opening)
        ranks = [0, 1, *[-1] * (len(parties) - COMPUTING_SITES)]
        dealt = sum(dealt_bytes(requests, rank) for rank in ranks) if requests else 0
    return Cost(
        requests=requests,
        rounds=session.counters.rounds,
        bytes_per_peer=per_peer,
        bytes_sent=in_all,
        dealer_bytes=dealt,
        memory_bytes=_memory_bytes(requests, session.memory.peak_bytes, len(parties), dealt, sites),
    )


def _memory_bytes(
    requests: Sequence[Request], peak_bytes: int, n_parties: int, dealt: int, sites: ThreeSites | None
) -> int:
    """Most that a session holds: at its start, while the material comes, or afterwards beside all of it."""
    keys = 2 * KEY_BYTES * (n_parties - 1)
    if not requests:
        return max(keys, peak_bytes)
    if sites is not None:  # the dealing site sends it all at once; no site asks for it
        return max(keys, dealt, dealt_bytes(requests, 0) + peak_bytes)
    asking = max(FRAME_BYTES, len(encode_requests(requests)))
    return max(keys, answer_bytes(requests, 0) + max(asking, peak_bytes))


class _NullMesh(Mesh):
    """Peers that send zeros."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self.rank = 0
        self.helper = None
        self.counters = Counters()
        self.bytes_received: dict[str, int] = {}

    def exchange(
        self, kind: int, outgoing: Mapping[str, bytes | memoryview], expected: Mapping[str, int]
    ) -> dict[str, bytes]:
        """See ``Mesh.exchange``."""
        del kind
        self.counters.count(outgoing)
        for name, length in expected.items():
            self.bytes_received[name] = self.bytes_received.get(name, 0) + length
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
        blank = blank_material(request)
        self._memory.need(recipe_of(request).share_bytes)
        self.requests.append(request)
        return blank


class _DryRunSession(Session):
    def __init__(self, mesh: Mesh, session_id: bytes, sites: ThreeSites | None) -> None:
        super().__init__(mesh, session_id, sites, memory_bytes=None)
        self.recorder = _Recorder(mesh, session_id, self.memory)
        self.supply = self.recorder

    def _open_keystreams(self) -> tuple[ZeroShares, ZeroShares]:
        return ZeroShares(self.rank, {}), ZeroShares(self.rank, {})

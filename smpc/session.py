"""A session of 2 to 8 parties: its members, their pair keys, and the shares of zero made from them.

Layer:       smpc.session. Knows no torch; belongs to one thread.
Terms:       the active session is the one that CrypTen's own calls in this thread belong to. A party that *evaluates*
             holds shares and opens masked values: all parties, or two of three computing sites (``computing_sites``).
Guarantees:  each pair's key is made from fresh bytes of both in one exchange and bound to the session id; the dealer
             is no party and holds none. Sessions in other threads are not touched. What is opened in the middle of a
             computation reaches only the parties that evaluate.
See instead: its id (``privacy_accounting.ledger.session_id``), channels (``transport``), operations on shares (``operations``).
"""

from __future__ import annotations

import contextlib
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Final, Protocol, Self

from smpc.dealer.site_supply import SiteSupply
from smpc.dealer.supply import Supply
from smpc.errors import MaterialError, PeerRejectedError
from smpc.kernels import MatrixProduct, matmul
from smpc.randomness import KEY_BYTES, Keystream, Purpose, Shape, ZeroShares, derive_key, fresh_key
from smpc.sharing import FEWEST_PARTIES, MOST_PARTIES
from smpc.transport.memory_limit import Memory, MeteredMesh
from smpc.transport.mesh import Counters, FirstFrame, Mesh, Step

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

    from smpc.computing_sites import ThreeSites
    from smpc.dealer.pool import Prefetch
    from smpc.dealer.requests import Request
    from smpc.ring import ByteArray, RingArray
    from smpc.sharing import Shared

SESSION_ID_BYTES: Final = 32
MEMORY_BYTES: Final = 1 << 30
_OPENED: Final = frozenset({Purpose.OPENING, Purpose.PLANES})
_ACTIVE: Final[ContextVar[Session | None]] = ContextVar("crossward_session", default=None)


def active_session() -> Session | None:
    """Return the session that this thread is in, if any."""
    return _ACTIVE.get()


class ShareArithmetic(Protocol):
    """The port through which shares are added and multiplied; parties of one session may differ in it.

    Implementations take the same material in the same order and send the same frames, and give the same ring elements.
    """

    name: str

    def add(self, a: RingArray, b: RingArray) -> RingArray:
        """Return ``a + b``, both summands of this party."""

    def subtract(self, a: RingArray, b: RingArray) -> RingArray:
        """Return ``a - b``."""

    def negate(self, a: RingArray) -> RingArray:
        """Return ``-a``."""

    def scale(self, a: RingArray, constant: RingArray) -> RingArray:
        """Return ``a * constant`` for a public constant."""

    def total(self, a: RingArray, axis: int | None) -> RingArray:
        """Return the sum along an axis, or over everything as shape ``(1,)``."""

    def multiply(self, session: Session, a: Shared, b: Shared) -> Shared:
        """Return shares of the elementwise product, with numpy's broadcasting; one round."""

    def square(self, session: Session, a: Shared) -> Shared:
        """Return shares of ``a * a``; one round."""

    def matmul(self, session: Session, a: Shared, b: Shared) -> Shared:
        """Return shares of the matrix product; one round."""


class KeyOffer:
    """One party's fresh bytes for its pair keys, and its offer of a block, drawn before the mesh is open."""

    def __init__(self, peers: Sequence[str], ahead: Prefetch | None = None) -> None:
        """Draw the bytes.

        Args:
            peers: the other parties.
            ahead: the session's use of a pool of material.
        """
        self.keys = {name: fresh_key() for name in peers}
        self.ahead = ahead

    @property
    def first(self) -> FirstFrame:
        """The frames of the session's first exchange, which may travel with the lease."""
        offer = b"" if self.ahead is None else self.ahead.offer
        return FirstFrame(kind=Step.KEYS, payloads={name: key + offer for name, key in self.keys.items()})


class Session:
    """One party's side of a session: a context manager, agrees on keys at its start, closes the mesh.

    Attributes:
        mesh: this party's end of the channels.
        session_id: 32 bytes, the same at all parties.
        sites: the three computing sites, in a session without a dealer; None where all parties evaluate.
        memory: what it may hold, and holds.
        supply: the dealer's material, or the dealing site's.
        ahead: the block that the session takes from or adds to a pool, if any.
        local: keystream of this party alone.
        matmul: how this party multiplies matrices; may differ between parties.
        arithmetic: how this party adds and multiplies shares; None: numpy (``operations.numpy_arithmetic``).
    """

    def __init__(
        self,
        mesh: Mesh,
        session_id: bytes,
        sites: ThreeSites | None = None,
        *,
        memory_bytes: int | None = MEMORY_BYTES,
        offer: KeyOffer | None = None,
    ) -> None:
        """Take over a mesh whose parties all hold the same session id, and name the same sites.

        Args:
            mesh: this party's end.
            session_id: 32 bytes.
            sites: the three computing sites; None where all parties evaluate.
            memory_bytes: most material, frames and replies that it may hold at once; see ``Cost.memory_bytes``.
            offer: its key bytes and its use of a pool of material, which every party names, or none does; default:
                fresh bytes, no pool.

        Raises:
            PeerRejectedError: not 2 to 8 parties, the id has not 32 bytes, or a computing site is none of them.
        """
        if not FEWEST_PARTIES <= len(mesh.names) <= MOST_PARTIES or len(session_id) != SESSION_ID_BYTES:
            raise PeerRejectedError(reason="a session has 2 to 8 parties and an id of 32 bytes")
        self.memory = Memory(memory_bytes)
        self.mesh: Mesh = MeteredMesh(mesh, self.memory)
        self.session_id = session_id
        if sites is not None:
            sites.check_within(mesh.names)
        self.sites = sites
        self.supply = (
            Supply(self.mesh, session_id, self.memory)
            if sites is None
            else SiteSupply(self.mesh, session_id, sites, self.memory)
        )
        self._offer = KeyOffer(self.peers) if offer is None else offer
        self.ahead = self._offer.ahead
        self.local = Keystream(fresh_key())
        self.matmul: MatrixProduct = matmul
        self.arithmetic: ShareArithmetic | None = None
        self._zero_shares: ZeroShares | None = None  # from keys of all pairs
        self._opening_shares: ZeroShares | None = None  # from keys of those who evaluate
        self._token: Token[Session | None] | None = None

    def __repr__(self) -> str:
        """Name the parties only."""
        return f"Session(rank {self.rank} of {', '.join(self.names)})"

    @property
    def names(self) -> tuple[str, ...]:
        """All parties in rank order."""
        return self.mesh.names

    @property
    def n_parties(self) -> int:
        """Number of parties."""
        return len(self.mesh.names)

    @property
    def evaluators(self) -> tuple[str, ...]:
        """Those who hold shares, in the order of their material."""
        return self.names if self.sites is None else self.sites.evaluators

    @property
    def evaluator_rank(self) -> int:
        """Own place among those who evaluate; -1 where this party does not."""
        own = self.names[self.rank]
        return self.evaluators.index(own) if own in self.evaluators else -1

    @property
    def rank(self) -> int:
        """Own place among the parties."""
        return self.mesh.rank

    @property
    def is_first(self) -> bool:
        """Whether this party adds the public constants."""
        return self.evaluator_rank == 0

    @property
    def peers(self) -> tuple[str, ...]:
        """All other parties in rank order."""
        return tuple(name for name in self.names if name != self.names[self.rank])

    @property
    def counters(self) -> Counters:
        """What this party has sent so far."""
        return self.mesh.counters

    def open(self) -> None:
        """Agree on pair keys: one exchange, in any thread, once; the caller also enters or closes the mesh."""
        if self._zero_shares is not None:
            return
        try:
            self._zero_shares, self._opening_shares = self._open_keystreams()
        except BaseException as error:
            self.mesh.close(error)
            raise

    def __enter__(self) -> Self:
        """Open, unless that is done, and make this the thread's active session."""
        self.open()
        self._token = _ACTIVE.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Leave: cleanly, or with an error that the other parties then hear of."""
        if self._token is not None:
            _ACTIVE.reset(self._token)
            self._token = None
        try:
            if error is None:
                self.supply.finish()
        finally:
            self._zero_shares = self._opening_shares = None
            self.mesh.close(error)

    @contextlib.contextmanager
    def activated(self) -> Iterator[Session]:
        """Make this the active session for a while, whatever was before."""
        token = _ACTIVE.set(self)
        try:
            yield self
        finally:
            _ACTIVE.reset(token)

    def prefetch(self, requests: Sequence[Request], *, is_last: bool = True) -> None:
        """Have all material of a plan dealt at once, or take a block that was dealt ahead for it.

        See ``Supply.prefetch``; with ``ahead`` this is called once, with its list, or raises ``MaterialError``.
        """
        if self.ahead is not None and self.ahead.requests != tuple(requests):
            raise MaterialError(what="a list that the session did not name at its beginning")
        if self.ahead is None:
            self.supply.prefetch(requests, is_last=is_last)
        elif self.ahead.block is None:
            self.supply.prefetch(self.ahead.requests, is_last=not self.ahead.is_filling)
        else:
            block, self.ahead.block = self.ahead.block, None
            self.supply.load(self.ahead.requests, block)

    def deal_ahead(self) -> None:
        """After the last result: have a block dealt for a later session, if all parties want one.

        Cost: nothing, or 2 exchanges. See ``Supply.deal_ahead``.
        """
        if self.ahead is not None and self.ahead.is_filling:
            self.supply.deal_ahead(self.ahead)

    def zero_share(self, shape: Shape, bits: int = 64, purpose: Purpose = Purpose.INPUT) -> RingArray:
        """Return a fresh share of zero, mod ``2**bits``: for openings of those who evaluate, else of all parties.

        Visible to: no party. Cost: 0 rounds; ``8 * (n_parties - 1)`` keystream bytes per element.

        Args:
            shape: size or shape of the result.
            bits: 64, or less for values in ``[0, 2**bits)``.
            purpose: what it is for; all parties name the same.

        Raises:
            PeerRejectedError: the session is not open.
        """
        return self._shares_for(purpose).additive(shape, purpose, bits)

    def blind(self, summand: RingArray, purpose: Purpose) -> None:
        """Add a fresh share of zero to a contiguous array in place; otherwise as ``zero_share``."""
        self._shares_for(purpose).add_to(summand, purpose)

    def zero_planes(self, n_bytes: int) -> ByteArray:
        """Return a fresh share of zero by XOR, ``n_bytes`` bytes."""
        return self._shares_for(Purpose.PLANES).exclusive(n_bytes)

    def exchange(self, step: Step, payload: bytes | memoryview) -> list[bytes]:
        """Send the same payload to every peer and receive as much from each: one round.

        Returns:
            The peers' payloads in rank order.
        """
        outgoing = dict.fromkeys(self.peers, payload)
        replies = self.mesh.exchange(step, outgoing, dict.fromkeys(self.peers, len(payload)))
        return [replies[name] for name in self.peers]

    def exchange_evaluating(self, step: Step, payload: bytes | memoryview) -> list[bytes]:
        """As ``exchange``, among those who evaluate alone; all others are sent an empty frame.

        They wait for it and refuse any that is not empty: so no party runs ahead of the computation, and a party that is
        slow or lost is waited for, and named, by all.

        Returns:
            The peers' payloads in the order of ``evaluators``; nothing where this party does not evaluate.
        """
        others = [name for name in self.evaluators if name in self.peers]
        if self.evaluator_rank < 0:
            self.mesh.exchange(step, {}, dict.fromkeys(others, 0))
            return []
        outgoing = {name: payload if name in others else b"" for name in self.peers}
        replies = self.mesh.exchange(step, outgoing, dict.fromkeys(others, len(payload)))
        return [replies[name] for name in others]

    def _shares_for(self, purpose: Purpose) -> ZeroShares:
        shares = self._opening_shares if purpose in _OPENED else self._zero_shares
        if shares is None:
            raise PeerRejectedError(reason="the session is not open")
        return shares

    def _open_keystreams(self) -> tuple[ZeroShares, ZeroShares]:
        """Agree on pair keys; a dry run (``cost``) has no peers to agree with.

        Returns:
            What makes zero shares of all parties, and of those who evaluate; each purpose has streams in one alone.
        """
        keys = self._agree_on_keys()
        inner = {rank: key for rank, key in keys.items() if self.names[rank] in self.evaluators}
        return ZeroShares(self.rank, keys), ZeroShares(self.rank, inner if self.evaluator_rank >= 0 else {})

    def _agree_on_keys(self) -> dict[int, bytes]:
        mine, first = dict(self._offer.keys), self._offer.first
        self._offer.keys.clear()
        lengths = {name: len(payload) for name, payload in first.payloads.items()}
        heard = self.mesh.exchange(first.kind, first.payloads, lengths)
        if self.ahead is not None:
            self.ahead.settle([heard[name][KEY_BYTES:] for name in self.peers])
        theirs = {name: said[:KEY_BYTES] for name, said in heard.items()}
        keys = {}
        for name in self.peers:
            peer = self.names.index(name)
            both = mine[name] + theirs[name] if self.rank < peer else theirs[name] + mine[name]
            keys[peer] = derive_key(both, b"crossward/pair/1" + self.session_id)
        return keys

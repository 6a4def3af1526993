"""A party's side of the dealer: it asks for a batch, then hands out each piece once, in the order asked.

Layer:       smpc.dealer.supply. Belongs to one session and its thread.
Guarantees:  the dealer is not contacted before something is asked; a piece taken is gone; taking another piece than
             the next of the list raises ``MaterialError`` before anything was sent.
See instead: what the pieces are for (``operations``).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from smpc.dealer.correlations import expand, recipe_of
from smpc.dealer.frames import LIST_LIMIT, answer_bytes, encode_batch
from smpc.dealer.pool import Block, block_name
from smpc.dealer.requests import Request, encode_requests
from smpc.dealer.seeds import material_stream
from smpc.errors import MaterialError
from smpc.randomness import KEY_BYTES, Keystream, fresh_key
from smpc.transport.memory_limit import Memory
from smpc.transport.mesh import Mesh, Step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smpc.dealer.correlation_parts import Material
    from smpc.dealer.pool import Prefetch


@dataclass(slots=True)
class _Piece:
    """A piece in stock; the last one of a batch gives back the batch's memory."""

    request: Request
    stream: Keystream = field(repr=False)
    correction: memoryview | None = field(repr=False)
    batch_bytes: int = 0


class Supply:
    """One party's stock of material in one session."""

    def __init__(self, mesh: Mesh, session_id: bytes, memory: Memory | None = None) -> None:
        """Hold nothing; the dealer is ``mesh.helper``, and ``memory`` is the session's."""
        self._mesh = mesh
        self._memory = memory or Memory()
        self._session_id = session_id
        self._n_batches = 0
        self._is_finished = False
        self._stock: deque[_Piece] = deque()

    def prefetch(self, requests: Sequence[Request], *, is_last: bool = True) -> None:
        """Ask for a list of material in one exchange; every party calls this with the same list.

        Args:
            requests: in the order in which the operations will take them.
            is_last: whether the session asks no more after this.

        Raises:
            MaterialError: the session has no dealer, or said before that it asks no more.
            PartyLostError: the dealer is lost, or refused.
            MemoryLimitError: more than the session may hold; nothing was asked.
        """
        if requests:
            batch = self._n_batches
            answer = self._fetch(requests, is_last=is_last)
            self._load(requests, answer, self._session_id, batch)

    def load(self, requests: Sequence[Request], block: Block) -> None:
        """Take a block that all parties hold for this list instead of asking.

        Raises:
            MemoryLimitError: more than the session may hold.
        """
        if len(block.answer) != answer_bytes(requests, self._mesh.rank):
            raise MaterialError(what="a block of this list")
        self._load(requests, block.answer, block.session_id, block.batch)

    def deal_ahead(self, ahead: Prefetch) -> None:
        """Have a block dealt for a later session, say that it is here, and keep it when all parties said so.

        Cost: 2 exchanges, the first with the dealer.

        Raises:
            PartyLostError, PeerRejectedError, MemoryLimitError: it failed; nothing is kept.
        """
        batch, rank = self._n_batches, self._mesh.rank
        answer = self._fetch(ahead.requests, is_last=True)
        peers = [name for name in self._mesh.names if name != self._mesh.names[rank]]
        own = fresh_key()
        nonces = self._mesh.exchange(
            Step.STOCK, dict.fromkeys(peers, own), dict.fromkeys(peers, KEY_BYTES)
        ) | {self._mesh.names[rank]: own}
        name = block_name(self._session_id, batch, ahead.digest, [nonces[name] for name in self._mesh.names])
        ahead.keep(Block(name=name, session_id=self._session_id, batch=batch, answer=answer))

    def _fetch(self, requests: Sequence[Request], *, is_last: bool) -> bytes:
        encoded = encode_requests(requests)
        if len(encoded) > LIST_LIMIT:
            raise MaterialError(what="a request list this long")
        return self._ask(encoded, answer_bytes(requests, self._mesh.rank), is_last=is_last)

    def _load(self, requests: Sequence[Request], answer: bytes, session_id: bytes, batch: int) -> None:
        self._memory.hold(len(answer))
        stream = material_stream(answer[:KEY_BYTES], session_id, self._mesh.rank, batch)
        corrections, position = memoryview(answer), KEY_BYTES
        for request in requests:
            end = position + recipe_of(request).correction_bytes
            own = corrections[position:end] if self._mesh.rank == 0 else None
            self._stock.append(_Piece(request, stream, own))
            position = end
        self._stock[-1].batch_bytes = len(answer)

    def take(self, request: Request) -> tuple[Material, ...]:
        """Hand out the next piece; without a stock it is asked for on the spot, in an exchange of its own.

        Returns:
            This party's share of each part, free parts first.

        Raises:
            MaterialError: the next piece is another one, or there is none and the session asks no more.
            MemoryLimitError: it does not fit into the session's memory.
        """
        if not self._stock:
            self.prefetch([request], is_last=False)
        if self._stock[0].request != request:
            raise MaterialError(what=f"{request.kind.name.lower()} next in the list")
        self._memory.need(recipe_of(request).share_bytes)
        piece = self._stock.popleft()
        material = expand(request, piece.stream, piece.correction)
        self._memory.hold(-piece.batch_bytes)
        return material

    def finish(self) -> None:
        """Tell the dealer that no more requests come, if it was asked before."""
        if self._n_batches and not self._is_finished:
            self._ask(b"", 0, is_last=True)

    def _ask(self, encoded: bytes, n_answer: int, *, is_last: bool) -> bytes:
        dealer = self._mesh.helper
        if dealer is None:
            raise MaterialError(what="this session has no dealer")
        if self._is_finished:
            raise MaterialError(what="the session's list is used up")
        frame, rest = encode_batch(self._session_id, self._n_batches, encoded, is_last=is_last)
        self._n_batches += 1
        self._is_finished = is_last
        if rest:
            self._mesh.exchange(Step.MATERIAL, {dealer: frame}, {})
            frame = rest
        expected = {dealer: n_answer} if n_answer else {}
        return self._mesh.exchange(Step.MATERIAL, {dealer: frame}, expected).get(dealer, b"")
